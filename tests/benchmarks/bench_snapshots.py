"""How large the state of 4,000 judged stations is, and how long writing and restoring it takes.

`python -m tests.benchmarks.bench_snapshots [--stations N] [--seconds S]`. Stations of a simulated network
(five-system MSM7) are judged for S seconds by the tasks of the group `score`, one a partition; then each
task's snapshot is made, packed and written to a real Kafka, read back and restored. The last line is one JSON
object: MB of all tasks plain and packed, seconds of all tasks one after the other, and of the slowest one how
long its worker stands still for it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from deploy.registry import Registry
from deploy.settings import Settings
from deploy.warm_up import warm_up
from gnss.simulate import simulated_network
from sensors.model import Station
from streams import codec
from streams.kafka import admin, snapshots
from streams.kafka.output import Output
from streams.kafka.tasks import SCORE, Task
from streams.partitions import split
from streams.pipeline import Pipeline
from streams.processors.score_stations import ScoreStations
from streams.records import RawBatch, RawChunk
from streams.topics import RAW, SNAPSHOTS, partition_of
from tests.servers import kafka_server

T0_US = 1_790_000_000_000_000


def fresh(stations: list[Station], partition: int) -> Task:
    """Return a task with the stations of its partition."""
    own = [one for one in stations if partition_of(one.id, RAW) == partition]
    return Task(SCORE, partition, Pipeline([ScoreStations(own)]))


def judged(n: int, seconds: int) -> tuple[list[Station], dict[int, Task]]:
    """Return tasks that have judged a network."""
    stations = [Station(id=f"S{k:04d}", name=f"S{k:04d}") for k in range(n)]
    tasks = {partition: fresh(stations, partition) for partition in range(RAW.partitions)}
    times = [T0_US + k * 1_000_000 for k in range(seconds)]
    for k, sent in enumerate(simulated_network(n, times, 1)):
        chunks = [
            RawChunk(station_id=station.id, payload=payload, received_at_us=times[k] + 300_000)
            for station, (_, payload) in zip(stations, sent, strict=True)
        ]
        for partition, part in split(RawBatch(chunks=chunks), RAW, str).items():
            task = tasks[partition]
            task.take(RAW.name, k, codec.encode(part))
            assert not task.failures()
    return stations, tasks


async def measured(folder: Path, given: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Return the figures."""
    with console.status(f"{given.stations} stations for {given.seconds} s"):
        stations, tasks = judged(given.stations, given.seconds)
    plain = packed = 0
    still_s, written_s, restored_s, back_s = [], [], [], []
    with kafka_server(folder / "kafka") as kafka:
        await admin.apply(kafka.access, topics=(SNAPSHOTS,))
        output = Output(kafka.access, "bench")
        for task in tasks.values():
            begin_s = time.perf_counter()
            chunks = task.snapshot()
            still_s.append(time.perf_counter() - begin_s)
            mark = snapshots.Mark("bench", 1, task.taken)
            made = snapshots.messages(task.name, task.partition, mark, chunks, SNAPSHOTS.name)
            await output.send(made)
            written_s.append(time.perf_counter() - begin_s)
            plain += sum(map(len, chunks))
            packed += sum(len(one.value) for one in made)
        await output.close()
        for task in tasks.values():
            begin_s = time.perf_counter()
            async for _, found in snapshots.read(kafka.access, SNAPSHOTS.name, {task.name: task.partition}):
                assert found.chunks is not None
                again, read_s = fresh(stations, task.partition), time.perf_counter()
                again.restore(found.chunks)
                back_s.append(time.perf_counter() - read_s)
            restored_s.append(time.perf_counter() - begin_s)
            assert again.next_offset == task.next_offset
    return {
        "state_mb": round(plain / 1e6, 1),
        "packed_mb": round(packed / 1e6, 1),
        "write_s": round(sum(written_s), 2),
        "restore_s": round(sum(restored_s), 2),
        "task_still_s": round(max(still_s), 3),
        "task_restore_s": round(max(back_s), 3),
    }


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--stations", type=int, default=4000)
    parser.add_argument("--seconds", type=int, default=70)
    given = parser.parse_args()
    console = Console(stderr=True)
    warm_up(Registry.of(Settings()), console)
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(measured(Path(folder), given, console))
    print(json.dumps({"stations": given.stations} | figures))


if __name__ == "__main__":
    main()
