"""The kernel of `sensors.qartod`: one pass over the samples of many series, with their state in arrays.

The kernels of the tests (`sensors.quality`) are put into one, so that a sample is read once and its flags
stay in a register until all tests are through: a word with 4 bits for each test.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, Final, Literal

import numpy as np

from kernels.compiled import njit
from kernels.prefetch import LINE_BYTES, prefetch
from kernels.unowned import unowned
from sensors.quality import FAIL, LINE, MISSING, NOT_EVALUATED, PASS, SUSPECT, Sample, Test, every_test

Kernel = Any
"""Compiled: (parameters, state, all, memory, tables, sample, word of flags) -> the word, after more tests."""

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


def _usual_bytes(record: np.dtype[Any]) -> int:
    """Return how far a record goes before what few series have."""
    assert record.fields is not None
    return min(record.fields[test.name][1] for test in TESTS if not test.usual)


_USUAL_PARAMETER_BYTES: Final = _usual_bytes(PARAMETERS)
_USUAL_STATE_BYTES: Final = _usual_bytes(STATE)

_ONES: Final = 0x111_1111_1111_1111
_ALL_NOT_EVALUATED: Final = NOT_EVALUATED * _ONES
_ALL_MISSING: Final = MISSING * _ONES
_FAILS: Final = FAIL * _ONES
_ANY_ORDER_BITS: Final = sum(15 << 4 * column for column, test in enumerate(TESTS) if test.any_order)

_AHEAD: Final = 20
"""So many samples before its turn a series' record is asked for: it is in no cache among thousands."""
_SOON: Final = 8
"""So many what the record leads to: the values that the most usual test with a memory remembers."""


def _judging(column: int, test: Test, others: Kernel) -> Kernel:
    """Return a kernel that makes one test of a sample, then the others."""
    name, kernel = test.name, test.judge
    bit, shift = 1 << column, 4 * column

    @njit(inline=_inline(test))
    def one(p: Any, s: Any, every: Any, memory: Any, tables: Any, x: Any, word: int) -> Any:
        if p.on & bit:
            failed = word & _FAILS != 0
            flag = kernel(getattr(p, name), getattr(s, name), s.line, every, memory, tables, x, failed)
            word |= flag << shift
        return others(p, s, every, memory, tables, x, word)

    return one


def _revising(column: int, test: Test, others: Kernel) -> Kernel:
    """Return a kernel that lets one test look at the sample before again, then the others."""
    name, kernel = test.name, test.revise
    assert kernel is not None, "only tests that revise come here"
    bit, shift = 1 << column, 4 * column

    @njit(inline=_inline(test))
    def one(p: Any, s: Any, every: Any, memory: Any, tables: Any, x: Any, word: int) -> Any:
        if p.on & bit:
            flag = word >> shift & 15
            now = kernel(getattr(p, name), getattr(s, name), s.line, every, memory, tables, x, flag)
            word ^= (flag ^ now) << shift
        return others(p, s, every, memory, tables, x, word)

    return one


def _all_of(tests: Sequence[tuple[int, Test]], made: Callable[[int, Test, Kernel], Kernel]) -> Kernel:
    """Return a kernel of tests in order; those that few series have cost the others a branch a group."""
    kernel: Kernel = _none
    for usual, together in reversed([(k, list(g)) for k, g in groupby(tests, lambda one: one[1].usual)]):
        others = kernel
        kernel = others if usual else _none
        for column, test in reversed(together):
            kernel = made(column, test, kernel)
        if not usual:
            kernel = _if_any(sum(1 << column for column, _ in together), kernel, others)
    return kernel


def _if_any(bits: int, some: Kernel, others: Kernel) -> Kernel:
    @njit(inline="always")
    def one(p: Any, s: Any, every: Any, memory: Any, tables: Any, x: Any, word: int) -> Any:
        if p.on & bits:
            word = some(p, s, every, memory, tables, x, word)
        return others(p, s, every, memory, tables, x, word)

    return one


def _inline(test: Test) -> Literal["always", "never"]:
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
    # Whatever is handed over with an array in it counts its owners, at each sample: so columns stay here.
    out_series, out_time_us, out_value, out_received_at_us, out_revision, out_flag, out_word = out
    every, limits, numbers, looked_up = unowned((state, parameters, memory, tables))
    size, repeated, late, n = 0, 0, 0, len(series)
    for i in range(n):
        if i + _AHEAD < n and series[i + _AHEAD] >= 0:
            coming = series[i + _AHEAD]
            prefetch(limits[coming : coming + 1], _USUAL_PARAMETER_BYTES)
            prefetch(every[coming : coming + 1], _USUAL_STATE_BYTES)
        if i + _SOON < n and series[i + _SOON] >= 0:
            prefetch(numbers[limits[series[i + _SOON]].flat_line.memory_at :], LINE_BYTES)
        slot, t, v, received = series[i], time_us[i], value[i], received_at_us[i]
        is_there = np.isfinite(v)
        word, revision = _ALL_NOT_EVALUATED if is_there else _ALL_MISSING, 0
        flag = NOT_EVALUATED if is_there else MISSING
        if slot >= 0:
            p, s = limits[slot], every[slot]
            line = s.line
            if line.n > 0 and clock_was_ahead(line.time_us, t, received):
                state[slot] = no_state[0]
            if line.n > 0 and t == line.time_us:
                repeated += 1
                continue
            is_late = line.n > 0 and t < line.time_us
            fresh = line.n == 0 or is_late or t - line.time_us > p.max_gap_us
            x = Sample(t, v, bits[i], is_there, received, fresh, p.ioos_qc != 0)
            if is_late:
                late += 1
                revision = LATE
                word &= ~(p.on_bits & _ANY_ORDER_BITS)
                word = _judge_late(p, s, every, numbers, looked_up, x, word)
                flag = _overall(p, word, is_there, True)
            else:
                if p.revising != 0 and line.n > 0:
                    told = line.flags
                    if not fresh:
                        told = _revise_all(p, s, every, numbers, looked_up, x, told)
                    if _settled(p, line, told):
                        out_series[size], out_time_us[size] = slot, line.time_us
                        out_value[size], out_received_at_us[size] = line.value, line.received_at_us
                        out_revision[size], out_flag[size] = line.revision, line.flag
                        out_word[size] = told
                        size += 1
                if fresh:
                    line.n = 0
                word &= ~p.on_bits
                word = _judge_all(p, s, every, numbers, looked_up, x, word)
                flag = _overall(p, word, is_there, p.revising == 0)
                line.n += 1
                line.value_before_that, line.value_before, line.value = line.value_before, line.value, v
                line.time_before_us, line.time_us = line.time_us, t
                line.flag_before, line.flag = line.flag, flag
                line.flags, line.received_at_us, line.revision = word, received, 0
        out_series[size], out_time_us[size], out_value[size] = slot, t, v
        out_received_at_us[size], out_revision[size] = received, revision
        out_flag[size], out_word[size] = flag, word
        size += 1
    return size, repeated, late


@njit(cache=True, nogil=True)
def settle(parameters: Any, state: Any, changed: Any) -> None:
    """Mark the newest samples that are told anew since none follows; `changed` has the shape (slots,)."""
    for slot in range(len(state)):
        p, line = parameters[slot], state[slot].line
        changed[slot] = p.revising != 0 and line.n > 0 and _settled(p, line, line.flags)


@njit(cache=True, nogil=True)
def unpack(words: Any, columns: Any, out: Any) -> None:
    """Take flags out of words; `out` gets the shape (n, columns)."""
    for i in range(len(words)):
        for k in range(len(columns)):
            out[i, k] = words[i] >> 4 * columns[k] & 15


@njit(inline="always")
def _settled(p: Any, line: Any, word: int) -> bool:
    """Take the last word on the newest sample; return whether that changes anything."""
    flag = _overall(p, word, np.isfinite(line.value), True)
    if word == line.flags and flag == line.flag:
        return False
    line.flags, line.flag = word, flag
    line.revision += 1
    return True


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
