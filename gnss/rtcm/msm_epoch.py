"""The MSM of an epoch: one message for each system, or several where its observations do not fit one."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gnss import time as gnss_time
from gnss.observations import Observations
from gnss.rtcm.framing import build_frame
from gnss.rtcm.msm_encode import encode_msm
from gnss.rtcm.msm_layout import FIRST_MESSAGE, MAX_CELLS
from gnss.systems import System

_COLUMNS = Observations.__slots__


def observation_frames(
    observations: Observations,
    epoch_us: int,
    reference_station: int,
    kind: int = 7,
    *,
    more_follow: bool = False,
) -> list[bytes]:
    """Return the MSM of an epoch.

    Parameters
    ----------
    observations
        By system, satellite and signal. A system whose satellites and signals would span more than 64 cells
        (DF396) is told in several messages.
    epoch_us
        UTC.
    kind
        4 to 7.
    more_follow
        Other messages of this epoch come behind these.
    """
    if not len(observations):
        return []
    system = observations.system
    borders = [0, *(np.flatnonzero(np.diff(system.astype(np.int64))) + 1).tolist(), len(system)]
    pieces: list[tuple[int, int]] = []
    for begin, end in pairwise(borders):
        cuts = _cuts(observations.satellite[begin:end], observations.signal[begin:end])
        pieces += [(begin + i, begin + j) for i, j in pairwise([0, *cuts, end - begin])]
    frames = []
    for number, (begin, end) in enumerate(pieces):
        of_system = System(int(system[begin]))
        part = Observations(*(getattr(observations, name)[begin:end] for name in _COLUMNS))
        payload = encode_msm(
            FIRST_MESSAGE + 10 * int(of_system) + kind - 1,
            reference_station,
            gnss_time.msm_time_ms(epoch_us, of_system),
            more_follow or number < len(pieces) - 1,
            part,
        )
        frames.append(build_frame(payload))
    return frames


def _cuts(satellite: NDArray[np.uint8], signal: NDArray[np.uint8]) -> list[int]:
    """Return where a system's observations are cut so that no piece spans more than 64 cells."""
    first = np.flatnonzero(np.diff(satellite.astype(np.int64), prepend=-1))
    if len(first) * len(set(signal.tolist())) <= MAX_CELLS:
        return []
    cuts, satellites, signals = [], 0, set[int]()
    bounds = [*first.tolist(), len(satellite)]
    for at, behind in pairwise(bounds):
        mine = set(signal[at:behind].tolist())
        if (satellites + 1) * len(signals | mine) > MAX_CELLS:
            cuts.append(at)
            satellites, signals = 0, set()
        satellites += 1
        signals |= mine
    return cuts
