"""From what single moments reach to the life of an event: begin, worse, over; for kernels.

A level is reached when enough of the last moments reach it. It rises at once and never falls; the event ends
when it has been quiet for a while.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels.compiled import njit

OF = 5
"""So many moments are looked at."""
LADDER = np.dtype(
    [
        ("n", "i8"),
        ("reached", "i8", (OF,)),  # an index of LEVELS, or -1; oldest first
        ("time_us", "i8", (OF,)),
        ("onset_us", "i8"),  # 0: there is no event
        ("level", "i8"),
        ("quiet_since_us", "i8"),  # 0: it is not quiet
        ("largest", "f8"),
    ]
)
NOTHING, BEGIN, WORSE, END = range(4)


@njit(cache=True, nogil=True)
def climb(ladder: Any, time_us: int, reached: int, value: float, enough: int) -> int:
    """Take what a moment reaches (-1: nothing); return NOTHING, BEGIN or WORSE.

    The onset is the first of the moments that made the event. `largest` is the value furthest from zero.
    """
    if ladder.n == OF:
        for k in range(OF - 1):
            ladder.reached[k], ladder.time_us[k] = ladder.reached[k + 1], ladder.time_us[k + 1]
        ladder.n -= 1
    ladder.reached[ladder.n], ladder.time_us[ladder.n] = reached, time_us
    ladder.n += 1
    level = -1
    for candidate in range(reached + 1):
        count = 0
        for k in range(ladder.n):
            count += ladder.reached[k] >= candidate
        if count >= enough:
            level = candidate
    if ladder.onset_us == 0:
        if level < 0:
            return NOTHING
        k = 0
        while ladder.reached[k] < 0:
            k += 1
        ladder.onset_us, ladder.level, ladder.largest = ladder.time_us[k], level, value
        ladder.quiet_since_us = 0
        return BEGIN
    if abs(value) > abs(ladder.largest):
        ladder.largest = value
    if level > ladder.level:
        ladder.level = level
        return WORSE
    return NOTHING


@njit(cache=True, nogil=True)
def is_over(ladder: Any, time_us: int, is_quiet: bool, quiet_us: int) -> bool:
    """Take whether an event is quiet at a moment; return whether it has been so for long enough."""
    if ladder.onset_us == 0:
        return False
    if not is_quiet:
        ladder.quiet_since_us = 0
        return False
    if ladder.quiet_since_us == 0:
        ladder.quiet_since_us = time_us
    return bool(time_us - ladder.quiet_since_us >= quiet_us)


@njit(cache=True, nogil=True)
def close(ladder: Any) -> None:
    """The event is over."""
    ladder.onset_us = ladder.level = ladder.quiet_since_us = ladder.n = 0
    ladder.largest = 0.0


@njit(cache=True, nogil=True)
def pause(ladder: Any) -> None:
    """Nothing is known of a while: what was reached before it counts no more, and quiet begins anew."""
    ladder.n = ladder.quiet_since_us = 0
