"""Carrier frequencies and radio bands as tables that kernels can index."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gnss.rtcm.signals import CARRIER_HZ, CHANNEL_STEP_HZ, N_SIGNALS

BANDS = ("L5", "L2", "L6", "L1", "S")
"""Radio bands that an interferer hits as one, whatever the satellite system."""
_EDGES_HZ = ((1.150e9, 1.215e9), (1.215e9, 1.259e9), (1.259e9, 1.310e9), (1.550e9, 1.620e9), (2.4e9, 2.6e9))


def _bands(hz: NDArray[np.float64]) -> NDArray[np.int8]:
    band = np.full(hz.shape, -1, np.int8)
    for number, (low, high) in enumerate(_EDGES_HZ):
        band[(hz >= low) & (hz < high)] = number
    return band


FREQUENCY_HZ: NDArray[np.float64] = np.nan_to_num(CARRIER_HZ)
"""Shape (7, 33), by system and signal; GLONASS at channel 0; 0 where the signal is unknown."""
BAND = _bands(FREQUENCY_HZ)
"""Shape (7, 33): row in `BANDS`, -1 where the signal is unknown."""

__all__ = ["BAND", "BANDS", "CHANNEL_STEP_HZ", "FREQUENCY_HZ", "N_SIGNALS"]
