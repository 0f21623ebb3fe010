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


_STATE = ("system", "satellite", "signal", "lock_ms", "flags", "half_cycle")
_LAST_PHASE, _LAST = -2, -1
"""Epochs of what is remembered, in its order."""


class LossMemory:
    """Tells the loss of lock indicators of a recording piece by piece, the same as in one piece.

    Lock was lost when the sender says so, when the lock time is less than it was, or when it is less than
    what passed since the report before. A loss that was seen while there was no phase is told with the next
    phase. The lock times are lower bounds; the true one is less than twice as long, and 32 ms.
    """

    def __init__(self) -> None:
        # of each signal of a satellite: the last row with a phase, and the last row
        self._columns: Columns | None = None
        self._time_us = np.zeros(0, np.int64)
        self._epoch = np.zeros(0, np.int64)

    def indicators(
        self,
        columns: Columns,
        epoch: NDArray[np.int64],
        time_us: NDArray[np.int64],
        has_phase: NDArray[np.bool_],
    ) -> NDArray[np.uint8]:
        """Return the loss of lock indicator of each observation of the next piece.

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
        before = len(self._epoch)
        if self._columns is None:
            known = {name: columns[name] for name in _STATE}
        else:
            known = {name: np.concatenate((self._columns[name], columns[name])) for name in _STATE}
        at = np.concatenate((self._epoch, epoch))
        row_us = np.concatenate((self._time_us, time_us[epoch]))
        has = np.concatenate((self._epoch == _LAST_PHASE, has_phase))
        key = known["system"].astype(np.int64) * _SATELLITES + known["satellite"].astype(np.int64)
        key = key * _KEYS_A_SATELLITE + known["signal"].astype(np.int64)
        order = np.lexsort((at, key))
        key, has = key[order], has[order]
        told, waiting = _losses(known, key, row_us, has, order)
        indicator = np.zeros(len(order), np.uint8)
        half = (known["half_cycle"].astype(np.uint8)[order] & 1) << 1
        indicator[order] = told.astype(np.uint8) | half
        self._remember(known, key, row_us, has, order, waiting)
        return indicator[before:]

    def _remember(
        self,
        known: Columns,
        key: NDArray[np.int64],
        row_us: NDArray[np.int64],
        has: NDArray[np.bool_],
        order: NDArray[np.int64],
        waiting: NDArray[np.bool_],
    ) -> None:
        last = np.flatnonzero(np.append(key[1:] != key[:-1], True)) if len(key) else np.zeros(0, np.int64)
        phases = np.flatnonzero(has)
        last_phase = phases[np.append(key[phases][1:] != key[phases][:-1], True)] if len(phases) else phases
        rows = order[np.concatenate((last_phase, last))]
        self._columns = {name: known[name][rows].copy() for name in _STATE}
        self._time_us = row_us[rows]
        n = len(last_phase)
        self._epoch = np.repeat(np.array([_LAST_PHASE, _LAST]), (n, len(last)))
        # one comparison only: that of the next row with the last one
        self._columns["lock_ms"][:n] = -1
        self._columns["flags"] = np.concatenate(
            (np.zeros(n, np.uint8), np.where(waiting[last], LOST_LOCK, 0).astype(np.uint8))
        )


def _losses(
    known: Columns,
    key: NDArray[np.int64],
    row_us: NDArray[np.int64],
    has: NDArray[np.bool_],
    order: NDArray[np.int64],
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return, in order of the signals, where a loss is told, and where one waits for a phase."""
    lock_ms = known["lock_ms"].astype(np.int64)[order]
    since_ms = row_us[order] // 1000
    passed_ms = np.diff(since_ms, prepend=since_ms[:1])
    before_ms = np.concatenate((lock_ms[:1], lock_ms[:-1]))
    same = np.concatenate(([False], key[1:] == key[:-1]))
    both = same & (lock_ms >= 0) & (before_ms >= 0)
    lost = (known["flags"].astype(np.uint8)[order] & LOST_LOCK) != 0
    lost |= both & ((lock_ms < before_ms) | (2 * lock_ms + _MIN_LOCK_SPAN_MS <= passed_ms))
    losses = np.cumsum(lost)
    rows = np.arange(len(key))
    # without a phase before it: since the signal's first row
    begins = np.searchsorted(key, key)
    phase = np.maximum.accumulate(np.where(has, rows, -1)) if len(rows) else rows
    earlier = np.concatenate(([-1], phase[:-1]))[: len(rows)]
    heard = np.where(earlier >= begins, losses[earlier], losses[begins] - lost[begins])
    now = np.where(phase >= begins, losses[phase], losses[begins] - lost[begins])
    return has & (losses > heard), losses > now
