"""BINEX numbers of systems, satellites and signals as those of the columns that all share.

Source: UNAVCO, BINEX record 0x7f-05, as open implementations read it. Signals that MSM has no id for (Y, M, N
and D of GPS, G3 of GLONASS, Z of QZSS) have none here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gnss.rtcm.signals import RINEX_CODES
from gnss.systems import System

SYSTEMS = (System.GPS, System.GLONASS, System.SBAS, System.GALILEO, System.BEIDOU, System.QZSS)
"""By BINEX's number."""
CODES = 32
NO_SIGNAL = 0
FIRST_SATELLITE = {System.SBAS: 100, System.QZSS: 192}
"""What is taken from numbers above it: PRN 120 is S20, PRN 193 is J01."""

_RINEX: dict[System, dict[int, str]] = {
    System.GPS: {0: "1C", 1: "1C", 2: "1P", 3: "1W", 6: "1X", 10: "2W", 11: "2C", 13: "2S", 14: "2L"}
    | {15: "2X", 16: "2P", 17: "2W", 23: "5X", 24: "5I", 25: "5Q", 26: "5X"},
    System.GLONASS: {0: "1C", 1: "1C", 2: "1P", 10: "2C", 11: "2C", 12: "2P"},
    System.SBAS: {0: "1C", 1: "1C", 6: "5X", 7: "5I", 8: "5Q", 9: "5X"},
    System.GALILEO: {0: "1C", 1: "1A", 2: "1B", 3: "1C", 4: "1X", 5: "1Z"}
    | {6: "5X", 7: "5I", 8: "5Q", 9: "5X", 10: "7X", 11: "7I", 12: "7Q", 13: "7X"}
    | {14: "8X", 15: "8I", 16: "8Q", 17: "8X", 18: "6X", 19: "6A", 20: "6B", 21: "6C", 22: "6X", 23: "6Z"},
    System.BEIDOU: {0: "2X", 1: "2I", 2: "2Q", 3: "2X", 4: "7X", 5: "7I", 6: "7Q", 7: "7X"}
    | {8: "6X", 9: "6I", 10: "6Q", 11: "6X", 12: "1X", 13: "1D", 14: "1P", 15: "1X"},
    System.QZSS: {0: "1C", 1: "1C", 2: "1S", 3: "1L", 4: "1X", 7: "2X", 8: "2S", 9: "2L", 10: "2X"}
    | {13: "5X", 14: "5I", 15: "5Q", 16: "5X", 19: "6X", 20: "6S", 21: "6L", 22: "6X"},
}
"""RINEX band and attribute by BINEX's code; the first one of a band stands for a signal that is not told."""


def _signals() -> NDArray[np.uint8]:
    table = np.zeros((len(SYSTEMS), CODES), np.uint8)
    for number, system in enumerate(SYSTEMS):
        ids = {code: signal for signal, code in RINEX_CODES[system].items()}
        for code, rinex in _RINEX[system].items():
            table[number, code] = ids[rinex]
    table.flags.writeable = False
    return table


SIGNALS = _signals()
"""Shape (6, 32), by BINEX's system and code: MSM signal id, `NO_SIGNAL` where MSM has none."""


def satellite_of(system: System, number: int) -> int:
    """Return the satellite as RINEX counts it."""
    first = FIRST_SATELLITE.get(system, 0)
    return number - first if number > first else number
