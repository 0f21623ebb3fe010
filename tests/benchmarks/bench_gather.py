"""Stations pulled over NTRIP by one `groundswell gather`, each epoch in eight writes: what it costs.

`python -m tests.benchmarks.bench_gather [STATIONS [SECONDS]]`. The gatherer is the whole one: it publishes to
a real Kafka, keeps the raw archive and serves rovers, of which a few tell how long epochs are on their way
from the first of their writes. Half of the streams come in chunks (NTRIP 2). In the middle the caster goes
away for 5 s. Beside it RTKLIB's str2str pulls a few of the same streams, a process each. The last line is one
JSON object.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

import numpy as np
from rich.console import Console

from gnss.rtcm.framing import find_frames
from streams.kafka import admin
from tests.benchmarks.gather_caster import PEERS, STAMP
from tests.benchmarks.processes import family, started, told
from tests.program import GROUNDSWELL, free_port
from tests.servers import kafka_server

STATIONS, SECONDS = 4_000, 60
CONNECT_S = 28
"""Before the first epoch."""
AWAY_S = 5
ROVERS = 20
CONFIG = """
[kafka]
servers = "{kafka}"
[server]
ntrip = "127.0.0.1:{ntrip}"
"""
STATION = """[[station]]
id = "S{k:04d}"
source = "ntrip://127.0.0.1:{port}/S{k}"
version = "{version}"
"""


class Rover(threading.Thread):
    """Follows one station, and notes how long each epoch was on its way."""

    def __init__(self, port: int, station: str) -> None:
        super().__init__(daemon=True)
        self.port, self.station = port, station
        self.delays_s: list[float] = []

    def run(self) -> None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)) as sock:
            sock.sendall(f"GET /{self.station} HTTP/1.0\r\nUser-Agent: NTRIP bench\r\n\r\n".encode())
            held = b""
            while data := sock.recv(65_536):
                arrived_ns, held = time.monotonic_ns(), held + data
                index = find_frames(np.frombuffer(held, np.uint8))
                for start in index.start.tolist():
                    if held[start + 3 : start + 5] == STAMP:
                        began_ns = int.from_bytes(held[start + 5 : start + 13], "big")
                        self.delays_s.append((arrived_ns - began_ns) / 1e9)
                held = held[index.consumed :]


def main() -> None:
    stations, seconds = (
        int(sys.argv[i]) if len(sys.argv) > i else default for i, default in ((1, STATIONS), (2, SECONDS))
    )
    console = Console(stderr=True)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        kafka = stack.enter_context(kafka_server(folder / "kafka"))
        asyncio.run(admin.apply(kafka.access))
        ntrip, http, port, config = free_port(), free_port(), free_port(), folder / "groundswell.toml"
        config.write_text(
            CONFIG.format(kafka=kafka.bootstrap, ntrip=ntrip)
            + "".join(STATION.format(k=k, port=port, version=1 + k % 2) for k in range(stations))
        )
        first_us = str(int(time.time() + CONNECT_S) * 1_000_000)
        caster = subprocess.Popen(
            (
                *(sys.executable, "-m", "tests.benchmarks.gather_caster", str(port), str(stations + PEERS)),
                *(first_us, str(2 * seconds + 40), str(seconds + 2), str(AWAY_S)),
            ),
            stdout=subprocess.PIPE,
        )
        stack.callback(caster.kill)
        command = (
            *(str(GROUNDSWELL), "gather", "--config", str(config), "--data", str(folder / "data")),
            *("--http", f"127.0.0.1:{http}"),
        )
        gather = stack.enter_context(started(folder, "gather", *command))
        with console.status("connections are made"):
            time.sleep(max(int(first_us) / 1e6 - time.time(), 0))
        peers = [
            stack.enter_context(
                started(
                    folder,
                    f"peer {k}",
                    *("str2str", "-in", f"ntrip://127.0.0.1:{port}/S{stations + k}#rtcm3"),
                    *("-out", str(folder / f"peer{k}.rtcm3")),
                )
            )
            for k in range(PEERS)
        ]
        rovers = [Rover(ntrip, f"S{k * (stations // ROVERS):04d}") for k in range(ROVERS)]
        for rover in rovers:
            rover.start()
        time.sleep(2)
        before, begin_s = family(gather.pid), time.monotonic()
        peers_before = sum(family(peer.pid) for peer in peers)
        with console.status(f"{stations:,} stations for {seconds} s"):
            time.sleep(seconds)
        used, took_s = family(gather.pid) - before, time.monotonic() - begin_s
        peers_used = sum(family(peer.pid) for peer in peers) - peers_before
        copied = sum((folder / f"peer{k}.rtcm3").stat().st_size for k in range(PEERS))
        delays = sorted(delay for rover in rovers for delay in rover.delays_s[2:])
        with console.status("the caster goes away, and comes back"):
            ledger = told(caster)
        found = figures(http)
        rss = memory_mb(gather.pid)
        log = (folder / "gather.log").read_text()
        if "error" in log or "Traceback" in log:
            console.print(log[-3000:])
    name = "groundswell_stream_received_bytes_total"
    received = {each: value for each, value in found.items() if each.startswith(name)}
    print(
        json.dumps(
            {
                "stations": stations,
                "seconds": seconds,
                "followed": ledger["followed"],
                "cpu": round(used / took_s, 3),
                "us_per_epoch": round(used / took_s / stations * 1e6, 1),
                "us_per_epoch_str2str": round(peers_used / took_s / PEERS * 1e6, 1),
                "ratio_str2str": round(peers_used / PEERS / (used / stations), 1),
                "str2str_bytes": copied,
                "lost_bytes": ledger["bytes"] - int(sum(received.values())),
                "fewest_bytes_of_a_stream": int(min(received.values(), default=0)),
                "bad": int(sum(v for name, v in found.items() if "bad" in name and "stream" in name)),
                "p50_ms": round(1e3 * delays[len(delays) // 2], 1) if delays else None,
                "p99_ms": round(1e3 * delays[int(len(delays) * 0.99)], 1) if delays else None,
                "all_back_after_s": ledger["all_back_after_s"],
                "caster_late_s": ledger["late_s"],
                "rss_mb": rss,
            }
        )
    )


def figures(http: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{http}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line[:1] != "#"}


def memory_mb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    (resident,) = (line.split()[1] for line in status if line.startswith("VmRSS"))
    return int(resident) // 1024


if __name__ == "__main__":
    main()
