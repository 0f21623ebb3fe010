"""From judgements of many stations to the report of each over a period: an hour, a day, a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from gnss.quality import minutes as kernels
from gnss.quality import period_memory
from gnss.quality.closed_period import About, ClosedPeriod, TableSums
from gnss.quality.judgements import Judgements
from gnss.quality.period import StationPeriod
from gnss.quality.period_memory import EVENT, MINUTE, NEVER_US, PERIOD, TOLD
from gnss.quality.reason_texts import ReasonTexts
from gnss.quality.row_log import RowLog
from gnss.quality.sky_marks import MARK, MARK_US, SeenSky, mark
from gnss.quality.table import QualityTable
from gnss.quality.verdict import Registry, findings

__all__ = ["About", "ClosedPeriod", "PeriodBuilder", "Registry"]

MOST_MINUTES = 3000
"""Minutes of a station and period that are kept: two days, or a day in pieces."""
MOST_EVENTS = 1000
"""Gaps and steps of the clock, together."""
STATIONS_AT_ONCE = 64
_RESTART = 2 * 3_600_000_000 // MARK_US
"""Older five minutes belong to another recording."""


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
    marked: tuple[int, int]
    reasons: ReasonTexts
    held: tuple[bytes, bytes, bytes] | None = None


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
        self._held: dict[int, TableSums] = {}
        self._marked = _unmarked(len(table.memory.station))

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
        if n_told:
            self._tell(judgements, told[:n_told])

    def sky_marks(self, sky: SeenSky | None, time_us: int, stations: NDArray[np.int64] | None = None) -> None:
        """Note where satellites are seen from stations, once in each five minutes of time.

        Parameters
        ----------
        sky
            At that time; None: not known.
        time_us
            Of the newest epochs. Further times of the same five minutes, and times before them, are left out.
        stations
            Rows, shape (n,); None: all that are used.
        """
        self._make_room()
        memory, slot = self._table.memory, time_us // MARK_US
        rows = np.flatnonzero(memory.station["used"]) if stations is None else stations
        marked = self._marked[rows, 0]
        is_new = (slot > marked) | (slot < marked - _RESTART)
        rows = rows[is_new & (self._marked[rows, 1] < self._most_minutes)]
        self._marked[rows, 0] = slot
        if sky is None:
            return
        self._marked[rows, 1] += 1
        usable = sky.known & sky.healthy
        for at in range(0, len(rows), STATIONS_AT_ONCE):
            some = rows[at : at + STATIONS_AT_ONCE]
            out = np.empty(len(usable) * len(some), MARK)
            n = mark(memory, some, usable, sky.position_m, time_us, out)
            self._marks.append(out[:n])

    def take(
        self, stations: Mapping[int, About], begin_us: int | None = None, end_us: int | None = None
    ) -> list[StationPeriod]:
        """End the period of some stations and begin the next one: `close`, and the figures.

        Parameters
        ----------
        stations
            Rows of the table, with what else is known of them.
        begin_us, end_us
            As for `close`.

        Returns
        -------
        One for each station, in their order.
        """
        return [self.close(s, begin_us, end_us).figures(about) for s, about in stations.items()]

    def hold(self, s: int) -> None:
        """Keep the table's sums by signal and elevation for the period that is next to be closed.

        To be called before the table takes the first epoch behind a period, since it sums up as it judges.
        """
        if s not in self._held:
            self._held[s] = TableSums.taken(self._table.memory, s)

    def has_judgements(self, s: int) -> bool:
        """Whether anything was added since the station's last period."""
        return s < len(self._memory.period) and int(self._memory.period["last_us"][s]) != NEVER_US

    def newest_us(self, s: int) -> int:
        """Return the time of the newest judgement since the station's last period."""
        return int(self._memory.period["last_us"][s])

    def close(self, s: int, begin_us: int | None = None, end_us: int | None = None) -> ClosedPeriod:
        """End the period of a station and begin the next one.

        The table's sums by signal and elevation are taken and begin anew too, unless they are held.
        Judgements of times from `end_us` on that were added already count in this period; their minutes in
        the next one.

        Parameters
        ----------
        begin_us, end_us
            Of the period, UTC; None: from the first judgement to an interval behind the last one.
        """
        self._make_room()
        m, station = self._memory, self._table.memory.station[s]
        interval_us = int(station["interval_us"])
        last_minute = (2**62 if end_us is None else end_us - 1) // kernels.MINUTE_US
        if m.minute["minute"][s] <= last_minute:
            out = np.empty(1, MINUTE)
            self._minutes.append(out[: kernels.close_minute(m, s, self._most_minutes, out, 0)])
        minutes = self._minutes.take(s)
        is_over = minutes["minute"] <= last_minute
        self._minutes.append(minutes[~is_over])
        sums = m.period[s].copy()
        first_us, last_us = int(sums["first_us"]), int(sums["last_us"])
        if begin_us is None:
            begin_us = 0 if first_us == NEVER_US else first_us
        until_us = int(sums["newest_us"]) + interval_us if end_us is None else end_us
        if end_us is None:
            end_us = begin_us if last_us == NEVER_US else max(begin_us, last_us + interval_us)
        filled = np.flatnonzero(m.latency_bins[s])
        held = self._held.pop(s) if s in self._held else TableSums.taken(self._table.memory, s)
        closed = ClosedPeriod(
            begin_us=begin_us,
            end_us=end_us,
            interval_us=interval_us,
            placed=int(station["placed"]),
            sums=sums,
            latency_bins=(filled, m.latency_bins[s][filled]),
            table=held,
            minutes=minutes[is_over],
            events=self._events.take(s),
            marks=self._marks.take(s),
            open_gap=_end_gap(m.period[s], interval_us, begin_us, until_us),
            reasons=self._reasons.pop(s) if s in self._reasons else ReasonTexts(),
        )
        self._marked[s, 1] = 0
        period_memory.begin_period(m, s)
        return closed

    def remove(self, s: int) -> None:
        """Forget a station; its row may be given to another."""
        self._make_room()
        period_memory.forget(self._memory, s)
        self._reasons.pop(s, None)
        self._held.pop(s, None)
        self._marked[s] = _unmarked(1)
        for log in (self._minutes, self._events, self._marks):
            log.take(s)

    def snapshot(self, s: int) -> bytes:
        """Return the state of one station; the table's is its own."""
        self._make_room()
        m = self._memory
        filled = np.flatnonzero(m.latency_bins[s]).astype(np.int32)
        marked, held = self._marked[s].tolist(), None
        if (sums := self._held.get(s)) is not None:
            held = sums.kind_of.tobytes(), sums.kinds.tobytes(), sums.elevation.tobytes()
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
                marked=(marked[0], marked[1]),
                reasons=self._reasons.get(s) or ReasonTexts(),
                held=held,
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
        kept = (
            (self._minutes, MINUTE, saved.minutes),
            (self._events, EVENT, saved.events),
            (self._marks, MARK, saved.marks),
        )
        for log, kind, rows in kept:
            own = np.frombuffer(rows, kind).copy()
            own["station"] = s
            log.append(own)
        self._marked[s] = saved.marked
        self._reasons[s] = saved.reasons
        if saved.held is not None:
            table = self._table.memory
            columns = (table.kind_of[s], table.kinds[s], table.elevation[s])
            pairs = zip(columns, saved.held, strict=True)
            held = [np.frombuffer(raw, column.dtype).reshape(column.shape) for column, raw in pairs]
            self._held[s] = TableSums(*held)

    def _make_room(self) -> None:
        n = len(self._table.memory.station)
        if n > len(self._memory.period):
            self._memory = period_memory.grown(self._memory, n)
            self._marked = np.concatenate((self._marked, _unmarked(n - len(self._marked))))

    def _tell(self, judgements: Judgements, told: NDArray[Any]) -> None:
        """Keep the words of judgements that have a new reason; `told` as `TOLD`."""
        some = judgements[told["row"]]
        words = findings(some, self._table.thresholds, told["jump_ms"], self._registry)
        columns = some["station"].tolist(), some["time_us"].tolist(), told["registry_s"].tolist()
        for s, time_us, registry_s, found in zip(*columns, words, strict=True):
            self._reasons.setdefault(s, ReasonTexts()).tell(found, time_us, registry_s)


def _unmarked(n: int) -> NDArray[np.int64]:
    """Return for stations the five minutes that were marked last, and how many were in the period."""
    return np.tile(np.array([NEVER_US, 0]), (n, 1))


def _end_gap(sums: Any, interval_us: int, begin_us: int, end_us: int) -> tuple[int, int] | None:
    """Return what is still missing at the end of a period; the next period has the rest."""
    missing_us = int(sums["missing_us"])
    if missing_us == NEVER_US or end_us - missing_us <= interval_us * 3 // 2:
        return None
    sums["missing_us"] = end_us
    return max(missing_us, begin_us), end_us
