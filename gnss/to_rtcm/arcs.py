"""Lock times and whole cycles of phases from epoch to epoch, as MSM needs them.

UBX tells lock times up to 64.5 s only, BINEX none at all; both may begin a phase anywhere, and MSM has room
for phases near their ranges. So for the signals of the epoch before is kept since when their phase goes on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_CYCLES_OFF_M = 800.0
"""How far a phase range may be from the range; MSM7 has room for 1,171 m from a rough range of both."""
_LATE_SHARE = 1.5
"""So many times the step before: epochs are missing between."""
_NO_LOCK = -1

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Told:
    """What a receiver says of an epoch's signals; arrays of shape (n,)."""

    key: Int64
    """Which signal of which satellite; each once."""
    lock_ms: Int64
    """As told; -1: not."""
    most_lock_ms: int
    """At which the receiver's lock time stops."""
    lost: NDArray[np.bool_]
    """It says that lock was lost."""
    mark: Int64
    """Something whose change means that the phase does not go on; -1: nothing."""


class Arcs:
    """Of one receiver; remembers the signals of one epoch."""

    def __init__(self) -> None:
        self._time_us = self._step_us = 0
        self._key = np.zeros(0, np.int64)
        self._begin_us = np.zeros(0, np.int64)
        self._mark = np.zeros(0, np.int64)
        self._cycles = np.zeros(0)

    def follow(
        self, time_us: int, told: Told, range_m: Float64, phase_m: Float64, wave_m: Float64
    ) -> tuple[Int64, Float64]:
        """Return lock times in ms and phase ranges near the ranges, both of shape (n,).

        A phase that is moved by other whole cycles than before, or that stops and comes again, has a new arc.

        Parameters
        ----------
        time_us
            Of the epoch, in any scale.
        told
            What the receiver says.
        range_m, phase_m, wave_m
            As in `Observations`, with a range near which the phase is to be; wavelengths.
        """
        step_us = time_us - self._time_us
        row = np.searchsorted(self._key, told.key)
        known = np.zeros(len(told.key), np.bool_)
        inside = row < len(self._key)
        known[inside] = self._key[row[inside]] == told.key[inside]
        known &= step_us > 0
        if len(self._key):
            row = np.minimum(row, len(self._key) - 1)
            before_us, mark, cycles = self._begin_us[row], self._mark[row], self._cycles[row]
        else:
            before_us, mark, cycles = np.zeros_like(row), np.zeros_like(row), np.zeros(len(row))

        tells = told.lock_ms >= 0
        goes_on = known & ~told.lost & (mark == told.mark)
        is_late = self._step_us > 0 and step_us > _LATE_SHARE * self._step_us
        goes_on &= tells | (told.mark >= 0) | (not is_late)
        told_us = time_us - told.lock_ms * 1000
        full = told.lock_ms >= told.most_lock_ms
        spans = full & (step_us <= told.most_lock_ms * 1000)
        begin_us = np.where(tells, np.maximum(before_us, told_us), before_us)
        begin_us = np.where(spans, np.minimum(before_us, told_us), begin_us)
        new_us = np.where(tells & ~told.lost & ~(known & (mark != told.mark)), told_us, time_us)
        begin_us = np.where(goes_on, begin_us, new_us)

        cycles = np.where(goes_on, cycles, 0.0)
        off_m = phase_m + cycles * wave_m - range_m
        too_far = np.abs(off_m) > MOST_CYCLES_OFF_M
        cycles = np.where(too_far, cycles - np.round(off_m / wave_m), cycles)
        begin_us = np.where(too_far, time_us, begin_us)

        has_phase = np.isfinite(phase_m)
        order = np.argsort(told.key[has_phase], kind="stable")
        self._key, self._begin_us = told.key[has_phase][order], begin_us[has_phase][order]
        self._mark, self._cycles = told.mark[has_phase][order], cycles[has_phase][order]
        self._time_us, self._step_us = time_us, max(step_us, 0) if self._time_us else 0
        lock_ms = np.where(has_phase, np.maximum(time_us - begin_us, 0) // 1000, 0)
        return lock_ms, phase_m + cycles * wave_m
