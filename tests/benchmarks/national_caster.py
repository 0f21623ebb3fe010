"""A country's stations behind a bare NTRIP caster, each a mountpoint, and a ledger of what went out.

`python -m tests.benchmarks.national_caster PORT STATIONS FIRST_US SECONDS` writes an epoch a second to each
mountpoint that somebody follows, and prints one JSON object at its end.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time

from gnss.simulate import simulated_network

SPREAD = 20
"""Pieces of a second: stations do not send all at once."""
WAITING_BYTES = 1_000_000
"""Of a follower that does not read; it is cut."""


class Mountpoints:
    """Followers by the number of their station."""

    def __init__(self) -> None:
        self.followers: dict[int, asyncio.StreamWriter] = {}
        self.cut = 0

    async def follow(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        number = int(request.split(b" ", 2)[1].removeprefix(b"/S"))
        writer.write(b"ICY 200 OK\r\n\r\n")
        self.followers[number] = writer

    def send(self, number: int, payload: bytes) -> bool:
        writer = self.followers.get(number)
        if writer is None or writer.is_closing():
            return False
        if writer.transport.get_write_buffer_size() > WAITING_BYTES:
            self.cut += 1
            writer.close()
            return False
        writer.write(payload)
        return True


def clock_us() -> int:
    return time.time_ns() // 1000


async def main() -> None:
    port, stations, first_us, seconds = (int(argument) for argument in sys.argv[1:5])
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    mountpoints = Mountpoints()
    server = await asyncio.start_server(mountpoints.follow, "127.0.0.1", port, backlog=4096)
    times = [first_us + k * 1_000_000 for k in range(seconds)]
    network = simulated_network(stations, times, 1)
    sent, late_us = 0, 0
    for epoch_us in times:
        payloads = await asyncio.to_thread(next, network)
        size = -(-stations // SPREAD)
        for piece in range(SPREAD):
            due_us = epoch_us + 100_000 + piece * 800_000 // SPREAD
            await asyncio.sleep(max((due_us - clock_us()) / 1e6, 0))
            late_us = max(late_us, clock_us() - due_us)
            for number, payload in payloads[piece * size : (piece + 1) * size]:
                sent += mountpoints.send(number, payload)
    await asyncio.sleep(2)
    server.close()
    ledger = {
        "first_us": first_us,
        "last_us": times[-1],
        "epochs": sent,
        "unfollowed": stations * seconds - sent,
        "cut": mountpoints.cut,
        "late_s": round(late_us / 1e6, 2),
    }
    print(json.dumps(ledger))


if __name__ == "__main__":
    asyncio.run(main())
