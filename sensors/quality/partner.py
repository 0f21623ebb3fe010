"""How a test finds what another series of the same site says at the time of a sample.

The partner's newest sample and the one before it are looked at, in the order of arrival: of both the nearer
one in time counts, if it is within the tolerance and has not failed. Nobody waits. A test that finds none is
not evaluated, and tries once more when the next sample of its own series comes; then the verdict is a
revision. So it does not matter which of two sensors stands first in a message, nor how input is cut; a
partner that is later than a whole sampling period is not waited for.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels.compiled import njit
from sensors.quality import FAIL, MISSING, Facts


def tolerance_us(tolerance_s: float | None, facts: Facts) -> int:
    """Return how far in time a partner's sample may be; half a sampling period unless said."""
    return round((facts.period_s / 2 if tolerance_s is None else tolerance_s) * 1e6)


def check_tolerance(tolerance_s: float | None) -> None:
    """Raise ValueError unless the tolerance can be one."""
    if tolerance_s is not None and not 0 <= tolerance_s <= 86_400:
        raise ValueError("tolerance_s is from 0 to 86400")


@njit(cache=True, nogil=True)
def joined(every: Any, partner: int, time_us: int, tolerance: int) -> float:
    """Return the partner's value at a time; NaN: there is none."""
    if partner < 0:
        return np.nan
    line = every[partner].line
    value: float = line.value
    apart, flag = abs(line.time_us - time_us), line.flag
    if line.time_before_us != 0 and abs(line.time_before_us - time_us) < apart:
        apart, value, flag = abs(line.time_before_us - time_us), line.value_before, line.flag_before
    if line.time_us == 0 or apart > tolerance or flag in (FAIL, MISSING):
        return np.nan
    return value
