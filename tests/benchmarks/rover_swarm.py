"""Thousands of rovers in one process: an epoll client in a kernel that looks at every byte that comes.

Each frame's CRC is checked, and that parts and epochs of its station follow each other without a gap. How
long an epoch was on its way is counted from the writing of its first message to the reading of its last byte
here. It looks at its sockets each millisecond instead of being woken by each send: real rovers are elsewhere,
and a send on this machine should not pay for the waking of a process (three times what it costs itself).
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit, types

from connectors.gathering.libc import epoll_wait, recv
from gnss.rtcm.crc import crc24q_kernel
from tests.benchmarks.caster_source import PARTS, TRAILER_BYTES

ROOM = 16_384
"""Bytes that a rover holds: several epochs may come in one read."""
EVENTS = 1024
BINS = 20_000
BIN_US = 100
PER_ADDRESS = 400
AT_ONCE = 200
END_OF_HEAD = int.from_bytes(b"\r\n\r\n", "big")
STEP_S = 0.05
LOOK_US = 1000
EPOCHS, BYTES, BAD, GAPS, LOST, HEADS = range(6)

_clock_gettime: Any = types.ExternalFunction("clock_gettime", types.int32(types.int32, types.uintp))
_usleep: Any = types.ExternalFunction("usleep", types.int32(types.uint32))
_close: Any = types.ExternalFunction("close", types.int32(types.int32))


@njit(cache=True)
def _now_ns(clock):
    _clock_gettime(1, clock.ctypes.data)
    return clock[0] * 1_000_000_000 + clock[1]


@njit(cache=True)
def _big_endian(buffer, begin, n):
    value = np.int64(0)
    for i in range(n):
        value = value << 8 | np.int64(buffer[begin + i])
    return value


@njit(cache=True)
def _take(buffer, n, i, next_epoch, next_part, first_ns, now_ns, counts, delays):
    """Look at what rover `i` holds; return where the last whole frame ends."""
    at = 0
    while n - at >= 6:
        size = (np.int64(buffer[at + 1] & 3) << 8 | np.int64(buffer[at + 2])) + 6
        if buffer[at] != 0xD3:
            counts[BAD] += 1
            return n
        if n - at < size:
            break
        crc = crc24q_kernel(buffer, at, at + size - 3)
        trailer = at + size - 3 - TRAILER_BYTES
        epoch, part = _big_endian(buffer, trailer, 4), _big_endian(buffer, trailer + 4, 1)
        if crc != _big_endian(buffer, at + size - 3, 3) or part != next_part[i]:
            counts[BAD] += 1
            return n
        if part == 0:
            if next_epoch[i] >= 0 and epoch != next_epoch[i]:
                counts[GAPS] += 1
            next_epoch[i] = epoch
            first_ns[i] = _big_endian(buffer, trailer + 5, 8)
        elif epoch != next_epoch[i]:
            counts[BAD] += 1
            return n
        next_part[i] = (part + 1) % PARTS
        if part == PARTS - 1:
            next_epoch[i] += 1
            counts[EPOCHS] += 1
            delays[min((now_ns - first_ns[i]) // (1000 * BIN_US), BINS - 1)] += 1
        at += size
    return at


@njit(cache=True, nogil=True)
def _run(
    epoll, until_ns, events, place, buffers, held, heads, next_epoch, next_part, first_ns, counts, delays
):
    """Read whatever comes until `until_ns` of the monotonic clock."""
    clock = np.zeros(2, np.int64)
    now_ns = _now_ns(clock)
    while now_ns < until_ns:
        n_events = epoll_wait(epoll, events.ctypes.data, EVENTS, 0)
        if n_events == 0:
            _usleep(LOOK_US)
        for e in range(n_events):
            what, fd = events[3 * e], np.int64(events[3 * e + 1])
            i = place[fd]
            buffer = buffers[i]
            came = recv(fd, buffer.ctypes.data + held[i], ROOM - held[i], 0)
            if came <= 0:
                if came == 0 or what & 0x18:  # EPOLLERR, EPOLLHUP
                    counts[LOST] += 1
                    _close(fd)
                    place[fd] = -1
                continue
            now_ns = _now_ns(clock)
            counts[BYTES] += came
            n = held[i] + came
            begin = 0
            if not heads[i]:
                for k in range(n - 3):
                    if (
                        buffer[k] == 13
                        and buffer[k + 1] == 10
                        and buffer[k + 2] == 13
                        and buffer[k + 3] == 10
                    ):
                        heads[i] = 1
                        counts[HEADS] += 1
                        counts[BYTES] -= k + 4
                        begin = k + 4
                        break
                if not heads[i]:
                    held[i] = n
                    continue
            end = begin + _take(
                buffer[begin:n], n - begin, i, next_epoch, next_part, first_ns, now_ns, counts, delays
            )
            held[i] = n - end
            for k in range(n - end):
                buffer[k] = buffer[end + k]
        now_ns = _now_ns(clock)


@dataclass
class Swarm:
    """The rovers."""

    epoll: int
    place: Any
    state: tuple[Any, ...]
    counts: Any
    delays: Any
    waited_ns: int = 0
    """For a processor, until it was told last: what delays show then is this machine."""

    @classmethod
    def of(cls, n: int) -> Swarm:
        state = (
            np.zeros((n, ROOM), np.uint8), np.zeros(n, np.int64), np.zeros(n, np.uint8),
            np.full(n, -1, np.int64), np.zeros(n, np.int64), np.zeros(n, np.int64),
        )  # fmt: skip
        made = cls(0, np.full(65_536, -1, np.int64), state, np.zeros(6, np.int64), np.zeros(BINS, np.int64))
        with select.epoll() as epoll:
            made.epoll = epoll.fileno()
            made.run(0.0)
        return made

    def run(self, seconds: float) -> None:
        """Read for so long."""
        until_ns = time.monotonic_ns() + int(seconds * 1e9)
        events = np.zeros(3 * EVENTS, np.uint32)  # struct epoll_event is packed on x86-64
        _run(self.epoll, until_ns, events, self.place, *self.state, self.counts, self.delays)

    def told(self) -> dict[str, float]:
        """Return what came since the last time."""
        counts, delays = self.counts.copy(), self.delays.copy()
        self.counts[:BAD] = 0
        self.delays[:] = 0
        total = np.cumsum(delays)
        before_ns, self.waited_ns = self.waited_ns, int(Path("/proc/self/schedstat").read_text().split()[1])

        def percentile(share: float) -> float:
            return float(np.searchsorted(total, share * total[-1]) + 1) * BIN_US / 1000 if total[-1] else -1.0

        return {
            "epochs": int(counts[EPOCHS]), "bytes": int(counts[BYTES]), "bad": int(counts[BAD]),
            "gaps": int(counts[GAPS]), "lost": int(counts[LOST]), "heads": int(counts[HEADS]),
            "p50_ms": percentile(0.5), "p99_ms": percentile(0.99), "most_ms": percentile(1.0),
            "swarm_waited_s": (self.waited_ns - before_ns) / 1e9,
        }  # fmt: skip


def connect(swarm: Swarm, epoll: select.epoll, port: int, requests: list[bytes], give_up_s: float) -> None:
    """Connect a rover for each request, some at a time, and wait until all have the head of a stream."""
    until_s = time.monotonic() + give_up_s
    for i, request in enumerate(requests):
        address = f"127.0.{1 + i // PER_ADDRESS}.1"
        sock = socket.create_connection(("127.0.0.1", port), give_up_s, (address, 0))
        sock.setblocking(False)
        sock.send(request)
        fd = sock.detach()
        swarm.place[fd] = i
        epoll.register(fd, select.EPOLLIN)
        while i + 1 - swarm.counts[HEADS] >= AT_ONCE or (
            i + 1 == len(requests) and swarm.counts[HEADS] < len(requests)
        ):
            swarm.run(STEP_S)
            if time.monotonic() > until_s:
                raise SystemExit(f"only {swarm.counts[HEADS]} of {len(requests)} rovers have a stream")


def main(pipe: Connection, port: int, requests: list[bytes], most_s: float, core: int | None) -> None:
    """Connect, say "ready", read on; tell what came at each "tell"; end at "stop" or after `most_s`."""
    if core is not None:
        os.sched_setaffinity(0, {core})
    end_s = time.monotonic() + most_s
    swarm = Swarm.of(len(requests))
    with select.epoll() as epoll, contextlib.suppress(EOFError, BrokenPipeError):
        swarm.epoll = epoll.fileno()
        connect(swarm, epoll, port, requests, most_s)
        pipe.send("ready")
        while time.monotonic() < end_s:
            swarm.run(STEP_S)
            if pipe.poll():
                if pipe.recv() == "stop":
                    break
                pipe.send(swarm.told())
    for fd in np.flatnonzero(swarm.place >= 0).tolist():
        os.close(fd)
