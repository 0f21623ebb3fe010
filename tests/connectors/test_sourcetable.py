"""Fetching sourcetables from casters of all manners."""

from __future__ import annotations

import asyncio
import contextlib
import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors import sourcetable
from connectors.reconnect import StreamError
from connectors.sourcetable import SourcetableConfig, fetch
from gnss.ntrip import encode_chunk
from tests.scripted_server import Peer, scripted

LINE = "STR;M{};München;RTCM 3.2;1077(1);2;GPS+GLO;NET;DEU;48.10;11.60;0;0;Rx;none;B;N;5600;misc;more\r\n"
ENTRIES = "".join(map(LINE.format, range(2600))).encode("latin-1")
TABLE = ENTRIES + b"ENDSOURCETABLE\r\n"
OK2 = b"HTTP/1.1 200 OK\r\nNtrip-Version: Ntrip/2.0\r\nContent-Type: gnss/sourcetable\r\n"
OK1 = b"SOURCETABLE 200 OK\r\nServer: NTRIP x\r\n"


def answering(*answers: bytes, stays: bool = False, cut: int = 0):
    async def act(peer: Peer, answer: bytes) -> None:
        await peer.head()
        await peer.say(answer, cut)
        if stays:
            await peer.hold()

    return scripted(*(lambda peer, answer=answer: act(peer, answer) for answer in answers))


async def asked(port: int, **more):
    return await fetch(SourcetableConfig(host="127.0.0.1", port=port, **more))


LENGTH = b"Content-Length: %d\r\n\r\n" % len(TABLE)
ANSWERS = {
    "version 2": OK2 + LENGTH + TABLE,
    "version 2 in chunks": OK2
    + b"Transfer-Encoding: chunked\r\n\r\n"
    + encode_chunk(TABLE[:1000])
    + encode_chunk(TABLE[1000:])
    + b"0\r\n\r\n",
    "version 2 packed": OK2 + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(TABLE),
    "version 1": OK1 + b"Content-Type: text/plain\r\n" + LENGTH + TABLE,
    "without a length": OK1 + b"\r\n" + TABLE,
    "by a web server": b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n" + TABLE,
}


@pytest.mark.parametrize("stays", [False, True])
@pytest.mark.parametrize("answer", ANSWERS.values(), ids=list(ANSWERS))
async def test_large_tables_are_read_whole(answer, stays):
    assert len(TABLE) > 250_000
    if stays and b"gzip" in answer:
        stays = False  # the end line shows when all is unpacked
    async with answering(answer, stays=stays, cut=40_000) as server:
        table = await asked(server.port)
        assert b"Ntrip-Version: Ntrip/2.0" in server.peers[0].heard
    assert len(table.streams) == 2600
    assert table.streams[-1].identifier == "München"
    assert (table.complete, table.odd_lines) == (True, 0)


@pytest.mark.parametrize(
    "first", [b"HTTP/1.0 400 Bad Request\r\n\r\n", b"", b"ERROR - Bad Request\r\n", OK2 + b"\r\n"]
)
async def test_a_caster_of_version_1_is_asked_again(first):
    async with answering(first, OK1 + b"\r\n" + TABLE) as server:
        table = await asked(server.port, username="me", password="p")
        assert len(server.peers) == 2
        assert b"GET / HTTP/1.0\r\n" in server.peers[1].heard
        assert b"Authorization: Basic bWU6cA==" in server.peers[1].heard
    assert len(table.streams) == 2600


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 401 Unauthorized\r\n\r\n", "user name or password"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "no sourcetable there"),
        (b"HTTP/1.1 503 Busy\r\n\r\n", "busy"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>", "answers with a web page"),
        (b"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n", "the caster answers 302"),
        (b"ICY 200 OK\r\n\r\n\xd3\x00", "answers with a stream"),
        (b"\x16\x03\x01\x02", "does not speak NTRIP"),
        (b"", "closes the connection without an answer"),
    ],
)
async def test_what_is_no_table_is_said(answer, words):
    async with answering(answer) as server:
        with pytest.raises(StreamError, match=words):
            await asked(server.port)


async def test_a_table_that_is_cut_off_is_taken_as_far_as_it_goes():
    async with answering(OK1 + b"\r\n" + ENTRIES[:-30]) as server:
        table = await asked(server.port)
    assert (len(table.streams), table.complete) == (2600, False)


async def test_a_caster_that_says_nothing_or_trickles_is_given_up():
    async def trickle(peer: Peer) -> None:
        await peer.say(OK1 + b"\r\n")
        while True:
            await peer.say(b"STR;A\r\n")
            await asyncio.sleep(0.01)

    for act in (Peer.hold, trickle):
        async with scripted(act) as server:
            with pytest.raises(StreamError, match=r"did not come within 0\.2 s"):
                await asked(server.port, timeout_s=0.2)


async def test_a_table_without_end_is_no_table(monkeypatch):
    monkeypatch.setattr(sourcetable, "MOST_BYTES", 1_000_000)
    async with answering(OK1 + b"\r\n" + ENTRIES * 10) as server:
        with pytest.raises(StreamError, match="has more than 1 MB"):
            await asked(server.port)


def test_passwords_are_in_no_log():
    config = SourcetableConfig(host="h", username="u", password="secret")
    assert repr(config) == "SourcetableConfig(ntrip://h:2101)"
    with pytest.raises(ValueError, match="colon"):
        SourcetableConfig(host="h", username="a:b")


PARTS = st.sampled_from(
    [
        *(OK1, OK2, b"\r\n", b"Transfer-Encoding: chunked\r\n", b"5\r\n", LINE.encode()[:40]),
        *(b"ENDSOURCETABLE\r\n", b"Content-Length: 7\r\n", b"Content-Encoding: gzip\r\n", b"HTTP/1.1 "),
        *(b"ICY 200 OK\r\n", b"401 "),
    ]
)


@settings(max_examples=60)
@given(st.lists(PARTS | st.binary(max_size=20), max_size=12).map(b"".join))
def test_any_answer_is_a_table_or_a_sentence(answer):
    errors: list[dict[str, object]] = []

    async def go() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
        async with answering(answer) as server:
            with contextlib.suppress(StreamError):
                await asked(server.port, timeout_s=5.0)
        assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []

    asyncio.run(go())
    assert not errors
