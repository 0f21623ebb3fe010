"""The store of the embedded mode: one SQLite file."""

from storage.sqlite.alerts import AlertQueries
from storage.sqlite.raw_index import RawIndexTables
from storage.sqlite.sensors import SensorQueries
from storage.sqlite.stations import StationQueries
from storage.sqlite.writing import Writing


class SqliteStore(Writing, StationQueries, SensorQueries, AlertQueries, RawIndexTables):
    """Implements `storage.store.Store` and `storage.store.RawIndex` on the file at `path`.

    Raises
    ------
    StoreVersionError
        The file was written by a newer program.
    """


__all__ = ["SqliteStore"]
