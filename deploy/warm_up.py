"""Compile the kernels before the first byte arrives: half a minute at the first start, then cached."""

from __future__ import annotations

import numpy as np
from rich.console import Console

from deploy.demo_world import SECOND_US
from deploy.registry import Registry
from gnss.rtcm.framing import Framer
from gnss.simulate import SimulatedStation
from streams.processors.detect import Detect
from streams.processors.quality_control import QualityControl
from streams.processors.score_stations import ScoreStations
from streams.records import RawBatch, RawChunk, SampleBatch

_START_US = 1_700_000_000 * SECOND_US
_SAMPLES = 130
"""A minute apart: enough for the detectors' trends."""


def warm_up(registry: Registry, console: Console) -> None:
    """Send a few simulated epochs and samples through processors that are then thrown away."""
    with console.status("preparing (the first start compiles, about half a minute)"):
        station = SimulatedStation(1, 121.2, 31.1, 20.0, seed=1)
        judges = ScoreStations(())
        for i in range(3):
            payload = b"".join(station.emit(_START_US + i * SECOND_US).frames)
            Framer().feed(payload)
            chunk = RawChunk(
                station_id="warm-up", payload=payload, received_at_us=_START_US + i * SECOND_US + 200_000
            )
            judges.on_batch(RawBatch(chunks=[chunk]))
        if registry.datastreams:
            control = QualityControl(registry.properties, registry.datastreams)
            detect = Detect(registry.datastreams, registry.things)
            n = len(registry.datastreams)
            for i in range(_SAMPLES):
                samples = SampleBatch(
                    datastream_ids=[d.id for d in registry.datastreams],
                    series=np.arange(n, dtype=np.int32),
                    time_us=np.full(n, _START_US + i * 60 * SECOND_US),
                    value=np.full(n, float(i % 2)),
                    received_at_us=np.full(n, _START_US + i * 60 * SECOND_US),
                )
                for flagged in control.on_batch(samples):
                    detect.on_batch(flagged)
