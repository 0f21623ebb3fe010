"""What a station sends besides observations, and when; and the observations as MSM."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gnss import time as gnss_time
from gnss.observations import Observations
from gnss.rtcm.framing import build_frame
from gnss.rtcm.messages import encode, message
from gnss.rtcm.msm_encode import encode_msm
from gnss.rtcm.msm_layout import FIRST_MESSAGE, MAX_CELLS
from gnss.rtcm.station import encode_1006
from gnss.systems import System
from gnss.time import SECOND_US

POSITION_PERIOD_S = 10
EQUIPMENT_PERIOD_S, EQUIPMENT_AT_S = 30, 5
BIASES_PERIOD_S, BIASES_AT_S = 30, 15
EPHEMERIDES_PERIOD_S = 30
"""Each satellite's ephemeris once in such a time: at most four a second of 120 satellites."""
_LONGEST_GAP_S = 60
_COLUMNS = Observations.__slots__


@dataclass(frozen=True, slots=True)
class Equipment:
    """What 1033 tells."""

    antenna: str = "LEIAR25.R4      LEIT"
    antenna_serial: str = ""
    receiver: str = "SEPT POLARX5"
    firmware: str = "5.5.0"
    receiver_serial: str = ""


def is_due(period_s: int, at_s: int, after_us: int | None, until_us: int) -> bool:
    """Whether a moment `at_s` of a period is after one time and not after another.

    Parameters
    ----------
    after_us
        The epoch before; None for none, which counts as a second before.
    """
    return bool(len(due_slots(period_s, after_us, until_us, at_s, 1)))


def due_slots(
    period_s: int, after_us: int | None, until_us: int, first: int = 0, count: int | None = None
) -> NDArray[np.int64]:
    """Return which seconds of a period passed since the epoch before, out of `count` from `first` on."""
    until_s = until_us // SECOND_US
    after_s = until_s - 1 if after_us is None else after_us // SECOND_US
    after_s = max(after_s, until_s - _LONGEST_GAP_S)
    passed = np.unique(np.arange(after_s + 1, until_s + 1) % period_s)
    return passed[(passed - first) % period_s < (period_s if count is None else count)]


def position_frame(reference_station: int, ecef_m: NDArray[np.float64]) -> bytes:
    """Return a 1006."""
    x, y, z = (float(v) for v in ecef_m)
    return build_frame(encode_1006(reference_station, (x, y, z), 0.0))


def equipment_frame(reference_station: int, equipment: Equipment) -> bytes:
    """Return a 1033."""
    values = {
        "reference_station": reference_station,
        "antenna_descriptor": equipment.antenna,
        "antenna_setup": 0,
        "antenna_serial": equipment.antenna_serial,
        "receiver_descriptor": equipment.receiver,
        "receiver_firmware": equipment.firmware,
        "receiver_serial": equipment.receiver_serial,
    }
    return build_frame(encode(message(1033, values)))


def biases_frame(reference_station: int) -> bytes:
    """Return a 1230 that says: aligned, no biases."""
    names = ("l1_ca_bias_m", "l1_p_bias_m", "l2_ca_bias_m", "l2_p_bias_m")
    values = {"reference_station": reference_station, "aligned": 1, **dict.fromkeys(names, 0.0)}
    return build_frame(encode(message(1230, values)))


def observation_frames(
    observations: Observations, epoch_us: int, reference_station: int, kind: int = 7
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
            number < len(pieces) - 1,
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
