"""Short over long averages of a seismogram's energy.

Sources: Withers et al. (1998), BSSA 88(1), 95-106 (recursive, classic and Z); Allen (1978). Trnkoczy (2012),
NMSOP IS 8.1, on how their lengths are chosen.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels.compiled import njit

AVERAGES = [("sta", "f8"), ("lta", "f8"), ("averaged", "i8")]
"""Columns of states that `recursive_ratio` moves on."""
LENGTHS = [("sta_n", "f8"), ("lta_n", "f8")]
"""Columns of limits: the lengths in samples."""


@njit(cache=True, nogil=True)
def recursive_ratio(limit: Any, state: Any, value: float) -> float:
    """Return STA/LTA after one more sample; 0 for the first `lta_n` samples, which it does not trust.

    The first sample is not averaged, as in Withers' recursion: it is where the averages start.
    """
    if state.averaged > 0:
        energy = value * value
        state.sta += (energy - state.sta) / limit.sta_n
        state.lta += (energy - state.lta) / limit.lta_n
    state.averaged += 1
    if state.averaged <= limit.lta_n or state.lta <= 0.0:
        return 0.0
    return float(state.sta / state.lta)


@njit(cache=True, nogil=True)
def classic_ratio(value: Any, sta_n: int, lta_n: int) -> Any:
    """Return the ratio of two moving averages that end with the same sample.

    Parameters
    ----------
    value
        Shape (n,), filtered.
    sta_n, lta_n
        Lengths in samples, sta_n < lta_n.

    Returns
    -------
    Shape (n,); 0 before `lta_n` samples are there.
    """
    ratio = np.zeros(len(value))
    short = long = 0.0
    for i in range(len(value)):
        short += value[i] ** 2
        long += value[i] ** 2
        if i >= sta_n:
            short -= value[i - sta_n] ** 2
        if i >= lta_n:
            long -= value[i - lta_n] ** 2
        if i >= lta_n - 1 and long > 0.0:
            ratio[i] = (short / sta_n) / (long / lta_n)
    return ratio


@njit(cache=True, nogil=True)
def z_detect(value: Any, sta_n: int) -> Any:
    """Return the standard score of the short average among all short averages of the piece, shape (n,).

    Before `sta_n` samples are there, what is missing counts as 0.
    """
    short = np.empty(len(value))
    total = 0.0
    for i in range(len(value)):
        total += value[i] ** 2
        if i >= sta_n:
            total -= value[i - sta_n] ** 2
        short[i] = total / sta_n
    spread = short.std()
    if spread == 0.0:
        return np.zeros(len(value))
    return (short - short.mean()) / spread
