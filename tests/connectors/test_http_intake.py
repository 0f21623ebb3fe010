"""Posted samples, over real sockets: answered when durable, refused in words, none harmed by another."""

import asyncio
import contextlib
import gzip
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx
import msgspec
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from connectors import http_intake
from connectors.http_intake import PATH, HttpIntake
from connectors.http_push import BURST_S, HttpPushConfig, Rate, hash_of
from deploy.http_server import bind, serving
from sensors.payloads import checksums, configured
from sensors.payloads.hj212 import Hj212Mapping
from sensors.payloads.json import JsonMapping
from streams.records import SampleBatch
from streams.stream_state import StreamState
from tests.waiting import until

NOW_US = 1_760_000_000_000_000
MAPPING = JsonMapping(
    topic="slope/#",
    datastream="{id}",
    samples="samples",
    value="v",
    time="t",
    time_format="epoch_s",
    max_rows=300_000,
)
GATEWAY = JsonMapping(topic="gateway/+", datastream="{1}.tilt", value="v")
TOKEN = "a-long-random-token"


def body(*values: object) -> bytes:
    samples = [{"id": "a.tilt", "t": NOW_US // 10**6 + n, "v": value} for n, value in enumerate(values)]
    return json.dumps({"samples": samples}).encode()


class Sink:
    """Keeps samples; waits while it is shut, fails when it is told to."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, float]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.fails = False

    async def put_samples(self, batch: SampleBatch) -> None:
        await self.open.wait()
        if self.fails:
            raise OSError("disk full")
        ids = batch.datastream_ids
        self.rows += [(ids[s], float(v)) for s, v in zip(batch.series, batch.value, strict=True)]


@dataclass
class Served:
    sink: Sink
    intake: HttpIntake
    client: httpx.AsyncClient
    port: int
    states: dict[str, StreamState] = field(default_factory=dict)
    now_s: float = 0.0

    async def post(self, path: str, content: bytes, token: str = TOKEN, **headers: str) -> httpx.Response:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            names = {"authorization": f"Bearer {token}", **names}
        return await self.client.post(f"/api/v1/samples/{path}", content=content, headers=names)


@contextlib.asynccontextmanager
async def served(*configs: HttpPushConfig) -> AsyncIterator[Served]:
    sink, listener = Sink(), bind("127.0.0.1", 0, "--http")
    port = listener.getsockname()[1]
    intake = HttpIntake(sink, lambda: NOW_US, lambda: one.now_s)
    client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=20)
    one = Served(sink, intake, client, port)
    for config in configs or (source(),):
        one.states[config.id] = StreamState(config.id, "http-push", config.id)
        intake.add(config, one.states[config.id])
    async with client, serving(Starlette(routes=[Route(PATH, intake)]), listener, lambda: None):
        yield one
    listener.close()


def source(name: str = "slope", **more: object) -> HttpPushConfig:
    return HttpPushConfig(
        **{"id": name, "token_hash": hash_of(TOKEN), "mappings": [MAPPING, GATEWAY], **more}
    )


# --- what is taken ------------------------------------------------------------------------------------


async def test_samples_are_taken_and_the_answer_says_how_many():
    async with served() as one:
        answer = await one.post("slope", body(1.5, 2.5))
        assert (answer.status_code, answer.json()) == (202, {"accepted": 2, "refused": 0, "errors": []})
        assert one.sink.rows == [("a.tilt", 1.5), ("a.tilt", 2.5)]
        state = one.states["slope"]
        assert (state.phase, state.messages_received, state.last_received_us) == ("streaming", 1, NOW_US)


def hj212(number: int, data: str) -> bytes:
    """One of two packets of a message, which has its time in the first alone."""
    head = f"QN=20251008115900000;ST=32;CN=2061;PW=1;MN=A1;Flag=7;PNUM=2;PNO={number};CP=&&{data}&&"
    return f"##{len(head):04d}{head}{checksums.hj212(head.encode()):04X}\r\n".encode()


async def test_a_message_over_several_posts_is_understood_and_no_other_source_mixes_in():
    names = {"token_hash": hash_of(TOKEN), "mappings": [Hj212Mapping(topic="+")]}
    async with served(*(HttpPushConfig(id=name, **names) for name in ("works", "other"))) as one:
        assert (await one.post("works", hj212(1, "DataTime=20251008110000;a-Avg=1"))).status_code == 202
        assert (await one.post("other", hj212(2, "b-Avg=2"))).status_code == 422
        assert (await one.post("works", hj212(2, "b-Avg=3"))).status_code == 202
        assert one.sink.rows == [("A1.a.HourAvg", 1.0), ("A1.b.HourAvg", 3.0)]


async def test_the_answer_comes_when_the_samples_are_durable_and_not_before():
    async with served() as one:
        one.sink.open.clear()
        asked = asyncio.create_task(one.post("slope", body(1)))
        await until(lambda: one.states["slope"].messages_received)
        await asyncio.sleep(0.05)
        assert not asked.done()
        one.sink.open.set()
        assert (await asked).status_code == 202
        assert one.sink.rows == [("a.tilt", 1.0)]


async def test_a_source_may_bring_many_devices_named_by_the_path():
    async with served(source("gateway")) as one:
        assert (await one.post("gateway/node%207", b'{"v": 3}')).status_code == 422, "no id has a blank"
        assert (await one.post("gateway/node7", b'{"v": 3}')).status_code == 202
        assert one.sink.rows == [("node7.tilt", 3.0)]
        answer = await one.post("gateway/node7/more", b'{"v": 3}')
        assert answer.status_code == 404
        assert "No mapping reads gateway/node7/more" in answer.json()["detail"]


async def test_a_packed_body_and_one_in_pieces_are_the_same():
    async def pieces() -> AsyncIterator[bytes]:
        for byte in gzip.compress(body(7)):
            yield bytes([byte])

    async with served() as one:
        assert (await one.post("slope", gzip.compress(body(6)), content_encoding="gzip")).status_code == 202
        assert (await one.post("slope", pieces(), content_encoding="gzip")).status_code == 202
        assert [value for _, value in one.sink.rows] == [6.0, 7.0]


async def test_what_can_be_used_is_taken_and_the_rest_is_named():
    async with served() as one:
        answer = await one.post("slope", body(1, "much", 3))
        assert answer.status_code == 202
        assert (answer.json()["accepted"], answer.json()["refused"]) == (2, 1)
        assert "sample 1" in answer.json()["errors"][0]
        assert (one.states["slope"].bad_messages, one.states["slope"].bad_samples) == (1, 1)


async def test_a_large_body_is_decoded_beside_the_others():
    async with served(source(max_body_bytes=10_000_000), source("other")) as one:
        many = asyncio.create_task(one.post("slope", body(*range(15_000))))
        await until(lambda: one.intake._at_once)
        assert (await one.post("other", b"{}")).status_code == 404
        assert (await many).json()["accepted"] == 15_000


# --- what is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "token"), [("slope", "wrong"), ("slope", ""), ("nobody", TOKEN), ("", TOKEN), ("slope", "é")]
)
async def test_who_is_not_known_is_told_the_same_whatever_is_wrong(path, token):
    async with served() as one:
        answer = await one.post(path, body(1), "", authorization=f"Bearer {token}".strip().encode())
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "This source and token are not known here" in answer.json()["detail"]
        assert one.sink.rows == []
        assert one.intake.strangers + one.states["slope"].refused_connections == 1
        assert one.states["slope"].last_error == "", "strangers do not write what people read"


async def test_a_refusal_says_what_to_do_next():
    async with served(source(max_body_bytes=1000)) as one:
        get = await one.client.get("/api/v1/samples/slope")
        assert (get.status_code, get.headers["allow"]) == (405, "POST")
        for content, headers, status, says in (
            (b"x" * 1001, {}, 413, "larger than 1000 bytes: send less"),
            (gzip.compress(b"x" * 100_000), {"content_encoding": "gzip"}, 413, "larger than 1000 bytes"),
            (gzip.compress(body(1))[:-4], {"content_encoding": "gzip"}, 400, "ends too early: send it again"),
            (b"no gzip", {"content_encoding": "gzip"}, 400, "is no gzip"),
            (body(1), {"content_encoding": "br"}, 415, "'br' is not read here: use gzip"),
            (b"\xff{", {}, 422, "Nothing in this can be used"),
            (body("much"), {}, 422, "Nothing in this can be used"),
        ):
            answer = await one.post("slope", content, **headers)
            assert answer.status_code == status, answer.text
            assert answer.headers["content-type"] == "application/problem+json"
            assert says in answer.json()["detail"]
            assert str(status) in one.states["slope"].last_error
        assert "field v should be a number" in answer.json()["errors"][0]
        assert one.sink.rows == []
        assert (await one.post("slope", body(1))).status_code == 202, "and the source goes on"


async def test_a_body_that_is_announced_too_large_is_not_read():
    async with served(source(max_body_bytes=1000)) as one:
        reader, writer = await asyncio.open_connection("127.0.0.1", one.port)
        head = f"POST /api/v1/samples/slope HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
        writer.write(f"{head}Content-Length: 100000000\r\n\r\n".encode())
        assert b"413" in await reader.readline()
        assert b"Send less" not in await reader.read(), "and the connection ends"
        writer.close()


async def test_a_body_that_drips_is_given_up(monkeypatch):
    monkeypatch.setattr(http_intake, "BODY_S", 0.2)
    async with served() as one:
        reader, writer = await asyncio.open_connection("127.0.0.1", one.port)
        head = f"POST /api/v1/samples/slope HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
        writer.write(f"{head}Content-Length: 100\r\n\r\n{{".encode())
        assert b"408" in await reader.readline()
        writer.close()
        assert one.intake._at_once == 0


async def test_who_goes_away_in_the_middle_leaves_nothing():
    async with served() as one:
        _, writer = await asyncio.open_connection("127.0.0.1", one.port)
        head = f"POST /api/v1/samples/slope HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
        writer.write(f"{head}Content-Length: 1000\r\n\r\n".encode() + body(1))
        await until(lambda: one.intake._at_once)
        writer.close()
        await until(lambda: not one.intake._at_once)
        assert one.sink.rows == []


# --- pressure -----------------------------------------------------------------------------------------


async def test_a_source_has_its_rate_and_no_other_pays_for_it():
    async with served(
        source(requests_per_s=0.5),
        source("other", mappings=[MAPPING, msgspec.structs.replace(MAPPING, topic="other")]),
    ) as one:
        answers = [(await one.post("slope", body(n))).status_code for n in range(7)]
        assert answers == [202] * 5 + [429] * 2, "those of ten seconds at once"
        refused = await one.post("slope", body(9))
        assert refused.headers["retry-after"] == "2"
        assert "more than 0.5 requests a second" in refused.json()["detail"]
        assert (await one.post("other", body(1))).status_code == 202
        one.now_s += 2.0
        assert (await one.post("slope", body(9))).status_code == 202
        assert one.states["slope"].overload_drops == 3


async def test_while_nothing_can_be_stored_senders_are_asked_to_wait():
    other = source("other", mappings=[msgspec.structs.replace(MAPPING, topic="other")])
    async with served(source(most_at_once=3), other) as one:
        one.sink.open.clear()
        waiting = [asyncio.create_task(one.post("slope", body(n))) for n in range(3)]
        await until(lambda: one.intake._at_once == 3)
        answer = await one.post("slope", body(9))
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "2")
        assert "still being stored" in answer.json()["detail"]
        waiting.append(asyncio.create_task(one.post("other", body(4))))
        await until(lambda: one.intake._at_once == 4)
        one.sink.open.set()
        assert {(await task).status_code for task in waiting} == {202}
        assert len(one.sink.rows) == 4


async def test_a_full_house_turns_everybody_away_and_recovers(monkeypatch):
    monkeypatch.setattr(http_intake, "MOST_AT_ONCE", 2)
    async with served() as one:
        one.sink.open.clear()
        waiting = [asyncio.create_task(one.post("slope", body(n))) for n in range(2)]
        await until(lambda: one.intake._at_once == 2)
        assert (await one.post("slope", body(9))).status_code == 429
        one.sink.open.set()
        assert {(await task).status_code for task in waiting} == {202}
        assert (await one.post("slope", body(9))).status_code == 202


async def test_a_store_that_fails_or_hangs_is_told_to_the_sender(monkeypatch):
    monkeypatch.setattr(http_intake, "STORE_S", 0.2)
    async with served() as one:
        one.sink.fails = True
        answer = await one.post("slope", body(1))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert "keep them, and send them again" in answer.json()["detail"]
        one.sink.fails = False
        one.sink.open.clear()
        answer = await one.post("slope", body(1))
        assert answer.status_code == 503
        assert "Not confirmed within 0.2 s" in answer.json()["detail"]
        assert one.intake._at_once == 0


async def test_a_fault_of_a_mapping_is_counted_and_harms_nobody(monkeypatch):
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(JsonMapping, "decode", broken)
    async with served() as one:
        answer = await one.post("slope", body(1))
        assert (answer.status_code, one.states["slope"].bad_messages) == (422, 1)
        assert "report this" in answer.json()["detail"]


async def test_a_silent_source_is_shown_until_it_posts(monkeypatch):
    monkeypatch.setattr(http_intake, "LOOK_S", 0.01)
    async with served(source(stall_s=600)) as one:
        watching = asyncio.create_task(one.intake.watch())
        await asyncio.sleep(0.05)
        state = one.states["slope"]
        assert state.phase == "connecting"
        one.intake.clock_us = lambda: NOW_US + 601_000_000
        await until(lambda: state.phase == "stalled")
        assert "nothing was posted for 600 s" in state.last_error
        assert (await one.post("slope", body(1))).status_code == 202
        assert state.phase == "streaming"
        watching.cancel()


# --- configuration ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"id": "a/b"}, "id"),
        ({"mappings": []}, "there is no mapping"),
        ({"token_hash": TOKEN}, "make a token with groundswell push-token"),
        ({"token_hash": "sha256:12"}, "64 hexadecimal digits"),
        ({"max_body_bytes": 0}, "max_body_bytes"),
        ({"requests_per_s": 0}, "requests_per_s"),
        ({"token": "x"}, "unknown field"),
    ],
)
def test_a_wrong_configuration_is_refused_in_words(wrong, says):
    mapping = {"topic": "a", "datastream": "b", "value": "c"}
    right = {"id": "slope", "token_hash": hash_of("x"), "mappings": [mapping]}
    assert msgspec.convert(right, HttpPushConfig, dec_hook=configured).id == "slope"
    with pytest.raises(msgspec.ValidationError, match=says):
        msgspec.convert({**right, **wrong}, HttpPushConfig, dec_hook=configured)


def test_a_rate_lets_through_what_it_says():
    rate = Rate(10.0)
    taken = sum(not rate.wait_s(n / 1000) for n in range(60_000))
    assert taken == pytest.approx(10 * 60 + 10 * BURST_S, abs=1)
    while not (wait_s := rate.wait_s(60.0)):
        pass
    assert 0 < wait_s <= 0.1
    assert rate.wait_s(60.0 + wait_s / 2) > 0
    assert rate.wait_s(60.0 + wait_s + 1e-9) == 0
