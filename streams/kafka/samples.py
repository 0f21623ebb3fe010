"""Samples into Kafka from a process without a disk of its own: what it cannot send, its sender keeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from streams.kafka.output import Message, Output
from streams.partitions import pieces, split_samples
from streams.records import SampleBatch
from streams.topics import SAMPLES, partition_of

MOST_WAITING = 100_000
"""Samples that are on their way at one time."""


class BusyError(RuntimeError):
    """Too many samples are on their way already. Trying again later helps."""


@dataclass(slots=True)
class KafkaSamples:
    """Implements `streams.bus.SampleSink`.

    Samples go where those of a gatherer go. They carry no maker: many are sent at one time, in any order,
    and who judges them leaves out by datastream, time and value what came before.

    Parameters
    ----------
    output
        May send other things, too.
    site_of
        Site of a datastream's id: the same as that of the gatherers.
    prefix
        Before the name of each topic.
    """

    output: Output
    site_of: Callable[[str], str]
    prefix: str = ""
    sent: int = field(default=0, init=False)
    """Samples that Kafka has confirmed."""
    refused: int = field(default=0, init=False)
    """Samples for which there was no room, or that were not confirmed in time."""
    _waiting: int = field(default=0, init=False)

    async def put_samples(self, batch: SampleBatch) -> None:
        """Return when Kafka has the batch; it is judged and stored a moment later.

        Raises
        ------
        BusyError
            There is no room: nothing was sent.
        """
        count = len(batch)
        if self._waiting + count > MOST_WAITING:
            self.refused += count
            raise BusyError(f"more than {MOST_WAITING} samples are on their way; send these again later")
        self._waiting += count
        try:
            await self.output.send(self._messages(batch))
            self.sent += count
        except BaseException:
            self.refused += count
            raise
        finally:
            self._waiting -= count

    def _messages(self, batch: SampleBatch) -> list[Message]:
        topic = self.prefix + SAMPLES.name
        parts = split_samples(batch, lambda name: partition_of(self.site_of(name), SAMPLES))
        return [
            Message(topic, partition, piece) for partition, part in parts.items() for piece in pieces(part)
        ]
