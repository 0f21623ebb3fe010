"""What is told to the viewers of `bench_serve_push`: in each of their channels a number that counts up."""

from __future__ import annotations

import asyncio
import time

import msgspec
import numpy as np

from dashboards.push.hub import PushHub
from streams.records import (
    AlertTransition,
    AlertTransitions,
    FlaggedSamples,
    StationReport,
    StationReports,
)
from tests.benchmarks.serve_fill import station_id

TWICE = 100
"""Stations that are judged twice a second, each with viewers of its own."""
SAMPLES = 2_500
"""In half a second, all of other properties but a hundred."""
TOKEN = "a token that may read"
CHANNELS = (
    *((f"station:{station_id(k)}", rb'"slips":(\d+),') for k in range(TWICE)),
    *((("network", rb'"slips":(\d+),'), ("region:zj", rb'"slips":(\d+),')) * 10),
    *((f"property:watched{k}", rb'"value":(\d+)\.') for k in range(10)),
    *((f"level:{level}", rb'"number":(\d+)[,}]') for level in ("red", "orange")),
)
"""With what finds the number in an event."""


def now_us() -> int:
    """Return the wall clock."""
    return time.time_ns() // 1000


def report(name: str, number: int, state: str = "good") -> StationReport:
    """Return a verdict with a number."""
    at_us = now_us()
    return StationReport(
        station_id=name, epoch_us=at_us, received_at_us=at_us, state=state, score=97, reasons=[],  # type: ignore[arg-type]
        epochs=1, epochs_expected=1, observations=143, observations_expected=150, satellites=31,
        latency_s=0.23, jitter_s=0.01, cn0_dbhz=44.0, slips=number, multipath_m=0.3, frames=6, bad_frames=0,
    )  # fmt: skip


def samples(number: int) -> FlaggedSamples:
    """Return samples of many series; ten of each watched property have the number."""
    names = [f"site{k}.{f'watched{k % 10}' if k < 100 else 'other'}" for k in range(SAMPLES)]
    ones = np.ones(SAMPLES, np.uint8)
    return FlaggedSamples(
        datastream_ids=names, series=np.arange(SAMPLES, dtype=np.int32),
        time_us=np.full(SAMPLES, now_us()), value=np.full(SAMPLES, float(number)),
        received_at_us=np.full(SAMPLES, now_us()), revision=np.zeros(SAMPLES, np.int32),
        tests=["gross_range"], flags=ones[:, None], flag=ones,
    )  # fmt: skip


def steps(number: int) -> AlertTransitions:
    """Return a step of two alerts."""
    at_us = now_us()
    return AlertTransitions(
        transitions=[
            AlertTransition(
                alert_id=f"a-{level}", number=number, state="open", level=level, rule="sea_level",
                subject_id="x", title="", onset_us=at_us, opened_at_us=at_us, at_us=at_us, change="level",
            )
            for level in ("red", "orange")
        ]  # type: ignore[arg-type]
    )  # fmt: skip


async def load(hub: PushHub, stations: int) -> None:
    """Tell the hub twice a second."""
    others = [report(station_id(k), 1) for k in range(TWICE, stations)]
    half = len(others) // 2
    number = 0
    due_s = time.perf_counter()
    while True:
        number += 1
        at_us = now_us()
        some = [
            msgspec.structs.replace(one, epoch_us=at_us, received_at_us=at_us)
            for one in (others[:half] if number % 2 else others[half:])
        ]
        flips = "bad" if number % 2 else "good"
        own = [report(station_id(k), number) for k in range(TWICE)]
        hub.listen([StationReports(reports=[*own, *some, report("zj:FLIP", number, flips)])], at_us)
        hub.listen([samples(number), steps(number)], at_us)
        due_s += 0.5
        await asyncio.sleep(max(due_s - time.perf_counter(), 0.0))
