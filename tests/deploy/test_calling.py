"""Calls in one process: a clock that can be moved, a store that stays, a door that is not there."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from deploy.calling import Caller, calling
from storage.keeper import StoreKeeper
from storage.sqlite import SqliteStore
from streams.alerts import alert_id
from streams.call_links import CallLinks
from streams.call_records import CallOrder, CallReceipt
from streams.embedded import EmbeddedRuntime
from streams.kafka.output import FencedError
from streams.pipeline import Pipeline
from streams.processors.alert import Alert
from streams.processors.calls import CallPeople
from streams.records import Command, Detection, Detections
from tests.streams.calls import order
from tests.streams.processors.people import S, datastream, everybody
from tests.waiting import until

START_US = 1_790_000_000 * S
RED = Detection(
    detector="tangent", version="1", subject_id="slope.crack", phase="begin", level="red", onset_us=START_US,
    at_us=START_US, detected_at_us=START_US, title="Slope moves", value=1.0, threshold=0.5, unit="mm",
    evidence={},
)  # fmt: skip
ALERT = alert_id("tangent", "slope.crack", START_US)


class Phone:
    """A channel: rings each call once, and says what the test wants."""

    def __init__(self) -> None:
        self.rung: dict[str, CallOrder] = {}
        self.asked = 0
        self.says = "accepted"
        self.is_away = False
        self.hangs = asyncio.Event()
        self.hangs.set()

    async def send(self, one: CallOrder) -> CallReceipt:
        self.asked += 1
        if self.is_away:
            raise ConnectionError(f"cannot reach {one.to}")
        self.rung.setdefault(one.call_id, one)
        await self.hangs.wait()
        return CallReceipt.of(one, self.says, one.at_us)

    def persons(self, purpose: str = "call") -> list[tuple[str, float]]:
        return sorted(
            {
                (one.person, (one.at_us - START_US) / S)
                for one in self.rung.values()
                if one.purpose == purpose
            },
            key=lambda one: one[1],
        )


class World:
    """What outlives a process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now_us = START_US
        self.phone = Phone()
        self.life = 0

    def clock_us(self) -> int:
        return self.now_us

    @contextlib.asynccontextmanager
    async def process(self) -> AsyncIterator[tuple[EmbeddedRuntime, SqliteStore]]:
        """Run what calls people; the next one finds what a kill at the end of the block would leave."""
        here, left = (self.folder / f"{self.life + i}.sqlite" for i in (0, 1))
        self.life += 1
        store = SqliteStore(here)
        line = Pipeline([Alert([datastream()]), CallPeople([datastream()])])
        runtime = EmbeddedRuntime(line, StoreKeeper(store, None), self.clock_us)
        await runtime.start()
        caller = Caller({"voice": self.phone, "sms": self.phone}, runtime, self.clock_us)
        caller.book.add(store.due_calls(self.now_us, 1000))
        runtime.listeners.append(caller.listen)
        try:
            async with calling(caller):
                yield runtime, store
                with (
                    contextlib.closing(sqlite3.connect(here)) as now,
                    contextlib.closing(sqlite3.connect(left)) as then,
                ):
                    now.backup(then)
        finally:
            await runtime.stop()
            store.close()


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


async def test_an_unanswered_red_alert_walks_the_roster_and_the_log_in_the_store_proves_it(world):
    async with world.process() as (runtime, store):
        runtime.note(everybody())
        runtime.note(Detections(detections=[RED]))
        await until(lambda: len(world.phone.rung) == 4)
        for after_s, n in ((179, 4), (180, 6), (599, 6), (600, 8)):
            world.now_us = START_US + after_s * S
            await until(lambda now_us=world.now_us: runtime._now_us >= now_us)
            await runtime.drained()
            await until(lambda n=n: len(world.phone.rung) >= n)
            assert len(world.phone.rung) == n
        assert world.phone.persons() == [("li", 0), ("wang", 180), ("head", 600)]
        assert {one.person for one in world.phone.rung.values() if one.purpose == "message"} == {
            "elder", "farmer",
        }  # fmt: skip
        await until(lambda: all(row.receipts for row in store.alert_calls(ALERT)))
        rows = store.alert_calls(ALERT)
        assert [(row.order.person, (row.order.at_us - START_US) / S) for row in rows if
                row.order.channel == "voice"] == [("li", 0), ("wang", 180), ("head", 600)]  # fmt: skip
        assert [(one.person, one.answer) for one in store.alert_answers(ALERT)] == [
            ("li", "unreachable"), ("wang", "unreachable"),
        ]  # fmt: skip


async def test_who_answers_the_phone_has_acknowledged_and_nobody_else_is_called(world):
    async with world.process() as (runtime, store):
        runtime.note(everybody())
        world.phone.says = "answered"
        runtime.note(Detections(detections=[RED]))
        await until(lambda: store.alert(ALERT) and store.alert(ALERT).alert.state == "acknowledged")
        assert store.alert(ALERT).alert.by == "li"
        world.now_us += 10_000 * S
        await until(lambda: runtime._now_us >= world.now_us)
        await runtime.drained()
        assert {person for person, _ in world.phone.persons()} == {"li"}
        (said,) = store.alert_answers(ALERT)
        assert (said.person, said.answer) == ("li", "acknowledged")


async def test_an_acknowledged_alert_stops_what_waits_for_a_channel_that_is_away(world):
    async with world.process() as (runtime, store):
        runtime.note(everybody())
        world.phone.is_away = True
        with capture_logs() as logs:
            runtime.note(Detections(detections=[RED]))
            await until(lambda: world.phone.asked >= 4)
        assert [one["why"] for one in logs if one["event"] == "a door failed"] == ["ConnectionError"] * 4
        assert not [one for one in logs if "voice:li" in str(one)], "no address in a log"
        acknowledge = Command(
            id="c", kind="acknowledge_alert", target=ALERT, by="li", at_us=world.now_us, arguments={}
        )
        assert (await runtime.command(acknowledge)).ok
        assert [one.purpose for one in store.due_calls(world.now_us)] == ["message", "message"]
        world.phone.is_away = False
        world.now_us += 60 * S
        await until(lambda: len(world.phone.rung) == 2)
        assert world.phone.persons() == []


@pytest.mark.parametrize("moment", ["ordered", "ringing", "settled"])
async def test_a_kill_at_any_moment_neither_doubles_nor_loses_a_call(world, moment):
    phone = world.phone
    phone.is_away = moment == "ordered"
    if moment == "ringing":
        phone.hangs.clear()
    async with world.process() as (runtime, store):
        runtime.note(everybody())
        runtime.note(Detections(detections=[RED]))
        await until(lambda: phone.asked >= 4)
        if moment == "settled":
            await until(lambda: not store.due_calls(world.now_us))
    phone.is_away = False
    phone.hangs.set()
    world.now_us += 60 * S
    asked = phone.asked
    async with world.process() as (runtime, store):
        await until(lambda: len(phone.rung) == 4 and not store.due_calls(world.now_us))
        world.now_us = START_US + 200 * S
        await until(lambda: len(phone.rung) == 6 and not store.due_calls(world.now_us))
        world.now_us = START_US + 700 * S
        await until(lambda: len(phone.rung) == 8 and not store.due_calls(world.now_us))
        assert phone.persons() == [("li", 0), ("wang", 180), ("head", 600)]
        rows = store.alert_calls(ALERT)
        assert {row.order.call_id for row in rows} == phone.rung.keys()
        assert all(row.receipts for row in rows)
        if moment == "settled":
            assert phone.asked - asked == 4, "what is settled is not brought again"


async def test_a_channel_that_is_not_there_fails_at_once_and_an_address_in_its_words_is_left_out():
    told = []

    class Sink:
        async def put_receipts(self, batch):
            told.extend(batch.receipts)

    class Chatty:
        async def send(self, one):
            return CallReceipt.of(one, "failed", 5, f"{one.to} is busy, see {one.link}")

    links = CallLinks("x" * 32, "https://warnings.example")
    caller = Caller({"sms": Chatty()}, Sink(), lambda: START_US, links)
    later = {"at_us": START_US, "deadline_us": START_US + S}
    caller.book.add([order("c1", channel="fax", **later), order("c2", channel="sms", **later)])
    caller.book.add([order("c3", channel="sms", at_us=0, deadline_us=START_US)])
    async with calling(caller):
        await until(lambda: len(told) == 2)
    assert [(one.call_id, one.state) for one in told] == [("c1", "failed"), ("c2", "failed")]
    assert told[0].detail == "no channel fax is configured"
    assert told[1].detail.startswith("... is busy, see https://warnings.example/answer/c2/")
    assert caller.book.too_late == 1


async def test_one_that_was_replaced_calls_nobody():
    told, replaced, phone = [], [True], Phone()

    class Sink:
        async def put_receipts(self, batch):
            told.extend(batch.receipts)

    async def make_sure():
        if replaced[0]:
            raise FencedError("another process works")

    now_us = [START_US]
    caller = Caller({"sms": phone}, Sink(), lambda: now_us[0], make_sure=make_sure)
    caller.book.add([order("c1", channel="sms", at_us=START_US, deadline_us=START_US + 600 * S)])
    with capture_logs() as logs:
        async with calling(caller):
            await until(lambda: caller.failed)
            assert (phone.rung, told) == ({}, [])
            replaced[0] = False
            now_us[0] += 60 * S
            await until(lambda: told)
    assert list(phone.rung) == ["c1"]
    assert [one["why"] for one in logs] == ["FencedError"]
