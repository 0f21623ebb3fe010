"""Tide gauges that publish over MQTT with QoS 1; some of them see tsunamis."""

from __future__ import annotations

import asyncio
import json

import aiomqtt

from sensors.simulate import TideGauge, Tsunami
from tests.chaos.ledger import LedgerWriter
from tests.chaos.stations import clock_us

BACKLOG, BACKLOG_STEP_US = 180, 10_000_000
"""What a gauge sends first, so that its detector knows the tide."""
EVENT_S, CYCLE_S = 12, 120
"""A gauge with alerts sees a wave of so long, once in so long."""
WINDOW_S = 1800
DETECTOR = {
    "window_s": float(WINDOW_S), "min_duration_s": 4.0, "end_quiet_s": 15.0, "floor_m": 0.2, "end_share": 1.0,
    "max_gap_s": 600.0,
}  # fmt: skip
MOST_UNDER_WAY = 500


def thing_id(sensor: int) -> str:
    return f"gauge-{sensor:04d}"


def datastream_id(sensor: int) -> str:
    return f"{thing_id(sensor)}.water_level"


class Gauge:
    """One series: calm sea, and a wave in each cycle when it is one with alerts."""

    def __init__(self, sensor: int, alerting: bool, begin_us: int, seed: int) -> None:
        self.sensor = sensor
        self.alerting = alerting
        self._seed = seed * 10_000 + sensor
        # the first waves come one after the other, not all at once
        self._begin_us = begin_us + (20 + sensor * 7 % CYCLE_S) * 1_000_000

    def sample(self, time_us: int) -> tuple[float, int]:
        """Return the level, and the number of the wave (0: calm)."""
        since_us = time_us - self._begin_us
        if not self.alerting or since_us < 0:
            return TideGauge(self._seed).value(time_us), 0
        cycle, at_us = divmod(since_us, CYCLE_S * 1_000_000)
        if at_us >= EVENT_S * 1_000_000:
            return TideGauge(self._seed).value(time_us), 0
        wave = Tsunami(time_us - at_us, 0.8, period_s=2 * EVENT_S, decay_s=1000.0)
        return TideGauge(self._seed, wave).value(time_us), cycle + 1


async def publish(
    gauges: list[Gauge], host: str, port: int, ledger: LedgerWriter, ending: asyncio.Event
) -> None:
    """Publish a sample of each gauge each second until the end; return when the broker has all of them."""
    client = aiomqtt.Client(host, port, identifier="devices", max_inflight_messages=MOST_UNDER_WAY)
    async with client:
        client.pending_calls_threshold = 100_000
        under_way: set[asyncio.Task[None]] = set()

        async def send(gauge: Gauge, times_us: list[int]) -> None:
            made = [(time_us, *gauge.sample(time_us)) for time_us in times_us]
            samples = [{"time": time_us, "value": value} for time_us, value, _ in made]
            await client.publish(f"chaos/{datastream_id(gauge.sensor)}", json.dumps(samples), qos=1)
            for time_us, value, event in made:
                ledger.add("samples", gauge.sensor, event, time_us, value, clock_us())

        def begin(gauge: Gauge, times_us: list[int]) -> None:
            task = asyncio.create_task(send(gauge, times_us))
            under_way.add(task)
            task.add_done_callback(under_way.discard)

        now_us = clock_us() // 1_000_000 * 1_000_000
        for gauge in gauges:
            begin(gauge, [now_us - k * BACKLOG_STEP_US for k in range(BACKLOG, 0, -1)])
        while not ending.is_set():
            for i, gauge in enumerate(gauges):
                begin(gauge, [now_us + i])  # a microsecond apart, so that their order is known
            now_us += 1_000_000
            await asyncio.sleep(max((now_us - clock_us()) / 1e6, 0.0))
        if under_way:
            await asyncio.wait(under_way)
