"""Brings verdicts on stations to the rovers' roaming: from the pipeline of this process, or over Kafka."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence

import structlog

from connectors.caster.roaming.roaming import Roaming
from deploy.clock import wall_clock_us
from streams.kafka.access import Access
from streams.kafka.reader import Reader
from streams.kafka.verdicts import VerdictFollower
from streams.records import Record, StationReports
from streams.topics import STATION_REPORTS

log = structlog.get_logger()

GATHER_S = 0.3
"""How long a broker gathers before it answers: a bad base is to be left within 5 s."""


def verdict_listener(roaming: Roaming) -> Callable[[Sequence[Record]], None]:
    """Return a listener of the embedded runtime."""

    def listen(outputs: Sequence[Record]) -> None:
        for batch in outputs:
            if isinstance(batch, StationReports):
                for report in batch.reports:
                    roaming.judge(report.station_id, report.state, report.score)

    return listen


@contextlib.asynccontextmanager
async def following_verdicts(
    kafka: Access, prefix: str, roaming: Roaming | None
) -> AsyncIterator[VerdictFollower | None]:
    """Follow verdicts until the block ends; nothing waits for Kafka. None: nobody is led."""
    if roaming is None:
        yield None
        return
    reader = Reader(kafka, [STATION_REPORTS], None, prefix, gather_s=GATHER_S)
    follower = VerdictFollower(reader, roaming.judge, wall_clock_us)
    task = asyncio.create_task(follower.run(), name="verdicts")
    task.add_done_callback(_report)
    try:
        yield follower
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("verdicts are not followed any more: restart this process", error=repr(error))
