"""QARTOD test 4, gross range: whether the instrument can measure the value, and whether it is credible.

Outside of the first a sample fails, outside of the second it is suspect. manual and ioos_qc agree.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.compiled import njit
from sensors.quality import FAIL, MISSING, NOTHING, PASS, SUSPECT, Facts, Parameters, Test, record, register


class GrossRange(Parameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Outside `span` a sample fails, outside `user_span` it is suspect."""

    span: tuple[float, float]
    user_span: tuple[float, float] | None = None

    def check(self, *, ioos_qc: bool) -> None:
        """Look at the parameters."""
        del ioos_qc
        low, high = self.span
        user_low, user_high = self.user_span or self.span
        if not low <= user_low < user_high <= high:
            raise ValueError("gross_range needs span and user_span as [low, high], user_span within span")

    def fill(self, record: NDArray[np.void], facts: Facts) -> None:
        """Give the spans."""
        del facts
        record["low"], record["high"] = self.span
        record["user_low"], record["user_high"] = self.user_span or self.span


@njit(inline="always")
def judge(p: Any, s: Any, line: Any, every: Any, memory: Any, tables: Any, x: Any, failed: bool) -> int:
    """Compare."""
    if not x.is_there:
        return MISSING
    if x.value < p.low or x.value > p.high:
        return FAIL
    return SUSPECT if x.value < p.user_low or x.value > p.user_high else PASS


register(
    Test(
        name="gross_range",
        order=4,
        configured=GrossRange,
        parameters=record(("low", "f8"), ("high", "f8"), ("user_low", "f8"), ("user_high", "f8")),
        state=NOTHING,
        judge=judge,
        any_order=True,
        usual=True,
    )
)
