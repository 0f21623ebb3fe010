"""The store of the embedded mode: one SQLite file."""

from storage.sql.alerts import AlertQueries
from storage.sql.changes import ChangeQueries
from storage.sql.kept_sessions import KeptSessionTables
from storage.sql.raw_index import RawIndexTables
from storage.sql.sensors import SensorQueries
from storage.sqlite.stations import SqliteStationQueries
from storage.sqlite.writing import SqliteWriting


class SqliteStore(
    SqliteWriting,
    SqliteStationQueries,
    SensorQueries,
    AlertQueries,
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


__all__ = ["SqliteStore"]
