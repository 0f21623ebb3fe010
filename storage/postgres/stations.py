"""Stations as PostgreSQL keeps them: the newest report is a row, and places can be searched."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any

import msgspec

from storage import paging
from storage.postgres.latest import PostgresLatest
from storage.rows import Page, Position, StationRow
from storage.sql.packing import figures_of_row, report_of_row, unpack_report
from storage.sql.stations import StationQueries, placed, remembered
from streams.records import StationFigures, StationReport, StationStateName

_POINT_AT = 1 + 4 + 4
"""Behind the order of bytes, the type and the SRID."""


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

    def station_places(self) -> list[StationRow]:
        """Return all stations by id, without verdicts and figures."""
        with self._reading() as connection:
            rows = connection.execute(self._queries["station_places"], {}).fetchall()
        return [_placed(*row) for row in rows]

    def _stations(self, rows: Sequence[tuple[Any, ...]]) -> list[StationRow]:
        reports = [None if row[3] is None else unpack_report(row[3]) for row in rows]
        columns: dict[str, StationReport] = {}
        if any(report is None for report in reports):
            columns = self._of_columns(
                [row[0] for row, one in zip(rows, reports, strict=True) if one is None]
            )
        return [
            msgspec.structs.replace(
                _placed(name, definition, point),
                report=report or columns.get(name),
                figures=None if packed is None else _figures(name, packed),
            )
            for (name, definition, point, _, packed), report in zip(rows, reports, strict=True)
        ]

    def _of_columns(self, station_ids: list[str]) -> dict[str, StationReport]:
        """Return newest reports that were found among the reports, or stored by an earlier program."""
        with self._reading() as connection:
            rows = connection.execute(self._queries["latest_columns"], {"ids": station_ids}).fetchall()
        return {row[0]: report_of_row(row[0], row[1:]) for row in rows}

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


@remembered
def _placed(station_id: str, definition: str | None, point: bytes | None) -> StationRow:
    """Return a station without a verdict; the point is PostGIS's extended WKB with an SRID and a height."""
    if point is None:
        return placed(station_id, definition, None)
    longitude, latitude, height_m = struct.unpack_from("<3d" if point[0] else ">3d", point, _POINT_AT)
    return placed(station_id, definition, Position(longitude=longitude, latitude=latitude, height_m=height_m))


@remembered
def _figures(station_id: str, packed: bytes) -> StationFigures:
    return figures_of_row(station_id, tuple(msgspec.msgpack.decode(packed)))
