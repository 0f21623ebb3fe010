"""Detectors of shaking, rain, rivers, ground and water on simulated series that no test has seen.

False findings in quiet years, delays of planted events, and samples a second of the kernels on quiet data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from deploy import kernel_cache

kernel_cache.use()  # before a kernel is imported

from sensors.detectors import Subject, find_kind  # noqa: E402
from sensors.detectors.bank import Bank  # noqa: E402
from tests.sensors.detectors import test_algal_bloom as bloom  # noqa: E402
from tests.sensors.detectors import test_dissolved_oxygen as oxygen  # noqa: E402
from tests.sensors.detectors import test_ground_temperature as ground  # noqa: E402
from tests.sensors.detectors import test_infrasound as infrasound  # noqa: E402
from tests.sensors.detectors import test_rain_sound as rain_sound  # noqa: E402
from tests.sensors.detectors import test_rainfall as rainfall  # noqa: E402
from tests.sensors.detectors import test_river as river  # noqa: E402
from tests.sensors.detectors import test_shaking as shaking  # noqa: E402
from tests.sensors.detectors.contract import Input, every, find, rows  # noqa: E402

SEEDS = range(1000, 1020)
S = 1_000_000
Made = tuple[Sequence[Input], int]
"""A series, and when its event begins."""


class Case(NamedTuple):
    """One detector."""

    name: str
    parameters: Any
    quiet: Callable[[int], Sequence[Input]]
    event: Callable[[int], Made]


def cases() -> Iterator[Case]:
    """Return all of them."""

    def hours_of_noise(seed: int) -> Sequence[Input]:
        return [Input(every(0.01, 720_000), shaking.noise(720_000, seed))]

    def tremor(seed: int) -> Made:
        size = float(np.random.default_rng(seed).uniform(600, 6000))
        times = every(0.01, 4000)
        return [Input(times, shaking.burst(4000, 2000, size, seed))], int(times[2000])

    yield Case("shaking", shaking.ShakingParameters(), hours_of_noise, tremor)

    def year_of_rain(seed: int) -> Sequence[Input]:
        return [Input(every(300, 365 * 288), rainfall.climate(365, seed))]

    def cloudburst(seed: int) -> Made:
        mm_h = float(np.random.default_rng(seed).uniform(50, 120))
        times = every(300, 600)
        return [Input(times, rainfall.storm(600, 300, mm_h, 2, seed))], int(times[299])

    yield Case("rainfall", rainfall.TABLE, year_of_rain, cloudburst)

    def year_of_river(seed: int) -> Sequence[Input]:
        return [Input(every(300, 365 * 288), river.stage(365 * 288, 300, seed))]

    def flash_flood(seed: int) -> Made:
        random = np.random.default_rng(seed)
        water = river.stage(600, 60, seed) + river.flood(
            600, 300, random.uniform(1.0, 3.0), random.uniform(10, 60)
        )
        return [Input(every(60, 600), water)], int(every(60, 600)[300])

    yield Case("river", river.RiverParameters(), year_of_river, flash_flood)

    def decade_of_ground(seed: int) -> Sequence[Input]:
        times = ground.six_hours(10)
        of_year = np.random.default_rng(seed).normal(0, 0.1, 11)
        years = np.interp(times, ground.BEGIN + np.arange(11) * ground.YEAR_US, of_year)
        return [Input(times, ground.temperature(times, 0.02, seed=seed) + years)]

    def warming(seed: int) -> Made:
        times = ground.six_hours(8)
        return [Input(times, ground.temperature(times, 0.5, seed=seed))], int(times[0])

    yield Case("ground_temperature", ground.GroundTemperatureParameters(), decade_of_ground, warming)

    def year_of_water(seed: int) -> Sequence[Input]:
        return [Input(every(900, 365 * 96), oxygen.oxygen(365 * 96, seed))]

    def hypoxia(seed: int) -> Made:
        n = 20 * 96
        value = oxygen.oxygen(n, seed, 7.0, 1.0) - np.interp(np.arange(n), [900, 1300, 1500], [0, 5.5, 0])
        first = int(np.flatnonzero(value <= 5.0)[0])
        return [Input(every(900, n), value)], int(every(900, n)[first])

    yield Case("dissolved_oxygen", oxygen.DissolvedOxygenParameters(), year_of_water, hypoxia)

    def year_of_lake(seed: int) -> Sequence[Input]:
        return bloom.lake(365, seed, flood=int(np.random.default_rng(seed).integers(20, 340)))

    def algae(seed: int) -> Made:
        inputs = bloom.lake(60, seed, bloom=20)
        return inputs, int(inputs[0].time_us[20 * 48])

    yield Case("algal_bloom", bloom.ALL, year_of_lake, algae)

    def month_of_nights(seed: int) -> Sequence[Input]:
        n = 30 * 4320
        drizzle = np.where(np.random.default_rng(seed).random(n // 180 + 1).repeat(180)[:n] < 0.1, 4.0, 0.0)
        return [Input(every(20, n), rain_sound.sound(n, drizzle, seed))]

    def shower(seed: int) -> Made:
        mm_h = float(np.random.default_rng(seed).uniform(30, 90))
        times, rain = every(20, 2000), rain_sound.shower(2000, 900, mm_h, 40)
        return [Input(times, rain_sound.sound(2000, rain, seed))], int(times[900])

    yield Case("rain_sound", rain_sound.PLAIN, month_of_nights, shower)

    def hours_of_wind(seed: int) -> Sequence[Input]:
        n = 720_000
        random = np.random.default_rng(seed)
        gusts = np.interp(np.arange(n), np.arange(0, n, 500), random.gamma(1.0, 1.0, n // 500))
        value = infrasound.quiet(n, seed) + 0.2 * gusts * infrasound.band(n, 0.2, 3.0, 1.0, seed + 9)
        return [Input(every(0.01, n), value)]

    def flow(seed: int) -> Made:
        n = 40_000
        rms = float(np.random.default_rng(seed).uniform(0.1, 1.0))
        value = infrasound.quiet(n, seed) + infrasound.flow(n, 200, 120, rms, seed)
        return [Input(every(0.01, n), value)], int(every(0.01, n)[20_000])

    yield Case("infrasound", infrasound.PLAIN, hours_of_wind, flow)


def speed(case: Case) -> float:
    """Return samples a second on quiet data."""
    kind = find_kind(case.name)
    bank = Bank(kind)
    samples = rows(case.quiet(0), bank.add(case.parameters, Subject("x", "")))
    list(bank.on_rows(samples))
    best = np.inf
    for _ in range(3):
        bank.forget(0)
        begin = perf_counter()
        list(bank.on_rows(samples))
        best = min(best, perf_counter() - begin)
    return len(samples.slot) / best


def main() -> None:
    """Print a table."""
    table = Table(
        "detector", "quiet", "false", "about the sensor", "events", "found", "delay: median", "90 %"
    )
    table.add_column("million samples/s")
    for case in cases():
        kind = find_kind(case.name)
        years, false, sensor = 0.0, 0, 0
        for seed in SEEDS:
            inputs = case.quiet(seed)
            years += float(inputs[0].time_us[-1] - inputs[0].time_us[0]) / S / 31_557_600
            findings = find(kind, case.parameters, *inputs)
            false += sum(f.phase == "begin" and not f.rule for f in findings)
            sensor += sum(f.phase == "begin" and bool(f.rule) for f in findings)
        delays = []
        for seed in SEEDS:
            inputs, begin_us = case.event(seed)
            findings = find(kind, case.parameters, *inputs)
            begins = [f.at_us for f in findings if not f.rule and f.at_us >= begin_us]
            delays += [(begins[0] - begin_us) / S] if begins else []
        quiet = f"{years:.1f} years" if years > 0.5 else f"{years * 8766:.0f} hours"
        middle, most = np.quantile(delays, [0.5, 0.9]) if delays else (np.nan, np.nan)
        cells = (case.name, quiet, false, sensor, len(SEEDS), len(delays), f"{middle:.4g} s", f"{most:.4g} s")
        table.add_row(*map(str, cells), f"{speed(case) / 1e6:.1f}")
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
