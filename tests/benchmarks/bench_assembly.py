"""How long bytes of many stations take to become epochs, on one core, with the slow twin beside.

`python -m tests.benchmarks.bench_assembly` plays a recording of the folder that GROUNDSWELL_TEST_DATA names
as many stations that are at different places in it; without it, its own MSM7 stream. Each call gets one chunk
with one whole epoch from each station. The last line is one JSON object.
"""

from __future__ import annotations

import json
import os
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from deploy import kernel_cache

kernel_cache.use()

from gnss.assembly.table import Chunk, EpochTable  # noqa: E402
from gnss.capture import epochs  # noqa: E402
from gnss.rtcm.framing import find_frames  # noqa: E402
from gnss.rtcm.msm import decode_msm  # noqa: E402
from tests.benchmarks.bench_decode import RECORDING, best_s, own_stream  # noqa: E402
from tests.gnss.slow_assembler import EpochAssembler  # noqa: E402

STATIONS = (1, 100, 1_000, 4_000)
STATION_EPOCHS = 40_000
SLOW_EPOCHS = 1_000
REFERENCE_US = 1_554_595_200_000_000
SECOND_US = 1_000_000
WANTED = (1005, 1006, 1008, 1013, 1019, 1020, 1033, 1044, 1045, 1230)


def whole_epochs() -> list[bytes]:
    folder = os.environ.get("GROUNDSWELL_TEST_DATA")
    stream = (Path(folder) / RECORDING).read_bytes() if folder else own_stream()
    begins = [epoch.begin for epoch in epochs(stream, REFERENCE_US)]
    return [stream[i:j] for i, j in pairwise(begins)]


def table_us(pieces: list[bytes], stations: int) -> tuple[float, float]:
    """Return the shortest and the middle time for each station-epoch in us."""
    table, times = EpochTable(wanted=WANTED), []
    for k in range(max(STATION_EPOCHS // stations, 8)):
        received_us = REFERENCE_US + k * SECOND_US
        batch = [Chunk(i, pieces[(k + 37 * i) % len(pieces)], received_us, None) for i in range(stations)]
        begin = time.perf_counter()
        assembled = table.feed(batch)
        times.append(time.perf_counter() - begin)
        # places differ, so that at the recording's end times go back; but for these all epochs are told
        assert k + 37 * stations > len(pieces) or len(assembled.epochs) == stations
    return 1e6 * min(times) / stations, 1e6 * sorted(times)[len(times) // 2] / stations


def slow_us(pieces: list[bytes]) -> float:
    assembler = EpochAssembler()
    begin = time.perf_counter()
    for k, piece in enumerate(pieces[:SLOW_EPOCHS]):
        assembler.feed(piece, received_at_us=REFERENCE_US + k * SECOND_US, reference_us=None)
    return 1e6 * (time.perf_counter() - begin) / min(len(pieces), SLOW_EPOCHS)


def main() -> None:
    """Measure and print."""
    pieces = whole_epochs()
    buffer = np.frombuffer(b"".join(pieces), np.uint8)
    index = find_frames(buffer, final=True)
    framing_us = 1e6 * best_s(lambda: find_frames(buffer, final=True), 20) / len(pieces)
    decoding_us = 1e6 * best_s(lambda: decode_msm(buffer, index.start, index.length), 20) / len(pieces)
    slow_us(pieces[:10])  # warm
    slow = slow_us(pieces)
    table_us(pieces, 10)
    told = {stations: table_us(pieces, stations) for stations in STATIONS}
    view = Table(
        title=f"{len(buffer) / len(pieces):.0f} bytes and {len(index) / len(pieces):.1f} frames each"
    )
    for heading in ("", "us for each station-epoch", "middle of all calls", "slow twin / this"):
        view.add_column(heading, justify="left" if not heading else "right")
    for stations, (best, middle) in told.items():
        name = f"{stations:,} stations in a call"
        view.add_row(name, f"{best:.2f}", f"{middle:.2f}", f"{slow / best:,.0f}")
    view.add_row("slow twin", f"{slow:.1f}", "", "")
    view.add_row("framing and CRC alone", f"{framing_us:.2f}", "", "")
    view.add_row("headers and cells alone", f"{decoding_us:.2f}", "", "")
    Console(width=100).print(view)
    figures = {f"us_{stations}": round(best, 2) for stations, (best, _) in told.items()}
    figures |= {"us_slow": round(slow, 1), "us_framing": round(framing_us, 2)}
    print(json.dumps(figures | {"us_decoding": round(decoding_us, 2)}))


if __name__ == "__main__":
    main()
