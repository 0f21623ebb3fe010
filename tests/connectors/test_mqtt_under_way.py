"""Batches of MQTT messages on their way: none waits for another, and all are acknowledged in order."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import numpy as np
import pytest

from connectors import mqtt_under_way
from connectors.mqtt_session import Arrived
from connectors.mqtt_under_way import UnderWay
from connectors.reconnect import StreamError
from streams.records import SampleBatch
from tests.waiting import until


def samples(number: int) -> SampleBatch:
    return SampleBatch(
        datastream_ids=[str(number)],
        series=np.zeros(1, np.int32),
        time_us=np.zeros(1, np.int64),
        value=np.full(1, float(number)),
        received_at_us=np.zeros(1, np.int64),
    )


NOTHING = SampleBatch(
    datastream_ids=[],
    series=np.zeros(0, np.int32),
    time_us=np.zeros(0, np.int64),
    value=np.zeros(0),
    received_at_us=np.zeros(0, np.int64),
)


def message(number: int, payload: bytes = b"x") -> list[Arrived]:
    return [Arrived("t", payload, 1, False, number, 0)]


class Sink:
    """Stores what it is let store."""

    def __init__(self) -> None:
        self.came: list[int] = []
        self.stored: dict[int, asyncio.Future[None]] = {}

    async def put_samples(self, batch: SampleBatch) -> None:
        number = int(batch.value[0])
        self.came.append(number)
        self.stored[number] = asyncio.get_running_loop().create_future()
        await self.stored[number]


class Bench:
    def __init__(self) -> None:
        self.sink, self.acknowledged = Sink(), list[int]()
        self.way = UnderWay(self.sink, lambda messages: self.acknowledged.extend(m.mid for m in messages))
        self.settling: asyncio.Task[None] | None = None


@contextlib.asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    one = Bench()
    one.settling = asyncio.create_task(one.way.settle())
    try:
        yield one
    finally:
        one.settling.cancel()
        await asyncio.gather(one.settling, return_exceptions=True)
        await one.way.close()


async def test_a_batch_comes_into_the_sink_while_one_before_it_is_not_stored() -> None:
    async with bench() as one:
        for number in range(3):
            await one.way.put(samples(number), message(number))
        await until(lambda: one.sink.came == [0, 1, 2])
        one.sink.stored[2].set_result(None)
        one.sink.stored[1].set_result(None)
        await asyncio.sleep(0.01)
        assert one.acknowledged == [], "MQTT wants them in order"
        one.sink.stored[0].set_result(None)
        await until(lambda: one.acknowledged == [0, 1, 2])


async def test_messages_without_samples_are_acknowledged_in_their_turn() -> None:
    async with bench() as one:
        await one.way.put(samples(0), message(0))
        await one.way.put(NOTHING, message(1))
        await until(lambda: one.sink.came == [0])
        await asyncio.sleep(0.01)
        assert one.acknowledged == []
        one.sink.stored[0].set_result(None)
        await until(lambda: one.acknowledged == [0, 1])


async def test_what_cannot_be_stored_is_not_acknowledged_and_nothing_behind_it_is() -> None:
    async with bench() as one:
        for number in range(3):
            await one.way.put(samples(number), message(number))
        await until(lambda: len(one.sink.stored) == 3)
        one.sink.stored[0].set_result(None)
        one.sink.stored[2].set_result(None)
        one.sink.stored[1].set_exception(OSError("disk full"))
        assert one.settling is not None
        with pytest.raises(StreamError, match="cannot be stored \\(disk full\\)"):
            await one.settling
        assert one.acknowledged == [0]


@pytest.mark.parametrize("limit", ["BATCHES", "BYTES"])
async def test_no_more_is_under_way_than_may_be(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setattr(mqtt_under_way, limit, {"BATCHES": 2, "BYTES": 2_500}[limit])
    async with bench() as one:
        putting = asyncio.create_task(_put(one.way, 4))
        await until(lambda: one.sink.came == [0, 1])
        await asyncio.sleep(0.01)
        assert one.sink.came == [0, 1]
        one.sink.stored[0].set_result(None)
        await until(lambda: one.sink.came == [0, 1, 2])
        one.sink.stored[1].set_result(None)
        await putting


async def test_one_batch_alone_may_be_larger_than_all_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt_under_way, "BYTES", 100)
    async with bench() as one:
        await asyncio.wait_for(_put(one.way, 1), 5)
        await until(lambda: one.sink.came == [0])


async def test_what_is_given_up_does_not_go_on() -> None:
    async with bench() as one:
        await one.way.put(samples(0), message(0))
        await until(lambda: one.sink.came == [0])
    assert one.sink.stored[0].cancelled()
    assert one.acknowledged == []


async def _put(way: UnderWay, count: int) -> None:
    for number in range(count):
        await way.put(samples(number), message(number, b"x" * 1_000))
