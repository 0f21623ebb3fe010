"""Two-sided tabular CUSUM: a small shift of the mean that stays.

above = max(0, above + (x - mean) / sigma - slack), below likewise; out of control when one exceeds `limit`
(Page 1954; Montgomery, Introduction to Statistical Quality Control, chapter 9). The slack is half the shift,
in standard deviations, that is to be found quickly; a limit of 4 to 5 gives few false alarms. Mean and
standard deviation are given, or learnt from the first samples and then held.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from kernels.compiled import njit
from sensors.filters import AFTER_GAP, COMMON, SKIPPED, arrival
from sensors.filters.baseline import BASELINE_PARAMETERS, BASELINE_STATE, BaselineParameters, learns
from sensors.quality import MISSING, NOT_EVALUATED, PASS, SUSPECT


class CusumParameters(BaselineParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters in standard deviations."""

    slack: float = 0.5
    limit: float = 5.0
    restarts: bool = False
    """Both sums begin anew after each sample out of control."""

    def check(self) -> None:
        """Look at the parameters."""
        super().check()
        if not (self.slack >= 0 and self.limit > 0):
            raise ValueError("cusum needs a slack of 0 or more and a limit above 0")


PARAMETERS: Final = np.dtype(
    [*COMMON, *BASELINE_PARAMETERS, ("slack", "f8"), ("limit", "f8"), ("restarts", "u1")], align=True
)
STATE: Final = np.dtype([("time_us", "i8"), ("n", "i8"), *BASELINE_STATE, ("above", "f8"), ("below", "f8")])
RESULT: Final = np.dtype([("verdict", "u1"), ("above", "f8"), ("below", "f8")], align=True)


@njit(cache=True, nogil=True)
def run(
    series: Any, time_us: Any, value: Any, flag: Any, parameters: Any, state: Any, memory: Any, results: Any
) -> None:
    """Judge samples; arguments as `sensors.filters.Filter` says."""
    for i in range(len(series)):
        p, s, r = parameters[series[i]], state[series[i]], results[i]
        r.above = r.below = np.nan
        kind = arrival(p, s, time_us[i], value[i], flag[i])
        if kind == SKIPPED:
            r.verdict = MISSING
            continue
        r.verdict = NOT_EVALUATED
        if learns(p, s, value[i]) or s.sigma == 0:
            continue
        deviation = (value[i] - s.mean) / s.sigma
        s.above = max(0.0, s.above + deviation - p.slack)
        s.below = max(0.0, s.below - deviation - p.slack)
        r.above, r.below = s.above, s.below
        over = s.above > p.limit or s.below > p.limit
        if kind != AFTER_GAP:
            r.verdict = SUSPECT if over else PASS
        if over and p.restarts != 0:
            s.above = s.below = 0.0
