"""The kernels of the detector `storm_surge` (`sensors/detectors/surge.py` says what it does)."""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels.compiled import njit
from sensors import steps
from sensors.crossing import cross, is_credible
from sensors.detectors.finding import LEVELS
from sensors.steps import STEP
from sensors.tides import TIDE, tide_at

(BEGIN, UPDATE, END, SKEW_BEGIN, SKEW_UPDATE, SKEW_END, JUMPED, STUCK, SENSOR_END) = range(9)
SILENT = 1.0
BLOCK_US = 600_000_000
HOUR_US = 3_600_000_000
_IN_BLOCK = 32
"""Samples of a block, at most: faster ones are thinned."""
BLOCKS = 48
_SPAN = 0.75
"""Share of the smoothing that must be covered."""
_STILL_M = 0.03
_RESOLUTION_M = 0.001
_TIDE_MOVED_M = 0.1
_HIGH_WATER_US = 3 * HOUR_US
"""The observed high water is looked for so long before and after the predicted one."""


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
        ("time_us", "i8", (BLOCKS,)),
        ("median", "f8", (BLOCKS,)),
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
def take(
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
    """Implement `Kind.take`."""
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
            found = _blame(s, STUCK, slot, row, s.same_us, time_us, value, 0, crossings)
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
            found = _blame(s, JUMPED, slot, row, begin_us, at_us, offset, found, crossings)
    elif (
        s.n > 0
        and abs(median - s.median[s.n - 1]) >= p.step_m
        and time_us - s.time_us[s.n - 1] <= 2 * BLOCK_US
    ):
        steps.open_step(s.step, time_us, s.median[s.n - 1], median, 0.0)
    _append(s, time_us, median, p.smooth_us)
    if s.fault_us != 0 and at_us - s.faulty_us >= p.end_quiet_us:
        onset_us, s.fault_us = s.fault_us, 0
        found = cross(crossings, found, slot, row, SENSOR_END, 0, onset_us, at_us, 0.0, 0.0)
    if s.step.since_us != 0 or s.fault_us != 0:
        return found
    found = _look_at_high_water(s, p, slot, row, at_us, time_us, median, found, crossings)
    return _look_at_surge(s, p, slot, row, at_us, found, crossings)


@njit(cache=True, nogil=True)
def _append(s: Any, time_us: int, median: float, smooth_us: int) -> None:
    drop = 0
    while drop < s.n and (s.n - drop == BLOCKS or s.time_us[drop] <= time_us - smooth_us):
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
        return cross(crossings, found, slot, row, BEGIN, level, at_us, at_us, surge, p.level_m[level])
    s.largest = max(s.largest, surge)
    if level > s.level:
        s.level = level
        return cross(crossings, found, slot, row, UPDATE, level, s.onset_us, at_us, surge, p.level_m[level])
    if surge >= p.level_m[0] - p.hysteresis_m:
        s.quiet_since_us = 0
    elif s.quiet_since_us == 0:
        s.quiet_since_us = at_us
    if s.quiet_since_us == 0 or at_us - s.quiet_since_us < p.end_quiet_us:
        return found
    return _end(s, p, slot, row, at_us, 0.0, found, crossings)


@njit(cache=True, nogil=True)
def _end(s: Any, p: Any, slot: int, row: int, at_us: int, why: float, found: int, crossings: Any) -> int:
    found = cross(crossings, found, slot, row, END, s.level, s.onset_us, at_us, s.largest, p.level_m[0])
    crossings[found - 1].extra[0] = why
    s.onset_us = 0
    return found


@njit(cache=True, nogil=True)
def _end_skew(s: Any, p: Any, slot: int, row: int, at_us: int, found: int, crossings: Any) -> int:
    level, onset_us, s.skew_us = s.skew_level, s.skew_us, 0
    return cross(crossings, found, slot, row, SKEW_END, level, onset_us, at_us, s.skew_m, p.level_m[0])


@njit(cache=True, nogil=True)
def _look_at_high_water(
    s: Any, p: Any, slot: int, row: int, at_us: int, time_us: int, median: float, found: int, crossings: Any
) -> int:
    """Follow the highest level around a predicted high water, and tell the skew surge when that is over."""
    if s.high_us != 0 and time_us > s.high_us + _HIGH_WATER_US:
        s.skew_m = s.highest_m - s.high_m
        level, high_us, s.high_us = _level_of(p, s.skew_m), s.high_us, 0
        if level >= 0 and (s.skew_us == 0 or level > s.skew_level):
            code = SKEW_BEGIN if s.skew_us == 0 else SKEW_UPDATE
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
def tick(limits: Any, state: Any, live: Any, now_us: int, begin: int, crossings: Any) -> tuple[int, int]:
    """Implement `Kind.tick`."""
    for slot in range(begin, len(live)):
        s, p = state[slot], limits[slot]
        if not live[slot] or s.last_us == 0 or now_us - s.received_at_us <= p.silence_end_us:
            continue
        found = 0
        if s.onset_us != 0:
            found = _end(s, p, slot, -1, s.last_us, SILENT, found, crossings)
        if s.skew_us != 0:
            found = _end_skew(s, p, slot, -1, s.last_us, found, crossings)
        if s.fault_us != 0:
            onset_us, s.fault_us = s.fault_us, 0
            found = cross(crossings, found, slot, -1, SENSOR_END, 0, onset_us, s.last_us, 0.0, 0.0)
        if found:
            return slot + 1, found
    return len(live), 0
