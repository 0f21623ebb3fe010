"""The doors to the bus, as connectors and services see them."""

from __future__ import annotations

from typing import Protocol

from streams.records import Command, CommandOutcome, RawChunk, SampleBatch


class RawSink(Protocol):
    """Where a gatherer puts the bytes of stations, to be judged and archived."""

    def offer(self, chunk: RawChunk) -> bool:
        """Take the chunk without waiting; False when there is no room (the caller counts it)."""
        ...

    async def put(self, chunk: RawChunk) -> None:
        """Take the chunk, waiting for room: for replays, which can wait."""
        ...


class SampleSink(Protocol):
    """Where a sensor connector puts samples."""

    async def put_samples(self, batch: SampleBatch) -> None:
        """Return when the batch and everything that follows from it is durably stored.

        Only then may the sender be told (MQTT: acknowledged) that its message has arrived.
        """
        ...


class CommandSink(Protocol):
    """Where people and programs ask for changes."""

    async def command(self, command: Command) -> CommandOutcome:
        """Return the answer when the change is in force and stored.

        Raises
        ------
        TimeoutError
            No answer in time; the command may still take effect.
        """
        ...
