import asyncio
import tempfile
import threading
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
    monkeypatch.setattr(module, "FLIGHT_BYTES", 12 * (module.OVERHEAD_BYTES + 30))
    monkeypatch.setattr(module, "READ_AHEAD_BYTES", 1_000)


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


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(1, 8)),
        st.tuples(st.just("promise"), st.integers(1, 3)),
        st.tuples(st.sampled_from(["write", "deliver"]), st.integers(1, 6)),
        st.tuples(st.just("room"), st.sampled_from([0, 100, 250, 10**9])),
        st.tuples(
            st.sampled_from(["silent", "answers", "away", "back", "fail", "wait", "restart"]), st.just(0)
        ),
    ),
    max_size=30,
)


@given(STEPS)
@settings(max_examples=60, deadline=None)
def test_whatever_happens_each_partition_gets_everything_in_order(steps):
    async def play(folder: Path) -> None:
        world = World(folder)
        await world.start()
        await until(lambda: world.link.ready)
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
                    await asyncio.sleep(2 * module.PATIENCE_S)
                case "room":
                    world.spool.most_bytes = world.spool.size + count
                case "restart":
                    await world.stop()
                    assert world.health.lost_messages == 0
                    await world.start()
            await asyncio.sleep(0.001)
        world.link.there = world.link.answers = True
        world.link.deliver(10**6)
        await world.settled()
        assert world.pending == 0
        assert all(promise.done() and not promise.exception() for promise in world.promised)
        assert world.link.read() == world.added
        await world.stop()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(play(Path(folder)))


async def test_copies_of_what_was_under_way_are_sent_when_the_producer_breaks(
    tmp_path,
):
    world = World(tmp_path)
    world.link.answers = False
    await world.start()
    world.add(6)
    await until(lambda: len(world.link.under_way) == 6)
    await until(lambda: world.health.spooled_messages == 6)
    assert world.pending == 0
    world.link.answers = True
    world.link.fail()
    await world.settled()
    assert world.link.read() == world.added
    await world.stop()


async def test_a_producer_that_breaks_while_the_spool_drains_begins_where_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE_S", 0.2)
    world = World(tmp_path)
    world.link.there = False
    await world.start()
    world.add(40)
    await until(lambda: world.health.spooled_messages == 40)
    world.link.there, world.link.answers = True, False
    await until(lambda: world.link.under_way and world.box._ahead)
    world.add(4)
    world.link.deliver(2)
    world.link.fail()
    world.link.answers = True
    await world.settled()
    assert world.link.read() == world.added
    await world.stop()


async def test_what_arrives_while_it_is_copied_to_the_spool_does_not_stay_there(tmp_path, monkeypatch):
    world = World(tmp_path)
    world.link.answers = False
    await world.start()
    write, begun, go_on = Spool._write, threading.Event(), threading.Event()

    def slowly(spool, *arguments):
        begun.set()
        go_on.wait(10)
        return write(spool, *arguments)

    monkeypatch.setattr(Spool, "_write", slowly)
    world.add(3, promised=True)
    await until(begun.is_set)
    world.link.deliver(3)
    await asyncio.gather(*world.promised)
    go_on.set()
    await until(lambda: world.health.spooled_ever == 3)
    await world.settled()
    assert world.pending == 0
    assert world.link.read() == world.added
    await world.stop()


async def test_what_has_no_room_on_the_disk_is_not_overtaken_there(tmp_path):
    world = World(tmp_path, most_bytes=200)
    world.link.answers = False
    await world.start()
    world.add(3, size=150)
    await until(lambda: len(world.link.under_way) == 3)
    world.add(3, size=1)
    await until(lambda: world.health.full)
    world.link.answers = True
    world.link.fail()
    await world.settled()
    assert world.link.read() == world.added
    await world.stop()


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
    monkeypatch.setattr(module, "FLIGHT_BYTES", 10**9)
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
