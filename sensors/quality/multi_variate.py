"""QARTOD test 9, multi-variate: whether the series changes alone where another would have to change with it.

manual: a change from one sample to the next above N standard deviations of the series is suspect while the
partner (wind, for a water level) changes by less than M of its own. Both standard deviations are those of
`sensors.quality.steps`; the partner is looked at where this series has samples, as `sensors.quality.partner`
finds it. There is no failure.

ioos_qc does not have this test.
"""

from __future__ import annotations

from collections.abc import Mapping
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
    partner,
    record,
    register,
    steps,
)


class MultiVariate(Parameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The other series, and what counts as a change of either."""

    partner: str
    deviations: float = 2.0
    partner_deviations: float = 2.0
    period_s: float = 90_000.0
    """Of both standard deviations."""
    tolerance_s: float | None = None

    def check(self, *, ioos_qc: bool) -> None:
        """Look at the parameters."""
        del ioos_qc
        if not min(self.deviations, self.partner_deviations, self.period_s) > 0:
            raise ValueError("multi_variate needs positive deviations, partner_deviations and period_s")
        partner.check_tolerance(self.tolerance_s)

    def fill(self, record: NDArray[np.void], facts: Facts) -> None:
        """Give the steps of the windows."""
        record["step_us"] = steps.step_us(self.period_s)
        record["tolerance_us"] = partner.tolerance_us(self.tolerance_s, facts)

    def memory_words(self, facts: Facts) -> int:
        """Return what both windows need."""
        del facts
        return 2 * steps.WORDS

    def partners(self) -> Mapping[str, str]:
        """Return the other series."""
        return {"partner": self.partner}


@njit(cache=True, nogil=True)
def _at(p: Any, s: Any, every: Any, memory: Any, before_us: int, time_us: int, value: float) -> int:
    """Judge a sample, then learn from it and what the partner says; nothing without both."""
    other = partner.joined(every, p.partner, time_us, p.tolerance_us)
    if np.isnan(other):
        return NOT_EVALUATED
    number, others = time_us // p.step_us, p.memory_at + steps.WORDS
    flag = NOT_EVALUATED
    if s.known > 0 and s.last_us == before_us and time_us - s.first_us >= steps.STEPS * p.step_us:
        deviation = steps.standard_deviation(memory, p.memory_at, number)
        of_other = steps.standard_deviation(memory, others, number)
        if np.isfinite(deviation + of_other):
            changes = abs(value - s.value) > p.deviations * deviation
            still = abs(other - s.other) < p.partner_deviations * of_other
            flag = SUSPECT if changes and still else PASS
    if s.known == 0:
        s.first_us = time_us
        steps.clear(memory, p.memory_at)
        steps.clear(memory, others)
    s.known, s.last_us, s.value, s.other = s.known + 1, time_us, value, other
    steps.add(memory, p.memory_at, number, value)
    steps.add(memory, others, number, other)
    return flag


@njit(cache=True, nogil=True)
def judge(p: Any, s: Any, line: Any, every: Any, memory: Any, tables: Any, x: Any, failed: bool) -> int:
    """Judge by what the partner has told by now."""
    if not x.is_there:
        return MISSING
    if failed:
        return NOT_EVALUATED
    return _at(p, s, every, memory, -1 if x.fresh else line.time_us, x.time_us, x.value)


@njit(cache=True, nogil=True)
def revise(p: Any, s: Any, line: Any, every: Any, memory: Any, tables: Any, x: Any, flag: int) -> int:
    """Try once more where the partner had told nothing."""
    if flag == NOT_EVALUATED and line.flag != FAIL and not (s.known > 0 and s.last_us == line.time_us):
        return _at(p, s, every, memory, -1 if line.n < 2 else line.time_before_us, line.time_us, line.value)
    return flag


register(
    Test(
        name="multi_variate",
        order=9,
        configured=MultiVariate,
        parameters=record(
            ("partner", "i8"),
            ("deviations", "f8"),
            ("partner_deviations", "f8"),
            ("step_us", "i8"),
            ("tolerance_us", "i8"),
            ("memory_at", "i8"),
        ),
        state=record(
            ("known", "i8"), ("first_us", "i8"), ("last_us", "i8"), ("value", "f8"), ("other", "f8")
        ),
        judge=judge,
        revise=revise,
    )
)
