"""Two workers with one task over a real broker: the one that was shut out leaves the other alone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError

from streams import codec
from streams.faust_app import REJOIN_S, FaustConfig, FaustRuntime
from streams.kafka import admin
from streams.kafka.output import Message, Output
from streams.kafka.reader import Reader
from streams.kafka.tasks import ALERT
from streams.kafka.worker import Worker
from streams.pipeline import Pipeline
from streams.processors.alert import Alert
from streams.records import AlertTransitions, Detection, Detections
from streams.topics import ALERTS, COMMANDS, DETECTIONS, REGISTRY, SNAPSHOTS
from tests.servers import KafkaServer
from tests.waiting import until

pytestmark = pytest.mark.integration

T0_US = 1_790_000_000_000_000
WAIT_S = 60.0
TOPICS = DETECTIONS, COMMANDS, ALERTS, REGISTRY, SNAPSHOTS


def finding(k: int) -> bytes:
    one = Detection(
        detector="sea_level", version="1", subject_id=f"gauge {k}", phase="begin", level="orange",
        onset_us=T0_US, at_us=T0_US, detected_at_us=T0_US, title="Rising", value=1.0, threshold=0.5, unit="m",
        evidence={},
    )  # fmt: skip
    return codec.encode(Detections(detections=[one]))


class Alerts:
    """The subjects of all alerts in the order in which they were written, each as often as it was."""

    def __init__(self, kafka: KafkaServer, prefix: str) -> None:
        self.subjects: list[str] = []
        self._reader = Reader(kafka.access, (ALERTS,), {}, prefix)

    async def __aenter__(self) -> Alerts:
        await self._reader.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._reader.stop()

    async def come(self, count: int) -> Sequence[str]:
        """Wait for so many, and look once more."""
        async with asyncio.timeout(WAIT_S):
            while len(self.subjects) < count:
                await self._read()
        await self._read()
        return self.subjects

    async def _read(self) -> None:
        for one in await self._reader.next(0.5):
            batch = codec.decode(one.value)
            assert isinstance(batch, AlertTransitions)
            self.subjects += [step.subject_id for step in batch.transitions]


def worker_of(kafka: KafkaServer, prefix: str, name: str) -> Worker:
    return Worker(
        kafka.access, name, lambda _: Pipeline([Alert()]), str, lambda: T0_US, prefix, groups=(ALERT,)
    )


class Cut:
    """A producer whose connection has just broken."""

    def __init__(self, producer: Any) -> None:
        self.stop = producer.stop

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        raise KafkaConnectionError("the connection broke")
        yield


async def test_a_worker_that_comes_back_does_not_shut_out_its_successor(kafka, prefix):
    await admin.apply(kafka.access, prefix=prefix, topics=TOPICS)
    asked: list[str] = []
    async with contextlib.AsyncExitStack() as stack:
        old, new = (worker_of(kafka, prefix, name) for name in ("old", "new"))
        old.rejoin = lambda: asked.append("to rejoin")

        async def take(worker: Worker, k: int) -> None:
            await worker.take(ALERT, prefix + DETECTIONS.name, 0, k, finding(k), (), k)

        for worker in (old, new):  # what the second restores is what the first wrote
            stack.push_async_callback(worker.stop)
            stack.push_async_callback(worker.let_go, None)
            worker.own({(prefix + topic.name, 0) for topic in ALERT.reads})
            if worker is old:
                await take(old, 0)
                (task,) = old._open.values()
                assert task.journal is not None
                await task.journal.flush()
                task.output._producer = Cut(task.output._producer)  # type: ignore[assignment]
        await take(new, 1)
        await take(old, 1)
        await until(lambda: old.tasks == 0, WAIT_S)
        await take(old, 2)
        assert (old.tasks, old.health.lost_tasks, asked) == (0, 1, ["to rejoin"])
        assert "the connection broke" in old.error
        await take(new, 2)
        assert new.tasks == 1
        alerts = await stack.enter_async_context(Alerts(kafka, prefix))
        assert await alerts.come(3) == ["gauge 0", "gauge 1", "gauge 2"]


async def test_a_worker_that_was_shut_out_joins_again_and_loses_nothing(kafka, prefix):
    await admin.apply(kafka.access, prefix=prefix, topics=TOPICS)
    async with contextlib.AsyncExitStack() as stack:
        worker = worker_of(kafka, prefix, "one")
        runtime = FaustRuntime(FaustConfig(kafka.access, prefix, "one", groups=(ALERT,)), worker)
        stack.push_async_callback(runtime.stop)
        await runtime.start()
        senses = Output(kafka.access, "senses")
        stack.push_async_callback(senses.close)
        alerts = await stack.enter_async_context(Alerts(kafka, prefix))

        async def found(*numbers: int) -> None:
            await senses.send([Message(prefix + DETECTIONS.name, 0, finding(k)) for k in numbers])

        await found(0, 1)
        assert await alerts.come(2) == ["gauge 0", "gauge 1"]
        (task,) = worker._open.values()
        other = Output(kafka.access, "other", task.output.transactional_id)
        stack.push_async_callback(other.close)
        await other.insist(lambda _: asyncio.sleep(0))  # for a moment it was another worker's
        await found(2, 3, 4)
        assert await alerts.come(5) == [f"gauge {k}" for k in range(5)]
        await until(lambda: worker.tasks == 1, WAIT_S)
        assert worker._open.get((ALERT.name, 0)) is not task
        assert worker.error == ""


async def test_what_fails_again_and_again_does_not_keep_all_partitions_moving(kafka, prefix):
    worker = worker_of(kafka, prefix, "one")
    runtime = FaustRuntime(FaustConfig(kafka.access, prefix, groups=(ALERT,)), worker)
    now_s = asyncio.get_running_loop().time()
    due_s = []
    for _ in range(3):
        worker.rejoin()
        assert runtime._joining is not None
        due_s.append(runtime._joining.when())
    assert due_s == pytest.approx([due_s[0] + k * REJOIN_S for k in range(3)])
    assert now_s <= due_s[0] <= asyncio.get_running_loop().time()
    await runtime.stop()
    assert runtime._joining.cancelled()
