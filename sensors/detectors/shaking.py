"""Ground shaking at one seismometer or accelerometer: detector `shaking`.

A causal Butterworth band-pass of four corners, then the recursive ratio of a short to a long average of the
energy. A trigger begins above `on` and ends at `off`. The band (10 to 20 Hz) is that of local events and lies
above the sea's noise and below most machines'; the short average holds a few periods of it, the long one is
longer than a local event's strong part (Trnkoczy, NMSOP IS 8.1). One station's trigger may be a lorry:
`sensors/coincidence.py` makes events of a network.

The ratio is 0 until the long average has been filled, also after a gap, so that neither a filter's transient
nor a short average of few samples triggers. Holes of up to `fill_s` are bridged by a straight line, which has
no energy in the band. A channel that does not move is dead, and begins anew when it moves again: its long
average would be 0. Any step is a pulse in the band; the trigger that it makes lasts 1.6 s, and
`least_s` leaves it out where a delay of that size is bearable.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numba import njit

from sensors.butterworth import BAND_PASS, MEMORY, band_pass, set_band_pass
from sensors.detectors import Finding, Subject, register_kind
from sensors.detectors.bank import Kind
from sensors.episodes import (
    BEGIN,
    COURSE,
    END,
    EPISODE,
    FAULT_BEGIN,
    FAULT_END,
    NO_LEVEL,
    NOTHING,
    Course,
    acquit,
    blame,
    cross,
    follow,
    highest,
    is_number,
    make_finding,
    set_course,
    tick,
    why_ended,
)
from sensors.rings import curve, next_point, points_of
from sensors.sta_lta import AVERAGES, LENGTHS, recursive_ratio

VERSION = "1"
SENSOR_RULE = "shaking_sensor"
FORMULA = (
    "y = Butterworth band-pass of 4 corners of (x - first x); sta += (y^2 - sta) / n_sta; "
    "lta += (y^2 - lta) / n_lta; ratio = sta / lta, 0 for the first n_lta samples; "
    "begin where ratio > on, end where ratio <= off"
)
STUCK, WRONG_RATE = 1, 2
_ODD_STEPS = 200
"""So many steps of a wrong length in a row are no gaps: the configured rate is wrong."""
_ACQUIT_US = 60_000_000
_CURVE_POINTS, _CURVE_US = 200, 100_000


class ShakingParameters(Course, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters. Band, lengths and ratios are those of ObsPy's network example (local events)."""

    sampling_rate_hz: float = 100.0
    low_hz: float = 10.0
    high_hz: float = 20.0
    sta_s: float = 0.5
    lta_s: float = 10.0
    on: float = 3.5
    off: float = 1.0
    amplitudes: tuple[float, ...] = ()
    """Largest filtered amplitudes, in the series' unit, that make a trigger yellow, orange and red."""
    fill_s: float = 0.1
    """Holes of up to this are bridged; longer ones begin anew. Two periods of the band's middle at most."""
    stuck_s: float = 10.0
    """A channel that gives one number for so long is dead: noise of digitizers alone moves it."""
    least_samples: int = 1
    hold_s: float = 0.0
    silence_end_s: float = 60.0

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        self.check()
        if not 0 < self.sta_s < self.lta_s or self.sta_s * self.sampling_rate_hz < 2:
            raise ValueError("0 < sta_s < lta_s must hold, and sta_s must cover two samples")
        if not 0 < self.off < self.on:
            raise ValueError("0 < off < on must hold")
        if len(self.amplitudes) > 3 or list(self.amplitudes) != sorted(self.amplitudes):
            raise ValueError("amplitudes must be up to three numbers that rise")
        if not 0 <= self.fill_s <= 1 or self.stuck_s <= 0:
            raise ValueError("fill_s must lie in 0 to 1, stuck_s above 0")
        set_band_pass(np.zeros((), BAND_PASS), self.low_hz, self.high_hz, self.sampling_rate_hz)


LIMITS = np.dtype(
    [
        *COURSE, *BAND_PASS, *LENGTHS,
        ("step_us", "f8"), ("most_steps", "i8"), ("on", "f8"), ("off", "f8"), ("amplitude", "f8", (4,)),
        ("stuck_us", "i8"),
    ]
)  # fmt: skip
STATE = np.dtype(
    [
        *EPISODE, *MEMORY, *AVERAGES, *curve(_CURVE_POINTS, "value", "ratio"),
        ("origin", "f8"), ("value", "f8"), ("ratio", "f8"), ("peak", "f8"), ("peak_ratio", "f8"),
        ("odd", "i8"), ("seen_us", "i8"), ("moved_us", "i8"),
    ]
)  # fmt: skip


def settle(parameters: ShakingParameters, limits: Any) -> None:
    """Fill the limits."""
    p = parameters
    set_course(p, limits)
    set_band_pass(limits, p.low_hz, p.high_hz, p.sampling_rate_hz)
    limits["sta_n"] = int(p.sta_s * p.sampling_rate_hz)
    limits["lta_n"] = int(p.lta_s * p.sampling_rate_hz)
    limits["step_us"] = 1e6 / p.sampling_rate_hz
    limits["most_steps"] = int(p.fill_s * p.sampling_rate_hz) + 1
    limits["on"], limits["off"] = p.on, p.off
    limits["amplitude"] = [0.0, *p.amplitudes, *[np.inf] * (3 - len(p.amplitudes))]
    limits["stuck_us"] = round(p.stuck_s * 1e6)


@njit(cache=True, nogil=True)
def shake(limit: Any, s: Any, value: float) -> float:
    """Take the next sample of an unbroken series; return the ratio."""
    if s.averaged == 0:
        s.origin = value
    filtered = band_pass(limit, s, value - s.origin)
    s.ratio = recursive_ratio(limit, s, filtered)
    s.value = value
    if s.begun != 0 or s.over_n[0] > 0 or s.ratio > limit.on:
        s.peak = max(s.peak, abs(filtered))
        s.peak_ratio = max(s.peak_ratio, s.ratio)
    return float(s.ratio)


@njit(cache=True, nogil=True)
def ratios(limit: Any, s: Any, value: Any, ratio: Any) -> None:
    """Take a block of an unbroken series; `ratio` is filled, both of shape (n,)."""
    for i in range(len(value)):
        ratio[i] = shake(limit, s, value[i])


@njit(cache=True, nogil=True)
def _anew(s: Any, time_us: int, value: float) -> None:
    s.memory[:] = 0.0
    s.sta = s.lta = s.ratio = s.peak = s.peak_ratio = 0.0
    s.averaged = 0
    s.moved_us = time_us
    s.value = value
    s.quiet = 0
    s.over_n[:] = 0


@njit(cache=True, nogil=True)
def _fault(limit: Any, s: Any, steps: float, time_us: int, value: float) -> int:
    """Watch the sensor; return a code."""
    if abs(steps - 1.0) > 0.3 and steps > 0.0:
        s.odd += 1
        if s.odd >= _ODD_STEPS:
            return int(blame(s, WRONG_RATE, time_us, time_us))
    else:
        s.odd = 0
    if s.fed != 0 and value == s.value and time_us - s.moved_us > limit.stuck_us:
        return int(blame(s, STUCK, s.moved_us, time_us))
    return int(acquit(s, time_us, _ACQUIT_US))


@njit(cache=True, nogil=True)
def take(
    limits: Any,
    state: Any,
    slot: Any,
    role: Any,
    time_us: Any,
    value: Any,
    usable: Any,
    received_at_us: Any,
    begin: int,
    crossings: Any,
) -> tuple[int, int]:
    """`Kind.take`."""
    for i in range(begin, len(slot)):
        if not usable[i] or not is_number(value[i]) or role[i] != 0:
            continue
        limit, s = limits[slot[i]], state[slot[i]]
        s.last_received_us = max(s.last_received_us, received_at_us[i])
        steps = (time_us[i] - s.seen_us) / limit.step_us if s.fed != 0 else 0.0
        s.seen_us = time_us[i]
        code = _fault(limit, s, steps, time_us[i], value[i])
        found = 0
        if code != NOTHING:
            cross(crossings[found], s, slot[i], i, code, time_us[i], value[i], limit.step_us)
            crossings[found].extra[0] = steps * limit.step_us
            crossings[found].extra[1] = s.fault if code == FAULT_BEGIN else 0
            found += 1
        if _follow_wave(limit, s, time_us[i], value[i]):
            code = follow(limit, s, _level(limit, s), s.ratio <= limit.off, time_us[i], s.ratio)
            if code != NOTHING:
                threshold = limit.off if code == END else limit.on
                cross(crossings[found], s, slot[i], i, code, time_us[i], s.ratio, threshold)
                crossings[found].extra[0] = s.peak
                crossings[found].extra[1] = s.peak_ratio
                found += 1
            if s.begun == 0 and s.over_n[0] == 0:
                s.peak = s.peak_ratio = 0.0
        if found:
            return i + 1, found
    return len(slot), 0


@njit(cache=True, nogil=True)
def _follow_wave(limit: Any, s: Any, time_us: int, value: float) -> bool:
    """Take a sample; return whether there is a trigger, or might be."""
    steps = (time_us - s.last_us) / limit.step_us
    missed = int(np.rint(steps)) if s.fed != 0 else 0
    if s.fed != 0 and steps > 0.0 and missed == 0:
        return False
    was_dead = time_us - s.moved_us > limit.stuck_us and value != s.value
    if missed < 1 or missed > limit.most_steps or was_dead:
        _anew(s, time_us, value)
    first = s.value
    for k in range(1, missed if s.averaged > 0 else 1):
        shake(limit, s, first + (value - first) * k / missed)
    if value != s.value:
        s.moved_us = time_us
    s.fed = 1
    s.last_us = time_us
    shake(limit, s, value)
    at, new = next_point(s, time_us, _CURVE_US)
    if new or s.ratio > s.curve_ratio[at]:
        s.curve_ratio[at] = s.ratio
    if new or abs(value - s.origin) > abs(s.curve_value[at]):
        s.curve_value[at] = value - s.origin
    return bool(s.begun != 0 or s.over_n[0] > 0 or s.ratio > limit.on)


@njit(cache=True, nogil=True)
def _level(limit: Any, s: Any) -> int:
    """Once triggered it goes on above `off`."""
    return int(highest(limit.amplitude, s.peak)) if s.ratio > limit.off else NO_LEVEL


def tell(parameters: ShakingParameters, state: Any, crossing: Any, subject: Subject) -> Finding:
    """`Kind.tell`."""
    code = int(crossing["code"])
    if code in (FAULT_BEGIN, FAULT_END):
        return _tell_fault(parameters, crossing, subject)
    peak, peak_ratio = (float(x) for x in crossing["extra"][:2])
    evidence = {
        "formula": FORMULA,
        "version": VERSION,
        "parameters": msgspec.structs.asdict(parameters),
        "peak": round(peak, 6),
        "peak_ratio": round(peak_ratio, 2),
    }
    if code == END:
        title = f"Shaking at {subject.name} is over"
        return make_finding(crossing, title, {**evidence, **why_ended(crossing, state)}, SENSOR_RULE)
    if code == BEGIN:
        evidence["samples"] = points_of(state, "value", "ratio")
    what = f"{peak:.3g} {subject.unit}, {float(crossing['value']):.1f} times the noise's energy"
    return make_finding(crossing, f"Shaking at {subject.name}: {what}", evidence, SENSOR_RULE)


def _tell_fault(parameters: ShakingParameters, crossing: Any, subject: Subject) -> Finding:
    evidence = {"parameters": msgspec.structs.asdict(parameters)}
    if int(crossing["code"]) == FAULT_END:
        title = f"Channel {subject.name} is sound again"
    elif int(crossing["extra"][1]) == STUCK:
        title = f"Channel {subject.name} does not move; check the sensor and its cable"
    else:
        rate_hz = 1e6 / float(crossing["extra"][0])
        title = (
            f"Channel {subject.name} sends {rate_hz:.4g} samples a second, not "
            f"{parameters.sampling_rate_hz:.4g}; correct sampling_rate_hz"
        )
    return make_finding(crossing, title, evidence, SENSOR_RULE)


KIND = Kind("shaking", VERSION, ShakingParameters, LIMITS, STATE, settle, take, tick, tell)
register_kind(KIND)
