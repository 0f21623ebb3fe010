"""What an output says of a broker that hangs, and how many producers it has."""

from __future__ import annotations

import asyncio
from typing import Any

from streams.kafka import output
from streams.kafka.access import Access
from streams.kafka.output import Message, Output
from tests.waiting import until


class Broker:
    """A producer whose confirmations come when they are let."""

    def __init__(self) -> None:
        self.answers = asyncio.Event()
        self.values: list[bytes] = []

    async def send(self, _topic: str, value: bytes, **_: Any) -> asyncio.Task[bool]:
        self.values.append(value)
        return asyncio.create_task(self.answers.wait())

    async def start(self) -> None:
        await asyncio.sleep(0)  # others get their turn

    async def stop(self) -> None:
        pass


async def test_a_broker_that_hangs_is_told_until_it_answers(monkeypatch):
    monkeypatch.setattr(output, "SLOW_S", 0.01)
    broker, one = Broker(), Output(Access("somewhere:9092"), "me")
    one._producer = broker  # type: ignore[assignment]
    await one.post([Message("t", 0, b"x")])
    await until(lambda: "not answered" in one.error)
    assert "somewhere:9092" in one.error
    broker.answers.set()
    await one.flush()
    assert one.error == ""
    assert broker.values == [b"x"]
    await asyncio.sleep(0.03)
    assert one.error == ""  # nothing is on its way any more


async def test_those_that_send_at_the_same_time_share_one_producer(monkeypatch):
    made: list[Broker] = []

    def make(**_: Any) -> Broker:
        made.append(Broker())
        made[-1].answers.set()
        return made[-1]

    monkeypatch.setattr(output, "AIOKafkaProducer", make)
    one = Output(Access("somewhere:9092"), "me")
    await asyncio.gather(*(one.send([Message("t", 0, bytes([n]))]) for n in range(5)))
    (broker,) = made
    assert sorted(broker.values) == [bytes([n]) for n in range(5)]
