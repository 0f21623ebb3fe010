"""QARTOD test 8, flat line: whether the instrument stands still.

manual: so many samples before the newest differ from it by less than the tolerance; the first sample is not
evaluated, a missing one breaks the line.
ioos_qc: the range in a window of so many samples and the newest is below the tolerance; missing ones are
skipped. There a window is a time, divided by the median interval of the whole series; here it is a count.
"""

from __future__ import annotations

from typing import Any

import numpy as np

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
)

MOST_COUNT = 10_000


class FlatLine(Parameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """So many samples before the newest that differ by less than `tolerance`."""

    suspect_count: int
    fail_count: int
    tolerance: float

    def check(self, *, ioos_qc: bool) -> None:
        """Look at the parameters."""
        del ioos_qc
        if not 1 <= self.suspect_count <= self.fail_count <= MOST_COUNT:
            raise ValueError(f"flat_line needs 1 <= suspect_count <= fail_count <= {MOST_COUNT}")
        if self.tolerance < 0:
            raise ValueError("flat_line needs a tolerance of 0 or more")

    def memory_words(self, facts: Facts) -> int:
        """Return the length of the ring of the last values."""
        del facts
        return self.fail_count


@njit(inline="always")
def judge(p: Any, s: Any, line: Any, every: Any, memory: Any, tables: Any, x: Any, failed: bool) -> int:
    """Look back as long as the values are alike."""
    if x.fresh:
        s.n = s.next = 0
    verdict = _ioos_qc(p, s, memory, x.value) if x.ioos_qc else _manual(p, s, memory, x.value)
    memory[p.memory_at + s.next] = x.value if x.is_there else np.nan
    s.next = s.next + 1 if s.next + 1 < p.fail_count else 0
    s.n = min(s.n + 1, p.fail_count)
    return verdict if x.is_there else MISSING


@njit(inline="always")
def _manual(p: Any, s: Any, memory: Any, value: float) -> int:
    if s.n == 0:
        return NOT_EVALUATED
    alike, at = 0, s.next
    while alike < s.n:
        at = (at if at > 0 else p.fail_count) - 1
        if not abs(value - memory[p.memory_at + at]) < p.tolerance:
            break
        alike += 1
    if alike >= p.fail_count:
        return FAIL
    return SUSPECT if alike >= p.suspect_count else PASS


@njit(inline="always")
def _ioos_qc(p: Any, s: Any, memory: Any, value: float) -> int:
    low = high = value
    at, verdict = s.next, PASS
    for back in range(1, s.n + 1):
        at = (at if at > 0 else p.fail_count) - 1
        earlier = memory[p.memory_at + at]
        if earlier == earlier:  # noqa: PLR0124 - not NaN
            low, high = min(low, earlier), max(high, earlier)
        if not high - low < p.tolerance:
            break
        if back == p.suspect_count:
            verdict = SUSPECT
        if back == p.fail_count:
            verdict = FAIL
    return verdict


register(
    Test(
        name="flat_line",
        order=8,
        configured=FlatLine,
        parameters=record(
            ("suspect_count", "i8"), ("fail_count", "i8"), ("tolerance", "f8"), ("memory_at", "i8")
        ),
        state=record(("n", "i8"), ("next", "i8")),
        judge=judge,
        usual=True,
    )
)
