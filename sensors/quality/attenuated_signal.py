"""QARTOD test 10, attenuated signal: whether the signal has become too weak to be true.

Suspect or failed is a sample at whose time the standard deviation (`std`) or the range (`range`) of the
window that ends with it is below a limit.

manual: the window is TST_TIM in the steps of `sensors.quality.steps`, of samples that no earlier test
failed; nothing is evaluated before it is full once. The manual's example is 12 h.
ioos_qc: exactly the samples of the last `period_s`, all of them, from the first one on unless `min_samples`
says otherwise; the standard deviation is that of the population, a missing sample makes a range unknown.
ioos_qc may take the whole series for a window, which a stream cannot.
"""

from __future__ import annotations

from math import ceil, sqrt
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from kernels.compiled import njit
from sensors.quality import (
    FAIL,
    MISSING,
    NOT_EVALUATED,
    PASS,
    SUSPECT,
    Facts,
    Parameters,
    Test,
    record,
    register,
    steps,
)

MOST_SAMPLES = 10_000
"""Of a window of ioos_qc's behaviour, which keeps them all."""


class AttenuatedSignal(Parameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits in the unit of the property."""

    suspect: float
    fail: float
    period_s: float = 43_200.0
    check_type: Literal["std", "range"] = "std"
    min_samples: int = 1
    """With fewer in the window nothing is evaluated."""

    def check(self, *, ioos_qc: bool) -> None:
        """Look at the parameters."""
        del ioos_qc
        if not 0 <= self.fail <= self.suspect:
            raise ValueError("attenuated_signal needs 0 <= fail <= suspect")
        if not (0 < self.period_s <= 366 * 86_400 and 1 <= self.min_samples <= MOST_SAMPLES):
            raise ValueError(
                f"attenuated_signal needs a period_s of at most a year and min_samples of 1 to {MOST_SAMPLES}"
            )

    def fill(self, record: NDArray[np.void], facts: Facts) -> None:
        """Give the window."""
        record["range"] = self.check_type == "range"
        record["period_us"] = round(self.period_s * 1e6)
        record["step_us"] = steps.step_us(self.period_s)
        record["capacity"] = self._capacity(facts)

    def memory_words(self, facts: Facts) -> int:
        """Return what the window needs: steps, or time and value of each sample."""
        return 2 * self._capacity(facts) if facts.ioos_qc else steps.WORDS

    def _capacity(self, facts: Facts) -> int:
        """How many samples the window holds; when more come in the time, the oldest go."""
        return min(MOST_SAMPLES, ceil(self.period_s / facts.period_s) + 1)


@njit(cache=True, nogil=True)
def judge(p: Any, s: Any, line: Any, every: Any, memory: Any, tables: Any, x: Any, failed: bool) -> int:
    """Take the sample into the window and look at it."""
    if x.fresh:
        s.n = s.next = 0
    strength = _exact(p, s, memory, x) if x.ioos_qc else _in_steps(p, s, memory, x, failed)
    if not x.is_there:
        return MISSING
    if np.isnan(strength):
        return NOT_EVALUATED
    if strength < p.fail:
        return FAIL
    return SUSPECT if strength < p.suspect else PASS


@njit(cache=True, nogil=True)
def _in_steps(p: Any, s: Any, memory: Any, x: Any, failed: bool) -> float:
    if failed or not x.is_there:
        return np.nan
    if s.n == 0:
        s.first_us = x.time_us
        steps.clear(memory, p.memory_at)
    s.n += 1
    number = x.time_us // p.step_us
    steps.add(memory, p.memory_at, number, x.value)
    if x.time_us - s.first_us < p.period_us or s.n < p.min_samples:
        return np.nan
    if p.range:
        return steps.spread(memory, p.memory_at, number)
    return steps.standard_deviation(memory, p.memory_at, number)


@njit(cache=True, nogil=True)
def _exact(p: Any, s: Any, memory: Any, x: Any) -> float:
    """Return the strength of the samples later than `period_us` before the newest."""
    at = p.memory_at + 2 * s.next
    memory[at], memory[at + 1] = x.time_us, x.value if x.is_there else np.nan
    s.next = s.next + 1 if s.next + 1 < p.capacity else 0
    s.n = min(s.n + 1, p.capacity)
    n, total, low, high, holes = 0, 0.0, np.inf, -np.inf, 0
    for back in range(s.n):
        at = p.memory_at + 2 * ((s.next - 1 - back) % p.capacity)
        if memory[at] <= x.time_us - p.period_us:
            s.n = back
            break
        value = memory[at + 1]
        if np.isnan(value):
            holes += 1
            continue
        n, total, low, high = n + 1, total + value, min(low, value), max(high, value)
    if n < p.min_samples:
        return np.nan
    if p.range:
        return np.nan if holes > 0 else high - low
    if low == high:
        return 0.0
    mean, squares = total / n, 0.0
    for back in range(s.n):
        value = memory[p.memory_at + 2 * ((s.next - 1 - back) % p.capacity) + 1]
        if not np.isnan(value):
            squares += (value - mean) * (value - mean)
    return sqrt(squares / n)


register(
    Test(
        name="attenuated_signal",
        order=10,
        configured=AttenuatedSignal,
        parameters=record(
            ("suspect", "f8"),
            ("fail", "f8"),
            ("period_us", "i8"),
            ("step_us", "i8"),
            ("capacity", "i8"),
            ("min_samples", "i8"),
            ("memory_at", "i8"),
            ("range", "u1"),
        ),
        state=record(("n", "i8"), ("next", "i8"), ("first_us", "i8")),
        judge=judge,
    )
)
