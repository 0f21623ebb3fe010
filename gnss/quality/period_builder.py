"""From judgements of many stations to the report of each over a period: an hour, a day, a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from gnss.quality import minutes as kernels
from gnss.quality import period_memory
from gnss.quality.judgements import STATES, Judgements
from gnss.quality.period import StationPeriod
from gnss.quality.period_figures import (
    latencies,
    minute_figures,
    position_figures,
    take_elevation,
    take_signals,
)
from gnss.quality.period_memory import CLOCK_STEP, EVENT, GAP, MINUTE, NEVER_US, PERIOD, TOLD
from gnss.quality.reason_texts import ReasonTexts
from gnss.quality.row_log import RowLog, of_station
from gnss.quality.score import Finding
from gnss.quality.sky_marks import MARK, MARK_US, SeenSky, mark, sky_track
from gnss.quality.table import QualityTable
from gnss.quality.verdict import findings
from gnss.systems import System

MOST_MINUTES = 3000
"""Minutes of a station and period that are kept: two days, or a day in pieces."""
MOST_EVENTS = 1000
"""Gaps and steps of the clock, together."""
STATIONS_AT_ONCE = 64

Registry = Callable[[int, int], tuple[Finding, ...]]
"""What the registry has against a station (row) at a time (us)."""


@dataclass(frozen=True, slots=True)
class About:
    """What is known of a station beside its judgements."""

    station_id: str
    source: str = "stream"
    reference: str = "message 1006"
    """Where its coordinates come from, unless they are registered."""
    messages: dict[int, int] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


class _Snapshot(msgspec.Struct):
    """One station. Arrays as bytes."""

    period: bytes
    minute: bytes
    latency_s: bytes
    latency_seen: bytes
    latency_bins: tuple[bytes, bytes]
    minutes: bytes
    events: bytes
    marks: bytes
    reasons: ReasonTexts


class PeriodBuilder:
    """Sums up the judgements of the stations of one table.

    What comes out does not depend on how judgements were cut into calls. Bounded: a station keeps
    `most_minutes` and `most_events` until somebody takes its period. An epoch is late when its slot had been
    reported as missed before it came, and out of order when a newer one had come.

    Parameters
    ----------
    table
        That makes the judgements.
    registry
        What the registry has against a station, for the words of its reasons.
    most_minutes, most_events
        That are kept of a station and period; what is beyond is counted in `StationPeriod.problems`.
    """

    def __init__(
        self,
        table: QualityTable,
        registry: Registry | None = None,
        *,
        most_minutes: int = MOST_MINUTES,
        most_events: int = MOST_EVENTS,
    ) -> None:
        self._table = table
        self._registry = registry
        self._most_minutes, self._most_events = most_minutes, most_events
        self._memory = period_memory.new_memory(len(table.memory.station))
        self._minutes, self._events, self._marks = RowLog(MINUTE), RowLog(EVENT), RowLog(MARK)
        self._reasons: dict[int, ReasonTexts] = {}
        self._marked: int | None = None
        self._marks_made = 0

    def add(self, judgements: Judgements) -> None:
        """Take judgements as `QualityTable.observe` and `miss` return them."""
        n = len(judgements)
        if not n:
            return
        self._make_room()
        minutes, events, told = np.empty(n, MINUTE), np.empty(2 * n, EVENT), np.empty(n, TOLD)
        n_minutes, n_events, n_told = kernels.add(
            judgements, self._table.memory.station["interval_us"], self._memory, self._most_minutes,
            self._most_events, minutes, events, told,
        )  # fmt: skip
        self._minutes.append(minutes[:n_minutes])
        self._events.append(events[:n_events])
        for row, jump_ms, registry_s in told[:n_told].tolist():
            self._tell(judgements[row], jump_ms, registry_s)

    def sky_marks(self, sky: SeenSky | None, time_us: int, stations: NDArray[np.int64] | None = None) -> None:
        """Note where satellites are seen from stations, once in each five minutes of time.

        Parameters
        ----------
        sky
            At that time; None: not known.
        time_us
            Of the newest epochs. Further times of the same five minutes are left out.
        stations
            Rows, shape (n,); None: all that are used.
        """
        slot = time_us // MARK_US
        if self._marked is not None and slot == self._marked:
            return
        self._marked = slot
        self._marks_made += 1
        if sky is None or self._marks_made > self._most_minutes:
            return
        memory = self._table.memory
        rows = np.flatnonzero(memory.station["used"]) if stations is None else stations
        usable = sky.known & sky.healthy
        for at in range(0, len(rows), STATIONS_AT_ONCE):
            some = rows[at : at + STATIONS_AT_ONCE]
            out = np.empty(len(usable) * len(some), MARK)
            n = mark(memory, some, usable, sky.position_m, time_us, out)
            self._marks.append(out[:n])

    def take(
        self, stations: Mapping[int, About], begin_us: int | None = None, end_us: int | None = None
    ) -> list[StationPeriod]:
        """End the period of some stations and begin the next one.

        The table's sums by signal and elevation are taken and begin anew too. Judgements of times from
        `end_us` on that were added already count in this period; their minutes in the next one.

        Parameters
        ----------
        stations
            Rows of the table, with what else is known of them.
        begin_us, end_us
            Of the period, UTC; None: from the first judgement to an interval behind the last one.

        Returns
        -------
        One for each station, in their order.
        """
        self._make_room()
        rows = list(stations)
        last_minute = (2**62 if end_us is None else end_us - 1) // kernels.MINUTE_US
        self._close_minutes(rows, last_minute)
        self._marks_made = 0
        is_taken = np.zeros(len(self._memory.period), np.bool_)
        is_taken[rows] = True
        kept = self._minutes.rows
        minutes = self._minutes.take(is_taken[kept["station"]] & (kept["minute"] <= last_minute))
        events = self._events.take(is_taken[self._events.rows["station"]])
        marks = self._marks.take(is_taken[self._marks.rows["station"]])
        return [
            self._period(
                s,
                about,
                begin_us,
                end_us,
                of_station(minutes, s),
                of_station(events, s),
                of_station(marks, s),
            )
            for s, about in stations.items()
        ]

    def remove(self, s: int) -> None:
        """Forget a station; its row may be given to another."""
        self._make_room()
        period_memory.forget(self._memory, s)
        self._reasons.pop(s, None)
        for log in (self._minutes, self._events, self._marks):
            log.take(log.rows["station"] == s)

    def snapshot(self, s: int) -> bytes:
        """Return the state of one station; the table's is its own."""
        self._make_room()
        m = self._memory
        filled = np.flatnonzero(m.latency_bins[s]).astype(np.int32)
        return msgspec.msgpack.encode(
            _Snapshot(
                period=m.period[s].tobytes(),
                minute=m.minute[s].tobytes(),
                latency_s=m.latency_s[s].tobytes(),
                latency_seen=m.latency_seen[s].tobytes(),
                latency_bins=(filled.tobytes(), m.latency_bins[s][filled].tobytes()),
                minutes=self._minutes.of(s).tobytes(),
                events=self._events.of(s).tobytes(),
                marks=self._marks.of(s).tobytes(),
                reasons=self._reasons.get(s) or ReasonTexts(),
            )
        )

    def restore(self, s: int, state: bytes) -> None:
        """Take back what `snapshot` gave, for any row."""
        saved = msgspec.msgpack.decode(state, type=_Snapshot)
        self.remove(s)
        m = self._memory
        m.period[s] = np.frombuffer(saved.period, PERIOD)[0]
        m.minute[s] = np.frombuffer(saved.minute, MINUTE)[0]
        m.minute["station"][s] = s
        m.latency_s[s] = np.frombuffer(saved.latency_s, np.float32)
        m.latency_seen[s] = np.frombuffer(saved.latency_seen, np.int32)
        filled, counts = saved.latency_bins
        m.latency_bins[s][np.frombuffer(filled, np.int32)] = np.frombuffer(counts, np.int32)
        kept = ((self._minutes, saved.minutes), (self._events, saved.events), (self._marks, saved.marks))
        for log, rows in kept:
            own = np.frombuffer(rows, log.rows.dtype).copy()
            own["station"] = s
            log.append(own)
        if saved.marks:
            self._marked = int(np.frombuffer(saved.marks, MARK)["slot"][-1])
        self._reasons[s] = saved.reasons

    def _make_room(self) -> None:
        n = len(self._table.memory.station)
        if n > len(self._memory.period):
            self._memory = period_memory.grown(self._memory, n)

    def _tell(self, judgement: Any, jump_ms: float, registry_s: float) -> None:
        s, time_us = int(judgement["station"]), int(judgement["time_us"])
        told = () if self._registry is None else self._registry(s, time_us)
        words = findings(judgement, self._table.thresholds, jump_ms, told)
        self._reasons.setdefault(s, ReasonTexts()).tell(words, time_us, registry_s)

    def _close_minutes(self, rows: list[int], last_minute: int) -> None:
        out, n = np.empty(len(rows), MINUTE), 0
        for s in rows:
            if self._memory.minute["minute"][s] <= last_minute:
                n = kernels.close_minute(self._memory, s, self._most_minutes, out, n)
        self._minutes.append(out[:n])

    def _period(
        self,
        s: int,
        about: About,
        begin_us: int | None,
        end_us: int | None,
        minutes: NDArray[Any],
        events: NDArray[Any],
        marks: NDArray[Any],
    ) -> StationPeriod:
        memory = self._table.memory
        station, sums = memory.station[s], self._memory.period[s]
        interval_us = int(station["interval_us"])
        first_us, last_us = int(sums["first_us"]), int(sums["last_us"])
        if begin_us is None:
            begin_us = 0 if first_us == NEVER_US else first_us
        until_us = int(sums["newest_us"]) + interval_us if end_us is None else end_us
        if end_us is None:
            end_us = begin_us if last_us == NEVER_US else last_us + interval_us
        gaps = events[events["kind"] == GAP]
        steps = events[events["kind"] == CLOCK_STEP]
        reasons = self._reasons.get(s) or ReasonTexts()
        made = StationPeriod(
            station_id=about.station_id,
            begin_us=begin_us,
            end_us=end_us,
            interval_s=interval_us / 1e6,
            source=about.source,
            epochs=int(sums["epochs"]),
            epochs_expected=int(sums["expected"]),
            usable_epochs={
                system.letter: n for system, n in zip(System, sums["usable"].tolist(), strict=True) if n
            },
            state_seconds=dict(zip(STATES, np.round(sums["state_s"], 6).tolist(), strict=True)),
            score=float(sums["score_sum"] / sums["score_s"]) if sums["score_s"] > 0.0 else None,
            signals=take_signals(memory, s),
            elevation=take_elevation(memory, s),
            minutes=minute_figures(minutes),
            sky=sky_track(marks),
            latency=latencies(sums, self._memory.latency_bins[s]),
            late_epochs=int(sums["late"]),
            out_of_order_epochs=int(sums["out_of_order"]),
            frames=int(sums["frames"]),
            bad_frames=int(sums["bad_frames"]),
            messages=dict(about.messages),
            gaps=[
                (max(begin, begin_us), end)
                for begin, end in zip(gaps["time_us"].tolist(), gaps["end_us"].tolist(), strict=True)
            ]
            + _open_gap(sums, interval_us, begin_us, until_us),
            clock_jumps=list(zip(steps["time_us"].tolist(), steps["value"].tolist(), strict=True)),
            position=position_figures(sums, int(station["placed"]), about.reference),
            reasons=reasons.take(sums),
            metadata=dict(about.metadata),
            problems=about.problems + _without_room(int(sums["without_room"])),
        )
        period_memory.begin_period(self._memory, s)
        return made


def _open_gap(sums: Any, interval_us: int, begin_us: int, end_us: int) -> list[tuple[int, int]]:
    """Return what is still missing at the end of the period; the next period has the rest."""
    missing_us = int(sums["missing_us"])
    if missing_us == NEVER_US or end_us - missing_us <= interval_us * 3 // 2:
        return []
    sums["missing_us"] = end_us
    return [(max(missing_us, begin_us), end_us)]


def _without_room(n: int) -> list[str]:
    return [f"{n} minutes, gaps or steps of the clock are left out: there were too many."] if n else []
