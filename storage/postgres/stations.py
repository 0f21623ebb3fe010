"""Stations as PostgreSQL keeps them: the newest report is a row, and places can be searched."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from storage import paging
from storage.postgres.latest import PostgresLatest
from storage.rows import Page, StationRow
from storage.sql.packing import report_of_row, unpack
from storage.sql.stations import StationQueries
from streams.records import StationReport, StationStateName


class PostgresStationQueries(StationQueries, PostgresLatest):
    """The station part of the store."""

    def stations(
        self, *, after: str | None = None, limit: int = 100, state: StationStateName | None = None
    ) -> Page[StationRow]:
        """Return stations by id."""
        self.bring_latest()
        return super().stations(after=after, limit=limit, state=state)

    def station(self, station_id: str) -> StationRow | None:
        """Return one station."""
        self.bring_latest()
        return super().station(station_id)

    def _newest(self, station_id: str, row: tuple[Any, ...]) -> tuple[StationReport | None, tuple[Any, ...]]:
        epoch_us, packed = row[:2]
        if packed is not None:
            return unpack(packed, StationReport), row[2:]
        return None if epoch_us is None else self._of_columns(station_id), row[2:]

    def _of_columns(self, station_id: str) -> StationReport | None:
        """Return a newest report that was found among the reports, or stored by an earlier program."""
        with self._reading() as connection:
            row = connection.execute(self._queries["latest_columns"], {"ids": [station_id]}).fetchone()
        return None if row is None else report_of_row(station_id, row[1:])

    def stations_within(
        self, corners: Sequence[tuple[float, float]], *, after: str | None = None, limit: int = 100
    ) -> Page[StationRow]:
        """Return the stations in a polygon or on its edge, by id.

        Parameters
        ----------
        corners
            Longitude and latitude in degrees, CGCS2000 (EPSG:4490), at least three. Edges are straight in
            longitude and latitude and do not cross each other.

        Raises
        ------
        ValueError
            It is no polygon, or the cursor is not one of this list.
        """
        if len(corners) < 3 or not all(math.isfinite(x) and math.isfinite(y) for x, y in corners):
            raise ValueError("a polygon has at least three corners: longitude and latitude in degrees")
        paging.check_limit(limit)
        (start,) = ("",) if after is None else paging.decode_cursor("stations", after, (str,))
        ring = ", ".join(f"{float(x)!r} {float(y)!r}" for x, y in (*corners, corners[0]))
        self.bring_latest()
        asked = {"after": start, "limit": limit + 1, "polygon": f"POLYGON(({ring}))"}
        with self._reading() as connection:
            rows = connection.execute(self._queries["stations_within"], asked).fetchall()
        return self._page(rows, limit)
