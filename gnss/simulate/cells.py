"""From the rays to what a receiver observes: signals above their masks, noise, multipath, lock times."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gnss.simulate.rays import Rays
from gnss.simulate.sky import Cells
from kernels.compiled import njit

LOWEST_MASK_DEG, HIGHEST_MASK_DEG = 5.0, 7.0
"""A signal comes and goes at an elevation of its own between these."""
LEAST_CN0_DBHZ = 25.0
"""Below, a receiver has no lock."""
HORIZON_DBHZ, ZENITH_DB = 32.0, 18.0
CODE_NOISE_M, PHASE_NOISE_M, RATE_NOISE_M_S = 0.10, 0.0008, 0.004
"""At 45 dB-Hz; ten times as much at 25."""
NOISE_DBHZ = 45.0
BOUNCE_M = 0.13
"""Amplitude of code multipath, divided by sin(elevation) + 0.35."""
METRES_A_TECU = 40.3e16
NOT_LOCKED_US = np.int64(-1)
SLIP_NONE, SLIP_TOLD, SLIP_SILENT = 0, 1, 2
"""What a cell does: nothing, slips and loses its lock, slips while its lock time goes on."""

Float64 = NDArray[np.float64]


class Habits(NamedTuple):
    """What each cell of a station is like, arrays of shape (cells,)."""

    mask_sine: Float64
    bounce_s: Float64
    """Shape (cells, 2): periods of its multipath."""
    bounce_phase: Float64
    """Shape (cells, 2)."""
    cn0_db: Float64
    """What it has more than others."""


class Memory(NamedTuple):
    """What each cell of a station was at the epoch before, arrays of shape (cells,)."""

    lock_since_us: NDArray[np.int64]
    cycles: Float64
    """Whole cycles between phase and code."""


class Troubles(NamedTuple):
    """What is wrong with the cells of an epoch, arrays of shape (cells,)."""

    drop_db: Float64
    slip: NDArray[np.uint8]
    slip_cycles: Float64
    extra_bounce_m: float
    """RMS."""
    code_step_m: float


class Observed(NamedTuple):
    """What an epoch brought, arrays of shape (cells,), filled up to the number of observations."""

    cell: NDArray[np.int64]
    range_m: Float64
    phase_m: Float64
    rate_m_s: Float64
    cn0_dbhz: Float64
    lock_ms: NDArray[np.int32]


@njit(cache=True, nogil=True)
def observe(
    cells: Cells,
    rays: Rays,
    habits: Habits,
    troubles: Troubles,
    epoch_us: int,
    noise: Any,
    memory: Memory,
    out: Observed,
) -> int:
    """Fill the observations of an epoch; return how many there are.

    Parameters
    ----------
    noise
        Standard normal numbers, shape (4, cells): of code, phase, rate and C/N0.
    memory
        Read and written.
    """
    n = 0
    time_s = epoch_us * 1e-6
    for i in range(len(cells.hz)):
        row = cells.satellite_row[i]
        sine = rays.sine[row]
        level = HORIZON_DBHZ + ZENITH_DB * sine + habits.cn0_db[i] - troubles.drop_db[i]
        cn0 = level + 0.3 * noise[3, i]
        if not sine >= habits.mask_sine[i] or level < LEAST_CN0_DBHZ:
            memory.lock_since_us[i] = NOT_LOCKED_US
            continue
        if memory.lock_since_us[i] == NOT_LOCKED_US:
            memory.lock_since_us[i] = epoch_us
            memory.cycles[i] = math.floor(40.0 * noise[2, i])
        elif troubles.slip[i] != SLIP_NONE:
            memory.cycles[i] += troubles.slip_cycles[i]
            if troubles.slip[i] == SLIP_TOLD:
                memory.lock_since_us[i] = epoch_us
        worse = 10.0 ** ((NOISE_DBHZ - level) / 20.0)
        wave = 2.0 * math.pi * time_s
        one = math.sin(wave / habits.bounce_s[i, 0] + habits.bounce_phase[i, 0])
        two = math.sin(wave / habits.bounce_s[i, 1] + habits.bounce_phase[i, 1])
        bounce_m = BOUNCE_M / (sine + 0.35) * (one + two) + troubles.extra_bounce_m * math.sqrt(2.0) * one
        delay_m = METRES_A_TECU * rays.electrons_tecu[row] / cells.hz[i] ** 2
        true_m = rays.range_m[row] + cells.late_m[i]
        out.cell[n] = i
        out.range_m[n] = (
            true_m + delay_m + bounce_m + CODE_NOISE_M * worse * noise[0, i] + troubles.code_step_m
        )
        whole_m = memory.cycles[i] * (299_792_458.0 / cells.hz[i])
        out.phase_m[n] = true_m - delay_m + whole_m + PHASE_NOISE_M * worse * noise[1, i]
        out.rate_m_s[n] = rays.rate_m_s[row] + RATE_NOISE_M_S * worse * noise[2, i]
        out.cn0_dbhz[n] = cn0
        out.lock_ms[n] = (epoch_us - memory.lock_since_us[i]) // 1000
        n += 1
    return n


def habits_of(cells: Cells, seed: int) -> Habits:
    """Return what the cells of a station are like."""
    n = len(cells.hz)
    random = np.random.Generator(np.random.Philox(key=[seed, 1]))
    mask = random.uniform(LOWEST_MASK_DEG, HIGHEST_MASK_DEG, n)
    return Habits(
        mask_sine=np.sin(np.radians(mask)),
        bounce_s=np.stack((random.uniform(40.0, 120.0, n), random.uniform(120.0, 260.0, n)), 1),
        bounce_phase=random.uniform(0.0, 2 * np.pi, (n, 2)),
        cn0_db=-(cells.signal % 3).astype(np.float64) + random.uniform(-0.5, 0.5, n),
    )


def new_memory(cells: int) -> Memory:
    """Return the memory of a receiver that has just been switched on."""
    return Memory(np.full(cells, NOT_LOCKED_US, np.int64), np.zeros(cells))


def new_observed(cells: int) -> Observed:
    """Return room for the observations of one epoch."""
    return Observed(
        cell=np.empty(cells, np.int64),
        range_m=np.empty(cells),
        phase_m=np.empty(cells),
        rate_m_s=np.empty(cells),
        cn0_dbhz=np.empty(cells),
        lock_ms=np.empty(cells, np.int32),
    )
