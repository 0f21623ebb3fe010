import asyncio
import tempfile
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.inbox import StoppedError
from streams.kafka import outbox as module
from streams.kafka.outbox import Outbox
from streams.kafka.spool import Spool
from streams.kafka.spool_frames import Frame
from streams.kafka.under_way import Message, Promise, SinkHealth
from tests.streams.kafka.fake_link import FakeLink
from tests.waiting import until


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch):
    monkeypatch.setattr(module, "PATIENCE_S", 0.02)
    monkeypatch.setattr(module, "RETRY_S", 0.005)
    monkeypatch.setattr(module, "ROUND_S", 0.005)


class World:
    """An outbox with its link and its spool, and what was added to it."""

    def __init__(self, folder: Path, most_bytes: int = 10**9) -> None:
        self.folder = folder
        self.most_bytes = most_bytes
        self.link = FakeLink()
        self.added: dict[tuple[str, int], list[bytes]] = defaultdict(list)
        self.number = 0
        self.promised: list[asyncio.Future[None]] = []
        self.pending = 0

    async def start(self) -> None:
        self.health = SinkHealth()
        self.spool = Spool(self.folder, self.most_bytes, segment_bytes=2_000)
        self.box = Outbox(self.link, self.spool, self.health, self.free)
        await self.box.start()

    async def stop(self, patience_s: float = 0.05) -> None:
        await self.box.stop(patience_s)
        await self.link.close()

    def free(self, size: int) -> None:
        self.pending -= size

    def add(self, count: int, size: int = 20, promised: bool = False) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(count):
            self.number += 1
            partition = self.number % 3
            payload = self.number.to_bytes(8, "big") + bytes(size)
            frame = Frame("raw", partition, self.number, "maker", self.number, payload)
            promise = None
            if promised:
                self.promised.append(loop.create_future())
                promise = Promise([self.promised[-1]], 1)
            self.added["raw", partition].append(payload)
            self.pending += len(payload)
            self.box.add([Message(frame, loop.time(), promise)])

    async def settled(self) -> None:
        await until(self.box._idle)
        await until(lambda: self.spool.size == 0)


STEP = st.one_of(
    st.tuples(st.just("add"), st.integers(1, 12)),
    st.tuples(st.just("promise"), st.integers(1, 4)),
    st.tuples(st.just("write"), st.integers(1, 10)),
    st.tuples(st.just("deliver"), st.integers(1, 10)),
    st.sampled_from(
        [
            ("silent", 0),
            ("answers", 0),
            ("away", 0),
            ("back", 0),
            ("fail", 0),
            ("wait", 0),
            ("restart", 0),
            ("full", 0),
            ("room", 0),
        ]
    ),
)


@given(st.lists(STEP, max_size=25))
@settings(max_examples=150, deadline=None)
def test_whatever_happens_each_partition_gets_everything_in_order(steps):
    async def play(folder: Path) -> None:
        world = World(folder)
        await world.start()
        for step, count in steps:
            match step:
                case "add":
                    world.add(count)
                case "promise":
                    world.add(count, promised=True)
                case "write":
                    world.link.write(count)
                case "deliver":
                    world.link.deliver(count)
                case "silent" | "answers":
                    world.link.answers = step == "answers"
                case "away" | "back":
                    world.link.there = step == "back"
                    if step == "away":
                        world.link.fail()
                case "fail":
                    world.link.fail()
                case "wait":
                    await asyncio.sleep(0.03)
                case "full" | "room":
                    world.spool.most_bytes = world.most_bytes if step == "room" else 300
                case "restart":
                    await world.stop()
                    assert world.health.lost_messages == 0
                    await world.start()
            await asyncio.sleep(0)
        world.link.there = world.link.answers = True
        world.link.deliver(10**6)
        await world.settled()
        assert world.pending == 0
        assert all(promise.done() and not promise.exception() for promise in world.promised)
        assert world.link.read() == world.added
        await world.stop()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(play(Path(folder)))


async def test_a_promise_is_kept_by_kafka_or_by_the_synced_spool_and_not_before(tmp_path):
    world = World(tmp_path)
    await world.start()
    world.link.answers = False
    world.add(3, promised=True)
    await until(lambda: len(world.link.under_way) == 3)
    world.link.write(3)  # it is there, but nobody has said so
    await asyncio.sleep(0)
    assert not any(promise.done() for promise in world.promised)
    world.link.deliver(1)
    await until(world.promised[0].done)
    await until(lambda: world.spool.messages == 2)
    await asyncio.gather(*world.promised)
    assert world.health.kafka_error == "Kafka at nowhere:9092 does not answer"
    assert world.pending == 0
    world.link.answers = True
    world.link.deliver(2)
    await world.settled()
    assert world.link.read() == world.added
    assert all(len(log) == 1 for log in world.link.logs.values())
    await world.stop()


async def test_a_disk_that_cannot_sync_keeps_no_promise(tmp_path, monkeypatch):
    world = World(tmp_path)
    world.link.there = False
    await world.start()
    monkeypatch.setattr(world.box.spool.__class__, "sync", lambda self: False)
    world.add(1, promised=True)
    with pytest.raises(OSError, match="the disk did not say"):
        await world.promised[0]
    world.link.there = True
    await world.settled()
    await world.stop()


async def test_with_kafka_away_and_the_disk_full_messages_wait_in_memory_and_go_on_by_themselves(tmp_path):
    world = World(tmp_path, most_bytes=500)
    world.link.there = False
    await world.start()
    world.add(40, promised=True)
    await until(lambda: world.health.full)
    assert "limit" in world.health.full
    assert world.pending > 0
    assert not world.promised[-1].done()
    world.link.there = True
    await world.settled()
    await asyncio.gather(*world.promised)
    await until(lambda: not world.health.full and not world.health.kafka_error)
    assert world.link.read() == world.added
    await world.stop()


async def test_what_a_stop_can_keep_nowhere_is_counted_and_told(tmp_path, monkeypatch):
    world = World(tmp_path)
    world.link.there = False
    await world.start()
    monkeypatch.setattr(Spool, "_write", lambda *_: None)
    world.add(2, promised=True)
    await world.stop()
    assert world.health.lost_messages == 2
    for promise in world.promised:
        with pytest.raises(StoppedError, match="Kafka and the disk take nothing"):
            await promise


async def test_a_producer_that_breaks_is_replaced_and_what_it_had_goes_first(tmp_path):
    world = World(tmp_path)
    world.link.answers = False
    await world.start()
    world.add(6)
    await until(lambda: len(world.link.under_way) == 6)
    world.link.write(2)  # the broker has two, and their answers are lost
    world.link.fail()
    world.add(3)
    world.link.answers = True
    await world.settled()
    assert world.link.read() == world.added
    assert sum(map(len, world.link.logs.values())) > 9  # the first one came twice, and its origin tells
    await world.stop()


async def test_no_partition_gets_more_at_a_time_than_one_request_holds(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BATCH_BYTES", 2_000)
    monkeypatch.setattr(module, "PATIENCE_S", 60.0)
    world = World(tmp_path)
    world.link.answers = False
    await world.start()
    world.add(30, size=900)
    for _ in range(30):
        await until(lambda: world.link.under_way or world.box._idle())
        held = defaultdict(int)
        for one in world.link.under_way:
            held[one.frame.partition] += len(one.frame.payload) + module.OVERHEAD_BYTES
        assert all(size <= 2_000 for size in held.values())
        world.link.deliver(1)
        await asyncio.sleep(0)
    await world.settled()
    assert world.link.read() == world.added
    await world.stop()
