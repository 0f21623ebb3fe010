"""Verdicts on stations as they come, for who leads rovers: only what is new counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from aiokafka.errors import KafkaError

from streams.codec import CodecError
from streams.kafka.reader import Reader
from streams.verdicts import decode_verdicts

log = structlog.get_logger()

WAIT_S = 0.2
RETRY_S = 1.0
AGE_US = 60_000_000
"""Verdicts that were made so long ago say nothing of now: they waited while Kafka was away."""


@dataclass(slots=True)
class VerdictFollower:
    """Tells the verdicts that come from now on; while Kafka is away there are none.

    Parameters
    ----------
    reader
        Of `STATION_REPORTS`, from its end.
    tell
        Gets station, state and score.
    clock_us
        UTC.
    """

    reader: Reader
    tell: Callable[[str, str, int | None], None]
    clock_us: Callable[[], int]
    verdicts: int = 0
    """That were told."""
    late: int = 0
    """That came too late to count."""
    unreadable: int = 0
    """Messages that a newer program wrote, or that are damaged."""

    async def run(self) -> None:
        """Follow until cancelled."""
        await self.reader.start()
        try:
            while True:
                try:
                    read = await self.reader.next(WAIT_S)
                except KafkaError as error:
                    log.warning("cannot read verdicts, trying again", error=repr(error))
                    await asyncio.sleep(RETRY_S)
                    continue
                for one in read:
                    self.take(one.value)
        finally:
            await self.reader.stop()

    def take(self, message: bytes) -> None:
        """Take a message of the topic."""
        try:
            verdicts = decode_verdicts(message)
        except CodecError as error:
            self.unreadable += 1
            if self.unreadable == 1:
                log.error("verdicts cannot be read: upgrade this program", error=str(error))
            return
        oldest_us = self.clock_us() - AGE_US
        for verdict in verdicts:
            if verdict.epoch_us < oldest_us:
                self.late += 1
            else:
                self.verdicts += 1
                self.tell(verdict.station_id, verdict.state, verdict.score)
