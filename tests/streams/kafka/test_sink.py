import asyncio

import numpy as np
import pytest

from streams import codec
from streams.inbox import StoppedError
from streams.kafka import outbox
from streams.kafka import sink as module
from streams.kafka.sink import KafkaSink
from streams.partitions import RecordTooLargeError
from streams.records import RawBatch, RawChunk, SampleBatch, Tick
from streams.topics import DETECTIONS, MESSAGE_BYTES, RAW, SAMPLES, partition_of
from tests.streams.kafka.fake_link import FakeLink
from tests.waiting import until

NOW_US = 1_760_000_000_000_000


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch):
    monkeypatch.setattr(outbox, "PATIENCE_S", 0.05)
    monkeypatch.setattr(outbox, "RETRY_S", 0.005)
    monkeypatch.setattr(outbox, "ROUND_S", 0.005)
    monkeypatch.setattr(module, "STOP_S", 0.5)


class Gate:
    """A sink over a broker that is not real."""

    def __init__(self, folder, **more) -> None:
        self.now_us = NOW_US
        self.sink = KafkaSink(
            "nowhere:9092",
            folder=folder,
            site_of=self.site_of,
            clock_us=lambda: self.now_us,
            linger_s=0.01,
            **{"ticks": False, **more},
        )
        self.link = self.sink._outbox.link = FakeLink()
        self.health = self.sink.health

    def site_of(self, datastream_id: str) -> str:
        if datastream_id == "unknown":
            raise KeyError(datastream_id)
        return datastream_id.partition(".")[0]

    async def __aenter__(self) -> "Gate":
        await self.sink.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.sink.stop()

    def batches(self, topic: str) -> dict[int, list]:
        return {
            partition: [codec.decode(payload) for payload in payloads]
            for (name, partition), payloads in self.link.read().items()
            if name == topic
        }

    def chunks(self, station_id: str) -> list[RawChunk]:
        found = self.batches("raw").get(partition_of(station_id, RAW), [])
        return [c for b in found if isinstance(b, RawBatch) for c in b.chunks if c.station_id == station_id]


def chunk(station_id: str = "ABCD", payload: bytes = b"x", received_at_us: int | None = NOW_US) -> RawChunk:
    return RawChunk(station_id=station_id, payload=payload, received_at_us=received_at_us)


def samples(*ids: str) -> SampleBatch:
    n = len(ids)
    return SampleBatch(
        datastream_ids=list(ids),
        series=np.arange(n, dtype=np.int32),
        time_us=np.full(n, NOW_US),
        value=np.arange(n, dtype=float),
        received_at_us=np.full(n, NOW_US),
    )


async def test_no_sample_comes_under_the_name_of_a_region(tmp_path):
    async with Gate(tmp_path, reserved=("hangzhou:", "ningbo:")) as gate:
        await gate.sink.put_samples(samples("hangzhou:a.x", "hangzhou.x", "a.x", "ningbo:b.x", "beijing:b.x"))
    names = [n for found in gate.batches("samples").values() for batch in found for n in batch.datastream_ids]
    assert sorted(names) == ["a.x", "beijing:b.x", "hangzhou.x"]
    assert gate.health.refused_samples == 2


async def test_chunks_of_a_moment_are_one_message_a_partition(tmp_path):
    async with Gate(tmp_path) as gate:
        for number in range(40):
            assert gate.sink.offer(chunk("ABCD", bytes([number])))
            assert gate.sink.offer(chunk("ABCE", bytes([number])))
        await until(lambda: gate.health.messages_sent)
        for station in ("ABCD", "ABCE"):
            assert [c.payload[0] for c in gate.chunks(station)] == list(range(40))
        assert gate.health.messages_sent == len({partition_of(s, RAW) for s in ("ABCD", "ABCE")})
        assert gate.health.pending_bytes == 0


async def test_samples_of_a_site_meet_in_one_partition(tmp_path):
    async with Gate(tmp_path) as gate:
        await asyncio.gather(*(gate.sink.put_samples(samples(f"s{n}.a", f"s{n}.b")) for n in range(20)))
    for partition, (batch,) in gate.batches("samples").items():
        assert {partition_of(name.partition(".")[0], SAMPLES) for name in batch.datastream_ids} == {partition}
    batches = [batch for (batch,) in gate.batches("samples").values()]
    assert sorted(name for batch in batches for name in batch.datastream_ids) == sorted(
        f"s{n}.{kind}" for n in range(20) for kind in "ab"
    )


async def test_what_can_raise_an_alert_waits_for_nothing_and_takes_with_it_what_has_gathered(tmp_path):
    async with Gate(tmp_path, is_urgent=lambda names: "a.level" in names) as gate:
        gate.sink.linger_s = 3600.0
        gathering = asyncio.create_task(gate.sink.put_samples(samples("a.x")))
        assert gate.sink.offer(chunk())
        await until(lambda: gate.health.pending_bytes)
        await asyncio.wait_for(gate.sink.put_samples(samples("a.level", "a.y")), 5)
        await gathering
        (batch,) = gate.batches("samples")[partition_of("a", SAMPLES)]
        assert batch.datastream_ids == ["a.x", "a.level", "a.y"]
        assert gate.chunks("ABCD") == [], "stations have a pace of their own"


async def test_where_much_is_urgent_it_gathers_for_a_moment(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "URGENT_S", 0.2)
    async with Gate(tmp_path, is_urgent=lambda _: True) as gate:
        gate.sink.linger_s = 3600.0
        for first in (0, 20):
            await gate.sink.put_samples(samples("a.level"))
            await asyncio.gather(
                *(gate.sink.put_samples(samples(f"a.{n}")) for n in range(first, first + 20))
            )
        first, second, *rest = gate.batches("samples")[partition_of("a", SAMPLES)]
        assert first.datastream_ids == ["a.level"]
        assert second.datastream_ids == [f"a.{n}" for n in range(20)]
        assert [len(one) for one in rest] == [1, 20]


async def test_those_that_wait_for_room_come_in_in_their_order(tmp_path):
    async with Gate(tmp_path) as gate:
        gate.sink._room.take(10**9)
        putting = [asyncio.create_task(gate.sink.put_samples(samples(f"a.{n}"))) for n in range(5)]
        await asyncio.sleep(0.01)
        putting += [asyncio.create_task(gate.sink.put_samples(samples(f"a.{n}"))) for n in range(5, 9)]
        gate.sink._room.free(10**9)  # the last ones have not begun yet
        await asyncio.gather(*putting)
        (batch,) = gate.batches("samples")[partition_of("a", SAMPLES)]
        assert batch.datastream_ids == [f"a.{n}" for n in range(9)]


async def test_ids_are_looked_up_once_refused_each_time_and_memory_for_them_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "DATASTREAMS_REMEMBERED", 10)
    asked = []
    async with Gate(tmp_path, reserved=("hangzhou:",)) as gate:
        gate.sink.site_of = lambda name: asked.append(name) or name
        for _ in range(3):
            await gate.sink.put_samples(samples("a.x", "hangzhou:a.x", "b.x"))
        assert (asked, gate.health.refused_samples) == (["a.x", "b.x"], 3)
        await gate.sink.put_samples(samples(*(f"s{number}" for number in range(100))))
        assert gate.sink._partition_of_samples.cache_info().currsize == 10
    names = [n for found in gate.batches("samples").values() for batch in found for n in batch.datastream_ids]
    assert sorted(names) == sorted(["a.x", "b.x"] * 3 + [f"s{number}" for number in range(100)])


async def test_what_is_too_large_or_has_no_usable_id_is_refused_and_nobody_else_suffers(tmp_path):
    async with Gate(tmp_path) as gate:
        huge = chunk("HUGE", bytes(MESSAGE_BYTES))
        assert not gate.sink.offer(huge)
        with pytest.raises(RecordTooLargeError, match="HUGE"):
            await gate.sink.put(huge)
        largest = chunk("ABCD", bytes(MESSAGE_BYTES - 4 * 4 - 256))
        assert gate.sink.offer(largest)
        await gate.sink.put(chunk("ABCD", b"after"))
        await gate.sink.put_samples(samples("a.x", "n" * 2000, "b.x", "\ud800"))
        with pytest.raises(KeyError):
            await gate.sink.put_samples(samples("unknown"))
        await gate.sink.put_samples(samples())
        await until(lambda: len(gate.chunks("ABCD")) == 2)
    assert [c.payload for c in gate.chunks("ABCD")] == [largest.payload, b"after"]
    names = [n for found in gate.batches("samples").values() for batch in found for n in batch.datastream_ids]
    assert sorted(names) == ["a.x", "b.x"]
    assert (gate.health.refused_chunks, gate.health.refused_samples) == (2, 2)
    assert all(len(p) <= MESSAGE_BYTES for payloads in gate.link.read().values() for p in payloads)


async def test_without_room_offers_are_refused_and_puts_wait(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PENDING_LIMIT_BYTES", 20_000)
    gate = Gate(tmp_path, spool_bytes=0)
    gate.link.there = False
    async with gate:
        taken = 0
        while gate.sink.offer(chunk(payload=bytes(1000))):
            taken += 1
        assert 13 <= taken <= 14
        put = asyncio.create_task(gate.sink.put(chunk(payload=b"waits")))
        stored = asyncio.create_task(gate.sink.put_samples(samples("a.x")))
        await until(lambda: gate.health.full)
        assert "limit of 0 MB" in gate.health.full
        assert not put.done()
        gate.link.there = True
        await put
        await stored
        assert gate.sink.offer(chunk())
    assert [len(c.payload) for c in gate.chunks("ABCD")] == [1000] * taken + [5, 1]


async def test_a_stop_ends_all_waiting(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PENDING_LIMIT_BYTES", 2_000)
    gate = Gate(tmp_path, spool_bytes=0)
    gate.link.there = False
    async with gate:
        while gate.sink.offer(chunk(payload=bytes(1000))):
            pass
        put = asyncio.create_task(gate.sink.put(chunk()))
        await until(lambda: gate.health.full)
    with pytest.raises(StoppedError, match="the program is stopping"):
        await put
    assert not gate.sink.offer(chunk())
    with pytest.raises(StoppedError):
        await gate.sink.put_samples(samples("a.x"))
    assert gate.health.lost_messages == 0  # a stop may go beyond the spool's limit
    assert gate.health.spooled_messages


async def test_quiet_partitions_get_ticks_never_behind_what_was_sent(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "QUIET_S", 0.02)
    monkeypatch.setattr(module, "BEAT_S", 0.01)
    async with Gate(tmp_path, ticks=True) as gate:
        gate.sink.offer(chunk("ABCD", received_at_us=NOW_US + 5))
        await until(lambda: gate.health.ticks_sent >= 50)
        gate.now_us -= 100  # a clock that is set back
        before = gate.health.ticks_sent
        await until(lambda: gate.health.ticks_sent >= before + 50)
        gate.now_us += 1_000
        before = gate.health.ticks_sent
        await until(lambda: gate.health.ticks_sent >= before + 50)
    for topic in (RAW, SAMPLES, DETECTIONS):
        found = gate.batches(topic.name)
        assert len(found) == topic.partitions
        for partition, batches in found.items():
            times = [batch.now_us for batch in batches if isinstance(batch, Tick)]
            first_us = NOW_US + 5 * ((topic, partition) == (RAW, partition_of("ABCD", RAW)))
            assert times == sorted(times)
            assert set(times) == {first_us, NOW_US + 900}


async def test_no_ticks_while_kafka_is_away_or_when_time_is_the_datas_own(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "QUIET_S", 0.0)
    monkeypatch.setattr(module, "BEAT_S", 0.001)
    gate = Gate(tmp_path / "away", ticks=True)
    gate.link.there = False
    async with gate, Gate(tmp_path / "replay") as replay:
        gate.sink.offer(chunk())
        replay.sink.offer(chunk(received_at_us=None))
        await until(lambda: gate.health.spooled_messages and replay.health.messages_sent)
        assert gate.health.spooled_ever == 1
    assert replay.health.messages_sent == 1


async def test_each_run_has_a_name_of_its_own(tmp_path):
    first, second = Gate(tmp_path), Gate(tmp_path)
    assert first.sink.maker != second.sink.maker
    assert first.sink.maker.startswith("groundswell-gather/")
