"""The doors to the bus, as connectors and services see them."""

from __future__ import annotations

from typing import Protocol

from streams.call_records import CallOrder, CallReceipt, CallReceipts
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


class CallDoor(Protocol):
    """What brings a call to a person, by one channel or by several."""

    async def send(self, order: CallOrder) -> CallReceipt:
        """Carry an order out; return what is known at once, mostly that it was accepted.

        The same order may come again, after a restart: its `call_id` tells that it is the same, and the
        person must not be called twice. An error means that trying again may help.
        """
        ...


class ReceiptSink(Protocol):
    """Where it is told what became of calls."""

    async def put_receipts(self, batch: CallReceipts) -> None:
        """Return when it is durable.

        Raises
        ------
        TimeoutError
            That is not known; telling it again is always right.
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
