"""A worker's snapshots are written beside its work, and stand for what they say."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from streams import codec
from streams.kafka import snapshots
from streams.kafka.access import Access
from streams.kafka.dead_letters import dead_letter
from streams.kafka.output import FencedError, Message
from streams.kafka.tasks import SENSE, Group, Task
from streams.kafka.worker import Worker
from streams.pipeline import Pipeline
from streams.processors.quality_control import QualityControl
from streams.records import Changes, FlaggedSamples, SampleBatch
from streams.topics import SAMPLES

SECOND_US = 1_000_000
NOTHING = snapshots.Found(0, 0, None, {})


class Broker:
    """Stands in for `Output`: what is sent waits until `let_through`."""

    def __init__(self) -> None:
        self.error = ""
        self.posted: list[Message] = []
        self.urgent: list[Message] = []
        self.written: list[Message] = []
        self.open = asyncio.Event()
        self.failure: Exception | None = None

    async def post(self, messages: Sequence[Message], *, at_once: bool = False) -> None:
        self.posted += messages
        self.urgent += messages if at_once else ()

    async def flush(self) -> None:
        pass

    async def send(self, messages: Sequence[Message]) -> None:
        await self.open.wait()
        if self.failure is not None:
            raise self.failure
        self.written += messages

    async def close(self) -> None:
        pass


class Bench:
    """A worker with one task, and what it acknowledged."""

    def __init__(self) -> None:
        self.broker, self.acknowledged, self.now_us = Broker(), list[int](), 0
        self.worker = Worker(Access("127.0.0.1:9"), "one", self.make, lambda name: name, lambda: self.now_us)
        self.worker._output = self.broker  # type: ignore[assignment]
        self.worker.acknowledge = self.acknowledge
        self.worker._owned = {(SAMPLES.name, 0)}
        self.one = self.worker._opened(SENSE, 0, self.broker, NOTHING)  # type: ignore[arg-type]
        self.worker._open["sense", 0] = self.one

    def make(self, _: Group) -> Pipeline:
        return Pipeline([QualityControl([], [])])

    def acknowledge(self, messages: Iterable[Any]) -> None:
        self.acknowledged += messages

    async def take(self, offset: int) -> None:
        at_us = np.array([offset * SECOND_US])
        batch = SampleBatch(
            datastream_ids=["a"],
            series=np.zeros(1, np.int32),
            time_us=at_us,
            value=np.ones(1),
            received_at_us=at_us,
        )
        value = codec.encode(batch)
        await self.worker.take(SENSE, SAMPLES.name, 0, offset, value, (), offset)

    async def settle(self) -> None:
        while self.one.writing is not None:
            await asyncio.sleep(0)

    def restored(self) -> Task:
        """Return the task that another worker would get from what was written."""
        records: list[Any] = [
            type("Record", (), {"key": m.key, "value": m.value, "headers": m.headers})
            for m in self.broker.written
        ]
        found = snapshots.newest("sense/0", records)
        assert found.chunks is not None
        task = Task(SENSE, 0, self.make(SENSE))
        task.restore(found.chunks)
        return task


async def test_messages_are_taken_while_a_snapshot_is_written() -> None:
    bench = Bench()
    await bench.take(0)
    bench.now_us = 120 * SECOND_US
    await bench.take(1)
    assert bench.one.writing is not None
    await bench.take(2)
    flagged = [codec.decode(message.value) for message in bench.broker.posted]
    assert len([batch for batch in flagged if isinstance(batch, FlaggedSamples)]) == 3
    assert bench.acknowledged == []
    bench.broker.open.set()
    await bench.settle()
    assert bench.acknowledged == [0, 1]
    assert bench.restored().next_offset == {SAMPLES.name: 2}
    await bench.worker.let_go(None)
    assert bench.acknowledged == [0, 1, 2]
    assert bench.restored().next_offset == {SAMPLES.name: 3}


async def test_what_was_parked_is_judged_when_it_is_sent_again(monkeypatch) -> None:
    bench = Bench()
    whole, faults = QualityControl.on_batch, [ValueError("a fault that is mended later")]

    def on_batch(self: QualityControl, batch: Any) -> Any:
        if faults:
            raise faults.pop()
        return whole(self, batch)

    monkeypatch.setattr(QualityControl, "on_batch", on_batch)
    await bench.take(0)
    (parked,) = bench.broker.posted
    letter = dead_letter(parked.value, parked.headers)
    assert letter is not None
    again = letter.again()
    assert (again.topic, again.partition, again.value) == (SAMPLES.name, 0, parked.value)
    for offset, headers in ((1, ()), (2, again.headers), (3, ())):
        await bench.worker.take(SENSE, SAMPLES.name, 0, offset, again.value, headers, offset)
        judged = [codec.decode(message.value) for message in bench.broker.posted[1:]]
        assert len([one for one in judged if isinstance(one, FlaggedSamples)]) == (offset >= 2)
    assert bench.worker.health.repeated_samples == 2


async def test_a_stop_waits_for_the_snapshot_on_its_way() -> None:
    bench = Bench()
    bench.now_us = 120 * SECOND_US
    await bench.take(0)
    stop = asyncio.create_task(bench.worker.let_go(None))
    await asyncio.sleep(0.01)
    assert not stop.done()
    bench.broker.open.set()
    await stop
    assert bench.acknowledged == [0]


async def test_what_a_failed_snapshot_stood_for_is_in_the_next_one() -> None:
    bench = Bench()
    bench.broker.open.set()
    bench.now_us = 120 * SECOND_US
    await bench.take(0)
    await bench.settle()
    assert (bench.acknowledged, bench.one.number) == ([0], 1)
    bench.broker.failure = RuntimeError("it broke")
    bench.now_us *= 2
    await bench.take(1)
    await bench.settle()
    # the slot of the good one must not be written to before there is another good one
    assert (bench.acknowledged, bench.one.number, bench.one.read) == ([0], 1, [1])
    bench.broker.failure = None
    await bench.take(2)
    await bench.worker.let_go(None)
    assert bench.acknowledged == [0, 1, 2]
    assert bench.restored().next_offset == {SAMPLES.name: 3}


async def test_a_task_that_another_worker_has_is_let_go() -> None:
    bench = Bench()
    bench.broker.open.set()
    bench.broker.failure = FencedError("another process works as one")
    bench.now_us = 120 * SECOND_US
    asked: list[str] = []
    bench.worker.rejoin = lambda: asked.append("to rejoin")
    await bench.take(0)
    await bench.settle()
    assert bench.worker.tasks == 0
    assert bench.acknowledged == []
    assert asked == ["to rejoin"], "its partition is still this worker's, as far as it knows"

    bench.worker._open["sense", 0] = bench.one
    bench.worker._owned.clear()
    bench.worker._lose(bench.one, FencedError("another"))
    assert (bench.worker.tasks, asked) == (0, ["to rejoin"])


async def test_a_task_that_is_open_is_not_set_back_to_its_snapshot(monkeypatch):
    """Kafka goes away in the middle of a restoring, and more partitions come before it is done."""
    monkeypatch.setattr("streams.kafka.worker.RETRY_S", 0.0)
    asked: list[list[str]] = []
    made: list[Pipeline] = []

    async def read(_bootstrap: str, _topic: str, tasks: dict[str, int]):
        names = sorted(tasks)
        asked.append(names)
        yield names[0], NOTHING
        if len(asked) == 1:
            raise OSError("away")
        for name in names[1:]:
            yield name, NOTHING

    def make(_: Group) -> Pipeline:
        made.append(Pipeline([QualityControl([], [])]))
        return made[-1]

    async def nothing_changed(*_: Any) -> Changes:
        return Changes(changes=[])

    monkeypatch.setattr(snapshots, "read", read)
    monkeypatch.setattr("streams.kafka.worker.standing_changes", nothing_changed)
    bench = Bench()
    bench.worker._open.clear()
    bench.worker.make = make
    bench.worker.own({(SAMPLES.name, 0), (SAMPLES.name, 1)})
    bench.worker.own({(SAMPLES.name, 0), (SAMPLES.name, 1), (SAMPLES.name, 2)})
    assert bench.worker._restoring is not None
    await bench.worker._restoring
    assert asked == [["sense/0", "sense/1"], ["sense/1"], ["sense/2"]]
    assert sorted(bench.worker._open) == [("sense", 0), ("sense", 1), ("sense", 2)]
    assert len(made) == 3
