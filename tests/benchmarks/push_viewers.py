"""Viewers of channels, in a process of their own: each looks whether a number is missing in what it is told.

`python -m tests.benchmarks.push_viewers PORT VIEWERS SECONDS stream|socket|token|bare` prints "watching" and
then a JSON object.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import sys
from urllib.parse import quote

from tests.benchmarks.push_load import CHANNELS, TOKEN
from tests.benchmarks.serve_viewers import LONGEST, Counted, measured

_BARE = re.compile(rb"id: (\d+)\nevent: update\n")


class Viewer(Counted):
    """One that watches a channel."""

    def __init__(self, channel: str, pattern: re.Pattern[bytes], how: str) -> None:
        super().__init__()
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
        transport.write(f"{head}\r\n".encode())

    def data_received(self, data: bytes) -> None:
        self.bytes += len(data)
        text = self.tail + data
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
        self.tail = text[max(behind, len(text) - LONGEST) :]


async def watch(port: int, count: int, seconds: float, how: str) -> dict[str, float]:
    """Connect all, then watch for so long."""
    loop, viewers = asyncio.get_running_loop(), []
    for number in range(count):
        channel, pattern = CHANNELS[number % len(CHANNELS)]
        viewer = Viewer(channel, _BARE if how == "bare" else re.compile(pattern), how)
        await loop.create_connection(lambda viewer=viewer: viewer, "127.0.0.1", port)  # type: ignore[misc]
        viewers.append(viewer)
        await asyncio.sleep(0.002)
    while not all(viewer.updates for viewer in viewers):
        await asyncio.sleep(0.05)
    return await measured(viewers, seconds)


if __name__ == "__main__":
    found = asyncio.run(watch(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]))
    print(json.dumps(found), flush=True)
