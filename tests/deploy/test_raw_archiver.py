"""The archiver over Kafka: each byte is in the archive once, whenever it is killed."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deploy import raw_archiver
from deploy.raw_archiver import Archive, RawArchiver
from storage.objects import ObjectFolder
from storage.raw_archive import RawArchive
from storage.raw_reader import RawReader
from storage.sqlite import SqliteStore
from storage.store import StorageFullError
from streams import codec
from streams.kafka.origin import Origin
from streams.kafka.reader import Read
from streams.records import EphemerisMessages, RawBatch, RawChunk
from streams.topics import RAW, REGIONAL_RAW

T0 = 1_700_000_000_000_000
END = 2**62
STATIONS = ("A", "B", "C")


class KilledError(BaseException):
    """The process ends here."""


def chunk(station_id, k, at_us=T0):
    payload = random.Random(f"{station_id}{k}").randbytes(1 + k % 7)
    return RawChunk(station_id=station_id, payload=payload, received_at_us=at_us + k)


def read(offset, *chunks, partition=0, maker="", place=0, topic=RAW):
    headers = Origin(maker, place).headers() if maker else []
    return Read(topic, partition, offset, codec.encode(RawBatch(chunks=list(chunks))), headers)


class Installation:
    """A data folder, opened again after each kill."""

    def __init__(self, folder):
        self.folder = folder
        self.open()

    def open(self):
        self.store = SqliteStore(self.folder / "rows.sqlite")
        self.archive = Archive(self.folder / "raw", self.store, ["zj:"])

    def kill(self):
        self.store.close()  # SQLite's file is as it is after a kill: each commit is durable
        self.open()

    def place(self, partition, topic=RAW):
        return self.archive.consumed.get(topic.name, {}).get(partition, 0)

    def chunks(self, station_id):
        reader = RawReader(ObjectFolder(self.folder / "raw"), self.store)
        return list(reader.read(station_id, 0, END))


@pytest.fixture
def installation(tmp_path):
    one = Installation(tmp_path)
    yield one
    one.archive.close()
    one.store.close()


def sent(draw):
    """Return messages of two partitions; clocks of stations step, and one of two senders repeats itself."""
    partitions = [[], []]
    time_us = dict.fromkeys(STATIONS, T0)
    k = 0
    for place in range(draw(st.integers(5, 30))):
        partition = draw(st.integers(0, 1))
        names = STATIONS[:2] if partition == 0 else STATIONS[2:]
        chunks = []
        for _ in range(draw(st.integers(1, 4))):
            name = draw(st.sampled_from(names))
            time_us[name] += draw(st.sampled_from([200_000, 1_000_000, 12_000_000, -11_000_000]))
            k += 1
            chunks.append(chunk(name, k, time_us[name]))
        log = partitions[partition]
        maker = "gatherer" if partition == 0 else ""
        for _ in range(draw(st.sampled_from([1, 1, 1, 2])) if maker else 1):
            log.append(read(len(log) * 2, *chunks, partition=partition, maker=maker, place=place))
    return partitions


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_killed_at_any_moment_it_has_what_was_sent(tmp_path_factory, data):
    partitions = sent(data.draw)
    one = Installation(tmp_path_factory.mktemp("installation"))
    for _ in range(data.draw(st.integers(0, 5), "kills")):
        with contextlib.suppress(KilledError):
            for _ in range(data.draw(st.integers(0, 4), "turns")):
                _turn(one, partitions, data.draw)
            _die(one, data.draw(st.sampled_from(["reading", "written", "half", "committed"]), "moment"))
        one.kill()
    while any(_turn(one, partitions, data.draw) for _ in range(2)):
        pass
    one.archive.keep(0)
    assert {name: one.chunks(name) for name in STATIONS} == _in_one_process(
        partitions, tmp_path_factory.mktemp("embedded")
    )
    sizes = {name: sum(s.size for s in one.store.segments(name, 0, END)) for name in STATIONS}
    assert sizes == {name: sum(len(c.payload) for c in one.chunks(name)) for name in STATIONS}
    one.archive.close()
    one.store.close()


def _turn(one, partitions, draw):
    """Read some messages, and keep what was taken or not yet; return whether there were any."""
    partition = draw(st.integers(0, 1), "partition")
    left = [m for m in partitions[partition] if m.offset >= one.place(partition)]
    one.archive.take(left[: draw(st.integers(1, 6), "messages")])
    if draw(st.booleans(), "kept"):
        one.archive.keep(0)
    return any(m.offset >= one.place(p) for p, log in enumerate(partitions) for m in log)


def _die(one, moment):
    """Go on with keeping until some moment."""
    if moment == "reading":
        raise KilledError
    commit = one.store.commit

    def cut(*given, **named):
        if moment == "committed":
            commit(*given, **named)
        elif moment == "half":
            for path in one.folder.rglob("*.zst"):
                with path.open("ab") as file:
                    file.write(b"\xd3")
        raise KilledError

    one.store.commit = cut
    one.archive.keep(0)


def _in_one_process(partitions, folder):
    """Return the chunks of each station that a single process has archived."""
    store = SqliteStore(folder / "rows.sqlite")
    archive = RawArchive(folder / "raw", store)
    for log in partitions:
        known = set()
        for message in log:
            if (place := dict(message.headers).get("place")) in known:
                continue
            known.add(place or message.offset)
            for one in codec.decode(message.value).chunks:
                archive.add(one)
    store.commit((), None, now_us=0, raw_segments=archive.flush())
    found = {name: list(archive.read(name, 0, END)) for name in STATIONS}
    archive.close()
    store.close()
    return found


def test_what_comes_after_a_restart_is_no_repetition_of_what_came_before(installation):
    """A receiver that sends the same bytes twice within a microsecond: they are two messages."""
    for offset in range(3):
        installation.archive.take([read(offset, chunk("A", 1))])
        installation.archive.keep(0)
        installation.kill()
    assert installation.chunks("A") == [chunk("A", 1)] * 3


def test_a_full_disk_loses_nothing_and_is_tried_again(installation, monkeypatch):
    installation.archive.take([read(0, chunk("A", 1)), read(1, chunk("B", 2))])
    commit = installation.store.commit

    def full(*given, **named):
        raise StorageFullError("no space is left")

    monkeypatch.setattr(installation.store, "commit", full)
    for _ in range(2):
        with pytest.raises(StorageFullError):
            installation.archive.keep(0)
    monkeypatch.setattr(installation.store, "commit", commit)
    installation.archive.keep(0)
    assert (installation.chunks("A"), installation.chunks("B")) == ([chunk("A", 1)], [chunk("B", 2)])


class Kafka:
    """A reader of messages that are there; the oldest of which Kafka has let go of."""

    def __init__(self, log, kept_from=0):
        self.log, self.kept_from, self.begin = log, kept_from, {}

    def reader(self, begin):
        self.begin = begin
        place = begin.get("raw", {}).get(0, 0)
        self.missed = Counter({("raw", 0): max(0, self.kept_from - place)})
        place = max(self.kept_from, place)
        self.left = [one for one in self.log if one.offset >= place]
        return self

    async def start(self):
        pass

    async def stop(self):
        pass

    async def next(self, timeout_s):
        await asyncio.sleep(0.001)
        found, self.left = self.left[:3], self.left[3:]
        return found

    def lag(self):
        return len(self.left)


async def run_until(archiver, condition):
    task = asyncio.create_task(archiver.run())
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await archiver.close()


@pytest.mark.parametrize(("name", "bound"), [("KEEP_S", 0.01), ("MOST_BYTES", 8), ("MOST_CHUNKS", 4)])
async def test_what_was_read_is_kept_after_a_while_or_when_it_is_much(installation, monkeypatch, name, bound):
    monkeypatch.setattr(raw_archiver, name, bound)
    kafka = Kafka([read(k, chunk("A", k)) for k in range(20)])
    health = installation.archive.health
    archiver = RawArchiver(installation.archive, kafka.reader, lambda: 0)
    await run_until(archiver, lambda: health.messages == 20 and health.commits >= 1)
    installation.kill()
    assert installation.chunks("A") == [chunk("A", k) for k in range(20)]


async def test_a_disk_that_is_full_is_said_until_it_is_not(installation, monkeypatch):
    monkeypatch.setattr(raw_archiver, "KEEP_S", 0.0)
    monkeypatch.setattr(raw_archiver, "RETRY_S", 0.001)
    kafka, said, commit = Kafka([read(k, chunk("A", k)) for k in range(6)]), [], installation.store.commit

    def full(*given, **named):
        said.append(installation.archive.health.error)
        if len(said) > 3:
            return commit(*given, **named)
        raise StorageFullError("no space is left")

    monkeypatch.setattr(installation.store, "commit", full)
    archiver = RawArchiver(installation.archive, kafka.reader, lambda: 0)
    await run_until(archiver, lambda: installation.archive.health.commits >= 2)
    assert said[:4] == ["", *["StorageFullError: no space is left"] * 3]
    assert installation.archive.health.error == ""
    installation.kill()
    assert installation.chunks("A") == [chunk("A", k) for k in range(6)]


async def test_a_fault_within_a_message_loses_nothing_of_it(installation, monkeypatch):
    kafka = Kafka([read(k, chunk("A", k), chunk("B", k), maker="g", place=k) for k in range(4)])
    add = installation.archive._archive.add

    def faulty(one):
        if one == chunk("B", 2):
            raise ValueError("a fault of the program")
        add(one)

    monkeypatch.setattr(installation.archive._archive, "add", faulty)
    archiver = RawArchiver(installation.archive, kafka.reader, lambda: 0)
    with pytest.raises(ValueError, match="a fault"):
        await archiver.run()
    await archiver.close()
    installation.kill()
    archiver = RawArchiver(installation.archive, kafka.reader, lambda: 0)
    await run_until(archiver, lambda: installation.archive.health.messages == 4)
    installation.kill()
    for name in "AB":
        assert installation.chunks(name) == [chunk(name, k) for k in range(4)]


async def test_what_kafka_has_let_go_of_is_counted(installation):
    installation.archive.take([read(k, chunk("A", k)) for k in range(3)])
    installation.archive.keep(0)
    installation.kill()
    kafka = Kafka([read(k, chunk("A", k)) for k in range(20)], kept_from=10)
    health = installation.archive.health
    archiver = RawArchiver(installation.archive, kafka.reader, lambda: 0)
    await run_until(archiver, lambda: health.messages == 10)
    assert (kafka.begin, health.missed) == ({"raw": {0: 20}}, 7)
    installation.kill()
    assert installation.chunks("A") == [chunk("A", k) for k in (*range(3), *range(10, 20))]


def test_what_is_no_batch_of_bytes_is_passed_over(installation):
    beside = codec.encode(EphemerisMessages(messages=[]))
    messages = [Read(RAW, 0, 0, b"\x00", []), Read(RAW, 0, 1, beside, []), read(2, chunk("A", 1))]
    installation.archive.take(messages)
    installation.archive.keep(0)
    installation.kill()
    assert installation.archive.consumed == {"raw": {0: 3}}
    assert installation.chunks("A") == [chunk("A", 1)]


def test_a_region_sends_no_bytes_in_the_name_of_others(installation):
    mine, theirs, false = chunk("A", 1), chunk("zj:A", 2), chunk("A", 3)
    installation.archive.take([read(0, mine, chunk("zj:A", 4)), read(0, theirs, false, topic=REGIONAL_RAW)])
    installation.archive.take([read(1, chunk("js:A", 5), topic=REGIONAL_RAW)])
    installation.archive.keep(0)
    assert installation.archive.health.foreign == 3
    assert (installation.chunks("A"), installation.chunks("zj:A")) == ([mine], [theirs])
    assert installation.chunks("js:A") == []


def test_a_gatherer_that_repeats_itself_after_a_restart_of_the_archive_counts_once(installation):
    first = read(0, chunk("A", 1), maker="g", place=5)
    installation.archive.take([first])
    installation.archive.keep(0)
    installation.kill()
    again = first.__class__(RAW, 0, 1, first.value, first.headers)
    installation.archive.take([again, read(2, chunk("A", 2), maker="g", place=6)])
    installation.archive.keep(0)
    assert installation.chunks("A") == [chunk("A", 1), chunk("A", 2)]
    assert installation.archive.health.repeated == 1
