"""QARTOD test 1, timing and gap: whether the sample came in time.

manual: 9, data have not arrived as expected, when the sample reached us more than TIM_INC after its time.
What the manual cannot tell of a sample, a hole before it, is 3: the one before is more than TIM_INC older.
The flag 9 of a sample that is there speaks of its way and does not count in the overall flag.
ioos_qc (`time_gap_test`): 4 after a hole; the first sample gets the flag of the second.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.compiled import njit
from sensors.quality import FAIL, MISSING, NOTHING, PASS, SUSPECT, Facts, Parameters, Test, record, register


class Gap(Parameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters."""

    interval_s: float
    """TIM_INC; the manual's example is an hour."""

    def check(self, *, ioos_qc: bool) -> None:
        """Look at the parameters."""
        del ioos_qc
        if not 0 < self.interval_s <= 366 * 86_400:
            raise ValueError("gap needs an interval_s above 0, at most a year")

    def fill(self, record: NDArray[np.void], facts: Facts) -> None:
        """Whole seconds where ioos_qc counts so."""
        record["interval_us"] = round((int(self.interval_s) if facts.ioos_qc else self.interval_s) * 1e6)


@njit(cache=True, nogil=True)
def judge(p: Any, s: Any, line: Any, every: Any, memory: Any, tables: Any, x: Any, failed: bool) -> int:
    """Judge the sample's time."""
    hole = line.time_us != 0 and x.time_us - line.time_us > p.interval_us
    if x.ioos_qc:
        return FAIL if hole else PASS
    if x.received_at_us - x.time_us > p.interval_us:
        return MISSING
    return SUSPECT if hole else PASS


@njit(cache=True, nogil=True)
def revise(p: Any, s: Any, line: Any, every: Any, memory: Any, tables: Any, x: Any, flag: int) -> int:
    """Let the first sample have the flag of the second."""
    if x.ioos_qc and line.n == 1:
        return FAIL if x.time_us - line.time_us > p.interval_us else PASS
    return flag


register(
    Test(
        name="gap",
        order=1,
        configured=Gap,
        parameters=record(("interval_us", "i8")),
        state=NOTHING,
        judge=judge,
        revise=revise,
    )
)
