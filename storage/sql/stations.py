"""Questions about stations."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec

from sensors.model import Station
from storage import paging
from storage.rows import NetworkStates, Page, Position, QualityWindow, StationRow
from storage.sql import report_sums
from storage.sql.levels import DAY_US, HOUR_US, LENGTHS_US, STATIONS, floor_to
from storage.sql.packing import STATES, expanded, figures_of_row, report_of_row
from storage.sql.summing import Summing
from streams.records import StationFigures, StationPeriodRecord, StationReport, StationStateName

remembered = lru_cache(20_000)
"""For what hardly changes, and figures once a minute: a page of all stations is asked for again and again."""
known_figures = remembered(figures_of_row)


class StationQueries(Summing):
    """The station part of `storage.store.Store`."""

    @abstractmethod
    def _stations(self, rows: Sequence[tuple[Any, ...]]) -> list[StationRow]:
        """Return the stations of rows of `stations`, `station` or `stations_within`."""

    def stations(
        self, *, after: str | None = None, limit: int = 100, state: StationStateName | None = None
    ) -> Page[StationRow]:
        """Return stations by id."""
        paging.check_limit(limit)
        (start,) = ("",) if after is None else paging.decode_cursor("stations", after, (str,))
        number = None if state is None else STATES.index(state)
        with self._reading() as connection:
            rows = connection.execute(
                self._queries["stations"], {"after": start, "limit": limit + 1, "state": number}
            ).fetchall()
        return self._page(rows, limit)

    def station(self, station_id: str) -> StationRow | None:
        """Return one station."""
        with self._reading() as connection:
            row = connection.execute(self._queries["station"], {"id": station_id}).fetchone()
        return None if row is None else self._stations([row])[0]

    def station_reports(
        self, station_id: str, start_us: int, end_us: int, *, limit: int = 1_000, after: str | None = None
    ) -> Page[StationReport]:
        """Return reports as stored, oldest first."""
        paging.check_limit(limit)
        if after is not None:
            (last_us,) = paging.decode_cursor("reports", after, (int,))
            start_us = max(start_us, int(last_us) + 1)
        with self._reading() as connection:
            rows = connection.execute(
                self._queries["station_reports"],
                {"id": station_id, "start_us": start_us, "end_us": end_us, "limit": limit + 1},
            ).fetchall()
        items = [report_of_row(station_id, row) for row in rows[:limit]]
        more = len(rows) > limit
        return Page(items, paging.encode_cursor("reports", (items[-1].epoch_us,)) if more else None)

    def station_figures(
        self, station_id: str, start_us: int, end_us: int, *, limit: int = 1_000, after: str | None = None
    ) -> Page[StationFigures]:
        """Return figures as stored, oldest first."""
        paging.check_limit(limit)
        if after is not None:
            (last_us,) = paging.decode_cursor("figures", after, (int,))
            start_us = max(start_us, int(last_us) + 1)
        with self._reading() as connection:
            rows = connection.execute(
                self._queries["station_figures"],
                {"id": station_id, "start_us": start_us, "end_us": end_us, "limit": limit + 1},
            ).fetchall()
        items = [figures_of_row(station_id, row) for row in rows[:limit]]
        more = len(rows) > limit
        return Page(items, paging.encode_cursor("figures", (items[-1].time_us,)) if more else None)

    def station_periods(
        self, station_id: str, start_us: int, end_us: int, *, limit: int = 100, after: str | None = None
    ) -> Page[StationPeriodRecord]:
        """Return hours as stored, oldest first."""
        paging.check_limit(limit)
        after_us = start_us - paging.LONGEST_PERIOD_US
        if after is not None:
            after_us = int(paging.decode_cursor("periods", after, (int,))[0])
        asked = {
            "id": station_id,
            "after_us": after_us,
            "start_us": start_us,
            "end_us": end_us,
            "limit": limit + 1,
        }
        with self._reading() as connection:
            rows = connection.execute(self._queries["station_periods"], asked).fetchall()
        items = [
            StationPeriodRecord(
                station_id=station_id, begin_us=begin_us, end_us=period_end_us, period=expanded(payload)
            )
            for begin_us, period_end_us, payload in rows[:limit]
        ]
        more = len(rows) > limit
        return Page(items, paging.encode_cursor("periods", (items[-1].begin_us,)) if more else None)

    def station_quality(
        self, station_id: str, start_us: int, end_us: int, window_s: int, *, limit: int = paging.MAX_WINDOWS
    ) -> list[QualityWindow]:
        """Return the quality by windows, oldest first."""
        paging.check_limit(limit)
        length_us = paging.window_us(start_us, end_us, window_s)
        with self._reading() as connection:
            sums = self._window_sums(connection, STATIONS, station_id, start_us, end_us, length_us)[:limit]
            names: dict[int, list[str]] = {}
            if keys := report_sums.names_of(sums):
                asked = {"keys": self._list(keys)}
                for key, codes in connection.execute(self._queries["reasons_named"], asked):
                    names[key] = msgspec.json.decode(codes, type=list[str])
        return [report_sums.window(row, names) for row in sums]

    def network_states(self, start_us: int, end_us: int, *, by_day: bool = False) -> list[NetworkStates]:
        """Return how long stations were in each state, by hour or day, oldest first."""
        length_us = DAY_US if by_day else HOUR_US
        query = self._rollup_query("network_states", STATIONS, LENGTHS_US.index(length_us))
        asked = {"start_us": floor_to(start_us, length_us), "end_us": end_us}
        with self._reading() as connection:
            rows = connection.execute(query, asked).fetchall()
        return [
            NetworkStates(start_us=begin_us, good_s=good, degraded_s=degraded, bad_s=bad, unknown_s=unknown)
            for begin_us, good, degraded, bad, unknown in rows
        ]

    def _page(self, rows: Sequence[tuple[Any, ...]], limit: int) -> Page[StationRow]:
        items = self._stations(rows[:limit])
        more = len(rows) > limit
        return Page(items, paging.encode_cursor("stations", (items[-1].id,)) if more else None)


_defined = msgspec.json.Decoder(Station).decode


def placed(station_id: str, definition: str | None, place: Position | None) -> StationRow:
    """Return a station without a verdict.

    Parameters
    ----------
    definition
        JSON of what the registry says. None: the station is known from its stream only.
    place
        What the stream says of its position.
    """
    station = Station(id=station_id, name=station_id) if definition is None else _defined(definition)
    registered = station.longitude is not None and station.latitude is not None
    position: Station | Position = station if registered or place is None else place
    return StationRow(
        id=station.id,
        name=station.name,
        longitude=position.longitude,
        latitude=position.latitude,
        height_m=position.height_m,
        interval_s=station.interval_s,
        paused=station.paused,
        position_source="registry" if registered else "stream" if place is not None else None,
        streamed=place,
    )
