"""The gain of a running mean that forgets: shared by what follows arcs and levels."""

from __future__ import annotations

import numpy as np

from kernels.compiled import njit

_INVERSE = 1.0 / np.maximum(np.arange(1024.0), 1.0)
"""Divisions are what such a kernel waits for."""


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def mean_gain(count: int, dt_s: float, per_window_s: float, most: float) -> float:
    """Return the weight of a new value: 1/count of a young mean, later the share of the window it stands for.

    Parameters
    ----------
    count
        Values, the new one included; > 0.
    dt_s
        Time since the value before.
    per_window_s
        1 over the length of the window.
    most
        1 over the least values of the window, where they are far apart.
    """
    share = min(dt_s * per_window_s, most)
    young = _INVERSE[count] if count < len(_INVERSE) else 1.0 / count
    return float(max(share, young))
