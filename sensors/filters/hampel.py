"""Causal Hampel identifier: a sample far from the median of the window that ends with it.

Out of control is |x - median| > n_sigma * 1.4826 * MAD (Hampel 1974; Davies and Gather 1993) over the last
`width` values, the sample included; 1.4826 makes the median absolute deviation that of a normal distribution.
Nothing is judged before the window is full once. The window holds what came, outliers too: half of it may be.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from kernels.compiled import njit
from sensors.filters import AFTER_GAP, COMMON, SKIPPED, FilterParameters, arrival
from sensors.quality import MISSING, NOT_EVALUATED, PASS, SUSPECT

MAD_TO_SIGMA: Final = 1.4826
MOST_WIDTH: Final = 1001


class HampelParameters(FilterParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters."""

    width: int = 11
    """Samples of the window; 2 k + 1 of the filter that also looks ahead."""
    n_sigma: float = 3.0
    least_sigma: float = 0.0
    """In the unit of the property: what the deviation is never below; the resolution of the instrument."""

    def check(self) -> None:
        """Look at the parameters."""
        super().check()
        if not 3 <= self.width <= MOST_WIDTH:
            raise ValueError(f"hampel needs a width of 3 to {MOST_WIDTH}")
        if not (self.n_sigma > 0 and self.least_sigma >= 0):
            raise ValueError("hampel needs n_sigma above 0 and least_sigma of 0 or more")

    def memory_words(self) -> int:
        """Return the window."""
        return self.width


PARAMETERS: Final = np.dtype([*COMMON, ("width", "i8"), ("n_sigma", "f8"), ("least_sigma", "f8")])
STATE: Final = np.dtype([("time_us", "i8"), ("n", "i8"), ("next", "i8")])
RESULT: Final = np.dtype([("verdict", "u1"), ("median", "f8"), ("sigma", "f8")], align=True)


@njit(cache=True, nogil=True)
def run(
    series: Any, time_us: Any, value: Any, flag: Any, parameters: Any, state: Any, memory: Any, results: Any
) -> None:
    """Judge samples; arguments as `sensors.filters.Filter` says."""
    for i in range(len(series)):
        p, s, r = parameters[series[i]], state[series[i]], results[i]
        r.median = r.sigma = np.nan
        kind = arrival(p, s, time_us[i], value[i], flag[i])
        if kind == SKIPPED:
            r.verdict = MISSING
            continue
        memory[p.memory_at + s.next] = value[i]
        s.next = (s.next + 1) % p.width
        r.verdict = NOT_EVALUATED
        if s.n < p.width:
            continue
        window = memory[p.memory_at : p.memory_at + p.width]
        r.median = np.median(window)
        r.sigma = max(p.least_sigma, MAD_TO_SIGMA * np.median(np.abs(window - r.median)))
        if kind != AFTER_GAP:
            r.verdict = SUSPECT if abs(value[i] - r.median) > p.n_sigma * r.sigma else PASS
