"""What a task knows of changes before its first message, and how alerts get time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from streams import codec
from streams.kafka.output import Message, Output
from streams.kafka.tasks import ALERT, SCORE, Group, Task
from streams.kafka.worker import Worker
from streams.pipeline import Pipeline
from streams.processor import Outputs
from streams.records import AlertTransition, AlertTransitions, Change, Changes, Record, Tick
from streams.topics import ALERTS, RAW, REGISTRY, Topic
from tests.waiting import until

HOUR_US = 3_600_000_000
NOW_US = 1_000 * HOUR_US


def step(at_us: int) -> AlertTransition:
    return AlertTransition(
        alert_id="a", number=1, state="open", level="blue", rule="r", subject_id="s", title="", onset_us=1,
        opened_at_us=1, at_us=at_us, change="opened",
    )  # fmt: skip


class Follower:
    """Remembers the versions that it was told; makes a step of an alert at each whole hour."""

    name = "follower"
    reads: tuple[Topic, ...] = (RAW, REGISTRY)
    writes: tuple[Topic, ...] = (ALERTS,)

    def __init__(self) -> None:
        self.versions: list[int] = []
        self.hour = 0

    def on_batch(self, batch: Record) -> Outputs:
        if isinstance(batch, Changes):
            self.versions += [change.version for change in batch.changes]
        return []

    def on_time(self, now_us: int) -> Outputs:
        before, self.hour = self.hour, now_us // HOUR_US
        return [AlertTransitions(transitions=[step(now_us)])] * (before != self.hour)

    def on_end(self) -> Outputs:
        return []

    def snapshot(self) -> list[bytes]:
        return [bytes([len(self.versions)])]

    def restore(self, chunks: Any) -> None:
        (state,) = chunks
        self.versions = [0] * state[0]

    def counts(self) -> dict[str, int]:
        return {}


def change(version: int, at_us: int) -> Change:
    return Change(
        kind="station", id=f"S{version}", version=version, verb="delete", before=None, after=None, by="Li",
        at_us=at_us, command_id=f"c{version}",
    )  # fmt: skip


STANDING = Changes(changes=[change(1, NOW_US - 30 * HOUR_US), change(2, NOW_US - HOUR_US)])


def worker(clock_us: Any = lambda: NOW_US) -> Worker:
    return Worker("nowhere:1", "w", lambda _: Pipeline([Follower()]), str, clock_us)


def versions(one: Any) -> list[int]:
    (follower,) = one.task.pipeline.processors
    return list(follower.versions)


def snapshot() -> list[bytes]:
    return Task(SCORE, 0, Pipeline([Follower()])).snapshot()


def test_a_task_without_a_state_begins_with_what_stands() -> None:
    made = worker()
    output = Output("nowhere:1", "w")
    assert versions(made._opened(SCORE, 0, output, None, STANDING)) == [1, 2]
    damaged = made._opened(SCORE, 0, output, (3, [b"damaged"]), STANDING)
    assert versions(damaged) == [1, 2]
    assert made.health.lost_states == 1


def test_a_restored_task_takes_changes_in_line_but_those_that_the_broker_does_not_keep() -> None:
    made = worker()
    one = made._opened(SCORE, 0, Output("nowhere:1", "w"), (3, snapshot()), STANDING)
    assert versions(one) == [1], "what is older than the topic's messages comes no more"
    one.task.take("raw", 0, codec.encode(Changes(changes=[STANDING.changes[1]])))
    assert versions(one) == [1, 2]
    one.task.take("raw", 1, codec.encode(Tick(now_us=5)))
    assert not one.task.failures()


class Sent(Output):
    """Keeps what is sent."""

    def __init__(self) -> None:
        super().__init__("nowhere:1", "w")
        self.messages: list[Message] = []

    async def send(self, messages: Sequence[Message]) -> None:
        self.messages += messages


async def test_time_goes_on_for_alerts_and_what_it_brings_is_sent_with_the_state() -> None:
    now_us = [NOW_US]
    made = worker(lambda: now_us[0])
    outputs = {group.name: Sent() for group in (ALERT, SCORE)}

    def opened(group: Group) -> Any:
        return made._opened(group, 0, outputs[group.name], None, Changes(changes=[]))

    made._open = {(group.name, 0): opened(group) for group in (ALERT, SCORE)}
    beating = asyncio.create_task(made.beat())
    await until(lambda: made.health.snapshots == 1)
    now_us[0] += HOUR_US
    await until(lambda: made.health.snapshots == 2)
    beating.cancel()
    await asyncio.gather(beating, return_exceptions=True)
    steps = [codec.decode(one.value) for one in outputs["alert"].messages if one.topic == "alerts"]
    assert steps == [
        AlertTransitions(transitions=[step(NOW_US)]),
        AlertTransitions(transitions=[step(now_us[0])]),
    ]
    assert outputs["score"].messages == []
