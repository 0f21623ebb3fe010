"""A period of one station that is over: its sums as they were then, and the figures that follow from them.

Closing copies a few kB, so that many stations can be closed between two epochs; figures are made when there
is time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnss.quality.judgements import STATES
from gnss.quality.latency_bins import BINS
from gnss.quality.memory import Memory
from gnss.quality.period import StationPeriod
from gnss.quality.period_figures import (
    elevation_figures,
    latencies,
    minute_figures,
    position_figures,
    signal_figures,
)
from gnss.quality.period_memory import CLOCK_STEP, GAP
from gnss.quality.reason_texts import ReasonTexts
from gnss.quality.sky_marks import sky_track
from gnss.systems import System

Rows = NDArray[Any]


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


@dataclass(frozen=True, slots=True)
class TableSums:
    """What the table sums up of a station, as `gnss.quality.memory.Memory` has it."""

    kind_of: NDArray[np.uint8]
    kinds: NDArray[np.float64]
    elevation: NDArray[np.float32]

    @classmethod
    def taken(cls, memory: Memory, s: int) -> TableSums:
        """Return the sums since the last call, and begin them anew."""
        sums = cls(memory.kind_of[s].copy(), memory.kinds[s].copy(), memory.elevation[s].copy())
        memory.kinds[s] = 0.0
        memory.elevation[s] = 0.0
        return sums


@dataclass(frozen=True, slots=True)
class ClosedPeriod:
    """The sums of a station over [begin_us, end_us)."""

    begin_us: int
    end_us: int
    interval_us: int
    placed: int
    sums: Any
    """`gnss.quality.period_memory.PERIOD`."""
    latency_bins: tuple[NDArray[np.int64], NDArray[np.int32]]
    """Those that are not empty, and their counts."""
    table: TableSums
    minutes: Rows
    """`gnss.quality.period_memory.MINUTE`."""
    events: Rows
    """`gnss.quality.period_memory.EVENT`."""
    marks: Rows
    """`gnss.quality.sky_marks.MARK`."""
    open_gap: tuple[int, int] | None
    """What is still missing at the end; the next period has the rest."""
    reasons: ReasonTexts

    def figures(self, about: About) -> StationPeriod:
        """Return what reports show. To be called once."""
        sums = self.sums
        gaps = self.events[self.events["kind"] == GAP]
        steps = self.events[self.events["kind"] == CLOCK_STEP]
        ends = zip(gaps["time_us"].tolist(), gaps["end_us"].tolist(), strict=True)
        return StationPeriod(
            station_id=about.station_id,
            begin_us=self.begin_us,
            end_us=self.end_us,
            interval_s=self.interval_us / 1e6,
            source=about.source,
            epochs=int(sums["epochs"]),
            epochs_expected=int(sums["expected"]),
            usable_epochs={
                system.letter: n for system, n in zip(System, sums["usable"].tolist(), strict=True) if n
            },
            state_seconds=dict(zip(STATES, np.round(sums["state_s"], 6).tolist(), strict=True)),
            score=float(sums["score_sum"] / sums["score_s"]) if sums["score_s"] > 0.0 else None,
            signals=signal_figures(self.table.kind_of, self.table.kinds),
            elevation=elevation_figures(self.table.elevation),
            minutes=minute_figures(self.minutes),
            sky=sky_track(self.marks),
            latency=latencies(sums, self._counts()),
            late_epochs=int(sums["late"]),
            out_of_order_epochs=int(sums["out_of_order"]),
            frames=int(sums["frames"]),
            bad_frames=int(sums["bad_frames"]),
            messages=dict(about.messages),
            gaps=[(max(begin, self.begin_us), end) for begin, end in ends]
            + ([self.open_gap] if self.open_gap else []),
            clock_jumps=list(zip(steps["time_us"].tolist(), steps["value"].tolist(), strict=True)),
            position=position_figures(sums, self.placed, about.reference),
            reasons=self.reasons.take(sums),
            metadata=dict(about.metadata),
            problems=about.problems + _without_room(int(sums["without_room"])),
        )

    def _counts(self) -> NDArray[np.int32]:
        counts = np.zeros(BINS, np.int32)
        places, some = self.latency_bins
        counts[places] = some
        return counts


def _without_room(n: int) -> list[str]:
    return [f"{n} minutes, gaps or steps of the clock are left out: there were too many."] if n else []
