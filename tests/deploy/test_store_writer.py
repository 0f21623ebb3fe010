"""What the writer commits, and how far it says that it has read."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from deploy.store_writer import StoreWriter
from storage.store import RowsRefusedError, StorageError
from streams import codec
from streams.kafka.dead_letters import dead_letter
from streams.kafka.origin import Origin
from streams.kafka.reader import Read
from streams.records import Command, CommandOutcome, CommandOutcomes, Commands, Detections, Record
from streams.topics import COMMAND_OUTCOMES, COMMANDS, DEAD_LETTERS, DETECTIONS, Topic
from tests.waiting import until


class Store:
    """Remembers commits; fails as often as it is told to."""

    def __init__(self) -> None:
        self.batches: list[Record] = []
        self.offsets: dict[str, dict[int, int]] = {}
        self.failures = 0
        self.commits = 0
        self.poison: dict[str, Exception] = {}
        """What is raised where a command of this name is."""
        self.answers = threading.Event()
        self.answers.set()

    def commit(self, batches: Sequence[Record], snapshots: Any, *, consumed: Any, **_: Any) -> None:
        assert self.answers.wait(60)
        if self.failures:
            self.failures -= 1
            raise OSError("away")
        for batch in batches:
            names = [c.id for c in batch.commands] if isinstance(batch, Commands) else []
            names += [o.id for o in batch.outcomes] if isinstance(batch, CommandOutcomes) else []
            for name in names:
                if name in self.poison:
                    raise self.poison[name]
        self.commits += 1
        self.batches += batches
        for topic, places in consumed.items():
            self.offsets.setdefault(topic, {}).update(places)

    def consumed(self) -> Mapping[str, Mapping[int, int]]:
        return self.offsets


class Output:
    def __init__(self) -> None:
        self.sent: list[Any] = []

    async def send(self, messages: Sequence[Any]) -> None:
        self.sent += messages


def writer() -> tuple[StoreWriter, Store, Output]:
    store, output = Store(), Output()
    made = StoreWriter(store, lambda _: None, output, lambda: 1, "p.")  # type: ignore[arg-type, return-value]
    return made, store, output


def read(topic: Topic, offset: int, batch: Record | bytes, origin: Origin | None = None) -> Read:
    value = batch if isinstance(batch, bytes) else codec.encode(batch)
    return Read(topic, 0, offset, value, origin.headers() if origin else [])


def question(name: str) -> Commands:
    return Commands(commands=[Command(id=name, kind="acknowledge_alert", target="a", by="me", at_us=1)])


def answer(name: str) -> CommandOutcomes:
    return CommandOutcomes(outcomes=[CommandOutcome(id=name, ok=True, message="")])


async def test_an_answer_waits_for_its_question_and_is_not_counted_as_read_before():
    one, store, _ = writer()
    await one.keep([read(COMMAND_OUTCOMES, 4, answer("x")), read(COMMAND_OUTCOMES, 5, answer("y"))])
    assert store.batches == []
    assert store.offsets == {"command-outcomes": {0: 4}}
    await one.keep([read(COMMANDS, 0, question("y"))])
    assert store.batches == [question("y"), answer("y")]
    assert store.offsets == {"command-outcomes": {0: 4}, "commands": {0: 1}}
    await one.keep([read(COMMANDS, 1, question("x")), read(COMMAND_OUTCOMES, 6, answer("x"))])
    assert store.batches[2:] == [question("x"), answer("x"), answer("x")]
    assert store.offsets == {"command-outcomes": {0: 7}, "commands": {0: 2}}


async def test_what_cannot_be_read_is_parked_and_what_was_made_twice_is_left_out():
    one, store, output = writer()
    origin, found = Origin("sense/3/samples", 9), Detections(detections=[])
    await one.keep(
        [read(DETECTIONS, 0, found, origin), read(DETECTIONS, 1, found, origin), read(DETECTIONS, 2, b"\x09")]
    )
    assert store.batches == [found]
    assert store.offsets == {"detections": {0: 3}}
    assert (one.health.repeated, one.health.dead_letters) == (1, 1)
    (message,) = output.sent
    assert message.topic == "p." + DEAD_LETTERS.name
    letter = dead_letter(message.value, message.headers)
    assert letter is not None
    assert (letter.topic, letter.offset, letter.group, letter.value) == ("p.detections", 2, "store", b"\x09")
    assert "version 9" in letter.reason


async def test_a_store_that_is_away_is_waited_for(monkeypatch):
    monkeypatch.setattr("deploy.store_writer.RETRY_S", 0.01)
    one, store, _ = writer()
    store.failures = 3
    await one.keep([read(COMMANDS, 0, question("x"))])
    assert store.batches == [question("x")]
    assert one.health.error == ""


@pytest.mark.parametrize(
    "fault",
    [UnicodeEncodeError("utf-8", "x", 0, 1, "surrogates"), RowsRefusedError("refused"), RecursionError()],
)
async def test_a_message_that_the_store_can_never_take_is_parked_and_the_others_are_kept(monkeypatch, fault):
    monkeypatch.setattr("deploy.store_writer.RETRY_S", 0.01)
    one, store, output = writer()
    store.poison = {"3": fault, "6": fault}
    some = [read(COMMANDS, number, question(str(number))) for number in range(8)]
    some += [read(COMMAND_OUTCOMES, number, answer(str(number))) for number in range(8)]
    async with asyncio.timeout(60):
        await one.keep(some)
    good = [str(number) for number in range(8) if number not in (3, 6)]
    assert store.batches == [*map(question, good), *map(answer, good)]
    assert store.offsets == {"commands": {0: 8}, "command-outcomes": {0: 8}}
    letters = [dead_letter(message.value, message.headers) for message in output.sent]
    assert [(x.topic, x.offset) for x in letters if x] == [
        (f"p.{topic.name}", number) for topic in (COMMANDS, COMMAND_OUTCOMES) for number in (3, 6)
    ]
    assert all(type(fault).__name__ in x.reason for x in letters if x)
    assert one.health.dead_letters == 4
    assert one.health.error == ""


async def test_nothing_is_parked_while_the_store_takes_nothing_at_all(monkeypatch):
    monkeypatch.setattr("deploy.store_writer.RETRY_S", 0.01)
    one, store, output = writer()
    faults = [TypeError("no message's fault")] * 20

    def commit(*given: Any, **named: Any) -> None:
        if faults:
            raise faults.pop()
        kept(*given, **named)

    kept, store.commit = store.commit, commit  # type: ignore[method-assign]
    async with asyncio.timeout(60):
        await one.keep([read(COMMANDS, k, question(str(k))) for k in range(2)])
    assert store.batches == [question("0"), question("1")]
    assert output.sent == []
    assert faults == []


async def test_a_second_writer_waits_for_its_turn_and_says_so(monkeypatch):
    monkeypatch.setattr("deploy.store_writer.RETRY_S", 0.01)
    one, store, _ = writer()
    store.offsets = {"commands": {0: 7}}
    turns, begins = [False], []

    def prepare() -> None:
        if not turns[0]:
            raise StorageError("another groundswell store writes")

    def make_reader(begin: Mapping[str, Mapping[int, int]]) -> Any:
        begins.append(begin)
        raise EOFError

    one.prepare, one.make_reader = prepare, make_reader
    async with asyncio.timeout(60):
        work = asyncio.create_task(one.run())
        while not one.health.error:
            await asyncio.sleep(0.001)
        assert "another groundswell store writes" in one.health.error
        store.offsets = {"commands": {0: 9}}  # as far as the first one came
        turns[0] = True
        with pytest.raises(EOFError):
            await work
    assert begins == [{"commands": {0: 9}}]


async def test_a_store_that_hangs_is_told_and_waited_for(monkeypatch):
    monkeypatch.setattr("deploy.store_writer.SLOW_S", 0.01)
    one, store, _ = writer()
    store.answers.clear()
    keeping = asyncio.create_task(one.keep([read(COMMANDS, 0, question("x"))]))
    await until(lambda: "not answered" in one.health.error)
    assert store.batches == []
    store.answers.set()
    await keeping
    assert store.batches == [question("x")]
    assert one.health.error == ""
