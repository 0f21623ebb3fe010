"""Infrasound of debris flows and avalanches: detector `infrasound`, on a microphone's waveform in Pa.

A flow sounds for minutes, at 5 to 15 Hz mostly; wind roars below, and gusts. So the band of 1 to 20 Hz is
measured in windows of five seconds. A window counts when its root mean square lies above a floor and above a
multiple of the quiet's, and its strongest frequency lies in the band of flows; four in a row make an event.
While the named anemometer shows more than `wind_m_s`, or says nothing, no window counts. Amplitude, frequency
and 20 s of persistence are the idea of Schimmel and Huebl (2016), Landslides 13, 1181-1196; the numbers are
own choice.

The quiet is learned from windows that do not count, over some ten minutes. A hole begins its window anew.
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
    check_levels,
    cross,
    follow,
    highest,
    is_number,
    limits_of,
    make_finding,
    tick,
    why_ended,
)
from sensors.rings import curve, next_point, points_of
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
SENSOR_RULE = "infrasound_sensor"
FORMULA = (
    "y = Butterworth band-pass of 4 corners; per window rms = sqrt(mean y^2), peak = frequency of largest "
    "|DFT(y)|; counts if rms >= max(floor, multiple * quiet) and peak in the band of flows, without wind"
)
_MOST = 1024
"""Samples of a window at most."""
_STEP_HZ = 0.5
_LEARN = 1.0 / 120.0
_LEAST_LEARNED = 12
_WIND_STALE_US = 900_000_000
_CURVE_POINTS = 240


class InfrasoundParameters(WaveParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters; all own choice, to be tried at the site."""

    low_hz: float = 1.0
    high_hz: float = 20.0
    window_s: float = 5.0
    floor_pa: float = 0.02
    multiple: float = 5.0
    """Of the quiet's root mean square: an energy of 25 times."""
    levels_pa: tuple[float | None, ...] = (0.0, 0.2, 1.0, None)
    """Root mean square that makes what counts blue, yellow, orange, red; null or inf leaves one out."""
    peak_low_hz: float = 4.0
    peak_high_hz: float = 18.0
    wind: str = ""
    """Datastream of wind speed, m/s."""
    wind_m_s: float = 8.0
    least_samples: int = 4
    """Windows."""
    hold_s: float = 60.0

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        self.check()
        check_levels("levels_pa", self.levels_pa)
        if not 16 <= self.window_s * self.sampling_rate_hz <= _MOST:
            raise ValueError(f"window_s must hold 16 to {_MOST} samples")
        if not self.low_hz <= self.peak_low_hz < self.peak_high_hz <= self.high_hz:
            raise ValueError("low_hz <= peak_low_hz < peak_high_hz <= high_hz must hold")
        if min(self.floor_pa, self.multiple, self.wind_m_s) <= 0:
            raise ValueError("floor_pa, multiple and wind_m_s must be above 0")


LIMITS = np.dtype(
    [
        *WAVE_LIMITS, ("window_n", "i8"), ("rate_hz", "f8"), ("low_hz", "f8"), ("high_hz", "f8"),
        ("floor", "f8"), ("multiple", "f8"), ("levels", "f8", (4,)), ("peak_low", "f8"), ("peak_high", "f8"),
        ("has_wind", "i8"), ("wind", "f8"),
    ]
)  # fmt: skip
STATE = np.dtype(
    [
        *EPISODE, *WAVE, *curve(_CURVE_POINTS, "value"),
        ("n", "i8"), ("window", "f4", (_MOST,)), ("settling", "i8"), ("quiet_rms", "f8"), ("learned", "i8"),
        ("rms", "f8"), ("peak_hz", "f8"), ("wind_now", "f8"), ("wind_us", "i8"), ("has_wind", "i8"),
    ]
)  # fmt: skip


def inputs(parameters: InfrasoundParameters) -> tuple[str, ...]:
    """`Kind.inputs`."""
    return (parameters.wind,) if parameters.wind else ()


def settle(parameters: InfrasoundParameters, limits: Any) -> None:
    """Fill the limits."""
    p = parameters
    set_wave(p, limits)
    limits["window_n"] = round(p.window_s * p.sampling_rate_hz)
    limits["rate_hz"], limits["low_hz"], limits["high_hz"] = p.sampling_rate_hz, p.low_hz, p.high_hz
    limits["floor"], limits["multiple"] = p.floor_pa, p.multiple
    limits["levels"] = limits_of(p.levels_pa)
    limits["peak_low"], limits["peak_high"] = p.peak_low_hz, p.peak_high_hz
    limits["has_wind"], limits["wind"] = bool(p.wind), p.wind_m_s


@njit(cache=True, nogil=True)
def peak_frequency_hz(window: Any, rate_hz: float, low_hz: float, high_hz: float) -> float:
    """Return where the spectrum of a window, shape (n,), is largest, in steps of half a hertz (Goertzel)."""
    best, found = -1.0, low_hz
    for k in range(int((high_hz - low_hz) / _STEP_HZ) + 1):
        frequency = low_hz + k * _STEP_HZ
        turn = 2.0 * np.cos(2.0 * np.pi * frequency / rate_hz)
        one = two = 0.0
        for x in window:
            one, two = x + turn * one - two, one
        power = one * one + two * two - turn * one * two
        if power > best:
            best, found = power, frequency
    return found


@njit(cache=True, nogil=True)
def _hear(limit: Any, s: Any, time_us: int, value: float) -> bool:
    """Take a sample; return whether a window is full."""
    first = s.value
    steps = steps_since(limit, s, time_us, value)
    if steps == SKIP:
        return False
    if steps == ANEW:
        s.n = 0
        s.settling = limit.window_n  # the filter's own ring
    full = False
    for k in range(1, max(steps, 1) + 1):
        sample = first + (value - first) * k / steps if steps > 1 else value
        filtered = band_pass(limit, s, sample - s.origin)
        if s.settling > 0:
            s.settling -= 1
            continue
        if s.n >= limit.window_n:
            s.n = 0
        s.window[s.n] = filtered
        s.n += 1
        full = full or s.n == limit.window_n
    s.value = value
    return full


@njit(cache=True, nogil=True)
def _weigh(limit: Any, s: Any, time_us: int) -> tuple[bool, bool]:
    """Return whether the window counts, and whether it could be judged at all."""
    total = 0.0
    for k in range(limit.window_n):
        total += s.window[k] * s.window[k]
    s.rms = np.sqrt(total / limit.window_n)
    if limit.has_wind and (
        s.has_wind == 0 or s.wind_now > limit.wind or abs(time_us - s.wind_us) > _WIND_STALE_US
    ):
        return False, False
    loud = s.learned >= _LEAST_LEARNED and s.rms >= max(limit.floor, limit.multiple * s.quiet_rms)
    if loud:
        s.peak_hz = peak_frequency_hz(s.window[: limit.window_n], limit.rate_hz, limit.low_hz, limit.high_hz)
        return limit.peak_low <= s.peak_hz <= limit.peak_high, True
    if s.begun == 0:
        s.learned += 1
        s.quiet_rms += (s.rms - s.quiet_rms) * max(_LEARN, 1.0 / s.learned)
    return False, True


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
        if not usable[i] or not is_number(value[i]) or role[i] > 1:
            continue
        limit, s, t = limits[slot[i]], state[slot[i]], time_us[i]
        if role[i] == 1:
            s.has_wind, s.wind_now, s.wind_us = 1, value[i], t
            continue
        s.last_received_us = max(s.last_received_us, received_at_us[i])
        found = 0
        code, step_us = watch_channel(limit, s, t, value[i])
        if code != NOTHING:
            cross(crossings[found], s, slot[i], i, code, t, value[i], limit.step_us)
            crossings[found].extra[0], crossings[found].extra[1] = s.fault, step_us
            found += 1
        if _hear(limit, s, t, value[i]):
            counts, judged = _weigh(limit, s, t)
            at, _ = next_point(s, t, 1)
            s.curve_value[at] = s.rms
            if judged:
                level = highest(limit.levels, s.rms) if counts else NO_LEVEL
                code = follow(limit, s, level, not counts, t, s.rms)
                if code != NOTHING:
                    threshold = max(limit.floor, limit.multiple * s.quiet_rms)
                    cross(crossings[found], s, slot[i], i, code, t, s.rms, threshold)
                    crossings[found].extra[0], crossings[found].extra[1] = s.peak_hz, s.quiet_rms
                    found += 1
        if found:
            return i + 1, found
    return len(slot), 0


def tell(parameters: InfrasoundParameters, state: Any, crossing: Any, subject: Subject) -> Finding:
    """`Kind.tell`."""
    code = int(crossing["code"])
    if code in (FAULT_BEGIN, FAULT_END):
        return tell_channel(parameters, crossing, subject, SENSOR_RULE)
    peak_hz, quiet = (float(x) for x in crossing["extra"][:2])
    evidence = {
        "formula": FORMULA,
        "version": VERSION,
        "parameters": msgspec.structs.asdict(parameters),
        "inputs": list(inputs(parameters)),
        "peak_hz": peak_hz,
        "quiet_rms_pa": round(quiet, 6),
    }
    if code == END:
        title = f"Infrasound at {subject.name} is over"
        return make_finding(crossing, title, {**evidence, **why_ended(crossing, state)}, SENSOR_RULE)
    if code == BEGIN:
        evidence["samples"] = points_of(state, "value", digits=6)
    title = (
        f"Infrasound at {subject.name}: {float(crossing['value']):.2g} Pa at {peak_hz:.1f} Hz, as of a flow"
    )
    return make_finding(crossing, title, evidence, SENSOR_RULE, digits=6)


KIND = Kind("infrasound", VERSION, InfrasoundParameters, LIMITS, STATE, settle, take, tick, tell, inputs)
register_kind(KIND)
