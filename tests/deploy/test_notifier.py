"""The order in which webhooks are told, whatever receivers do and whenever the process dies."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors import webhook_post
from connectors.webhook_post import Failure, WebhookConfig
from deploy import notifier as module
from deploy import notifier_orders
from deploy.notifier import Notifier
from streams import codec, deliveries
from streams.kafka import alert_queue
from streams.kafka.access import Access
from streams.kafka.reader import Read
from streams.records import AlertTransitions, Deliveries, WebhookOrder
from streams.topics import ALERTS, DELIVERIES, DELIVERY_STATE
from tests.webhook_store import transition

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
AWAY, BUSY, REFUSED, GONE = Failure("away"), Failure("", 0, 503), Failure("", 0, 500), Failure("", 0, 410)


CLOSED = {"change": "closed", "state": "closed"}


class KilledError(Exception):
    """The process died here."""


class Broker:
    """Three topics in memory, and the moment at which a writer dies."""

    def __init__(self, *messages: Sequence[Any]) -> None:
        self.alerts: list[bytes | None] = []
        """None: the mark of a transaction, which has an offset too."""
        self.states: list[bytes] = []
        self.told: list[bytes | None] = []
        """The topic of deliveries."""
        self.recent = 0
        self.rows: dict[tuple[str, str], Any] = {}
        self.webhooks: dict[str, str] = {}
        self.kills: list[tuple[int, bool]] = []
        self.writes = 0
        for message in messages:
            self.add(*message)

    def add(self, *transitions: Any) -> None:
        self.alerts += [codec.encode(AlertTransitions(transitions=list(transitions))), None]

    def order(self, what: str, webhook_id: str, **more: Any) -> None:
        """Say what a person wants, as a worker does."""
        one = WebhookOrder(id=f"o{len(self.told)}", webhook_id=webhook_id, what=what, at_us=1, **more)
        self.told.append(codec.encode(Deliveries(steps=[], orders=[one])))

    def take(self, messages: Sequence[Any]) -> None:
        """Keep a transaction; die before or after it."""
        self.writes += 1
        dies = self.kills.pop(0)[1] if self.kills and self.kills[0][0] <= self.writes else None
        if dies is False:
            raise KilledError
        for message in messages:
            if message.topic == DELIVERY_STATE.name:
                self.states.append(message.value)
            else:
                assert message.topic == DELIVERIES.name
                self.told.append(message.value)
                batch = codec.decode(message.value)
                assert isinstance(batch, Deliveries)
                for step in batch.steps:
                    self._project(step)
                self.webhooks.update({one.webhook_id: one.state for one in batch.webhooks})
        if dies:
            raise KilledError

    def _project(self, step: Any) -> None:
        """Do what the stores do (`put_delivery`)."""
        key = (step.webhook_id, f"{step.alert_id}.{step.number}")
        known = self.rows.get(key)
        if known is None or step.again or (known.state == "pending" and step.attempts >= known.attempts):
            self.rows[key] = step


class World:
    """A broker and receivers, instead of the network."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, broker: Broker, *names: str) -> None:
        self.broker = broker
        self.names = names
        self.answers: dict[str, list[Failure | None]] = {}
        """By webhook; the last one stays."""
        self.poison: set[tuple[str, str]] = set()
        self.taken: dict[str, list[str]] = {name: [] for name in names}
        self.asked: list[tuple[str, str]] = []
        self.now_us = 0
        self.is_one = False
        """Whether one process goes on after each death, as when it has lost the lease and got it again."""
        self._last: Notifier | None = None
        self.stands = False
        """Whether the broker stands still."""
        monkeypatch.setattr(module, "NAP_S", 0.0)
        monkeypatch.setattr(module, "Reader", self.reader)
        monkeypatch.setattr(alert_queue, "Reader", self.reader)
        monkeypatch.setattr(module, "Output", self.output)
        monkeypatch.setattr(module, "client_of", lambda _: contextlib.nullcontext())
        monkeypatch.setattr(notifier_orders, "Reader", self.reader)
        monkeypatch.setattr(notifier_orders, "client_of", lambda _: contextlib.nullcontext())
        monkeypatch.setattr(module, "post", self.post)

    def pending(self) -> list[Any]:
        return [row for row in self.broker.rows.values() if row.state == "pending"]

    def clock_us(self) -> int:
        self.now_us += 2_000_000
        return self.now_us

    def notifier(self) -> Notifier:
        configs = [
            WebhookConfig(id=name, url="http://127.0.0.1:9/", secret=SECRET, allow_private=True)
            for name in self.names
        ]
        return Notifier(Access("nowhere"), "", configs, self.clock_us, draw=lambda: 0.5)

    async def until(self, condition: Any) -> None:
        """Run notifiers, one after the death of another, until the condition holds."""
        while not condition():
            if self._last is None or not self.is_one:
                self._last = self.notifier()
            work = asyncio.create_task(self._last.work())
            for _ in range(20_000):
                if condition() or work.done():
                    break
                await asyncio.sleep(0)
            else:
                raise AssertionError(f"it does not end: {self.taken}")
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError, KilledError):
                await work

    async def post(self, _: Any, config: WebhookConfig, one: Any, *__: Any) -> Failure | None:
        await asyncio.sleep(0)
        message = f"{one.alert_id}.{one.number}"
        self.asked.append((config.id, message))
        if (config.id, message) in self.poison:
            return REFUSED
        answers = self.answers.get(config.id) or [None]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if answer is None:
            self.taken[config.id].append(message)
        return answer

    def output(self, *_: Any, once: bool) -> Any:
        assert once, "it must not shut out a successor"

        async def insist(_: Any) -> None: ...
        async def close() -> None: ...

        async def send(messages: Sequence[Any]) -> None:
            await asyncio.sleep(0)
            while self.stands:
                await asyncio.sleep(0)
            self.broker.take(messages)

        return SimpleNamespace(insist=insist, close=close, send=send, error="")

    def reader(self, _: str, topics: Sequence[Any], begin: Any, __: str) -> Any:
        broker, topic = self.broker, topics[0]
        held = {ALERTS: broker.alerts, DELIVERIES: broker.told}.get(topic, broker.states)
        place = len(held) if begin is None else begin.get(topic.name, {}).get(0, 0)

        async def nothing() -> None: ...

        async def next_(_: float) -> list[Read]:
            nonlocal place
            await asyncio.sleep(0)
            found = list(enumerate(held))[place : place + 3]
            place += len(found)
            return [Read(topic, 0, offset, value, []) for offset, value in found if value is not None]

        async def ends() -> Any:
            return {topic.name: {0: len(held)}}

        async def since(_: int) -> Any:
            return {topic.name: {0: min(broker.recent, len(held))}}

        async def remaining() -> int:
            return len(held) - place

        async def is_at_end() -> bool:
            return place >= len(held)

        return SimpleNamespace(
            is_at_end=is_at_end,
            start=nothing,
            stop=nothing,
            next=next_,
            ends=ends,
            since=since,
            remaining=remaining,
        )


def ids(*transitions: Any) -> list[str]:
    return [f"{one.alert_id}.{one.number}" for one in transitions]


async def begun(monkeypatch: pytest.MonkeyPatch, *names: str) -> World:
    """Return a world in which a notifier has run, with no alert yet."""
    world = World(monkeypatch, Broker(), *names)
    await world.until(lambda: len(world.broker.states) > len(names))
    return world


answers = st.lists(st.sampled_from([None, AWAY, BUSY, REFUSED, None]), max_size=12).filter(
    lambda some: some.count(REFUSED) < deliveries.REFUSALS
)


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 3), min_size=1, max_size=6),
    first=answers,
    second=answers,
    kills=st.lists(st.tuples(st.integers(1, 8), st.booleans()), max_size=5),
    is_one=st.booleans(),
)
def test_everything_is_told_in_order_whenever_it_is_killed(sizes, first, second, kills, is_one):
    with pytest.MonkeyPatch.context() as monkeypatch:
        asyncio.run(told_in_order(monkeypatch, sizes, {"a": first, "b": second}, kills, is_one))


async def told_in_order(monkeypatch, sizes, failures, kills, is_one) -> None:
    world = await begun(monkeypatch, "a", "b")
    world.is_one = is_one
    broker = world.broker
    made = []
    for size in sizes:
        steps = range(len(made), len(made) + size)
        new = [transition(f"x{k // 6 * 2 + k % 2}", k % 6 // 2 + 1) for k in steps]  # two alerts by turns
        broker.add(*new)
        made += new
    wanted = ids(*made)
    world.answers = {name: [*some, None] for name, some in failures.items()}
    at = broker.writes
    broker.kills = [(at := at + gap, after) for gap, after in kills]
    deaths = len(kills)
    await world.until(
        lambda: (
            len(broker.rows) == 2 * len(wanted)
            and all(row.state == "delivered" for row in broker.rows.values())
        )
    )
    for name in world.names:
        taken = world.taken[name]
        assert list(dict.fromkeys(taken)) == wanted
        assert len(taken) <= len(wanted) + deaths * (module.AHEAD + 1)
        for alert in {one.partition(".")[0] for one in wanted}:
            own = [one for one in taken if one.startswith(f"{alert}.")]
            # what comes twice comes at once again: no other step of the alert was taken between
            steps = [one for one, before in zip(own, [None, *own], strict=False) if one != before]
            assert steps == [one for one in wanted if one.startswith(f"{alert}.")]


async def test_who_lost_the_lease_with_a_note_on_its_way_tells_on_when_it_has_it_again(monkeypatch):
    world = await begun(monkeypatch, "a")
    world.broker.add(*(transition(f"x{k}") for k in range(20)))
    one = world.notifier()
    work = asyncio.create_task(one.work())
    async with asyncio.timeout(20):
        while len(world.taken["a"]) < 3:
            world.stands = bool(world.taken["a"])  # Kafka answers nothing any more
            await asyncio.sleep(0)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    world.stands, world.is_one, world._last = False, True, one
    await world.until(lambda: len(world.broker.rows) == 20 and not world.pending())
    assert list(dict.fromkeys(world.taken["a"])) == [f"x{k}.1" for k in range(20)]


async def test_a_receiver_that_is_away_for_long_delays_nobody_and_gets_all_in_order(monkeypatch):
    world = await begun(monkeypatch, "down", "up")
    made = [transition(f"x{i}") for i in range(20)]
    world.answers["down"] = [AWAY]
    for one in made:
        world.broker.add(one)
    await world.until(lambda: len(world.taken["up"]) == 20 and world.asked.count(("down", "x0.1")) > 30)
    assert {message for name, message in world.asked if name == "down"} == {"x0.1"}
    row = world.broker.rows["down", "x0.1"]
    assert (row.state, row.error) == ("pending", "away")
    assert row.attempts >= 30
    assert len(world.broker.rows) == 40
    world.answers["down"] = [None]
    await world.until(lambda: len(world.taken["down"]) == 20)
    assert world.taken["down"] == ids(*made)


async def test_one_message_that_is_refused_is_given_up_when_the_next_one_is_taken(monkeypatch):
    world = await begun(monkeypatch, "a")
    world.poison = {("a", "bad.1")}
    world.broker.add(transition("bad"))
    await world.until(lambda: len(world.asked) > 12)
    assert world.broker.rows["a", "bad.1"].state == "pending"
    world.broker.add(transition("good"), transition("good", 2))
    await world.until(lambda: len(world.taken["a"]) == 2)
    assert world.taken["a"] == ["good.1", "good.2"]
    row = world.broker.rows["a", "bad.1"]
    assert row.state == "given_up"
    assert "took the next message" in row.error


async def test_a_receiver_that_recovers_between_two_messages_loses_neither(monkeypatch):
    world = await begun(monkeypatch, "a")
    # it refuses, is well for the second message, away for a moment, and well
    world.answers["a"] = [*[REFUSED] * deliveries.REFUSALS, None, AWAY, None]
    world.broker.add(transition("x0"), transition("x1"))
    await world.until(lambda: [row.state for row in world.broker.rows.values()] == ["delivered"] * 2)
    assert world.taken["a"] == ["x1.1", "x0.1", "x1.1"]
    world.answers["a"] = [*[REFUSED] * deliveries.REFUSALS, None]
    world.broker.add(transition("x2"), transition("x3"))
    await world.until(lambda: [row.state for row in world.broker.rows.values()] == ["delivered"] * 4)
    assert world.taken["a"][3:] == ["x3.1", "x2.1"]


async def test_a_receiver_that_refuses_everything_for_long_loses_nothing(monkeypatch):
    world = await begun(monkeypatch, "a")
    made = [transition(f"x{i}") for i in range(3)]
    world.poison = {("a", message) for message in ids(*made)}
    world.broker.add(*made)
    await world.until(lambda: len(world.asked) > 60 and world.asked[-1] == ("a", "x1.1"))
    assert ("a", "x2.1") not in world.asked
    world.poison = set()
    await world.until(lambda: len(world.taken["a"]) == 3)
    assert world.taken["a"] == ids(*made)


async def test_a_receiver_that_wants_nothing_more_is_asked_again_when_a_person_says_so(monkeypatch):
    world = await begun(monkeypatch, "a", "b")
    world.answers["a"] = [GONE]
    steps = [transition("x0"), transition("x1"), transition("x0", 2, **CLOSED)]
    for step in steps:
        world.broker.add(step)
    await world.until(lambda: len(world.taken["b"]) == 3 and world.broker.webhooks == {"a": "disabled"})
    for _ in range(3):  # whoever comes next knows it too
        one = world.notifier()
        work = asyncio.create_task(one.work())
        for _ in range(300):
            await asyncio.sleep(0)
        assert one.states["a"].disabled.endswith("it wants no more messages")
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work
    assert [name for name, _ in world.asked].count("a") == 1
    world.answers["a"] = [None]
    world.broker.order("resume", "b")
    world.broker.order("resume", "unknown")
    world.broker.order("resume", "a")
    await world.until(lambda: len(world.taken["a"]) == 3)
    assert world.taken["a"] == ids(*steps)
    assert world.broker.webhooks == {"a": "active", "b": "active"}
    assert world.pending() == []


@settings(max_examples=40, deadline=None)
@given(
    refused=answers,
    kills=st.lists(st.tuples(st.integers(1, 12), st.booleans()), max_size=4),
    start=st.integers(0, 6),
    number=st.integers(0, 7),
)
def test_what_a_person_asks_for_is_told_once_more_in_order_whenever_it_is_killed(
    refused, kills, start, number
):
    with pytest.MonkeyPatch.context() as monkeypatch:
        asyncio.run(_replayed(monkeypatch, refused, kills, start, start + number))


async def _replayed(monkeypatch, refused, kills, start, end):
    world = await begun(monkeypatch, "a", "b")
    monkeypatch.setattr(notifier_orders, "WAIT_S", 0.0)
    steps = [transition(f"x{i % 3}", i // 3 + 1, at_us=i) for i in range(9)]
    for step in steps[:6]:
        world.broker.add(step)
    await world.until(lambda: len(world.taken["a"]) == len(world.taken["b"]) == 6)
    world.taken["a"].clear()
    world.answers["a"] = [*refused, None]
    first = world.broker.writes
    world.broker.kills = sorted((first + n, after) for n, after in kills)
    world.broker.order("replay", "a", start_us=start, end_us=end)
    for step in steps[6:]:
        world.broker.add(step)
    again = ids(*steps[start:end][: max(6 - start, 0)])
    everything = set(ids(*steps))

    def is_done() -> bool:
        a, b = set(world.taken["a"]), set(world.taken["b"])
        is_told = set(again) | set(ids(*steps[6:])) <= a and b == everything
        return is_told and not world.pending() and _is_over(world.broker)

    await world.until(is_done)
    told = list(dict.fromkeys(name for name in world.taken["a"] if name in again))
    assert told == again
    new = list(dict.fromkeys(name for name in world.taken["a"] if name not in again))
    assert new == ids(*steps[6:])
    assert len(world.taken["a"]) <= len(again) + 3 + len(kills) * 2


def _is_over(broker):
    last = {}
    for value in broker.states:
        key, _ = deliveries.encode(state := deliveries.decode(value))
        last[key] = state
    found = [state for state in last.values() if isinstance(state, deliveries.Replay)]
    return bool(found) and all(state.over for state in found)


async def test_one_message_can_be_told_again_after_it_was_given_up(monkeypatch):
    world = await begun(monkeypatch, "a")
    monkeypatch.setattr("connectors.webhook_message.IN_ORDER_ATTEMPTS", 2)
    world.answers["a"] = [AWAY, AWAY, AWAY, None]
    world.broker.add(transition("x0"))
    world.broker.add(transition("x1"))
    await world.until(lambda: world.taken["a"] == ["x1.1"])
    assert world.broker.rows["a", "x0.1"].state == "given_up"
    world.broker.order("replay", "a", alert_id="x0", number=1)
    await world.until(lambda: world.broker.rows["a", "x0.1"].state == "delivered")
    assert world.taken["a"] == ["x1.1", "x0.1"]


async def test_after_four_days_a_message_is_given_up(monkeypatch):
    world = await begun(monkeypatch, "a")
    monkeypatch.setattr("connectors.webhook_message.IN_ORDER_ATTEMPTS", 5)
    world.answers["a"] = [*[AWAY] * 6, None]
    world.broker.add(transition("old"), transition("new"))
    await world.until(lambda: world.taken["a"] == ["new.1"])
    assert world.asked.count(("a", "old.1")) == 6
    assert world.broker.rows["a", "old.1"].state == "given_up"


def steps(name: str, *numbers: int) -> list[Any]:
    return [transition(name, number, **CLOSED if number == 3 else {}) for number in numbers]


async def test_what_a_bridge_sends_again_is_told_once_also_by_another_notifier(monkeypatch):
    world = await begun(monkeypatch, "a", "b")
    world.broker.add(*steps("x", 1, 2))
    world.broker.add(*steps("x", 3), *steps("y", 1))
    world.broker.add(*steps("x", 1, 2))
    world.broker.add(*steps("x", 3), *steps("y", 1, 2))
    wanted = ["x.1", "x.2", "x.3", "y.1", "y.2"]
    await world.until(lambda: len(world.taken["a"]) > 4 < len(world.taken["b"]))
    await world.until(lambda: len(world.broker.rows) == 10 and not world.pending())
    world.broker.add(*steps("x", 1, 2), *steps("z", 1), *steps("x", 3), *steps("y", 3))  # `until` began anew
    await world.until(lambda: len(world.taken["a"]) > 6 < len(world.taken["b"]))
    assert world.taken == {"a": [*wanted, "z.1", "y.3"], "b": [*wanted, "z.1", "y.3"]}


@given(
    parts=st.lists(st.integers(1, 4), max_size=6),
    again=st.lists(st.integers(0, 5), max_size=6),
    begin=st.integers(0, 20),
    row=st.integers(0, 3),
)
def test_wherever_it_begins_each_step_is_told_once(parts, again, begin, row):
    numbers = iter(range(1, 100))
    messages = [[next(numbers) for _ in range(part)] for part in parts]
    log = [messages[: k + 1][-1 - back :] for k in range(len(parts)) for back in again[k : k + 1] or [0]]
    flat = [message for some in log for message in some]  # the newest one, and before it some once more
    with pytest.MonkeyPatch.context() as monkeypatch:
        world = World(monkeypatch, Broker(*(steps("x", *message) for message in flat)))
        queue = alert_queue.AlertQueue(Access("nowhere"), "", deliveries.Place(2 * begin, row))
        found = asyncio.run(all_of(queue))
    before = [n for message in flat[:begin] for n in message]
    before += flat[begin][:row] if begin < len(flat) else []
    told = sorted({n for message in flat for n in message} - set(before))
    assert [item.transition.number for item in found] == told
    assert world.broker.writes == 0


async def all_of(queue: alert_queue.AlertQueue) -> list[Any]:
    await queue.start()
    return [item for _ in range(60) for item in await queue.take_all()]


async def test_no_more_alerts_are_remembered_than_there_is_room(monkeypatch):
    monkeypatch.setattr(deliveries, "ALERTS_REMEMBERED", 2)
    heard = deliveries.Heard()
    told = [heard.is_new(transition(name, number)) for name, number in
            [("a", 1), ("b", 2), ("b", 1), ("a", 2), ("c", 1), ("a", 1), ("b", 2)]]  # fmt: skip
    assert told == [True, True, False, True, True, False, True]
    assert heard.repeated == 2


async def test_the_very_first_one_tells_what_is_recent(monkeypatch):
    world = World(monkeypatch, Broker([transition("x0")], [transition("x1")]), "a")
    world.broker.recent = 2
    await world.until(lambda: world.taken["a"])
    assert world.taken["a"] == ["x1.1"]


async def test_a_new_webhook_is_told_from_now_on_and_an_old_one_is_settled(monkeypatch):
    world = await begun(monkeypatch, "old")
    world.answers["old"] = [AWAY]
    world.broker.add(transition("x0"), transition("x1"))
    world.broker.add(transition("past", historic=True))
    await world.until(lambda: len(world.broker.rows) == 2)
    world.names, world.taken["new"] = ("new",), []
    await world.until(lambda: all(row.state == "given_up" for row in world.broker.rows.values()))
    world.broker.add(transition("x2"))
    await world.until(lambda: world.taken["new"] == ["x2.1"])
    assert set(world.broker.rows) == {("old", "x0.1"), ("old", "x1.1"), ("new", "x2.1")}
    assert "no longer configured" in world.broker.rows["old", "x0.1"].error
    await world.until(lambda: announced(world) == len(world.broker.alerts) - 1)
    await world.until(lambda: any(one.over for one in progress(world)))
    # it comes back: what it missed is settled, and it is told what is new
    world.names, world.answers["old"] = ("old",), [None]
    await world.until(lambda: any(one.webhook_id == "old" and not one.over for one in progress(world)[-1:]))
    world.broker.add(transition("x3"))
    await world.until(lambda: world.taken["old"] == ["x3.1"])


def announced(world: World) -> int:
    found = [deliveries.decode(value) for value in world.broker.states]
    return max(one.offset for one in found if isinstance(one, deliveries.Announced))


def progress(world: World) -> list[Any]:
    found = [deliveries.decode(value) for value in world.broker.states]
    return [one for one in found if isinstance(one, deliveries.Progress)]


async def test_what_cannot_be_sent_holds_up_nothing_that_waits_behind_it(monkeypatch):
    world = await begun(monkeypatch, "a")
    told = []

    def taken(request: httpx.Request) -> httpx.Response:
        told.append(json.loads(request.content)["data"])
        return httpx.Response(204)

    monkeypatch.setattr(module, "post", webhook_post.post)
    monkeypatch.setattr(
        module, "client_of", lambda _: httpx.AsyncClient(transport=httpx.MockTransport(taken))
    )
    world.broker.add(transition("far", at_us=400_000_000_000_000_000))  # damaged: the writer parks it
    world.broker.add(transition("no header\n"), transition("good"))
    await world.until(lambda: len(world.broker.rows) == 2 and not world.pending())
    assert [(one["id"], one["at"] is None) for one in told] == [("good", False)]
    row = world.broker.rows["a", "no header\n.1"]
    assert (row.state, row.attempts) == ("given_up", 1)
    assert "no message can be made" in row.error


async def test_a_topic_that_was_lost_and_made_anew_is_told_of_what_is_recent(monkeypatch):
    world = await begun(monkeypatch, "a")
    for name in ("x0", "x1", "x2"):
        world.broker.add(transition(name))
    await world.until(lambda: len(world.taken["a"]) == 3)
    await world.until(lambda: world.broker.rows["a", "x2.1"].state == "delivered")
    world.broker.alerts.clear()
    world.broker.add(transition("y0"))
    world.broker.add(transition("y1"))
    world.broker.recent = 2
    await world.until(lambda: world.taken["a"][3:] == ["y1.1"])


async def test_a_topic_that_loses_its_end_while_it_is_read_is_not_told_from_its_begin(monkeypatch):
    queue = alert_queue.AlertQueue(Access("nowhere"), "", deliveries.Place(4))
    world = World(monkeypatch, Broker([transition("x0")], [transition("x1")], [transition("x2")]))
    queue._reader = world.reader("", (ALERTS,), {}, "")  # as one whose offset was reset
    with pytest.raises(alert_queue.RewoundError):
        await queue.get()


async def test_one_that_stood_still_asks_whether_it_was_replaced_before_it_tells(monkeypatch):
    world = await begun(monkeypatch, "a")
    world.answers["a"] = [AWAY]
    world.broker.add(transition("x0"))
    one = world.notifier()
    work = asyncio.create_task(one.work())
    for _ in range(20_000):
        await asyncio.sleep(0)
        if one.progress and one.progress["a"].attempts == 3:
            break
    one._sure_s -= 60
    world.broker.kills = [(0, False)]  # what is written next is refused
    with pytest.raises(KilledError):
        await work
    assert len(world.asked) == 3


async def test_who_calls_people_asks_whether_this_one_was_replaced(monkeypatch):
    world = await begun(monkeypatch, "a")
    one = world.notifier()
    await one.make_sure()  # who has just begun was given the lease
    work = asyncio.create_task(one.work())
    for _ in range(2000):
        await asyncio.sleep(0)
    before = world.broker.writes
    await one.make_sure()
    assert world.broker.writes == before, "it has written a moment ago"
    one._sure_s -= 60
    await asyncio.gather(one.make_sure(), one.make_sure())
    assert world.broker.writes == before + 1
    one._sure_s -= 60
    send, away = one._output.send, asyncio.Event()

    async def hangs(messages):
        await away.wait()
        await send(messages)

    monkeypatch.setattr(module, "ASK_S", 0.01)
    one._output.send = hangs
    await one.make_sure()  # Kafka says nothing: a call twice is better than none
    away.set()
    await one._asking
    one._sure_s -= 60
    world.broker.kills = [(0, False)]  # what is written next is refused
    with pytest.raises(KilledError):
        await one.make_sure()
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work


async def test_a_state_of_another_version_stops_the_telling_and_says_so(monkeypatch):
    world = await begun(monkeypatch, "a")
    monkeypatch.setattr(module, "UNREADABLE_S", 0.0)
    world.broker.states.append(b"\x81\xa4type\xa5later")
    one = world.notifier()
    await one.work()
    assert "bring all processes to one version" in one.trouble
    world.broker.states.pop()
    work = asyncio.create_task(one.work())
    await world.until(lambda: not one.trouble)
    work.cancel()


async def test_what_cannot_be_read_is_passed_over_and_counted(monkeypatch):
    world = await begun(monkeypatch, "a")
    world.broker.alerts.append(b"\x09newer")
    world.broker.add(transition("x0"))
    one = world.notifier()
    work = asyncio.create_task(one.work())
    for _ in range(2000):
        await asyncio.sleep(0)
        if one.states["a"].delivered and one.waiting("a") == 0 and one.unreadable:
            break
    assert (world.taken["a"], one.unreadable, one.waiting("a")) == (["x0.1"], 1, 0)
    assert (one.states["a"].delivered, one.states["a"].failed_attempts) == (1, 0)
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work
