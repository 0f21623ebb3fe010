"""Sums over a station's last minute, slot by slot: a ring of 60 slots (`gnss.quality.grid`) and its total.

The total is kept up as slots come and go, and summed up anew once in a round of the ring, so that rounding
cannot pile up.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gnss.quality.memory import SUMS
from kernels.compiled import njit

_SUMS = len(SUMS)
SLOTS = 60
"""Length of the window: a minute at 1 Hz."""
_EMPTY = -1


@njit(cache=True, nogil=True, error_model="numpy")
def clear(slots: Any, values: Any, total: Any) -> None:
    """Empty a window; parameters as for `add`."""
    slots[:] = _EMPTY
    values[:] = np.float32(0.0)
    total[:] = 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def turn(slots: Any, values: Any, total: Any, last: int, slot: int) -> None:
    """Let the window end with `slot`, not with `last`: what is older leaves it.

    Parameters
    ----------
    last, slot
        `slot` is not before `last`.
    """
    oldest = slot - SLOTS
    for old in range(max(last - SLOTS + 1, oldest - SLOTS + 1), oldest + 1):
        at = old % SLOTS
        if old >= 0 and slots[at] == old:
            slots[at] = _EMPTY
            for j in range(_SUMS):
                total[j] -= values[at, j]


@njit(cache=True, nogil=True, error_model="numpy")
def add(slots: Any, values: Any, total: Any, last: int, slot: int, sums: Any) -> None:
    """Add to a slot of the window that ends with `last`; one that is older or newer is left out.

    Parameters
    ----------
    slots, values, total
        Memory: shape (60,), int32; (60, k), float32; (k,), float64.
    sums
        Shape (k,), float32.
    """
    if not last - SLOTS < slot <= last:
        return
    at = slot % SLOTS
    if slots[at] != slot:
        slots[at] = slot
        for j in range(_SUMS):  # a number that the compiler knows
            values[at, j] = np.float32(0.0)
    for j in range(_SUMS):
        values[at, j] += sums[j]
        total[j] += sums[j]
    if at == 0:
        total[:] = 0.0
        for k in range(SLOTS):
            if slots[k] != _EMPTY:
                for j in range(_SUMS):
                    total[j] += values[k, j]
