"""A task with a journal, killed at any moment: nothing is lost, nothing is told twice, whatever the order."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Iterator, Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.partitioning import pipeline
from deploy.registry import Registry
from deploy.settings import DatastreamSettings, Settings, ThingSettings
from sensors.detectors import LEVELS
from streams import codec
from streams.alerts import alert_id
from streams.call_definitions import (
    Consultation,
    Contact,
    Escalation,
    PersonDefinition,
    PlanDefinition,
    Step,
)
from streams.call_records import CallReceipt, CallReceipts, Presences, SeriesPresence
from streams.definitions import SilenceDefinition, values_of
from streams.kafka import journaled, snapshots
from streams.kafka.access import Access
from streams.kafka.journal import Entry, JournalError, packed, unpacked
from streams.kafka.origin import origin_of
from streams.kafka.output import FencedError, Message
from streams.kafka.tasks import ALERT, Task
from streams.kafka.worker import Worker
from streams.pipeline import Pipeline
from streams.records import AlertTransitions, Command, Commands, Detection, Detections, Record, Tick
from streams.topics import ALERTS, CALL_RECEIPTS, COMMANDS, DEAD_LETTERS, DETECTIONS, PRESENCES, SNAPSHOTS

T0_US = 1_700_000_000_000_000
SECOND_US = 1_000_000
GAUGES = 4
REGISTRY = Registry.of(
    Settings(
        thing=[
            ThingSettings(
                id=f"gauge{k}", longitude=121.0, latitude=31.0,
                datastream=[DatastreamSettings(property="water_level")],
            )
            for k in range(GAUGES)
        ]
    )
)  # fmt: skip
PERSON = PersonDefinition(name="Li", contacts=[Contact(channel="sms", to="1")])
PLAN = PlanDefinition(
    levels={"blue": Escalation(steps=[Step(to=["person:li"])], deadline_s=60, turns=2)},
    consultation=Consultation(persons=["li"], deadline_s=100, level="red"),
    hold_s=50,
)


def alerting() -> Pipeline:
    return pipeline(REGISTRY, [ALERT])


def detection(random: Random, at_us: int) -> Record:
    gauge, level = random.randrange(GAUGES), random.choice(LEVELS)
    phase = random.choice(("begin", "update", "update", "end"))
    return Detections(
        detections=[
            Detection(
                detector="sea_level", version="1", subject_id=f"gauge{gauge}.water_level", phase=phase,
                level=level, onset_us=T0_US + random.randrange(3), at_us=at_us, detected_at_us=at_us,
                title="High", value=1.0, threshold=1.0, unit="m", evidence={"n": random.random()},
            )
        ]
    )  # fmt: skip


def name_of(random: Random) -> str:
    gauge = f"gauge{random.randrange(GAUGES)}.water_level"
    return alert_id("sea_level", gauge, T0_US + random.randrange(3))


def command(random: Random, at_us: int) -> Record:
    kind, target, arguments = random.choice(
        [
            ("acknowledge_alert", name_of(random), {}),
            ("comment_alert", name_of(random), {"comment": "seen"}),
            ("lower_alert", name_of(random), {"level": "blue"}),
            ("decide_alert", name_of(random), {"answer": random.choice(("confirm", "decline"))}),
            ("put", "person/li", values_of(PERSON)),
            ("put", "plan/all", values_of(PLAN)),
            ("put", "silence/s", values_of(SilenceDefinition(end_us=at_us + 50 * SECOND_US, site="gauge1"))),
            ("delete", "silence/s", {}),
        ]
    )
    made = Command(
        id=f"c{random.random()}", kind=kind, target=target, by="li", at_us=at_us, arguments=arguments
    )
    return Commands(commands=[made])


def receipt(random: Random, at_us: int) -> Record:
    if random.random() < 0.5:
        return Tick(now_us=at_us)
    made = CallReceipt(
        call_id=f"call{random.randrange(9)}", alert_ids=[name_of(random)],
        purpose=random.choice(("call", "consultation")), person="li",
        state=random.choice(("answered", "refused", "failed")), at_us=at_us,
    )  # fmt: skip
    return CallReceipts(receipts=[made])


def presence(random: Random, at_us: int) -> Record:
    gauge = f"gauge{random.randrange(GAUGES)}.water_level"
    one = SeriesPresence(
        datastream_id=gauge, name=gauge, is_silent=random.random() < 0.6, heard_us=T0_US, at_us=at_us,
        within_s=60.0, level="yellow", gateway="",
    )  # fmt: skip
    return Presences(presences=[one])


MAKERS = {DETECTIONS: detection, COMMANDS: command, CALL_RECEIPTS: receipt, PRESENCES: presence}
Input = tuple[str, int, bytes, list[tuple[str, bytes]]]


def inputs(seed: int, n: int) -> dict[str, list[Input]]:
    """Return what each topic has; some of it comes again, some cannot be read."""
    random = Random(seed)
    made: dict[str, list[Input]] = {topic.name: [] for topic in MAKERS}
    for k in range(n):
        topic = random.choice(list(MAKERS))
        value = codec.encode(MAKERS[topic](random, T0_US + k * 7 * SECOND_US))
        if random.random() < 0.05:
            value = b"\x01rubbish"
        headers = [("maker", b"m"), ("place", b"%d.0" % (k if random.random() < 0.9 else k // 2))]
        line = made[topic.name]
        offset = line[-1][1] + random.choice((1, 1, 2)) if line else random.randrange(3)
        line.append((topic.name, offset, value, headers))
    return made


class Log:
    """A broker of which each transaction is there as a whole, or not at all."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.transactions = 0
        self.left = -1
        """After so many it hangs."""

    def of(self, topic: str) -> list[bytes]:
        return [one.value for one in self.messages if one.topic == topic]

    def found(self) -> snapshots.Found:
        records: list[Any] = [
            type("Record", (), {"key": m.key, "value": m.value, "headers": m.headers})
            for m in self.messages
            if m.topic == SNAPSHOTS.name
        ]
        return snapshots.newest("alert/0", records)


class Producer:
    """Stands in for `Output`."""

    def __init__(self, log: Log) -> None:
        self.log, self.error = log, ""

    async def send(self, messages: Sequence[Message]) -> None:
        await asyncio.sleep(0)
        if self.log.left == 0:
            await asyncio.Event().wait()
        self.log.left -= 1
        self.log.messages += messages
        self.log.transactions += 1
        await asyncio.sleep(0)

    async def close(self) -> None:
        pass


class Life:
    """A worker with the task from its start to its kill."""

    def __init__(self, log: Log, committed: dict[str, int]) -> None:
        self.committed, self.now_us = committed, 0
        self.taken: list[tuple[int, Input]] = []
        """What was taken, each with how much had been before it."""
        self.worker = Worker(
            Access("127.0.0.1:9"), f"w{id(self)}", lambda _: alerting(), str, lambda: self.now_us
        )
        self.worker.acknowledge = self.acknowledge
        self.worker._owned = {(topic.name, 0) for topic in ALERT.reads}
        self.one = self.worker._opened(ALERT, 0, Producer(log), log.found())  # type: ignore[arg-type]
        self.began = self.one.task.taken

    async def begin(self) -> None:
        if self.one.is_anew:
            await self.worker._snapshot(self.one)
        self.worker._open["alert", 0] = self.one

    def acknowledge(self, messages: Iterable[Any]) -> None:
        for topic, offset in messages:
            self.committed[topic] = max(self.committed.get(topic, 0), offset + 1)

    async def take(self, given: Input) -> None:
        topic, offset, value, headers = given
        if not self.one.task.is_behind(topic, offset):
            self.taken.append((self.one.task.taken, given))
        at = T0_US + 10**15
        await self.worker.take(ALERT, topic, 0, offset, value, headers, (topic, offset), at)

    async def kill(self) -> None:
        for task in (self.one.writing, self.one.journal._writing if self.one.journal else None):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task


async def lived(
    random: Random, log: Log, made: dict[str, list[Input]], kills: int
) -> tuple[Task, list[Input]]:
    """Run workers one after the other; return the state of the last one, and in which order it took what."""
    committed: dict[str, int] = {}
    order: list[tuple[int, Input]] = []
    for number in range(kills + 1):
        life = Life(log, committed)
        await life.begin()
        order = [one for one in order if one[0] < life.began]  # what came behind was told to nobody
        log.left = random.randrange(8) if number < kills else -1
        lines = {
            topic: iter([one for one in line if one[1] >= committed.get(topic, 0)])
            for topic, line in made.items()
        }
        await life_of(random, life, lines, log)
        if number == kills:
            await life.worker.let_go(None)
        await life.kill()
        order += life.taken
    assert not life.worker.health.lost_journals
    return life.one.task, [given for _, given in order]


async def at_once(work: Any, *arguments: Any) -> Any:
    """Do in this thread what `asyncio.to_thread` does in another."""
    return work(*arguments)


async def life_of(random: Random, life: Life, lines: dict[str, Iterator[Input]], log: Log) -> None:
    while lines and log.left:
        topic = random.choice(list(lines))
        given = next(lines[topic], None)
        if given is None:
            del lines[topic]
            continue
        taking = asyncio.create_task(life.take(given))
        while not taking.done() and log.left:
            await asyncio.sleep(0)
        taking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await taking
        life.now_us += random.choice((0, 0, 0, 20_000_000))
        for _ in range(random.randrange(4)):
            await asyncio.sleep(0)


def told(outputs: Iterable[Record]) -> list[bytes]:
    return [codec.encode(one) for one in outputs if isinstance(one, AlertTransitions)]


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32), st.integers(0, 4))
def test_killed_at_any_moment_it_tells_what_an_undisturbed_task_tells(seed: int, kills: int) -> None:
    random, log, made = Random(seed), Log(), inputs(seed, 80)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journaled, "_PART_BYTES", 3_000)
        patch.setattr("streams.processors.snapshots.CHUNK_BYTES", 1_500)
        patch.setattr(asyncio, "to_thread", at_once)  # the same run each time
        task, order = asyncio.run(lived(random, log, made, kills))
    undisturbed = Task(ALERT, 0, alerting())
    expected, parked = list[bytes](), 0
    for topic, offset, value, headers in order:
        origin = origin_of(headers)
        try:
            expected += told(undisturbed.take(topic, offset, value, origin, T0_US + 10**15))
        except codec.CodecError:
            parked += 1
    for topic, line in made.items():
        assert [one for one in order if one[0] == topic] == line
    assert log.of(ALERTS.name) == expected
    assert len(log.of(DEAD_LETTERS.name)) == parked
    assert task.snapshot() == undisturbed.snapshot()


def findings(n: int, seed: int = 5) -> list[Input]:
    """Return messages each of which opens an alert of its own."""
    random, made = Random(seed), []
    for k in range(n):
        one = Detection(
            detector="sea_level", version="1", subject_id=f"g{k}.level", phase="begin", level="orange",
            onset_us=T0_US + k, at_us=T0_US + k, detected_at_us=T0_US + k, title="High", value=1.0,
            threshold=1.0, unit="m", evidence={"noise": random.randbytes(300).hex()},
        )  # fmt: skip
        made.append((DETECTIONS.name, k, codec.encode(Detections(detections=[one])), []))
    return made


def opened(log: Log) -> list[str]:
    """Return whose alerts were told, in order."""
    found = [codec.decode(one) for one in log.of(ALERTS.name)]
    return [step.subject_id for one in found if isinstance(one, AlertTransitions) for step in one.transitions]


async def living(log: Log, committed: dict[str, int] | None = None) -> Life:
    life = Life(log, {} if committed is None else committed)
    await life.begin()
    return life


async def test_what_comes_while_a_transaction_is_on_its_way_goes_with_the_next_one() -> None:
    log, made = Log(), findings(40)
    life = await living(log)
    for message in made:
        await life.take(message)
    assert life.one.journal is not None
    await life.one.journal.flush()
    assert opened(log) == [f"g{k}.level" for k in range(40)]
    assert log.transactions <= 3
    assert life.committed == {}, "only a snapshot lets messages go"


async def test_who_comes_after_a_kill_goes_on_from_the_journal() -> None:
    log, made, committed = Log(), findings(6), dict[str, int]()
    first = await living(log, committed)
    for message in made[:4]:
        await first.take(message)
    assert first.one.journal is not None
    await first.one.journal.flush()
    await first.kill()
    assert log.found().chunks is None
    second = await living(log, committed)
    assert second.one.task.snapshot() == first.one.task.snapshot()
    for message in made:
        await second.take(message)
    await second.worker.let_go(None)
    assert opened(log) == [f"g{k}.level" for k in range(6)]
    assert second.worker.health.read_again == 4
    assert committed == {DETECTIONS.name: 6}


async def test_a_snapshot_makes_the_journal_before_it_void_and_its_keys_free() -> None:
    log, made = Log(), findings(60)
    life = await living(log)
    for k, message in enumerate(made):
        await life.take(message)
        assert life.one.journal is not None
        await life.one.journal.flush()
        if k % 10 == 9:
            await life.worker._snapshot(life.one)
            assert log.found().journal == {}
    keys = {one.key for one in log.messages if one.key and b"/journal/" in one.key}
    assert len(keys) <= 11
    assert log.found().number == 6


async def test_a_snapshot_goes_in_parts_and_holds_up_no_alert(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journaled, "_PART_BYTES", 500)
    monkeypatch.setattr("streams.processors.snapshots.CHUNK_BYTES", 2_000)
    log, made = Log(), findings(60)
    life = await living(log)
    for message in made[:50]:
        await life.take(message)
    assert life.one.journal is not None
    await life.one.journal.flush()
    writing = asyncio.create_task(life.worker._snapshot(life.one))
    while not any(dict(one.headers).get("snapshot") for one in log.messages):
        await asyncio.sleep(0)
    for message in made[50:]:
        await life.take(message)
    await writing
    await life.one.journal.flush()
    chunks = [k for k, one in enumerate(log.messages) if dict(one.headers).get("snapshot")]
    between = log.messages[chunks[0] : chunks[-1]]
    assert [one for one in between if one.topic == ALERTS.name], "alerts went between its parts"
    assert opened(log) == [f"g{k}.level" for k in range(60)]
    after = await living(log)
    assert after.one.task.snapshot() == life.one.task.snapshot()


@pytest.mark.parametrize("which", [0, 1])
async def test_a_damaged_journal_is_counted_and_what_it_stood_for_is_judged_again(which: int) -> None:
    log, made, committed = Log(), findings(8), dict[str, int]()
    life = await living(log, committed)
    await life.take(made[0])
    await life.worker._snapshot(life.one)
    for message in made[1:4]:
        await life.take(message)
        assert life.one.journal is not None
        await life.one.journal.flush()
    places = [k for k, one in enumerate(log.messages) if one.key and b"/journal/" in one.key and one.value]
    if which:  # one of three is missing
        del log.messages[places[-2]]
    else:
        log.messages[places[-2]] = log.messages[places[-2]]._replace(value=b"damaged")
    second = await living(log, committed)
    assert second.worker.health.lost_journals == 1
    assert second.one.task.next_offset == {DETECTIONS.name: 2}
    third = await living(log, committed)
    assert third.worker.health.lost_journals == 0, "it goes on from a snapshot"
    for message in made[committed[DETECTIONS.name] :]:
        await third.take(message)
    await third.worker.let_go(None)
    # two were judged again: they have the origins that they had, by which readers leave them out
    assert opened(log) == [f"g{k}.level" for k in (0, 1, 2, 3, 2, 3, 4, 5, 6, 7)]
    origins = [origin_of(one.headers) for one in log.messages if one.topic == ALERTS.name]
    assert origins[2:4] == origins[4:6]


async def test_a_state_that_cannot_be_read_is_lost_once() -> None:
    log, made = Log(), findings(3)
    state = Task(ALERT, 0, alerting())
    state.next_offset = {DETECTIONS.name: 1, COMMANDS.name: 90}
    broken = snapshots.messages("alert/0", 0, snapshots.Mark("old", 7, 91), [b"broken"], SNAPSHOTS.name)
    log.messages += broken
    life = await living(log)
    assert (life.worker.health.lost_states, life.one.number) == (1, 8)
    await life.take(made[2])
    assert life.one.journal is not None
    await life.one.journal.flush()
    again = await living(log)
    assert (again.worker.health.lost_states, again.worker.health.lost_journals) == (0, 0)
    assert again.one.task.snapshot() == life.one.task.snapshot()


async def test_a_state_of_the_program_before_is_taken() -> None:
    log, made = Log(), findings(4)
    before = Task(ALERT, 0, alerting())
    for topic, offset, value, _ in made[:2]:
        before.take(topic, offset, value)
    mark = snapshots.Mark("old", 7, before.taken)
    log.messages += snapshots.messages("alert/0", 0, mark, before.snapshot(), SNAPSHOTS.name)
    life = await living(log)
    for message in made:
        await life.take(message)
    await life.worker.let_go(None)
    assert opened(log) == ["g2.level", "g3.level"]
    assert log.found().number == 8


async def test_who_was_shut_out_writes_nothing_more() -> None:
    log, made = Log(), findings(4)
    life = await living(log)
    await life.take(made[0])
    assert life.one.journal is not None
    await life.one.journal.flush()
    producer: Any = life.one.output
    asked: list[int] = []

    async def send(messages: Sequence[Message]) -> None:
        asked.append(len(messages))
        raise FencedError("another has it")

    producer.send = send
    await life.take(made[1])
    while life.worker.tasks:
        await asyncio.sleep(0)
    assert life.worker.health.lost_tasks == 1
    for work in (life.one.journal.flush(), life.one.journal.snapshot([], 1), life.worker._snapshot(life.one)):
        with pytest.raises(FencedError):
            await work
    assert len(asked) == 1, "an id that is asked for again would shut out the successor"
    await life.take(made[2])
    assert (opened(log), life.committed) == (["g0.level"], {})


async def test_what_cannot_be_written_down_is_not_told_and_comes_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log, made = Log(), findings(2)
    life = await living(log)
    with monkeypatch.context() as patch:
        patch.setattr(journaled, "packed", lambda _: 1 / 0)
        await life.take(made[0])
        while life.worker.tasks:
            await asyncio.sleep(0.001)
    assert (life.committed, life.worker.health.lost_tasks, log.messages) == ({}, 1, [])
    again = await living(log, life.committed)
    for message in made:
        await again.take(message)
    await again.worker.let_go(None)
    assert opened(log) == ["g0.level", "g1.level"]


ENTRIES = st.lists(
    st.builds(
        Entry, st.integers(0, 99), st.just("detections"), st.integers(0, 9), st.binary(max_size=40),
        st.none(), st.none(), st.booleans(), st.lists(st.binary(max_size=20), max_size=2),
    ),
    max_size=6,
)  # fmt: skip


@given(st.lists(ENTRIES, max_size=4))
def test_entries_come_back_in_their_order(parts: list[list[Entry]]) -> None:
    chunks = [chunk for part in parts for chunk in packed(part)]
    assert list(unpacked(chunks)) == [entry for part in parts for entry in part]


@given(ENTRIES, st.binary(min_size=1, max_size=30))
def test_noise_in_a_journal_is_told(entries: list[Entry], noise: bytes) -> None:
    with pytest.raises(JournalError):
        list(unpacked([*packed(entries), noise]))
