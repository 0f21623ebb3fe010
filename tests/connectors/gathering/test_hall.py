"""Many streams in one hall: sockets of this process, and what they do to each other, which is nothing."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket

import pytest

from connectors.gathering.columns import REGION_BYTES
from connectors.gathering.cutter import Piece
from connectors.gathering.hall import Hall
from connectors.reconnect import StreamError
from gnss.ntrip.body import ChunkedDecoder, ChunkPlace, encode_chunk
from gnss.ntrip.errors import MalformedError
from tests.connectors.link.frames import epoch
from tests.waiting import until

EPOCHS = [epoch(n) for n in range(12)]


class Taker:
    """An intake that keeps what it gets."""

    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        self.error: Exception | None = None

    def arrived(self, piece):
        if self.error:
            raise self.error
        self.pieces.append(piece)

    def flooded(self, text):
        self.text = text

    @property
    def payload(self):
        return b"".join(piece.payload for piece in self.pieces)


class Line:
    """A sender, and the task that attends to it."""

    def __init__(self, hall, **options):
        self.sender, self.receiver = socket.socketpair()
        self.receiver.setblocking(False)
        self.taker = Taker()
        options = {"stall_s": 30.0, "whose": "sender"} | options
        self.task = asyncio.create_task(hall.attend(self.receiver, self.taker, **options))

    async def end(self):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        self.receiver.close()
        self.sender.close()


@contextlib.asynccontextmanager
async def lines(n, **options):
    hall = Hall(lambda: 1_000)
    some = [Line(hall, **options) for _ in range(n)]
    await asyncio.sleep(0)
    try:
        yield hall, some
    finally:
        for line in some:
            await line.end()
        assert hall._streams == {}
        assert hall._timer is None


async def test_each_stream_comes_out_where_it_belongs():
    draw = random.Random(5)
    async with lines(200) as (_, some):
        streams = [b"".join(draw.sample(EPOCHS, 4)) for _ in some]
        left = list(streams)
        while any(left):
            for k, line in enumerate(some):
                size = draw.randrange(120)
                line.sender.send(left[k][:size])
                left[k] = left[k][size:]
            if draw.random() < 0.3:
                await asyncio.sleep(0.004)
        await until(lambda: all(line.taker.payload == s for line, s in zip(some, streams, strict=True)))
        assert all(piece.frames == piece.payload for line in some for piece in line.taker.pieces)


async def test_what_was_read_before_and_the_place_in_the_chunks_go_on():
    hall = Hall(lambda: 1_000)
    chunks = encode_chunk(EPOCHS[0]) + encode_chunk(EPOCHS[1])
    for cut in range(4, len(chunks)):
        decoder, begun = ChunkedDecoder(), bytearray()
        decoder.feed(chunks[:cut], begun)
        line = Line(hall, begun=bytes(begun), chunks=decoder.place)
        line.sender.send(chunks[cut:])
        await until(lambda line=line: line.taker.payload == EPOCHS[0] + EPOCHS[1])
        await line.end()


ENDINGS = [
    (lambda s: s.close(), None, StreamError, "the sender closed the connection"),
    (lambda s: s.send(b"0\r\n\r\n"), ChunkPlace(0, False, b""), StreamError, "the sender closed"),
    (lambda s: s.send(b"nonsense\r\n"), ChunkPlace(0, False, b""), MalformedError, "not cut into chunks"),
    (lambda s: None, None, StreamError, "no data for 0.2 s"),
]


@pytest.mark.parametrize(("act", "chunks", "kind", "words"), ENDINGS)
async def test_a_stream_that_ends_says_how_and_the_others_go_on(act, chunks, kind, words):
    async with lines(3) as (hall, some):
        ending = Line(hall, stall_s=0.2, chunks=chunks, begun=EPOCHS[0][:50])
        await asyncio.sleep(0)
        act(ending.sender)
        with pytest.raises(kind, match=words):
            await asyncio.wait_for(ending.task, 20)
        assert ending.taker.payload == EPOCHS[0][:50]  # what is left of it is told too
        for line in some:
            line.sender.send(EPOCHS[3])
        await until(lambda: all(line.taker.payload == EPOCHS[3] for line in some))
        await ending.end()


async def test_a_fault_of_one_intake_is_no_others():
    async with lines(2) as (_, (bad, good)):
        bad.taker.error = ValueError("a fault")
        for line in (bad, good):
            line.sender.send(EPOCHS[0])
        with pytest.raises(ValueError, match="a fault"):
            await asyncio.wait_for(bad.task, 20)
        await until(lambda: good.taker.payload == EPOCHS[0])


async def test_who_waits_for_room_is_not_read_and_nobody_else_waits():
    async with lines(2) as (_, (slow, quick)):
        room = asyncio.Event()

        def arrived(piece):
            slow.taker.pieces.append(piece)
            return room.wait() if piece.is_backlog else None

        slow.taker.arrived = arrived
        slow.sender.setblocking(False)
        sent = slow.sender.send(b"".join(EPOCHS) * 30)
        assert sent > 2 * REGION_BYTES
        quick.sender.send(EPOCHS[0])
        await until(lambda: slow.taker.pieces and quick.taker.payload == EPOCHS[0])
        await asyncio.sleep(0.05)
        assert len(slow.taker.pieces) == 1
        room.set()
        await until(lambda: len(slow.taker.payload) > sent - 1100)


async def test_a_pause_of_this_program_is_nobodys_stall(monkeypatch):
    async with lines(1, stall_s=1.5) as (hall, (line,)):
        await asyncio.sleep(0.05)
        now_us = hall._mono_us
        monkeypatch.setattr(hall, "_mono_us", lambda: now_us() + 3_000_000)
        await asyncio.sleep(0.1)
        assert not line.task.done()


async def test_a_socket_that_breaks_says_why():
    async with lines(0) as (hall, _):
        with socket.create_server(("127.0.0.1", 0)) as server:
            client = socket.create_connection(server.getsockname())
            peer, _ = server.accept()
            client.setblocking(False)
            work = asyncio.create_task(hall.attend(client, Taker(), stall_s=9.0, whose="sender"))
            await asyncio.sleep(0.02)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            peer.close()
            with pytest.raises(StreamError, match="the connection broke"):
                await asyncio.wait_for(work, 20)
            client.close()
