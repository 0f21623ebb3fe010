"""QARTOD test 7, rate of change: whether the value changes faster than is credible.

manual: a fixed limit for successive samples (never less than the whole limit, however close they are), or
N_DEV standard deviations of the TIM_DEV before; without a sample before it, not evaluated. The standard
deviation is that of `sensors.quality.steps`, of samples that no earlier test failed.
ioos_qc: change per second of whole seconds; pass without a sample before it.
"""

from __future__ import annotations

from typing import Any

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


class RateOfChange(Parameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Either a fixed `limit` or `deviations` (N_DEV) of the last `period_s` (TIM_DEV)."""

    limit: float | None = None
    """Largest credible change in `per_s` seconds."""
    per_s: float = 1.0
    fail_limit: float | None = None
    """The manual knows no failure of this test; ioos_qc does."""
    deviations: float | None = None
    period_s: float = 90_000.0

    def check(self, *, ioos_qc: bool) -> None:
        """Look at the parameters."""
        if (self.limit is None) == (self.deviations is None):
            raise ValueError("rate_of_change needs either limit or deviations")
        if min(self.limit or 1.0, self.deviations or 1.0, self.per_s, self.period_s) <= 0:
            raise ValueError("rate_of_change needs positive parameters")
        if self.fail_limit is not None and self.fail_limit < (self.limit or 0.0):
            raise ValueError("rate_of_change needs limit <= fail_limit")
        if self.deviations is not None and ioos_qc:
            raise ValueError("ioos_qc knows no rate_of_change by deviations; give limit and per_s")

    def fill(self, record: NDArray[np.void], facts: Facts) -> None:
        """Give limits and the steps of the window."""
        del facts
        record["limit"] = np.inf if self.limit is None else self.limit
        record["fail"] = np.inf if self.fail_limit is None else self.fail_limit
        record["periods_a_second"] = 1.0 / self.per_s
        record["deviations"] = self.deviations or 0.0
        record["step_us"] = steps.step_us(self.period_s)

    def memory_words(self, facts: Facts) -> int:
        """Return what the window needs."""
        del facts
        return 0 if self.deviations is None else steps.WORDS


@njit(inline="always")
def judge(p: Any, s: Any, line: Any, every: Any, memory: Any, tables: Any, x: Any, failed: bool) -> int:
    """Compare with the sample before, then learn."""
    if not x.is_there:
        return MISSING
    change = abs(x.value - line.value)
    if x.fresh or not np.isfinite(change):
        flag = PASS if x.ioos_qc else NOT_EVALUATED
    elif p.deviations > 0:
        flag = _by_deviations(p, s, memory, x, change)
    else:
        flag = _by_limit(p, line, x, change)
    if p.deviations > 0 and not failed:
        if s.known == 0:
            s.first_us = x.time_us
            steps.clear(memory, p.memory_at)
        s.known += 1
        steps.add(memory, p.memory_at, x.time_us // p.step_us, x.value)
    return flag


@njit(inline="always")
def _by_limit(p: Any, line: Any, x: Any, change: float) -> int:
    if x.ioos_qc:
        seconds = (x.time_us - line.time_us) // 1_000_000
        if seconds == 0:
            change = np.inf if change > 0 else 0.0
        periods = seconds * p.periods_a_second if seconds > 0 else 1.0
    else:
        periods = max(1.0, (x.time_us - line.time_us) * 1e-6 * p.periods_a_second)
    if change > p.fail * periods:
        return FAIL
    return SUSPECT if change > p.limit * periods else PASS


@njit(cache=True, nogil=True)
def _by_deviations(p: Any, s: Any, memory: Any, x: Any, change: float) -> int:
    if s.known == 0 or x.time_us - s.first_us < steps.STEPS * p.step_us:
        return NOT_EVALUATED
    deviation = steps.standard_deviation(memory, p.memory_at, x.time_us // p.step_us)
    if np.isnan(deviation):
        return NOT_EVALUATED
    return SUSPECT if change > p.deviations * deviation else PASS


register(
    Test(
        name="rate_of_change",
        order=7,
        configured=RateOfChange,
        parameters=record(
            ("limit", "f8"),
            ("fail", "f8"),
            ("periods_a_second", "f8"),
            ("deviations", "f8"),
            ("step_us", "i8"),
            ("memory_at", "i8"),
        ),
        state=record(("known", "i8"), ("first_us", "i8")),
        judge=judge,
        usual=True,
    )
)
