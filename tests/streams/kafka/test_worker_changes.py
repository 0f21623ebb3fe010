"""What a task knows of changes before its first message."""

from __future__ import annotations

from typing import Any

from streams import codec
from streams.kafka.access import Access
from streams.kafka.output import Output
from streams.kafka.snapshots import Found
from streams.kafka.tasks import SCORE, Task
from streams.kafka.worker import Worker
from streams.pipeline import Pipeline
from streams.processor import Outputs
from streams.records import Change, Changes, Record, Tick
from streams.topics import RAW, REGISTRY, Topic

HOUR_US = 3_600_000_000
NOW_US = 1_000 * HOUR_US


class Follower:
    """Remembers the versions that it was told."""

    name = "follower"
    reads: tuple[Topic, ...] = (RAW, REGISTRY)
    writes: tuple[Topic, ...] = ()

    def __init__(self) -> None:
        self.versions: list[int] = []

    def on_batch(self, batch: Record) -> Outputs:
        if isinstance(batch, Changes):
            self.versions += [change.version for change in batch.changes]
        return []

    def on_time(self, now_us: int) -> Outputs:
        return []

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
    return Worker(Access("nowhere:1"), "w", lambda _: Pipeline([Follower()]), str, clock_us)


def versions(one: Any) -> list[int]:
    (follower,) = one.task.pipeline.processors
    return list(follower.versions)


def snapshot() -> list[bytes]:
    return Task(SCORE, 0, Pipeline([Follower()])).snapshot()


def test_a_task_without_a_state_begins_with_what_stands() -> None:
    made = worker()
    output = Output(Access("nowhere:1"), "w")
    assert versions(made._opened(SCORE, 0, output, Found(0, 0, None, {}), STANDING)) == [1, 2]
    damaged = made._opened(SCORE, 0, output, Found(3, 9, [b"damaged"], {}), STANDING)
    assert versions(damaged) == [1, 2]
    assert made.health.lost_states == 1


def test_a_restored_task_takes_changes_in_line_but_those_that_the_broker_does_not_keep() -> None:
    made = worker()
    one = made._opened(SCORE, 0, Output(Access("nowhere:1"), "w"), Found(3, 9, snapshot(), {}), STANDING)
    assert versions(one) == [1], "what is older than the topic's messages comes no more"
    one.task.take("raw", 0, codec.encode(Changes(changes=[STANDING.changes[1]])))
    assert versions(one) == [1, 2]
    one.task.take("raw", 1, codec.encode(Tick(now_us=5)))
    assert not one.task.failures()
