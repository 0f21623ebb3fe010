"""The kernels of the detector `bottom_pressure` (`sensors/detectors/dart.py` says what it does)."""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels.compiled import njit
from sensors import mofjeld, residuals, steps
from sensors.crossing import cross, is_credible
from sensors.detectors.finding import LEVELS
from sensors.mofjeld import HISTORY, HOUR_US, predict
from sensors.residuals import RESIDUALS, level_reached, stands_out
from sensors.steps import STEP

(
    EVENT,
    EVENT_END,
    BEGIN,
    UPDATE,
    END,
    SPIKES,
    STEPPED,
    STUCK,
    NOISY,
    SENSOR_END,
) = range(10)
SILENT, BLAMED = 1.0, 2.0
"""Why something ends: nothing was received; it was the sensor."""
_RESOLUTION_M = 1e-4
_STILL_M = 0.01
"""Noise and slow seismic waves behind a step."""
_BEND_M_PER_H2 = 0.13
"""Half the curvature of a semidiurnal tide of 1 m: how far it may leave its slope."""
_MOVED_M, _MOVED_SHARE = 0.005, 0.15
"""A wave of 5 to 90 minutes moves by a quarter of its residual in any four minutes."""
_WARM_UP_STEP_M = 0.5
"""More than a tide makes in 15 minutes."""
_FEW_SPIKES = 1.5
_SPIKES_AT_ONCE = 4.5
"""Five within an hour or so: they fade."""
_SPIKES_FORGOTTEN_US = 3_600_000_000
_CHANGED_SIDES_US = 150_000_000
"""Half of the shortest tsunami's period."""
_SHAKEN_US = 1_800_000_000


LIMITS = np.dtype(
    [
        ("level_m", "f8", (len(LEVELS),)),
        ("credible_m", "f8"),
        ("min_duration_us", "i8"),
        ("max_step_us", "i8"),
        ("step_hold_us", "i8"),
        ("stuck_us", "i8"),
        ("noisy_us", "i8"),
        ("end_quiet_us", "i8"),
        ("max_gap_us", "i8"),
        ("silence_end_us", "i8"),
    ]
)
STATE = np.dtype(
    [
        ("history", HISTORY),
        ("recent", RESIDUALS),
        ("last_us", "i8"),
        ("received_at_us", "i8"),
        ("last_value", "f8"),
        ("slope", "f8"),  # of the tide, per hour
        ("nodes", "f8", (4,)),
        ("is_judged", "?"),
        ("step", STEP),  # a jump that is not understood yet
        ("change2", "f8"),  # of `recent`, before that
        # the sensor
        ("same_since_us", "i8"),
        ("same_samples", "i8"),
        ("spikes", "f8"),  # fading
        ("spike_us", "i8"),
        ("side", "i8"),
        ("side_us", "i8"),  # it changed to this side
        ("shaken_since_us", "i8"),
        ("shaken_us", "i8"),
        ("fault_us", "i8"),  # blamed since; 0: it is not
        ("faulty_us", "i8"),  # the last time
        # what goes on
        ("event_us", "i8"),
        ("event_largest", "f8"),
        ("onset_us", "i8"),  # of the tsunami
        ("level", "i8"),
        ("largest", "f8"),
        ("exceeded_us", "i8"),
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
def _keep_us(p: Any) -> int:
    return int(max(p.min_duration_us, p.step_hold_us) + p.max_step_us)


@njit(cache=True, nogil=True)
def _forget(s: Any) -> None:
    mofjeld.clear(s.history)
    residuals.clear(s.recent)
    s.is_judged = False
    s.step.since_us = s.same_since_us = s.same_samples = s.side = s.shaken_us = 0
    if s.exceeded_us != 0:
        s.exceeded_us = -1  # quiet begins anew with the next that is judged


@njit(cache=True, nogil=True)
def _judge(s: Any, p: Any, slot: int, row: int, time_us: int, value: float, crossings: Any) -> int:
    if s.last_us != 0:
        since_us = time_us - s.last_us
        if not 0 < since_us <= p.max_gap_us:
            _forget(s)
        elif since_us * residuals.CAPACITY < _keep_us(p):
            return 0
    found = _look_whether_stuck(s, p, slot, row, time_us, value, crossings)
    before_us, before = s.last_us, s.last_value
    s.last_us, s.last_value = time_us, value
    mofjeld.add(s.history, time_us, value, 1)
    slope = s.slope
    tide, s.slope = predict(s.history, time_us, p.max_gap_us, s.nodes)
    if np.isnan(tide):
        if before_us != 0 and abs(value - before) > _WARM_UP_STEP_M:
            _forget(s)
            mofjeld.add(s.history, time_us, value, 1)
        s.is_judged, s.step.since_us = False, 0
        return _end_of_fault(s, p, slot, row, time_us, found, crossings)
    residual = value - tide
    hours = (time_us - before_us) / HOUR_US
    r = s.recent
    jump = 0.0
    if s.is_judged and r.n > 0 and time_us - before_us <= p.max_step_us:
        jump = residual - r.residual[r.n - 1]
    change2 = r.change2
    was_judged, s.is_judged = s.is_judged, True
    residuals.take(r, time_us, value, residual, jump, p.level_m[0], _keep_us(p))
    if s.step.since_us != 0:
        found = _look_at_step(s, p, slot, row, time_us, value, found, crossings)
        if not s.is_judged:
            return found
    elif (
        was_judged
        and abs(value - before - slope * hours) >= _least_step(s, p, hours)
        and (s.event_us == 0 or time_us - before_us <= p.max_step_us)  # else it may be the wave
    ):
        steps.open_step(s.step, time_us, before + slope * hours, value, slope)
        s.change2 = change2
    if abs(residual) > p.credible_m and s.step.since_us == 0:
        found = _count_spike(s, slot, row, time_us, time_us, found, crossings)
    _look_whether_noisy(s, time_us)
    if s.shaken_us != 0 and time_us - s.shaken_since_us >= p.noisy_us:
        found = _blame(s, NOISY, slot, row, s.shaken_since_us, time_us, residual, found, crossings)
        s.shaken_since_us = time_us - p.noisy_us
        if s.event_us != 0:
            found = _end_event(s, p, slot, row, time_us, BLAMED, found, crossings)
    found = _look_for_waves(s, p, slot, row, time_us, residual, found, crossings)
    return _end_of_fault(s, p, slot, row, time_us, found, crossings)


@njit(cache=True, nogil=True)
def _least_step(s: Any, p: Any, hours: float) -> float:
    """Return what a jump must be to be told from noise and the tide's bend while it is waited for.

    While waves go on it must be larger: the crest of one may stand still behind a steep front.
    """
    waited = max(p.step_hold_us / HOUR_US, (steps.LEAST - 1) * hours)
    least = max(p.level_m[0], 3 * (_STILL_M + _BEND_M_PER_H2 * waited * waited))
    return float(least if s.event_us == 0 else 3 * least)


# --- the sensor -----------------------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def _blame(
    s: Any,
    code: int,
    slot: int,
    row: int,
    onset_us: int,
    time_us: int,
    value: float,
    found: int,
    crossings: Any,
) -> int:
    s.faulty_us = time_us
    if s.fault_us != 0:
        return found
    s.fault_us = onset_us
    found = cross(crossings, found, slot, row, code, 0, onset_us, time_us, value, 0.0)
    crossings[found - 1].extra[0] = s.recent.n
    return found


@njit(cache=True, nogil=True)
def _end_of_fault(s: Any, p: Any, slot: int, row: int, time_us: int, found: int, crossings: Any) -> int:
    if s.fault_us != 0 and time_us - s.faulty_us >= p.end_quiet_us:
        onset_us, s.fault_us = s.fault_us, 0
        found = cross(crossings, found, slot, row, SENSOR_END, 0, onset_us, time_us, 0.0, 0.0)
    return found


@njit(cache=True, nogil=True)
def _look_whether_stuck(
    s: Any, p: Any, slot: int, row: int, time_us: int, value: float, crossings: Any
) -> int:
    if s.same_samples > 0 and abs(value - s.last_value) <= _RESOLUTION_M:
        s.same_samples += 1
        if s.same_samples > residuals.LEAST and time_us - s.same_since_us >= p.stuck_us:
            return _blame(s, STUCK, slot, row, s.same_since_us, time_us, value, 0, crossings)
        return 0
    if s.same_samples > residuals.LEAST and s.last_us - s.same_since_us >= p.stuck_us // 2:
        _forget(s)  # what it was stuck at is no tide
    s.same_since_us, s.same_samples = time_us, 1
    return 0


@njit(cache=True, nogil=True)
def _look_whether_noisy(s: Any, time_us: int) -> None:
    side = s.recent.side[s.recent.n - 1]
    if s.shaken_us != 0 and time_us - s.shaken_us > _SHAKEN_US:
        s.shaken_us = 0
    if side in (0, s.side):
        return
    if s.side != 0 and time_us - s.side_us <= _CHANGED_SIDES_US:
        if s.shaken_us == 0:
            s.shaken_since_us = time_us
        s.shaken_us = time_us
    s.side, s.side_us = side, time_us


@njit(cache=True, nogil=True)
def _count_spike(s: Any, slot: int, row: int, onset_us: int, time_us: int, found: int, crossings: Any) -> int:
    """Take a value that no sea makes; while something goes on, an earthquake may make them."""
    s.spikes = s.spikes * np.exp(-(time_us - s.spike_us) / _SPIKES_FORGOTTEN_US) + 1.0
    s.spike_us = time_us
    if s.event_us == 0 and s.spikes >= _SPIKES_AT_ONCE:
        found = _blame(s, SPIKES, slot, row, onset_us, time_us, s.spikes, found, crossings)
    return found


@njit(cache=True, nogil=True)
def _look_at_step(
    s: Any, p: Any, slot: int, row: int, time_us: int, value: float, found: int, crossings: Any
) -> int:
    """Tell spike, step and wave by what comes behind a jump."""
    r = s.recent
    onset_us, offset = s.step.since_us, steps.offset(s.step, time_us, value)
    what = steps.look(s.step, time_us, value, _STILL_M, _BEND_M_PER_H2, p.step_hold_us)
    if what == steps.RETURNED:
        begin = r.n - 1
        while begin > 0 and r.time_us[begin - 1] >= onset_us:
            begin -= 1
        for k in range(begin, r.n - 1):
            mofjeld.add(s.history, r.time_us[k], r.value[k], -1)
        tide, s.slope = predict(s.history, time_us, p.max_gap_us, s.nodes)
        found = _count_spike(s, slot, row, onset_us, time_us, found, crossings)
        r.n = begin
        if s.spikes < _FEW_SPIKES:  # or it is noise, which must count as such
            r.change2 = s.change2
        residuals.take(r, time_us, value, value - tide, 0.0, p.level_m[0], _keep_us(p))
    elif what == steps.STANDS:
        # From now on the shifted level is the level: the watch goes on without a pause.
        mofjeld.shift(s.history, onset_us, offset)
        found = _blame(s, STEPPED, slot, row, onset_us, time_us, offset, found, crossings)
        residuals.clear(r)
        r.change2 = s.change2
        s.is_judged = False
    return found


# --- waves ----------------------------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def _look_for_waves(
    s: Any, p: Any, slot: int, row: int, time_us: int, residual: float, found: int, crossings: Any
) -> int:
    r = s.recent
    side = r.side[r.n - 1]
    if s.exceeded_us == -1:
        s.exceeded_us = time_us
    sound = s.step.since_us == 0 and s.same_samples < residuals.LEAST and abs(residual) <= p.credible_m
    if side != 0 and sound:
        s.exceeded_us = time_us
        if s.event_us == 0 and (s.shaken_us == 0 or time_us - s.shaken_since_us < p.noisy_us):
            first = r.n - 1
            while first > 0 and r.side[first - 1] != 0:
                first -= 1
            s.event_us, s.event_largest = r.time_us[first], residual
            found = cross(crossings, found, slot, row, EVENT, 0, s.event_us, time_us, residual, p.level_m[0])
            crossings[found - 1].extra[:] = s.nodes
        if s.onset_us == 0:
            found = _look_for_tsunami(s, p, slot, row, time_us, found, crossings)
    if abs(residual) > abs(s.event_largest):
        s.event_largest = residual
    if s.onset_us != 0:
        if abs(residual) > abs(s.largest):
            s.largest = residual
        level = level_reached(r, p.level_m, p.min_duration_us // 2)
        if level > s.level:
            s.level = level
            found = cross(
                crossings,
                found,
                slot,
                row,
                UPDATE,
                level,
                s.onset_us,
                time_us,
                residuals.worst(r),
                p.level_m[level],
            )
            crossings[found - 1].extra[:] = s.nodes
    if s.exceeded_us > 0 and time_us - s.exceeded_us >= p.end_quiet_us:
        if s.onset_us != 0:
            found = _end_tsunami(s, p, slot, row, time_us, 0.0, found, crossings)
        if s.event_us != 0:
            found = _end_event(s, p, slot, row, time_us, 0.0, found, crossings)
        s.exceeded_us = 0
    return found


@njit(cache=True, nogil=True)
def _moved_by(r: Any, begin: int) -> float:
    """Return by how much the level itself moved, without the largest of its steps."""
    step = 0.0
    for k in range(begin + 1, r.n):
        change = r.value[k] - r.value[k - 1]
        if abs(change) > abs(step):
            step = change
    taken = 0.0
    low = high = r.value[begin]
    for k in range(begin + 1, r.n):
        if r.value[k] - r.value[k - 1] == step:
            taken = step
        low, high = min(low, r.value[k] - taken), max(high, r.value[k] - taken)
    return float(high - low)


@njit(cache=True, nogil=True)
def _look_for_tsunami(s: Any, p: Any, slot: int, row: int, time_us: int, found: int, crossings: Any) -> int:
    r = s.recent
    begin = r.n - 1
    side, largest = r.side[begin], 0.0
    while r.time_us[begin] > time_us - p.min_duration_us:
        if begin == 0 or r.side[begin - 1] != side or r.time_us[begin] - r.time_us[begin - 1] > p.max_step_us:
            return found
        begin -= 1
        largest = max(largest, abs(r.residual[begin]))
    if largest > p.credible_m or r.n - begin < residuals.LEAST or not stands_out(r, begin):
        return found
    if _moved_by(r, begin) < _MOVED_M + _MOVED_SHARE * max(largest, abs(r.residual[r.n - 1])):
        return found
    while begin > 0 and r.side[begin - 1] == side:
        begin -= 1
    s.onset_us, s.level, s.largest = (
        r.time_us[begin],
        level_reached(r, p.level_m, p.min_duration_us // 2),
        residuals.worst(r),
    )
    found = cross(crossings, found, slot, row, BEGIN, s.level, s.onset_us, time_us, s.largest, p.level_m[0])
    crossings[found - 1].extra[:] = s.nodes
    return found


@njit(cache=True, nogil=True)
def _end_event(
    s: Any, p: Any, slot: int, row: int, time_us: int, why: float, found: int, crossings: Any
) -> int:
    found = cross(
        crossings, found, slot, row, EVENT_END, 0, s.event_us, time_us, s.event_largest, p.level_m[0]
    )
    crossings[found - 1].extra[0] = why
    s.event_us, s.event_largest = 0, 0.0
    return found


@njit(cache=True, nogil=True)
def _end_tsunami(
    s: Any, p: Any, slot: int, row: int, time_us: int, why: float, found: int, crossings: Any
) -> int:
    found = cross(crossings, found, slot, row, END, s.level, s.onset_us, time_us, s.largest, p.level_m[0])
    crossings[found - 1].extra[0] = why
    s.onset_us = 0
    return found


@njit(cache=True, nogil=True)
def tick(limits: Any, state: Any, live: Any, now_us: int, begin: int, crossings: Any) -> tuple[int, int]:
    """Implement `Kind.tick`."""
    for slot in range(begin, len(live)):
        s, p = state[slot], limits[slot]
        if not live[slot] or s.last_us == 0 or now_us - s.received_at_us <= p.silence_end_us:
            continue
        found = 0
        if s.onset_us != 0:
            found = _end_tsunami(s, p, slot, -1, s.last_us, SILENT, found, crossings)
        if s.event_us != 0:
            found = _end_event(s, p, slot, -1, s.last_us, SILENT, found, crossings)
        if s.fault_us != 0:
            onset_us, s.fault_us = s.fault_us, 0
            found = cross(crossings, found, slot, -1, SENSOR_END, 0, onset_us, s.last_us, 0.0, 0.0)
        if found:
            return slot + 1, found
    return len(live), 0
