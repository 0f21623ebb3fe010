"""What the way of sensor samples costs on one core, with its peers beside it.

`python -m tests.benchmarks.bench_sensors [PART...]` measures all parts, or those that are named. A part is a
function in `PARTS` that returns figures; what it prints on the way goes to standard error, and the last line
is one JSON object of all figures. Times are of the processor (CPU), the best of several short repeats: a
neighbour on the machine can only make them longer. `mqtt` alone goes by the clock on the wall.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sensors.model import Datastream, ObservedProperty
from sensors.qartod import Qartod
from sensors.quality_tests import quality_tests
from streams.processors.quality_control import QualityControl
from streams.records import SampleBatch
from tests.benchmarks.sensors_chain import chain
from tests.benchmarks.sensors_mqtt import ladder

Figures = dict[str, float]
START_US = 1_700_000_000_000_000
PERIOD_S = 60
REPEATS = 12
MQTT_RATES = (20_000, 30_000, 40_000)
"""`sensors_mqtt` goes further, and tells what limits."""
LEVEL = ObservedProperty(
    id="level",
    name="Water level",
    domain="coast",
    unit="m",
    span=(-10.0, 10.0),
    user_span=(-5.0, 5.0),
    sampling_period_s=PERIOD_S,
    tests={
        "spike": {"suspect": 0.5, "fail": 1.0},
        "rate_of_change": {"limit": 1.0, "per_s": PERIOD_S},
        "flat_line": {"suspect_count": 3, "fail_count": 5, "tolerance": 0.001},
    },
)
AS_IOOS_QC = {
    "series": {"behaviour": "ioos_qc"},
    "rate_of_change": {"limit": 0.01, "fail_limit": 0.1, "per_s": 1.0},
}


def tide(n: int, seed: int) -> NDArray[np.float64]:
    """Return a level with noise, some spikes and some lines that are flat."""
    rng = np.random.default_rng(seed)
    values = np.sin(np.arange(n) * (2 * np.pi / 745)) + rng.normal(0, 0.02, n)
    values[rng.integers(0, n, n // 500)] += 2.0
    for begin in rng.integers(0, n, n // 2000):
        values[begin : begin + 8] = values[begin]
    values[rng.integers(0, n, n // 1000)] = np.nan
    return values


def best_s(work: Callable[[int], None]) -> float:
    """Return the shortest time of the processor that a repeat takes; the first one warms up."""
    times = []
    for repeat in range(REPEATS + 1):
        begin = time.process_time()
        work(repeat)
        times.append(time.process_time() - begin)
    say(f"    {min(times[1:]) * 1e3:.2f} ms the best of {REPEATS}, {max(times[1:]) * 1e3:.2f} ms the longest")
    return min(times[1:])


def say(text: str) -> None:
    """Print for people."""
    print(text, file=sys.stderr, flush=True)


def batch(n_series: int, n_each: int, repeat: int, values: NDArray[np.float64], order: str) -> SampleBatch:
    """Return samples of many series: `by_time` as they come, `by_series` as a replay has them."""
    times = START_US + (repeat * n_each + np.arange(n_each)) * PERIOD_S * 1_000_000
    series = np.random.default_rng(repeat).permutation(n_series).astype(np.int32)
    if order == "by_time":
        series, time_us = np.tile(series, n_each), np.repeat(times, n_series)
    else:
        series, time_us = np.repeat(series, n_each), np.tile(times, n_series)
    return SampleBatch(
        datastream_ids=[f"s{i}" for i in range(n_series)],
        series=series,
        time_us=time_us,
        value=values[: n_series * n_each],
        received_at_us=time_us,
    )


def qartod() -> Figures:
    """Measure four tests over many series: the kernel's face, and the processor that calls it."""
    figures: Figures = {}
    shapes = {"live": (20_000, 1), "live_10": (20_000, 10), "replay": (20, 20_000)}
    values = tide(400_000, 1)
    for name, (n_series, n_each) in shapes.items():
        order = "by_series" if name == "replay" else "by_time"
        n = n_series * n_each
        batches = [batch(n_series, n_each, repeat, values, order) for repeat in range(REPEATS + 1)]
        ids = batches[0].datastream_ids
        one = Qartod(ids, [quality_tests(LEVEL)] * n_series, [PERIOD_S] * n_series)
        say(f"qartod {name}: {n_series:,} series of {n_each:,} samples")

        def judge(repeat: int, one: Qartod = one, batches: list[SampleBatch] = batches) -> None:
            b = batches[repeat]
            one.judge(b.series, b.time_us, b.value, b.received_at_us)

        figures[f"qartod_{name}_samples_per_s"] = n / best_s(judge)
        known = [Datastream(id=i, thing_id="t", property_id="level", name=i, unit="m") for i in ids]
        processor = QualityControl([LEVEL], known)

        def control(
            repeat: int, processor: QualityControl = processor, batches: list[SampleBatch] = batches
        ) -> None:
            processor.on_batch(batches[repeat])

        say("  with the processor around it")
        figures[f"quality_control_{name}_samples_per_s"] = n / best_s(control)
    figures["qartod_samples_per_s"] = min(figures[f"qartod_{name}_samples_per_s"] for name in shapes)
    return figures


def ioos_qc() -> Figures:
    """Compare with ioos_qc, which gets all samples of a series in one call a test; the flags are the same."""
    from ioos_qc import qartod as ioos

    n_series, n_each = 20, 20_000
    n, values = n_series * n_each, tide(n_series * n_each, 1)
    series = Datastream(id="s", thing_id="t", property_id="level", name="S", unit="m", tests=AS_IOOS_QC)
    tests = quality_tests(LEVEL, series)
    samples = batch(n_series, n_each, 0, values, "by_series")
    judged = None

    def ours(repeat: int) -> None:
        nonlocal judged
        one = Qartod(samples.datastream_ids, [tests] * n_series, [PERIOD_S] * n_series)
        judged = one.judge(samples.series, samples.time_us, samples.value, samples.received_at_us)

    say(f"ioos_qc: {n_series} series of {n_each:,} samples, ours in its behaviour")
    ours_s = best_s(ours)
    at = samples.time_us[:n_each].astype("datetime64[us]")
    flags: list[tuple[NDArray[np.uint8], ...]] = []

    def theirs(repeat: int) -> None:
        flags[:] = [
            (
                ioos.gross_range_test(row, (-10.0, 10.0), (-5.0, 5.0)),
                ioos.spike_test(row, 0.5, 1.0),
                ioos.rate_of_change_test(row, at, 0.01, 0.1),
                ioos.flat_line_test(row, at, 3 * PERIOD_S, 5 * PERIOD_S, 0.001),
            )
            for row in values.reshape(n_series, n_each)
        ]

    say("  ioos_qc")
    theirs_s = best_s(theirs)
    assert judged is not None
    last = np.lexsort((judged.revision, judged.time_us, judged.series))
    newest = np.append(np.diff(judged.time_us[last]) != 0, True)
    ours_by_series = judged.flags[last][newest].reshape(n_series, n_each, 4)
    of_row = np.argsort(samples.series[::n_each])  # theirs stand in the order of the rows
    theirs_by_series = np.array(flags, np.uint8).transpose(0, 2, 1)[of_row]
    assert (ours_by_series == theirs_by_series).all(), "the flags are not the same"
    return {
        "ioos_qc_samples_per_s": n / theirs_s,
        "qartod_as_ioos_qc_samples_per_s": n / ours_s,
        "ratio_ioos_qc": theirs_s / ours_s,
    }


def mqtt() -> Figures:
    """Measure how many messages come in through a real Mosquitto: its own times, not of one processor."""
    say("mqtt: messages of ten samples")
    return {"mqtt_messages_per_s": float(ladder(MQTT_RATES)["mqtt_messages_per_s"])}


PARTS: dict[str, Callable[[], Figures]] = {"qartod": qartod, "ioos_qc": ioos_qc, "chain": chain, "mqtt": mqtt}


def main() -> None:
    """Measure and print one JSON object."""
    figures: Figures = {}
    for name in sys.argv[1:] or PARTS:
        figures |= PARTS[name]()
    print(json.dumps({name: float(f"{value:.4g}") for name, value in figures.items()}))


if __name__ == "__main__":
    main()
