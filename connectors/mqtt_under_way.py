"""Batches of messages on their way into the sink, several at a time: what is urgent waits for no other.

They are handed to the sink in the order in which they came, and acknowledged in that order, as MQTT wants it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple, NoReturn

from connectors.mqtt_session import Arrived
from connectors.reconnect import StreamError
from streams.bus import SampleSink
from streams.records import SampleBatch

BATCHES = 64
BYTES = 16_000_000
"""Of payloads, and of samples in memory; one batch alone may be more."""
_ROW_BYTES = 64


class _Batch(NamedTuple):
    messages: Sequence[Arrived]
    size: int
    storing: asyncio.Task[None] | None
    """None: there is nothing to store."""


class UnderWay:
    """What is under way of one connection.

    Parameters
    ----------
    sink
        Takes the samples; its return is what lets messages be acknowledged.
    acknowledge
        Tells the broker that messages are in safe keeping.
    """

    def __init__(self, sink: SampleSink, acknowledge: Callable[[Sequence[Arrived]], None]) -> None:
        self._sink = sink
        self._acknowledge = acknowledge
        self._batches: deque[_Batch] = deque()
        self._bytes = 0
        self._changed = asyncio.Event()

    async def put(self, batch: SampleBatch, messages: Sequence[Arrived]) -> None:
        """Take the samples of messages, and wait while too much is under way."""
        size = _ROW_BYTES * len(batch) + sum(len(message.payload) for message in messages)
        while len(self._batches) >= BATCHES or (self._bytes and self._bytes + size > BYTES):
            await self._change()
        storing = asyncio.create_task(self._store(batch)) if len(batch) else None
        self._batches.append(_Batch(messages, size, storing))
        self._bytes += size
        self._changed.set()

    async def settle(self) -> NoReturn:
        """Acknowledge what is stored, the oldest first.

        Raises
        ------
        StreamError
            Something cannot be stored: the broker keeps it, and all that came behind it.
        """
        while True:
            while not self._batches:
                await self._change()
            first = self._batches[0]
            if first.storing is not None:
                await first.storing
            self._acknowledge(first.messages)
            self._batches.popleft()
            self._bytes -= first.size
            self._changed.set()

    async def close(self) -> None:
        """Give up what is under way."""
        storing = [one.storing for one in self._batches if one.storing is not None]
        for task in storing:
            task.cancel()
        await asyncio.gather(*storing, return_exceptions=True)

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    async def _store(self, batch: SampleBatch) -> None:
        try:
            await self._sink.put_samples(batch)
        except Exception as error:
            text = f"samples cannot be stored ({error}); the broker keeps them for the next attempt"
            raise StreamError(text) from error
