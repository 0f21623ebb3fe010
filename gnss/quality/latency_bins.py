"""Counts of latencies in bins, for percentiles of any number of epochs: bounded, and right to 1 % or 10 ms.

Bins are 20 ms wide below a second and grow by 2 % each above it, on both sides of zero; a percentile is the
middle of its bin.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from kernels.compiled import njit

LINEAR_S = 0.02
LINEAR_TO_S = 1.0
RATIO = 1.02
LONGEST_S, MOST_AHEAD_S = 21_600.0, 100.0
"""What is longer, or earlier than it was observed by more, counts in the last bin of its side."""

_LINEAR = round(LINEAR_TO_S / LINEAR_S)
_LOG_RATIO = math.log(RATIO)


def _bins_to(end_s: float) -> int:
    return _LINEAR + math.ceil(math.log(end_s / LINEAR_TO_S) / _LOG_RATIO)


_BEHIND, _AHEAD = _bins_to(LONGEST_S), _bins_to(MOST_AHEAD_S)
BINS = _BEHIND + _AHEAD


@njit(cache=True, nogil=True)
def bin_of(latency_s: float) -> int:
    """Return the bin of a latency that is not NaN."""
    size, room = abs(latency_s), _AHEAD if latency_s < 0.0 else _BEHIND
    if size < LINEAR_TO_S:
        place = min(int(size / LINEAR_S), _LINEAR - 1)
    elif size < LONGEST_S:
        place = min(_LINEAR + int(math.log(size / LINEAR_TO_S) / _LOG_RATIO), room - 1)
    else:
        place = room - 1
    return _AHEAD - 1 - place if latency_s < 0.0 else _AHEAD + place


def _middles() -> NDArray[np.float64]:
    """Return the middle of each bin in s, shape (BINS,): arithmetic, above a second geometric."""
    linear = (np.arange(_LINEAR) + 0.5) * LINEAR_S
    above = LINEAR_TO_S * RATIO ** (np.arange(_BEHIND - _LINEAR) + 0.5)
    side = np.concatenate((linear, above))
    middles: NDArray[np.float64] = np.concatenate((-side[:_AHEAD][::-1], side))
    return middles


MIDDLES_S = _middles()


def percentiles_s(counts: NDArray[np.int32], shares: tuple[float, ...]) -> list[float]:
    """Return percentiles (nearest rank) in s.

    Parameters
    ----------
    counts
        Shape (BINS,), not all zero.
    shares
        0 to 1 each.
    """
    reached = np.cumsum(counts.astype(np.int64))
    ranks = [max(math.ceil(share * int(reached[-1])), 1) for share in shares]
    return [float(MIDDLES_S[np.searchsorted(reached, rank)]) for rank in ranks]
