"""What the rovers of `bench_caster` are served by, each in a process that tells what it has used.

`ours`: stations over TCP through the intake, which makes epochs whole, relay, caster. `bare`: nothing but the
kernel that sends, once a second, to sockets that were accepted: what the system calls cost by themselves.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import resource
import socket
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import uvloop

from connectors import tcp
from connectors.caster import send_kernel
from connectors.caster.connection import CasterLimits
from connectors.caster.link.whole_epochs import frame_ends
from connectors.caster.relay import Relay
from connectors.caster.server import Caster
from connectors.gatherer import StationIntake
from connectors.gathering.hall import Hall, prepare
from deploy.garbage import Patience
from sensors.model import Station
from streams.stream_state import StreamState
from tests.benchmarks.caster_source import whole


def used() -> dict[str, float]:
    """Return processor time of this process, how long it waited for a processor, and its memory."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    waited_ns = int(Path("/proc/self/schedstat").read_text().split()[1])
    return {
        "cpu_s": usage.ru_utime + usage.ru_stime, "waited_s": waited_ns / 1e9,
        "rss_kb": pages * resource.getpagesize() / 1024,
    }  # fmt: skip


def now_us() -> int:
    return time.time_ns() // 1000


class Nowhere:
    """Where raw bytes go."""

    def offer(self, chunk: Any) -> bool:
        return True

    async def put(self, chunk: Any) -> None: ...


class Ours:
    """The program's own parts, put together as a gatherer does; or as one could do it instead."""

    def __init__(self) -> None:
        self.relay = Relay(asyncio.get_running_loop().time)
        self.caster: Caster
        self.way = "epochs"

    def take(self, station_id: str, frames: bytes) -> None:
        """Send what came: whole epochs or each message, by one call for all rovers or by their transports."""
        publish = self._write if "transports" in self.way else self.relay.publish
        if "messages" in self.way:
            for begin, end in itertools.pairwise((0, *frame_ends(frames))):
                publish(station_id, frames[begin:end])
        else:
            publish(station_id, frames)

    def _write(self, station_id: str, frames: bytes) -> None:
        size, most = len(frames), self.caster.limits.queue_bytes
        for rover in self.caster._connections:
            if rover.station_id == station_id:
                transport = rover.transport
                if transport.get_write_buffer_size() + size > most:
                    transport.abort()
                else:
                    transport.write(frames)


async def _ours(pipe: Connection, ports: list[int], limits: CasterLimits) -> None:
    prepare()
    send_kernel.prepare()
    ours = Ours()
    stations = [Station(id=f"S{i:03d}", name=f"S{i:03d}") for i in range(len(ports))]
    ours.caster = caster = Caster(ours.relay, lambda: stations, now_us, limits=limits)
    await caster.start("127.0.0.1", 0)
    tasks, hall = [], Hall(now_us)
    for station, port in zip(stations, ports, strict=True):
        state = StreamState(station.id, "tcp", "")
        intake = StationIntake(station.id, Nowhere(), ours.take, state)
        config = tcp.TcpConfig(host="127.0.0.1", port=port, stall_s=600)
        tasks.append(asyncio.create_task(tcp.run(config, intake, state, hall=hall, clock_us=now_us)))
    await asyncio.sleep(1.0)
    patience = Patience()
    patience.begin()
    pipe.send(caster.port)
    ended = asyncio.Event()

    def heard() -> None:
        try:
            asked = pipe.recv()
        except EOFError:  # who measures is gone
            asked = "stop"
        match asked:
            case "stop":
                ended.set()
            case ("way", way):
                ours.way = way
            case "collect":
                gc.collect()
                pipe.send("collected")
            case _:
                relayed = ours.relay.counters
                pipe.send(
                    used()
                    | {
                        "rovers": relayed.rovers,
                        "left_out": relayed.left_out,
                        "cut": relayed.cut,
                        "sent": relayed.epochs_out,
                        "connections": caster.counters.connections,
                        "refused": dict(caster.counters.refused),
                    }
                )

    asyncio.get_running_loop().add_reader(pipe.fileno(), heard)
    await ended.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await caster.stop()


def ours(pipe: Connection, core: int | None, ports: list[int], limits: CasterLimits) -> None:
    """Serve until it is said to stop."""
    if core is not None:
        os.sched_setaffinity(0, {core})
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_ours(pipe, ports, limits))


def bare(pipe: Connection, core: int | None, rovers: int, epochs: int) -> None:
    """Accept so many rovers, then send them so many epochs, one a second."""
    if core is not None:
        os.sched_setaffinity(0, {core})
    send_kernel.prepare()
    whole(0)
    sockets: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as server:
        pipe.send(server.getsockname()[1])
        while len(sockets) < rovers:
            sockets.append(server.accept()[0])
            sockets[-1].settimeout(10.0)
            sockets[-1].recv(1000)
            sockets[-1].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sockets[-1].send(b"ICY 200 OK\r\n\r\n")
            sockets[-1].setblocking(False)
    numbers = np.array([one.fileno() for one in sockets], np.int32)
    pipe.recv()
    before = used()
    begin_s, short = time.monotonic(), 0
    for k in range(epochs):
        time.sleep(max(begin_s + k - time.monotonic(), 0))
        short += len(send_kernel.send_all(numbers, whole(k)))
    after = used()
    time.sleep(1.0)
    pipe.send({"cpu_s": after["cpu_s"] - before["cpu_s"], "short": short})
    pipe.recv()
