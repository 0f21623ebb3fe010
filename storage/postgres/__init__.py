"""The store of a country: PostgreSQL with PostGIS. The only room that knows the driver."""

from storage.postgres.migrations import SchemaStatus, migrate, status
from storage.postgres.service import PostgresServiceQueries
from storage.postgres.sta import PostgresStaQueries
from storage.postgres.stations import PostgresStationQueries
from storage.postgres.timescale import Timescale
from storage.postgres.timescale import adopt as adopt_timescale
from storage.postgres.timescale import status as timescale_status
from storage.postgres.writing import PostgresWriting
from storage.rows import Counts
from storage.sql.alerts import AlertQueries
from storage.sql.calls import CallQueries
from storage.sql.changes import ChangeQueries
from storage.sql.extents import ExtentQueries
from storage.sql.kept_sessions import KeptSessionTables
from storage.sql.raw_index import RawIndexTables


class PostgresStore(
    PostgresWriting,
    PostgresStationQueries,
    PostgresStaQueries,
    PostgresServiceQueries,
    ExtentQueries,
    AlertQueries,
    CallQueries,
    ChangeQueries,
    KeptSessionTables,
    RawIndexTables,
):
    """Implements `storage.store.Store` and `storage.store.RawIndex` on the database at a URL.

    Parameters
    ----------
    url
        postgresql://user@host:port/database
    migrate
        Bring the database to this program's schema first: for tests, and where one machine does all.

    Raises
    ------
    StoreVersionError
        The database has another schema than this program's; the sentence names the command that changes it.
    StorageError
        It cannot be reached.
    """

    def counts(self) -> Counts:
        """Return figures for metrics."""
        self.bring_latest()
        return super().counts()


__all__ = [
    "PostgresStore", "SchemaStatus", "Timescale", "adopt_timescale", "migrate", "status", "timescale_status",
]  # fmt: skip
