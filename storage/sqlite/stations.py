"""Stations as SQLite keeps them: the newest report is one MessagePack."""

from __future__ import annotations

from typing import Any

from storage.sql.packing import unpack
from storage.sql.stations import StationQueries
from streams.records import StationReport


class SqliteStationQueries(StationQueries):
    """The station part of the store."""

    def _newest(
        self,
        station_id: str,  # noqa: ARG002 - the report names its station
        row: tuple[Any, ...],
    ) -> tuple[StationReport | None, tuple[Any, ...]]:
        return None if row[0] is None else unpack(row[0], StationReport), row[1:]
