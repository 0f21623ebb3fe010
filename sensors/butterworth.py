"""Causal Butterworth band-passes: designed once, then run sample by sample with their state kept."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.compiled import njit

SECTIONS = 4
"""Second-order sections of a band-pass of four corners (four poles at each side)."""

BAND_PASS = [("gain", "f8"), ("feedback", "f8", (SECTIONS, 2))]
"""Columns of limits that `set_band_pass` fills."""
MEMORY = [("memory", "f8", (SECTIONS, 2))]
"""Columns of states that `band_pass` moves on."""


def poles_of_band_pass(low_hz: float, high_hz: float, rate_hz: float) -> NDArray[np.complex128]:
    """Return the poles in the upper half plane, one for each section, shape (SECTIONS,).

    The analogue prototype's poles, moved to the band and brought to the z plane by the bilinear transform
    with warped corners (Oppenheim and Schafer, Discrete-Time Signal Processing, 7.1).

    Raises
    ------
    ValueError
        The band is empty, or reaches half the sampling rate.
    """
    if not 0 < low_hz < high_hz:
        raise ValueError("0 < low_hz < high_hz must hold")
    if high_hz >= rate_hz / 2:
        raise ValueError("high_hz must be below half the sampling rate")
    low, high = 2 * rate_hz * np.tan(np.pi * np.array([low_hz, high_hz]) / rate_hz)
    angle = np.pi * (2 * np.arange(SECTIONS) + 1 + SECTIONS) / (2 * SECTIONS)
    half = np.exp(1j * angle) * (high - low) / 2
    root = np.sqrt(half * half - low * high)
    analogue = np.concatenate([half + root, half - root])
    poles = (2 * rate_hz + analogue) / (2 * rate_hz - analogue)
    return np.asarray(poles[poles.imag > 0])


def set_band_pass(limits: Any, low_hz: float, high_hz: float, rate_hz: float) -> None:
    """Fill the columns `BAND_PASS` of a record.

    Raises
    ------
    ValueError
        As `poles_of_band_pass`.
    """
    poles = poles_of_band_pass(low_hz, high_hz, rate_hz)
    limits["feedback"][:, 0] = -2 * poles.real
    limits["feedback"][:, 1] = np.abs(poles) ** 2
    # Each section has its zeros at 1 and -1. In the middle of the band the gain is 1.
    centre = np.arctan(np.sqrt(np.prod(np.tan(np.pi * np.array([low_hz, high_hz]) / rate_hz))))
    z = np.exp(2j * centre)
    section = (z * z - 1) / (z * z + limits["feedback"][:, 0] * z + limits["feedback"][:, 1])
    limits["gain"] = np.abs(np.prod(section)) ** (-1 / SECTIONS)


@njit(cache=True, nogil=True)
def band_pass(limit: Any, state: Any, value: float) -> float:
    """Filter one sample; limit and state have the columns `BAND_PASS` and `MEMORY`."""
    for k in range(SECTIONS):
        fed = limit.gain * value
        out = fed + state.memory[k, 0]
        state.memory[k, 0] = state.memory[k, 1] - limit.feedback[k, 0] * out
        state.memory[k, 1] = -fed - limit.feedback[k, 1] * out
        value = out
    return value
