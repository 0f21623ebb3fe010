"""What the way from a gatherer to a caster costs and adds, with a plain copy over asyncio beside it.

`python -m tests.benchmarks.bench_relay` sends epochs of many stations, evenly over each second, from one
process to another on this machine: once through outlet and follower (epochs made whole, records, change-over,
the relay that hands them to rovers, of which there are none), once as bytes that are written and read and
nothing else. Each epoch carries the time at which it was given away. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import resource
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import uvloop
from rich.console import Console
from rich.table import Table

from connectors.caster.link.change_over import ChangeOver
from connectors.caster.link.follow import Following, Gatherer, follow
from connectors.caster.link.outlet import Outlet
from connectors.caster.relay import Relay
from sensors.model import Station
from streams.stream_state import StreamState
from tests.connectors.link.frames import epoch
from tests.rtcm_frames import of_type

SECRET = "a secret for nothing but benchmarks"
TICK_S = 0.01
TIME = slice(-11, -3)
"""Where an epoch carries its time: before the last CRC, which nobody looks at here."""


def cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class Arrivals:
    """Counts epochs and how long they were on their way."""

    def __init__(self) -> None:
        self.delays_us: list[float] = []

    def take(self, _station_id: str, frames: bytes) -> None:
        sent_ns = int.from_bytes(frames[TIME], "big")
        self.delays_us.append((time.monotonic_ns() - sent_ns) / 1000)


def now_us() -> int:
    return time.time_ns() // 1000


async def follow_relay(port: int, count: int, ready: Callable[[], None]) -> Arrivals:
    arrivals, relay = Arrivals(), Relay(asyncio.get_running_loop().time)
    relay.listeners.append(arrivals.take)
    following = Following(ChangeOver(relay.publish, asyncio.get_running_loop().time))
    work = follow(
        Gatherer("127.0.0.1", port, SECRET), following, StreamState("g", "relay", ""), clock_us=now_us
    )
    task = asyncio.create_task(work)
    while not following.tables:
        await asyncio.sleep(0.01)
    ready()
    while len(arrivals.delays_us) < count:
        await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return arrivals


async def read_copy(port: int, count: int, ready: Callable[[], None], size: int) -> Arrivals:
    arrivals = Arrivals()
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=262_144)
    ready()
    rest = b""
    while len(arrivals.delays_us) < count:
        data = rest + await reader.read(262_144)
        for at in range(0, len(data) - size + 1, size):
            arrivals.take("", data[at : at + size])
        rest = data[len(data) // size * size :]
    writer.transport.abort()
    return arrivals


def other_side(kind: str, port: int, count: int, size: int, pipe: Connection) -> None:
    begun: list[float] = []

    def ready() -> None:
        begun.append(cpu_s())
        pipe.send("ready")

    work = follow_relay(port, count, ready) if kind == "relay" else read_copy(port, count, ready, size)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        arrivals = runner.run(work)
    pipe.send((cpu_s() - begun[0], arrivals.delays_us))


async def send(kind: str, stations: int, seconds: int, whole: bytes) -> dict[str, float]:
    """Send and return what it cost on both sides."""
    names = [f"S{n:04d}" for n in range(stations)]
    mine, theirs = multiprocessing.Pipe()
    connected: asyncio.Future[asyncio.StreamWriter] = asyncio.get_running_loop().create_future()
    async with contextlib.AsyncExitStack() as stack:
        if kind == "relay":
            outlet = Outlet(lambda: [Station(id=name, name=name) for name in names], SECRET, now_us)
            await outlet.start("127.0.0.1", 0)
            stack.push_async_callback(outlet.stop)
            port, publish = outlet.port, outlet.publish
        else:
            server = await asyncio.start_server(lambda _, w: connected.set_result(w), "127.0.0.1", 0)
            stack.callback(server.close)
            port = server.sockets[0].getsockname()[1]
        process = multiprocessing.Process(
            target=other_side, args=(kind, port, stations * seconds, len(whole), theirs)
        )
        process.start()
        await asyncio.to_thread(mine.recv)
        if kind == "copy":
            writer = await connected
            stack.callback(writer.transport.abort)

            def publish(_station_id: str, frames: bytes) -> None:
                writer.write(frames)

        head, tail = whole[: TIME.start], whole[TIME.stop :]
        begin_s, begin_cpu_s, sent = time.monotonic(), cpu_s(), 0
        while sent < stations * seconds:
            due = min(int((time.monotonic() - begin_s) * stations), stations * seconds)
            while sent < due:
                frames = head + time.monotonic_ns().to_bytes(8, "big") + tail
                publish(names[sent % stations], frames)
                sent += 1
            await asyncio.sleep(TICK_S)
        used_s = cpu_s() - begin_cpu_s
        other_s, delays_us = await asyncio.to_thread(mine.recv)
        process.join()
    megabytes = stations * seconds * len(whole) / 1e6
    return {
        "gatherer_cpu_ms_per_mb": 1000 * used_s / megabytes,
        "caster_cpu_ms_per_mb": 1000 * other_s / megabytes,
        "p50_ms": float(np.percentile(delays_us, 50)) / 1000,
        "p99_ms": float(np.percentile(delays_us, 99)) / 1000,
    }


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--stations", type=int, default=4_000)
    options.add_argument("--seconds", type=int, default=20)
    asked = options.parse_args()
    whole = epoch(1, systems=5, length=400) + of_type(1230, 60)
    told: dict[str, Any] = {"stations": asked.stations, "epoch_bytes": len(whole)}
    view = Table(title=f"{asked.stations} epochs of {len(whole)} bytes a second", show_lines=False)
    for column in ("", "gatherer, CPU ms/MB", "caster, CPU ms/MB", "p50 ms", "p99 ms"):
        view.add_column(column, justify="right")
    for kind in ("relay", "copy"):
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            told[kind] = runner.run(send(kind, asked.stations, asked.seconds, whole))
        view.add_row(kind, *(f"{value:.2f}" for value in told[kind].values()))
    Console().print(view)
    print(json.dumps(told))


if __name__ == "__main__":
    main()
