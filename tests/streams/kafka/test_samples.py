"""Samples from a process without a disk: where they go, and what is said when they cannot."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest

from streams import codec
from streams.kafka import samples
from streams.kafka.access import Access
from streams.kafka.output import Message, Output
from streams.kafka.samples import BusyError, KafkaSamples
from streams.partitions import named_site
from streams.records import SampleBatch
from streams.topics import SAMPLES, partition_of

NAMES = [f"gauge{k}.water_level" for k in range(30)]


class Noted(Output):
    """Sends to nobody; what is sent is confirmed when it is let."""

    def __init__(self) -> None:
        super().__init__(Access("127.0.0.1:9"), "noted")
        self.into: list[Message] = []
        self.confirmed = asyncio.Event()

    async def send(self, messages: Sequence[Message]) -> None:
        self.into.extend(messages)
        await self.confirmed.wait()


def batch(count: int) -> SampleBatch:
    return SampleBatch(
        datastream_ids=NAMES,
        series=(np.arange(count) % len(NAMES)).astype(np.int32),
        time_us=np.arange(count, dtype=np.int64),
        value=np.arange(count, dtype=np.float64),
        received_at_us=np.ones(count, np.int64),
    )


async def test_each_site_has_its_partition_and_is_in_its_order():
    output = Noted()
    output.confirmed.set()
    sink = KafkaSamples(output, named_site, "p.")
    await sink.put_samples(batch(300))
    found: dict[str, list[float]] = {}
    for one in output.into:
        assert one.topic == "p.samples"
        part = codec.decode(one.value)
        assert isinstance(part, SampleBatch)
        for series, value in zip(part.series.tolist(), part.value.tolist(), strict=True):
            name = part.datastream_ids[series]
            assert partition_of(named_site(name), SAMPLES) == one.partition
            found.setdefault(name, []).append(value)
    assert found == {name: [float(k + 30 * n) for n in range(10)] for k, name in enumerate(NAMES)}
    assert (sink.sent, sink.refused) == (300, 0)


async def test_what_has_no_room_is_refused_and_there_is_room_again(monkeypatch):
    monkeypatch.setattr(samples, "MOST_WAITING", 100)
    output = Noted()
    sink = KafkaSamples(output, named_site)
    first = asyncio.create_task(sink.put_samples(batch(70)))
    await asyncio.sleep(0)
    with pytest.raises(BusyError):
        await sink.put_samples(batch(31))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await sink.put_samples(batch(30))
    output.confirmed.set()
    await first
    await sink.put_samples(batch(100))
    assert (sink.sent, sink.refused) == (170, 61)
