"""Commands over Kafka: asked on one topic, answered on another; a region's are copied to where it reads."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from streams.kafka.output import Message, Output
from streams.partitions import pieces
from streams.records import Command, CommandOutcome, CommandOutcomes, Commands, Record
from streams.sharing import for_below
from streams.topics import COMMANDS, REGIONAL_COMMANDS

TIMEOUT_S = 5.0


@dataclass(slots=True)
class KafkaCommands:
    """Implements `streams.bus.CommandSink`. Whoever reads the answers' topic calls `listen`."""

    output: Output
    prefix: str = ""
    _waiting: dict[str, asyncio.Future[CommandOutcome]] = field(default_factory=dict)

    async def command(self, command: Command) -> CommandOutcome:
        """Return the answer when the change is in force.

        Raises
        ------
        TimeoutError
            No answer in time; the command may still take effect.
        """
        answer: asyncio.Future[CommandOutcome] = asyncio.get_running_loop().create_future()
        self._waiting[command.id] = answer
        try:
            async with asyncio.timeout(TIMEOUT_S):
                asked = Commands(commands=[command])
                (message,) = pieces(asked)
                await self.output.send([Message(self.prefix + COMMANDS.name, 0, message)])
                if for_below(asked) is not None:  # behind the other, which is what the audit reads
                    await self.output.send([Message(self.prefix + REGIONAL_COMMANDS.name, 0, message)])
                return await answer
        finally:
            self._waiting.pop(command.id, None)

    def listen(self, batches: Sequence[Record]) -> None:
        """Take what was read; answers go to who waits for them."""
        for batch in batches:
            if isinstance(batch, CommandOutcomes):
                for outcome in batch.outcomes:
                    answer = self._waiting.get(outcome.id)
                    if answer is not None and not answer.done():
                        answer.set_result(outcome)
