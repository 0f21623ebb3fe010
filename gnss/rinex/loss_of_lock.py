"""The loss of lock indicator from lock times and flags (RINEX 3.05, section 5.4)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gnss.observations import LOST_LOCK

Columns = dict[str, NDArray[np.generic]]
"""Columns of `Observations` by name."""

_KEYS_A_SATELLITE, _SATELLITES = 64, 256
_MIN_LOCK_SPAN_MS = 32
"""What the shortest lock time of DF402 may be."""


def loss_indicators(
    columns: Columns, epoch: NDArray[np.int64], time_us: NDArray[np.int64], has_phase: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Return the loss of lock indicator of each observation.

    Lock was lost when the sender says so, when the lock time is less than it was, or when it is less than
    what passed since the report before. A loss that was seen while there was no phase is told with the next
    phase. The lock times are lower bounds; the true one is less than twice as long, and 32 ms.

    Parameters
    ----------
    columns
        `Observations` by name, shape (n,).
    epoch
        Row in `time_us` of each observation, shape (n,).
    time_us
        Times of the epochs, shape (e,).
    has_phase
        Whether a phase is written, shape (n,).

    Returns
    -------
    Bit 0 loss of lock, bit 1 half cycle; uint8 of shape (n,).
    """
    key = columns["system"].astype(np.int64) * _SATELLITES + columns["satellite"].astype(np.int64)
    key = key * _KEYS_A_SATELLITE + columns["signal"].astype(np.int64)
    order = np.lexsort((epoch, key))
    key, lock_ms = key[order], columns["lock_ms"].astype(np.int64)[order]
    flags = columns["flags"].astype(np.uint8)[order]
    since_ms = time_us[epoch[order]] // 1000
    passed_ms = np.diff(since_ms, prepend=since_ms[:1])
    before_ms = np.concatenate((lock_ms[:1], lock_ms[:-1]))
    same = np.concatenate(([False], key[1:] == key[:-1]))
    both = same & (lock_ms >= 0) & (before_ms >= 0)
    lost = (flags & LOST_LOCK) != 0
    lost |= both & ((lock_ms < before_ms) | (2 * lock_ms + _MIN_LOCK_SPAN_MS <= passed_ms))
    losses = np.cumsum(lost)
    rows = np.flatnonzero(has_phase[order])
    told = np.zeros(len(lost), bool)
    if len(rows):
        earlier = np.concatenate((rows[:1], rows[:-1]))
        begins = np.searchsorted(key, key[rows])  # without a phase before it: since the signal's first row
        known = np.where(
            (key[earlier] == key[rows]) & (earlier < rows), losses[earlier], losses[begins] - lost[begins]
        )
        told[rows] = losses[rows] > known
    indicator = np.zeros(len(lost), np.uint8)
    half = (columns["half_cycle"].astype(np.uint8)[order] & 1) << 1
    indicator[order] = told.astype(np.uint8) | half
    return indicator
