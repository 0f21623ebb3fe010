"""Connections and transactions of the PostgreSQL store.

One connection writes, under a lock, and a second one does what is done beside the commits; readers of any
thread take connections of a pool, whose transactions only read and see one state. A connection that the
server has broken is made anew at the next call. Commits are synchronous: what a call has returned from
outlives the server's power. Sessions keep temporary tables and prepared statements, so a pooler between
must hand out whole sessions.
"""

from __future__ import annotations

import threading
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.types.string import StrDumperUnknown
from psycopg_pool import ConnectionPool

from storage.named_sql import load_queries
from storage.postgres import hypertables, partitions
from storage.postgres.copying import HEADER, TRAILER
from storage.postgres.errors import DatabaseAwayError, PartitionGoneError, WriterBusyError, translated, where
from storage.postgres.migrations import expect_current, migrate
from storage.sql.database import Connection, Database, Parameters

QUERIES = load_queries("postgres")
READERS = 8
WAIT_S = 10.0
"""For a connection, or for a reader to become free."""
KEYS_REMEMBERED = 500_000
"""Of each kind."""
_KEEP_ALIVE = {
    "connect_timeout": round(WAIT_S),
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""A peer that vanished is noticed within half a minute."""
_SESSION = b"SET jit = off; SET plan_cache_mode = force_custom_plan; SET synchronous_commit = on"
"""A plan for known times looks at their partitions only."""
_NOTICED = (
    b"SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; "
    b"SET tcp_user_timeout = 30000"
)
"""So that the server, too, notices a writer that vanished, and lets the next one in."""
WRITER_LOCK = 7_203_116_203
_ADDED = {"station": "add_stations", "datastream": "add_datastreams", "name": "add_names"}


class _Text(StrDumperUnknown):
    """Text, in which PostgreSQL allows no NUL: ids come from devices and may hold anything."""

    def dump(self, obj: str) -> Any:
        return super().dump(obj.replace("\0", "\u2400"))


class Session:
    """One connection inside a transaction, as the shared parts use it: results come in binary."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.plain = connection
        self._last: list[str] = []

    def execute(self, sql: str, parameters: Parameters | None = None, /) -> psycopg.Cursor[tuple[Any, ...]]:
        """Run one statement."""
        return self.plain.execute(sql.encode(), parameters, binary=True)

    def executemany(self, sql: str, parameters: Iterable[Parameters], /) -> None:
        """Run one statement for each set of parameters, without waiting for each answer."""
        rows = list(parameters)
        if rows:
            with self.plain.cursor() as cursor:
                cursor.executemany(sql.encode(), rows)

    def in_the_end(self, sql: str, parameters: Parameters, /) -> None:
        """Run a statement on the way of the COMMIT."""
        text = psycopg.ClientCursor(self.plain).mogrify(sql.encode(), parameters)
        self._last.append(text.strip().rstrip(";"))

    def commit(self) -> None:
        """Run what was left for the end, and COMMIT, in one message: each answer is a time of waiting.

        Raises
        ------
        PartitionGoneError
            What was to be a partition is none.
        """
        try:
            self.plain.execute(";\n".join([*self._last, "COMMIT"]).encode(), prepare=False)
        except psycopg.errors.DivisionByZero as error:  # of `expect_partition`
            raise PartitionGoneError("a partition is no part of its table any more") from error


def send(session: Session, copy: str, pieces: Iterable[bytes]) -> None:
    """Send rows by a COPY."""
    with session.plain.cursor() as cursor, cursor.copy(copy.encode()) as rows:
        rows.write(HEADER)
        for piece in pieces:
            rows.write(piece)
        rows.write(TRAILER)


class PostgresDatabase(Database):
    """The database at a URL and its connections."""

    _queries = QUERIES

    def __init__(self, url: str, *, migrate: bool = False) -> None:
        self.url = url
        if migrate:
            _migrate(url)
        self._lock = threading.RLock()
        self._beside_lock = threading.RLock()
        self._beside_connection: psycopg.Connection[Any] | None = None
        self._keys: dict[str, dict[str, int]] = {kind: {} for kind in _ADDED}
        self._new_keys: dict[str, dict[str, int]] = {kind: {} for kind in _ADDED}
        self._partitions: set[str] = set()
        self._hypertables: set[str] = set()
        self._closed = False
        self._alone = False
        with translated(url):
            self._writer: psycopg.Connection[Any] | None = self._connect()
        self._readers = ConnectionPool(
            url,
            kwargs={"autocommit": False, **_KEEP_ALIVE},
            min_size=0,
            max_size=READERS,
            timeout=WAIT_S,
            # a pool that has given up begins anew with the next question
            reconnect_timeout=WAIT_S,
            configure=_configure_reader,
            check=ConnectionPool.check_connection,
            open=True,
            name="groundswell",
        )

    def close(self) -> None:
        """Close all connections; readers that are at work close theirs when they are done."""
        self._closed = True
        self._readers.close()
        with self._lock:
            if self._writer is not None:
                self._writer.close()
        with self._beside_lock:
            if self._beside_connection is not None:
                self._beside_connection.close()

    def hold(self) -> None:
        """Be the only writer of this database, also after a broken connection.

        Raises
        ------
        WriterBusyError
            Another process is. Trying again helps when it has ended.
        """
        with self._outside() as connection:
            self._take(connection)
            self._alone = True

    # --- for the parts --------------------------------------------------------------------------------

    @contextmanager
    def _transaction(self) -> Iterator[Session]:
        """Write in one transaction, all or nothing.

        A connection that was broken while nobody used it is made anew.
        """
        with self._lock, translated(self.url):
            connection = self._begun()
            try:
                session = Session(connection)
                yield session
                session.commit()
            except BaseException:
                for new in self._new_keys.values():
                    new.clear()
                if connection.closed:
                    self._writer = None
                else:
                    self._undo(connection)
                raise
            for kind, new in self._new_keys.items():
                if len(self._keys[kind]) + len(new) > KEYS_REMEMBERED:  # names come from devices, too
                    self._keys[kind].clear()
                self._keys[kind].update(new)
                new.clear()

    @contextmanager
    def _reading(self) -> Iterator[Session]:
        """Read from one consistent state."""
        with translated(self.url), self._readers.connection() as connection:
            yield Session(connection)

    def _numbers(self, connection: Connection, kind: str, names: Iterable[str]) -> Mapping[str, int]:
        """Return the numbers of stations, datastreams or lists of names, and of others; new ones get one."""
        known, new = self._keys[kind], self._new_keys[kind]
        missing = [name for name in names if name not in known]
        if not missing:
            return known
        stored = {name.replace("\0", "\u2400"): name for name in missing if name not in new}
        if stored:
            found = self._ask_numbers(connection, kind, list(stored))
            if absent := sorted(stored.keys() - found.keys()):  # sorted: no two writers wait for each other
                connection.execute(QUERIES[_ADDED[kind]], {"ids": absent})
                found |= self._ask_numbers(connection, kind, absent)
            new.update({name: found[name.replace("\0", "\u2400")] for name in missing if name not in new})
        return ChainMap(new, known)

    def _make_partitions(
        self, wanted: Mapping[partitions.Partitioned, set[partitions.Partition]], *, beside: bool = False
    ) -> list[str]:
        """Make the partitions that do not exist; return the tables of those that have to wait."""
        missing = [
            (table, partition)
            for table, some in wanted.items()
            if table.table not in self._hypertables
            for partition in sorted(some)
            if partition.name not in self._partitions
        ]
        if not missing:
            return []
        waiting = []
        with self._beside() if beside else self._outside() as connection:
            for table, partition in missing:
                if partitions.make(connection, table, partition):
                    self._partitions.add(partition.name)
                else:
                    waiting.append(table.table)
        return waiting

    @contextmanager
    def _outside(self) -> Iterator[psycopg.Connection[Any]]:
        """Give the writer's connection outside a transaction."""
        with self._lock, translated(self.url):
            connection = self._begun()
            connection.execute("ROLLBACK")
            try:
                yield connection
            except BaseException:
                if connection.closed:
                    self._writer = None
                raise

    @contextmanager
    def _beside(self) -> Iterator[psycopg.Connection[Any]]:
        """Give a second connection, which commits each statement; a commit does not wait for it."""
        with self._beside_lock, translated(self.url):
            if self._closed:
                raise DatabaseAwayError("the store is closed: open it anew")
            connection = self._beside_connection
            if connection is not None:
                try:
                    connection.execute("SELECT 1")
                except psycopg.OperationalError:
                    connection.close()
            if connection is None or connection.closed:
                connection = self._connect()
                self._beside_connection = connection
            yield connection

    # --- inside ---------------------------------------------------------------------------------------

    def _connect(self) -> psycopg.Connection[Any]:
        connection = psycopg.connect(self.url, autocommit=True, **_KEEP_ALIVE)  # type: ignore[arg-type]
        try:
            _configure(connection)
            expect_current(connection, self.url)
            connection.execute(QUERIES["make_stages"].encode())
            self._partitions = partitions.existing(connection)
            self._hypertables = hypertables.prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _begun(self) -> psycopg.Connection[Any]:
        if self._closed:
            raise DatabaseAwayError("the store is closed: open it anew")
        if self._writer is not None and not self._writer.closed:
            try:
                self._writer.execute("BEGIN")
            except psycopg.OperationalError:
                self._writer.close()
            else:
                return self._writer
        self._writer = None
        connection = self._connect()
        if self._alone:
            try:
                self._take(connection)
            except BaseException:
                connection.close()
                raise
        self._writer = connection
        self._writer.execute("BEGIN")
        return self._writer

    def _take(self, connection: psycopg.Connection[Any]) -> None:
        """Take the lock of writers, which lasts as long as the connection."""
        connection.execute(_NOTICED)
        if connection.execute("SELECT pg_try_advisory_lock(%s)", (WRITER_LOCK,)).fetchone() != (True,):
            raise WriterBusyError(
                f"another groundswell store writes into the database {where(self.url)}: "
                "this one waits, and goes on when that one ends"
            )

    def _undo(self, connection: psycopg.Connection[Any]) -> None:
        try:
            connection.execute("ROLLBACK")
        except psycopg.Error:
            connection.close()
            self._writer = None

    def _ask_numbers(self, connection: Connection, kind: str, ids: list[str]) -> dict[str, int]:
        return dict(connection.execute(QUERIES[f"{kind}_keys"], {"ids": ids}).fetchall())


def _configure(connection: psycopg.Connection[Any]) -> None:
    connection.execute(_SESSION)
    connection.adapters.register_dumper(str, _Text)


def _configure_reader(connection: psycopg.Connection[Any]) -> None:
    connection.autocommit = True
    _configure(connection)
    connection.autocommit = False
    connection.read_only = True
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ


_migrate = migrate
