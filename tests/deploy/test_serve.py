"""What `groundswell serve` does around a database that comes and goes."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import pytest

from dashboards.alert_memory import AlertMemory
from dashboards.live import LiveFeed
from dashboards.push.channels import Source
from deploy import serve
from deploy.late_store import LateStore
from deploy.pushing import Pushing, hub_over_kafka
from deploy.serve import StoredCommands, follow_alerts
from storage.store import CommandRow, StorageError
from streams import codec
from streams.kafka.reader import Read
from streams.records import AlertTransitions, Command, CommandOutcome
from streams.topics import ALERTS
from tests.waiting import until
from tests.webhook_store import transition

COMMAND = Command(id="c1", kind="acknowledge_alert", target="a1", by="Li", at_us=1)
OUTCOME = CommandOutcome(id="c1", ok=True, message="")


class Desk:
    async def command(self, _: Command) -> CommandOutcome:
        return OUTCOME


class Store:
    """Has the command when it was asked often enough; or fails."""

    def __init__(self, late: int = 0, error: Exception | None = None) -> None:
        self.asked, self.late, self.error, self.closed = 0, late, error, False

    def commands(self, _: int = 100) -> list[CommandRow]:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return [CommandRow(command=COMMAND, ok=None if self.asked <= self.late else True, message="")]

    def close(self) -> None:
        self.closed = True


async def ask(store: Store, away: str = "") -> CommandOutcome:
    return await StoredCommands(Desk(), store, lambda: away).command(COMMAND)  # type: ignore[arg-type]


async def test_an_answer_waits_for_its_row_only_where_there_is_a_database(monkeypatch):
    monkeypatch.setattr(serve, "POLL_S", 0.0)
    store = Store(late=3)
    assert await ask(store) == OUTCOME
    assert store.asked == 4
    store = Store()
    assert await ask(store, "the database does not answer") == OUTCOME
    assert store.asked == 0
    assert await ask(Store(error=StorageError("gone"))) == OUTCOME


async def test_alerts_of_the_past_are_remembered_and_only_new_ones_are_live():
    past, now = [transition("a1"), transition("a2")], transition("a1", 2, change="level")
    messages = [[codec.encode(AlertTransitions(transitions=[one]))] for one in past]
    messages.insert(1, [b"\x09newer"])

    class Reader:
        async def start(self) -> None: ...

        async def is_at_end(self) -> bool:
            return not messages

        async def next(self, _: float) -> list[Read]:
            await asyncio.sleep(0)
            self.read = getattr(self, "read", 0) + 1
            return [Read(ALERTS, 0, self.read, value, []) for value in (messages.pop(0) if messages else [])]

        async def places(self) -> dict[str, dict[int, int]]:
            return {ALERTS.name: {0: 0}}

    memory, feed = AlertMemory(), LiveFeed()
    push = hub_over_kafka("", [])
    push.is_read(Source.REPORTS, Source.SAMPLES)
    pushing = Pushing(push, Reader())  # type: ignore[arg-type]
    work = asyncio.create_task(follow_alerts(pushing, memory, feed))
    await until(lambda: memory.complete)
    assert {one.alert.alert_id for one in memory.open_alerts()} == {"a1", "a2"}
    assert json.loads(feed.tick(0))["alerts"] == []
    messages.append([codec.encode(AlertTransitions(transitions=[now]))])
    await until(lambda: memory.alert("a1").alert.number == 2)  # type: ignore[union-attr]
    assert [one["number"] for one in json.loads(feed.tick(0))["alerts"]] == [2]
    assert [len(one.message) > 0 for one in push.window.entries([Source.ALERTS], 99)] == [True] * 3
    with push.viewer(("level:red",), "stream") as viewer:
        await push.step(0)
        assert viewer.n_bytes  # all was read: it may begin
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work


def test_a_store_is_opened_when_it_is_there():
    made: list[Any] = [StorageError("not yet"), Store()]

    def make() -> Any:
        one = made.pop(0)
        if isinstance(one, Exception):
            raise one
        return one

    late = LateStore(make)
    with pytest.raises(StorageError, match="has not answered yet"):
        late.commands(1)
    with pytest.raises(StorageError, match="not yet"):
        late.look()
    late.look()
    store = late._store
    assert late.commands(1)[0].ok
    late.look()
    assert made == []
    late.close()
    assert store.closed  # type: ignore[union-attr]
