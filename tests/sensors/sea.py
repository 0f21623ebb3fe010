"""A sea for detectors: tides of all kinds, weather, harbours, ships, earthquakes, and gauges that fail.

Made of published orders of magnitude, not of the recordings that detectors are tried on: constituents of the
equilibrium tide's ratios, a red spectrum of the weather, an oscillating harbour (autoregression of order 2)
whose strength changes over days, white noise of the instrument. Levels are rounded to millimetres.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

S = 1_000_000
START = 1_700_000_000 * S
DAY_S = 86_400.0
PERIOD_H = {
    "M2": 12.4206, "S2": 12.0, "N2": 12.6583, "K2": 11.9672, "K1": 23.9345, "O1": 25.8193, "P1": 24.0659,
    "Q1": 26.8684, "M4": 6.2103, "MS4": 6.1033, "M6": 4.1402,
}  # fmt: skip
SEMIDIURNAL = {"M2": 1.0, "S2": 0.35, "N2": 0.2, "K2": 0.1}
DIURNAL = {"K1": 1.0, "O1": 0.75, "P1": 0.33, "Q1": 0.15}
REGIMES = {"semidiurnal": (1.0, 0.1), "mixed": (0.6, 0.5), "diurnal": (0.12, 1.0)}
"""Weights of both kinds of constituents."""

Series = NDArray[np.float64]


class Gauge(NamedTuple):
    """A gauge and its sea."""

    regime: str
    range_m: float
    step_s: float = 60.0
    noise_m: float = 0.004
    seiche_m: float = 0.01
    seiche_min: float = 22.0
    weather_m: float = 0.1


def times(gauge: Gauge, days: float) -> NDArray[np.int64]:
    """Return the times of samples."""
    return START + np.round(np.arange(int(days * DAY_S / gauge.step_s)) * gauge.step_s * S).astype(np.int64)


def level(gauge: Gauge, time_us: NDArray[np.int64], seed: int) -> Series:
    """Return what the gauge shows in an ordinary sea."""
    rng = np.random.default_rng(seed)
    n, hours = len(time_us), (time_us - START) / 3.6e9
    semidiurnal, diurnal = REGIMES[gauge.regime]
    sizes = {name: size * semidiurnal for name, size in SEMIDIURNAL.items()}
    sizes |= {name: size * diurnal for name, size in DIURNAL.items()}
    scale = gauge.range_m / 2 / (1.35 * (semidiurnal + diurnal))
    # Shallow water bends large tides: M4 of a tenth at 8 m, M6 a third of that.
    shallow = 0.1 * sizes["M2"] * min(gauge.range_m / 8, 1.0)
    sizes |= {"M4": shallow, "MS4": 0.6 * shallow, "M6": shallow / 3}
    made = 3.0 + rng.normal(0, gauge.noise_m, n)
    for name, size in sizes.items():
        made += scale * size * np.cos(2 * np.pi * hours / PERIOD_H[name] + rng.uniform(0, 2 * np.pi))
    made += red(rng, n, gauge.weather_m, 1.5 * DAY_S / gauge.step_s)
    strength = np.exp(red(rng, n, 0.7, 2 * DAY_S / gauge.step_s))
    made += strength * oscillation(rng, n, gauge.seiche_m, gauge.seiche_min * 60 / gauge.step_s)
    return np.round(made, 3)


def red(rng: np.random.Generator, n: int, size: float, memory: float) -> Series:
    """Return a smooth random series: autoregression twice over, of this standard deviation and memory."""
    keep = np.exp(-2 / memory)
    gain = np.sqrt((1 - keep**2) ** 3 / (1 + keep**2))
    made = lfilter([size * gain], [1, -2 * keep, keep**2], rng.normal(0, 1, n + int(5 * memory)))
    return np.asarray(made[-n:])


def oscillation(rng: np.random.Generator, n: int, size: float, period: float, quality: float = 8.0) -> Series:
    """Return what a harbour of this period (in samples) makes of noise."""
    radius = np.exp(-np.pi / (quality * period))
    made = lfilter([1.0], [1, -2 * radius * np.cos(2 * np.pi / period), radius**2], rng.normal(0, 1, n))
    return np.asarray(made * size / np.std(made))


def tsunami(
    time_us: NDArray[np.int64], begin_us: int, amplitude_m: float, period_min: float, decay_h: float = 3.0
) -> Series:
    """Return a train of waves; a negative amplitude withdraws first."""
    since_s = np.maximum((time_us - begin_us) / 1e6, 0.0)
    return amplitude_m * np.sin(2 * np.pi * since_s / (period_min * 60)) * np.exp(-since_s / (decay_h * 3600))


def random_moments(rng: np.random.Generator, n: int, per_day: float, step_s: float) -> NDArray[np.int64]:
    """Return indices at which something happens, so often in the mean."""
    return np.sort(rng.integers(0, n, rng.poisson(per_day * n * step_s / DAY_S)))


def add_spikes(values: Series, step_s: float, seed: int) -> None:
    """One a day, of one or two samples."""
    rng = np.random.default_rng(seed)
    for k in random_moments(rng, len(values), 1.0, step_s).tolist():
        values[k : k + rng.integers(1, 3)] += rng.choice([-1, 1]) * 10 ** rng.uniform(-1, 0.7)


def add_shifts(values: Series, step_s: float, seed: int) -> int:
    """The zero moves once a month, by 3 cm to 2 m; return how often."""
    rng = np.random.default_rng(seed)
    moments = random_moments(rng, len(values), 1 / 30, step_s)
    for k in moments.tolist():
        values[k:] += rng.choice([-1, 1]) * 10 ** rng.uniform(-1.5, 0.3)
    return len(moments)


def add_ships(values: Series, step_s: float, seed: int) -> None:
    """Twelve a day: the water falls by 5 to 30 cm for half a minute to two, and swings a little."""
    rng = np.random.default_rng(seed)
    for k in random_moments(rng, len(values), 12.0, step_s).tolist():
        half_s = rng.uniform(20, 60)
        since_s = np.arange(0, 600, step_s) + rng.uniform(0, step_s)
        wave = -np.exp(-(((since_s - 120) / half_s) ** 2)) + 0.3 * np.sin(
            2 * np.pi * since_s / half_s
        ) * np.exp(-since_s / 200)
        values[k : k + len(wave)] += rng.uniform(0.05, 0.3) * wave[: len(values) - k]


def add_stuck(values: Series, step_s: float, seed: int) -> None:
    """Once a month for half an hour to a day."""
    rng = np.random.default_rng(seed)
    for k in random_moments(rng, len(values), 1 / 30, step_s).tolist():
        values[k : k + int(rng.uniform(1800, DAY_S) / step_s)] = values[k]


def add_earthquakes(values: Series, step_s: float, seed: int) -> int:
    """Fifty a year that shake the gauge by 2 to 30 cm for 5 to 40 minutes, with periods of 15 to 150 s.

    A sample is the mean of its minute, or of what is less.
    """
    rng = np.random.default_rng(seed)
    moments = random_moments(rng, len(values), 50 / 365, step_s)
    for k in moments.tolist():
        lasts_s = rng.uniform(300, 2400)
        since_s = np.arange(0, lasts_s, step_s)
        wave = np.zeros(len(since_s))
        for _ in range(6):
            period_s, phase = rng.uniform(15, 150), rng.uniform(0, 6.3)
            mean = np.sinc(min(step_s, 60) / period_s)
            wave += mean * np.sin(2 * np.pi * since_s / period_s + phase) / 2
        wave *= 10 ** rng.uniform(-1.7, -0.5) * np.minimum(since_s / 60, 1) * np.exp(-2 * since_s / lasts_s)
        values[k : k + len(wave)] += wave[: len(values) - k]
    return len(moments)


def gaps(n: int, step_s: float, seed: int) -> NDArray[np.bool_]:
    """Return which samples come: gaps of 2 minutes to a day, two a week, and one of a hundred lost alone."""
    rng = np.random.default_rng(seed)
    comes = rng.random(n) > 0.01
    for k in random_moments(rng, n, 2 / 7, step_s).tolist():
        comes[k : k + int(10 ** rng.uniform(2.1, 4.9) / step_s)] = False
    return comes
