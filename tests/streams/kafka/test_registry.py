"""Following the registry, over a reader whose brokers stumble."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from aiokafka.errors import KafkaConnectionError

from streams import codec
from streams.kafka.reader import Read
from streams.kafka.registry import RegistryFollower
from streams.records import Change, Changes
from streams.topics import REGISTRY
from tests.waiting import until


def change(name: str, version: int) -> Change:
    return Change(
        kind="silence", id=name, version=version, verb="put", before=None, after={}, by="Li",
        at_us=version, command_id=str(version),
    )  # fmt: skip


class Stumbling:
    """A reader that gives a message a time; the questions named by their number are not answered."""

    def __init__(self, changes: list[Change], stumbles: set[int]) -> None:
        self._left = [codec.encode(Changes(changes=[one])) for one in changes]
        self._stumbles = stumbles
        self._asked = 0

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def remaining(self) -> int:
        self._asked += 1
        if self._asked in self._stumbles:
            raise KafkaConnectionError("away")
        return len(self._left)

    async def next(self, timeout_s: float) -> list[Read]:
        await asyncio.sleep(0)
        if not self._left:
            await asyncio.sleep(timeout_s)
            return []
        return [Read(REGISTRY, 0, 0, self._left.pop(0), ())]


@pytest.mark.parametrize("stumbles", [set(), {1}, {2}, {3, 4}, {1, 2, 3, 4, 5}])
async def test_what_was_read_before_kafka_stumbled_is_told(stumbles: set[int]) -> None:
    changes = [change("a", 1), change("b", 2), change("a", 3)]
    told: list[Changes] = []

    async def tell(some: Changes) -> None:
        told.append(some)

    follower = RegistryFollower(Stumbling(changes, stumbles), tell)  # type: ignore[arg-type]
    task = asyncio.create_task(follower.run())
    try:
        await until(lambda: follower.is_complete)
        assert [(one.id, one.version) for some in told for one in some.changes] == [("b", 2), ("a", 3)]
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
