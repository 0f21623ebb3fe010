"""Connections, migrations and transactions of the SQLite store.

One connection writes, under a lock; readers of any thread take read-only connections from a pool and,
thanks to the write-ahead log, never wait for the writer. `synchronous` is FULL: in WAL mode NORMAL outlives
the death of the process but may lose the last commits when the power fails, and a commit here is what lets
an MQTT message be acknowledged or a webhook be called done. A round of the pipeline commits once, so this
costs one fsync for hundreds of rows.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec

from storage.named_sql import load_migrations, load_queries
from storage.sql.database import Database
from storage.sqlite.tables import with_arrivals
from storage.store import StorageFullError, StoreVersionError

RAW_QUERIES = load_queries("sqlite")
"""With `{SELECT ... FROM EVERY ...}` (see `tables.py`)."""
QUERIES = {name: with_arrivals(sql) for name, sql in RAW_QUERIES.items()}
_IDLE_READERS = 8
_BUSY_TIMEOUT_S = 10.0
_LONGEST_LOG_PAGES = 100_000
"""400 MB: of a longer log a commit brings all that there is into the file, which takes seconds."""
_SHORT_LOG_PAGES = 4000
"""16 MB: a shorter log may go on."""
_CACHE_KB = 262_144
"""Of the writer, at most. Each series writes into a page of its own; what does not fit is written and read
again within a commit."""
_STATEMENTS = 512
"""That are kept prepared: those of many rows have many kinds (`bulk.py`)."""
_VERSION_TABLE = "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY)"

KEYS_REMEMBERED = 100_000


class SqliteDatabase(Database):
    """The file and its connections."""

    _queries = QUERIES

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._pool_lock = threading.Lock()
        self._writer = self._connect("rwc")
        self._idle: queue.LifoQueue[sqlite3.Connection] = queue.LifoQueue(_IDLE_READERS)
        self._keys = defaultdict[str, dict[str, int]](dict)
        """Numbers of names, by kind."""
        self._closed = False
        self._tidier: sqlite3.Connection | None = None
        try:
            with self._translated():
                self._writer.execute("PRAGMA journal_mode = WAL")
                self._writer.execute("PRAGMA synchronous = FULL")
                self._writer.execute("PRAGMA foreign_keys = ON")
                self._writer.execute(f"PRAGMA cache_size = -{_CACHE_KB}")
                self._writer.execute("PRAGMA journal_size_limit = 67108864")
                self._writer.execute(f"PRAGMA wal_autocheckpoint = {_LONGEST_LOG_PAGES}")
            self._migrate()
        except BaseException:
            self._writer.close()
            raise

    def close(self) -> None:
        """Close all connections; readers that are at work close theirs when they are done."""
        with self._pool_lock:
            self._closed = True
            while True:
                try:
                    self._idle.get_nowait().close()
                except queue.Empty:
                    break
        with self._lock:
            if self._tidier is not None:
                self._tidier.close()
            self._writer.close()

    def hold(self) -> None:
        """Be the only writer: who opens the file to write holds its folder already."""

    def tidy(self) -> None:
        """Bring pages of the log into the file; commits go on meanwhile.

        A commit that has to do it waits for the disk for seconds at 28,000 rows a second. The log begins anew
        only where all of it was brought, so the little that came meanwhile is brought with nobody writing.
        """
        with self._translated():
            if self._tidier is None:
                self._tidier = self._connect("rw")
            ((_, pages, _),) = self._tidier.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            if pages >= _SHORT_LOG_PAGES:
                with self._lock:
                    self._tidier.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    # --- for the parts --------------------------------------------------------------------------------

    @property
    def _rows_wait(self) -> bool:
        """Whether rows of large commits stand beside their tables."""
        return False

    @contextmanager
    def _transaction(self, *, synced: bool = True) -> Iterator[sqlite3.Connection]:
        """Write in one transaction, all or nothing; not `synced`, it is on the disk with the next that is."""
        with self._lock, self._translated():
            self._writer.execute(f"PRAGMA synchronous = {'FULL' if synced else 'NORMAL'}")
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                self._keys.clear()
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """Read from one consistent state."""
        try:
            connection = self._idle.get_nowait()
        except queue.Empty:
            connection = self._connect("ro")
        try:
            connection.execute("BEGIN")
            yield connection
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            self._give_back(connection)

    def _key(self, connection: sqlite3.Connection, kind: str, name: str) -> int:
        """Return the number of a station, a datastream or a list of names; a new one gets one."""
        known = self._keys[kind]
        key = known.get(name)
        if key is None:
            connection.execute(QUERIES["add_names" if kind == "name" else f"add_{kind}"], (name,))
            (key,) = connection.execute(QUERIES[f"{kind}_key"], (name,)).fetchone()
            if len(known) >= KEYS_REMEMBERED:  # names come from devices, too
                known.clear()
            known[name] = key
        return int(key)

    def _keys_of(self, connection: sqlite3.Connection, kind: str, names: Sequence[str]) -> list[int]:
        """Return the numbers of stations or datastreams; new ones get one."""
        known = self._keys[kind].get
        found = [key for key in map(known, names) if key is not None]
        return found if len(found) == len(names) else [self._key(connection, kind, name) for name in names]

    def _names_key(self, connection: sqlite3.Connection, names: list[str]) -> int:
        return self._key(connection, "name", msgspec.json.encode(names).decode())

    # --- inside ---------------------------------------------------------------------------------------

    def _connect(self, mode: str) -> sqlite3.Connection:
        return sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=_BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=_STATEMENTS,
        )

    def _give_back(self, connection: sqlite3.Connection) -> None:
        with self._pool_lock:
            if not self._closed:
                try:
                    self._idle.put_nowait(connection)
                except queue.Full:
                    pass
                else:
                    return
        connection.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_FULL:
                raise StorageFullError(
                    f"no space is left in {self.path.parent}: make room and storing goes on by itself"
                ) from error
            raise

    def _migrate(self) -> None:
        migrations = load_migrations("sqlite")
        with self._transaction() as connection:
            connection.execute(_VERSION_TABLE)
            with closing(connection.execute("SELECT coalesce(max(version), 0) FROM schema_version")) as rows:
                (version,) = rows.fetchone()
            if version > len(migrations):
                raise StoreVersionError(
                    f"the database {self.path} has version {version}, this program knows versions up to "
                    f"{len(migrations)}: start the newer program or use another data folder"
                )
            for number, script in migrations.items():
                if number > version:
                    for statement in split_statements(script):
                        connection.execute(statement)
                    connection.execute("INSERT INTO schema_version VALUES (?)", (number,))


def split_statements(script: str) -> Iterator[str]:
    """Cut a script into statements, so that it can run inside a transaction."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
