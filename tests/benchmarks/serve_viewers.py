"""Viewers of the live stream, in a process of their own: each looks whether an update is missing.

`python -m tests.benchmarks.serve_viewers PORT VIEWERS SECONDS` prints a JSON object: how many updates each
viewer got at least and at most while all were there, how many were missed in between, and the bytes.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections.abc import Sequence

_UPDATE = re.compile(rb"id: (\d+)\nevent: update\n")
LONGEST = 64
"""Of what is looked for, at the end of what came."""


class Counted(asyncio.Protocol):
    """One connection, and what came."""

    def __init__(self) -> None:
        self.last = 0
        self.updates = 0
        self.missed = 0
        self.bytes = 0
        self.lost = False
        self.tail = b""

    def connection_lost(self, _: Exception | None) -> None:
        self.lost = True


class Viewer(Counted):
    """One that watches the page's feed."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"GET /api/v1/live HTTP/1.1\r\nHost: localhost\r\n\r\n")

    def data_received(self, data: bytes) -> None:
        self.bytes += len(data)
        text = self.tail + data
        behind = 0
        for found in _UPDATE.finditer(text):
            number = int(found[1])
            if self.last:
                self.missed += number - self.last - 1
            self.last, behind = number, found.end()
            self.updates += 1
        self.tail = text[max(behind, len(text) - LONGEST) :]


async def watch(port: int, count: int, seconds: float) -> dict[str, float]:
    """Connect all, then watch for so long."""
    loop, viewers = asyncio.get_running_loop(), []
    for begin in range(0, count, 50):
        some = [
            loop.create_connection(Viewer, "127.0.0.1", port) for _ in range(begin, min(begin + 50, count))
        ]
        viewers += [viewer for _, viewer in await asyncio.gather(*some)]
        await asyncio.sleep(0.05)
    while not all(viewer.updates for viewer in viewers):
        await asyncio.sleep(0.05)
    return await measured(viewers, seconds)


async def measured(viewers: Sequence[Counted], seconds: float) -> dict[str, float]:
    """Say that all watch, count for so long, and return what came."""
    print("watching", flush=True)
    for viewer in viewers:
        viewer.updates = viewer.missed = viewer.bytes = 0
    began = time.perf_counter()
    await asyncio.sleep(seconds)
    took = time.perf_counter() - began
    updates = [viewer.updates for viewer in viewers]
    return {
        "updates_s": round(sum(updates) / len(viewers) / took, 2),
        "fewest": min(updates),
        "most": max(updates),
        "missed": sum(viewer.missed for viewer in viewers),
        "lost": sum(viewer.lost for viewer in viewers),
        "mb_s": round(sum(viewer.bytes for viewer in viewers) / took / 1e6, 2),
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(watch(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))), flush=True)
