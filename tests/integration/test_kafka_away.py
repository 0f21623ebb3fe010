"""What workers and readers say of Kafka, there, away and back; and how a worker stops without it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streams import faust_app
from streams.faust_app import FaustConfig, FaustRuntime
from streams.kafka import admin
from streams.kafka import reader as reader_module
from streams.kafka.access import Access
from streams.kafka.output import Message, Output
from streams.kafka.reader import Reader
from streams.topics import RAW
from tests.servers import kafka_server, lasting_port
from tests.waiting import until

pytestmark = pytest.mark.integration

EACH = 20
WAIT_S = 60.0


class Holding:
    """A worker that takes one message of each partition and holds it until it may go on."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.taken = 0
        self.error = ""
        self.acknowledge: Callable[..., None] = lambda _: None
        self.owned: set[tuple[str, int]] = set()
        self.let_go_of: list[object] = []

    def clock_us(self) -> int:
        return time.time_ns() // 1000

    def own(self, partitions: set[tuple[str, int]]) -> None:
        self.owned = partitions

    async def take(self, *_: object) -> None:
        await self.go.wait()
        self.taken += 1

    async def let_go(self, partitions: object) -> None:
        self.let_go_of.append(partitions)
        if partitions is None:
            await asyncio.Event().wait()  # a snapshot that never gets its answer

    async def stop(self) -> None:
        pass


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def runtime(worker: Holding, kafka: Access) -> FaustRuntime:
    made: Any = worker
    return FaustRuntime(FaustConfig(kafka), made)


async def test_lag_and_readiness_come_from_what_is_known_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faust_app, "SILENT_US", 3_000_000)
    monkeypatch.setattr(reader_module, "SILENT_S", 3.0)
    async with contextlib.AsyncExitStack() as stack:
        kafka = stack.enter_context(kafka_server(tmp_path))
        await admin.apply(kafka.access)
        worker = Holding()
        working = runtime(worker, kafka.access)
        assert "not answered yet" in working.error(worker.clock_us())
        await working.start()
        output = Output(kafka.access, "test")
        await output.send([Message(RAW.name, p, b"x") for p in range(RAW.partitions) for _ in range(EACH)])
        await output.close()
        reader = Reader(kafka.access, (RAW,), {})
        await reader.start()
        read: list[object] = []

        async def follow() -> None:
            while True:
                read.extend(await reader.next(0.1))

        following = asyncio.create_task(follow())
        partitions = [(RAW.name, p) for p in range(RAW.partitions)]
        await until(lambda: list(working.lag().values()) == [EACH], WAIT_S)  # the one that is held
        worker.go.set()
        await until(lambda: [working.lag().get(p) for p in partitions] == [0] * len(partitions), WAIT_S)
        assert worker.taken == EACH * len(partitions)
        await until(lambda: len(read) == worker.taken, WAIT_S)
        assert working.error(worker.clock_us()) == reader.error == ""

        kafka.pause()  # its port takes connections, and nothing answers
        await until(lambda: working.error(worker.clock_us()) and reader.error, WAIT_S)
        assert "does not answer" in working.error(worker.clock_us())
        assert "does not answer" in reader.error
        kafka.resume()
        await until(lambda: not working.error(worker.clock_us()) and not reader.error, WAIT_S)

        kafka.kill()
        await until(lambda: not is_open(kafka.port), WAIT_S)  # threads of its process may outlive it a little
        await working.stop()  # at once, without a word of Faust's thread: pytest would tell
        assert None not in worker.let_go_of
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await reader.stop()


async def test_a_worker_that_never_found_kafka_stops() -> None:
    worker = Holding()
    waiting = runtime(worker, Access(f"127.0.0.1:{lasting_port()}"))
    starting = asyncio.create_task(waiting.start())
    await asyncio.sleep(0)
    starting.cancel()
    await waiting.stop()
    assert waiting.lag() == {}
    assert starting.cancelled() or starting.cancelling()
