"""MSM signals: their RINEX codes and carrier frequencies, the tables of all decoders and indicators.

Sources: RTCM 10403.3 signal mask tables as published in open implementations (they agree); RINEX 3.05,
tables 4 to 10, for codes and frequencies; GLONASS ICD 5.1 for the channels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gnss.systems import UNKNOWN_CHANNEL, System

SPEED_OF_LIGHT_M_S = 299_792_458.0

L1_HZ = 1575.42e6
L2_HZ = 1227.60e6
L5_HZ = 1176.45e6
E5B_HZ = 1207.14e6
E5_HZ = 1191.795e6
E6_HZ = 1278.75e6
B1I_HZ = 1561.098e6
B3I_HZ = 1268.52e6
NAVIC_S_HZ = 2492.028e6
GLONASS_G1_HZ, GLONASS_G1_STEP_HZ = 1602.0e6, 562.5e3
GLONASS_G2_HZ, GLONASS_G2_STEP_HZ = 1246.0e6, 437.5e3
GLONASS_CHANNELS = range(-7, 14)

_L1_L2_L5 = {30: "1S", 31: "1L", 32: "1X", 15: "2S", 16: "2L", 17: "2X", 22: "5I", 23: "5Q", 24: "5X"}

RINEX_CODES: dict[System, dict[int, str]] = {
    System.GPS: {2: "1C", 3: "1P", 4: "1W", 8: "2C", 9: "2P", 10: "2W"} | _L1_L2_L5,
    System.GLONASS: {2: "1C", 3: "1P", 8: "2C", 9: "2P"},
    System.GALILEO: {2: "1C", 3: "1A", 4: "1B", 5: "1X", 6: "1Z"}
    | {8: "6C", 9: "6A", 10: "6B", 11: "6X", 12: "6Z"}
    | {14: "7I", 15: "7Q", 16: "7X", 18: "8I", 19: "8Q", 20: "8X", 22: "5I", 23: "5Q", 24: "5X"},
    System.SBAS: {2: "1C", 22: "5I", 23: "5Q", 24: "5X"},
    System.QZSS: {2: "1C", 9: "6S", 10: "6L", 11: "6X"} | _L1_L2_L5,
    System.BEIDOU: {2: "2I", 3: "2Q", 4: "2X", 8: "6I", 9: "6Q", 10: "6X", 14: "7I", 15: "7Q", 16: "7X"}
    | {22: "5D", 23: "5P", 24: "5X", 25: "7D", 30: "1D", 31: "1P", 32: "1X"},
    System.NAVIC: {8: "9A", 22: "5A"},
}
"""RINEX band and attribute of a signal id; an id that is missing here is an opaque signal, not an error."""

_BANDS_HZ: dict[System, dict[str, float]] = {
    System.GPS: {"1": L1_HZ, "2": L2_HZ, "5": L5_HZ},
    System.GLONASS: {"1": GLONASS_G1_HZ, "2": GLONASS_G2_HZ},
    System.GALILEO: {"1": L1_HZ, "5": L5_HZ, "6": E6_HZ, "7": E5B_HZ, "8": E5_HZ},
    System.SBAS: {"1": L1_HZ, "5": L5_HZ},
    System.QZSS: {"1": L1_HZ, "2": L2_HZ, "5": L5_HZ, "6": E6_HZ},
    System.BEIDOU: {"1": L1_HZ, "2": B1I_HZ, "5": L5_HZ, "6": B3I_HZ, "7": E5B_HZ},
    System.NAVIC: {"5": L5_HZ, "9": NAVIC_S_HZ},
}
_STEPS_HZ = {"1": GLONASS_G1_STEP_HZ, "2": GLONASS_G2_STEP_HZ}

N_SYSTEMS = len(System)
N_SIGNALS = 33
"""Length of a table indexed by signal id; id 0 is not used."""


def _tables() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    carrier = np.full((N_SYSTEMS, N_SIGNALS), np.nan)
    step = np.zeros((N_SYSTEMS, N_SIGNALS))
    for system, codes in RINEX_CODES.items():
        for signal, code in codes.items():
            carrier[system, signal] = _BANDS_HZ[system][code[0]]
            if system is System.GLONASS:
                step[system, signal] = _STEPS_HZ[code[0]]
    carrier.flags.writeable = step.flags.writeable = False
    return carrier, step


CARRIER_HZ, CHANNEL_STEP_HZ = _tables()
"""Shape (7, 33), indexed by system and signal id: the frequency of channel 0 (NaN: unknown signal) and what
one GLONASS channel adds."""


def rinex_code(system: int, signal: int) -> str | None:
    """Return the RINEX band and attribute, for instance "1C", or None for a signal that is not known."""
    return RINEX_CODES[System(system)].get(signal)


def frequency_hz(system: ArrayLike, signal: ArrayLike, channel: ArrayLike) -> NDArray[np.float64]:
    """Return carrier frequencies in Hz; NaN for an unknown signal or GLONASS channel.

    Parameters
    ----------
    system, signal, channel
        `gnss.systems.System`, MSM signal id and GLONASS frequency number (not read for other systems), of
        shapes that broadcast together.
    """
    systems, signals, channels = np.asarray(system), np.asarray(signal), np.asarray(channel, np.int64)
    known = (systems < N_SYSTEMS) & (signals < N_SIGNALS)
    row, column = np.where(known, systems, 0), np.where(known, signals, 0)
    step = CHANNEL_STEP_HZ[row, column]
    has_channel = (channels >= GLONASS_CHANNELS.start) & (channels < GLONASS_CHANNELS.stop)
    usable = has_channel | (systems != System.GLONASS)
    shift = np.where(step > 0.0, step * channels, 0.0)
    frequency: NDArray[np.float64] = np.where(usable, CARRIER_HZ[row, column] + shift, np.nan)
    return frequency


def wavelength_m(system: ArrayLike, signal: ArrayLike, channel: ArrayLike) -> NDArray[np.float64]:
    """Return carrier wavelengths in metres; arguments as for `frequency_hz`."""
    wavelength: NDArray[np.float64] = SPEED_OF_LIGHT_M_S / frequency_hz(system, signal, channel)
    return wavelength


__all__ = [
    "CARRIER_HZ",
    "CHANNEL_STEP_HZ",
    "RINEX_CODES",
    "UNKNOWN_CHANNEL",
    "frequency_hz",
    "rinex_code",
    "wavelength_m",
]
