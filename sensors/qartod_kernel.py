"""The kernel of `sensors.qartod`: one pass over the samples of many series, with their state in arrays.

The kernels of the tests (`sensors.quality`) are put into one, so that a sample is read once and its flags
stay in a register until all tests are through: a word with 4 bits for each test.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, Final

import numpy as np
from numba import njit

from sensors.quality import FAIL, LINE, MISSING, NOT_EVALUATED, PASS, SUSPECT, Sample, Test, every_test

LATE: Final = -1
"""Revision of a sample that came after a newer one."""
CLOCK_TOLERANCE_US: Final = 300_000_000
"""How much a device's clock may be ahead."""

TESTS: Final = every_test()
COLUMNS: Final = {test.name: column for column, test in enumerate(TESTS)}
"""Where the bits of a test are in a word, and in `on`."""
REVISING: Final = sum(1 << COLUMNS[test.name] for test in TESTS if test.revise is not None)

_USUAL_FIRST: Final = sorted(TESTS, key=lambda test: not test.usual)
"""What is used together lies together."""

PARAMETERS: Final = np.dtype(
    [
        ("on", "i8"),  # a bit a test that is made
        ("on_bits", "i8"),  # the same for words of flags, all 4 bits
        ("revising", "u1"),  # one of them judges a sample again when the next one comes
        ("ioos_qc", "u1"),
        ("max_gap_us", "i8"),
        *((test.name, test.parameters) for test in _USUAL_FIRST),
    ],
    align=True,
)
STATE: Final = np.dtype([("line", LINE), *((test.name, test.state) for test in _USUAL_FIRST)], align=True)
"""Of one series; all zero before the first sample."""
NO_STATE: Final = np.zeros(1, STATE)

_ONES: Final = 0x111_1111_1111_1111
_ALL_NOT_EVALUATED: Final = NOT_EVALUATED * _ONES
_ALL_MISSING: Final = MISSING * _ONES
_FAILS: Final = FAIL * _ONES
_ANY_ORDER_BITS: Final = sum(15 << 4 * column for column, test in enumerate(TESTS) if test.any_order)


def _judging(column: int, test: Test, others: Callable[..., int]) -> Callable[..., int]:
    """Return a kernel that makes one test of a sample, then the others."""
    name, kernel = test.name, test.judge
    bit, shift = 1 << column, 4 * column

    @njit(inline=_inline(test))
    def one(p: Any, s: Any, every: Any, memory: Any, tables: Any, x: Any, word: int) -> int:
        if p.on & bit:
            failed = word & _FAILS != 0
            flag = kernel(getattr(p, name), getattr(s, name), s.line, every, memory, tables, x, failed)
            word |= flag << shift
        return others(p, s, every, memory, tables, x, word)

    return one


def _revising(column: int, test: Test, others: Callable[..., int]) -> Callable[..., int]:
    """Return a kernel that lets one test look at the sample before again, then the others."""
    name, kernel = test.name, test.revise
    bit, shift = 1 << column, 4 * column

    @njit(inline=_inline(test))
    def one(p: Any, s: Any, every: Any, memory: Any, tables: Any, x: Any, word: int) -> int:
        if p.on & bit:
            flag = word >> shift & 15
            now = kernel(getattr(p, name), getattr(s, name), s.line, every, memory, tables, x, flag)
            word ^= (flag ^ now) << shift
        return others(p, s, every, memory, tables, x, word)

    return one


def _all_of(
    tests: Sequence[tuple[int, Test]], made: Callable[[int, Test, Callable[..., int]], Callable[..., int]]
) -> Callable[..., int]:
    """Return a kernel of tests in order; those that few series have cost the others a branch a group."""
    kernel: Callable[..., int] = _none
    for usual, together in reversed([(k, list(g)) for k, g in groupby(tests, lambda one: one[1].usual)]):
        others = kernel
        kernel = others if usual else _none
        for column, test in reversed(together):
            kernel = made(column, test, kernel)
        if not usual:
            kernel = _if_any(sum(1 << column for column, _ in together), kernel, others)
    return kernel


def _if_any(bits: int, some: Callable[..., int], others: Callable[..., int]) -> Callable[..., int]:
    @njit(inline="always")
    def one(p: Any, s: Any, every: Any, memory: Any, tables: Any, x: Any, word: int) -> int:
        if p.on & bits:
            word = some(p, s, every, memory, tables, x, word)
        return others(p, s, every, memory, tables, x, word)

    return one


def _inline(test: Test) -> str:
    return "always" if test.usual else "never"


@njit(inline="always")
def _none(p: Any, s: Any, every: Any, memory: Any, tables: Any, x: Any, word: int) -> int:
    return word


_numbered = list(enumerate(TESTS))
_judge_all = _all_of(_numbered, _judging)
_judge_late = _all_of([one for one in _numbered if one[1].any_order], _judging)
_revise_all = _all_of([one for one in _numbered if one[1].revise is not None], _revising)


@njit(cache=True, nogil=True)
def clock_was_ahead(newest_us: int, time_us: int, received_at_us: int) -> bool:
    """Return whether the newest sample of a series came with a clock that has been set back since.

    Its time lies after now, the next sample's does not: the order begins anew with that one, or a single
    wrong time would make all true ones late.
    """
    limit_us = received_at_us + CLOCK_TOLERANCE_US
    return newest_us > limit_us and time_us <= limit_us


@njit(cache=True, nogil=True, error_model="numpy")
def judge(
    series: Any,
    time_us: Any,
    value: Any,
    bits: Any,
    received_at_us: Any,
    parameters: Any,
    state: Any,
    no_state: Any,
    memory: Any,
    tables: Any,
    out: Any,
) -> tuple[int, int, int]:
    """Judge samples in order and move the state on.

    Parameters
    ----------
    series, time_us, value, bits, received_at_us
        Samples, shape (n,); the series is a slot, -1: no tests; `bits` are those of the values.
    parameters, state, no_state
        Shape (slots,), `PARAMETERS` and `STATE`; `NO_STATE`.
    memory, tables
        Numbers that tests remember and those that they look up, where their parameters say.
    out
        Filled; columns of shape (2 n,): series, time_us, value, received_at_us, revision, overall flag, and
        the word of all flags.

    Returns
    -------
    Number of rows filled; samples that were repetitions (no row); samples that were late.
    """
    size, repeated, late = 0, 0, 0
    for i in range(len(series)):
        slot, t, v, received = series[i], time_us[i], value[i], received_at_us[i]
        is_there = np.isfinite(v)
        word = _ALL_NOT_EVALUATED if is_there else _ALL_MISSING
        if slot < 0:
            size = _emit(out, size, slot, t, v, received, 0, NOT_EVALUATED if is_there else MISSING, word)
            continue
        p, s = parameters[slot], state[slot]
        line = s.line
        word &= ~p.on_bits
        if line.n > 0 and clock_was_ahead(line.time_us, t, received):
            state[slot] = no_state[0]
        if line.n > 0 and t <= line.time_us:
            if t == line.time_us:
                repeated += 1
                continue
            late += 1
            x = Sample(t, v, bits[i], is_there, received, True, p.ioos_qc != 0)
            word |= (_ALL_NOT_EVALUATED if is_there else _ALL_MISSING) & p.on_bits & ~_ANY_ORDER_BITS
            word = _judge_late(p, s, state, memory, tables, x, word)
            size = _emit(out, size, slot, t, v, received, LATE, _overall(p, word, is_there, True), word)
            continue
        fresh = line.n == 0 or t - line.time_us > p.max_gap_us
        x = Sample(t, v, bits[i], is_there, received, fresh, p.ioos_qc != 0)
        if p.revising != 0 and line.n > 0:
            revised = line.flags
            if not fresh:
                revised = _revise_all(p, s, state, memory, tables, x, revised)
            size = _settle(p, line, slot, revised, out, size)
        if fresh:
            line.n = 0
        word = _judge_all(p, s, state, memory, tables, x, word)
        flag = _overall(p, word, is_there, p.revising == 0)
        size = _emit(out, size, slot, t, v, received, 0, flag, word)
        line.n += 1
        line.value_before_that, line.value_before, line.value = line.value_before, line.value, v
        line.time_before_us, line.time_us = line.time_us, t
        line.flag_before, line.flag = line.flag, flag
        line.flags, line.received_at_us, line.revision = word, received, 0
    return size, repeated, late


@njit(cache=True, nogil=True)
def settle(parameters: Any, state: Any, out: Any) -> int:
    """Say what the newest samples are when none follows; `out` as in `judge`, shape (slots,) each."""
    size = 0
    for slot in range(len(state)):
        p, line = parameters[slot], state[slot].line
        if p.revising != 0 and line.n > 0:
            size = _settle(p, line, slot, line.flags, out, size)
    return size


@njit(cache=True, nogil=True)
def unpack(words: Any, columns: Any, out: Any) -> None:
    """Take flags out of words; `out` gets the shape (n, columns)."""
    for i in range(len(words)):
        for k in range(len(columns)):
            out[i, k] = words[i] >> 4 * columns[k] & 15


@njit(inline="always")
def _settle(p: Any, line: Any, slot: int, word: int, out: Any, size: int) -> int:
    """Tell what the newest sample is now, where that has changed."""
    flag = _overall(p, word, np.isfinite(line.value), True)
    if word == line.flags and flag == line.flag:
        return size
    line.flags, line.flag = word, flag
    line.revision += 1
    return _emit(out, size, slot, line.time_us, line.value, line.received_at_us, line.revision, flag, word)


@njit(inline="always")
def _emit(
    out: Any, row: int, slot: int, t: int, v: float, received_at_us: int, revision: int, flag: int, word: int
) -> int:
    series, time_us, value, received, revisions, flags, words = out
    series[row], time_us[row], value[row] = slot, t, v
    received[row], revisions[row], flags[row], words[row] = received_at_us, revision, flag, word
    return row + 1


@njit(inline="always")
def _overall(p: Any, word: int, is_there: bool, settled: bool) -> int:
    """Return the flag of a sample; a 9 of a value that is there does not count."""
    if not is_there:
        return MISSING
    word &= p.on_bits
    if word & _FAILS:
        return FAIL
    if word & word >> 1 & _ONES:  # both bits of a 3
        return SUSPECT
    passed = word & ~(word >> 3) & _ONES != 0  # the bit of a 1, not of a 9
    if p.ioos_qc != 0:
        return PASS if passed and settled else NOT_EVALUATED
    return PASS if passed and word & _ONES << 1 == 0 else NOT_EVALUATED
