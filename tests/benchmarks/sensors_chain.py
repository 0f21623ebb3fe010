"""What quality control and detectors cost together, on one core: 20,000 series, each watched by one detector.

`python -m tests.benchmarks.sensors_chain` prints one JSON object. Samples come as they do live: a batch has
a few samples of each series, in the order of time. Times are of the processor (CPU), the best of several
batches.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from deploy.registry import catalogue
from sensors.model import Datastream, Thing
from streams.processors.detect import Detect
from streams.processors.quality_control import QualityControl
from streams.records import Detections, Record, SampleBatch

SERIES = 20_000
BATCHES = 30
WARM = 5
"""Batches that are not counted."""
START_US = 1_700_000_000_000_000
PERIOD_S = 600
WATCHED: dict[str, tuple[str, dict[str, Any], float]] = {
    "sea_level": ("water_level", {}, 4.0),
    "river": ("water_level", {"levels_m": [1.5, 2.0, None, None]}, 2.0),
    "tilt": ("tilt", {"rate_per_h": [0.5, 1.0, None, None]}, 3.0),
    "crack": ("crack", {"rate_per_h": [1.0, 5.0, None, None]}, 3.0),
    "pore_pressure": ("pore_pressure", {"level": [50.0, 80.0, None, None]}, 2.0),
    "velocity_multiples": ("displacement", {"v0_mm": 30.0}, 2.0),
}
"""Detectors: what they watch, parameters, and which share of the series."""


def say(text: str) -> None:
    """Print for people."""
    print(text, file=sys.stderr, flush=True)


def world() -> tuple[list[Datastream], list[Thing]]:
    """Return the series of as many sites, each with a detector."""
    known = {one.id: one for one in catalogue()}
    there = [(name, *how) for name, how in WATCHED.items()]
    shares = np.array([share for *_, share in there])
    of_series = np.random.default_rng(1).choice(len(there), SERIES, p=shares / shares.sum())
    series, things = [], []
    for i, which in enumerate(of_series.tolist()):
        detector, observed, parameters, _ = there[which]
        things.append(Thing(id=f"s{i}", name=f"Site {i}", longitude=0.0, latitude=0.0))
        series.append(
            Datastream(
                id=f"s{i}.{observed}", thing_id=f"s{i}", property_id=observed, name=f"Site {i}",
                unit=known[observed].unit, detectors={detector: parameters},
            )
        )  # fmt: skip
    say(", ".join(f"{(of_series == i).sum()} {name}" for i, (name, *_) in enumerate(there)))
    return series, things


def batch(names: list[str], begin: int, each: int) -> SampleBatch:
    """Return so many samples of each series, from one number on: a tide with noise."""
    n = len(names)
    time_us = np.repeat(START_US + (begin + np.arange(each)) * PERIOD_S * 1_000_000, n)
    random = np.random.default_rng(begin)
    value = np.sin(time_us / 44_700e6 * 2 * np.pi) + random.normal(0, 0.02, len(time_us))
    return SampleBatch(
        datastream_ids=names,
        series=np.tile(random.permutation(n).astype(np.int32), each),
        time_us=time_us,
        value=value,
        received_at_us=time_us + 1_000_000,
    )


def chain() -> dict[str, float]:
    """Measure batches of ten samples a series, for two days, and then of one."""
    series, things = world()
    begin = time.process_time()
    control, detect = QualityControl(catalogue(), series), Detect(series, things)
    say(f"made in {time.process_time() - begin:.2f} s")
    names = [one.id for one in series]
    flagged: list[Record] = []
    found, at = 0, 0

    def judge(samples: SampleBatch) -> None:
        flagged[:] = control.on_batch(samples)

    def watch(samples: SampleBatch) -> None:
        nonlocal found
        made = [made for one in flagged for made in detect.on_batch(one)]
        made += detect.on_time(int(samples.received_at_us[-1]))
        found += sum(len(one.detections) for one in made if isinstance(one, Detections))

    figures: dict[str, float] = {}
    for each in (10, 1):
        times = []
        for _ in range(BATCHES):
            samples = batch(names, at, each)
            at += each
            times.append([_cpu_s(step, samples) for step in (judge, watch)])
        per_s = SERIES * each / np.array(times[WARM:]).sum(axis=1)
        quality_us, detect_us = np.array(times[WARM:]).min(axis=0) / (SERIES * each) * 1e6
        figures |= {
            f"chain_{each}_samples_per_s": float(per_s.max()),
            f"chain_{each}_median_samples_per_s": float(np.median(per_s)),
            f"chain_{each}_quality_us_per_sample": float(quality_us),
            f"chain_{each}_detect_us_per_sample": float(detect_us),
        }
    begin = time.process_time()
    size = sum(map(len, detect.snapshot()))
    say(f"{found} found; a snapshot of {size / 1e6:.1f} MB in {time.process_time() - begin:.2f} s")
    figures["chain_samples_per_s"] = min(figures[f"chain_{each}_samples_per_s"] for each in (10, 1))
    return figures


def _cpu_s(step: Callable[[SampleBatch], None], samples: SampleBatch) -> float:
    begin = time.process_time()
    step(samples)
    return time.process_time() - begin


def main() -> None:
    """Measure and print one JSON object."""
    print(json.dumps({name: float(f"{value:.4g}") for name, value in chain().items()}))


if __name__ == "__main__":
    main()
