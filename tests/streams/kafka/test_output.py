"""What an output says of a broker that hangs, and how many producers it has."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError

from streams.kafka import output
from streams.kafka.access import Access
from streams.kafka.output import FencedError, Message, Output
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


async def test_what_is_urgent_does_not_wait_for_what_gathers_and_stays_behind_it(monkeypatch):
    monkeypatch.setattr(output, "LINGER_S", 3600.0)
    broker, one = Broker(), Output(Access("somewhere:9092"), "me")
    one._producer = broker  # type: ignore[assignment]
    broker.answers.set()
    await one.post([Message("t", 0, b"1"), Message("t", 0, b"2")])
    await asyncio.sleep(0.01)
    assert broker.values == []
    await one.post([Message("t", 0, b"3")], at_once=True)
    await asyncio.wait_for(one.flush(), 5)
    assert broker.values == [b"1", b"2", b"3"]
    await one.post([Message("t", 0, b"4")])
    await asyncio.sleep(0.01)
    assert broker.values == [b"1", b"2", b"3"], "the hurry is over"
    await one.post([], at_once=True)
    await asyncio.wait_for(one.flush(), 5)


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


async def test_nobody_waits_for_a_knock_before_the_next_try(monkeypatch):
    monkeypatch.setattr(output, "RETRY_S", 0.0)
    knocks, tries, may_answer, is_back = [], [], asyncio.Event(), asyncio.Event()

    async def knock(_: Access) -> str:
        knocks.append(1)
        await may_answer.wait()
        return "the password is wrong"

    monkeypatch.setattr(Access, "trouble", knock)

    class Away(Broker):
        async def start(self) -> None:
            tries.append(1)
            await asyncio.sleep(0)
            if not is_back.is_set():
                raise KafkaConnectionError("away")

    monkeypatch.setattr(output, "AIOKafkaProducer", lambda **_: Away())
    one = Output(Access("somewhere:9092"), "me")
    sending = asyncio.create_task(one.insist(lambda _: asyncio.sleep(0)))
    await until(lambda: len(tries) > 5)
    assert "was lost (KafkaConnectionError: away)" in one.error, "said at once"
    assert len(knocks) == 1
    may_answer.set()
    await until(lambda: one.error == "the password is wrong")
    is_back.set()
    await sending
    assert one.error == ""


@pytest.mark.parametrize("once", [True, False])
async def test_an_id_that_is_taken_once_is_not_taken_from_a_successor(once, monkeypatch):
    monkeypatch.setattr(output, "RETRY_S", 0.0)
    monkeypatch.setattr(Access, "trouble", lambda _: asyncio.sleep(0, ""))
    began: list[int] = []

    class Fragile(Broker):
        async def start(self) -> None:
            began.append(1)
            if len(began) == 1:
                raise KafkaConnectionError("away")  # it has not taken the id: it may try again

        @contextlib.asynccontextmanager
        async def transaction(self) -> AsyncIterator[None]:
            yield

    monkeypatch.setattr(output, "AIOKafkaProducer", lambda **_: Fragile())
    one = Output(Access("somewhere:9092"), "me", "mine", once=once)
    await one.insist(lambda _: asyncio.sleep(0))
    assert len(began) == 2
    breaks = [KafkaConnectionError("away")]

    async def work(_: Any) -> None:
        if breaks:
            raise breaks.pop()

    if once:
        with pytest.raises(FencedError, match="another process may work as mine"):
            await one.insist(work)
    else:
        await one.insist(work)
    assert len(began) == (2 if once else 3)
    await one.close()
