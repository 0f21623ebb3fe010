import asyncio
import json
import socket

import httpx
import msgspec
import numpy as np
import pytest

from dashboards import live
from dashboards.api import event_stream
from dashboards.live import FIGURES_LIMIT, SAMPLES_LIMIT, LiveFeed, LiveHub, ViewerLimitError, frame
from streams.records import AlertTransitions, StationReports, Tick
from tests.dashboards import country as c
from tests.dashboards.country import GAUGE, SECOND_US, START_US
from tests.dashboards.serving import served
from tests.waiting import until

GOOD, DEGRADED, BAD, _ = c.SITES


@pytest.fixture
def country(tmp_path):
    country = c.found(tmp_path, minutes=1)
    yield country
    country.store.close()


def tick(feed, now_us=START_US):
    return json.loads(feed.tick(now_us))


def test_an_update_holds_the_newest_of_each_and_then_nothing():
    feed = LiveFeed()
    feed.listen(
        [
            StationReports(reports=[c.report(GOOD, START_US + t * SECOND_US) for t in range(3)]),
            c.samples([(START_US, 1.0, 1), (START_US + 2, 3.0, 4), (START_US + 1, 2.0, 1)]),
            AlertTransitions(transitions=[c.alert()]),
            Tick(now_us=START_US),
        ]
    )
    update = tick(feed, START_US + 3 * SECOND_US)
    assert update["at"] == "2026-01-01T00:00:03Z"
    (station,) = update["stations"]
    assert (station["id"], station["state"], station["last_epoch"]) == (
        "SHAO00CHN",
        "good",
        "2026-01-01T00:00:02Z",
    )
    (sample,) = update["observations"]
    assert (sample["datastream_id"], sample["value"], sample["flag"]) == (GAUGE, 3.0, 4)
    assert [a["id"] for a in update["alerts"]] == ["a1"]
    assert tick(feed)["stations"] == tick(feed)["observations"] == tick(feed)["alerts"] == []


def test_figures_go_out_once_and_in_turns():
    feed = LiveFeed()
    names = [f"S{i:05d}" for i in range(FIGURES_LIMIT + 10)]
    feed.add(StationReports(reports=[], figures=[c.figures(name, START_US) for name in names]))
    feed.add(StationReports(reports=[], figures=[c.figures(names[-1], START_US + 60 * SECOND_US)]))
    first, second, third = (tick(feed)["figures"] for _ in range(3))
    assert [one["station_id"] for one in first + second] == names
    assert len(first) == FIGURES_LIMIT
    assert second[-1]["at"] == "2026-01-01T00:01:00Z"
    assert third == []


def test_late_reports_and_samples_do_not_go_back():
    feed = LiveFeed()
    feed.add(StationReports(reports=[c.report(BAD, START_US + 9 * SECOND_US)]))
    feed.add(c.samples([(START_US + 9, 9.0, 1)]))
    tick(feed)
    feed.add(StationReports(reports=[c.report(GOOD, START_US, station_id="WENZ00CHN")]))
    feed.add(c.samples([(START_US, 1.0, 1)]))
    update = tick(feed)
    assert update["stations"] == update["observations"] == []
    feed.add(StationReports(reports=[c.report(BAD, START_US + 10 * SECOND_US)]))
    assert tick(feed)["stations"][0]["last_epoch"] == "2026-01-01T00:00:00Z"  # the late epoch counts for that


def test_a_changed_verdict_goes_first_and_figures_in_turns():
    feed = LiveFeed()
    names = [f"S{i:05d}" for i in range(2 * FIGURES_LIMIT + 10)]

    def second(t, **changed):
        reports = [c.report(GOOD, START_US + t * SECOND_US, station_id=n) for n in names if n not in changed]
        reports += [c.report(BAD, START_US + t * SECOND_US, station_id=n) for n in changed]
        feed.add(StationReports(reports=reports))
        return [(s["id"], s["state"]) for s in tick(feed)["stations"]]

    assert len(second(0)) == len(names)
    first = second(1)
    assert len(first) == FIGURES_LIMIT
    last = names[-1]
    then = second(2, **{last: 1})
    assert then[0] == (last, "bad")
    assert not {n for n, _ in first} & {n for n, _ in then[1:]}
    seen = {n for n, _ in first + then} | {n for n, _ in second(3, **{last: 1})}
    assert seen == set(names)


def test_what_is_shown_was_heard_just_now_and_rare_stations_come_first():
    feed = LiveFeed()
    often = [f"S{i:05d}" for i in range(4 * FIGURES_LIMIT)]
    rare = [f"T{i:05d}" for i in range(FIGURES_LIMIT // 2)]
    shown = set()
    for t in range(40):
        half = often[: len(often) // 2] if t % 2 else often[len(often) // 2 :]
        now = [*half, *(rare if t in {0, 31} else ())]
        reports = [c.report(GOOD, START_US + t * SECOND_US, station_id=name) for name in now]
        feed.add(StationReports(reports=reports))
        told = {s["id"] for s in tick(feed)["stations"]}
        if t > 1:
            assert len(told) == FIGURES_LIMIT
            assert told <= set(now)
            shown |= told
        if t == 31:
            assert set(rare) <= told
    assert shown == {*often, *rare}
    assert tick(feed)["stations"] == []  # those that wait are heard again in a second


def test_rare_stations_that_tell_all_at_once_are_shown_in_turns():
    feed = LiveFeed()
    names = [f"S{i:05d}" for i in range(2 * FIGURES_LIMIT + 10)]
    for t in (0, 30):
        reports = [c.report(GOOD, START_US + t * SECOND_US, station_id=name) for name in names]
        feed.add(StationReports(reports=reports))
        shown = [{s["id"] for s in tick(feed)["stations"]} for _ in range(4)]
    assert [len(some) for some in shown] == [FIGURES_LIMIT, FIGURES_LIMIT, 10, 0]
    assert set.union(*shown) == set(names)


def test_a_live_verdict_that_stops_becomes_unknown_once():
    feed = LiveFeed()
    feed.add(
        StationReports(reports=[c.report(GOOD, START_US), c.report(DEGRADED, START_US, received_at_us=None)])
    )
    tick(feed)
    assert tick(feed, START_US + 59 * SECOND_US)["stations"] == []
    (gone,) = tick(feed, START_US + 62 * SECOND_US)["stations"]
    assert (gone["id"], gone["state"], gone["score"]) == ("SHAO00CHN", "unknown", None)
    assert tick(feed, START_US + 63 * SECOND_US)["stations"] == []
    feed.add(StationReports(reports=[c.report(GOOD, START_US + 70 * SECOND_US)]))
    assert tick(feed, START_US + 71 * SECOND_US)["stations"][0]["state"] == "good"


def test_who_acknowledged_stays_known_until_the_end():
    feed = LiveFeed()
    feed.add(AlertTransitions(transitions=[c.alert(2, "acknowledged", by="Li")]))
    assert tick(feed)["alerts"][0]["acknowledged_by"] == "Li"
    feed.add(AlertTransitions(transitions=[c.alert(3, "level", state="acknowledged", level="red")]))
    assert tick(feed)["alerts"][0]["acknowledged_by"] == "Li"
    feed.add(AlertTransitions(transitions=[c.alert(4, "closed")]))
    (closed,) = tick(feed)["alerts"]
    assert (closed["state"], closed["acknowledged_by"]) == ("closed", "Li")


def test_samples_go_out_once_and_in_turns_each_with_its_newest_value():
    feed = LiveFeed()
    names = [f"site/{i:05d}" for i in range(SAMPLES_LIMIT + 10)]

    def second(t):
        n = len(names)
        one = c.samples([(START_US + t * SECOND_US, 100.0 * t + i % 100, 1) for i in range(n)])
        series = np.arange(n, dtype=np.int32)
        feed.add(msgspec.structs.replace(one, datastream_ids=names, series=series))

    def told():
        return [(o["datastream_id"], o["phenomenon_time"], o["value"]) for o in tick(feed)["observations"]]

    second(0)
    first = told()
    second(1)
    second(2)
    then, last = told(), told()
    assert first == [(n, "2026-01-01T00:00:00Z", i % 100) for i, n in enumerate(names[:SAMPLES_LIMIT])]
    behind = [*names[SAMPLES_LIMIT:], *names[:SAMPLES_LIMIT]]
    values = {n: 200.0 + i % 100 for i, n in enumerate(names)}
    assert then + last == [(n, "2026-01-01T00:00:02Z", values[n]) for n in behind]
    assert told() == []


def test_missing_values_are_null():
    feed = LiveFeed()
    feed.add(c.samples([(START_US, float("nan"), 9)]))
    (sample,) = tick(feed)["observations"]
    assert (sample["value"], sample["flag"]) == (None, 9)


async def test_a_viewer_that_does_not_keep_up_is_dropped_and_the_others_go_on():
    hub = LiveHub(queue_limit=3)
    with hub.viewer() as slow, hub.viewer() as quick:
        got = []

        async def read():
            got.extend([update async for update in quick])

        reading = asyncio.create_task(read())
        for i in range(5):
            hub.publish("update", b"%d" % i)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        assert slow.dropped
        assert [update async for update in slow] == []
        assert (len(hub), hub.dropped_viewers) == (1, 1)
        hub.close()
        await reading
        assert got == [frame("update", b"%d" % i, i + 1) for i in range(5)]
        with pytest.raises(ViewerLimitError), hub.viewer():
            pass


def test_viewers_are_limited():
    hub = LiveHub(viewer_limit=1)
    with hub.viewer(), pytest.raises(ViewerLimitError, match="too many"), hub.viewer():
        pass
    with hub.viewer():
        assert len(hub) == 1


class Reader:
    """Reads a live stream's bytes as they come."""

    def __init__(self, answer: httpx.Response) -> None:
        self.bytes = b""
        self._pieces = answer.aiter_raw()

    async def until(self, ending: bytes) -> bytes:
        while ending not in self.bytes:
            self.bytes += await asyncio.wait_for(anext(self._pieces), 10)
        return self.bytes


async def test_two_viewers_get_everything_first_and_then_the_same_bytes(country):
    async with (
        served(country.app()) as (_, url),
        httpx.AsyncClient(base_url=url, timeout=30) as client,
        client.stream("GET", "/api/v1/live") as one,
        client.stream("GET", "/api/v1/live") as two,
    ):
        assert one.headers["content-type"].startswith("text/event-stream")
        first, second = Reader(one), Reader(two)
        whole = await first.until(b"\n\n")
        assert await second.until(b"\n\n") == whole
        head, data = whole.decode().split("data: ", 1)
        assert "event: state" in head
        state = json.loads(data)
        assert {s["id"]: s["state"] for s in state["stations"]}["WENZ00CHN"] == "bad"
        assert [d["id"] for d in state["datastreams"]] == [GAUGE]
        assert [a["id"] for a in state["alerts"]] == ["a1"]
        assert state["things"]
        assert state["properties"]
        assert (state["version"], state["writes"]) == ("1.2.3", "open")

        country.keep(StationReports(reports=[c.report(BAD, START_US + SECOND_US, station_id="SHAO00CHN")]))
        country.hub.publish("update", country.feed.tick(START_US + SECOND_US))
        assert await first.until(b'SHAO00CHN","state":"bad"') == await second.until(
            b'SHAO00CHN","state":"bad"'
        )
        update = first.bytes.removeprefix(whole).decode()
        assert update.startswith("id: 1\nevent: update\ndata: {")


async def test_a_viewer_that_leaves_is_forgotten(country):
    async with served(country.app()) as (_, url), httpx.AsyncClient(base_url=url, timeout=30) as client:
        async with client.stream("GET", "/api/v1/live") as answer:
            await Reader(answer).until(b"\n\n")
            assert len(country.hub) == 1
        await until(lambda: not len(country.hub))


async def test_a_viewer_that_does_not_read_is_cut_off(country, monkeypatch):
    monkeypatch.setattr(event_stream, "POLITE_END_S", 0.05)
    async with served(country.app()) as (server, url):
        host, port = url.removeprefix("http://").split(":")
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(deaf, (host, int(port)))
            await loop.sock_sendall(deaf, b"GET /api/v1/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            await until(lambda: len(country.hub))
            published = 0
            while len(country.hub):
                country.hub.publish("update", b"x" * 1_000_000)
                published += 1
                await asyncio.sleep(0)
                assert published < 1000
            assert country.hub.dropped_viewers == 1
            await until(lambda: not server.server_state.tasks)


async def test_the_server_stops_although_viewers_watch(country):
    async with served(country.app()) as (server, url), httpx.AsyncClient(base_url=url, timeout=30) as client:
        async with client.stream("GET", "/api/v1/live") as answer:
            reader = Reader(answer)
            await reader.until(b"\n\n")
            country.hub.close()
            server.should_exit = True
            with pytest.raises(StopAsyncIteration):
                await reader.until(b"never")
        await until(lambda: not server.server_state.connections)


async def test_no_new_viewer_while_stopping(country):
    async with served(country.app()) as (_, url), httpx.AsyncClient(base_url=url, timeout=30) as client:
        country.hub.close()
        answer = await client.get("/api/v1/live")
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"


def test_datastreams_that_are_remembered_are_bounded(monkeypatch):
    monkeypatch.setattr(live, "DATASTREAMS_REMEMBERED", 3)
    feed = LiveFeed()

    def heard(name, value):
        feed.add(msgspec.structs.replace(c.samples([(START_US, value, 1)]), datastream_ids=[name]))

    for name in ("a", "b", "c"):
        heard(name, 1.0)
    heard("a", 2.0)
    for name in ("d", "e"):  # b and c were not heard for longest
        heard(name, 3.0)
    shown = [(one["datastream_id"], one["value"]) for one in tick(feed)["observations"]]
    assert shown == [("a", 2.0), ("d", 3.0), ("e", 3.0)]
    for number in range(10_000):
        heard(f"invented {number}", 1.0)
    assert len(feed._samples) == len(tick(feed)["observations"]) == 3


async def test_what_cannot_be_shown_is_counted_and_the_rest_goes_on(monkeypatch):
    monkeypatch.setattr(live, "TICK_S", 0.001)
    feed, hub = LiveFeed(), LiveHub()
    damaged = msgspec.structs.replace(c.samples([(START_US, 1.0, 1)]))
    msgspec.structs.force_setattr(damaged, "series", np.array([7], np.int32))
    feed.listen([damaged, c.samples([(START_US, 2.0, 1)])])
    assert feed.failures == 1
    feed.listen([AlertTransitions(transitions=[msgspec.structs.replace(c.alert(), onset_us=2**62)])])
    work = asyncio.create_task(live.run_live(feed, hub, lambda: START_US))
    await until(lambda: hub.updates > 0)
    assert feed.failures == 2
    assert not work.done()
    hub.close()
    await work
