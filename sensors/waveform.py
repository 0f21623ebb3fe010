"""Samples many times a second from one channel: holes that are bridged, channels that are dead or misnamed.

Shared by kinds of detectors: their states have the columns `WAVE`, their limits `WAVE_LIMITS`.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from kernels.compiled import njit
from sensors.butterworth import BAND_PASS, MEMORY, set_band_pass
from sensors.detectors.finding import Finding, Subject
from sensors.episodes import COURSE, FAULT_END, Course, acquit, blame, make_finding, set_course

STUCK, WRONG_RATE = 1, 2
SKIP, ANEW = -1, 0
_ODD_STEPS = 200
"""So many steps of a wrong length in a row are no gaps: the configured rate is wrong."""
_ACQUIT_US = 60_000_000

WAVE = [
    *MEMORY,
    ("value", "f8"),
    ("origin", "f8"),  # what is taken off, so that a filter does not begin with a step
    ("moved_us", "i8"),
    ("seen_us", "i8"),
    ("odd", "i8"),
]
WAVE_LIMITS = [*COURSE, *BAND_PASS, ("step_us", "f8"), ("most_steps", "i8"), ("stuck_us", "i8")]


class WaveParameters(Course, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of detectors of waveforms."""

    sampling_rate_hz: float = 100.0
    low_hz: float = 10.0
    high_hz: float = 20.0
    fill_s: float = 0.1
    """Holes of up to this are bridged; longer ones begin anew."""
    stuck_s: float = 10.0
    """A channel that gives one number for so long is dead: noise of digitizers alone moves it."""
    silence_end_s: float = 60.0

    def check(self) -> None:
        """Refuse what makes no sense."""
        super().check()
        if not 0 <= self.fill_s <= 1 or self.stuck_s <= 0:
            raise ValueError("fill_s must lie in 0 to 1, stuck_s above 0")
        set_band_pass(np.zeros((), BAND_PASS), self.low_hz, self.high_hz, self.sampling_rate_hz)


def set_wave(parameters: WaveParameters, limits: Any) -> None:
    """Fill the columns `WAVE_LIMITS`."""
    p = parameters
    set_course(p, limits)
    set_band_pass(limits, p.low_hz, p.high_hz, p.sampling_rate_hz)
    limits["step_us"] = 1e6 / p.sampling_rate_hz
    limits["most_steps"] = int(p.fill_s * p.sampling_rate_hz) + 1
    limits["stuck_us"] = round(p.stuck_s * 1e6)


@njit(cache=True, nogil=True)
def watch_channel(limit: Any, s: Any, time_us: int, value: float) -> tuple[int, float]:
    """Look whether the channel is sound; return a code and the time since the sample before, us.

    Comes before `steps_since`.
    """
    step_us = float(time_us - s.seen_us) if s.fed != 0 else 0.0
    s.seen_us = time_us
    if step_us > 0.0 and abs(step_us / limit.step_us - 1.0) > 0.3:
        s.odd += 1
        if s.odd >= _ODD_STEPS:
            return blame(s, WRONG_RATE, time_us, time_us), step_us
    else:
        s.odd = 0
    if s.fed != 0 and value == s.value and time_us - s.moved_us > limit.stuck_us:
        return blame(s, STUCK, s.moved_us, time_us), step_us
    return acquit(s, time_us, _ACQUIT_US), step_us


@njit(cache=True, nogil=True)
def steps_since(limit: Any, s: Any, time_us: int, value: float) -> int:
    """Return how many steps after the last sample this one comes; ANEW: the filter begins anew; SKIP it.

    With ANEW, the columns are made ready.
    """
    step_us = time_us - s.last_us
    steps = int(np.rint(step_us / limit.step_us)) if s.fed != 0 else 0
    if s.fed != 0 and step_us > 0 and steps == 0:
        return SKIP
    was_dead = time_us - s.moved_us > limit.stuck_us and value != s.value
    if steps < 1 or steps > limit.most_steps or was_dead:
        steps = ANEW
        s.memory[:] = 0.0
        s.origin = value
        s.moved_us = time_us
        s.quiet = 0
        s.over_n[:] = 0
    if value != s.value:
        s.moved_us = time_us
    s.fed = 1
    s.last_us = time_us
    return steps


def tell_channel(parameters: WaveParameters, crossing: Any, subject: Subject, sensor_rule: str) -> Finding:
    """Make a finding of what `watch_channel` said; `extra` of the crossing is the fault and the step."""
    evidence = {"parameters": msgspec.structs.asdict(parameters)}
    if int(crossing["code"]) == FAULT_END:
        title = f"Channel {subject.name} is sound again"
    elif int(crossing["extra"][0]) == STUCK:
        title = f"Channel {subject.name} does not move; check the sensor and its cable"
    else:
        rate_hz = 1e6 / float(crossing["extra"][1])
        title = (
            f"Channel {subject.name} sends {rate_hz:.4g} samples a second, not "
            f"{parameters.sampling_rate_hz:.4g}; correct sampling_rate_hz"
        )
    return make_finding(crossing, title, evidence, sensor_rule)
