"""A bridge that begins late: the past is there, and nobody is called for what is over."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from streams import codec
from streams.kafka import admin
from streams.kafka.bridge import Carrier, Side
from streams.kafka.output import Message, Output
from streams.kafka.passage import Passage
from streams.kafka.reader import Reader
from streams.records import AlertTransition, AlertTransitions
from streams.topics import ALERTS, BRIDGE_PLACES
from tests.servers import KafkaServer
from tests.webhook_store import transition

pytestmark = pytest.mark.integration

WAIT_S = 120.0


@contextlib.asynccontextmanager
async def bridging(kafka: KafkaServer, here: str, above: str):
    """Run a bridge for alerts, and kill it."""
    passage = Passage("here/alerts", ALERTS, above + ALERTS.name, lambda batch: batch)
    carrier = Carrier(passage, Side(kafka.access, here), Side(kafka.access, above), lambda: 0)
    work = asyncio.create_task(carrier.run())
    try:
        yield
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


async def test_a_bridge_that_begins_late_calls_nobody_for_what_is_over(kafka: KafkaServer, prefix: str):
    here, above = f"{prefix}here.", f"{prefix}above."
    for side in (here, above):
        await admin.apply(kafka.access, prefix=side, topics=[ALERTS, BRIDGE_PLACES])
    workers, arrived = (
        Output(kafka.access, "workers", f"{prefix}workers"),
        Reader(kafka.access, (ALERTS,), {}, above),
    )
    found: list[AlertTransition] = []

    async def raised(*steps: AlertTransition) -> None:
        for step in steps:  # each in a transaction, whose mark stands in the topic too
            value = codec.encode(AlertTransitions(transitions=[step]))
            await workers.send([Message(here + ALERTS.name, 0, value)])

    async def told_to(alert_id: str, number: int) -> list[tuple[str, int, bool]]:
        """Wait for a step; return what has arrived, without what was sent once more."""
        async with asyncio.timeout(WAIT_S):
            while (alert_id, number) not in [(one.alert_id, one.number) for one in found]:
                for one in await arrived.next(0.2):
                    batch = codec.decode(one.value)
                    assert isinstance(batch, AlertTransitions)
                    found.extend(batch.transitions)
        return list(dict.fromkeys((one.alert_id, one.number, one.historic) for one in found))

    try:
        await arrived.start()
        await raised(
            transition("over"),
            transition("open"),
            transition("over", 2, state="closed"),
            transition("open", 2),
        )
        past = [("over", 1, True), ("open", 1, True), ("over", 2, True), ("open", 2, False)]
        async with bridging(kafka, here, above):
            assert await told_to("open", 2) == past
            await raised(transition("new"))
            assert await told_to("new", 1) == [*past, ("new", 1, False)]
        await raised(transition("new", 2, state="closed"), transition("open", 3, state="closed"))
        async with bridging(kafka, here, above):
            everything = [*past, ("new", 1, False), ("new", 2, False), ("open", 3, False)]
            assert await told_to("open", 3) == everything
    finally:
        await workers.close()
        await arrived.stop()
