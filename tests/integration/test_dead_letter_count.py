"""Who serves the page tells how many messages are parked in Kafka."""

from __future__ import annotations

import pytest

from deploy import dead_letter_count
from deploy.dead_letter_count import counted_dead_letters
from streams.kafka import admin
from streams.kafka.output import Message, Output
from streams.topics import DEAD_LETTERS
from tests.servers import KafkaServer
from tests.waiting import until

pytestmark = pytest.mark.integration


async def test_parked_messages_are_counted(
    kafka: KafkaServer, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letter_count, "ASK_S", 0.05)
    await admin.apply(kafka.access, prefix=prefix)
    output = Output(kafka.access, "worker")
    try:
        async with counted_dead_letters(kafka.access, prefix) as figure:
            await until(lambda: figure.values() == {(): 0})
            await output.send([Message(prefix + DEAD_LETTERS.name, 0, b"x")] * 3)
            await until(lambda: figure.values() == {(): 3})
    finally:
        await output.close()
