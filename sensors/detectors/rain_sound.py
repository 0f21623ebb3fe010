"""Rain from its sound: detector `rain_sound`, on the level of a band in dB that a microphone's device sends.

Drops that strike a surface sound with the rain's intensity; a table of the site's own calibration turns the
band's level into mm/h (straight between its points in dB and log mm/h, nothing below the first). Levels come
once a minute or more often. Intensity is the mean over ten minutes, rain that of the last hour.

Wind sounds, too: while it blows stronger than `wind_m_s`, or while the named anemometer has been silent for a
quarter of an hour, nothing is judged and no rain counted, so that rain is a lower bound.

A level that does not move at all, or lies below what the empty sky sounds like, is a dead microphone.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from kernels.compiled import njit
from sensors.detectors import Finding, Subject, register_kind
from sensors.detectors.bank import Kind
from sensors.episodes import (
    BEGIN,
    COURSE,
    END,
    EPISODE,
    FAULT_BEGIN,
    FAULT_END,
    NOTHING,
    Course,
    acquit,
    arrives,
    blame,
    check_levels,
    cross,
    follow,
    highest,
    is_number,
    limits_of,
    make_finding,
    set_course,
    tick,
    why_ended,
)
from sensors.rings import curve, next_point, points_of

VERSION = "1"
SENSOR_RULE = "rain_sound_sensor"
FORMULA = (
    "intensity = table(band level), mean over 10 min without wind >= level; "
    "or rain = sum of intensity * time over the last hour >= level"
)
INTENSITY, RAIN = 0, 1
STUCK, DEAF = 1, 2
_BIN_US = 60_000_000
_BINS = 60
_INTENSITY_BINS = 10
_LEAST_BINS = 5
_POINTS = 12
_WIND_STALE_US = 900_000_000
_HOUR_US = 3_600_000_000
_CURVE_POINTS = 240


class RainSoundParameters(Course, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters. The table belongs to microphone and surface: there is no common one."""

    calibration: tuple[tuple[float, float], ...]
    """Level in dB and intensity in mm/h, both rising."""
    wind: str = ""
    """Datastream of wind speed, m/s."""
    wind_m_s: float = 8.0
    """Own choice."""
    intensities_mm_h: tuple[float | None, ...] = (None, 20.0, 40.0, 80.0)
    """Blue, yellow, orange, red; null or inf leaves one out. Own choice, as all levels here."""
    rains_mm: tuple[float | None, ...] = (None, 20.0, 40.0, 80.0)
    silent_db: float | None = None
    """A sound microphone hears more than this at all times; null: unknown."""
    stuck_s: float = 3600.0
    end_share: float = 0.5
    least_s: float = 300.0
    max_gap_s: float = 900.0

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        self.check()
        check_levels("intensities_mm_h", self.intensities_mm_h)
        check_levels("rains_mm", self.rains_mm)
        levels = np.array(self.calibration, np.float64).reshape(-1, 2)
        if not 2 <= len(levels) <= _POINTS or (np.diff(levels, axis=0) <= 0).any() or levels[0, 1] <= 0:
            raise ValueError(f"calibration must have 2 to {_POINTS} points that rise, from above 0 mm/h on")
        if min(self.wind_m_s, self.stuck_s, self.end_share) <= 0 or self.end_share > 1:
            raise ValueError("wind_m_s, stuck_s and end_share must be above 0, end_share up to 1")


LIMITS = np.dtype(
    [
        *COURSE, ("points", "i8"), ("db", "f8", (_POINTS,)), ("log_mm_h", "f8", (_POINTS,)),
        ("has_wind", "i8"), ("wind", "f8"), ("levels", "f8", (2, 4)), ("silent_db", "f8"), ("stuck_us", "i8"),
        ("end_share", "f8"),
    ]
)  # fmt: skip
STATE = np.dtype(
    [
        *EPISODE, *curve(_CURVE_POINTS, "value"),
        ("wind", "f8"), ("wind_us", "i8"), ("has_wind", "i8"),
        ("last", "f8"), ("moved_us", "i8"), ("deaf_us", "i8"),
        ("bin", "i8"), ("bin_n", "i8", (_BINS,)), ("bin_sum", "f8", (_BINS,)),
        ("amount", "f8", (2,)),
    ]
)  # fmt: skip


def inputs(parameters: RainSoundParameters) -> tuple[str, ...]:
    """`Kind.inputs`."""
    return (parameters.wind,) if parameters.wind else ()


def settle(parameters: RainSoundParameters, limits: Any) -> None:
    """Fill the limits."""
    p = parameters
    set_course(p, limits)
    n = len(p.calibration)
    limits["points"] = n
    limits["db"][:n] = [db for db, _ in p.calibration]
    limits["log_mm_h"][:n] = np.log([mm_h for _, mm_h in p.calibration])
    limits["has_wind"], limits["wind"] = bool(p.wind), p.wind_m_s
    limits["levels"] = [limits_of(p.intensities_mm_h), limits_of(p.rains_mm)]
    limits["silent_db"] = -np.inf if p.silent_db is None else p.silent_db
    limits["stuck_us"] = round(p.stuck_s * 1e6)
    limits["end_share"] = p.end_share


@njit(cache=True, nogil=True)
def intensity_mm_h(limit: Any, db: float) -> float:
    """Return the intensity of a band level; beyond the table's end that of its last point."""
    if db < limit.db[0]:
        return 0.0
    k = 1
    while k < limit.points - 1 and db > limit.db[k]:
        k += 1
    share = min((db - limit.db[k - 1]) / (limit.db[k] - limit.db[k - 1]), 1.0)
    return float(np.exp(limit.log_mm_h[k - 1] + share * (limit.log_mm_h[k] - limit.log_mm_h[k - 1])))


@njit(cache=True, nogil=True)
def _listen(limit: Any, s: Any, time_us: int, db: float) -> None:
    """Put a sample into its minute; note intensity and rain."""
    now = time_us // _BIN_US
    if now < s.bin or now - s.bin >= _BINS:
        s.bin_n[:] = 0
        s.bin = now
    while s.bin < now:
        s.bin += 1
        s.bin_n[s.bin % _BINS] = 0
    at = now % _BINS
    if s.bin_n[at] == 0:
        s.bin_sum[at] = 0.0
    s.bin_n[at] += 1
    s.bin_sum[at] += intensity_mm_h(limit, db)
    rain, lately, known = 0.0, 0.0, 0
    for k in range(_BINS):
        b = (now - k) % _BINS
        if s.bin_n[b] > 0:
            mean = s.bin_sum[b] / s.bin_n[b]
            rain += mean / _BINS
            if k < _INTENSITY_BINS:
                lately += mean
                known += 1
    s.amount[INTENSITY] = lately / known if known >= _LEAST_BINS else 0.0
    s.amount[RAIN] = rain


@njit(cache=True, nogil=True)
def _sensor(limit: Any, s: Any, time_us: int, anew: bool, db: float) -> int:
    if anew or db != s.last:
        s.moved_us = time_us
    if anew or db >= limit.silent_db:
        s.deaf_us = time_us
    s.last = db
    if time_us - s.moved_us >= limit.stuck_us:
        return int(blame(s, STUCK, s.moved_us, time_us))
    if time_us - s.deaf_us >= limit.stuck_us:
        return int(blame(s, DEAF, s.deaf_us, time_us))
    return int(acquit(s, time_us, _HOUR_US))


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
            s.has_wind, s.wind, s.wind_us = 1, value[i], t
            continue
        anew = arrives(limit, s, t, received_at_us[i])
        found = 0
        code = _sensor(limit, s, t, anew, value[i])
        if code != NOTHING:
            cross(crossings[found], s, slot[i], i, code, t, value[i], 0.0)
            crossings[found].extra[0] = s.fault if code == FAULT_BEGIN else 0
            found += 1
        at, new = next_point(s, t, _BIN_US)
        if new or value[i] > s.curve_value[at]:
            s.curve_value[at] = value[i]
        windy = limit.has_wind and (
            s.has_wind == 0 or s.wind > limit.wind or abs(t - s.wind_us) > _WIND_STALE_US
        )
        if not windy and s.fault == 0 and t - s.moved_us < limit.stuck_us // 2:
            _listen(limit, s, t, value[i])
            level, why = highest(limit.levels[INTENSITY], s.amount[INTENSITY]), INTENSITY
            by_rain = highest(limit.levels[RAIN], s.amount[RAIN])
            if by_rain > level:
                level, why = by_rain, RAIN
            quiet = True
            for k in range(2):
                quiet = quiet and s.amount[k] < limit.end_share * limit.levels[k].min()
            code = follow(limit, s, level, quiet, t, s.amount[why])
            if code != NOTHING:
                cross(crossings[found], s, slot[i], i, code, t, s.amount[why], limit.levels[why, s.level])
                crossings[found].extra[0] = why
                found += 1
        if found:
            return i + 1, found
    return len(slot), 0


def tell(parameters: RainSoundParameters, state: Any, crossing: Any, subject: Subject) -> Finding:
    """`Kind.tell`."""
    code, name, value = int(crossing["code"]), subject.name, float(crossing["value"])
    if code == FAULT_BEGIN:
        what = "always hears the same" if int(crossing["extra"][0]) == STUCK else "hears nothing"
        title = f"Microphone {name} {what}; check it"
        return make_finding(crossing, title, {"version": VERSION}, SENSOR_RULE)
    if code == FAULT_END:
        return make_finding(crossing, f"Microphone {name} hears again", {}, SENSOR_RULE)
    intensity, rain = state["amount"].tolist()
    evidence = {
        "formula": FORMULA,
        "version": VERSION,
        "parameters": msgspec.to_builtins(parameters),
        "inputs": list(inputs(parameters)),
        "intensity_mm_h": round(intensity, 2),
        "rain_of_an_hour_mm": round(rain, 2),
    }
    if code == END:
        title = f"The rain heard at {name} is over"
        return make_finding(crossing, title, {**evidence, **why_ended(crossing, state)}, SENSOR_RULE)
    if code == BEGIN:
        evidence["samples"] = points_of(state, "value")
    what = f"{value:.0f} mm/h" if int(crossing["extra"][0]) == INTENSITY else f"{value:.0f} mm in an hour"
    return make_finding(crossing, f"Rain heard at {name}: {what}", evidence, SENSOR_RULE)


KIND = Kind("rain_sound", VERSION, RainSoundParameters, LIMITS, STATE, settle, take, tick, tell, inputs)
register_kind(KIND)
