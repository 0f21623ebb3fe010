"""The caster's fan-out: thousands of rovers at one epoch a second, each byte looked at, on this machine.

`python -m tests.benchmarks.bench_caster` lets a few stations write eight messages a second, apart, to a
process that gathers and casts on one core. Rovers are an epoll client in another process (`rover_swarm`). In
the same run: hostile peers beside them (`hostile_rovers`), each message sent by itself, and a bare loop of
system calls (`caster_servers`). Then `groundswell caster` serves twice as many in two processes, fed as by a
gatherer. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console
from rich.table import Table

from connectors.caster.connection import CasterLimits
from connectors.caster.link.outlet import Outlet
from gnss.ntrip.request import build_request
from sensors.model import Station
from tests.benchmarks import caster_servers, hostile_rovers, rover_swarm
from tests.benchmarks.caster_source import APART_S, EPOCH_BYTES, PARTS, Stations, message
from tests.benchmarks.processes import family, started
from tests.program import GROUNDSWELL

MOST_S = 600.0
SETTLE_S = 2.0
HOSTILE_S = 40
FORGOTTEN_S = 15.0
"""Longer than a request may take."""
CORES = (0, 1) if (os.cpu_count() or 1) > 1 else (None, None)
"""Of what serves, and of all others."""
CAME = ("p50_ms", "p99_ms", "most_ms", "bad", "gaps", "lost", "swarm_waited_s")
SECRET, USER = "a secret for nothing but benchmarks", "bench"
WAYS = {
    "merged, transports": "epochs by transports",
    "unmerged": "messages",
    "unmerged, transports": "messages by transports",
}
"""What else is measured with the same rovers: by each one's own transport, and each message by itself."""
spawn = multiprocessing.get_context("spawn")


def requests(rovers: int, stations: int, user: str = "") -> list[bytes]:
    """Return what rovers ask, one after the other version 1 and 2 of NTRIP."""
    return [
        build_request(
            f"S{i // 2 % stations:03d}", host="h", version=2 if i % 2 else 1, username=user, password=user
        )
        for i in range(rovers)
    ]


class Peer:
    """A process at the other end of a pipe."""

    def __init__(self, work: Callable[..., None], *values: Any) -> None:
        self.pipe, theirs = spawn.Pipe()
        self.process = spawn.Process(target=work, args=(theirs, *values), daemon=True)
        self.process.start()
        theirs.close()

    async def hear(self) -> Any:
        """Wait for what it says."""
        pipe: Connection = self.pipe
        return await asyncio.to_thread(pipe.recv)

    async def ask(self, word: str = "tell") -> Any:
        self.pipe.send(word)
        return await self.hear()

    async def stop(self) -> None:
        with contextlib.suppress(OSError):
            self.pipe.send("stop")
        await asyncio.to_thread(self.process.join, 20)
        self.process.kill()


@contextlib.asynccontextmanager
async def peer(work: Callable[..., None], *values: Any) -> AsyncIterator[Peer]:
    one = Peer(work, *values)
    try:
        yield one
    finally:
        await one.stop()


async def window(source: Stations, server: Peer, swarm: Peer, rovers: int, epochs: int) -> dict[str, float]:
    """Let so many epochs of each station go by; return what they cost and how they came."""
    await swarm.ask()
    before = await server.ask()
    await source.send(epochs)
    after, came = await server.ask(), await swarm.ask()
    expected = rovers * epochs
    return {
        "us_per_epoch_delivered": 1e6 * (after["cpu_s"] - before["cpu_s"]) / max(came["epochs"], 1),
        "delivered_fraction": came["epochs"] / expected,
        "bytes_fraction": came["bytes"] / expected / EPOCH_BYTES,
        "left_out": after["left_out"] - before["left_out"],
        "waited_s": after["waited_s"] - before["waited_s"],
        **{name: came[name] for name in CAME},
    }


async def one_core(asked: argparse.Namespace) -> dict[str, Any]:
    """Serve all rovers with one process on one core."""
    source = Stations()
    await source.start(asked.stations)
    limits = CasterLimits(connections=asked.rovers + 2000)
    told: dict[str, Any] = {"rovers": asked.rovers, "stations": asked.stations, "epoch_bytes": EPOCH_BYTES}
    wanted = requests(asked.rovers, asked.stations)
    async with peer(caster_servers.ours, CORES[0], source.ports, limits) as server:
        port = await server.hear()
        await source.send(3)  # what is made once is made
        await server.ask("collect")
        empty = await server.ask()
        async with peer(rover_swarm.main, port, wanted, MOST_S, CORES[1]) as swarm:
            await swarm.hear()
            await asyncio.sleep(SETTLE_S)
            told["merged"] = await window(source, server, swarm, asked.rovers, asked.seconds)
            await server.ask("collect")
            full = await server.ask()
            told["kb_per_rover"] = (full["rss_kb"] - empty["rss_kb"]) / asked.rovers
            if asked.hostile:
                told |= await among_hostile(source, server, swarm, asked, port, wanted[0])
            for kind, way in WAYS.items():
                server.pipe.send(("way", way))
                told[kind] = await window(source, server, swarm, asked.rovers, asked.seconds)
    async with peer(caster_servers.bare, CORES[0], asked.rovers, asked.seconds) as server:
        port = await server.hear()
        async with peer(rover_swarm.main, port, wanted, MOST_S, CORES[1]) as swarm:
            await swarm.hear()
            await asyncio.sleep(SETTLE_S)
            await swarm.ask()
            bare = await server.ask("go")
            came = await swarm.ask()
            told["bare"] = {
                "us_per_epoch_delivered": 1e6 * bare["cpu_s"] / max(came["epochs"], 1),
                "delivered_fraction": came["epochs"] / asked.rovers / asked.seconds,
                **{name: came[name] for name in CAME},
            }
            server.pipe.send("stop")
    await source.stop()
    told |= figures(told)
    return told


async def among_hostile(
    source: Stations, server: Peer, swarm: Peer, asked: argparse.Namespace, port: int, request: bytes
) -> dict[str, Any]:
    """Let hostile peers in meanwhile; return what the others got, and what is left of them in memory."""
    before = await server.ask()
    async with peer(hostile_rovers.main, port, request, MOST_S, CORES[1]) as hostile:
        await hostile.hear()
        found: dict[str, Any] = {"hostile": await window(source, server, swarm, asked.rovers, HOSTILE_S)}
        found["hostile_did"] = await hostile.ask("stop")
    await asyncio.sleep(FORGOTTEN_S)
    await server.ask("collect")
    after = await server.ask()
    found["hostile_refused"] = after["refused"]
    found["hostile_cut"], found["hostile_left_out"] = after["cut"], after["left_out"]
    found["hostile_mb_left"] = (after["rss_kb"] - before["rss_kb"]) / 1000
    found["hostile_connections_left"] = after["connections"] - asked.rovers
    return found


async def several(asked: argparse.Namespace) -> dict[str, Any]:
    """Serve twice the rovers with `groundswell caster` in two processes, fed as by a gatherer."""
    rovers = 2 * asked.rovers
    wanted = requests(rovers, asked.stations, USER)
    stations = [Station(id=f"S{i:03d}", name=f"S{i:03d}") for i in range(asked.stations)]
    outlet = Outlet(lambda: stations, SECRET, lambda: time.time_ns() // 1000)
    await outlet.start("127.0.0.1", 0)
    watch, ntrip = 20_101, 20_201
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = folder / "caster.toml"
        config.write_text(
            f'[caster]\nusers = {{ {USER} = "{USER}" }}\nprocesses = 2\n[relay]\nsecret = "{SECRET}"\n'
            f'follow = ["127.0.0.1:{outlet.port}"]\n'
        )
        words = ("caster", "--config", str(config), "--ntrip", f"127.0.0.1:{ntrip}", "--data", name)
        with started(folder, "caster", str(GROUNDSWELL), *words, "--http", f"127.0.0.1:{watch}") as program:
            async with asyncio.timeout(120):
                while outlet.counters.casters < 2:
                    await asyncio.sleep(0.1)
            async with peer(rover_swarm.main, ntrip, wanted, MOST_S, None) as swarm:
                await swarm.hear()
                await asyncio.sleep(SETTLE_S)
                await swarm.ask()
                before = family(program.pid)
                await feed(outlet, stations, asked.seconds)
                used, came = family(program.pid) - before, await swarm.ask()
    await outlet.stop()
    return {
        "us_per_epoch_delivered": 1e6 * used / max(came["epochs"], 1),
        "delivered_fraction": came["epochs"] / rovers / asked.seconds,
        "rovers": rovers,
        **{name: came[name] for name in CAME},
    }


async def feed(outlet: Outlet, stations: list[Station], epochs: int) -> None:
    """Send an epoch of each station a second to the casters that follow."""
    begin_s = time.monotonic()
    for k in range(epochs):
        await asyncio.sleep(begin_s + k - time.monotonic())
        first_ns = time.monotonic_ns()
        for part in range(PARTS):
            for i, station in enumerate(stations):
                outlet.publish(station.id, message(k, part, i, first_ns))
            await asyncio.sleep(APART_S)
    await asyncio.sleep(1.0)


def figures(told: dict[str, Any]) -> dict[str, Any]:
    """Return what is to be compared with what was asked for."""
    merged = told["merged"]
    cost = merged["us_per_epoch_delivered"]
    return {name: merged[name] for name in ("delivered_fraction", "p99_ms", "us_per_epoch_delivered")} | {
        "ratio_unmerged": cost / told["unmerged, transports"]["us_per_epoch_delivered"],
        "ratio_unmerged_one_call": cost / told["unmerged"]["us_per_epoch_delivered"],
        "ratio_bare": cost / told["bare"]["us_per_epoch_delivered"],
    }


def show(told: dict[str, Any], *kinds: str) -> None:
    view = Table(
        title=f"{told['rovers']} rovers, {told['stations']} stations, {PARTS} messages in {EPOCH_BYTES} bytes"
    )
    for column in ("", "CPU us/epoch and rover", "delivered", "p50 ms", "p99 ms", "most ms", "bad", "lost"):
        view.add_column(column, justify="right")
    for kind in kinds:
        one = told[kind]
        view.add_row(
            kind, f"{one['us_per_epoch_delivered']:.2f}", f"{one['delivered_fraction']:.5f}",
            f"{one['p50_ms']:.1f}", f"{one['p99_ms']:.1f}", f"{one['most_ms']:.1f}",
            str(one["bad"] + one["gaps"]), str(one["lost"]),
        )  # fmt: skip
    Console().print(view)


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rovers", type=int, default=5_000)
    options.add_argument("--stations", type=int, default=10)
    options.add_argument(
        "--hostile", action=argparse.BooleanOptionalAction, default=True, help="let hostile peers in, too"
    )
    options.add_argument("--one", action=argparse.BooleanOptionalAction, default=True, help="one process")
    options.add_argument(
        "--several", action=argparse.BooleanOptionalAction, default=True, help="and two processes at the end"
    )
    options.add_argument("--seconds", type=int, default=20, help="epochs in each window, one a second")
    asked = options.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 2 * asked.rovers + 2500 > hard:
        raise SystemExit(
            f"{2 * asked.rovers} rovers need more open files than {hard}; raise the hard limit (ulimit -Hn)"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        told: dict[str, Any] = {"rovers": asked.rovers, "stations": asked.stations}
        if asked.one:
            told = runner.run(one_core(asked))
        if asked.several:
            told["two processes"] = runner.run(several(asked))
    show(told, *(kind for kind in ("merged", "hostile", *WAYS, "bare", "two processes") if kind in told))
    print(json.dumps(told))


if __name__ == "__main__":
    main()
