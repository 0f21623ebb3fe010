"""A server that does what a test says, connection by connection, and remembers what it was told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from connectors.gatherer import StationIntake
from streams.records import RawChunk
from streams.stream_state import StreamState

Act = Callable[["Peer"], Awaitable[None]]


@dataclass
class Peer:
    """One accepted connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    heard: bytearray = field(default_factory=bytearray)

    async def head(self) -> bytes:
        """Read a request's head."""
        self.heard += await self.reader.readuntil(b"\r\n\r\n")
        return bytes(self.heard)

    async def say(self, data: bytes, cut: int = 0) -> None:
        """Send, in pieces of `cut` bytes that go out one by one."""
        for at in range(0, len(data), cut or len(data) or 1):
            self.writer.write(data[at : at + (cut or len(data))])
            await self.writer.drain()
            if cut:
                await asyncio.sleep(0)

    async def hold(self) -> None:
        """Stay and listen until the client goes."""
        while data := await self.reader.read(1000):
            self.heard += data


@dataclass
class Server:
    """What has happened."""

    port: int = 0
    peers: list[Peer] = field(default_factory=list)


@asynccontextmanager
async def scripted(*acts: Act) -> AsyncIterator[Server]:
    """Play the acts, one a connection; the last is repeated."""
    server = Server()
    tasks: set[asyncio.Task[None]] = set()

    async def perform(peer: Peer, act: Act) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await act(peer)
        peer.writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        act = acts[min(len(server.peers), len(acts) - 1)]
        server.peers.append(Peer(reader, writer))
        tasks.add(asyncio.create_task(perform(server.peers[-1], act)))

    listener = await asyncio.start_server(accept, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for peer in server.peers:
            peer.writer.transport.abort()


class Sink:
    """A RawSink that keeps what it gets; `room` False refuses."""

    def __init__(self) -> None:
        self.chunks: list[RawChunk] = []
        self.room = True

    def offer(self, chunk: RawChunk) -> bool:
        if self.room:
            self.chunks.append(chunk)
        return self.room

    async def put(self, chunk: RawChunk) -> None:
        await asyncio.sleep(0)
        self.chunks.append(chunk)

    @property
    def payload(self) -> bytes:
        return b"".join(chunk.payload for chunk in self.chunks)


class States(StreamState):
    """A StreamState that remembers its phases and errors."""

    def __init__(self) -> None:
        super().__init__("ST01", "test", "test")
        self.phases: list[str] = []
        self.errors: list[str] = []

    def enter(self, phase, now_us, error="") -> None:  # type: ignore[no-untyped-def]
        if not self.phases or self.phases[-1] != phase:
            self.phases.append(phase)
        if error:
            self.errors.append(error)
        super().enter(phase, now_us, error)


@dataclass
class Bench:
    """An intake with both its ends in view."""

    sink: Sink = field(default_factory=Sink)
    relayed: list[tuple[str, bytes]] = field(default_factory=list)
    state: States = field(default_factory=States)

    def __post_init__(self) -> None:
        relay = self.relayed
        self.intake = StationIntake("ST01", self.sink, lambda *item: relay.append(item), self.state)

    @property
    def frames(self) -> bytes:
        return b"".join(frames for _, frames in self.relayed)


class Clock:
    """A wall clock that moves on by a microsecond with each look."""

    def __init__(self) -> None:
        self.now_us = 1_760_000_000_000_000

    def __call__(self) -> int:
        self.now_us += 1
        return self.now_us


@asynccontextmanager
async def running(work: Coroutine[Any, Any, object]) -> AsyncIterator[asyncio.Task[object]]:
    """Run a connector in the background, cancel it, and see that nothing of it is left."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        (ending,) = await asyncio.gather(task, return_exceptions=True)
        assert isinstance(ending, asyncio.CancelledError), repr(ending)
        left = [other for other in asyncio.all_tasks() if "/connectors/" in _file_of(other)]
        assert not [file for file in map(_file_of, left) if "/tests/" not in file], left


def _file_of(task: asyncio.Task[Any]) -> str:
    code = getattr(task.get_coro(), "cr_code", None)
    return getattr(code, "co_filename", "")
