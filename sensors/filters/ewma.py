"""Exponentially weighted moving average with control limits: small shifts of the mean.

z = weight * x + (1 - weight) * z, from the mean on; out of control is |z - mean| above limit * sigma *
sqrt(weight / (2 - weight) * (1 - (1 - weight)^(2 i))) at the i-th sample (Roberts 1959; Lucas and Saccucci
1990). Mean and standard deviation are given, or learnt from the first samples and then held.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from kernels.compiled import njit
from sensors.filters import AFTER_GAP, COMMON, SKIPPED, arrival
from sensors.filters.baseline import BASELINE_PARAMETERS, BASELINE_STATE, BaselineParameters, learns
from sensors.quality import MISSING, NOT_EVALUATED, PASS, SUSPECT


class EwmaParameters(BaselineParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters; a weight of 0.1 to 0.3 and a limit of 2.7 to 3 are usual."""

    weight: float = 0.2
    limit: float = 3.0

    def check(self) -> None:
        """Look at the parameters."""
        super().check()
        if not (0 < self.weight <= 1 and self.limit > 0):
            raise ValueError("ewma needs a weight above 0, at most 1, and a limit above 0")


PARAMETERS: Final = np.dtype([*COMMON, *BASELINE_PARAMETERS, ("weight", "f8"), ("limit", "f8")])
STATE: Final = np.dtype(
    [
        ("time_us", "i8"),
        ("n", "i8"),
        *BASELINE_STATE,
        ("judged", "i8"),
        ("average", "f8"),
        ("forgotten", "f8"),
    ]
)
RESULT: Final = np.dtype([("verdict", "u1"), ("average", "f8"), ("low", "f8"), ("high", "f8")], align=True)


@njit(cache=True, nogil=True)
def run(
    series: Any, time_us: Any, value: Any, flag: Any, parameters: Any, state: Any, memory: Any, results: Any
) -> None:
    """Judge samples; arguments as `sensors.filters.Filter` says."""
    for i in range(len(series)):
        p, s, r = parameters[series[i]], state[series[i]], results[i]
        r.average = r.low = r.high = np.nan
        kind = arrival(p, s, time_us[i], value[i], flag[i])
        if kind == SKIPPED:
            r.verdict = MISSING
            continue
        r.verdict = NOT_EVALUATED
        if learns(p, s, value[i]):
            continue
        if s.judged == 0:
            s.average, s.forgotten = s.mean, 1.0
        s.judged += 1
        s.average += p.weight * (value[i] - s.average)
        s.forgotten *= (1 - p.weight) * (1 - p.weight)
        width = p.limit * s.sigma * np.sqrt(p.weight / (2 - p.weight) * (1 - s.forgotten))
        r.average, r.low, r.high = s.average, s.mean - width, s.mean + width
        if kind != AFTER_GAP:
            r.verdict = SUSPECT if abs(s.average - s.mean) > width else PASS
