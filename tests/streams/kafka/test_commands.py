"""Commands over Kafka: which topics they go to."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from streams import codec
from streams.kafka.access import Access
from streams.kafka.commands import KafkaCommands
from streams.kafka.output import Message, Output
from streams.records import Command, CommandOutcome, CommandOutcomes, Commands


class Noted(Output):
    """Sends to nobody."""

    def __init__(self, into: list[Message]) -> None:
        super().__init__(Access("127.0.0.1:9"), "noted")
        self.into = into

    async def send(self, messages: Sequence[Message]) -> None:
        self.into.extend(messages)


def command(kind: str, target: str) -> Command:
    return Command(id="c", kind=kind, target=target, by="duty", at_us=1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("asked", "topics"),
    [
        (command("acknowledge_alert", "abc"), ["p.commands"]),
        (command("acknowledge_alert", "zhejiang:abc"), ["p.commands", "p.regional-commands"]),
        (command("put", "station/zhejiang:A"), ["p.commands"]),
        (command("put", "account/a:b"), ["p.commands"]),
    ],
)
async def test_a_command_is_copied_for_regions_when_it_is_about_an_alert_of_theirs(asked, topics):
    sent: list[Message] = []
    commands = KafkaCommands(Noted(sent), "p.")
    waiting = asyncio.create_task(commands.command(asked))
    while len(sent) < len(topics):
        await asyncio.sleep(0)
    commands.listen([CommandOutcomes(outcomes=[CommandOutcome(id="c", ok=True, message="done")])])
    assert (await waiting).ok
    assert [one.topic for one in sent] == topics
    assert all(codec.decode(one.value) == Commands(commands=[asked]) for one in sent)
