"""Detectors of slopes on simulated series: false findings, delays, and samples a second of their kernels.

The noise of daily GNSS solutions is white, flicker (Kasdin 1995) and random walk, with amplitudes of real
stations, on waves of a year and half a year; that of solutions of an hour has a wave of a day and a memory of
hours besides.
"""

from __future__ import annotations

from time import perf_counter
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from deploy import kernel_cache

kernel_cache.use()  # before a kernel is imported

from sensors.detectors import Finding, Subject, find_kind  # noqa: E402
from sensors.detectors.bank import Bank, Rows  # noqa: E402

DAY = 86_400_000_000
HOUR = 3_600_000_000
YEAR_D = 365.25
START = 1_500_000_000_000_000 // DAY * DAY
Series = NDArray[np.float64]


def flicker(random: np.random.Generator, n: int) -> Series:
    """Return noise of the spectrum 1/f with driving noise of standard deviation 1."""
    k = np.arange(1, n)
    response = np.concatenate([[1.0], np.cumprod((k - 0.5) / k)])
    size = 2 * n
    spectrum = np.fft.rfft(response, size) * np.fft.rfft(random.normal(0, 1, n), size)
    return np.fft.irfft(spectrum, size)[:n]


def gnss_noise(random: np.random.Generator, n: int, per_day: int, white: float, pink: float) -> Series:
    """Return millimetres; `white` of a solution, `pink` in mm/a^0.25."""
    t = np.arange(n) / per_day
    step_a = 1 / per_day / YEAR_D
    made = random.normal(0, white, n) + pink * step_a**0.25 * flicker(random, n)
    made += np.cumsum(random.normal(0, 0.3 * pink / 4 * np.sqrt(step_a), n))
    for period_d, size in ((YEAR_D, 1.0), (YEAR_D / 2, 0.5)):
        made += size * white * np.sin(2 * np.pi * t / period_d + random.uniform(0, 6.3))
    if per_day > 1:
        memory = np.exp(-1 / per_day / 0.2)
        slow = np.zeros(n)
        kicks = random.normal(0, white * np.sqrt(1 - memory**2), n)
        for i in range(1, n):
            slow[i] = memory * slow[i - 1] + kicks[i]
        made += slow + white * np.sin(2 * np.pi * t + random.uniform(0, 6.3))
    return made


def find(name: str, given: dict[str, Any], time_us: NDArray[np.int64], *values: Series) -> list[Finding]:
    """Return what one detector finds in series of the same times."""
    kind = find_kind(name)
    bank = Bank(kind)
    slot = bank.add(msgspec.convert(given, kind.parameters), Subject("Site", "mm"))
    n, width = len(time_us), len(values)
    rows = Rows(
        np.full(n * width, slot), np.tile(np.arange(width), n), np.repeat(time_us, width),
        np.column_stack(values).ravel(), np.ones(n * width, bool), np.repeat(time_us, width),
    )  # fmt: skip
    return [told.finding for told in bank.on_rows(rows)]


GNSS = {"north": "n", "up": "u"}
DAILY = {**GNSS, "interval_s": 86_400.0}
NOISES = {"quiet": (1.0, 3.0, 3.0, 10.0), "ordinary": (1.5, 5.0, 4.5, 15.0), "noisy": (2.5, 8.0, 6.0, 22.0)}


def station(random: np.random.Generator, n: int, per_day: int, noise: str) -> list[Series]:
    """Return east, north and up."""
    white, pink, white_up, pink_up = NOISES[noise]
    sizes = ((white, pink), (white, pink), (white_up, pink_up))
    return [gnss_noise(random, n, per_day, *size) for size in sizes]


def begun(findings: list[Finding], rule: str = "") -> list[Finding]:
    """Return those that begin or get worse under a rule."""
    return [f for f in findings if f.rule == rule and f.phase != "end"]


def false_steps(console: Console) -> None:
    """Count what is found where nothing happens."""
    table = Table(
        "series", "noise", "decades", "steps", "antenna", "creep", title="False, in so many station-decades"
    )
    for label, given, per_day, years, stations in (
        ("daily", DAILY, 1, 10, 60),
        ("hourly, blocks of 6 h", GNSS, 24, 1, 40),
        ("hourly, blocks of 1 h", {**GNSS, "interval_s": 3600.0}, 24, 1, 40),
    ):
        for noise in NOISES:
            counts = [0, 0, 0]
            for seed in range(stations):
                random = np.random.default_rng(seed)
                n = round(years * YEAR_D * per_day)
                keep = random.random(n) > 0.03
                keep[n // 2 : n // 2 + 20 * per_day] = False
                time_us = START + np.arange(n) * (DAY // per_day)
                made = station(random, n, per_day, noise)
                found = find("displacement", given, time_us[keep], *(m[keep] for m in made))
                for k, rule in enumerate(("", "displacement_sensor", "displacement_creep")):
                    counts[k] += len(begun(found, rule))
            table.add_row(label, noise, f"{years * stations / 10:g}", *map(str, counts))
    console.print(table)


def delays(console: Console) -> None:
    """Plant steps and creep, and see when they are found."""
    table = Table("series", "planted", "found", "median delay", "worst", title="Delay (days), ordinary noise")
    for label, given, per_day in (("daily", DAILY, 1), ("hourly, blocks of 6 h", GNSS, 24)):
        n, at = 200 * per_day, 120 * per_day
        for kind, size in (
            *(("step", s) for s in (15, 20, 30, 100)),
            *(("creep", s) for s in (1.5, 3, 10, 50)),
        ):
            late = []
            for seed in range(60):
                random = np.random.default_rng(seed)
                made = station(random, n, per_day, "ordinary")
                after = np.maximum(np.arange(n) - at + 1, 0)
                made[0] += size * (after > 0) if kind == "step" else size * after / per_day
                time_us = START + np.arange(n) * (DAY // per_day)
                found = [
                    f.at_us for f in find("displacement", given, time_us, *made)
                    if f.phase == "begin" and f.rule in {"", "displacement_creep"} and f.at_us >= time_us[at]
                ]  # fmt: skip
                late += [(min(found) - time_us[at]) / DAY] if found else []
            told = (f"{np.median(late):.1f}", f"{max(late):.1f}") if late else ("", "")
            unit = "mm" if kind == "step" else "mm/d"
            table.add_row(label, f"{kind} {size} {unit}", f"{len(late)} of 60", *told)
    console.print(table)


def slow_sensors(console: Console) -> None:
    """Cracks, tilt, pore pressure and extensometers through a year of weather; then what moves."""
    table = Table("detector", "false in 20 site-years", "planted", "found", "median delay (h)", "worst")
    n = round(YEAR_D * 24 * 4)
    hours = np.arange(n) / 4
    time_us = START + np.arange(n) * (HOUR // 4)
    cases: tuple[tuple[str, dict[str, Any], float, float, float, float, str], ...] = (
        ("crack", {"temperature": "t"}, 0.05, 0.03, 0.0, 0.5, "0.5 mm/h"),
        ("crack", {}, 0.02, 0.03, 0.0, 0.5, "0.5 mm/h, no temperature"),
        ("tilt", {"temperature": "t"}, 0.003, 0.003, 0.0, 0.1, "0.1 deg/h"),
        ("pore_pressure", {"barometer": "b"}, 0.0, 0.05, 0.1, 5.0, "5 kPa/h"),
        ("tangent_angle", {"v_eq_mm_d": 0.5}, 0.05, 0.3, 0.0, 0.5, "12 mm/d"),
    )
    for name, given, of_heat, noise, of_air, rate, words in cases:
        false, late = 0, []
        for seed in range(20):
            random = np.random.default_rng(seed)
            heat = 15 - 10 * np.cos(2 * np.pi * hours / 24 / YEAR_D) + 6 * np.sin(2 * np.pi * hours / 24)
            heat += np.convolve(random.normal(0, 4, n), np.ones(96) / 40, "same")
            air = 1013 + np.convolve(random.normal(0, 60, n), np.ones(288) / 288, "same")
            value = 50 + random.normal(0, noise, n) + of_heat * heat + of_air * air
            value += np.cumsum(random.normal(0, noise / 30, n)) + hours * rate / 2000
            beside = (
                [air if name == "pore_pressure" else heat] if len(given) and name != "tangent_angle" else []
            )
            false += len([f for f in find(name, given, time_us, value, *beside) if f.phase == "begin"])
            at = n // 2
            value = value + rate * np.maximum(hours - hours[at], 0)
            found = [
                f.at_us for f in find(name, given, time_us[: at + 4 * 96], value[: at + 4 * 96],
                                      *(b[: at + 4 * 96] for b in beside))
                if not f.rule and f.phase == "begin" and f.at_us >= time_us[at]
            ]  # fmt: skip
            late += [(min(found) - time_us[at]) / HOUR] if found else []
        told = (f"{np.median(late):.1f}", f"{max(late):.1f}") if late else ("", "")
        table.add_row(name, str(false), words, f"{len(late)} of 20", *told)
    console.print(table)


def speed(console: Console) -> None:
    """How many quiet samples a kernel takes in a second: 100 series, one sample a second each."""
    table = Table("kernel", "state", "million samples a second", "the same, one a block")
    for name, given, width in (
        ("crack", {"temperature": "t"}, 1),
        ("tangent_angle", {"v_eq_mm_d": 0.5}, 1),
        ("velocity_multiples", {"v0_mm": 20.0}, 1),
        ("displacement", GNSS, 3),
        ("freeze_thaw", {"rain": "r"}, 1),
    ):
        kind = find_kind(name)
        told = [f"{kind.state.itemsize / 1024:.1f} kB"]
        for step_us in (1_000_000, 8 * HOUR):
            bank = Bank(kind)
            for _ in range(100):
                bank.add(msgspec.convert(given, kind.parameters), Subject("Site", "mm"))
            n = 3000 if step_us < HOUR else 200
            time_us = np.repeat(START + np.arange(n) * step_us, 100 * width)
            m = len(time_us)
            slot = np.tile(np.repeat(np.arange(100), width), n)
            role = np.tile(np.arange(width), n * 100)
            value = 10 + np.random.default_rng(1).normal(0, 0.1, m)
            rows = Rows(slot, role, time_us, value, np.ones(m, bool), time_us)
            list(bank.on_rows(rows))
            begin = perf_counter()
            list(bank.on_rows(rows._replace(time_us=time_us + n * step_us)))
            told.append(f"{m / (perf_counter() - begin) / 1e6:.2f}")
        table.add_row(name, *told)
    console.print(table)


if __name__ == "__main__":
    out = Console(width=110)
    for part in (speed, slow_sensors, delays, false_steps):
        part(out)
