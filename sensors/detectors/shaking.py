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

from kernels.compiled import njit
from sensors.butterworth import band_pass
from sensors.detectors import Finding, Subject, register_kind
from sensors.detectors.bank import Kind
from sensors.episodes import (
    BEGIN,
    END,
    EPISODE,
    FAULT_BEGIN,
    FAULT_END,
    NO_LEVEL,
    NOTHING,
    cross,
    follow,
    highest,
    is_number,
    make_finding,
    tick,
    why_ended,
)
from sensors.rings import curve, next_point, points_of
from sensors.sta_lta import AVERAGES, LENGTHS, recursive_ratio
from sensors.waveform import (
    ANEW,
    SKIP,
    WAVE,
    WAVE_LIMITS,
    WaveParameters,
    set_wave,
    steps_since,
    tell_channel,
    watch_channel,
)

VERSION = "1"
SENSOR_RULE = "shaking_sensor"
FORMULA = (
    "y = Butterworth band-pass of 4 corners of (x - first x); sta += (y^2 - sta) / n_sta; "
    "lta += (y^2 - lta) / n_lta; ratio = sta / lta, 0 for the first n_lta samples; "
    "begin where ratio > on, end where ratio <= off"
)
_CURVE_POINTS, _CURVE_US = 200, 100_000


class ShakingParameters(WaveParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters. Band, lengths and ratios are those of ObsPy's network example (local events)."""

    sta_s: float = 0.5
    lta_s: float = 10.0
    on: float = 3.5
    off: float = 1.0
    amplitudes: tuple[float, ...] = ()
    """Largest filtered amplitudes, in the series' unit, that make a trigger yellow, orange and red."""
    least_samples: int = 1
    hold_s: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        self.check()
        if not 0 < self.sta_s < self.lta_s or self.sta_s * self.sampling_rate_hz < 2:
            raise ValueError("0 < sta_s < lta_s must hold, and sta_s must cover two samples")
        if not 0 < self.off < self.on:
            raise ValueError("0 < off < on must hold")
        if len(self.amplitudes) > 3 or list(self.amplitudes) != sorted(self.amplitudes):
            raise ValueError("amplitudes must be up to three numbers that rise")


LIMITS = np.dtype([*WAVE_LIMITS, *LENGTHS, ("on", "f8"), ("off", "f8"), ("amplitude", "f8", (4,))])
STATE = np.dtype(
    [
        *EPISODE, *WAVE, *AVERAGES, *curve(_CURVE_POINTS, "value", "ratio"),
        ("ratio", "f8"), ("peak", "f8"), ("peak_ratio", "f8"),
    ]
)  # fmt: skip


def settle(parameters: ShakingParameters, limits: Any) -> None:
    """Fill the limits."""
    p = parameters
    set_wave(p, limits)
    limits["sta_n"] = int(p.sta_s * p.sampling_rate_hz)
    limits["lta_n"] = int(p.lta_s * p.sampling_rate_hz)
    limits["on"], limits["off"] = p.on, p.off
    limits["amplitude"] = [0.0, *p.amplitudes, *[np.inf] * (3 - len(p.amplitudes))]


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
        code, step_us = watch_channel(limit, s, time_us[i], value[i])
        found = 0
        if code != NOTHING:
            cross(crossings[found], s, slot[i], i, code, time_us[i], value[i], limit.step_us)
            crossings[found].extra[0], crossings[found].extra[1] = s.fault, step_us
            found += 1
        if _shakes(limit, s, time_us[i], value[i]):
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
def _shakes(limit: Any, s: Any, time_us: int, value: float) -> bool:
    """Take a sample; return whether there is a trigger, or might be."""
    first = s.value
    steps = steps_since(limit, s, time_us, value)
    if steps == SKIP:
        return False
    if steps == ANEW:
        s.sta = s.lta = s.ratio = s.peak = s.peak_ratio = 0.0
        s.averaged = 0
    for k in range(1, steps):
        shake(limit, s, first + (value - first) * k / steps)
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
        return tell_channel(parameters, crossing, subject, SENSOR_RULE)
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


KIND = Kind("shaking", VERSION, ShakingParameters, LIMITS, STATE, settle, take, tick, tell)
register_kind(KIND)
