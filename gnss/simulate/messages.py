"""What a station sends besides observations, and when."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnss.rtcm.framing import build_frame
from gnss.rtcm.messages import encode, message
from gnss.rtcm.station import encode_1006
from gnss.time import SECOND_US

POSITION_PERIOD_S = 10
EQUIPMENT_PERIOD_S, EQUIPMENT_AT_S = 30, 5
BIASES_PERIOD_S, BIASES_AT_S = 30, 15
EPHEMERIDES_PERIOD_S = 30
"""Each satellite's ephemeris once in such a time: at most four a second of 120 satellites."""
_LONGEST_GAP_S = 60


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
