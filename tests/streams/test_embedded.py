import asyncio
import threading

import numpy as np
import pytest

from streams.embedded import EmbeddedRuntime, Round
from streams.pipeline import Pipeline
from streams.records import (
    Command,
    CommandOutcome,
    CommandOutcomes,
    Commands,
    RawBatch,
    RawChunk,
    Record,
    SampleBatch,
    StationReports,
)
from streams.topics import COMMAND_OUTCOMES, COMMANDS, RAW, SAMPLES, STATION_REPORTS


class Memory:
    """A keeper that can be away, and can be read after a simulated crash."""

    def __init__(self) -> None:
        self.rounds: list[Round] = []
        self.snapshots: dict[str, list[bytes]] = {}
        self.journal: list[bytes] = []
        self.away = threading.Event()

    def keep(self, work: Round) -> None:
        if self.away.is_set():
            raise OSError("the disk is full")
        self.rounds.append(work)
        if work.snapshots is not None:
            self.snapshots, self.journal = dict(work.snapshots), []
        self.journal.extend(work.journal)

    def recall(self):
        return self.snapshots, list(self.journal)


class Adder:
    """Keeps the sum of all samples; answers commands with it."""

    name = "adder"
    reads = (SAMPLES, COMMANDS)
    writes = (COMMAND_OUTCOMES,)

    def __init__(self) -> None:
        self.sum = 0.0

    def on_batch(self, batch: Record):
        if isinstance(batch, SampleBatch):
            if np.isnan(batch.value).any():
                raise ValueError("poison")
            self.sum += float(batch.value.sum())
            return []
        assert isinstance(batch, Commands)
        return [
            CommandOutcomes(
                outcomes=[CommandOutcome(id=c.id, ok=True, message=str(self.sum)) for c in batch.commands]
            )
        ]

    def on_time(self, now_us):
        return []

    def on_end(self):
        return []

    def snapshot(self):
        return [np.float64(self.sum).tobytes()]

    def restore(self, chunks):
        (self.sum,) = np.frombuffer(next(iter(chunks)))


class Counter:
    """Counts raw bytes."""

    name = "counter"
    reads = (RAW,)
    writes = (STATION_REPORTS,)

    def __init__(self) -> None:
        self.bytes = 0
        self.restored = False

    def on_batch(self, batch):
        assert isinstance(batch, RawBatch)
        self.bytes += sum(len(c.payload) for c in batch.chunks)
        return [StationReports(reports=[])]

    def on_time(self, now_us):
        return []

    def on_end(self):
        return []

    def snapshot(self):
        return [b"x"]

    def restore(self, chunks):
        self.restored = True


def samples(*values: float) -> SampleBatch:
    n = len(values)
    return SampleBatch(
        datastream_ids=["a"],
        series=np.zeros(n, np.int32),
        time_us=np.arange(n),
        value=np.array(values),
        received_at_us=np.arange(n),
    )


def ask(name: str = "1") -> Command:
    return Command(id=name, kind="acknowledge_alert", target="a", by="me", at_us=5)


def runtime(memory: Memory, *processors) -> EmbeddedRuntime:
    return EmbeddedRuntime(Pipeline(processors or (Adder(),)), memory, clock_us=lambda: 10)


async def test_what_was_acknowledged_is_there_after_a_crash():
    memory = Memory()
    first = runtime(memory)
    await first.start()
    await first.put_samples(samples(1.0, 2.0))
    await first.put_samples(samples(4.0))
    answer = await first.command(ask())
    assert answer.message == "7.0"
    kept = (dict(memory.snapshots), list(memory.journal))  # as a killed process leaves it
    await first.stop()

    memory.snapshots, memory.journal = kept
    again = Adder()
    second = runtime(memory, again)
    await second.start()
    assert again.sum == 7.0
    assert (await second.command(ask("2"))).message == "7.0"
    await second.stop()
    assert np.frombuffer(memory.snapshots["adder"][0])[0] == 7.0
    assert memory.journal == []


async def test_raw_readers_start_anew_and_are_not_snapshotted():
    memory, counter = Memory(), Counter()
    memory.snapshots = {"counter": [b"old"]}
    bus = runtime(memory, counter)
    await bus.start()
    assert bus.offer(RawChunk(station_id="s", payload=b"1234"))
    await bus.drained()
    await bus.stop()
    assert counter.bytes == 4
    assert not counter.restored
    assert "counter" not in memory.snapshots


async def test_storage_that_is_away_delays_the_answer_and_loses_nothing():
    memory, adder = Memory(), Adder()
    bus = runtime(memory, adder)
    await bus.start()
    memory.away.set()
    waiting = asyncio.create_task(bus.put_samples(samples(3.0)))
    while not bus.health.keep_error:
        await asyncio.sleep(0.01)
    assert "disk is full" in bus.health.keep_error
    assert not waiting.done()
    memory.away.clear()
    await waiting
    assert bus.health.keep_error == ""
    await bus.stop()
    assert adder.sum == 3.0


async def test_one_poisonous_batch_harms_no_other():
    memory, adder, counter = Memory(), Adder(), Counter()
    bus = runtime(memory, counter, adder)
    await bus.start()
    await bus.put_samples(samples(float("nan")))
    await bus.put_samples(samples(2.0))
    await bus.drained()
    await bus.stop()
    assert bus.health.failures == 1
    assert adder.sum == 2.0


async def test_a_flood_of_live_chunks_is_refused_not_hoarded():
    memory = Memory()
    bus = runtime(memory, Counter())
    chunk = RawChunk(station_id="s", payload=bytes(1_000_000))
    taken = sum(bus.offer(chunk) for _ in range(200))  # the thread is not started: nothing drains
    assert 60 <= taken <= 70
    await bus.start()
    await bus.drained()
    assert bus.offer(chunk)
    await bus.stop()


@pytest.mark.parametrize("cut", [1, 3, 7])
async def test_listeners_hear_outputs_in_order(cut):
    memory, heard = Memory(), []
    bus = runtime(memory, Adder())
    bus.listeners.append(lambda outputs: heard.extend(o for o in outputs if isinstance(o, CommandOutcomes)))
    await bus.start()
    for i in range(cut):
        await bus.command(ask(str(i)))
    await bus.stop()
    assert [o.id for batch in heard for o in batch.outcomes] == [str(i) for i in range(cut)]
