"""Simulated sensors: true to nature in size and pace, repeatable, with hazards on request.

A value is a function of the seed and the time only: a back-log and the live samples agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

HOUR_S = 3600.0
TIDE_PERIODS_H = {"M2": 12.4206012, "S2": 12.0, "K1": 23.93447213, "O1": 25.81933871}
TIDE_AMPLITUDES_M = {"M2": 0.95, "S2": 0.35, "K1": 0.28, "O1": 0.22}


class SimulatedSensor(Protocol):
    """One series."""

    def value(self, time_us: int) -> float:
        """Return the true value with the instrument's noise, in the unit of its property."""
        ...


def noise(seed: int, time_us: int, sigma: float) -> float:
    """Return Gaussian noise that depends on seed and time alone."""
    return float(np.random.Generator(np.random.Philox(key=[seed, time_us & (2**63 - 1)])).normal(0.0, sigma))


@dataclass(frozen=True, slots=True)
class Tsunami:
    """A wave train: a crest of `amplitude_m` first, then decaying oscillation of `period_s`."""

    begin_us: int
    amplitude_m: float = 1.2
    period_s: float = 900.0
    decay_s: float = 5400.0

    def height_m(self, time_us: int) -> float:
        """Return the water level above the tide."""
        t = (time_us - self.begin_us) / 1e6
        if t < 0:
            return 0.0
        return float(self.amplitude_m * np.sin(2 * np.pi * t / self.period_s) * np.exp(-t / self.decay_s))


@dataclass(frozen=True, slots=True)
class TideGauge:
    """Water level in metres: four constituents, seiche, noise, and a tsunami on request."""

    seed: int
    tsunami: Tsunami | None = None

    def value(self, time_us: int) -> float:
        """Return the level above the gauge's zero."""
        hours = time_us / 1e6 / HOUR_S
        level = 2.5 + noise(self.seed, time_us, 0.004)
        for i, (name, period_h) in enumerate(TIDE_PERIODS_H.items()):
            phase = 2 * np.pi * hours / period_h + self.seed * (i + 1)
            level += TIDE_AMPLITUDES_M[name] * np.cos(phase)
        level += 0.006 * np.sin(2 * np.pi * hours / 0.33 + self.seed)
        return float(level + (self.tsunami.height_m(time_us) if self.tsunami else 0.0))


@dataclass(frozen=True, slots=True)
class Slope:
    """Cumulative displacement in millimetres: creep, then a failure by Voight's law with alpha 2.

    Source: Fukuzono (1985); Voight (1988): the inverse velocity falls on a straight line to the failure.
    """

    seed: int
    origin_us: int
    creep_mm_d: float = 1.5
    failure_us: int | None = None
    acceleration_s: float = 3600.0
    """How long before the failure the acceleration begins."""
    strength_mm: float = 60.0

    def value(self, time_us: int) -> float:
        """Return the displacement since `origin_us`."""
        moved = (time_us - self.origin_us) / 86400e6 * self.creep_mm_d
        if self.failure_us is not None:
            left = (self.failure_us - time_us) / 1e6 / self.acceleration_s
            if left < 1.0:
                moved += -self.strength_mm * float(np.log(max(left, 1e-3)))
        return float(moved + noise(self.seed, time_us, 0.3))


@dataclass(frozen=True, slots=True)
class Rain:
    """Rain in millimetres for one sampling period: dry, with showers of an hour."""

    seed: int
    period_s: float = 60.0
    storm_begin_us: int | None = None
    storm_mm_h: float = 60.0

    def value(self, time_us: int) -> float:
        """Return the depth that fell in the period that ends at `time_us`, in steps of 0.1 mm."""
        hour = time_us // 3_600_000_000
        random = np.random.Generator(np.random.Philox(key=[self.seed, hour]))
        intensity = float(random.gamma(2.0, 2.0)) if random.random() < 0.1 else 0.0
        if self.storm_begin_us is not None and time_us >= self.storm_begin_us:
            intensity += self.storm_mm_h
        return round(intensity * self.period_s / HOUR_S, 1)


@dataclass(frozen=True, slots=True)
class GroundTemperature:
    """Ground temperature in degrees Celsius at a depth: the year's wave, damped and late.

    Source: Carslaw and Jaeger, Conduction of Heat in Solids, periodic surface temperature; diffusivity
    1e-6 m2/s.
    """

    seed: int
    depth_m: float
    mean_cel: float = 15.0
    swing_cel: float = 12.0

    def value(self, time_us: int) -> float:
        """Return the temperature."""
        year_s = 365.25 * 86400.0
        damping_m = float(np.sqrt(1e-6 * year_s / np.pi))
        phase = 2 * np.pi * (time_us / 1e6) / year_s - 1.9 - self.depth_m / damping_m
        wave = self.swing_cel * np.exp(-self.depth_m / damping_m) * np.sin(phase)
        return float(self.mean_cel + wave + noise(self.seed, time_us, 0.01))


@dataclass(frozen=True, slots=True)
class Tilt:
    """Tilt in degrees: a small daily wave by the sun and the instrument's noise of 0.005 degrees."""

    seed: int
    drift_deg_d: float = 0.0
    origin_us: int = 0

    def value(self, time_us: int) -> float:
        """Return the inclination."""
        day = time_us / 86400e6
        daily = 0.01 * np.sin(2 * np.pi * day)
        drift = self.drift_deg_d * (time_us - self.origin_us) / 86400e6
        return float(0.4 + daily + drift + noise(self.seed, time_us, 0.005))
