"""Viewers of channels, in a process of their own: each looks whether a number is missing in what it is told.

`python -m tests.benchmarks.push_viewers PORT VIEWERS SECONDS stream|socket|token|cut|bare` prints "watching"
and then a JSON object.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import sys
import time
from collections.abc import Sequence
from urllib.parse import quote

from tests.benchmarks.push_load import CHANNELS, TOKEN
from tests.benchmarks.serve_viewers import LONGEST, Counted, measured

_ID = re.compile(rb"^id: (\S+)$", re.MULTILINE)
_BARE = re.compile(rb"id: (\d+)\nevent: update\n")


class Viewer(Counted):
    """One that watches a channel."""

    def __init__(self, channel: str, pattern: re.Pattern[bytes], how: str) -> None:
        super().__init__()
        self.identity = ""
        self.transport: asyncio.Transport | None = None
        self._channel, self._pattern, self._how = channel, pattern, how

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        head = f"GET /api/v1/push?channel={quote(self._channel)} HTTP/1.1\r\nHost: localhost\r\n"
        if self._how == "socket":
            key = base64.b64encode(b"0123456789abcdef").decode()
            head += "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            head += f"Sec-WebSocket-Key: {key}\r\n"
        if self._how == "token":
            head += f"Authorization: Bearer {TOKEN}\r\n"
        if self.identity:
            head += f"Last-Event-ID: {self.identity}\r\n"
        self.transport = transport
        transport.write(f"{head}\r\n".encode())

    def data_received(self, data: bytes) -> None:
        self.bytes += len(data)
        text = self.tail + data
        self.tail = text[max(self.count(text), len(text) - LONGEST) :]

    def count(self, text: bytes) -> int:
        """Look for the next numbers; return what is behind the last one."""
        behind = 0
        for found in self._pattern.finditer(text):
            number = int(found[1])
            behind = found.end()
            if number == self.last:
                continue
            if self.last:
                self.missed += abs(number - self.last - 1)
            self.last = number
            self.updates += 1
        return behind


class Resuming(Viewer):
    """One that is cut, and goes on behind the last event that it has whole."""

    def data_received(self, data: bytes) -> None:
        *events, self.tail = (self.tail + data).split(b"\n\n")
        for event in events:
            if found := _ID.search(event):
                self.identity = found[1].decode()
            self.count(event)


async def watch(port: int, count: int, seconds: float, how: str) -> dict[str, float]:
    """Connect all, then watch for so long."""
    viewers: list[Viewer] = []
    for number in range(count):
        channel, pattern = CHANNELS[number % len(CHANNELS)]
        kind = Resuming if how == "cut" else Viewer
        viewers.append(kind(channel, _BARE if how == "bare" else re.compile(pattern), how))
    await connected(viewers, port)
    if how != "cut":
        return await measured(viewers, seconds)
    print("watching", flush=True)
    await asyncio.sleep(2.0)
    for viewer in viewers:
        assert viewer.transport is not None
        viewer.transport.abort()
    await asyncio.sleep(3.0)
    for viewer in viewers:
        viewer.updates, viewer.tail = 0, b""
    began = time.perf_counter()
    await connected(viewers, port)
    back_s = round(time.perf_counter() - began, 2)
    await asyncio.sleep(2.0)
    return {"back_s": back_s, "missed": sum(viewer.missed for viewer in viewers)}


async def connected(viewers: Sequence[Viewer], port: int) -> None:
    """Return when all are connected and have been told something."""
    loop = asyncio.get_running_loop()
    for viewer in viewers:
        await loop.create_connection(lambda viewer=viewer: viewer, "127.0.0.1", port)  # type: ignore[misc]
        await asyncio.sleep(0.001)
    while not all(viewer.updates for viewer in viewers):
        await asyncio.sleep(0.05)


if __name__ == "__main__":
    found = asyncio.run(watch(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]))
    print(json.dumps(found), flush=True)
