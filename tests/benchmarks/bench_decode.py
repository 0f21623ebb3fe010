"""How fast RTCM becomes columns of observations on one core, with pyrtcm and RTKLIB's convbin beside it.

`python -m tests.benchmarks.bench_decode` reads a recording of the folder that GROUNDSWELL_TEST_DATA names;
without it, it encodes its own MSM7 stream. The last line is one JSON object.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
from pyrtcm import RTCMReader
from rich.console import Console
from rich.table import Table

from gnss.observations import Observations
from gnss.rtcm.framing import build_frame, find_frames
from gnss.rtcm.msm import decode_msm
from gnss.rtcm.msm_encode import encode_msm
from gnss.systems import System

RECORDING = "rtcm3/swift/week-rollover-STR17.rtcm3"
REPEATS = 50
PEER_REPEATS = 3
PYRTCM_BYTES = 250_000
OWN_EPOCHS = 1000
SHAPES = {System.GPS: (2, 10, 16, 23), System.GLONASS: (2, 3, 8, 9), System.GALILEO: (2, 15, 19, 23)}
SHAPES |= {System.QZSS: (2, 16, 23), System.BEIDOU: (2, 8, 14)}


def own_stream() -> bytes:
    """Return an MSM7 stream of five systems at 1 Hz, ten satellites each."""
    random = np.random.default_rng(0)
    frames = []
    for epoch in range(OWN_EPOCHS):
        for system, signals in SHAPES.items():
            n = 10 * len(signals)
            range_m = np.repeat(random.uniform(2.0e7, 3.5e7, 10), len(signals)) + random.normal(0, 3, n)
            columns = Observations(
                row=np.zeros(n, np.int32),
                system=np.full(n, system, np.uint8),
                satellite=np.repeat(np.arange(1, 11, dtype=np.uint8), len(signals)),
                signal=np.tile(np.array(signals, np.uint8), 10),
                range_m=range_m,
                phase_m=range_m + random.normal(0, 30, n),
                rate_m_s=np.repeat(random.uniform(-800, 800, 10), len(signals)) + random.normal(0, 0.1, n),
                cn0_dbhz=random.uniform(25, 55, n),
                lock_ms=np.full(n, epoch * 1000, np.int32),
                lock_indicator=np.full(n, -1, np.int16),
                half_cycle=np.zeros(n, np.uint8),
                flags=np.zeros(n, np.uint8),
                channel=np.zeros(n, np.int8),
            )
            more = system is not System.BEIDOU
            frames.append(build_frame(encode_msm(1077 + 10 * system, 1, epoch * 1000, more, columns)))
    return b"".join(frames)


def best_s(work: Callable[[], object], repeats: int) -> float:
    """Return the shortest of several runs."""
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return min(times)


def parse_with_pyrtcm(stream: bytes) -> int:
    return sum(1 for _, message in RTCMReader(BytesIO(stream)) if message is not None)


def convbin_command(program: str, source: Path, folder: Path) -> list[str]:
    options = ["-r", "rtcm3", "-tr", "2019/04/06", "23:50:00", "-v", "3.04", "-os", "-od"]
    return [program, *options, "-o", str(folder / "obs"), "-n", str(folder / "nav"), str(source)]


def main() -> None:
    """Measure and print."""
    folder = os.environ.get("GROUNDSWELL_TEST_DATA")
    stream = (Path(folder) / RECORDING).read_bytes() if folder else own_stream()
    buffer = np.frombuffer(stream, np.uint8)
    index = find_frames(buffer, final=True)
    frames, seen = decode_msm(buffer, index.start, index.length)

    def decode() -> None:
        found = find_frames(buffer, final=True)
        decode_msm(buffer, found.start, found.length)

    megabytes = len(stream) / 1e6
    ours = megabytes / best_s(decode, REPEATS)
    framing = megabytes / best_s(lambda: find_frames(buffer, final=True), REPEATS)
    part = stream[: int(index.start[np.searchsorted(index.start, min(PYRTCM_BYTES, len(stream) - 1)) - 1])]
    pyrtcm = len(part) / 1e6 / best_s(lambda: parse_with_pyrtcm(part), PEER_REPEATS)

    program = shutil.which("convbin")
    convbin = None
    if program:
        with tempfile.TemporaryDirectory() as name:
            source = Path(name) / "stream.rtcm3"
            source.write_bytes(stream)
            command = convbin_command(program, source, Path(name))

            def run_convbin() -> None:
                subprocess.run(command, check=True, capture_output=True)

            convbin = megabytes / best_s(run_convbin, PEER_REPEATS)

    table = Table(
        title=f"{RECORDING if folder else 'own MSM7 stream'}: {megabytes:.1f} MB, {len(frames)} MSM"
    )
    for heading in ("program", "MB/s", "messages/s", "ours is faster by"):
        table.add_column(heading, justify="left" if heading == "program" else "right")
    rows = [("groundswell, to columns", ours), ("groundswell, frames and CRC", framing), ("pyrtcm", pyrtcm)]
    rows += [("convbin, to RINEX", convbin)] if convbin else []
    for program_name, speed in rows:
        messages = f"{speed / megabytes * len(index):,.0f}"
        faster = f"{ours / speed:,.0f} times" if speed < ours else ""
        table.add_row(program_name, f"{speed:,.2f}", messages, faster)
    console = Console(width=100)
    console.print(table)
    console.print(
        f"{len(seen):,} observations, {1e3 * megabytes / ours / len(seen) * 1e6:.1f} ns each, one core"
    )
    figures = {
        "mb_per_s": round(ours, 1),
        "ratio_pyrtcm": round(ours / pyrtcm, 1),
        "ratio_convbin": round(ours / convbin, 1) if convbin else None,
        "frame_mb_per_s": round(framing, 1),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
