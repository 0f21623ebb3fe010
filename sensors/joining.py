"""Three components of one vector, which come as three series, by their times; for kernels."""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels.compiled import njit

COMPONENTS = 3
WAITING = 32
"""A component may be so many samples behind the others."""
JOIN = np.dtype(
    [
        ("n", "i8", (COMPONENTS,)),  # samples that came
        ("time_us", "i8", (COMPONENTS, WAITING)),
        ("value", "f8", (COMPONENTS, WAITING)),
        ("out", "f8", (COMPONENTS,)),
    ]
)


@njit(cache=True, nogil=True)
def join(waiting: Any, component: int, time_us: int, value: float) -> bool:
    """Take a sample of a component; return whether all are there for its time, and then stand in `out`."""
    at = waiting.n[component] % WAITING
    waiting.time_us[component, at] = time_us
    waiting.value[component, at] = value
    waiting.n[component] += 1
    waiting.out[component] = value
    for other in range(COMPONENTS):
        if other == component:
            continue
        count = min(waiting.n[other], WAITING)
        found = False
        for k in range(1, count + 1):
            at = (waiting.n[other] - k) % WAITING
            if waiting.time_us[other, at] == time_us:
                waiting.out[other] = waiting.value[other, at]
                found = True
                break
        if not found:
            return False
    return True
