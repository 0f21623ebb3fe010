"""What it costs to decode and judge a network's epochs on one core, with RTKLIB and gnssmultipath beside it.

`python -m tests.benchmarks.bench_quality` feeds the processor `score_stations`, as the program does, with one
whole epoch of five-system MSM7 of each station a second: a simulated network with ephemerides (16 places,
their frames re-stamped for others), so that elevations, expected signals and positions are judged too. The
networks take turns of ten seconds, whose bytes are made before, so that a host which is slow for a while is
slow for all of them, and the simulator is not what fills the caches between two calls. With
GROUNDSWELL_TEST_DATA also a recording, the same for all stations, which has fewer signals.

The peers do less: convbin decodes and writes RINEX, gnssmultipath reads a RINEX file and judges multipath and
slips. Times are of the processor (CPU), mean and median of the seconds of a minute. The last line is one JSON
object.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from deploy.registry import Registry
from deploy.settings import Settings
from deploy.warm_up import warm_up
from gnss import capture
from gnss.quality import memory, message_set, period_memory
from gnss.simulate import simulated_network
from sensors.model import Station
from streams.processors.score_stations import ScoreStations
from streams.records import RawBatch, RawChunk, StationReport, StationReports

RECORDING = "rtcm3/swift/week-rollover-STR17.rtcm3"
STR17_US = 1_554_594_600_000_000
SIMULATED_US = 1_790_000_000_000_000
NETWORKS = (100, 1_000, 4_000)
WARM_S, MEASURED_S = 70, 60
"""The window of a minute is full before anything is measured."""
AT_ONCE_S = 10
Seconds = Iterator[tuple[int, list[bytes]]]
"""Time and the bytes of each station."""
OPEC = (
    "qc/OPEC00NOR_S_20220010000_01D_30S_MO_3.04_croped.rnx.gz",
    "qc/OPEC00NOR_S_20220010000_01D_GN.rnx.gz",
)


def recorded_seconds(folder: str) -> list[tuple[int, bytes]]:
    """Return time and bytes of the epochs of one station."""
    data = (Path(folder) / RECORDING).read_bytes()[:600_000]
    pieces = list(capture.split_for_replay(data, STR17_US))
    return [(t, payload) for t, payload in pieces if t is not None][: WARM_S + MEASURED_S]


def recorded(n: int, seconds: list[tuple[int, bytes]]) -> Seconds:
    """Give the same bytes for each of `n` stations."""
    for t_us, payload in seconds:
        yield t_us, [payload] * n


def simulated(n: int) -> Seconds:
    """Give the bytes of `n` stations under one sky."""
    times = [SIMULATED_US + k * 1_000_000 for k in range(WARM_S + MEASURED_S)]
    for t_us, sent in zip(times, simulated_network(n, times, 1), strict=True):
        yield t_us, [payload for _, payload in sent]


class Network:
    """A network of stations and the processor that judges it."""

    def __init__(self, title: str, n: int, seconds: Seconds) -> None:
        self.title, self.n = title, n
        self._seconds = seconds
        self._names = [f"S{k:04d}" for k in range(n)]
        self._processor = ScoreStations([Station(id=name, name=name) for name in self._names])
        self._second = self._reports = 0
        self._last: list[StationReport] = []
        self.wall_us: list[float] = []
        self.cpu_us: list[float] = []
        """Of a station-epoch, second by second."""

    def run(self) -> None:
        """Make the bytes of some seconds, then judge them."""
        for t_us, payloads in list(itertools.islice(self._seconds, AT_ONCE_S)):
            received_us = t_us + 300_000
            batch = RawBatch(
                chunks=[
                    RawChunk(station_id=name, payload=payload, received_at_us=received_us)
                    for name, payload in zip(self._names, payloads, strict=True)
                ]
            )
            begin, begin_cpu = time.perf_counter(), time.process_time()
            outputs = self._processor.on_batch(batch)
            outputs = [*outputs, *self._processor.on_time(t_us + 350_000)]
            cpu, wall = time.process_time() - begin_cpu, time.perf_counter() - begin
            if self._second >= WARM_S:
                self.wall_us.append(wall / self.n * 1e6)
                self.cpu_us.append(cpu / self.n * 1e6)
            self._second += 1
            self._last = [r for out in outputs if isinstance(out, StationReports) for r in out.reports]
            self._reports += len(self._last)

    def state(self) -> str:
        """Return in words what was judged, after all of it was."""
        assert self._reports == self.n * (WARM_S + MEASURED_S), "an epoch was not judged"
        signals = sum(r.observations for r in self._last) / self.n
        states = Counter(r.state for r in self._last).most_common()
        held = ", ".join(f"{count:,} {state}" for state, count in states)
        return f"{self.title}, {self.n:,} stations ({signals:.0f} signals; {held})"


def convbin_us(payload: bytes, epochs: int) -> float | None:
    """Return us for an epoch that RTKLIB decodes and writes as RINEX."""
    program = shutil.which("convbin")
    if program is None:
        return None
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "stream.rtcm3"
        source.write_bytes(payload)
        options = ["-r", "rtcm3", "-tr", "2019/04/06", "23:50:00", "-v", "3.04", "-os", "-od"]
        command = [program, *options, "-o", f"{name}/obs", "-n", f"{name}/nav", str(source)]
        times = []
        for _ in range(3):
            begin = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            times.append(time.perf_counter() - begin)
    return min(times) / epochs * 1e6


def gnssmultipath_us(folder: str | None) -> float | None:
    """Return us for an epoch of one system (440 epochs of GPS) that gnssmultipath reads and judges."""
    if folder is None:
        return None
    from gnssmultipath import GNSS_MultipathAnalysis

    with tempfile.TemporaryDirectory() as name:
        import gzip

        files = []
        for part in OPEC:
            plain = Path(name) / Path(part).name.removesuffix(".gz")
            plain.write_bytes(gzip.decompress((Path(folder) / part).read_bytes()))
            files.append(str(plain))
        begin = time.perf_counter()
        with Path(os.devnull).open("w") as nowhere:
            import contextlib

            with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
                GNSS_MultipathAnalysis(
                    files[0], broadcastNav1=files[1], desiredGNSSsystems=["G"], plotEstimates=False,
                    save_results_as_pickle=False, write_results_to_csv=False, outputDir=name,
                )  # fmt: skip
        return (time.perf_counter() - begin) / 440 * 1e6


def main() -> None:
    """Measure and print."""
    folder = os.environ.get("GROUNDSWELL_TEST_DATA")
    begin = time.perf_counter()
    warm_up(Registry.of(Settings()), Console(stderr=True))  # as a service does before it takes anything
    first_s = time.perf_counter() - begin
    networks = [Network("simulated network", n, simulated(n)) for n in NETWORKS]
    if folder:
        recording = recorded_seconds(folder)
        networks.append(Network("recording", NETWORKS[-1], recorded(NETWORKS[-1], recording)))
        payloads = [payload for _, payload in recording]
    else:
        payloads = [payloads[0] for _, payloads in simulated(1)]
    for _ in track(range((WARM_S + MEASURED_S) // AT_ONCE_S), "judging", console=Console(stderr=True)):
        for network in networks:
            network.run()
    table = Table(title="Decode and judge, one core")
    for heading in ("", "us a station-epoch", "CPU", "median", "station-epochs a second"):
        table.add_column(heading, justify="right" if heading else "left")
    mean_us, median_us = {}, {}
    for network in networks:
        key = "recording" if network.title == "recording" else str(network.n)
        wall_us = statistics.mean(network.wall_us)
        mean_us[key] = round(statistics.mean(network.cpu_us), 1)
        median_us[key] = round(statistics.median(network.cpu_us), 1)
        row = f"{wall_us:.1f}", f"{mean_us[key]}", f"{median_us[key]}", f"{1e6 / wall_us:,.0f}"
        table.add_row(network.state(), *row)
    peers = {
        "convbin: decodes to RINEX": convbin_us(b"".join(payloads), len(payloads)),
        "gnssmultipath: reads RINEX, GPS only": gnssmultipath_us(folder),
    }
    for name, us in peers.items():
        if us is not None:
            table.add_row(name, f"{us:,.0f}", "", "", f"{1e6 / us:,.0f}")
    console = Console(width=110)
    console.print(table)
    console.print(f"warm-up, kernels from the cache or compiled: {first_s:.1f} s")
    of_sizes = [median_us[str(n)] for n in NETWORKS]
    print(
        json.dumps(
            {
                "us_per_station_epoch": mean_us[str(NETWORKS[-1])],
                "us_by_stations": mean_us,
                "median_us_by_stations": median_us,
                "growth": round(of_sizes[-1] / of_sizes[0] - 1, 3),
                "spread": round(max(of_sizes) / min(of_sizes) - 1, 3),
                "state_bytes_per_station": sum(
                    room.BYTES_A_STATION for room in (memory, message_set, period_memory)
                ),
                "convbin_us": None if peers["convbin: decodes to RINEX"] is None
                else round(peers["convbin: decodes to RINEX"], 1),
                "gnssmultipath_us": None if peers["gnssmultipath: reads RINEX, GPS only"] is None
                else round(peers["gnssmultipath: reads RINEX, GPS only"], 1),
            }
        )
    )  # fmt: skip


if __name__ == "__main__":
    main()
