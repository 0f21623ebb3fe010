"""A SQLite file that another process may be writing: what can be asked of it, and nothing that changes it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from storage.named_sql import load_migrations
from storage.sql.alerts import AlertQueries
from storage.sql.calls import CallQueries
from storage.sql.changes import ChangeQueries
from storage.sql.database import Connection
from storage.sql.sensors import SensorQueries
from storage.sqlite.database import QUERIES
from storage.sqlite.sums import SqliteSums
from storage.store import StorageError, StoreVersionError

_BUSY_TIMEOUT_S = 10.0


class SqliteReader(SqliteSums, SensorQueries, AlertQueries, CallQueries, ChangeQueries):
    """Answers about sensors, alerts, calls and changes. Not for two threads at once.

    Raises
    ------
    StoreVersionError
        The file is of another version of this program.
    """

    _queries = QUERIES

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro",
            uri=True,
            timeout=_BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            (version,) = self._connection.execute("SELECT max(version) FROM schema_version").fetchone()
            if version != (known := len(load_migrations("sqlite"))):
                raise StoreVersionError(
                    f"the database {path} has version {version}, this program has {known}: "
                    "let the program that writes it be of the same version as this one"
                )
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        self._connection.execute("BEGIN")
        try:
            yield self._connection
        finally:
            self._connection.execute("ROLLBACK")

    def _transaction(self) -> AbstractContextManager[Connection]:
        raise StorageError("this store is only read")
