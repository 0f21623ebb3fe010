"""QARTOD test 6, spike: whether a sample stands out between its neighbours.

A verdict needs the sample that follows: it comes with that one, and until then it is 2. `average` (manual
and
ioos_qc): the distance from the mean of both neighbours. `differential` (ioos_qc): the smaller of the steps
towards and away from the sample, where these have opposite directions; a step of the series itself is none.
`third_difference` (the manual's alternative): |v[n-3] - 3 v[n-2] + 3 v[n-1] - v[n]|, three times the height
of a lone spike at n-1 where limits are in the same unit; it marks the sample behind the spike, too.

manual and ioos_qc agree where both have the method.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from kernels.compiled import njit
from sensors.quality import (
    FAIL,
    MISSING,
    NOT_EVALUATED,
    NOTHING,
    PASS,
    SUSPECT,
    Facts,
    Parameters,
    Test,
    record,
    register,
)

_METHODS = ("average", "differential", "third_difference")
_AVERAGE, _DIFFERENTIAL = 0, 1


class Spike(Parameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits in the unit of the property."""

    suspect: float
    fail: float | None = None
    method: Literal["average", "differential", "third_difference"] = "average"

    def check(self, *, ioos_qc: bool) -> None:
        """Look at the parameters."""
        if not 0 < self.suspect <= (self.suspect if self.fail is None else self.fail):
            raise ValueError("spike needs 0 < suspect <= fail")
        if ioos_qc and self.method == "third_difference":
            raise ValueError("ioos_qc knows no spike by third_difference; choose average or differential")

    def fill(self, record: NDArray[np.void], facts: Facts) -> None:
        """Give the limits."""
        del facts
        record["suspect"] = self.suspect
        record["fail"] = np.inf if self.fail is None else self.fail
        record["method"] = _METHODS.index(self.method)


@njit(inline="always")
def judge(p: Any, s: Any, line: Any, every: Any, memory: Any, tables: Any, x: Any, failed: bool) -> int:
    """Wait for the sample that follows."""
    return NOT_EVALUATED if x.is_there else MISSING


@njit(inline="always")
def revise(p: Any, s: Any, line: Any, every: Any, memory: Any, tables: Any, x: Any, flag: int) -> int:
    """Judge the sample before."""
    if line.n < 2 or flag == MISSING:
        return flag
    before, value = line.value_before, line.value
    if not np.isfinite(before + value + x.value):
        return NOT_EVALUATED
    if p.method == _AVERAGE:
        height = abs(value - (before + x.value) / 2)
    elif p.method == _DIFFERENTIAL:
        up, down = value - before, x.value - value
        height = min(abs(up), abs(down)) if up * down < 0 else 0.0
    else:
        height = abs(line.value_before_that - 3 * before + 3 * value - x.value)
        if line.n < 3 or not np.isfinite(height):
            return NOT_EVALUATED
    if height > p.fail:
        return FAIL
    return SUSPECT if height > p.suspect else PASS


register(
    Test(
        name="spike",
        order=6,
        configured=Spike,
        parameters=record(("suspect", "f8"), ("fail", "f8"), ("method", "u1")),
        state=NOTHING,
        judge=judge,
        revise=revise,
        usual=True,
    )
)
