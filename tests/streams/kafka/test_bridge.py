"""What a bridge tells of a Kafka that says nothing any more."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from streams import codec
from streams.kafka.access import Access
from streams.kafka.bridge import SILENT_US, SLICE_BYTES, Carrier, Side
from streams.kafka.output import Message
from streams.kafka.passage import Passage
from streams.kafka.reader import Read
from streams.records import CommandOutcome, CommandOutcomes
from streams.topics import COMMAND_OUTCOMES
from tests.waiting import until


class Source:
    """Gives one message and then nothing."""

    error = ""

    def __init__(self) -> None:
        batch = CommandOutcomes(outcomes=[CommandOutcome(id="a", ok=True, message="y" * SLICE_BYTES)])
        self.left = [Read(COMMAND_OUTCOMES, 0, k, codec.encode(batch), []) for k in range(3)]

    async def next(self, timeout_s: float) -> list[Read]:
        left, self.left = self.left, []
        await asyncio.sleep(0.001)
        return left


class Other:
    """Confirms nothing while its gate is closed."""

    error = ""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.sent: list[list[Message]] = []

    async def send(self, messages: Sequence[Message]) -> None:
        await self.gate.wait()
        self.sent.append(list(messages))


async def test_a_silent_kafka_is_told_of_until_it_answers_and_what_arrived_is_written_down_behind_it():
    now_us = 0
    passage = Passage("here/outcomes", COMMAND_OUTCOMES, "there", lambda batch: batch)
    passage.begin("cluster", None)
    carrier = Carrier(passage, Side(Access("a:1")), Side(Access("b:2")), lambda: now_us)
    carrier._is_begun = True
    other = carrier._output = Other()  # type: ignore[assignment]
    work = asyncio.create_task(carrier._carry(Source(), "places"))  # type: ignore[arg-type]
    await until(lambda: carrier._asked_us is not None)
    assert carrier.error == ""
    now_us = SILENT_US + 1_000_000
    assert carrier.error == "here/outcomes: Kafka at b:2 has not answered for 11 s"
    other.gate.set()
    await until(lambda: len(other.sent) == 4)
    assert carrier.error == ""
    assert [[message.topic for message in some] for some in other.sent] == [["there"]] * 3 + [["places"]]
    again = Passage("here/outcomes", COMMAND_OUTCOMES, "there", lambda batch: batch)
    again.begin("cluster", other.sent[-1][0].value)
    assert again.offsets() == {"command-outcomes": {0: 3}}
    work.cancel()
