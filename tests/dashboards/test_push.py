"""Push over HTTP and over a WebSocket, with real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time

import httpx
import msgspec
import pytest
import uvicorn
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from dashboards.access.access import Rules
from dashboards.api import event_stream, needs, push
from dashboards.client import Client, Gap, Update
from dashboards.push.hub import run_push
from streams.records import Changes
from tests.dashboards import country as c
from tests.dashboards.country import START_US
from tests.dashboards.people import account, bearer, everybody, signed_in, token
from tests.dashboards.push.messages import alerts, reports, samples
from tests.dashboards.serving import client_of, served
from tests.waiting import until

CLOSED = {"open_writes": False, "write_token": "the write token", "rules": Rules(is_public=False)}


@pytest.fixture
def country(tmp_path, monkeypatch):
    monkeypatch.setattr("dashboards.push.hub.TICK_S", 0.01)
    country = c.found(tmp_path, minutes=1)
    yield country
    country.store.close()


@contextlib.asynccontextmanager
async def pushing(country, **options):
    app = country.app(**options)
    work = asyncio.create_task(run_push(country.push, lambda: country.now_us))
    try:
        async with served(app) as (_, url):
            yield app, url
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


class Events:
    """Reads server-sent events."""

    def __init__(self, answer):
        self._pieces, self._rest = answer.aiter_raw(), b""

    async def next(self):
        while b"\n\n" not in self._rest:
            self._rest += await asyncio.wait_for(anext(self._pieces), 10)
        block, _, self._rest = self._rest.partition(b"\n\n")
        fields = dict(line.split(": ", 1) for line in block.decode().split("\n"))
        if "event" not in fields:
            return await self.next()
        return fields["event"], fields.get("id"), json.loads(fields["data"])


async def test_a_stream_is_cut_and_goes_on_where_it_was(country):
    async with pushing(country) as (_, url), httpx.AsyncClient(base_url=url, timeout=30) as client:
        asked = {"channel": ["station:A,level:red", "network"]}
        async with client.stream("GET", "/api/v1/push", params=asked) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert answer.headers["cache-control"] == "no-store"
            events = Events(answer)
            name, _, begin = await events.next()
            assert (name, begin["channels"]) == ("begin", ["level:red", "network", "station:A"])
            country.keep(reports(("A", 0, "good")))
            _, identity, update = await events.next()
            assert [one["id"] for one in update["channels"]["network"]["stations"]] == ["A"]
        await until(lambda: not len(country.push))
        country.keep(reports(("A", 1, "good")), alerts(("a9", 1, "red")))
        for how in ({"headers": {"last-event-id": identity}}, {"params": {**asked, "after": identity}}):
            more = {"params": asked, **how}
            async with client.stream("GET", "/api/v1/push", **more) as answer:
                events = Events(answer)
                name, same, begin = await events.next()
                assert (name, same, begin["resumed"]) == ("begin", identity, True)
                _, _, update = await events.next()
                told = {channel: list(lists) for channel, lists in update["channels"].items()}
                assert told == {"level:red": ["alerts"], "network": ["alerts"], "station:A": ["stations"]}


async def test_a_socket_gets_the_same_and_may_say_nothing(country, monkeypatch):
    monkeypatch.setattr(push, "MOST_MESSAGES", 3)
    async with pushing(country) as (_, url):
        address = url.replace("http", "ws") + "/api/v1/push?channel=network"
        async with connect(address) as socket:
            begin = json.loads(await socket.recv())
            assert (begin["event"], begin["resumed"]) == ("begin", False)
            country.keep(reports(("A", 0, "good")))
            update = json.loads(await socket.recv())
            assert update["channels"]["network"]["stations"][0]["id"] == "A"
            assert len(country.push) == 1
        await until(lambda: not len(country.push))
        country.keep(reports(("B", 1, "bad")))
        async with connect(f"{address}&after={update['id']}") as socket:
            assert json.loads(await socket.recv())["resumed"]
            assert json.loads(await socket.recv())["channels"]["network"]["stations"][0]["id"] == "B"
            for _ in range(3):
                await socket.send("hello")
            with pytest.raises(ConnectionClosed):
                await socket.recv()
        async with connect(address) as socket:
            await socket.recv()
            country.push.close()
            with pytest.raises(ConnectionClosed) as caught:
                await socket.recv()
            assert caught.value.rcvd.code == push.GOING_AWAY


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("", "channel: name a channel"),
        ("channel=stations", "is no channel"),
        ("channel=network&after=nonsense", "after is no id"),
        ("channel=network&afetr=x", "'afetr' is not known here; known: after, channel"),
    ],
)
async def test_what_cannot_be_asked_is_refused_in_words(country, query, says):
    async with pushing(country) as (_, url):
        async with client_of(country.app()) as client:
            answer = await client.get(f"/api/v1/push?{query}")
            assert answer.status_code == 400
            assert says in answer.json()["detail"]
        with pytest.raises(InvalidStatus) as caught:
            async with connect(f"{url.replace('http', 'ws')}/api/v1/push?{query}"):
                pass
        assert caught.value.response.status_code == 400
        assert says in json.loads(caught.value.response.body)["detail"]
    assert len(country.push) == 0


async def test_who_may_not_read_is_not_told_and_a_foreign_page_neither(country):
    country.keep(everybody())
    async with pushing(country, **CLOSED) as (app, url):
        address = url.replace("http", "ws") + "/api/v1/push?channel=network"

        async def refused(headers):
            with pytest.raises(InvalidStatus) as caught:
                async with connect(address, additional_headers=headers):
                    pass
            return caught.value.response.status_code

        cookie = {"cookie": signed_in(app, "viewer")["cookie"]}
        host = url.removeprefix("http://")
        assert await refused({}) == 401
        assert await refused(bearer("gsw_x_y")) == 401
        assert await refused({**cookie, "origin": "https://evil.example"}) == 403
        async with connect(address, additional_headers={**cookie, "origin": f"http://{host}"}) as socket:
            assert json.loads(await socket.recv())["event"] == "begin"
        async with client_of(app) as client:
            assert (await client.get("/api/v1/push?channel=network")).status_code == 401


async def test_streams_and_sockets_end_when_their_reader_may_not_read_any_more(country, monkeypatch):
    monkeypatch.setattr(needs, "LOOK_S", 0.05)
    country.keep(everybody())
    text, made = token("read")
    async with pushing(country, **CLOSED) as (app, url):
        book = app.state.access.book
        book.take(Changes(changes=[made]))
        address = url.replace("http", "ws") + "/api/v1/push?channel=network"
        async with (
            httpx.AsyncClient(base_url=url, timeout=30) as client,
            client.stream(
                "GET", "/api/v1/push", params={"channel": "network"}, headers=signed_in(app, "viewer")
            ) as answer,
            connect(address, additional_headers=bearer(text)) as socket,
            connect(address, additional_headers=bearer("the write token")) as stays,
        ):
            events = Events(answer)
            await events.next()
            for one in (socket, stays):
                assert json.loads(await one.recv())["event"] == "begin"
            begin_s = time.monotonic()
            book.take(
                Changes(
                    changes=[
                        account("viewer", "viewer", version=2, enabled=False),
                        msgspec.structs.replace(made, verb="delete", after=None, version=2),
                    ]
                )
            )  # fmt: skip
            with pytest.raises(StopAsyncIteration):
                await events.next()
            with pytest.raises(ConnectionClosed) as caught:
                await socket.recv()
            assert caught.value.rcvd.code == push.NOT_ALLOWED
            assert time.monotonic() - begin_s < 2
            country.keep(reports(("A", 0, "good")))
            assert json.loads(await stays.recv())["event"] == "update"


async def test_one_viewer_too_many_is_told_when_to_come_back(country, monkeypatch):
    monkeypatch.setattr(country.push, "_limits", (1, 1))
    async with pushing(country) as (_, url), httpx.AsyncClient(base_url=url, timeout=30) as client:
        address = url.replace("http", "ws") + "/api/v1/push?channel=network"
        async with connect(address) as socket:
            await socket.recv()
            answer = await client.get("/api/v1/push?channel=network")
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
            with pytest.raises(InvalidStatus) as caught:
                async with connect(address):
                    pass
            assert caught.value.response.status_code == 503


async def test_a_viewer_that_does_not_read_is_dropped_and_counted(country, monkeypatch):
    monkeypatch.setattr(event_stream, "POLITE_END_S", 0.05)
    monkeypatch.setattr("dashboards.push.viewer.MOST_BYTES", 300_000)
    async with pushing(country) as (_, url):
        host, port = url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port), limit=1024)
        writer.write(b"GET /api/v1/push?channel=property:rain HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        await until(lambda: len(country.push))
        k = 0
        while country.push.dropped["slow"] == 0:
            country.push.listen([samples(*(("gauge.rain", k, float(n)) for n in range(1000)))], START_US)
            k += 1
            await asyncio.sleep(0.02)
            assert k < 1000
        await until(lambda: not len(country.push))
        assert country.push.waiting_bytes == 0
        writer.close()
        async with httpx.AsyncClient(base_url=url) as client:
            figures = (await client.get("/metrics")).text
        assert 'groundswell_push_dropped_total{reason="slow"} 1.0' in figures


async def test_the_python_client_follows_over_a_restart_of_the_server(country, monkeypatch):
    monkeypatch.setattr("dashboards.client.follow.SHORTEST_S", 0.05)
    got = []

    def follow(url, other):
        with Client(url) as client:
            for one in client.follow(["network", "property:rain"], others=[other]):
                got.append(one)
                if len(got) == 4:
                    return

    async with pushing(country) as (_, second):
        first = contextlib.AsyncExitStack()
        async with first:
            app = country.app()
            url = await first.enter_async_context(cut_in_the_end(app))
            task = asyncio.create_task(asyncio.to_thread(follow, url, second))
            await until(lambda: len(country.push))
            await asyncio.sleep(0.1)
            country.keep(reports(("A", 0, "good")))
            await until(lambda: len(got) == 1)
        country.keep(reports(("A", 1, "bad")))
        await until(lambda: len(got) == 2)
        country.keep(samples(("gauge.rain", 0, 1.5)))
        await until(lambda: len(got) == 3)
        country.push.window.origin = "another run"
        for viewer in list(country.push._viewers):
            viewer.end()
        await task
    update, _, rain, gap = got
    assert isinstance(update, Update)
    assert update.channels["network"].stations[0].id == "A"
    assert [one.channels["network"].stations[0].state for one in got[:2]] == ["good", "bad"]
    assert rain.channels["property:rain"].observations[0].value == 1.5
    assert isinstance(gap, Gap)
    assert gap.end == update.at


@contextlib.asynccontextmanager
async def cut_in_the_end(app):
    """Serve; in the end connections are cut as if the machine had died."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical"))
    running = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        for connection in list(server.server_state.connections):
            connection.transport.abort()
        server.should_exit = True
        await asyncio.wait_for(running, 10)
