"""From samples to receivers and people: once each, in order, whatever dies, repeats itself, is away or hangs.

Everything of one process but its sockets, with a clock that is moved; a kill leaves the file as it was then.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import numpy as np
import pytest

from connectors import webhook
from connectors.webhook import WebhookConfig, WebhookSender
from deploy.calling import Caller, calling
from deploy.partitioning import pipeline
from deploy.registry import Registry
from sensors.simulate import TideGauge, Tsunami
from storage.keeper import StoreKeeper
from storage.sqlite import SqliteStore
from streams.call_records import CallOrder, CallReceipt
from streams.embedded import EmbeddedRuntime
from streams.records import AlertTransitions, Detection, Detections
from tests.deploy.installation import MINUTE, S, command, one_by_one, samples, settings
from tests.waiting import until

pytestmark = pytest.mark.acceptance

START = 1_790_000_000 * S
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
GAUGE = "gauge.water_level"
Handler = Callable[[httpx.Request], object]


def gauge(n=600, begin_us=START, waves_at=300, received=None):
    """A tide gauge with a tsunami in it, a sample a minute."""
    times = begin_us + np.arange(n) * MINUTE
    made = TideGauge(1, Tsunami(int(times[waves_at]), 0.6, 1500, decay_s=3000))
    return samples(GAUGE, times, [made.value(int(at)) for at in times], received)


class Receiver:
    """Of webhooks; what it does is said by the test."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, bytes]] = []
        self.does: Handler = lambda _: None

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        done = self.does(request)
        if asyncio.iscoroutine(done):
            await done
        self.taken.append((request.headers["webhook-id"], request.content))
        return httpx.Response(204)

    @property
    def ids(self) -> list[str]:
        return [name for name, _ in self.taken]


class Phone:
    """A door that says nothing."""

    def __init__(self) -> None:
        self.rung: list[CallOrder] = []

    async def send(self, one: CallOrder) -> CallReceipt:
        self.rung.append(one)
        return CallReceipt.of(one, "accepted", one.at_us)


class World:
    """What outlives a process."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
        self.folder, self.life, self.now_us = folder, 0, START
        self.receivers = {name: Receiver() for name in names}
        self.phone = Phone()
        self.configs = [
            WebhookConfig(id=name, url="http://127.0.0.1:9/", secret=SECRET, allow_private=True)
            for name in names
        ]
        monkeypatch.setattr(webhook, "POLL_S", 0.01)
        monkeypatch.setattr(
            webhook,
            "client_of",
            lambda config: httpx.AsyncClient(transport=httpx.MockTransport(self.receivers[config.id])),
        )

    def clock_us(self) -> int:
        return self.now_us

    @contextlib.asynccontextmanager
    async def process(self) -> AsyncIterator[tuple[EmbeddedRuntime, SqliteStore]]:
        """Run one; the next one finds what a kill at the end of the block leaves."""
        here, left = (self.folder / f"{self.life + i}.sqlite" for i in (0, 1))
        self.life += 1
        registry, store = Registry.of(settings("gauge")), SqliteStore(here)
        store.put_registry(
            things=registry.things, properties=registry.properties, datastreams=registry.datastreams
        )
        keeper = StoreKeeper(store, None, [one.id for one in self.configs])
        runtime = EmbeddedRuntime(pipeline(registry), keeper, self.clock_us, ticks=False)
        await runtime.start()
        sender = WebhookSender(self.configs, store, self.clock_us, draw=lambda: 0.5)
        runtime.listeners.append(
            lambda made: sender.wake() if any(isinstance(one, AlertTransitions) for one in made) else None
        )
        caller = Caller({"voice": self.phone}, runtime, self.clock_us)
        caller.book.add(store.due_calls(self.now_us, 1000))
        runtime.listeners.append(caller.listen)
        telling = asyncio.create_task(sender.run())
        try:
            async with calling(caller):
                yield runtime, store
                with (
                    contextlib.closing(sqlite3.connect(here)) as now,
                    contextlib.closing(sqlite3.connect(left)) as then,
                ):
                    now.backup(then)
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
            await runtime.stop()
            store.close()


def on_duty():
    """Li is called about everything."""
    contacts = [{"channel": "voice", "to": "voice:li"}]
    levels = {"blue": {"steps": [{"to": ["person:li"]}], "deadline_s": 600.0}}
    return [
        command("put", "person/li", START - 1, name="Li", contacts=contacts),
        command("put", "plan/all", START - 1, levels=levels),
    ]


async def ask(runtime, batch):
    (one,) = batch.commands
    assert (await runtime.command(one)).ok


def steps_of(store):
    return {
        f"{step.alert_id}.{step.number}": step
        for alert in store.alerts(limit=1000).items
        for step in store.alert(alert.alert_id).transitions
    }


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_one_alert_and_one_id_a_step_over_kills_and_repetitions(tmp_path, monkeypatch, seed):
    chance = random.Random(seed)
    undisturbed = World(tmp_path / "quiet", monkeypatch, "duty")
    undisturbed.folder.mkdir()
    whole = one_by_one(gauge())
    async with undisturbed.process() as (runtime, store):
        for one in whole:
            await runtime.put_samples(one)
        expected = steps_of(store)
    assert {step.rule for step in expected.values()} == {"sea_level"}
    assert len({step.alert_id for step in expected.values()}) == 1

    world = World(tmp_path, monkeypatch, "duty")
    duty = world.receivers["duty"]

    def moody(_):
        if chance.random() < 0.5:
            raise httpx.ReadError("it may have come, and the answer did not")

    duty.does = moody
    sent = 0
    while sent < len(whole):
        async with world.process() as (runtime, store):
            sent = max(sent - chance.randint(0, 40), 0)  # what the broker was not told to be safe, and more
            for one in whole[sent : sent + chance.randint(60, 200)]:
                world.now_us = max(world.now_us, int(one.received_at_us[0]))
                await runtime.put_samples(one)
                sent += 1
                if chance.random() < 0.1:
                    await runtime.put_samples(one)
            await asyncio.sleep(0.02)
            world.now_us += 2 * MINUTE
    async with world.process() as (runtime, store):
        duty.does = lambda _: None
        world.now_us += 60 * MINUTE
        await until(lambda: not store.counts().deliveries_pending)
        assert steps_of(store) == expected
    assert set(duty.ids) == expected.keys()
    bodies = {name: {body for other, body in duty.taken if other == name} for name in expected}
    assert all(len(each) == 1 for each in bodies.values()), "told again it is the same message"
    first = list(dict.fromkeys(duty.ids))
    assert first == sorted(first, key=lambda name: int(name.rpartition(".")[2]))


async def test_a_late_burst_is_stored_and_historic_and_calls_nobody(tmp_path, monkeypatch):
    world = World(tmp_path, monkeypatch, "duty")
    now = gauge(60, waves_at=59)
    received = np.full(600, int(now.received_at_us[30]) + 7)
    burst = gauge(600, START - 3 * 86_400 * S, received=received)
    async with world.process() as (runtime, store):
        for one in on_duty():
            await ask(runtime, one)
        for one in one_by_one(now, burst):
            await runtime.put_samples(one)
        await runtime.drained()
        await asyncio.sleep(0.1)
        (alert,) = store.alerts(limit=10).items
        assert (alert.historic, alert.rule) == (True, "sea_level")
        assert alert.onset_us < START - 2 * 86_400 * S
        kept = store.observations(GAUGE, int(burst.time_us[0]), int(burst.time_us[-1]) + 1)
        assert len(kept.items) == 600
        assert store.counts().deliveries_pending == 0
        assert store.alert_calls(alert.alert_id) == []
    assert (world.receivers["duty"].taken, world.phone.rung) == ([], [])


async def test_a_receiver_that_is_down_for_an_hour_gets_all_in_order_and_one_that_hangs_delays_nobody(
    tmp_path, monkeypatch
):
    world = World(tmp_path, monkeypatch, "well", "down", "hangs")
    well, down, hangs = (world.receivers[name] for name in ("well", "down", "hangs"))
    never = asyncio.Event()
    hangs.does = lambda _: never.wait()
    knocks = []

    def away(_):
        if world.now_us < START + 60 * MINUTE:
            knocks.append(world.now_us)
            raise httpx.ConnectError("down")

    down.does = away
    async with world.process() as (runtime, store):
        for number, one in enumerate(findings(12)):
            world.now_us = START + number * 5 * MINUTE + S
            runtime.note(one)
            await runtime.drained()
            await until(lambda n=number: len(well.ids) == 2 * n + 2)  # at once, though others hang
        expected = sorted(steps_of(store))
        assert not down.taken
        assert len(expected) == 24
        for _ in range(30):
            world.now_us += MINUTE
            await asyncio.sleep(0.03)
        await until(lambda: len(down.ids) == 24)
        times = {name: step.at_us for name, step in steps_of(store).items()}
    assert sorted(down.ids) == sorted(well.ids) == expected
    opened = [times[name] for name in down.ids if name.endswith(".1")]
    assert opened == sorted(opened)
    for name in {one.partition(".")[0] for one in down.ids}:
        assert down.ids.index(f"{name}.1") < down.ids.index(f"{name}.2")
    assert json.loads(down.taken[0][1])["type"] == "alert.opened"
    assert len(knocks) < 80
    assert not hangs.taken


def findings(n):
    """Hazards at many sites, each of which gets worse."""
    return [
        Detections(
            detections=[
                Detection(
                    detector="tangent", version="1", subject_id=f"slope-{number}", phase=phase, level=level,
                    onset_us=at, at_us=at, detected_at_us=at + more, title="Slope moves", value=1.0,
                    threshold=0.5, unit="mm", evidence={},
                )
                for phase, level, more in (("begin", "blue", 0), ("update", "red", 1))
            ]
        )
        for number in range(n)
        for at in [START + number * 5 * MINUTE]
    ]  # fmt: skip
