"""A sky in columns, with what a test wants planted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from gnss.observations import Observations
from gnss.rtcm.msm_layout import LOCK_MS
from gnss.rtcm.signals import frequency_hz

C_M_S = 299_792_458.0
T0_US = 1_700_000_000_000_000
SECOND_US = 1_000_000
GPS_SIGNALS = (2, 10, 22)
GALILEO_SIGNALS = (2, 22)


@dataclass
class Sky:
    """Twelve GPS and eight Galileo satellites, two or three signals each: 52 signals.

    Ranges hold geometry, clock, ionosphere, ambiguities and white noise; locks begin long ago.
    """

    code_noise_m: float = 0.2
    phase_noise_m: float = 0.002
    seed: int = 1
    locked_for_ms: int = 500_000
    code_bias_m: Callable[[float, NDArray[np.uint8]], NDArray[np.float64]] | None = None
    system: NDArray[np.uint8] = field(init=False)

    def __post_init__(self) -> None:
        cells = [(0, s, g) for s in range(1, 13) for g in GPS_SIGNALS]
        cells += [(2, s, g) for s in range(1, 9) for g in GALILEO_SIGNALS]
        table = np.array(cells, np.uint8)
        self.system, self.satellite, self.signal = (np.ascontiguousarray(c) for c in table.T)
        self.hz = frequency_hz(self.system, self.signal, np.zeros(len(table), np.int8))
        self.cycles = np.random.default_rng(self.seed).integers(-1000, 1000, len(table)).astype(float)
        self.locked_since_us = np.full(len(table), T0_US - self.locked_for_ms * 1000)

    def __len__(self) -> int:
        return len(self.system)

    def time_us(self, i: float) -> int:
        return T0_US + round(i * SECOND_US)

    def at(self, i: float, *, keep: NDArray[np.bool_] | None = None, clock_m: float = 0.0) -> Observations:
        """The epoch `i` seconds after the first; `keep` chooses cells."""
        n, t_us = len(self), self.time_us(i)
        random = np.random.Generator(np.random.Philox(key=[self.seed, t_us]))
        geometry = 2.2e7 + 1e5 * self.satellite + 300.0 * i * (self.satellite % 5 - 2.0) + clock_m
        ionosphere = (4.0 + 0.001 * i) * (1575.42e6 / self.hz) ** 2
        bias = 0.0 if self.code_bias_m is None else self.code_bias_m(i, self.signal)
        lock = np.searchsorted(LOCK_MS[1, :705], (t_us - self.locked_since_us) // 1000, side="right") - 1
        columns = Observations(
            row=np.zeros(n, np.int32),
            system=self.system.copy(),
            satellite=self.satellite.copy(),
            signal=self.signal.copy(),
            range_m=geometry + ionosphere + bias + random.normal(0, self.code_noise_m, n),
            phase_m=geometry
            - ionosphere
            + self.cycles * C_M_S / self.hz
            + random.normal(0, self.phase_noise_m, n),
            rate_m_s=np.zeros(n),
            cn0_dbhz=44.0 - self.signal % 3 + random.normal(0, 0.3, n),
            lock_ms=LOCK_MS[1, lock],
            lock_indicator=lock.astype(np.int16),
            half_cycle=np.zeros(n, np.uint8),
            flags=np.zeros(n, np.uint8),
            channel=np.zeros(n, np.int8),
        )
        if keep is None:
            return columns
        return Observations(*(getattr(columns, name)[keep] for name in Observations.__slots__))


@pytest.fixture
def sky() -> Sky:
    return Sky()


@pytest.fixture
def new_sky() -> type[Sky]:
    return Sky
