"""What single faults do to an epoch and to a frame."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gnss.observations import Observations
from gnss.rtcm.signals import SPEED_OF_LIGHT_M_S, wavelength_m
from gnss.simulate.faults import Fault
from gnss.time import SECOND_US

DEFAULT_ROTI = 2.0
STORM_RISES_S = 180.0
"""A storm grows and ends as slowly, so that its begin is no slip."""


def storm_roti(storm: Fault, epoch_us: int) -> float:
    """Return the ROTI of a storm at a time, TECU/min."""
    if not storm.is_active(epoch_us):
        return 0.0
    inside_s = min(epoch_us - storm.begin_us, storm.end_us - epoch_us) / SECOND_US
    return (storm.magnitude or DEFAULT_ROTI) * min(inside_s / STORM_RISES_S, 1.0)


def with_phases_near(observations: Observations, jump: Fault, epoch_us: int) -> Observations:
    """Return observations whose phases follow a jump of the ranges by whole cycles, with a loss of lock."""
    wavelength = wavelength_m(observations.system, observations.signal, observations.channel)
    step_m = jump.magnitude / 1e3 * SPEED_OF_LIGHT_M_S
    since_ms = (epoch_us - jump.begin_us) // 1000
    return replace(
        observations,
        phase_m=observations.phase_m + np.round(step_m / wavelength) * wavelength,
        lock_ms=np.minimum(observations.lock_ms, since_ms).astype(np.int32),
    )


def flip_a_bit(frame: bytes, random: np.random.Generator) -> bytes:
    """Return a frame with one wrong bit behind its preamble and length."""
    damaged = bytearray(frame)
    damaged[int(random.integers(3, len(frame)))] ^= 1 << int(random.integers(8))
    return bytes(damaged)
