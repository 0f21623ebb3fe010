"""The store of the embedded mode: one SQLite file."""

from collections.abc import Sequence

import msgspec

from storage.sql.alerts import AlertQueries
from storage.sql.calls import CallQueries
from storage.sql.changes import ChangeQueries
from storage.sql.extents import ExtentQueries
from storage.sql.kept_sessions import KeptSessionTables
from storage.sql.raw_index import RawIndexTables
from storage.sqlite.behind import values_in
from storage.sqlite.reading import SqliteReader
from storage.sqlite.service import SqliteServiceQueries
from storage.sqlite.sta import SqliteStaQueries
from storage.sqlite.stations import SqliteStationQueries
from storage.sqlite.writing import SqliteWriting

MOST_ASKED = 100
"""Questions about samples that wait, before all of them are brought: each takes some milliseconds."""


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

    def values_at(self, datastream_id: str, times_us: Sequence[int]) -> dict[int, float | None]:
        """Return the stored values at these times; times without a sample are absent.

        Who asks so waits with all others' alerts. Samples that wait for their table are looked for where they
        are; all are brought only when many ask.
        """
        with self._lock:
            waiting = self._behind.samples_of(datastream_id)
            self._asked += bool(waiting)
        if not waiting or not times_us:
            return super().values_at(datastream_id, times_us)
        if self._asked > MOST_ASKED:
            self._bring()
            return super().values_at(datastream_id, times_us)
        newer = values_in(waiting, datastream_id, times_us)
        asked = {"id": datastream_id, "times": msgspec.json.encode(times_us).decode()}
        with self._reading() as connection:
            rows = connection.execute(self._queries["revisions_at"], asked).fetchall()
        found = {time_us: (revision, value) for time_us, revision, value in rows}
        for time_us, one in newer.items():
            if time_us not in found or one[0] >= found[time_us][0]:
                found[time_us] = one
        return {time_us: value for time_us, (_, value) in found.items()}


__all__ = ["SqliteReader", "SqliteStore"]
