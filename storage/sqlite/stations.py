"""Stations as SQLite keeps them: the newest report is one MessagePack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from storage.rows import Position, StationRow
from storage.sql.packing import unpack_kept_report
from storage.sql.stations import StationQueries, known_figures, placed, remembered


class SqliteStationQueries(StationQueries):
    """The station part of the store."""

    def station_places(self) -> list[StationRow]:
        """Return all stations by id, without verdicts and figures."""
        with self._reading() as connection:
            rows = connection.execute(self._queries["station_places"], {}).fetchall()
        return [_placed(*row) for row in rows]

    def _stations(self, rows: Sequence[tuple[Any, ...]]) -> list[StationRow]:
        return [
            msgspec.structs.replace(
                _placed(*row[:5]),
                report=None if row[5] is None else unpack_kept_report(row[5]),
                figures=None if row[6] is None else known_figures(row[0], row[6:]),
            )
            for row in rows
        ]


@remembered
def _placed(
    station_id: str,
    definition: str | None,
    longitude: float | None,
    latitude: float | None,
    height_m: float | None,
) -> StationRow:
    if longitude is None or latitude is None or height_m is None:
        return placed(station_id, definition, None)
    place = Position(longitude=longitude, latitude=latitude, height_m=height_m)
    return placed(station_id, definition, place)
