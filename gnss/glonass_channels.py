"""GLONASS frequency numbers for observations whose messages do not tell them (MSM4, MSM6, 1009 to 1012)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gnss.observations import Observations
from gnss.systems import UNKNOWN_CHANNEL, System


def with_channels(observations: Observations, channel_of: NDArray[np.int8]) -> Observations:
    """Return observations with the frequency numbers that ephemerides tell, where they have none.

    Parameters
    ----------
    channel_of
        By slot from 1 on, `UNKNOWN_CHANNEL` where it is not known; shape (at least 1,).
    """
    slot = observations.satellite.astype(np.int64)
    unknown = (observations.system == System.GLONASS) & (observations.channel == UNKNOWN_CHANNEL)
    unknown &= (slot > 0) & (slot <= len(channel_of))
    if not unknown.any():
        return observations
    channel = observations.channel.copy()
    channel[unknown] = channel_of[slot[unknown] - 1]
    return replace(observations, channel=channel)
