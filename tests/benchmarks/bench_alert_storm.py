"""A great event: thousands of alerts are open, and a thousand more steps come within seconds.

`python -m tests.benchmarks.bench_alert_storm [--open N] [--steps N] [--seconds S] [--limit S]`. A worker of
the program over a real Kafka has N open alerts with evidence of a tide gauge's size; then each step is a
message of its own, within S seconds, and once more within a minute, in which a whole snapshot is written.
Beside it, on the same broker, a bare transactional producer writes messages of the same size for the same
input and keeps nothing. The last line is one JSON object: bytes written to `snapshots` during each storm,
seconds from a detection's sending to its alert, the worker's largest memory, and the seconds in which another
worker would have the state back.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from rich.console import Console

from deploy.partitioning import pipeline
from deploy.registry import Registry
from deploy.settings_file import load
from streams import codec
from streams.kafka import admin, snapshots
from streams.kafka.access import Access
from streams.kafka.tasks import ALERT, Task
from streams.records import AlertTransitions, Detection, Detections, Tick
from streams.topics import ALERTS, ALL_TOPICS, CALL_RECEIPTS, DETECTIONS, SNAPSHOTS, Topic
from tests.benchmarks.processes import started
from tests.program import GROUNDSWELL
from tests.servers import kafka_server

PREFIX = "storm."
PEER = Topic("peer", Detections, "site_id", partitions=1)
"""Where the bare producer writes to."""
CONFIG = '[kafka]\nservers = "{kafka}"\nprefix = "storm."\n'
AT_ONCE = 100
"""Of a message before the storm."""
SNAPSHOT_S = 65.0
"""A worker writes its whole state within so long."""
WINDOW = 60
"""Samples in the evidence."""


def detection(number: int, level: str, random: np.random.Generator) -> Detection:
    """Return what a detector of a tide gauge finds; no two have the same evidence."""
    now_us = int(time.time() * 1e6)
    time_us = [now_us - 60_000_000 * k for k in range(WINDOW, 0, -1)]
    columns = {
        name: np.round(random.normal(size=WINDOW), 4).tolist() for name in ("value", "trend", "residual")
    }
    return Detection(
        detector="sea_level", version="1", subject_id=f"G{number:06d}.level",
        phase="begin" if level == "yellow" else "update", level=level,  # type: ignore[arg-type]
        onset_us=1_790_000_000_000_000 + number, at_us=now_us, detected_at_us=now_us,
        title=f"Sea level 0.37 m above the tide at G{number:06d}", value=0.37, threshold=0.25, unit="m",
        evidence={
            "formula": "residual = level - trend; 3 of 5 samples beyond the threshold " * 6,
            "parameters": {f"parameter_{k}": k * 0.5 for k in range(12)},
            "window": {"time_us": time_us, **columns},
        },
    )  # fmt: skip


@dataclass
class Watch:
    """When what was sent, and when it came back."""

    sent_s: dict[str, float] = field(default_factory=dict)
    came_s: dict[str, float] = field(default_factory=dict)

    def begin(self) -> None:
        """Forget all."""
        self.sent_s.clear()
        self.came_s.clear()

    @property
    def is_whole(self) -> bool:
        """Whether all came back."""
        return len(self.came_s) == len(self.sent_s)

    def figures(self) -> dict[str, Any]:
        """Return how long it took."""
        took = [self.came_s[name] - at for name, at in self.sent_s.items() if name in self.came_s]
        told: dict[str, Any] = {"steps": len(self.sent_s), "missing": len(self.sent_s) - len(took)}
        if took:
            p50, p99, most = np.quantile(took, (0.5, 0.99, 1.0))
            told |= {"p50_s": round(p50, 3), "p99_s": round(p99, 3), "max_s": round(most, 3)}
        return told


@contextlib.asynccontextmanager
async def listening(servers: str, topic: str, take: Callable[[ConsumerRecord], None]) -> AsyncIterator[None]:
    """Read what comes to a topic from now on."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=servers, isolation_level="read_committed", fetch_max_wait_ms=50
    )
    await consumer.start()
    partition = TopicPartition(topic, 0)
    consumer.assign([partition])
    await consumer.seek_to_end()

    async def read() -> None:
        async for record in consumer:
            take(record)

    reading = asyncio.create_task(read())
    try:
        yield
    finally:
        reading.cancel()
        await consumer.stop()


async def bare(servers: str) -> None:
    """Write a message for each of those that come, all that came together in one transaction."""
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, fetch_max_wait_ms=50)
    producer = AIOKafkaProducer(bootstrap_servers=servers, transactional_id="storm-peer", acks="all")
    await consumer.start()
    await producer.start()
    consumer.assign([TopicPartition(PREFIX + DETECTIONS.name, 0)])
    await consumer.seek_to_end()
    try:
        while True:
            found = [one for some in (await consumer.getmany(timeout_ms=500)).values() for one in some]
            if found:
                async with producer.transaction():
                    sent = [await producer.send(PREFIX + PEER.name, one.value, partition=0) for one in found]
                    await asyncio.gather(*sent)
    finally:
        await producer.stop()
        await consumer.stop()


def memory_mb(pid: int) -> int:
    """Return the largest memory that a process has had."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) // 1024


async def send(producer: AIOKafkaProducer, found: Sequence[Detection]) -> None:
    await producer.send(
        PREFIX + DETECTIONS.name, codec.encode(Detections(detections=list(found))), partition=0
    )


async def tick(producer: AIOKafkaProducer) -> None:
    """Let time pass, as who carries calls out does."""
    while True:
        await producer.send(
            PREFIX + CALL_RECEIPTS.name, codec.encode(Tick(now_us=int(time.time() * 1e6))), partition=0
        )
        await asyncio.sleep(1)


async def until(limit_s: float, is_so: Callable[[], bool]) -> None:
    """Wait for something, but not for ever."""
    end = time.monotonic() + limit_s
    while not is_so() and time.monotonic() < end:
        await asyncio.sleep(0.05)


async def storm(servers: str, pid: int, given: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Let it come; return figures."""
    random = np.random.default_rng(1)
    program, peer, written = Watch(), Watch(), [0]
    opened = [0]

    def alert(record: ConsumerRecord) -> None:
        now_s, batch = time.monotonic(), codec.decode(record.value)
        assert isinstance(batch, AlertTransitions)
        for step in batch.transitions:
            opened[0] += step.change == "opened"
            if step.change == "level":
                program.came_s.setdefault(step.subject_id, now_s)

    def copied(record: ConsumerRecord) -> None:
        now_s, batch = time.monotonic(), codec.decode(record.value)
        assert isinstance(batch, Detections)
        for one in batch.detections:
            peer.came_s.setdefault(one.subject_id, now_s)

    def kept(record: ConsumerRecord) -> None:
        written[0] += len(record.key or b"") + len(record.value or b"")

    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(listening(servers, PREFIX + ALERTS.name, alert))
        await stack.enter_async_context(listening(servers, PREFIX + SNAPSHOTS.name, kept))
        await stack.enter_async_context(listening(servers, PREFIX + PEER.name, copied))
        producer = await stack.enter_async_context(AIOKafkaProducer(bootstrap_servers=servers))
        running = [asyncio.create_task(tick(producer))]
        with console.status(f"{given.open} alerts open"):
            for begin in range(0, given.open, AT_ONCE):
                some = range(begin, min(begin + AT_ONCE, given.open))
                await send(producer, [detection(n, "yellow", random) for n in some])
            await until(given.limit, lambda: opened[0] == given.open)
            assert opened[0] == given.open, f"only {opened[0]} alerts are open"
            await asyncio.sleep(SNAPSHOT_S)
        running.append(asyncio.create_task(bare(servers)))
        await asyncio.sleep(2)
        figures: dict[str, Any] = {}
        for level, seconds in (("orange", given.seconds), ("red", SNAPSHOT_S)):
            program.begin()
            peer.begin()
            written[0] = 0
            found = [detection(n % given.open, level, random) for n in range(given.steps)]
            with console.status(f"{given.steps} steps in {seconds:g} s"):
                begin_s = time.monotonic()
                for number, one in enumerate(found):
                    due_s = begin_s + number * seconds / given.steps
                    await asyncio.sleep(max(due_s - time.monotonic(), 0))
                    program.sent_s[one.subject_id] = peer.sent_s[one.subject_id] = time.monotonic()
                    await send(producer, [one])
                await until(given.limit, lambda: program.is_whole and peer.is_whole)
            figures[f"in_{seconds:g}_s"] = {
                "program": program.figures() | {"snapshots_mb": round(written[0] / 1e6, 2)},
                "bare": peer.figures(),
            }
            print(json.dumps(figures), file=sys.stderr, flush=True)
            if not program.is_whole:
                break
        for one in running:
            one.cancel()
    return figures | {"memory_mb": memory_mb(pid)}


async def restored(kafka: Access, registry: Registry) -> dict[str, float]:
    """Return how long another worker needs for the state."""
    begin_s = time.monotonic()
    async for _, found in snapshots.read(kafka, PREFIX + SNAPSHOTS.name, {"alert/0": 0}):
        assert found.chunks is not None
        task = Task(ALERT, 0, pipeline(registry, [ALERT]))
        task.restore(found.chunks)
        task.repeat(found.journal.values())
    return {
        "restore_s": round(time.monotonic() - begin_s, 2),
        "journal_chunks": len(found.journal),
        "state_mb": round(sum(map(len, found.chunks)) / 1e6, 1),
    }


async def measured(folder: Path, given: argparse.Namespace, console: Console) -> dict[str, Any]:
    with kafka_server(folder / "kafka") as kafka:
        await admin.apply(kafka.access, prefix=PREFIX, topics=(*ALL_TOPICS, PEER))
        config = folder / "groundswell.toml"
        config.write_text(CONFIG.format(kafka=kafka.bootstrap))
        command = (str(GROUNDSWELL), "worker", "--config", str(config), "--name", "storm")
        with started(folder, "worker", *command) as worker:
            log = folder / "worker.log"
            with console.status("the worker starts"):
                while "working" not in log.read_text():
                    assert worker.poll() is None, log.read_text()
                    await asyncio.sleep(0.5)
                await asyncio.sleep(10)
            figures = await storm(kafka.bootstrap, worker.pid, given, console)
            figures |= await restored(kafka.access, Registry.of(load(config)))
            if "error" in log.read_text():
                console.print(log.read_text()[-3000:])
    return figures


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--open", type=int, default=4000)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--limit", type=float, default=120.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(measured(Path(folder), given, Console(stderr=True)))
    print(json.dumps({"open": given.open} | figures))


if __name__ == "__main__":
    main()
