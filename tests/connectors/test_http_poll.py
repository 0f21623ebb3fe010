"""Public sources over HTTP: real local servers, well-behaved and not."""

import asyncio
import contextlib
import gzip
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import msgspec
import pytest

from connectors import http_poll
from connectors.http_poll import HttpPollConfig
from connectors.reconnect import BackOff
from sensors.payloads import configured
from sensors.payloads.json import JsonMapping
from streams.records import SampleBatch
from streams.stream_state import StreamState
from tests.waiting import until

NOW_US = 1_760_000_000_000_000
BEGIN_S = NOW_US // 10**6 - 86_400 * 2
MAPPING = JsonMapping(
    topic="#", datastream="buoy.{id}", samples="", value="v", time="t", time_format="epoch_s"
)


def samples(*seconds: int) -> bytes:
    return told([(s, s * 0.5) for s in seconds])


def told(rows: list[tuple[int, object]]) -> bytes:
    """Return an answer with values at so many seconds after `BEGIN_S`."""
    return json.dumps([{"id": "level", "t": BEGIN_S + s, "v": value} for s, value in rows]).encode()


@dataclass
class Request:
    target: str
    headers: dict[str, str]


@dataclass
class Answer:
    """What a server says; `body` None: it says nothing at all."""

    body: bytes | None = b"[]"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    drip_s: float = 0.0
    """Between two bytes."""

    async def write(self, writer: asyncio.StreamWriter) -> None:
        if self.body is None:
            await asyncio.sleep(60)
            return
        lines = [f"HTTP/1.1 {self.status} X", *(f"{name}: {value}" for name, value in self.headers.items())]
        if "content-length" not in {name.lower() for name in self.headers}:
            lines.append(f"Content-Length: {len(self.body)}")
        writer.write("\r\n".join([*lines, "Connection: close", "", ""]).encode())
        for byte in (self.body[i : i + 1] for i in range(len(self.body))) if self.drip_s else (self.body,):
            writer.write(byte)
            await writer.drain()
            await asyncio.sleep(self.drip_s)


@dataclass
class Server:
    port: int = 0
    requests: list[Request] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextlib.asynccontextmanager
async def serving(answer: Callable[[Request, int], Answer]) -> AsyncIterator[Server]:
    """Answer each request as `answer(request, number)` says, over real sockets."""
    server, tasks = Server(), set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in head[1:] if line)}
            server.requests.append(Request(head[0].split()[1], headers))
            await answer(server.requests[-1], len(server.requests)).write(writer)
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Sink:
    """Keeps batches; fails as often as it is told to."""

    def __init__(self) -> None:
        self.times: list[int] = []
        self.values: list[float] = []
        self.batches = 0
        self.failures = 0

    async def put_samples(self, batch: SampleBatch) -> None:
        if self.failures:
            self.failures -= 1
            raise OSError("disk full")
        self.batches += 1
        self.times += (batch.time_us // 10**6 - BEGIN_S).tolist()
        self.values += batch.value.tolist()


@contextlib.asynccontextmanager
async def polling(url: str, sink: Sink, **more: object) -> AsyncIterator[StreamState]:
    values = {"id": "buoy", "mapping": MAPPING, "interval_s": 1.0, "jitter_s": 0.0, "allow_private": True}
    config = HttpPollConfig(url=url, **{**values, **more})
    state = StreamState("buoy", "http-poll", config.source)
    quick = BackOff(first_s=0.05, most_s=0.05, refused_s=0.05)
    work = http_poll.run(config, sink, state, clock_us=lambda: NOW_US, back_off=quick)
    task = asyncio.create_task(work)
    try:
        yield state
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interval of a second is a twentieth here."""
    sleep = asyncio.sleep

    async def shorter(seconds: float) -> None:
        await sleep(seconds / 20)

    class Quick:
        def __getattr__(self, name: str) -> object:
            return shorter if name == "sleep" else getattr(asyncio, name)

    monkeypatch.setattr(http_poll, "asyncio", Quick())


# --- what is new --------------------------------------------------------------------------------------


async def test_what_was_in_the_answer_before_is_left_out_and_the_oldest_comes_first():
    answers = [samples(30, 20, 10), samples(40, 30, 20), samples(40, 30, 20)]
    async with serving(lambda _, n: Answer(answers[min(n, 3) - 1])) as server:
        sink = Sink()
        async with polling(f"{server.url}/latest.json", sink) as state:
            await until(lambda: len(server.requests) >= 4)
            await until(lambda: state.repeated_samples >= 2 + 3 + 3)
            assert sink.times == [10, 20, 30, 40]
            assert sink.batches == 2
            assert state.phase == "streaming"
            assert state.bad_messages == state.reconnects == 0


async def test_another_value_at_the_same_time_is_a_revision_and_goes_on():
    revised = told([(10, 99), (20, 10)])
    async with serving(lambda _, n: Answer(samples(10, 20) if n == 1 else revised)) as server:
        sink = Sink()
        async with polling(server.url, sink):
            await until(lambda: sink.batches == 2)
            assert (sink.times, sink.values) == ([10, 20, 10], [5.0, 10.0, 99.0])


async def test_a_server_is_asked_for_what_is_newer_only():
    def answer(request: Request, number: int) -> Answer:
        if request.headers.get("if-none-match") == '"one"' and number < 4:
            return Answer(b"", 304)
        validators = {"ETag": '"one"', "Last-Modified": "Thu, 09 Oct 2025 08:53:20 GMT"}
        return Answer(samples(10), headers=validators)

    async with serving(answer) as server:
        sink = Sink()
        async with polling(server.url, sink) as state:
            await until(lambda: len(server.requests) >= 4)
            assert sink.times == [10]
            assert state.phase == "streaming"
        assert "if-none-match" not in server.requests[0].headers
        for request in server.requests[1:4]:
            assert request.headers["if-modified-since"] == "Thu, 09 Oct 2025 08:53:20 GMT"


async def test_what_could_not_be_stored_is_asked_for_again_and_not_as_known():
    def answer(request: Request, _: int) -> Answer:
        if "if-none-match" in request.headers:
            return Answer(b"", 304)
        return Answer(samples(10), headers={"ETag": '"one"'})

    async with serving(answer) as server:
        sink = Sink()
        sink.failures = 2
        async with polling(server.url, sink) as state:
            await until(lambda: sink.times)
            assert sink.times == [10]
            assert "samples cannot be stored (disk full)" in state.last_error
            await until(lambda: len(server.requests) >= 4)
        assert ["if-none-match" in request.headers for request in server.requests[:4]] == [False] * 3 + [True]


async def test_an_address_of_another_day_is_not_asked_by_the_validators_of_this_one():
    async with serving(lambda *_: Answer(samples(10), headers={"ETag": '"one"'})) as server:
        async with polling(f"{server.url}/{{since:epoch_s}}", Sink()):
            await until(lambda: len(server.requests) >= 3)
        targets = [request.target for request in server.requests]
        assert targets[0] == targets[1] == f"/{NOW_US // 10**6 - 86_400}", "no further back than the lookback"
        assert "if-none-match" in server.requests[1].headers
    newest = NOW_US // 10**6 - 60
    async with serving(lambda *_: Answer(samples(newest - BEGIN_S), headers={"ETag": '"one"'})) as server:
        async with polling(f"{server.url}/{{since:epoch_s}}", Sink()):
            await until(lambda: len(server.requests) >= 2)
        assert server.requests[1].target == f"/{newest}"
        assert "if-none-match" not in server.requests[1].headers


async def test_a_packed_answer_is_unpacked():
    packed = Answer(gzip.compress(samples(10)), headers={"Content-Encoding": "gzip"})
    async with serving(lambda *_: packed) as server:
        sink = Sink()
        async with polling(server.url, sink):
            await until(lambda: sink.times == [10])
        assert server.requests[0].headers["accept-encoding"] == "gzip"


# --- servers that misbehave -----------------------------------------------------------------------------


BOMB = gzip.compress(b" " * 10_000_000)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Answer(None), "no whole answer within 0.3 s"),
        (Answer(samples(*range(50)), drip_s=0.02), "no whole answer within 0.3 s"),
        (Answer(b"x" * 200_000), "the body is larger than 100000 bytes"),
        (Answer(b"x", headers={"Content-Length": "200"}), "cannot be asked"),
        (Answer(BOMB, headers={"Content-Encoding": "gzip"}), "the body is larger than 100000 bytes"),
        (Answer(b"x", headers={"Content-Encoding": "br"}), "Content-Encoding 'br' is not read here"),
        (Answer(b"no gzip", headers={"Content-Encoding": "gzip"}), "the body is no gzip"),
        (Answer(b"<html>Maintenance</html>", headers={"Content-Type": "text/html"}), "cannot be used: topic"),
        (Answer(b"\xff\xfe\x00"), "the payload is not JSON"),
        (Answer(b"", 404), "answers 404"),
        (Answer(b"", 500), "answers 500"),
        (Answer(b"", 206), "answers 206"),
        (Answer(b"", 302, {"Location": "/again"}), "leads from one address to the next"),
        (Answer(b"", 302), "leads from one address to the next"),
        (Answer(b"", 302, {"Location": "ftp://127.0.0.1/"}), "that is no https any more"),
        (Answer(b"", 302, {"Location": "http://127.0.0.1:99999/"}), "cannot be asked"),
        (Answer(b"", 302, {"Location": "http://[bad/"}), "cannot be asked"),
        (Answer(b"", -1), "cannot be asked"),
    ],
)
async def test_a_server_that_misbehaves_is_named_and_tried_again(answer, says):
    async with serving(
        lambda _, n: answer if n < 3 or answer.status == 302 else Answer(samples(10))
    ) as server:
        sink = Sink()
        more = {"timeout_s": 0.3, "max_bytes": 100_000}
        async with polling(f"{server.url}/data?key=secret-word", sink, **more) as state:
            await until(lambda: says in state.last_error)
            assert "secret-word" not in state.last_error
            if answer.status != 302:
                await until(lambda: sink.times == [10])
                assert state.phase == "streaming"


async def test_a_server_that_is_away_is_tried_again():
    async with serving(lambda *_: Answer()) as server:
        port = server.port
    async with polling(f"http://127.0.0.1:{port}/", Sink()) as state:
        await until(lambda: state.reconnects >= 2)
        assert "cannot be asked" in state.last_error


async def test_a_pause_that_a_server_asks_for_is_made(monkeypatch):
    slept: list[float] = []
    quick = http_poll.asyncio

    class Noted:
        def __getattr__(self, name: str) -> object:
            if name != "sleep":
                return getattr(quick, name)

            async def sleep(seconds: float) -> None:
                slept.append(seconds)
                await asyncio.sleep(0)

            return sleep

    monkeypatch.setattr(http_poll, "asyncio", Noted())
    busy = Answer(b"", 429, {"Retry-After": "120"})
    forever = Answer(b"", 503, {"Retry-After": "999999"})
    async with serving(lambda _, n: [busy, forever, Answer(samples(10))][min(n, 3) - 1]) as server:
        sink = Sink()
        async with polling(server.url, sink) as state:
            await until(lambda: sink.times == [10])
            assert "answers 503 and wants a pause of 3600 s" in state.last_error
    assert slept[:3] == [0.0, 120.0, 3600.0]


async def test_keys_go_to_the_server_that_they_are_for_and_to_no_other():
    async with serving(lambda *_: Answer(samples(10))) as other:
        to_other = Answer(b"", 307, {"Location": f"{other.url}/there"})

        def answer(request: Request, _: int) -> Answer:
            return Answer(b"", 301, {"Location": "/here"}) if request.target == "/" else to_other

        async with serving(answer) as server:
            sink = Sink()
            async with polling(server.url + "/", sink, headers={"X-Api-Key": "secret-word"}):
                await until(lambda: sink.times == [10])
            assert [request.headers["x-api-key"] for request in server.requests[:2]] == ["secret-word"] * 2
        assert "secret-word" not in str(other.requests[0].headers)


async def test_a_cookie_is_not_kept():
    async with serving(lambda *_: Answer(samples(10), headers={"Set-Cookie": "a=b"})) as server:
        async with polling(server.url, Sink()):
            await until(lambda: len(server.requests) >= 2)
        assert not any("cookie" in request.headers for request in server.requests)


async def test_no_private_address_is_asked_unless_that_is_allowed():
    async with serving(lambda *_: Answer(samples(10))) as server:
        async with polling(server.url, Sink(), allow_private=False) as state:
            await until(lambda: state.last_error)
            assert "127.0.0.1 is a private address; set allow_private = true" in state.last_error
        assert not server.requests


async def test_what_can_be_used_is_taken_and_the_rest_counted():
    mixed = told([(10, 1), (20, "deep")])
    async with serving(lambda *_: Answer(mixed)) as server:
        sink = Sink()
        async with polling(server.url, sink) as state:
            await until(lambda: sink.times == [10])
            await until(lambda: state.phase == "streaming")
            assert (state.bad_messages, state.bad_samples) == (1, 1)
            assert "topic buoy: sample 1" in state.last_error


async def test_an_answer_without_samples_is_no_fault():
    async with serving(lambda *_: Answer(b"[]")) as server, polling(server.url, Sink()) as state:
        await until(lambda: len(server.requests) >= 3)
        assert (state.phase, state.bad_messages) == ("streaming", 0)


# --- configuration ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"url": "ftp://a/"}, "must begin with https"),
        ({"url": "https://a/{then}"}, "a place in url"),
        ({"zone": "here"}, "write UTC or an offset"),
        ({"interval_s": 0}, "interval_s"),
        ({"headers": {"a b": "c"}}, "cannot be sent"),
        ({"headers": {"a": "b\r\nc: d"}}, "cannot be sent"),
        ({"headers": {"a": " key"}}, "cannot be sent"),
        ({"mapping": {"topic": "a"}}, "needs either datastream"),
        ({"every_s": 1}, "unknown field"),
    ],
)
def test_a_wrong_configuration_is_refused_in_words(wrong, says):
    mapping = {"topic": "#", "datastream": "b", "value": "c"}
    right = {"id": "buoy", "url": "https://a.example/x", "mapping": mapping}
    assert msgspec.convert(right, HttpPollConfig, dec_hook=configured).jitter == 30.0
    with pytest.raises(msgspec.ValidationError, match=says):
        msgspec.convert({**right, **wrong}, HttpPollConfig, dec_hook=configured)


def test_no_key_is_shown():
    config = HttpPollConfig(
        id="a", url="https://u:word1@a.example/x?k=word2", mapping=MAPPING, headers={"k": "word3"}
    )
    assert "word" not in repr(config) + config.source
