"""The store of the embedded mode: one SQLite file."""

from storage.sql.alerts import AlertQueries
from storage.sql.calls import CallQueries
from storage.sql.changes import ChangeQueries
from storage.sql.extents import ExtentQueries
from storage.sql.kept_sessions import KeptSessionTables
from storage.sql.raw_index import RawIndexTables
from storage.sqlite.reading import SqliteReader
from storage.sqlite.service import SqliteServiceQueries
from storage.sqlite.sta import SqliteStaQueries
from storage.sqlite.stations import SqliteStationQueries
from storage.sqlite.writing import SqliteWriting


class SqliteStore(
    SqliteWriting,
    SqliteStationQueries,
    SqliteStaQueries,
    SqliteServiceQueries,
    ExtentQueries,
    AlertQueries,
    CallQueries,
    ChangeQueries,
    KeptSessionTables,
    RawIndexTables,
):
    """Implements `storage.store.Store` and `storage.store.RawIndex` on the file at `path`.

    Raises
    ------
    StoreVersionError
        The file was written by a newer program.
    """


__all__ = ["SqliteReader", "SqliteStore"]
