"""The sockets of all streams: one call reads those that have something, every few milliseconds at most.

A read of a socket that wakes a task costs tens of microseconds; stations write an epoch in many small pieces.
Here what came since the last tick is read at once, for all streams, cut where epochs end, and only then does
each stream cost something of its own: once an epoch.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import socket
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

import numpy as np

from connectors.gathering.chunks_kernel import take_chunks_off
from connectors.gathering.columns import (
    Coding,
    Column,
    Ending,
    Place,
    empty_regions,
    empty_states,
)
from connectors.gathering.cutter import EpochCutter, Piece, Room, feed, finish
from connectors.gathering.libc import EPOLL_EVENT_BYTES
from connectors.gathering.sockets_kernel import BURST_BYTES, MOST_BYTES_PER_S, let_go, read_sockets
from connectors.reconnect import StreamError
from gnss.ntrip.body import ChunkPlace
from gnss.ntrip.errors import MalformedError

TICK_S = 0.005
"""Between two reads at least: what comes meanwhile is read with one call."""
IDLE_S = 0.015
"""Between two looks after what waits, while nothing comes."""
MOST_REST_S = 0.02
"""Others have as much time as a tick took, up to this."""
MOST_WATCHED = 500
"""Streams that the loop watches. Each time it begins to, the system looks through all: 1.3 ms for 8,000."""
_EVENTS = 1024
_OUT_BYTES = 4_000_000
_ROUNDS = 16
"""Of reading in a tick; what is left then lets others have their turn first."""
_FIRST_STREAMS = 64
LATE_US, GRACE_US = 1_000_000, 5_000_000
"""A tick that comes so much too late: this program stood still. All senders get so much more time."""


def prepare() -> None:
    """Compile what would else hold up all streams with the first byte, or load it."""
    hall, cutter = Hall(lambda: 0), EpochCutter()
    for _ in (*cutter.feed(b"\xd3", 0, 0), *cutter.finish(0)):
        pass
    take_chunks_off(empty_states(1)[0], np.zeros(1, np.uint8), 0, 0)
    with contextlib.closing(select.epoll()) as epoll:
        hall.read_once(epoll.fileno(), 0)
    hall.let_go_once(0)


class Intake(Protocol):
    """Where the pieces of one stream go."""

    def arrived(self, piece: Piece) -> Coroutine[Any, Any, None] | None:
        """Take a piece; what is returned is to be waited for before the next one is brought."""
        ...

    def flooded(self, text: str) -> None:
        """Say that the sender brings too much."""
        ...


@dataclass(slots=True, eq=False)
class _Stream:
    sock: socket.socket
    intake: Intake
    ended: asyncio.Future[NoReturn]
    stall_s: float
    whose: str
    busy: asyncio.Task[None] | None = None


class Hall:
    """Reads streams until they end (Linux). All calls come from the event loop.

    Parameters
    ----------
    clock_us
        Wall clock, UTC; read with each call that reads sockets.
    """

    def __init__(self, clock_us: Callable[[], int]) -> None:
        self._clock_us = clock_us
        self._epoll: select.epoll | None = None
        self._streams: dict[int, _Stream] = {}
        self._free: list[int] = []
        self._timer: asyncio.TimerHandle | None = None
        self._ticked_us = 0
        self._watched = -1
        """The epoll of which the loop tells when there is something to read; -1: a timer will look."""
        self._states, self._regions = empty_states(0), empty_regions(0)
        self._slot_of = np.full(1024, -1, np.int32)
        self._events = np.zeros(_EVENTS * EPOLL_EVENT_BYTES, np.uint8)
        self._endings = np.zeros((_EVENTS, 2), np.int64)
        self._room = Room.of(_OUT_BYTES, _EVENTS)

    async def attend(
        self,
        sock: socket.socket,
        intake: Intake,
        *,
        stall_s: float,
        whose: str,
        begun: bytes = b"",
        chunks: ChunkPlace | None = None,
    ) -> NoReturn:
        """Read a stream until it ends.

        Parameters
        ----------
        sock
            Connected, not blocking; it stays the caller's to close.
        intake
            Gets what comes.
        stall_s
            Without data for so long, it is given up.
        whose
            Who sends, in words.
        begun
            What has been read of it before, without coding.
        chunks
            Where the body is in its chunks; None when it has none.

        Raises
        ------
        StreamError
            It has ended; the sentence says how.
        gnss.ntrip.MalformedError
            It is not cut into chunks as it should be.
        """
        loop = asyncio.get_running_loop()
        stream = _Stream(sock, intake, loop.create_future(), stall_s, whose)
        slot = self._enter(stream)
        try:
            state, region = self._states[slot], self._regions[slot]
            for piece in list(feed(state, region, begun, self._mono_us(), self._clock_us(), self._room)):
                if (waiting := intake.arrived(piece)) is not None:
                    await waiting
            # the arrays may be others by now
            self._set_coding(slot, chunks)
            self._resume(slot)
            await stream.ended
        finally:
            if stream.busy is not None:
                stream.busy.cancel()
                await asyncio.wait((stream.busy,))
            self._leave(slot)
        raise AssertionError

    def read_once(self, epoll: int, mono_us: int) -> tuple[int, int, int]:
        """Call the kernel that reads (for `prepare`, and each tick)."""
        return read_sockets(
            epoll,
            self._events,
            self._slot_of,
            self._states,
            self._regions,
            self._room.out,
            self._room.rows,
            self._endings,
            mono_us,
            self._clock_us(),
            self._room.found,
        )

    def let_go_once(self, mono_us: int) -> tuple[int, int]:
        """Call the kernel that looks after what waits (for `prepare`, and each tick)."""
        return let_go(
            self._states,
            self._regions,
            self._room.out,
            self._room.rows,
            self._endings,
            mono_us,
            self._room.found,
        )

    # --- streams ----------------------------------------------------------------------------------------

    def _enter(self, stream: _Stream) -> int:
        if not self._free:
            self._grow()
        slot = self._free.pop()
        state = self._states[slot]
        state[:] = 0
        now_us = self._mono_us()
        state[Column.IN_USE] = state[Column.IS_PAUSED] = 1
        state[Column.FD] = fd = stream.sock.fileno()
        state[Column.LAST_US] = state[Column.BUDGET_AT_US] = now_us
        state[Column.STALL_US] = round(stream.stall_s * 1e6)
        state[Column.BUDGET_BYTES] = BURST_BYTES
        if fd >= len(self._slot_of):
            more = np.full(2 * fd, -1, np.int32)
            more[: len(self._slot_of)] = self._slot_of
            self._slot_of = more
        self._slot_of[fd] = slot
        self._streams[slot] = stream
        if self._timer is None:
            self._ticked_us = now_us
            self._timer = asyncio.get_running_loop().call_later(TICK_S, self._tick)
        return slot

    def _set_coding(self, slot: int, chunks: ChunkPlace | None) -> None:
        state = self._states[slot]
        if chunks is None:
            return
        state[Column.CODING] = Coding.CHUNKED
        state[Column.CHUNK_LEFT] = chunks.left
        if chunks.left:
            state[Column.CHUNK_PLACE] = Place.DATA
        elif chunks.is_behind_data:
            state[Column.CHUNK_PLACE] = Place.BEHIND_DATA
        line = np.frombuffer(chunks.line, np.uint8).copy()
        take_chunks_off(state, line, 0, len(line))  # a line that has begun holds no data

    def _leave(self, slot: int) -> None:
        """Let go on what is held, and forget the stream."""
        self._pause(slot)
        stream = self._streams.pop(slot)
        state = self._states[slot]
        try:
            for piece in list(finish(state, self._regions[slot], self._mono_us(), self._room)):
                if (waiting := stream.intake.arrived(piece._replace(is_backlog=0))) is not None:
                    waiting.close()
        finally:
            self._slot_of[state[Column.FD]] = -1
            state[:] = 0
            self._free.append(slot)
            if not self._streams and self._timer is not None:
                self._timer.cancel()
                self._timer = None
                self._close_epoll()

    def _pause(self, slot: int) -> None:
        state = self._states[slot]
        if not state[Column.IS_PAUSED] and self._epoll is not None:
            self._epoll.unregister(int(state[Column.FD]))
        state[Column.IS_PAUSED] = 1

    def _resume(self, slot: int) -> None:
        state = self._states[slot]
        if self._epoll is None:
            self._epoll = select.epoll()
        self._epoll.register(int(state[Column.FD]), select.EPOLLIN)
        state[Column.IS_PAUSED] = 0
        state[Column.LAST_US] = self._mono_us()

    def _grow(self) -> None:
        before = len(self._states)
        n = max(_FIRST_STREAMS, 2 * before)
        states, regions = empty_states(n), empty_regions(n)
        states[:before], regions[:before] = self._states, self._regions
        self._states, self._regions = states, regions
        self._free += range(n - 1, before - 1, -1)

    def _close_epoll(self) -> None:
        self._watch(-1)
        if self._epoll is not None:
            self._epoll.close()
            self._epoll = None

    # --- ticks ------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        before_s, wait_s, is_quiet = self._ticked_us * 1e-6, TICK_S, False
        self._watch(-1)
        try:
            self._forgive_our_own_stall()
            if self._epoll is not None:
                n_read, is_more = self._read(self._epoll.fileno())
                wait_s = 0.0 if is_more else TICK_S
                is_quiet = not n_read or started_s - before_s > 2 * TICK_S
            self._bring(*self.let_go_once(self._mono_us()))
        finally:
            if self._streams:
                if is_quiet and self._epoll is not None and len(self._streams) <= MOST_WATCHED:
                    self._watch(self._epoll.fileno())
                    wait_s = IDLE_S
                passed_s = loop.time() - started_s
                rest_s = min(passed_s, MOST_REST_S)
                self._timer = loop.call_later(max(wait_s - passed_s, rest_s, 0.0005), self._tick)
            else:
                self._timer = None

    def _watch(self, epoll: int) -> None:
        """Let the loop tell when there is something to read."""
        loop = asyncio.get_running_loop()
        if self._watched >= 0:
            loop.remove_reader(self._watched)
        if epoll >= 0:
            loop.add_reader(epoll, self._woken)
        self._watched = epoll

    def _woken(self) -> None:
        """Read at once, or when the last time is long enough ago."""
        if self._timer is not None:
            self._timer.cancel()
        passed_s = (self._mono_us() - self._ticked_us) * 1e-6
        if passed_s >= TICK_S:
            self._tick()
        else:
            self._watch(-1)
            self._timer = asyncio.get_running_loop().call_later(TICK_S - passed_s, self._tick)

    def _read(self, epoll: int) -> tuple[int, bool]:
        """Read what is there; return how many streams had something, and whether more have."""
        n_read = 0
        for _ in range(_ROUNDS):
            n_ready, n_pieces, n_endings = self.read_once(epoll, self._mono_us())
            self._bring(n_pieces, n_endings)
            n_read += n_ready
            if n_ready < _EVENTS:
                return n_read, False
        return n_read, True

    def _bring(self, n_pieces: int, n_endings: int) -> None:
        endings = self._endings[:n_endings].tolist()
        for slot, piece in self._room.pieces(n_pieces):
            stream = self._streams[slot]
            try:
                waiting = stream.intake.arrived(piece)
            except Exception as error:  # noqa: BLE001 - a fault of one stream is no other's
                self._end(stream, error)
                continue
            if waiting is not None:
                self._pause(slot)
                stream.busy = asyncio.create_task(self._wait(slot, stream, waiting))
        for slot, ending in endings:
            if (stream := self._streams[slot]).busy is not None and ending == Ending.STALLED:
                continue
            self._take_ending(slot, stream, ending)

    async def _wait(self, slot: int, stream: _Stream, waiting: Coroutine[Any, Any, None] | None) -> None:
        try:
            if waiting is not None:
                await waiting
            await self._pace(slot, stream)
        except Exception as error:  # noqa: BLE001 - a fault of one stream is no other's
            self._end(stream, error)
        stream.busy = None
        if not stream.ended.done():
            self._resume(slot)

    def _take_ending(self, slot: int, stream: _Stream, ending: int) -> None:
        whose = stream.whose
        if ending == Ending.OVER_BUDGET:
            if stream.busy is None:
                self._pause(slot)
                stream.busy = asyncio.create_task(self._wait(slot, stream, None))
            return
        error: Exception
        if ending == Ending.STALLED:
            text = f"no data for {stream.stall_s:g} s; check that the station sends"
            error = StreamError(text, stalled=True)
        elif ending == Ending.BODY_BROKEN:
            error = MalformedError(f"the {whose}'s stream is not cut into chunks as it says; try version 1")
        elif ending in (Ending.CLOSED, Ending.BODY_ENDED):
            error = StreamError(f"the {whose} closed the connection; trying again")
        else:
            error = StreamError(f"the connection broke ({os.strerror(ending)}); trying again")
        self._end(stream, error)

    async def _pace(self, slot: int, stream: _Stream) -> None:
        over_bytes = -int(self._states[slot, Column.BUDGET_BYTES])
        if over_bytes > 0:
            stream.intake.flooded(
                f"it sends more than {MOST_BYTES_PER_S // 1000} kB/s and is read no faster; "
                "check that it is one station's stream"
            )
            await asyncio.sleep(over_bytes / MOST_BYTES_PER_S)

    def _end(self, stream: _Stream, error: Exception) -> None:
        if not stream.ended.done():
            stream.ended.set_exception(error)

    def _forgive_our_own_stall(self) -> None:
        now_us = self._mono_us()
        if now_us - self._ticked_us > LATE_US:
            stall_us = self._states[:, Column.STALL_US]
            last_us = self._states[:, Column.LAST_US]
            self._states[:, Column.LAST_US] = np.maximum(last_us, now_us - stall_us + GRACE_US)
        self._ticked_us = now_us

    @staticmethod
    def _mono_us() -> int:
        return int(asyncio.get_running_loop().time() * 1e6)
