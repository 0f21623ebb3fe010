"""What the driver raises, in words and in the store's own errors: nobody else knows the driver."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import PoolClosed, PoolTimeout

from storage.store import RowsRefusedError, StorageError, StorageFullError

_FULL = "53100"
_GONE = ("08", "57")
"""Classes of lost connections and of servers that stop."""
_COLLISION = "40"
"""Class of deadlocks and of transactions that do not fit together."""


_OF_ROWS = (psycopg.DataError, psycopg.IntegrityError, psycopg.errors.ProgramLimitExceeded)
"""What cannot be held, does not fit, or is too long for an index."""


class DatabaseAwayError(StorageError):
    """The server cannot be reached. Trying again helps once it can."""


class WriterBusyError(StorageError):
    """Another process writes into the database. Trying again helps when that one has ended."""


class CollisionError(StorageError):
    """Two writers wanted the same rows, and this one gave way. Trying again helps."""


class BeginAnewError(StorageError):
    """What was taken for true of the tables is not. Trying again helps: it is known now."""


class RowsExistError(BeginAnewError):
    """Rows that were taken for new are there already. Trying again helps: they are looked for then."""


class PartitionGoneError(BeginAnewError):
    """Somebody dropped or detached a partition. Trying again helps: its rows go by the table."""


def where(url: str) -> str:
    """Return server and database of a URL, without its password."""
    try:
        parts = conninfo_to_dict(url)
    except psycopg.Error:
        return "that is asked for"
    host, port = parts.get("host") or "localhost", parts.get("port") or "5432"
    return f"{parts.get('dbname') or parts.get('user') or 'postgres'} at {host}:{port}"


@contextmanager
def translated(url: str) -> Iterator[None]:
    """Raise the store's errors for those of the driver.

    Raises
    ------
    StorageFullError
        The server has no space left.
    CollisionError
        Another writer was in the way.
    DatabaseAwayError
        It does not answer, or has broken the connection.
    RowsRefusedError
        It refused what was to be written.
    StorageError
        It refused something else.
    """
    try:
        yield
    except (PoolTimeout, PoolClosed, psycopg.OperationalError, psycopg.InterfaceError) as error:
        if isinstance(error, psycopg.Error) and error.sqlstate == _FULL:
            raise StorageFullError(
                f"no space is left for the database {where(url)}: make room there "
                "and storing goes on by itself"
            ) from error
        if isinstance(error, psycopg.Error) and (error.sqlstate or "").startswith(_COLLISION):
            raise CollisionError(
                f"another program writes the same rows of {where(url)} ({first_line(error)}): "
                "let one do it, or try again"
            ) from error
        if isinstance(error, psycopg.Error) and error.sqlstate and error.sqlstate[:2] not in _GONE:
            raise _refused(url, error) from error
        raise DatabaseAwayError(
            f"the database {where(url)} does not answer ({first_line(error)}): "
            "start it, or look at its log; storing goes on by itself"
        ) from error
    except psycopg.Error as error:
        raise _refused(url, error) from error


def _refused(url: str, error: Exception) -> StorageError:
    kind = RowsRefusedError if isinstance(error, _OF_ROWS) else StorageError
    return kind(f"the database {where(url)} refused ({first_line(error)}): look at its log")


def first_line(error: Exception) -> str:
    """Return what an error says, without its details."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
