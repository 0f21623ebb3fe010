"""The sky of a station over Kafka: its partition is read while somebody looks, and no longer."""

from __future__ import annotations

import asyncio

import pytest

from deploy import sky_link
from deploy.clock import wall_clock_us
from deploy.sky_link import following_skies, partitions_of
from gnss.simulate import SimulatedSky, SimulatedStation
from streams.kafka import admin
from streams.kafka.output import Message, Output
from streams.partitions import pieces
from streams.records import RawBatch, RawChunk
from streams.sky_watch import LOOK_US, SkyWatch
from streams.topics import RAW, REGIONAL_RAW, partition_of
from tests.servers import KafkaServer
from tests.waiting import until

pytestmark = pytest.mark.integration

PLACE = (114.36, 30.53)
NEAR, FAR = "WUHN00CHN", "hangzhou:WUHN00CHN"


def test_a_station_of_a_region_is_where_it_is_at_home():
    assert partitions_of([NEAR, FAR], RAW) == partitions_of([NEAR, FAR], REGIONAL_RAW)
    assert partitions_of([NEAR], REGIONAL_RAW) == frozenset()
    assert partitions_of([NEAR], RAW) == {partition_of(NEAR, RAW)}


async def test_what_is_looked_at_is_read_and_nothing_else(
    kafka: KafkaServer, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sky_link, "LOOK_S", 0.05)
    await admin.apply(kafka.access, prefix=prefix)
    output, watch, sky = Output(kafka.access, "gatherer"), SkyWatch(), SimulatedSky()
    other = next(f"S{n:04d}" for n in range(99) if partition_of(f"S{n:04d}", RAW) == partition_of(NEAR, RAW))
    senders = {
        NEAR: SimulatedStation(1, *PLACE, 40.0, seed=1, sky=sky, sends_ephemerides=False),
        other: SimulatedStation(2, 115.0, 31.0, 40.0, seed=2, sky=sky),
        FAR: SimulatedStation(3, *PLACE, 40.0, seed=3, sky=sky),
    }
    begin_us = wall_clock_us() // 1_000_000 * 1_000_000 - 40_000_000

    async def send(seconds: range) -> None:
        for name, sender in senders.items():
            topic = REGIONAL_RAW if name == FAR else RAW
            made = []
            for second in seconds:
                at_us = begin_us + second * 1_000_000
                payload = b"".join(sender.emit(at_us).frames)
                made.append(RawChunk(station_id=name, payload=payload, received_at_us=at_us))
            partition = partition_of(NEAR, RAW)
            await output.send(
                [Message(prefix + topic.name, partition, one) for one in pieces(RawBatch(chunks=made))]
            )

    try:
        async with following_skies(watch, kafka.access, prefix):
            await send(range(36))  # before anybody looks
            now_us = wall_clock_us()
            assert watch.begin(NEAR, PLACE, now_us)
            await until(lambda: watch.sky(NEAR) is not None)
            await send(range(36, 40))

            def is_new(name: str) -> bool:
                watch.go_on(name, wall_clock_us())
                seen = watch.sky(name)
                return seen is not None and seen.time_us >= begin_us + 38_000_000

            await until(lambda: is_new(NEAR))
            assert "a reader of streams" in {task.get_name() for task in asyncio.all_tasks()}
            seen = watch.sky(NEAR)
            assert seen is not None
            assert sum(one.azimuth_deg is not None and bool(one.cn0_dbhz) for one in seen.satellites) > 20
            watch.begin(FAR, PLACE, wall_clock_us())
            await until(lambda: is_new(FAR))
            assert watch.trouble == ""

            assert watch.looked_at(wall_clock_us() + LOOK_US + 1_000_000) == []
            watch.begin(NEAR, PLACE, 0)  # nobody looks any more
            watch.go_on(NEAR, 1 - LOOK_US)
            await asyncio.sleep(0.5)
            assert "a reader of streams" not in {task.get_name() for task in asyncio.all_tasks()}
    finally:
        await output.close()
