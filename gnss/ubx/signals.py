"""u-blox numbers of systems, satellites and signals as those of the columns that all share.

Source: u-blox interface descriptions, satellite numbering and signal identifiers. Signals that MSM has no id
for (QZSS L1S and L1C/B, L1 of NavIC) have none here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gnss.rtcm.signals import RINEX_CODES
from gnss.systems import System

SYSTEMS: dict[int, System] = {
    0: System.GPS,
    1: System.SBAS,
    2: System.GALILEO,
    3: System.BEIDOU,
    5: System.QZSS,
    6: System.GLONASS,
    7: System.NAVIC,
}
"""By gnssId."""
NO_SYSTEM = 255
UNKNOWN_SLOT = 255
"""svId of a GLONASS satellite whose slot the receiver does not know."""
FIRST_SATELLITE = {System.SBAS: 100}
"""What is taken from svId: 120 is S20."""
NO_SIGNAL = 0

_RINEX: dict[System, dict[int, str]] = {
    System.GPS: {0: "1C", 3: "2L", 4: "2S", 6: "5I", 7: "5Q"},
    System.SBAS: {0: "1C"},
    System.GALILEO: {0: "1C", 1: "1B", 3: "5I", 4: "5Q", 5: "7I", 6: "7Q", 8: "6B", 9: "6C", 10: "6A"},
    System.BEIDOU: {
        0: "2I",
        1: "2I",
        2: "7I",
        3: "7I",
        4: "6I",
        5: "1P",
        6: "1D",
        7: "5P",
        8: "5D",
        10: "6I",
    },
    System.QZSS: {0: "1C", 4: "2S", 5: "2L", 8: "5I", 9: "5Q"},
    System.GLONASS: {0: "1C", 2: "2C"},
    System.NAVIC: {0: "5A"},
}
"""RINEX band and attribute by sigId."""


def _tables() -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.int64]]:
    system = np.full(256, NO_SYSTEM, np.uint8)
    signal = np.zeros((256, 256), np.uint8)
    first = np.zeros(256, np.int64)
    for number, known in SYSTEMS.items():
        system[number], first[number] = known, FIRST_SATELLITE.get(known, 0)
        ids = {code: identity for identity, code in RINEX_CODES[known].items()}
        for code, rinex in _RINEX[known].items():
            signal[number, code] = ids[rinex]
    for table in (system, signal, first):
        table.flags.writeable = False
    return system, signal, first


SYSTEM_OF, SIGNAL_OF, FIRST_OF = _tables()
"""By gnssId, shape (256,); by gnssId and sigId, shape (256, 256), `NO_SIGNAL` where MSM has none; what is
taken from svId, shape (256,)."""
