"""Storm surges at tide gauges: detector `storm_surge`.

The surge is what the weather does to the sea: the level without the astronomical tide of the station's
harmonic constants (`sensors/tides.py`), and without all that is over within minutes or an hour. Medians of
ten minutes let spikes, ships and swell pass; their mean over some hours, tsunamis and seiches.

- `storm_surge`: this mean reaches a level in two medians, and stays below the lowest, less the hysteresis,
  for hours at the end.
- `skew_surge`: the highest observed median around a predicted high water, less that high water: what a surge
  adds to a tide, whenever in the tide it comes (Pugh 1987). One begins when it reaches the lowest level, and
  ends with the next high water at which it does not.
- `storm_surge_sensor`: the level jumped by more than a surge can within ten minutes and stands still
  there (from then on that is its zero), or it does not change although the tide has moved by a decimetre.
  Neither counts as a surge.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numba import njit

from sensors import steps
from sensors.crossing import cross, is_credible
from sensors.detectors import LEVELS, Finding, Subject, register_kind
from sensors.detectors.bank import Kind
from sensors.steps import STEP
from sensors.tides import TIDE, Harmonic, fill, tide_at

VERSION = "1"
FORMULA = (
    "residual = level - mean_level - tide(t), tide = sum f A cos(V + u - g); surge = mean over smooth_s of "
    "the ten-minute medians of the residual; skew surge = highest (median + tide) within 3 h of a predicted "
    "high water, less that high water"
)
SKEW_RULE = "skew_surge"
SENSOR_RULE = "storm_surge_sensor"
(_BEGIN, _UPDATE, _END, _SKEW_BEGIN, _SKEW_UPDATE, _SKEW_END, _JUMPED, _STUCK, _SENSOR_END) = range(9)
_SILENT = 1.0
BLOCK_US = 600_000_000
HOUR_US = 3_600_000_000
_IN_BLOCK = 32
"""Samples of a block, at most: faster ones are thinned."""
_BLOCKS = 48
_SPAN = 0.75
"""Share of the smoothing that must be covered."""
_STILL_M = 0.03
_RESOLUTION_M = 0.001
_TIDE_MOVED_M = 0.1
_HIGH_WATER_US = 3 * HOUR_US
"""The observed high water is looked for so long before and after the predicted one."""


class StormSurgeParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters. The levels are this program's own choice, for every site to edit, and no standard's."""

    constituents: tuple[Harmonic, ...]
    """The station's harmonic constants, for instance of a year fitted with UTide."""
    mean_level_m: float
    """On the gauge's zero."""
    blue_m: float = 0.5
    yellow_m: float = 1.0
    orange_m: float = 1.5
    red_m: float = 2.0
    hysteresis_m: float = 0.1
    smooth_s: float = 10_800.0
    """Nine waves of twenty minutes; half of it is the delay."""
    end_quiet_s: float = 21_600.0
    """Surges are modulated by the tide: half a semidiurnal period."""
    max_gap_s: float = 3600.0
    """A longer gap empties the window."""
    step_m: float = 0.25
    """In ten minutes: several times the rate of the fastest surges, about a metre in an hour."""
    step_hold_s: float = 3600.0
    silence_end_s: float = 86_400.0

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        numbers = [getattr(self, name) for name in self.__struct_fields__[2:]]
        if min(numbers) <= 0:
            raise ValueError("every parameter but mean_level_m must be above 0")
        if not self.blue_m <= self.yellow_m <= self.orange_m <= self.red_m:
            raise ValueError("blue_m <= yellow_m <= orange_m <= red_m must hold")
        if self.hysteresis_m >= self.blue_m:
            raise ValueError("hysteresis_m must be below blue_m")
        if not 600 <= self.smooth_s <= 600 * _BLOCKS:
            raise ValueError(f"smooth_s must be from 600 to {600 * _BLOCKS}")
        fill(np.zeros((), TIDE), self.constituents)


LIMITS = np.dtype(
    [
        ("tide", TIDE),
        ("mean_level_m", "f8"),
        ("level_m", "f8", (len(LEVELS),)),
        ("hysteresis_m", "f8"),
        ("step_m", "f8"),
        ("smooth_us", "i8"),
        ("end_quiet_us", "i8"),
        ("max_gap_us", "i8"),
        ("step_hold_us", "i8"),
        ("silence_end_us", "i8"),
    ]
)
STATE = np.dtype(
    [
        ("last_us", "i8"),
        ("received_at_us", "i8"),
        # the tide between two moments ten minutes apart: height and rate at both
        ("tide_us", "i8"),
        ("tide", "f8", (4,)),
        # the block that is being filled
        ("block", "i8"),
        ("in_block", "i8"),
        ("sample_us", "i8"),
        ("sample", "f8", (_IN_BLOCK,)),
        # medians of blocks that are over, oldest first
        ("n", "i8"),
        ("time_us", "i8", (_BLOCKS,)),
        ("median", "f8", (_BLOCKS,)),
        ("step", STEP),
        # the sensor
        ("zero_m", "f8"),  # how far its zero has moved
        ("same_us", "i8"),
        ("same_value", "f8"),
        ("same_tide", "f8"),
        ("same_samples", "i8"),
        ("is_stuck", "?"),
        ("fault_us", "i8"),
        ("faulty_us", "i8"),
        # the surge
        ("surge_m", "f8"),
        ("reached", "i8"),  # level that the last median reached, and one
        ("onset_us", "i8"),
        ("level", "i8"),
        ("largest", "f8"),
        ("quiet_since_us", "i8"),
        # high waters
        ("high_us", "i8"),
        ("high_m", "f8"),
        ("highest_m", "f8"),
        ("skew_m", "f8"),
        ("skew_us", "i8"),  # the high water at which it began
        ("skew_level", "i8"),
    ]
)


@njit(cache=True, nogil=True)
def _take(
    limits: Any,
    state: Any,
    slot: Any,
    role: Any,  # noqa: ARG001
    time_us: Any,
    value: Any,
    usable: Any,
    received_at_us: Any,
    begin: int,
    crossings: Any,
) -> tuple[int, int]:
    for i in range(begin, len(slot)):
        if usable[i] and is_credible(value[i]):
            s, p = state[slot[i]], limits[slot[i]]
            s.received_at_us = max(s.received_at_us, received_at_us[i])
            found = _judge(s, p, slot[i], i, time_us[i], value[i], crossings)
            if found:
                return i + 1, found
    return len(slot), 0


@njit(cache=True, nogil=True)
def _forget(s: Any) -> None:
    s.n = s.in_block = s.reached = s.quiet_since_us = s.high_us = s.step.since_us = 0


@njit(cache=True, nogil=True)
def _tide(s: Any, p: Any, time_us: int) -> float:
    """Return the tide: a cubic between moments of which height and rate are known (Hermite)."""
    since_us = time_us - s.tide_us
    if s.tide_us == 0 or not 0 <= since_us < BLOCK_US:
        s.tide_us = time_us // BLOCK_US * BLOCK_US
        since_us = time_us - s.tide_us
        s.tide[0], s.tide[1] = tide_at(p.tide, s.tide_us)
        s.tide[2], s.tide[3] = tide_at(p.tide, s.tide_us + BLOCK_US)
    x, hours = since_us / BLOCK_US, BLOCK_US / HOUR_US
    x2, x3 = x * x, x * x * x
    return float(
        (2 * x3 - 3 * x2 + 1) * s.tide[0]
        + (x3 - 2 * x2 + x) * hours * s.tide[1]
        + (3 * x2 - 2 * x3) * s.tide[2]
        + (x3 - x2) * hours * s.tide[3]
    )


@njit(cache=True, nogil=True)
def _judge(s: Any, p: Any, slot: int, row: int, time_us: int, value: float, crossings: Any) -> int:
    if s.last_us != 0 and not 0 < time_us - s.last_us <= p.max_gap_us:
        _forget(s)
        s.same_samples = 0
    s.last_us = time_us
    tide = _tide(s, p, time_us)
    found = 0
    if s.same_samples > 0 and abs(value - s.same_value) <= _RESOLUTION_M:
        s.same_samples += 1
        if s.same_samples > steps.LEAST and abs(tide - s.same_tide) >= _TIDE_MOVED_M:
            _forget(s)
            found = _blame(s, _STUCK, slot, row, s.same_us, time_us, value, 0, crossings)
            s.is_stuck = True
    else:
        s.same_us, s.same_value, s.same_tide, s.same_samples = time_us, value, tide, 1
        s.is_stuck = False
    block = time_us // BLOCK_US
    if s.in_block > 0 and block != s.block:
        found = _close_block(s, p, slot, row, time_us, found, crossings)
    if s.is_stuck:
        return found
    if s.in_block == 0:
        s.block = block
    elif (time_us - s.sample_us) * _IN_BLOCK < BLOCK_US:
        return found
    s.sample[min(s.in_block, _IN_BLOCK - 1)] = value - p.mean_level_m - s.zero_m - tide
    s.in_block, s.sample_us = min(s.in_block + 1, _IN_BLOCK), time_us
    return found


@njit(cache=True, nogil=True)
def _close_block(s: Any, p: Any, slot: int, row: int, at_us: int, found: int, crossings: Any) -> int:
    """Take the median of the block that is over."""
    median = np.median(s.sample[: s.in_block])
    time_us = s.block * BLOCK_US + BLOCK_US // 2
    s.in_block = 0
    if s.step.since_us != 0:
        begin_us, offset = s.step.since_us, steps.offset(s.step, time_us, median)
        what = steps.look(s.step, time_us, median, _STILL_M, 0.0, p.step_hold_us)
        if what == steps.RETURNED:
            while s.n > 0 and s.time_us[s.n - 1] >= begin_us:
                s.n -= 1
        elif what == steps.STANDS:
            _forget(s)
            s.zero_m += offset
            median -= offset
            found = _blame(s, _JUMPED, slot, row, begin_us, at_us, offset, found, crossings)
    elif (
        s.n > 0
        and abs(median - s.median[s.n - 1]) >= p.step_m
        and time_us - s.time_us[s.n - 1] <= 2 * BLOCK_US
    ):
        steps.open_step(s.step, time_us, s.median[s.n - 1], median, 0.0)
    _append(s, time_us, median, p.smooth_us)
    if s.fault_us != 0 and at_us - s.faulty_us >= p.end_quiet_us:
        onset_us, s.fault_us = s.fault_us, 0
        found = cross(crossings, found, slot, row, _SENSOR_END, 0, onset_us, at_us, 0.0, 0.0)
    if s.step.since_us != 0 or s.fault_us != 0:
        return found
    found = _look_at_high_water(s, p, slot, row, at_us, time_us, median, found, crossings)
    return _look_at_surge(s, p, slot, row, at_us, found, crossings)


@njit(cache=True, nogil=True)
def _append(s: Any, time_us: int, median: float, smooth_us: int) -> None:
    drop = 0
    while drop < s.n and (s.n - drop == _BLOCKS or s.time_us[drop] <= time_us - smooth_us):
        drop += 1
    if drop:
        for k in range(s.n - drop):
            s.time_us[k], s.median[k] = s.time_us[k + drop], s.median[k + drop]
        s.n -= drop
    s.time_us[s.n], s.median[s.n] = time_us, median
    s.n += 1


@njit(cache=True, nogil=True)
def _level_of(p: Any, surge_m: float) -> int:
    """Return the level that a surge reaches; -1: none."""
    level = -1
    for k in range(len(p.level_m)):
        if surge_m >= p.level_m[k]:
            level = k
    return level


@njit(cache=True, nogil=True)
def _look_at_surge(s: Any, p: Any, slot: int, row: int, at_us: int, found: int, crossings: Any) -> int:
    if s.time_us[s.n - 1] + BLOCK_US - s.time_us[0] < _SPAN * p.smooth_us:
        return found
    s.surge_m = surge = np.mean(s.median[: s.n])
    now = _level_of(p, surge)
    level, s.reached = min(now, s.reached - 1), now + 1
    if s.onset_us == 0:
        if level < 0:
            return found
        s.onset_us, s.level, s.largest, s.quiet_since_us = at_us, level, surge, 0
        return cross(crossings, found, slot, row, _BEGIN, level, at_us, at_us, surge, p.level_m[level])
    s.largest = max(s.largest, surge)
    if level > s.level:
        s.level = level
        return cross(crossings, found, slot, row, _UPDATE, level, s.onset_us, at_us, surge, p.level_m[level])
    if surge >= p.level_m[0] - p.hysteresis_m:
        s.quiet_since_us = 0
    elif s.quiet_since_us == 0:
        s.quiet_since_us = at_us
    if s.quiet_since_us == 0 or at_us - s.quiet_since_us < p.end_quiet_us:
        return found
    return _end(s, p, slot, row, at_us, 0.0, found, crossings)


@njit(cache=True, nogil=True)
def _end(s: Any, p: Any, slot: int, row: int, at_us: int, why: float, found: int, crossings: Any) -> int:
    found = cross(crossings, found, slot, row, _END, s.level, s.onset_us, at_us, s.largest, p.level_m[0])
    crossings[found - 1].extra[0] = why
    s.onset_us = 0
    return found


@njit(cache=True, nogil=True)
def _end_skew(s: Any, p: Any, slot: int, row: int, at_us: int, found: int, crossings: Any) -> int:
    level, onset_us, s.skew_us = s.skew_level, s.skew_us, 0
    return cross(crossings, found, slot, row, _SKEW_END, level, onset_us, at_us, s.skew_m, p.level_m[0])


@njit(cache=True, nogil=True)
def _look_at_high_water(
    s: Any, p: Any, slot: int, row: int, at_us: int, time_us: int, median: float, found: int, crossings: Any
) -> int:
    """Follow the highest level around a predicted high water, and tell the skew surge when that is over."""
    if s.high_us != 0 and time_us > s.high_us + _HIGH_WATER_US:
        s.skew_m = s.highest_m - s.high_m
        level, high_us, s.high_us = _level_of(p, s.skew_m), s.high_us, 0
        if level >= 0 and (s.skew_us == 0 or level > s.skew_level):
            code = _SKEW_BEGIN if s.skew_us == 0 else _SKEW_UPDATE
            s.skew_us, s.skew_level = high_us if s.skew_us == 0 else s.skew_us, level
            limit = p.level_m[level]
            found = cross(crossings, found, slot, row, code, level, s.skew_us, at_us, s.skew_m, limit)
            crossings[found - 1].extra[0], crossings[found - 1].extra[1] = high_us, s.high_m
        elif level < 0 and s.skew_us != 0 and s.skew_m < p.level_m[0] - p.hysteresis_m:
            found = _end_skew(s, p, slot, row, at_us, found, crossings)
    height, rate = tide_at(p.tide, time_us)
    if s.high_us == 0:
        # The next high water, where the tide's rate gets zero.
        ahead_us = time_us + _HIGH_WATER_US
        if rate > 0 and tide_at(p.tide, ahead_us)[1] <= 0:
            low_us, high_us = time_us, ahead_us
            for _ in range(20):
                middle_us = (low_us + high_us) // 2
                if tide_at(p.tide, middle_us)[1] > 0:
                    low_us = middle_us
                else:
                    high_us = middle_us
            s.high_us, s.high_m = high_us, tide_at(p.tide, high_us)[0]
            s.highest_m = -np.inf
    if s.high_us != 0:
        s.highest_m = max(s.highest_m, median + height)
    return found


@njit(cache=True, nogil=True)
def _blame(
    s: Any,
    code: int,
    slot: int,
    row: int,
    onset_us: int,
    at_us: int,
    value: float,
    found: int,
    crossings: Any,
) -> int:
    s.faulty_us = at_us
    if s.fault_us != 0:
        return found
    s.fault_us = onset_us
    return cross(crossings, found, slot, row, code, 0, onset_us, at_us, value, 0.0)


@njit(cache=True, nogil=True)
def _tick(limits: Any, state: Any, live: Any, now_us: int, begin: int, crossings: Any) -> tuple[int, int]:
    for slot in range(begin, len(live)):
        s, p = state[slot], limits[slot]
        if not live[slot] or s.last_us == 0 or now_us - s.received_at_us <= p.silence_end_us:
            continue
        found = 0
        if s.onset_us != 0:
            found = _end(s, p, slot, -1, s.last_us, _SILENT, found, crossings)
        if s.skew_us != 0:
            found = _end_skew(s, p, slot, -1, s.last_us, found, crossings)
        if s.fault_us != 0:
            onset_us, s.fault_us = s.fault_us, 0
            found = cross(crossings, found, slot, -1, _SENSOR_END, 0, onset_us, s.last_us, 0.0, 0.0)
        if found:
            return slot + 1, found
    return len(live), 0


def _settle(p: StormSurgeParameters, limits: Any) -> None:
    fill(limits["tide"], p.constituents)
    limits["level_m"] = p.blue_m, p.yellow_m, p.orange_m, p.red_m
    for name in ("mean_level_m", "hysteresis_m", "step_m"):
        limits[name] = getattr(p, name)
    for name in ("smooth", "end_quiet", "max_gap", "step_hold", "silence_end"):
        limits[f"{name}_us"] = round(getattr(p, f"{name}_s") * 1e6)


def _tell(p: StormSurgeParameters, state: Any, crossing: Any, subject: Subject) -> Finding:
    code, value, name = int(crossing["code"]), float(crossing["value"]), subject.name
    evidence: dict[str, Any] = {}
    rule = ""
    if code in (_JUMPED, _STUCK, _SENSOR_END):
        rule = SENSOR_RULE
        title = {
            _JUMPED: f"Tide gauge {name}: the level jumped by {value:+.2f} m and stayed; check the gauge",
            _STUCK: f"Tide gauge {name}: the level stands still, the tide does not; check the gauge",
            _SENSOR_END: f"Tide gauge {name}: no further trouble",
        }[code]
    elif code in (_SKEW_BEGIN, _SKEW_UPDATE, _SKEW_END):
        rule = SKEW_RULE
        title = f"High water at {name} was {value:.2f} m above the predicted one"
        if code != _SKEW_END:
            high_us, high_m = crossing["extra"][:2].tolist()
            high = {"time_us": int(high_us), "predicted_m": round(high_m + p.mean_level_m, 4)}
            evidence = _evidence(p, state) | {"high_water": high}
    elif code == _END:
        title = f"Storm surge at {name} is over"
        silent = float(crossing["extra"][0]) == _SILENT
        evidence = {
            "reason": "nothing usable was received any more"
            if silent
            else "the surge stayed below the level",
            "largest_surge_m": round(value, 4),
        }
    else:
        title = f"Storm surge of {value:.2f} m at {name}"
        evidence = _evidence(p, state)
    phase = "begin" if code in (_BEGIN, _SKEW_BEGIN, _JUMPED, _STUCK) else "end"
    return Finding(
        phase="update" if code in (_UPDATE, _SKEW_UPDATE) else phase,  # type: ignore[arg-type]
        level=LEVELS[int(crossing["level"])],
        onset_us=int(crossing["onset_us"]),
        at_us=int(crossing["at_us"]),
        title=title,
        value=value,
        threshold=float(crossing["threshold"]),
        evidence=evidence,
        rule=rule,
    )


def _evidence(p: StormSurgeParameters, state: Any) -> dict[str, Any]:
    n = int(state["n"])
    return {
        "formula": FORMULA,
        "version": VERSION,
        "parameters": msgspec.to_builtins(p),
        "skew_surge_m": round(float(state["skew_m"]), 4),
        "samples": {
            "time_us": state["time_us"][:n].tolist(),
            "residual": [round(v, 4) for v in state["median"][:n].tolist()],
        },
    }


register_kind(Kind("storm_surge", VERSION, StormSurgeParameters, LIMITS, STATE, _settle, _take, _tick, _tell))
