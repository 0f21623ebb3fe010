import asyncio
import threading
import time

import msgspec
import numpy as np
import pytest

from streams import embedded
from streams.alerts import alert_id
from streams.definitions import StationDefinition
from streams.embedded import EmbeddedRuntime, Round, StoppedError
from streams.inbox import TICK_S
from streams.pipeline import Pipeline
from streams.processors.alert import Alert
from streams.processors.control import Control
from streams.records import (
    AlertTransitions,
    Changes,
    Command,
    CommandOutcome,
    CommandOutcomes,
    Commands,
    Detection,
    Detections,
    RawBatch,
    RawChunk,
    Record,
    SampleBatch,
    StationReports,
)
from streams.resting import APART_S, MANY_A_SECOND
from streams.rounds import Repetitions
from streams.topics import COMMAND_OUTCOMES, COMMANDS, DETECTIONS, RAW, REGISTRY, SAMPLES, STATION_REPORTS


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

    def stored(self, datastream_ids, series, time_us, value):
        if self.away.is_set():
            raise OSError("the disk is full")
        known = {
            (batch.datastream_ids[i], t, v)
            for work in self.rounds
            for batch in work.inputs
            if isinstance(batch, SampleBatch)
            for i, t, v in zip(batch.series, batch.time_us, batch.value, strict=True)
        }
        asked = zip(series, time_us, value, strict=True)
        return np.array([(datastream_ids[i], t, v) in known for i, t, v in asked], bool)

    def after_a_kill(self) -> "Memory":
        """Return what a new process finds."""
        found = Memory()
        found.rounds, found.snapshots = list(self.rounds), dict(self.snapshots)
        found.journal = list(self.journal)
        return found


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
        self.ended = False

    def on_batch(self, batch):
        assert isinstance(batch, RawBatch)
        self.bytes += sum(len(c.payload) for c in batch.chunks)
        return [StationReports(reports=[])]

    def on_time(self, now_us):
        return []

    def on_end(self):
        self.ended = True
        return [StationReports(reports=[])]

    def snapshot(self):
        return [b"x"]

    def restore(self, chunks):
        self.restored = True


class Watcher:
    """Makes detections of one event: its level is the value, 0 ends it."""

    name = "watcher"
    reads = (SAMPLES,)
    writes = (DETECTIONS,)
    evidence: object = 1

    def on_batch(self, batch):
        return [Detections(detections=[self.detection(int(v)) for v in batch.value])]

    def detection(self, level):
        return Detection(
            detector="d",
            version="1",
            subject_id="a",
            phase="begin" if level else "end",
            level=("blue", "yellow", "orange", "red")[level],
            onset_us=1,
            at_us=1,
            detected_at_us=1,
            title="",
            value=0.0,
            threshold=0.0,
            unit="m",
            evidence={"it": self.evidence},
        )

    def on_time(self, now_us):
        return []

    def on_end(self):
        return []

    def snapshot(self):
        return []

    def restore(self, chunks):
        pass


def samples(*values: float, begin_us: int = 0) -> SampleBatch:
    n = len(values)
    return SampleBatch(
        datastream_ids=["a"],
        series=np.zeros(n, np.int32),
        time_us=np.arange(begin_us, begin_us + n),
        value=np.array(values),
        received_at_us=np.arange(n),
    )


def ask(name: str = "1", target: str = "a") -> Command:
    return Command(id=name, kind="acknowledge_alert", target=target, by="me", at_us=5)


def runtime(memory: Memory, *processors) -> EmbeddedRuntime:
    return EmbeddedRuntime(Pipeline(processors or (Adder(),)), memory, clock_us=lambda: 10)


async def test_a_name_that_is_no_text_stops_nobody():
    memory = Memory()
    stored = memory.stored

    def as_bytes(datastream_ids, *columns):
        "".join(datastream_ids).encode()
        return stored(datastream_ids, *columns)

    memory.stored = as_bytes
    one = runtime(memory)
    await one.start()
    for value in (1.0, 2.0):  # of the second one the store is asked
        batch = msgspec.structs.replace(
            samples(value, 5.0), datastream_ids=["x\ud800", "a"], series=np.array([0, 1], np.int32)
        )
        async with asyncio.timeout(60):
            await one.put_samples(batch)
    assert one.health.refused_samples == 2
    assert one.health.keep_error == ""
    assert {name for w in memory.rounds for b in w.inputs for name in b.datastream_ids} == {"a"}
    await one.stop()


async def test_what_was_acknowledged_is_there_after_a_crash():
    memory = Memory()
    first = runtime(memory)
    await first.start()
    await first.put_samples(samples(1.0, 2.0))
    await first.put_samples(samples(4.0, begin_us=2))
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


async def test_what_readers_of_raw_streams_hold_comes_out_at_a_stop_and_what_others_hold_stays():
    memory, counter, adder = Memory(), Counter(), Adder()
    bus = runtime(memory, counter, adder)
    await bus.start()
    assert bus.offer(RawChunk(station_id="s", payload=b"1234"))
    await bus.drained()
    before = len(memory.rounds)
    await bus.stop()
    assert counter.ended
    assert [type(one) for work in memory.rounds[before:] for one in work.outputs] == [StationReports]
    assert "adder" in memory.snapshots


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


ALERT = alert_id("d", "a", 1)


def transitions(memory: Memory):
    return [
        (t.number, t.change)
        for work in memory.rounds
        for batch in work.outputs
        if isinstance(batch, AlertTransitions)
        for t in batch.transitions
    ]


async def alert_that_was_acknowledged_in_the_round_of(value: float) -> Memory:
    """Open an alert; then samples and an acknowledgement arrive in one round; then the process is killed."""
    memory = Memory()
    bus = runtime(memory, Watcher(), Alert())
    await bus.start()
    await bus.put_samples(samples(1.0))
    memory.away.set()
    busy = asyncio.create_task(bus.drained())
    while not bus.health.keep_error:
        await asyncio.sleep(0.01)
    both = asyncio.gather(bus.put_samples(samples(value, begin_us=1)), bus.command(ask(target=ALERT)))
    await asyncio.sleep(0)
    memory.away.clear()
    await busy
    _, outcome = await both
    assert outcome.ok
    found = memory.after_a_kill()
    await bus.stop()
    return found


@pytest.mark.parametrize("value", [3.0, 0.0])
async def test_a_round_is_repeated_in_the_order_in_which_it_was(value):
    memory = await alert_that_was_acknowledged_in_the_round_of(value)
    before = transitions(memory)
    assert [change for _, change in before][:2] == ["opened", "acknowledged"]
    again = runtime(memory, Watcher(), Alert())
    await again.start()
    answer = await again.command(ask("2", ALERT))
    await again.put_samples(samples(0.0, begin_us=2))
    await again.stop()
    if value:
        assert answer.ok, "the acknowledgement was forgotten"
        assert transitions(memory) == [*before, (4, "closed")]
    else:
        assert transitions(memory) == before


async def test_another_configuration_does_not_rewrite_what_was_told():
    memory = await alert_that_was_acknowledged_in_the_round_of(3.0)
    before = transitions(memory)
    again = runtime(memory, Alert())  # the datastream was taken out of the configuration
    await again.start()
    assert (await again.command(ask("2", ALERT))).message.endswith("before.")
    await again.stop()
    assert transitions(memory) == before


async def test_samples_that_a_broker_sends_again_are_left_out():
    memory = Memory()
    first = runtime(memory)
    await first.start()
    await first.put_samples(samples(1.0, 2.0, 4.0))
    await first.put_samples(samples(2.0, 4.0, 8.0, begin_us=1))
    found = memory.after_a_kill()
    await first.stop()
    again = Adder()
    second = runtime(found, again)
    await second.start()
    await second.put_samples(samples(1.0, 2.0, 4.0, 8.0, 16.0))
    await second.stop()
    assert again.sum == 31.0


def test_repetitions_have_the_same_value():
    memory = Memory()
    memory.rounds = [Round(0, [samples(5.0, 6.0)], [])]
    batch = SampleBatch(
        datastream_ids=["nothing of it", "a", "b"],
        series=np.array([2, 1, 1, 2, 2, 1, 1], np.int32),
        time_us=np.array([7, 0, 1, 7, 7, 9, 9]),
        value=np.array([np.nan, 5.0, 6.5, np.nan, 1.0, 2.0, 2.0]),
        received_at_us=np.arange(7),
    )
    kept = Repetitions(memory).without(batch)
    assert kept.received_at_us.tolist() == [0, 2, 4, 5]


class Broken(Adder):
    name = "broken"
    writes = ()

    def on_time(self, now_us):
        raise ArithmeticError("late")


async def test_a_processor_that_fails_at_a_time_harms_no_other():
    memory, adder = Memory(), Adder()
    bus = runtime(memory, Broken(), adder)
    await bus.start()
    await bus.put_samples(samples(2.0))
    assert (await bus.command(ask())).message
    await bus.stop()
    assert adder.sum == 2.0
    assert bus.health.failures >= 2


async def test_a_listener_that_fails_harms_no_other():
    heard = []

    def bad(outputs):
        raise ArithmeticError("deaf")

    bus = runtime(Memory())
    bus.listeners += [bad, heard.extend]
    await bus.start()
    await bus.command(ask())
    await bus.stop()
    assert len(heard) == 1


async def test_verdicts_are_shown_while_the_store_is_away_and_nothing_else_is():
    seen, told, memory = [], [], Memory()
    bus = runtime(memory, Adder(), Counter())
    bus.viewers.append(seen.extend)
    bus.listeners.append(told.extend)
    await bus.start()
    memory.away.set()
    assert bus.offer(RawChunk(station_id="A", payload=b"ab", received_at_us=1))
    answer = asyncio.create_task(bus.command(ask()))
    while not seen:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    assert {type(one) for one in seen} == {StationReports}
    assert told == []
    assert not answer.done()
    memory.away.clear()
    assert (await answer).ok
    await bus.stop()
    assert [type(one) for one in told].count(StationReports) == [type(one) for one in seen].count(
        StationReports
    )
    assert CommandOutcomes in {type(one) for one in seen}


async def test_one_round_is_worked_out_while_the_one_before_is_stored_and_no_more():
    memory, adder, counter = Memory(), Adder(), Counter()
    bus = runtime(memory, adder, counter)
    await bus.start()
    await bus.put_samples(samples(1.0))
    memory.away.set()
    first = asyncio.create_task(bus.put_samples(samples(3.0, begin_us=1)))
    while not bus.health.keep_error:
        await asyncio.sleep(0.01)
    assert bus.offer(RawChunk(station_id="A", payload=b"ab", received_at_us=1))
    while not counter.bytes:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    assert bus.offer(RawChunk(station_id="A", payload=b"cd", received_at_us=2))
    await asyncio.sleep(0.6)
    assert counter.bytes == 2
    assert not first.done()
    memory.away.clear()
    await first
    await bus.drained()
    assert counter.bytes == 4
    await bus.stop()


async def test_rounds_of_thousands_of_epochs_are_apart_and_leave_none_out():
    memory, counter, offered = Memory(), Counter(), MANY_A_SECOND
    bus = runtime(memory, counter)
    for k in range(MANY_A_SECOND):
        assert bus.offer(RawChunk(station_id=f"{k}", payload=b"12"))  # before the start: the first round's
    began_s = time.monotonic()
    await bus.start()
    while time.monotonic() - began_s < 0.7:  # within the second that counts
        assert bus.offer(RawChunk(station_id="late", payload=b"12"))
        offered += 1
        await asyncio.sleep(0.01)
    rounds, took_s = len(memory.rounds), time.monotonic() - began_s
    await bus.drained()
    await bus.stop()
    assert counter.bytes == 2 * offered
    assert rounds <= took_s / min(APART_S, TICK_S) + 3


async def test_what_is_sent_again_before_it_is_stored_is_left_out_all_the_same():
    memory, adder = Memory(), Adder()
    bus = runtime(memory, adder)
    await bus.start()
    await bus.put_samples(samples(8.0))
    memory.away.set()
    first = asyncio.create_task(bus.put_samples(samples(1.0, 2.0, begin_us=1)))
    while adder.sum < 11.0:
        await asyncio.sleep(0.01)
    again = asyncio.create_task(bus.put_samples(samples(1.0, 2.0, 4.0, begin_us=1)))
    await asyncio.sleep(0.3)
    memory.away.clear()
    await asyncio.gather(first, again)
    await bus.stop()
    assert adder.sum == 15.0
    assert bus.repeated_samples == 2


async def test_evidence_that_cannot_be_stored_stops_at_its_maker():
    memory, watcher = Memory(), Watcher()
    watcher.evidence = object()
    bus = runtime(memory, watcher, Alert())
    await bus.start()
    await bus.put_samples(samples(1.0))
    await bus.stop()
    assert bus.health.failures == 1
    assert transitions(memory) == []


async def test_a_stop_does_not_wait_for_ever_and_promises_nothing(monkeypatch):
    monkeypatch.setattr(embedded, "STOP_S", 0.2)
    memory = Memory()
    bus = runtime(memory)
    await bus.start()
    memory.away.set()
    waiting = [asyncio.create_task(bus.put_samples(samples(i, begin_us=int(i)))) for i in (1.0, 2.0)]
    while not bus.health.keep_error:
        await asyncio.sleep(0.01)
    await bus.stop()
    for task in waiting:
        with pytest.raises(StoppedError):
            await task
    with pytest.raises(StoppedError):
        await bus.put_samples(samples(4.0))
    with pytest.raises(TimeoutError):
        await bus.command(ask())
    assert not bus.offer(RawChunk(station_id="s", payload=b"1"))
    assert not any(work.inputs for work in memory.rounds)


async def test_a_store_that_fails_at_the_last_snapshot_only_does_not_hang_the_stop(monkeypatch):
    monkeypatch.setattr(embedded, "STOP_S", 0.2)
    memory = Memory()
    bus = runtime(memory)
    bus.ticks = False
    await bus.start()
    await bus.put_samples(samples(4.0))
    memory.away.set()
    await bus.stop()
    assert len(memory.journal) > 0
    assert memory.snapshots == {}


class Forgetful(Adder):
    def snapshot(self):
        raise ArithmeticError("no state")


async def test_a_fault_of_the_runtime_is_said_and_nobody_waits_for_it(monkeypatch):
    monkeypatch.setattr(embedded, "JOURNAL_LIMIT_BYTES", 0)
    bus = runtime(Memory(), Forgetful())
    await bus.start()
    with pytest.raises(StoppedError, match="no state"):
        await bus.put_samples(samples(4.0))
    assert "restart" in bus.health.keep_error
    await bus.stop()


def test_a_flood_of_tiny_chunks_is_bounded_too():
    bus = runtime(Memory(), Counter())
    chunk = RawChunk(station_id="s", payload=b"1")
    assert sum(bus.offer(chunk) for _ in range(200_000)) < 130_000


# --- changes ----------------------------------------------------------------------------------------------


class Follower(Counter):
    """Reads raw bytes and changes."""

    reads = (RAW, REGISTRY)

    def __init__(self) -> None:
        super().__init__()
        self.versions: list[int] = []

    def on_batch(self, batch):
        if isinstance(batch, Changes):
            self.versions += [change.version for change in batch.changes]
            return []
        return super().on_batch(batch)


async def test_changes_outlive_a_kill_and_readers_of_raw_streams_are_told_before_their_first_bytes():
    base = {("station", "A"): StationDefinition(source="tcp://h:1")}
    memory = Memory()
    first, told = Follower(), []
    bus = runtime(memory, Control(base, []), first, Alert())
    bus.listeners.append(told.extend)
    await bus.start()
    for k, paused in enumerate((True, False, True), 1):
        asked = Command(
            id=f"c{k}", kind="patch", target="station/A", by="Li", at_us=k, arguments={"paused": paused}
        )
        assert (await bus.command(asked)).ok
    assert first.versions == [1, 2, 3]
    killed = memory.after_a_kill()
    assert killed.journal
    assert not killed.snapshots
    await bus.stop()
    assert [one.changes[0].version for one in told if isinstance(one, Changes)] == [1, 2, 3]

    for found in (killed, memory):  # by the journal, and by the snapshot of the stop
        second = Follower()
        again = runtime(found, Control({}, []), second, Alert())
        await again.start()
        assert second.versions == [3]
        assert [(c.version, c.after["paused"]) for c in again.standing.changes] == [(3, True)]
        await again.stop()
