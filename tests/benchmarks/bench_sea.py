"""Detectors of the sea on seas that nobody recorded: what they raise falsely, how soon they see a tsunami.

`python -m tests.benchmarks.bench_sea` simulates gauge-years with one disturbance at a time, so that each
false alarm has a name, then tsunamis of many periods and heights, then measures samples per second of each
kernel. A quadratic by numpy for each sample stands beside them. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Callable
from itertools import product
from typing import Any

import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table

from sensors.detectors import find_kind
from sensors.detectors.bank import Bank, Rows
from sensors.detectors.finding import Finding, Subject
from tests.sensors import sea
from tests.sensors.sea import REGIMES, Gauge, Series

SEICHES_M = (0.005, 0.02)
RANGES_M = (0.2, 1.0, 3.0, 8.0)
PERIODS_MIN = (5, 6, 8, 10, 15, 20, 30, 45, 60)
HEIGHTS_M = (0.05, 0.1, 0.2, 0.5, 1.0, 3.0)
SUBJECT = Subject("gauge", "m")
CONSTANTS = [
    {"name": name, "amplitude_m": 0.5, "phase_deg": 10.0 * k}
    for k, name in enumerate(("M2", "S2", "N2", "K2", "K1", "O1", "P1", "Q1", "M4", "MS4", "M6"))
]
console = Console(width=130)


def bank(name: str, parameters: dict[str, Any]) -> tuple[Bank[Any], int]:
    kind = find_kind(name)
    made: Bank[Any] = Bank(kind)
    return made, made.add(msgspec.convert(parameters, kind.parameters), SUBJECT)


def run(name: str, time_us: Any, value: Series, **parameters: Any) -> list[Finding]:
    made, slot = bank(name, parameters)
    n = len(time_us)
    rows = Rows(np.full(n, slot), np.zeros(n, np.int64), time_us, value, np.isfinite(value), time_us)
    return [told.finding for told in made.on_rows(rows)]


def disturbances() -> dict[str, Callable[[Series, float, int], Any]]:
    return {
        "ordinary": lambda *_: None,
        "gaps": lambda values, step_s, seed: values.__setitem__(~sea.gaps(len(values), step_s, seed), np.nan),
        "spikes": sea.add_spikes,
        "shifted zeros": sea.add_shifts,
        "ships": sea.add_ships,
        "stuck": sea.add_stuck,
        "earthquakes": sea.add_earthquakes,
    }


def false_alarms(days: float, step_s: float) -> dict[str, Any]:
    """In calm harbours (5 mm rms in the mean) and in those that swing (2 cm)."""
    table = Table(title=f"sea_level, false alarms a gauge-year, one sample in {step_s:.0f} s")
    for name in ("disturbance", "gauge-years", "calm harbour", "swinging harbour", "sensor faults"):
        table.add_column(name)
    results: dict[str, Any] = {}
    cases: list[tuple[str, dict[str, float]]] = [(name, {}) for name in disturbances()]
    cases.append(("ships", {"min_duration_s": 240.0}))
    for number, (name, parameters) in enumerate(cases):
        counts: Counter[str] = Counter()
        years = 0.0
        for seed, (regime, range_m, seiche_m) in enumerate(product(REGIMES, RANGES_M, SEICHES_M)):
            gauge = Gauge(regime, range_m, step_s, seiche_m=seiche_m, seiche_min=8 + 6 * (seed % 6))
            time_us = sea.times(gauge, days)
            values = sea.level(gauge, time_us, 1000 * number + seed)
            disturbances()[name](values, step_s, seed)
            begun = [f for f in run("sea_level", time_us, values, **parameters) if f.phase == "begin"]
            counts.update(f.rule or str(seiche_m) for f in begun)
            years += days / 365
        title = " ".join([name, *(f"{key} {value:.0f}" for key, value in parameters.items())])
        calm, swinging = (counts[str(seiche_m)] / years * 2 for seiche_m in SEICHES_M)
        faults = counts["sea_level_sensor"] / years
        results[title] = [round(calm, 2), round(swinging, 2), round(faults, 2)]
        table.add_row(title, f"{years:.1f}", f"{calm:.2f}", f"{swinging:.2f}", f"{faults:.1f}")
    console.print(table)
    return results


def detection(name: str, step_s: float, trials: int) -> dict[str, Any]:
    """Tsunamis over ordinary seas; at the sea floor a fifth as high."""
    deep = name == "bottom_pressure"
    scale = 1 / 5 if deep else 1.0
    sizes = "heights / 5, " if deep else ""
    table = Table(title=f"{name}, {sizes}seen within 3 h and median delay in minutes, {step_s:.0f} s")
    table.add_column("period")
    for height_m in HEIGHTS_M:
        table.add_column(f"{height_m} m")
    results = {}
    rng = np.random.default_rng(5)
    for period_min in PERIODS_MIN:
        cells = []
        for height_m in HEIGHTS_M:
            delays = []
            for seed in range(trials):
                gauge = Gauge(
                    list(REGIMES)[seed % 3], RANGES_M[seed % 4], step_s,
                    seiche_m=0.0005 if deep else 0.005, seiche_min=10 + 5 * (seed % 5),
                    noise_m=0.001 if deep else 0.004,
                )  # fmt: skip
                time_us = sea.times(gauge, 0.6)
                values = sea.level(gauge, time_us, seed)
                begin_us = int(time_us[0] + rng.uniform(6, 10) * 3.6e9)
                values += sea.tsunami(time_us, begin_us, scale * height_m * rng.choice([-1, 1]), period_min)
                found = run(name, time_us, values)
                at = [f.at_us for f in found if f.phase == "begin" and not f.rule and f.at_us > begin_us]
                if at and at[0] - begin_us < 3 * 3.6e9:
                    delays.append((at[0] - begin_us) / 6e7)
            share = len(delays) / trials
            cells.append(f"{share:4.0%} {np.median(delays) if delays else np.nan:5.1f}")
            results[f"{period_min} min {height_m} m"] = cells[-1]
        table.add_row(f"{period_min} min", *cells)
    console.print(table)
    return results


def ocean(days: float, step_s: float) -> dict[str, Any]:
    """Sensors at the sea floor: quiet, and broken in many ways."""
    results = {}
    table = Table(title=f"bottom_pressure, findings a gauge-year, one sample in {step_s:.0f} s")
    for name in ("disturbance", "gauge-years", "tsunamis", "events", "sensor faults"):
        table.add_column(name)
    for number, (name, disturb) in enumerate(disturbances().items()):
        if name == "ships":
            continue
        counts: Counter[str] = Counter()
        years = 0.0
        for seed, (regime, range_m) in enumerate(product(REGIMES, (0.2, 1.0, 3.0))):
            gauge = Gauge(regime, range_m, step_s, noise_m=0.001, seiche_m=0.0005, weather_m=0.05)
            time_us = sea.times(gauge, days)
            values = sea.level(gauge, time_us, 1000 * number + seed) + 4000.0
            disturb(values, step_s, seed)
            found = run("bottom_pressure", time_us, values)
            counts.update(f.rule for f in found if f.phase == "begin")
            years += days / 365
        rules = ("", "bottom_pressure_event", "bottom_pressure_sensor")
        results[name] = {rule: round(counts[rule] / years, 2) for rule in rules}
        table.add_row(name, f"{years:.1f}", *(f"{counts[rule] / years:.2f}" for rule in rules))
    console.print(table)
    return results


def speed() -> dict[str, float]:
    gauge = Gauge("mixed", 2.0)
    time_us = sea.times(gauge, 400)
    values = sea.level(gauge, time_us, 1)
    results = {}
    for name, parameters in (
        ("sea_level", {}),
        ("bottom_pressure", {}),
        ("storm_surge", {"constituents": CONSTANTS, "mean_level_m": 3.0, "blue_m": 9, "yellow_m": 9,
                         "orange_m": 9, "red_m": 9}),
        ("high_water", {"blue_m": 9.0}),
    ):  # fmt: skip
        run(name, time_us[:1000], values[:1000], **parameters)
        sizes = values / 100 if name == "bottom_pressure" else values
        begin = time.perf_counter()
        run(name, time_us, sizes, **parameters)
        results[name] = round(len(values) / (time.perf_counter() - begin) / 1e6, 2)
    begin = time.perf_counter()
    x = np.arange(-120, 0) / 60.0
    for k in range(120, 3000):
        np.polynomial.Polynomial.fit(x, values[k - 120 : k], 2)(0)
    results["numpy quadratic"] = round(2880 / (time.perf_counter() - begin) / 1e6, 4)
    console.print("million samples a second:", results)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=float, default=365.0, help="of each of 24 gauges and each case")
    parser.add_argument("--trials", type=int, default=36)
    given = parser.parse_args()
    results = {
        "speed_million_per_s": speed(),
        "false_alarms_a_year": {
            f"{step_s:.0f} s": false_alarms(given.days * share, step_s)
            for step_s, share in ((60.0, 1.0), (360.0, 1.0), (15.0, 0.1))
        },
        "detection": {
            f"{name} {step_s:.0f} s": detection(name, step_s, given.trials)
            for name, step_s in (
                ("sea_level", 15.0),
                ("sea_level", 60.0),
                ("sea_level", 360.0),
                ("bottom_pressure", 15.0),
                ("bottom_pressure", 60.0),
            )
        },
        "ocean": {
            f"{step_s:.0f} s": ocean(given.days * share, step_s)
            for step_s, share in ((900.0, 1.0), (60.0, 0.3), (15.0, 0.05))
        },
    }
    print(json.dumps(results))


if __name__ == "__main__":
    main()
