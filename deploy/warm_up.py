"""Compile the kernels before the first byte arrives: about a minute at the first start, then cached.

What arrives is told by a few simulated bytes that are kept here, so that a service need not compile the
simulator as well. A second process compiles the judge meanwhile; both write to the same cache. Detectors that
nothing has yet are compiled by a third one while the program runs: a command may set one at any time.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import os
import subprocess
import sys

import numpy as np
from rich.console import Console

from connectors.caster import frames_kernel
from connectors.gathering.hall import prepare
from deploy import kernel_cache
from deploy.demo_world import SECOND_US
from deploy.registry import Registry
from gnss.assembly.table import Chunk, EpochTable
from gnss.ephemeris_book import EphemerisBook
from gnss.epoch_columns import EpochColumns
from gnss.observations import Observations
from gnss.quality.table import QualityTable
from gnss.simulate import SimulatedStation
from gnss.simulate.restamp import restamp
from gnss.sky import Skies
from gnss.to_rtcm.prepare import prepare as prepare_conversion
from sensors import routing
from sensors.detectors import detector_names, find_kind
from sensors.detectors.bank import Bank
from storage import append_kernel
from streams.processors.detect import Detect
from streams.processors.quality_control import QualityControl
from streams.processors.score_stations import WANTED, ScoreStations
from streams.recent_samples import RecentSamples
from streams.records import RawBatch, RawChunk, SampleBatch

_START_US = 1_700_000_000 * SECOND_US
_FRAMES = base64.b64decode(
    "0wAVPuABA7loLwwaCuLqc/MHoEq6YgAAIJdd0wA9P7UPAAAAyD9IAP9r40WgyAc9MTd2C38CA6UBBiTdA3uhC6uBP0gALa0CgGv/"
    "8CcccccebxyFQ83/qIEEAAVzZNMAkUNQATxG2OAAAAjAiAAAAAAAICAAAH/oaWmqSWAAALcdj+MZMwBR7dghITmBCcJlfDIue5fH"
    "wDGf3doZHYQKmFnMPORD3zPul9vu6BAeWFofL43l4eHkmmvgTyvfGT4NyuQOLzRfF8XxfF8XxfF8XxfABhWCz1QMqy9BsU0TRY/W"
    "IDYjHETm4g2nvnC9Wu7F3Lx6rkk="
)
"""A simulated station's 1006, a 1019 and a 1077 of five satellites with two signals, near `_START_US`."""
_EPOCHS_S = (0, 1, 2, 60, 300, 3601, 3602, 3603)
"""Over slots that are missed, the marks of each five minutes, and the end of an hour."""
_beside: list[subprocess.Popen[bytes]] = []
"""Processes that are not waited for."""
_SAMPLES = 130
"""A minute apart: enough for the detectors' trends."""


def warm_up(registry: Registry, console: Console) -> None:
    """Send a few epochs and samples through processors that are then thrown away."""
    with console.status("preparing (the first start compiles, about a minute)"):
        helper = (
            subprocess.Popen([sys.executable, "-m", "deploy.warm_up"]) if kernel_cache.is_cold() else None
        )
        prepare()
        frames_kernel.prepare()
        append_kernel.prepare()
        prepare_conversion()
        _decode()
        _judge_samples(registry)
        if helper is not None:
            helper.wait()  # what it could not do is done here
        judge_epochs()
    if kernel_cache.lacks_detectors() is not None:
        _beside.append(
            subprocess.Popen([sys.executable, "-m", "deploy.warm_up", "detectors"], stderr=subprocess.DEVNULL)
        )


def prepare_detectors() -> None:
    """Compile the kernels of all kinds and say so in the cache; nothing where another process does it."""
    with contextlib.ExitStack() as stack:
        if (mark := kernel_cache.lacks_detectors()) is not None:
            lock = stack.enter_context(mark.with_suffix(".lock").open("w"))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
        for name in detector_names():
            Bank(find_kind(name)).prepare()
        if mark is not None:
            mark.touch()


def warm_up_simulator(console: Console) -> None:
    """Let a simulated station send an epoch."""
    with console.status("preparing the simulation"):
        SimulatedStation(1, 121.2, 31.1, 20.0, seed=1).emit(_START_US)


def _decode() -> None:
    table, book = EpochTable(WANTED), EphemerisBook()
    for second in range(2):
        epoch_us = _START_US + second * SECOND_US
        assembled = table.feed([Chunk(0, restamp(_FRAMES, 1, epoch_us), epoch_us, None)])
        for payload in assembled.others.payload:
            book.add_message(payload, epoch_us)
    Skies(book)(_START_US + 60 * SECOND_US)


def judge_nothing() -> None:
    """Compile the judge, which takes longest, without any decoder."""
    table = QualityTable()
    one, none = np.ones(1, np.int64), np.zeros(0, np.int32)
    n, nan = 2, np.full(2, np.nan)
    observations = Observations(
        row=np.zeros(n, np.int32), system=np.zeros(n, np.uint8), satellite=np.ones(n, np.uint8),
        signal=np.array([2, 15], np.uint8), range_m=np.full(n, 2.1e7), phase_m=np.full(n, 2.1e7),
        rate_m_s=nan, cn0_dbhz=np.full(n, 45.0), lock_ms=np.full(n, -1, np.int32),
        lock_indicator=np.full(n, -1, np.int16), half_cycle=np.zeros(n, np.uint8),
        flags=np.zeros(n, np.uint8), channel=np.zeros(n, np.int8),
    )  # fmt: skip
    station = np.full(1, table.add(1.0), np.int32)
    few = np.array([n], np.int32)
    epoch = EpochColumns(
        station=station, time_us=one * _START_US, received_at_us=one * _START_US,
        closed_by=np.zeros(1, np.uint8), first=np.zeros(1, np.int64), count=few, frames=few, bad_frames=few,
        begin=np.zeros(1, np.int64), observations=observations,
    )  # fmt: skip
    table.observe(epoch)
    table.miss(none.astype(np.int64), none.astype(np.int64), none.astype(np.int64))


def judge_epochs() -> None:
    """Decode and judge a few epochs, over all that happens in an hour."""
    judges = ScoreStations(())
    for second in _EPOCHS_S:
        epoch_us = _START_US + second * SECOND_US
        received_us = epoch_us + SECOND_US // 5
        chunk = RawChunk(
            station_id="warm-up", payload=restamp(_FRAMES, 1, epoch_us), received_at_us=received_us
        )
        judges.on_time(epoch_us)
        judges.on_batch(RawBatch(chunks=[chunk]))
        judges.on_time(received_us + SECOND_US)
    judges.on_end()


def _judge_samples(registry: Registry) -> None:
    routing.prepare()  # also where nothing has a detector yet
    control = QualityControl(registry.properties, registry.datastreams)
    detect = Detect(registry.datastreams, registry.things)
    recent, names = RecentSamples(), [*(d.id for d in registry.datastreams), "warm-up"]
    n = len(names)
    for i in range(_SAMPLES):
        time_us = np.full(n, _START_US + i * 60 * SECOND_US)
        samples = SampleBatch(
            datastream_ids=names,
            series=np.arange(n, dtype=np.int32),
            time_us=time_us,
            value=np.full(n, float(i % 2)),
            received_at_us=time_us,
        )
        for flagged in control.on_batch(recent.without(samples)):
            detect.on_batch(flagged)
    control.on_end()
    recent.snapshot()


if __name__ == "__main__":
    # by the cache that `warm_up` uses: its folder is in the environment
    if "detectors" in sys.argv:
        os.nice(19)
        prepare_detectors()
    else:
        judge_nothing()
