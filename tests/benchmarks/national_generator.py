"""A country's stations, and their gatherer without its sockets: into Kafka, and a ledger of them.

`python -m tests.benchmarks.national_generator SERVERS PREFIX FOLDER STATIONS FIRST_US SECONDS SHIFT_US`
prints one JSON object when all of it is in Kafka. Its stations' clock is SHIFT_US ahead of this machine's.
They begin as a gatherer connects to them, so many a second, and not all in one.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from connectors.doors import CONNECTIONS_PER_S
from gnss.simulate import simulated_network
from streams.kafka.access import Access
from streams.kafka.sink import KafkaSink
from streams.records import RawChunk

T = TypeVar("T")
A_PRIME = 7919
SPREAD = 20
"""Pieces of a second: stations do not send all at once."""


def batched(items: list[T], size: int) -> Iterator[list[T]]:
    return (items[at : at + size] for at in range(0, len(items), size))


def clock_us() -> int:
    return time.time_ns() // 1000


async def main() -> None:
    servers, prefix, folder = sys.argv[1:4]
    stations, first_us, seconds, shift_us = (int(argument) for argument in sys.argv[4:8])
    sink = KafkaSink(
        Access(servers), folder=Path(folder), site_of=lambda name: name[:6], clock_us=clock_us, prefix=prefix
    )
    await sink.start()
    times = [first_us + shift_us + k * 1_000_000 for k in range(seconds)]
    network = simulated_network(stations, times, 1)
    dropped = epochs = 0
    for k, epoch_us in enumerate(times):
        begun = CONNECTIONS_PER_S * (k + 1)
        sent = await asyncio.to_thread(next, network)
        for piece, some in enumerate(batched(list(enumerate(sent)), -(-stations // SPREAD))):
            due_us = epoch_us - shift_us + 100_000 + piece * 800_000 // SPREAD
            await asyncio.sleep(max((due_us - clock_us()) / 1e6, 0))
            for i, (_, payload) in some:
                if i * A_PRIME % stations >= begun:
                    continue
                epochs += 1
                chunk = RawChunk(
                    station_id=f"S{i:04d}", payload=payload, received_at_us=clock_us() + shift_us
                )
                dropped += not sink.offer(chunk)
    await sink.stop()
    ledger = {
        "first_us": first_us,
        "last_us": times[-1],
        "epochs": epochs,
        "dropped": dropped,
        "cpu_s": time.process_time(),
        "late_s": round((clock_us() + shift_us - times[-1]) / 1e6 - 1.0, 2),
    }
    print(json.dumps(ledger))


if __name__ == "__main__":
    asyncio.run(main())
