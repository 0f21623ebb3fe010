"""What becomes of a GNSS station's steps and creep: the kernel of `displacement`.

The statistics are in `sensors/displacement_statistics.py`. Steps and creep are two events, and problems of
the station a third.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels.compiled import njit
from sensors.blocks import HUGE, NOTHING
from sensors.crossing import fill
from sensors.displacement_statistics import DAY_US, add_block, is_equipment, speed, take_solution
from sensors.joining import join
from sensors.ladder import BEGIN, climb, close, is_over

STEP_BEGIN, STEP_MORE, STEP_END, CREEP_BEGIN, CREEP_MORE, CREEP_END = range(6)
FAULT_BEGIN, FAULT_MORE, FAULT_END = range(6, 9)
"""Codes of crossings."""
ANTENNA, STUCK, WITHOUT = 1, 2, 3
_STUCK, _WITHOUT = 10, 5
SIGNIFICANT = 4.0
"""Standard deviations from which a component moves."""
_ENOUGH = 3


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
    """See `sensors.detectors.bank.Kind.take`."""
    block = np.empty(3)
    for i in range(begin, len(slot)):
        s, limit = state[slot[i]], limits[slot[i]]
        s.received_us = max(s.received_us, received_at_us[i])
        good = usable[i] and abs(value[i]) < HUGE
        if not join(s.join, role[i], time_us[i], value[i] if good else np.nan):
            continue
        found = 0
        if np.isnan(s.join.out).any():
            s.without += 1
            if s.without >= _WITHOUT and s.fault == 0:
                _begin_fault(s, WITHOUT, time_us[i], crossings[0], slot[i], i)
                return i + 1, 1
            continue
        s.without = 0
        if s.fault == WITHOUT:
            _end_fault(s, time_us[i], crossings[0], slot[i], i)
            found = 1
        if take_solution(limit, s, time_us[i]) != NOTHING:
            for k in range(s.east.out_n):
                block[0], block[1], block[2] = s.east.out[k], s.north.out[k], s.up.out[k]
                found = _take_block(limit, s, s.east.out_us[k], block, crossings, found, slot[i], i)
        if found:
            return i + 1, found
    return len(slot), 0


@njit(cache=True, nogil=True)
def _take_block(
    limit: Any, s: Any, time_us: int, block: Any, crossings: Any, found: int, slot: int, row: int
) -> int:
    """Take a block; return how many crossings there are now: three more at most."""
    is_same = s.n > 0
    for c in range(3):
        is_same = is_same and block[c] == s.value[c, s.n - 1]
    s.same = s.same + 1 if is_same else 0
    is_step = add_block(limit, s, time_us, block)
    if is_step and is_equipment(limit, s):
        s.fault_quiet = 0
        if s.fault == ANTENNA:
            fill(
                crossings[found],
                slot,
                row,
                FAULT_MORE,
                0,
                s.fault_us,
                time_us,
                s.step.by[2],
                s.step.threshold[2],
            )
            found += 1
        elif s.fault == 0:
            _begin_fault(s, ANTENNA, s.step.after_us, crossings[found], slot, row)
            crossings[found].at_us = time_us
            crossings[found].value, crossings[found].threshold = s.step.by[2], s.step.threshold[2]
            found += 1
    elif s.same >= _STUCK and s.fault == 0:
        _begin_fault(s, STUCK, time_us, crossings[found], slot, row)
        found += 1
    elif s.fault == STUCK and s.same == 0:
        _end_fault(s, time_us, crossings[found], slot, row)
        found += 1
    elif s.fault == ANTENNA:
        s.fault_quiet += 1
        if s.fault_quiet >= limit.quiet:
            _end_fault(s, time_us, crossings[found], slot, row)
            found += 1
    if is_step and not is_equipment(limit, s):
        found = _move(limit, s, time_us, crossings, found, slot, row)
    elif s.event_us:
        s.event_quiet += 1
        if s.event_quiet >= limit.quiet:
            _end_steps(s, time_us, crossings[found], slot, row)
            found += 1
    return _creep(limit, s, time_us, crossings, found, slot, row)


@njit(cache=True, nogil=True)
def _move(limit: Any, s: Any, time_us: int, crossings: Any, found: int, slot: int, row: int) -> int:
    code = STEP_MORE
    if s.event_us == 0:
        code = STEP_BEGIN
        s.event_us, s.event_level = s.step.after_us, 0
        s.moved[:] = 0.0
    s.event_quiet = 0
    for c in range(3):
        s.moved[c] += s.step.by[c]
    length = np.sqrt((s.moved * s.moved).sum())
    for level in range(4):
        if length >= limit.step[level]:
            s.event_level = max(s.event_level, level)
    threshold = min(s.step.threshold[0], s.step.threshold[1])
    fill(crossings[found], slot, row, code, s.event_level, s.event_us, time_us, length, threshold)
    return found + 1


@njit(cache=True, nogil=True)
def _end_steps(s: Any, at_us: int, crossing: Any, slot: int, row: int) -> None:
    length = np.sqrt((s.moved * s.moved).sum())
    fill(crossing, slot, row, STEP_END, s.event_level, s.event_us, at_us, length, 0.0)
    s.event_us = s.event_quiet = 0


@njit(cache=True, nogil=True)
def _creep(limit: Any, s: Any, time_us: int, crossings: Any, found: int, slot: int, row: int) -> int:
    s.speed = speed(limit, s, SIGNIFICANT)
    reached = -1
    for level in range(4):
        if s.speed >= limit.creep[level]:
            reached = level
    ladder = s.ladder
    code = climb(ladder, time_us, reached, s.speed, _ENOUGH)
    if code:
        code = CREEP_BEGIN if code == BEGIN else CREEP_MORE
        threshold = limit.creep[ladder.level]
        fill(crossings[found], slot, row, code, ladder.level, ladder.onset_us, time_us, s.speed, threshold)
        return found + 1
    quiet_us = limit.quiet * max(limit.interval_us, np.int64(DAY_US))
    if is_over(ladder, time_us, s.speed < limit.end_share * limit.creep.min(), quiet_us):
        _end_creep(s, time_us, crossings[found], slot, row)
        return found + 1
    return found


@njit(cache=True, nogil=True)
def _end_creep(s: Any, at_us: int, crossing: Any, slot: int, row: int) -> None:
    fill(crossing, slot, row, CREEP_END, s.ladder.level, s.ladder.onset_us, at_us, s.ladder.largest, 0.0)
    close(s.ladder)


@njit(cache=True, nogil=True)
def _begin_fault(s: Any, fault: int, since_us: int, crossing: Any, slot: int, row: int) -> None:
    s.fault, s.fault_us, s.fault_quiet = fault, since_us, 0
    fill(crossing, slot, row, FAULT_BEGIN, 0, since_us, since_us, 0.0, 0.0)
    crossing.extra[0] = fault


@njit(cache=True, nogil=True)
def _end_fault(s: Any, at_us: int, crossing: Any, slot: int, row: int) -> None:
    fill(crossing, slot, row, FAULT_END, 0, s.fault_us, at_us, 0.0, 0.0)
    s.fault = 0


@njit(cache=True, nogil=True)
def tick(limits: Any, state: Any, live: Any, now_us: int, begin: int, crossings: Any) -> tuple[int, int]:
    """See `sensors.detectors.bank.Kind.tick`: ends what nobody reports on any more."""
    for k in range(begin, len(live)):
        s = state[k]
        if not live[k] or now_us - s.received_us <= limits[k].silence_us:
            continue
        found, last_us = 0, s.east.last_us
        if s.event_us:
            _end_steps(s, last_us, crossings[found], k, -1)
            found += 1
        if s.ladder.onset_us:
            _end_creep(s, last_us, crossings[found], k, -1)
            found += 1
        if s.fault:
            _end_fault(s, last_us, crossings[found], k, -1)
            found += 1
        if found:
            return k + 1, found
    return len(live), 0
