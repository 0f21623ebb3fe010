"""Sums over months for reports of the service, made by the database from the coarsest level that is exact."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

from storage import paging
from storage.service import (
    AlertStep,
    CallHead,
    CallSaid,
    DeliverySums,
    NetworkSums,
    SeriesSums,
    SessionSums,
    StationSums,
    Summed,
)
from storage.sql import coverage
from storage.sql.database import Connection
from storage.sql.levels import DAY_US, ROWS, SAMPLES, STATIONS, Kind
from storage.sql.packing import TIME_SCALE, unpack
from storage.sql.windows import WindowQueries

MOST_SERIES = 1_000_000
_NONE = (0, 0, 0, 0, 0)


class ServiceQueries(WindowQueries):
    """The part of `storage.store.Store` for reports of the service (`storage.service`)."""

    @abstractmethod
    def _said(self, value: Any) -> list[Any]:
        """Return the names of a list that the database made."""

    def station_sums(self, start_us: int, end_us: int) -> Summed[StationSums]:
        """Return the sums of each station that has any, by id."""
        total: dict[str, tuple[Any, ...]] = {}
        with self._reading() as connection:
            pieces = self._summed_up(connection, STATIONS, start_us, end_us)
            for station_id, *sums in self._every(connection, "station_sums", STATIONS, pieces):
                before = total.get(station_id)
                total[station_id] = tuple(sums) if before is None else _plus(before, sums)
        rows = []
        for name, (*sums, latency, frames, bad_frames) in sorted(total.items()):
            some: tuple[Any, ...] = (*sums, latency / TIME_SCALE, frames, bad_frames)
            rows.append(StationSums(name, *some))
        return Summed(rows, _left_us(pieces))

    def network_sums(self, start_us: int, end_us: int) -> Summed[NetworkSums]:
        """Return the sums of all stations together by days of UTC, oldest first."""
        stations: dict[int, int] = {}
        epochs: dict[int, tuple[Any, ...]] = {}
        with self._reading() as connection:
            pieces = self._summed_up(connection, STATIONS, start_us, end_us)
            for day_us, some, *sums in self._every(connection, "network_sums", STATIONS, pieces):
                stations[day_us] = max(some, stations.get(day_us, 0))
                epochs[day_us] = _plus(epochs.get(day_us, (0, 0)), sums)
        rows = [NetworkSums(day_us, some, *epochs[day_us]) for day_us, some in sorted(stations.items())]
        return Summed(rows, _left_us(pieces))

    def series_sums(self, start_us: int, end_us: int) -> Summed[SeriesSums]:
        """Return the sums of each registered datastream, by id, those without samples too."""
        known = self.series(limit=MOST_SERIES)
        total: dict[int, tuple[Any, ...]] = {}
        with self._reading() as connection:
            pieces = self._summed_up(connection, SAMPLES, start_us, end_us)
            for key, *sums in self._every(connection, "series_sums", SAMPLES, pieces):
                total[key] = _plus(total.get(key, _NONE), sums)
        rows = [
            SeriesSums(row.id, row.property_id, row.period_s, *total.get(row.key, _NONE)) for row in known
        ]
        return Summed(rows, _left_us(pieces))

    def session_sums(self, start_us: int, end_us: int, *, limit: int) -> list[SessionSums]:
        """Return the sums of kept sessions by caster, account and mountpoint, those with most time first."""
        paging.check_limit(limit)
        asked = {"start_us": start_us, "end_us": end_us, "limit": limit}
        with self._reading() as connection:
            rows = connection.execute(self._queries["session_sums"], asked).fetchall()
        return [
            SessionSums(
                caster, account, mountpoint, bool(is_station), sessions, begun, float(time_us) * 1e-6,
                float(n_bytes), int(sentences), int(fixed),
            )
            for caster, account, mountpoint, is_station, sessions, begun, time_us, n_bytes, sentences, fixed
            in rows
        ]  # fmt: skip

    def alert_steps(
        self, start_us: int, end_us: int, *, after: tuple[int, str] | None = None, limit: int = 50
    ) -> list[list[AlertStep]]:
        """Return the steps of alerts that were opened in a time, oldest first, alert by alert."""
        paging.check_limit(limit)
        opened_at_us, alert_id = after or (start_us, "")
        asked = {"opened_at_us": opened_at_us, "alert_id": alert_id, "end_us": end_us, "limit": limit}
        found: dict[str, list[AlertStep]] = {}
        with self._reading() as connection:
            for name, transition in connection.execute(self._queries["alert_steps"], asked):
                found.setdefault(name, []).append(unpack(transition, AlertStep))
        return list(found.values())

    def calls_said(self, start_us: int, end_us: int, *, limit: int) -> list[CallSaid]:
        """Return the attempts of a time, the oldest first."""
        paging.check_limit(limit)
        asked = {"start_us": start_us, "end_us": end_us, "limit": limit}
        with self._reading() as connection:
            rows = connection.execute(self._queries["calls_said"], asked).fetchall()
        return [
            CallSaid(unpack(order, CallHead), bool(is_withdrawn), frozenset(self._said(said)))
            for order, is_withdrawn, said in rows
        ]

    def delivery_sums(self, start_us: int, end_us: int) -> list[DeliverySums]:
        """Return what became of steps that happened in a time, by webhook and state."""
        asked = {"start_us": start_us, "end_us": end_us}
        with self._reading() as connection:
            rows = connection.execute(self._queries["delivery_sums"], asked).fetchall()
        return [
            DeliverySums(
                webhook_id,
                state,
                steps,
                int(attempts),
                None if mean_us is None else float(mean_us) * 1e-6,
                None if most_us is None else most_us * 1e-6,
            )
            for webhook_id, state, steps, attempts, mean_us, most_us in rows
        ]

    def _summed_up(
        self, connection: Connection, kind: Kind, start_us: int, end_us: int
    ) -> list[coverage.Piece]:
        """Return what to read for sums over all: days where they are believed, else hours or minutes."""
        asked = {"kind": kind.number, "start_us": start_us, "end_us": end_us}
        marks = connection.execute(self._queries["marks_of_all"], asked).fetchall()
        return coverage.pieces(start_us, end_us, DAY_US, marks, self._floors(connection, kind))

    def _every(
        self, connection: Connection, query: str, kind: Kind, pieces: list[coverage.Piece]
    ) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query over each piece that is summed up."""
        for piece in pieces:
            if piece.level != ROWS:
                asked = {"start_us": piece.start_us, "end_us": piece.end_us}
                yield from connection.execute(self._rollup_query(query, kind, piece.level), asked)


def _left_us(pieces: list[coverage.Piece]) -> int:
    return sum(piece.end_us - piece.start_us for piece in pieces if piece.level == ROWS)


def _plus(some: tuple[Any, ...], others: list[Any]) -> tuple[Any, ...]:
    return tuple(a + b for a, b in zip(some, others, strict=True))
