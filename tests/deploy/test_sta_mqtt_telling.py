"""What is told over MQTT waits for nobody, and is bounded."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from connectors.mqtt_config import BrokerConfig
from connectors.mqtt_outlet import MqttOutlet
from dashboards.sta.telling import Telling
from deploy import sta_mqtt
from deploy.sta_mqtt import Teller
from streams.definitions import DatastreamDefinition
from streams.records import Change, Changes
from tests.dashboards.test_sta_telling import flagged
from tests.waiting import until

BASE = {("datastream", "pier.level"): DatastreamDefinition(thing="pier", property="water_level")}


class Away(MqttOutlet):
    """Has a broker that takes nothing until it is let."""

    async def run(self, **_: Any) -> Any:
        await asyncio.Event().wait()


def teller(store: Any = None) -> Teller:
    outlet = Away(BrokerConfig(host="nowhere"))
    return Teller(store, outlet, Telling("http://here", "v1.1", []), 9, BASE)


def change(version: int, name: str) -> Change:
    return Change(
        kind="datastream", id=name, version=version, verb="put", before=None, by="Li", at_us=version,
        after={"thing": "pier", "property": "water_level"}, command_id=f"c{version}",
    )  # fmt: skip


async def test_while_the_broker_is_away_the_newest_samples_wait_and_the_others_are_counted(monkeypatch):
    monkeypatch.setattr(sta_mqtt, "MOST_SAMPLES", 40)
    monkeypatch.setattr(sta_mqtt, "MOST_AHEAD", 10)
    monkeypatch.setattr(sta_mqtt, "POLL_S", 0.005)
    one = teller()
    running = asyncio.create_task(one.run())
    batch = flagged(*["pier.level"] * 20)
    for number in range(20):
        one.listen([batch])
        await asyncio.sleep(0.02 if number == 0 else 0)
    assert one._rows <= 40
    assert one.outlet.waiting <= 2 * 20 + 10
    assert one.dropped_samples >= 20 * 16
    before = one.dropped_samples
    told = 0
    async with asyncio.timeout(20):
        while one._rows or one.outlet.waiting:
            told += one.outlet.waiting
            one.outlet._waiting.clear()
            await asyncio.sleep(0.01)
    assert told == 2 * (20 * 20 - before)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def test_a_series_that_is_added_is_told_of_from_then_on(monkeypatch):
    monkeypatch.setattr(sta_mqtt, "STORED_S", 0.0)

    class Empty:
        def object(self, *_: str) -> None: ...

        def sta_page(self, *_: Any) -> Any:
            return type("Page", (), {"rows": []})

    one = teller(Empty())
    running = asyncio.create_task(one.run())
    one.listen([flagged("pier.new")])
    await asyncio.sleep(0.02)
    assert one.outlet.waiting == 0
    one.listen([Changes(changes=[change(1, "pier.new")]), flagged("pier.new")])
    await until(lambda: one.outlet.waiting == 2)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


def test_changes_that_wait_are_bounded(monkeypatch):
    monkeypatch.setattr(sta_mqtt, "MOST_CHANGES", 3)
    one = teller()
    for version in range(1, 6):
        one.listen([Changes(changes=[change(version, f"pier.s{version}")])])
    assert one.dropped_changes == 2
    figures = {figure.name: figure.values() for figure in one.figures()}
    assert figures["sta_mqtt_dropped"] == {("message",): 0, ("sample",): 0, ("change",): 2}
