"""Peers of a caster that mean no good, or are badly made: what others get meanwhile is what counts."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections import deque
from multiprocessing.connection import Connection

STALLED, UNFINISHED = 20, 300
VANISH_PER_S, LARGE_PER_S = 1000, 5
LARGE = b"GET /S000 HTTP/1.1\r\nX: " + b"a" * 1_000_000
TICK_S = 0.01
_RESET = b"\x01\0\0\0\0\0\0\0"
"""SO_LINGER: on, for no time, so that closing sends a reset."""


class Hostile:
    """All of them, in one process."""

    def __init__(self, port: int, request: bytes) -> None:
        self._port, self._request = port, request
        self._stay: list[socket.socket] = []
        self._vanishing: deque[socket.socket] = deque()
        self._large: list[tuple[socket.socket, memoryview]] = []
        self._count = self._ticks = 0
        self.told = {"vanished": 0, "large": 0, "refused_connections": 0}

    def begin(self) -> None:
        """Connect those that stall and those that never finish their request."""
        for _ in range(STALLED):
            self._stay.append(self._connected(self._request, small=True))
        for _ in range(UNFINISHED):
            self._stay.append(self._connected(self._request[:12]))

    def tick(self) -> None:
        """Do what is to be done each `TICK_S`."""
        for _ in range(min(len(self._vanishing), round(VANISH_PER_S * TICK_S))):
            gone = self._vanishing.popleft()
            gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            gone.close()
            self.told["vanished"] += 1
        for k in range(round(VANISH_PER_S * TICK_S)):
            with contextlib.suppress(OSError):
                self._vanishing.append(self._connected(self._request if k % 2 else b""))
        self._ticks += 1
        if self._ticks % round(1 / TICK_S / LARGE_PER_S) == 0:
            with contextlib.suppress(OSError):
                self._large.append((self._connected(b""), memoryview(LARGE)))
        self._large = [one for one in map(self._push, self._large) if one is not None]

    def _push(self, one: tuple[socket.socket, memoryview]) -> tuple[socket.socket, memoryview] | None:
        sock, rest = one
        try:
            rest = rest[sock.send(rest) :]
        except BlockingIOError:
            return one
        except OSError:
            rest = rest[:0]
        if rest:
            return sock, rest
        sock.close()
        self.told["large"] += 1
        return None

    def _connected(self, first: bytes, *, small: bool = False) -> socket.socket:
        self._count += 1
        sock = socket.socket()
        sock.setblocking(False)
        sock.bind((f"127.0.2{self._count % 50:02d}.1", 0))
        if small:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with contextlib.suppress(BlockingIOError):
            sock.connect(("127.0.0.1", self._port))
        try:
            sock.send(first)
        except OSError:
            self.told["refused_connections"] += 1
        return sock


def main(pipe: Connection, port: int, request: bytes, most_s: float, core: int | None) -> None:
    """Go on until something is said, or for `most_s`; tell what was done."""
    if core is not None:
        os.sched_setaffinity(0, {core})
    hostile = Hostile(port, request)
    hostile.begin()
    pipe.send("begun")
    begin_s, ticks = time.monotonic(), 0
    while not pipe.poll() and time.monotonic() < begin_s + most_s:
        hostile.tick()
        ticks += 1
        time.sleep(max(begin_s + ticks * TICK_S - time.monotonic(), 0))
    pipe.send(hostile.told | {"seconds": time.monotonic() - begin_s})
