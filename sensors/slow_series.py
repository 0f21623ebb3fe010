"""What a slow sensor (a crack meter, a tiltmeter, a piezometer) sends, without its faults; for kernels.

Samples become blocks (`sensors/blocks.py`), and each block is looked at before a detector gets it:

- One that leaves the line of those before by more than `jump` is held back. If the next is back, it was a
  spike. If the next ones move on, it was a movement, and all are passed on. If `HOLD` of them stand still
  at the new place, the zero of the instrument has moved (a new battery, a blow): from then on that is
  taken off, and the sensor is to be looked at.
- A value that does not change at all, although at the pace at which it used to change this would happen
  once in 1e9 times, is stuck. A sensor of coarse resolution hence may stand still for as long as it likes.
- Samples that are not usable, one behind the other, are a sensor without value (rails, a broken cable).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels.compiled import njit
from sensors.blocks import BLOCKS, CLOSED, HUGE, NOTHING, SET_BACK, take_sample
from sensors.crossing import fill

HOLD = 4
"""So many blocks have to stand still at a new place."""
JUMP, SPIKES, STUCK, NO_VALUE = 1, 2, 3, 4
_SPIKES = 3.0
"""So many spikes are a fault; each good block takes a twentieth of them away."""
_SPIKE_DECAY = 0.05
_LEARN = 0.05
_LEARNT = 10
_NOISES = 8.0
"""Noise leaves the line by so many standard deviations less than once in a life."""
_STILL_NOISES = 5.0
_FAR = 5
"""A line is carried on over so many paces."""
_LIVELY = 1.0 / 200.0
_ONCE_IN = -20.7
"""Logarithm of 1e-9."""
_DOUBTFUL = -9.2
"""Logarithm of 1e-4."""
_UNUSABLE = 5

SLOW_LIMITS = np.dtype(
    [
        ("interval_us", "i8"),
        ("jump", "f8"),
        ("resolution", "f8"),
        ("max_gap_us", "i8"),
        ("stuck_us", "i8"),
        ("fault_quiet_us", "i8"),
    ]
)
SLOW = np.dtype(
    [
        ("blocks", BLOCKS),
        ("received_us", "i8"),
        ("same", "f8"),
        ("same_us", "i8"),
        ("same_n", "i8"),
        ("lively", "f8"),  # share of samples that differ from the one before
        ("is_still", "i8"),  # so often that no rate is believed
        ("unusable_us", "i8"),
        ("unusable_n", "i8"),
        ("passed_n", "i8"),  # blocks passed on since the last gap
        ("passed_us", "i8", (2,)),
        ("passed", "f8", (2,)),
        ("variance", "f8"),
        ("held_n", "i8"),
        ("held_us", "i8", (HOLD,)),
        ("held", "f8", (HOLD,)),
        ("offset", "f8"),  # that jumps of the zero have made
        ("spikes", "f8"),
        ("out_n", "i8"),
        ("out_us", "i8", (HOLD + 2,)),
        ("out", "f8", (HOLD + 2,)),
        ("fault", "i8"),  # 0: none
        ("fault_us", "i8"),
        ("fault_last_us", "i8"),
        ("fault_value", "f8"),
        ("news", "i8"),  # of the last sample: 1 a fault began, 2 it ended
    ]
)

BEGUN, ENDED = 1, 2
FAULT_BEGIN, FAULT_END = 4, 5
"""Codes of crossings."""


def set_slow(slow: Any, parameters: Any, *, jump: float, resolution: float = 1e-6) -> None:
    """Fill `SLOW_LIMITS` from parameters that are called the same in all kinds."""
    slow["jump"], slow["resolution"] = jump, resolution
    for name in ("interval", "max_gap", "stuck", "fault_quiet"):
        slow[f"{name}_us"] = getattr(parameters, f"{name}_s") * 1e6


@njit(cache=True, nogil=True)
def take_slow(
    slow: Any, limits: Any, time_us: int, value: float, usable: bool, received_at_us: int, is_event: bool
) -> int:
    """Take a sample; return what `take_sample` does, with the blocks that are good in `out`.

    SET_BACK means that the clock was set back, and that what came before is forgotten here. While an event
    goes on (`is_event`) nothing but a single spike is held back.
    """
    slow.received_us = max(slow.received_us, received_at_us)
    slow.news = 0
    if not usable or not abs(value) < HUGE:
        _without_value(slow, time_us)
        return NOTHING
    slow.unusable_n = 0
    if abs(value - slow.same) <= limits.resolution:
        slow.same_n += 1
    else:
        slow.lively = (slow.lively * (1.0 - _LIVELY) ** slow.same_n) * (1.0 - _LIVELY) + _LIVELY
        slow.same, slow.same_us, slow.same_n = value, time_us, 0
        if slow.fault == STUCK:
            _end_fault(slow)
    if slow.fault == NO_VALUE:
        _end_fault(slow)
    state = take_sample(slow.blocks, limits.interval_us, time_us, value)
    if state == SET_BACK:
        _start_over(slow, time_us)
        take_sample(slow.blocks, limits.interval_us, time_us, value)
    if state != CLOSED:
        return state
    slow.out_n = 0
    for k in range(slow.blocks.out_n):
        _guard(slow, limits, slow.blocks.out_us[k], slow.blocks.out[k] + slow.offset, is_event)
    chance = slow.same_n * np.log1p(-min(slow.lively, 0.9))
    slow.is_still = chance < _DOUBTFUL
    if chance < _ONCE_IN and time_us - slow.same_us >= limits.stuck_us:
        _begin_fault(slow, STUCK, slow.same_us, time_us, value)
    elif (
        slow.fault in (JUMP, SPIKES)
        and slow.news == 0
        and time_us - slow.fault_last_us >= limits.fault_quiet_us
    ):
        _end_fault(slow)
    return CLOSED if slow.out_n else NOTHING


@njit(cache=True, nogil=True)
def _without_value(slow: Any, time_us: int) -> None:
    if slow.unusable_n == 0:
        slow.unusable_us = time_us
    slow.unusable_n += 1
    if slow.unusable_n >= _UNUSABLE:
        _begin_fault(slow, NO_VALUE, slow.unusable_us, time_us, np.nan)


@njit(cache=True, nogil=True)
def _begin_fault(slow: Any, fault: int, since_us: int, time_us: int, value: float) -> None:
    slow.fault_last_us = time_us
    if slow.fault == 0 and slow.news == 0:
        slow.fault, slow.fault_us, slow.fault_value, slow.news = fault, since_us, value, BEGUN


@njit(cache=True, nogil=True)
def _end_fault(slow: Any) -> None:
    if slow.news == 0:
        slow.fault, slow.news = 0, ENDED


@njit(cache=True, nogil=True)
def _guard(slow: Any, limits: Any, time_us: int, value: float, is_event: bool) -> None:
    if slow.passed_n and time_us - slow.passed_us[1] > limits.max_gap_us:
        slow.passed_n = slow.held_n = 0
    if slow.passed_n < 2:
        _pass(slow, time_us, value, limits.jump)
        return
    noise = np.sqrt(slow.variance)
    limit = max(limits.jump, _NOISES * noise)
    off = _off(slow, time_us, value)
    if abs(off) <= limit:
        if slow.held_n:
            slow.spikes += slow.held_n
            if slow.spikes >= _SPIKES:
                _begin_fault(slow, SPIKES, slow.held_us[0], time_us, slow.held[0])
            slow.held_n = 0
        slow.spikes *= 1.0 - _SPIKE_DECAY
        _pass(slow, time_us, value, limits.jump)
        return
    slow.held_us[slow.held_n], slow.held[slow.held_n] = time_us, value
    slow.held_n += 1
    if slow.held_n < 2:
        return
    still = max(0.5 * limits.jump, _STILL_NOISES * noise)
    held = slow.held[: slow.held_n]
    moves = held.max() - held.min() > still
    if not is_event and not moves and slow.held_n < HOLD:
        return
    moved = 0.0
    if not is_event and not moves:
        moved = np.median(held) - slow.passed[1]
        slow.offset -= moved
        _begin_fault(slow, JUMP, slow.held_us[0], time_us, moved)
    for k in range(slow.held_n):
        _pass(slow, slow.held_us[k], slow.held[k] - moved, limits.jump)
    slow.held_n = 0


@njit(cache=True, nogil=True)
def _off(slow: Any, time_us: int, value: float) -> float:
    """Return how far a value is from the last, or from the line of the last two when that is nearer."""
    from_last = value - slow.passed[1]
    step_us = slow.passed_us[1] - slow.passed_us[0]
    slope = (slow.passed[1] - slow.passed[0]) / step_us
    from_line = from_last - slope * min(time_us - slow.passed_us[1], _FAR * step_us)
    return float(from_last if abs(from_last) < abs(from_line) else from_line)


@njit(cache=True, nogil=True)
def _pass(slow: Any, time_us: int, value: float, jump: float) -> None:
    slow.out_us[slow.out_n], slow.out[slow.out_n] = time_us, value
    slow.out_n += 1
    if slow.passed_n >= 2:
        # Of an even line with white noise the second difference has six times the variance.
        square = (value - 2.0 * slow.passed[1] + slow.passed[0]) ** 2 / 6.0
        if slow.passed_n < _LEARNT:
            slow.variance += (square - slow.variance) / (slow.passed_n - 1)
        else:
            square = min(square, 9.0 * slow.variance + (jump / 16.0) ** 2)
            slow.variance += _LEARN * (square - slow.variance)
    slow.passed_us[0], slow.passed[0] = slow.passed_us[1], slow.passed[1]
    slow.passed_us[1], slow.passed[1] = time_us, value
    slow.passed_n += 1


@njit(cache=True, nogil=True)
def _start_over(slow: Any, time_us: int) -> None:
    """Take nothing that came before for a neighbour of what comes. Faults and zeros stay."""
    slow.blocks.last_us = slow.blocks.end_us = slow.blocks.n = slow.blocks.kept_us = 0
    slow.same_n = slow.unusable_n = slow.passed_n = slow.held_n = slow.out_n = 0
    slow.same_us = slow.fault_last_us = time_us


@njit(cache=True, nogil=True)
def report_fault(slow: Any, crossing: Any, slot: int, row: int, at_us: int) -> None:
    """Say that a fault began or ended."""
    code = FAULT_BEGIN if slow.news == BEGUN else FAULT_END
    fill(crossing, slot, row, code, 0, slow.fault_us, at_us, slow.fault_value, 0.0)
    crossing.extra[0] = slow.fault
