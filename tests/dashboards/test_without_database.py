"""The API while the database is away: alerts from memory, the live page goes on, all else is refused."""

from __future__ import annotations

import asyncio
import json
import threading

import httpx
import pytest

from dashboards import fallback as fallback_module
from dashboards.alert_memory import AlertMemory
from dashboards.fallback import Fallback
from dashboards.live import LiveHub
from sensors.model import Station
from storage.store import StorageError
from streams.records import AlertTransitions, CommandOutcome, StationReports
from tests.dashboards import country as c
from tests.dashboards.country import START_US
from tests.dashboards.serving import client_of, served

ACKNOWLEDGE = "/api/v1/alerts/a1/acknowledge"


class World:
    """A country whose database can go away, by telling so or by failing."""

    def __init__(self, folder) -> None:
        self.country = c.found(folder, minutes=1)
        self.memory = AlertMemory()
        self.memory.listen([AlertTransitions(transitions=[c.alert()])])
        self.memory.complete = True
        self.away = ""
        self.app = self.country.app(fallback=Fallback(self.memory, lambda: self.away))

    async def get(self, path: str):
        async with client_of(self.app) as client:
            return await client.get(path)

    async def post(self, path: str, body: object = {"by": "Li"}):
        async with client_of(self.app) as client:
            return await client.post(path, json=body)

    def break_store(self, monkeypatch, error: Exception | None = None) -> None:
        """Let each question fail; without an error it is never answered."""
        released = threading.Event()

        def fail(*_, **__):
            if error is None:
                released.wait(30)
            raise error or StorageError("late")

        for name in ("alert", "alerts", "open_alerts", "stations", "station", "counts", "commands"):
            monkeypatch.setattr(self.country.store, name, fail)
        self.release = released.set


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    yield world
    world.country.store.close()


async def test_while_it_is_there_the_database_answers(world):
    for path in ("/api/v1/alerts", "/api/v1/alerts/a1"):
        answer = await world.get(path)
        assert answer.status_code == 200
        assert "answered-from" not in answer.headers
    assert (await world.get("/readyz")).json()["status"] == "ok"
    assert "groundswell_database_away 0.0" in (await world.get("/metrics")).text


async def test_alerts_come_from_memory_and_say_so(world):
    whole = (await world.get("/api/v1/alerts/a1")).json()
    listed = (await world.get("/api/v1/alerts?state=open")).json()
    world.away = "gone"
    answer = await world.get("/api/v1/alerts/a1")
    assert (answer.status_code, answer.headers["answered-from"]) == (200, "memory")
    assert answer.json() == whole
    answer = await world.get("/api/v1/alerts?state=open")
    assert (answer.json(), answer.headers["answered-from"]) == (listed, "memory")
    assert (await world.get("/api/v1/alerts?after=x")).status_code == 400
    unknown = await world.get("/api/v1/alerts/other")
    assert unknown.status_code == 503
    assert "not among those that are open" in unknown.json()["detail"]


async def test_everything_else_is_refused_at_once_in_words(world):
    world.away = "gone"
    for path in (
        "/api/v1/stations", "/api/v1/stations/SHAO00CHN", "/api/v1/things", "/api/v1/datastreams",
        f"/api/v1/datastreams/{c.GAUGE}/observations",
    ):  # fmt: skip
        answer = await world.get(path)
        assert answer.status_code == 503, path
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["retry-after"] == "5"
        assert "Alerts and the live page go on" in answer.json()["detail"]
    assert (await world.get("/api/v1/streams")).status_code == 200


@pytest.mark.parametrize("error", [StorageError("away"), None])
async def test_a_database_that_fails_or_hangs_before_that_is_known_is_no_obstacle(world, monkeypatch, error):
    monkeypatch.setattr(fallback_module, "STORE_S", 0.05)
    world.break_store(monkeypatch, error)
    try:
        answer = await world.get("/api/v1/alerts/a1")
        assert (answer.status_code, answer.headers["answered-from"]) == (200, "memory")
        if error is not None:
            refused = await world.get("/api/v1/stations")
            assert refused.status_code == 503
            assert "away" not in refused.text
            assert "groundswell_database_away 1.0" in (await world.get("/metrics")).text
    finally:
        world.release()


async def test_an_acknowledgement_needs_no_database(world, monkeypatch):
    world.away = "gone"
    world.break_store(monkeypatch, StorageError("gone"))
    country, answered = world.country, []

    async def command(one):
        step = c.alert(2, "acknowledged", by=one.by)
        world.memory.listen([AlertTransitions(transitions=[step])])
        answered.append(one)
        return CommandOutcome(id=one.id, ok=True, message="")

    monkeypatch.setattr(country.desk, "command", command)
    answer = await world.post(ACKNOWLEDGE)
    assert (answer.status_code, answer.headers["answered-from"]) == (200, "memory")
    assert (answer.json()["state"], answer.json()["acknowledged_by"]) == ("acknowledged", "Li")
    assert [step["number"] for step in answer.json()["transitions"]] == [1, 2]
    unknown = await world.post("/api/v1/alerts/other/acknowledge")
    assert unknown.status_code == 503
    assert len(answered) == 1


async def test_a_comment_needs_no_database(world, monkeypatch):
    world.away = "gone"
    world.break_store(monkeypatch, StorageError("gone"))

    async def command(one):
        step = c.alert(2, "commented", by=one.by, comment=one.arguments["comment"])
        asyncio.get_running_loop().call_later(  # it comes on another topic than the answer
            0.1, world.memory.listen, [AlertTransitions(transitions=[step])]
        )
        return CommandOutcome(id=one.id, ok=True, message="")

    monkeypatch.setattr(world.country.desk, "command", command)
    answer = await world.post("/api/v1/alerts/a1/comments", {"by": "Li", "comment": "seen"})
    assert (answer.status_code, answer.headers["answered-from"]) == (200, "memory")
    assert answer.json()["state"] == "open"
    assert [(one["change"], one["comment"]) for one in answer.json()["transitions"]] == [
        ("opened", ""),
        ("commented", "seen"),
    ]


async def test_before_all_alerts_were_read_nothing_is_told_from_memory(world):
    world.away, world.memory.complete = "gone", False
    for path in ("/api/v1/alerts", "/api/v1/alerts/a1", "/readyz"):
        assert (await world.get(path)).status_code == 503, path
    world.memory.complete = True
    answer = await world.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "without database")


async def test_figures_are_told_without_those_of_the_database(world):
    world.away = "gone"
    text = (await world.get("/metrics")).text
    assert "groundswell_database_away 1.0" in text
    assert 'groundswell_alerts_open{level="orange"} 1.0' in text
    assert "groundswell_things" not in text
    assert "groundswell_live_viewers" in text


async def first_state(app) -> dict:
    async with (
        served(app) as (_, url),
        httpx.AsyncClient(base_url=url, timeout=30) as client,
        client.stream("GET", "/api/v1/live") as live,
    ):
        if live.status_code != 200:
            return {"status": live.status_code}
        async for line in live.aiter_lines():
            if line.startswith("data: "):
                return json.loads(line.removeprefix("data: "))
    raise AssertionError("nothing came")


async def test_a_new_viewer_sees_what_was_known_with_the_verdicts_and_alerts_of_now(world):
    await world.app.state.snapshot.remember()
    world.away = "gone"
    world.country.now_us += 2_000_000
    site = c.SITES[0]
    bad = c.report(site, START_US + 2_000_000, state="bad", score=3)
    world.country.feed.listen([StationReports(reports=[bad])])
    world.memory.listen([AlertTransitions(transitions=[c.alert(2, "level", level="red")])])
    state = await first_state(world.app)
    shown = {one["id"]: one["state"] for one in state["stations"]}
    assert shown[site[0]] == "bad"
    assert len(shown) == len(c.SITES)
    assert [one["id"] for one in state["datastreams"]] == [c.GAUGE]
    assert [(one["id"], one["level"]) for one in state["alerts"]] == [("a1", "red")]


async def test_a_server_that_begins_without_the_database_shows_what_is_configured(world):
    world.away = "gone"
    assert await first_state(world.app) == {"status": 503}
    store = world.country.store
    world.app = world.country.app(fallback=Fallback(world.memory, lambda: world.away), hub=LiveHub())
    stations = [Station(id=one.id, name=one.name) for one in store.stations().items]
    world.app.state.snapshot.begin_with(stations, store.things().items, store.observed_properties(), [])
    state = await first_state(world.app)
    judged = {site[0]: site[4] or "unknown" for site in c.SITES}
    assert {one["id"]: one["state"] for one in state["stations"]} == judged
    assert [one["id"] for one in state["alerts"]] == ["a1"]
