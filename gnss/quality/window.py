"""Sums over a station's last minute, slot by slot: a ring of 60 slots (`gnss.quality.grid`)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from gnss.quality.memory import SUMS

_SUMS = len(SUMS)
SLOTS = 60
"""Length of the window: a minute at 1 Hz."""


@njit(cache=True, nogil=True, error_model="numpy")
def add(slots: Any, values: Any, slot: int, sums: Any) -> None:
    """Add to a slot; one older than the window is left out.

    Parameters
    ----------
    slots, values
        Memory: shape (60,), int64; (60, k), float32.
    sums
        Shape (k,).
    """
    at = slot % SLOTS
    if slots[at] > slot:
        return
    if slots[at] != slot:
        slots[at] = slot
        for j in range(len(sums)):
            values[at, j] = np.float32(sums[j])
        return
    for j in range(len(sums)):
        values[at, j] += np.float32(sums[j])


@njit(cache=True, nogil=True, error_model="numpy")
def total(slots: Any, values: Any, slot: int, sums: Any) -> None:
    """Write the sums over the window that ends with `slot` to `sums`, shape (k,), float32."""
    sums[:] = np.float32(0.0)
    for at in range(SLOTS):
        if slot - SLOTS < slots[at] <= slot:
            for j in range(_SUMS):  # a number that the compiler knows
                sums[j] += values[at, j]
