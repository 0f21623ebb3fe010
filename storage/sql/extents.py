"""Since when and until when there is something of each series and station, and what was revised."""

from __future__ import annotations

from collections.abc import Sequence

from storage import paging
from storage.extents import Extent, RevisedSpan, StationTable
from storage.sql.summing import Summing

_QUERIES = {"reports": "report_extents", "figures": "figure_extents", "periods": "period_extents"}


class ExtentQueries(Summing):
    """The part of `storage.store.Store` for the catalogue (`storage.extents`)."""

    def series_extents(self, keys: Sequence[int]) -> dict[int, Extent]:
        """Return the extents of series by number; one without samples is absent."""
        with self._reading() as connection:
            rows = connection.execute(self._queries["series_extents"], {"keys": self._list(keys)}).fetchall()
        return {key: Extent(begin_us, end_us) for key, begin_us, end_us in rows}

    def station_extents(self, table: StationTable) -> dict[str, Extent]:
        """Return the extents of stations by id; one of which nothing is stored is absent."""
        with self._reading() as connection:
            rows = connection.execute(self._queries[_QUERIES[table]], {}).fetchall()
        return {station_id: Extent(begin_us, end_us) for station_id, begin_us, end_us in rows}

    def alert_extent(self) -> Extent | None:
        """Return when the first and the newest alert were opened; None: there is none."""
        with self._reading() as connection:
            begin_us, end_us = connection.execute(self._queries["alert_extent"], {}).fetchone()
        return None if begin_us is None else Extent(begin_us, end_us)

    def revised_spans(
        self, keys: Sequence[int], start_us: int, end_us: int, length_us: int, *, limit: int
    ) -> list[RevisedSpan]:
        """Return what was revised of some series, by stretches of this length, oldest first."""
        paging.check_limit(limit)
        asked = {
            "keys": self._list(keys),
            "start_us": start_us,
            "end_us": end_us,
            "length_us": length_us,
            "limit": limit,
        }
        with self._reading() as connection:
            rows = connection.execute(self._queries["revised_spans"], asked).fetchall()
        places = {key: place for place, key in enumerate(keys)}
        return [RevisedSpan(places[key], *rest) for key, *rest in rows]
