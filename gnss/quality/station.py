"""One station's quality: epochs go in, one judgement for each epoch and each missed slot comes out."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np

from gnss.observations import Observations
from gnss.quality.completeness import EpochGrid
from gnss.quality.indicators import EpochFigures, Indicators, IndicatorsSnapshot
from gnss.quality.latency import Latencies
from gnss.quality.score import Finding, Hold, State, Thresholds
from gnss.quality.verdict import Figures, judge
from gnss.quality.window import SLOTS, Sums, Window

RESTART_S = 7 * 86_400.0
"""A step of the epochs' time by more, or back, is another recording: the station starts anew."""
YOUNG_RESTART_S = 60.0
"""The same before the first verdict, so that a sender of senseless times cannot cause floods of reports."""
GRACE_S = 1.5
MOST_LATENCY_S = 10.0


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on one epoch, or on one slot in which none came. Figures of this epoch but where said."""

    time_us: int
    received_at_us: int | None
    state: State
    score: int | None
    findings: tuple[Finding, ...]
    epochs: int
    epochs_expected: int
    observations: int
    observations_expected: int | None
    satellites: int
    latency_s: float | None
    jitter_s: float | None
    """Over the last 60 epochs."""
    cn0_dbhz: float | None
    slips: int
    multipath_m: float | None
    """RMS over the last 60 slots."""
    frames: int
    bad_frames: int


class _Memory(msgspec.Struct):
    """What is remembered beside the arrays. Slots as in `EpochGrid`; None before the first epoch."""

    anchor_us: int | None = None
    first_us: int | None = None
    last_slot: int = 0
    """Last slot that was reported."""
    epoch_us: int | None = None
    epoch_slot: int = 0
    live: bool = False
    bad_us: int | None = None
    degraded_us: int | None = None
    frames: int = 0
    """That came since the last judgement."""
    bad_frames: int = 0
    repeated_epochs: int = 0
    empty_epochs: int = 0
    restarts: int = 0
    without_room: int = 0
    """Of `signals_without_room`, those before the last restart."""


class _Snapshot(msgspec.Struct):
    memory: _Memory
    indicators: IndicatorsSnapshot
    window: tuple[bytes, bytes]
    latencies: bytes


class StationQuality:
    """State of one station. Deterministic: what comes out depends on the epochs and their times alone.

    Parameters
    ----------
    interval_s
        Time between epochs that the station promises.
    thresholds
        Of the verdict.
    """

    def __init__(self, interval_s: float, thresholds: Thresholds | None = None) -> None:
        self.grid = EpochGrid(interval_s)
        self.thresholds = thresholds or Thresholds()
        self._start(_Memory())

    def _start(self, memory: _Memory) -> None:
        self._memory = memory
        self.grid.anchor_us = memory.anchor_us or 0
        self._indicators = Indicators(self.grid.interval_us, self.grid.step_us)
        self._window = Window()
        self._latencies = Latencies()
        self._hold = Hold(self.thresholds.hold_s)

    @property
    def has_epochs(self) -> bool:
        """Whether an epoch ever came."""
        return self._memory.epoch_us is not None

    @property
    def repeated_epochs(self) -> int:
        """Epochs that had the time of the one before and were left out."""
        return self._memory.repeated_epochs

    @property
    def empty_epochs(self) -> int:
        """Epochs without a single valid observation: they count as missed."""
        return self._memory.empty_epochs

    @property
    def restarts(self) -> int:
        """How often the epochs' time stepped back or far ahead, so that the station started anew."""
        return self._memory.restarts

    @property
    def signals_without_room(self) -> int:
        """Observations that were left out because more signals came than are remembered."""
        return self._memory.without_room + self._indicators.signals_without_room

    def begin(self, now_us: int) -> None:
        """Say that the station is connected live: from now on its slots are due at `due_us`."""
        memory = self._memory
        memory.live = True
        if memory.anchor_us is None:
            memory.anchor_us = self.grid.anchor_us = now_us // 1_000_000 * 1_000_000
            memory.last_slot = -1

    def due_us(self) -> int | None:
        """Return when the next slot counts as missed if nothing comes; None: not before an epoch."""
        memory = self._memory
        slot = self._next_missed()
        if memory.anchor_us is None or slot is None:
            return None
        grace_s = GRACE_S + min(max(self._latencies.largest_s(), 0.0), MOST_LATENCY_S)
        return self.grid.time_us(slot) + round(grace_s * 1e6)

    def miss(self, frames: int = 0, bad_frames: int = 0) -> Judgement:
        """Judge the next slot as missed (see `due_us`).

        Parameters
        ----------
        frames, bad_frames
            That came since the last judgement without making an epoch.
        """
        slot = self._next_missed()
        if slot is None:
            raise ValueError("no slot is due")
        self._memory.last_slot = slot
        t_us = self.grid.time_us(slot)
        self._count(frames, bad_frames)
        return self._judge(t_us, slot, Sums(), EpochFigures(expected=self._indicators.expected(t_us) or None))

    def observe(
        self,
        time_us: int,
        received_at_us: int | None,
        observations: Observations,
        frames: int = 0,
        bad_frames: int = 0,
    ) -> list[Judgement]:
        """Take an epoch; return the judgements on slots missed before it, then that on itself.

        Parameters
        ----------
        time_us
            Time of the epoch, UTC.
        received_at_us
            When it was complete here; None in a replay without receiving times.
        observations
            All its observations.
        frames, bad_frames
            That came since the last judgement.
        """
        memory = self._memory
        empty = not np.any(np.isfinite(observations.range_m) | np.isfinite(observations.phase_m))
        repeated = time_us == memory.epoch_us
        if empty or repeated:
            memory.empty_epochs += empty
            memory.repeated_epochs += repeated and not empty
            self._count(frames, bad_frames)
            return []
        if memory.epoch_us is not None and not 0 < time_us - memory.epoch_us <= self._longest_step_us():
            memory = _Memory(
                live=memory.live,
                frames=memory.frames,
                bad_frames=memory.bad_frames,
                repeated_epochs=memory.repeated_epochs,
                empty_epochs=memory.empty_epochs,
                restarts=memory.restarts + 1,
                without_room=self.signals_without_room,
            )
            self._start(memory)
        if memory.epoch_us is None:
            self._window = Window()  # slots are counted anew
            memory.anchor_us = memory.first_us = self.grid.anchor_us = time_us
            memory.last_slot = -1 if received_at_us is None else max(-1, self._slots_gone(received_at_us))
        slot = self.grid.slot(time_us)
        missed = []
        while (
            memory.epoch_us is not None
            and (due := self._next_missed()) is not None
            and due < slot
            and self._is_past(due, received_at_us)
        ):
            missed.append(self.miss())
        self._count(frames, bad_frames)
        first = memory.epoch_us is None
        epoch, sums = self._indicators.measure(time_us, observations, first=first)
        if received_at_us is not None:
            self._latencies.add((received_at_us - time_us) * 1e-6)
        memory.epoch_us, memory.epoch_slot = time_us, slot
        memory.last_slot = max(memory.last_slot, slot)
        return [*missed, self._judge(time_us, slot, sums, epoch, received_at_us)]

    def snapshot(self) -> bytes:
        """Return the state."""
        self._memory.bad_us, self._memory.degraded_us = self._hold.bad_us, self._hold.degraded_us
        state = _Snapshot(
            memory=self._memory,
            indicators=self._indicators.snapshot(),
            window=self._window.snapshot(),
            latencies=self._latencies.snapshot(),
        )
        return msgspec.msgpack.encode(state)

    def restore(self, state: bytes) -> None:
        """Take back what `snapshot` gave."""
        saved = msgspec.msgpack.decode(state, type=_Snapshot)
        self._start(saved.memory)
        self._indicators.restore(saved.indicators)
        self._window.restore(saved.window)
        self._latencies.restore(saved.latencies)
        self._hold.bad_us, self._hold.degraded_us = saved.memory.bad_us, saved.memory.degraded_us

    def _slots_gone(self, now_us: int) -> int:
        """Return the last slot whose epoch could not come any more: nobody waits for it.

        Of a sender whose time is days behind that would be a thousand slots at once, again and again.
        """
        return self.grid.slot(now_us - round((GRACE_S + MOST_LATENCY_S) * 1e6))

    def _is_past(self, slot: int, received_at_us: int | None) -> bool:
        """Whether the slot's epoch would have come by now.

        A sender whose time runs ahead has missed nothing of the future: it could cause floods of reports.
        """
        if received_at_us is None:
            return True
        return self.grid.time_us(slot) + min(self._latencies.smallest_s(), 0.0) * 1e6 <= received_at_us

    def _next_missed(self) -> int | None:
        memory = self._memory
        if memory.anchor_us is None:
            return None
        since = memory.epoch_slot if memory.epoch_us is not None else -1
        return self.grid.next_missed(memory.last_slot, since)

    def _longest_step_us(self) -> int:
        first_us, last_us = self._memory.first_us, self._memory.epoch_us
        age_us = last_us - first_us if first_us is not None and last_us is not None else 0
        if age_us < self.thresholds.warm_up_s * 1e6:
            return round(max(YOUNG_RESTART_S * 1e6, 10 * self.grid.interval_us))
        return round(RESTART_S * 1e6)

    def _count(self, frames: int, bad_frames: int) -> None:
        self._memory.frames += frames
        self._memory.bad_frames += bad_frames

    def _judge(
        self, t_us: int, slot: int, sums: Sums, epoch: EpochFigures, received_at_us: int | None = None
    ) -> Judgement:
        memory, grid = self._memory, self.grid
        frames, bad_frames = memory.frames, memory.bad_frames
        memory.frames = memory.bad_frames = 0
        self._window.add(slot, sums._replace(frames=float(frames), bad_frames=float(bad_frames)))
        # A late epoch is judged with what is known by now.
        missed, last = sums.epochs == 0, memory.last_slot
        expected_now = grid.epochs_by(t_us) if slot == last and not missed else grid.epochs_a_slot
        figures = Figures(
            sums=self._window.total(last),
            epochs_expected=min(last, SLOTS - 1) * grid.epochs_a_slot + expected_now,
            age_s=None if memory.first_us is None else (t_us - memory.first_us) * 1e-6,
            gap_s=None if memory.epoch_us is None else (t_us - memory.epoch_us) * 1e-6,
            interval_s=grid.interval_s,
            latency_s=self._latencies.recent_s() if memory.live and not missed else None,
            jitter_s=self._latencies.jitter_s() if memory.live and not missed else None,
            drop_db=epoch.drop_db,
            slipped_share=epoch.slipped_share,
            live=memory.live,
        )
        verdict = self._hold.apply(judge(figures, self.thresholds), max(t_us, grid.time_us(last)))
        return Judgement(
            time_us=t_us,
            received_at_us=received_at_us,
            state=verdict.state,
            score=verdict.score,
            findings=verdict.findings,
            epochs=0 if missed else 1,
            epochs_expected=grid.epochs_a_slot if missed else 1,
            observations=epoch.observations,
            observations_expected=epoch.expected,
            satellites=epoch.satellites,
            latency_s=None if received_at_us is None else (received_at_us - t_us) * 1e-6,
            jitter_s=figures.jitter_s,
            cn0_dbhz=epoch.cn0_dbhz,
            slips=epoch.slips,
            multipath_m=figures.multipath_m,
            frames=frames,
            bad_frames=bad_frames,
        )
