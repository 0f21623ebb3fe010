"""The raw archive: what goes in comes out, once, and any zstd tool can read it."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import random
import shutil
import subprocess

import numpy as np
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage import raw_archive, raw_places, raw_slots
from storage.objects import object_path, safe_name
from storage.raw_archive import RawArchive
from storage.raw_slots import SLOT_US
from storage.segments import SegmentError, decode_segment, encode_segments
from storage.store import StorageError, StorageFullError
from streams.records import RawChunk

T0 = 1_700_000_000_000_000
HOUR = 3_600_000_000
END = 2**62


def live(seed=1, n=200, station_id="A", start_us=T0, step_us=200_000):
    """Return chunks of one live stream."""
    rng = random.Random(seed)
    return [
        RawChunk(
            station_id=station_id,
            payload=rng.randbytes(rng.randrange(1, 300)),
            received_at_us=start_us + i * step_us,
        )
        for i in range(n)
    ]


def record(archive, store, chunks, *, flush=True):
    """Do what the pipeline does: add, and commit what is due."""
    for chunk in chunks:
        archive.add(chunk)
        store.commit((), None, now_us=0, raw_segments=archive.due(chunk.received_at_us or 0))
    if flush:
        store.commit((), None, now_us=0, raw_segments=archive.flush())


def plain(folder):
    """Return what zstd gives for all objects, in the order of their names."""
    found = b""
    for path in sorted(folder.rglob("*.zst")):
        reader = zstandard.ZstdDecompressor().stream_reader(
            io.BytesIO(path.read_bytes()), read_across_frames=True
        )
        found += reader.read()
    return found


def payload(chunks):
    return b"".join(chunk.payload for chunk in chunks)


@pytest.fixture
def archive(store, tmp_path):
    return RawArchive(tmp_path / "raw", store)


def test_round_trip_over_an_hour_change(archive, store, tmp_path):
    start = T0 - T0 % HOUR + HOUR - 20_000_000
    chunks = live(start_us=start)
    record(archive, store, chunks)
    assert list(archive.read("A", 0, END)) == chunks
    paths = sorted(p.relative_to(tmp_path / "raw").as_posix() for p in (tmp_path / "raw").rglob("*.zst"))
    assert paths == ["A/2023/318/A_20231114T22.rtcm.zst", "A/2023/318/A_20231114T23.rtcm.zst"]
    assert plain(tmp_path / "raw") == payload(chunks)
    middle = start + 19_000_000
    assert list(archive.read("A", middle, middle + 2_000_000)) == [
        c for c in chunks if middle <= c.received_at_us < middle + 2_000_000
    ]
    assert list(archive.read("B", 0, END)) == []


@pytest.mark.skipif(shutil.which("zstd") is None, reason="the program zstd is not installed")
def test_the_program_zstd_gives_the_plain_stream(archive, store, tmp_path):
    chunks = live(n=100)
    record(archive, store, chunks)
    (path,) = (tmp_path / "raw").rglob("*.zst")
    assert subprocess.run(["zstd", "-dc", path], capture_output=True, check=True).stdout == payload(chunks)


def test_stations_are_kept_apart_and_in_order(archive, store):
    streams = [live(seed, station_id=f"S{seed}") for seed in range(5)]
    record(archive, store, [chunk for row in zip(*streams, strict=True) for chunk in row])
    for seed, stream in enumerate(streams):
        assert list(archive.read(f"S{seed}", 0, END)) == stream


def test_segments_are_written_when_their_slot_is_over(archive):
    begin = T0 - T0 % 10_000_000
    archive.add(RawChunk(station_id="A", payload=b"1", received_at_us=begin))
    archive.add(RawChunk(station_id="A", payload=b"2", received_at_us=begin + 9_999_999))
    assert archive.due(begin + 14_999_999) == []
    (segment,) = archive.due(begin + 19_000_000)
    assert (segment.slot_us, segment.position, segment.size, segment.chunks) == (begin, 0, 2, 2)
    archive.add(RawChunk(station_id="A", payload=b"3", received_at_us=begin + 10_000_000))
    archive.add(RawChunk(station_id="A", payload=b"4", received_at_us=begin + 20_000_000))
    (segment,) = archive.due(begin + 29_000_000)
    assert segment.size == 1


def test_the_slots_of_many_stations_are_written_one_after_the_other(archive):
    begin = T0 - T0 % 10_000_000
    names = [f"S{k}" for k in range(200)]
    written = []
    for k in range(20):
        at_us = begin + k * 1_000_000
        for name in names:
            archive.add(RawChunk(station_id=name, payload=b"x", received_at_us=at_us))
        written.append(len(archive.due(at_us)))
    assert sum(written[:10]) == 0
    assert sum(written) == 200
    assert max(written) <= 50


def test_a_slot_that_is_written_at_once_does_not_overtake_the_one_before(archive, monkeypatch):
    monkeypatch.setattr("storage.raw_slots.STATION_BUFFER_BYTES", 3)
    begin = T0 - T0 % 10_000_000
    archive.add(RawChunk(station_id="A", payload=b"1", received_at_us=begin))
    archive.add(RawChunk(station_id="A", payload=b"2345", received_at_us=begin + 10_000_000))
    assert archive.due(begin + 10_000_000) == []
    first, second = archive.due(begin + 19_000_000)
    assert (first.start_us, second.start_us) == (begin, begin + 10_000_000)


def test_a_full_buffer_is_written(archive, monkeypatch):
    monkeypatch.setattr(raw_slots, "STATION_BUFFER_BYTES", 1000)
    for _ in range(5):
        archive.add(RawChunk(station_id="A", payload=bytes(400), reference_us=T0))
    (segment,) = archive.due(0)
    assert segment.size == 1200
    (rest,) = archive.flush()
    assert (rest.position, rest.size) == (1200, 800)


def test_a_replay_without_times_is_kept_under_its_reference(archive, store):
    chunks = [
        RawChunk(station_id="A", payload=bytes([i]), reference_us=T0, end_of_stream=i == 9) for i in range(10)
    ]
    for chunk in chunks:
        archive.add(chunk)
    store.commit((), None, now_us=0, raw_segments=archive.due(0))
    found = list(archive.read("A", T0, T0 + 1))
    assert payload(found) == bytes(range(10))
    assert {c.reference_us for c in found} == {T0}
    assert {c.received_at_us for c in found} == {None}


@pytest.mark.parametrize("time_us", [None, -5, 2**62])
def test_chunks_without_a_usable_time_are_kept_too(archive, store, time_us):
    archive.add(RawChunk(station_id="A", payload=b"x", reference_us=time_us))
    store.commit((), None, now_us=0, raw_segments=archive.flush())
    (found,) = archive.read("A", 0, 1)
    assert (found.payload, found.reference_us) == (b"x", time_us)


# --- again, cut short, restarted ----------------------------------------------------------------------


ANY_RUNS = given(
    cuts=st.lists(st.integers(0, 120), max_size=4), seed=st.integers(0, 2**48), times=st.booleans()
)


def runs(n):
    return settings(
        max_examples=n, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )


@pytest.mark.parametrize("open_store", ["sqlite"], indirect=True)
@runs(40)
@ANY_RUNS
def test_the_same_input_again_is_stored_once(store, tmp_path, cuts, seed, times):
    run_again(store, tmp_path, cuts, seed, times)


@pytest.mark.integration
@pytest.mark.parametrize("open_store", ["postgres"], indirect=True)
@runs(4)  # thousands of commits each
@ANY_RUNS
def test_the_same_input_again_is_stored_once_on_a_server(store, tmp_path, cuts, seed, times):
    run_again(store, tmp_path, cuts, seed, times)


def run_again(store, tmp_path, cuts, seed, times):
    """Any number of runs that stop (flushed) anywhere, then a whole one: as if there was only that one."""
    station_id = f"S{seed}-{times}"
    chunks = live(seed, 120, station_id)
    if not times:
        chunks = [
            RawChunk(station_id=station_id, payload=c.payload, reference_us=c.received_at_us) for c in chunks
        ]
    folder = tmp_path / station_id
    for cut in [*cuts, 120]:
        archive = RawArchive(folder, store)
        record(archive, store, chunks[:cut])
        archive.close()
    assert list(archive.read(station_id, 0, END)) == chunks
    assert sum(s.size for s in store.segments(station_id, 0, END)) == len(payload(chunks))
    record(RawArchive(folder, store), store, chunks)
    assert list(archive.read(station_id, 0, END)) == chunks


def test_a_live_station_after_a_quick_restart_goes_behind(store, tmp_path):
    begin = T0 - T0 % 10_000_000
    chunks = live(start_us=begin, n=45)
    parts = chunks[:10], chunks[12:20], chunks[25:]
    for part in parts:
        record(RawArchive(tmp_path / "raw", store), store, part)
    found = list(RawArchive(tmp_path / "raw", store).read("A", 0, END))
    assert found == [chunk for part in parts for chunk in part]


def test_the_same_bytes_at_another_time_are_other_bytes(store, tmp_path):
    begin = T0 - T0 % 10_000_000
    chunks = [RawChunk(station_id="A", payload=b"\xd3", received_at_us=begin + i) for i in range(2)]
    for chunk in chunks:
        record(RawArchive(tmp_path / "raw", store), store, [chunk])
    assert list(RawArchive(tmp_path / "raw", store).read("A", 0, END)) == chunks


@pytest.mark.parametrize("limit", [1, 250, 1000])
def test_a_slot_of_many_segments_again_is_stored_once(store, tmp_path, monkeypatch, limit):
    """The second run cuts its segments elsewhere, in the middle of those that are stored."""
    chunks = live(n=45, step_us=1000)
    for bound in (1000, limit, 700):
        monkeypatch.setattr(raw_slots, "STATION_BUFFER_BYTES", bound)
        record(RawArchive(tmp_path / "raw", store), store, chunks)
        assert list(RawArchive(tmp_path / "raw", store).read("A", 0, END)) == chunks


def test_what_waits_for_its_commit_is_not_cut_off(store, tmp_path):
    """The store is away while a station goes to the next hours and comes back to the first."""
    archive = RawArchive(tmp_path / "raw", store)
    hours = [T0, T0 + HOUR, T0 + 2 * HOUR, T0 + 20_000_000]
    segments = []
    for hour in hours:
        archive.add(RawChunk(station_id="A", payload=b"%d" % hour, received_at_us=hour))
        segments += archive.flush()
    store.commit((), None, now_us=0, raw_segments=segments)
    assert sorted(c.received_at_us for c in archive.read("A", 0, END)) == sorted(hours)
    archive.close()
    assert store.unfinished_objects() == []


def test_a_slot_that_comes_again_before_its_commit_goes_behind(store, tmp_path):
    """A clock steps back and forth while rows are on their way: nothing takes the place of anything."""
    archive = RawArchive(tmp_path / "raw", store)
    chunks = [
        RawChunk(station_id="A", payload=b"%d" % k, received_at_us=T0 + k + 10_000_000 * (k % 2))
        for k in range(6)
    ]
    segments = []
    for chunk in chunks:
        archive.add(chunk)
        segments += archive.flush()
    store.commit((), None, now_us=0, raw_segments=segments)
    assert list(archive.read("A", 0, END)) == chunks[::2] + chunks[1::2]


def test_slots_that_waited_are_written_together(archive, store, monkeypatch):
    calls = []
    append = archive._objects.append_all
    monkeypatch.setattr(
        archive._objects, "append_all", lambda pieces: calls.append(len(pieces)) or append(pieces)
    )
    chunks = live(n=100)
    for chunk in chunks:
        archive.add(chunk)
    segments = archive.flush()
    store.commit((), None, now_us=0, raw_segments=segments)
    assert (calls, len(segments)) == ([1], 2)
    assert list(archive.read("A", 0, END)) == chunks


def test_uncommitted_bytes_are_cut_off(store, tmp_path):
    folder = tmp_path / "raw"
    chunks = live()
    archive = RawArchive(folder, store)
    record(archive, store, chunks[:100])
    for chunk in chunks[100:]:
        archive.add(chunk)
    assert archive.flush(), "written, and then the power fails"
    (path,) = folder.rglob("*.zst")
    with path.open("ab") as file:
        file.write(b"half a segm")
    again = RawArchive(folder, store)
    assert plain(folder) == payload(chunks[:100])
    record(again, store, chunks[100:])
    assert plain(folder) == payload(chunks)
    assert list(again.read("A", 0, END)) == chunks


def test_objects_are_remembered_as_unfinished_until_they_are_whole(store, tmp_path):
    archive = RawArchive(tmp_path / "raw", store)
    record(archive, store, live(n=50, step_us=HOUR // 10))
    assert 1 <= len(store.unfinished_objects()) <= 2, "hours that are over are whole"
    archive.close()
    assert store.unfinished_objects() == []


# --- kept long enough -----------------------------------------------------------------------------------


def kept_days(archive, store, tmp_path, now_us):
    """Commit what is there, let go of what is old, and return the days of which files are left."""
    store.commit((), None, now_us=0, raw_segments=archive.flush())
    archive.committed()
    archive.expire(now_us)
    paths = sorted(path.name for path in (tmp_path / "raw").rglob("*.zst"))
    left = [s.path.rpartition("/")[2] for s in store.segments("A", 0, END)]
    assert paths == sorted({*left, *(s.path.rpartition("/")[2] for s in store.segments("B", 0, END))})
    return paths


def test_what_was_kept_long_enough_goes_with_its_file(store, tmp_path):
    archive = RawArchive(tmp_path / "raw", store, keep_us=48 * HOUR)
    begin = T0 - T0 % HOUR
    for hour in range(0, 100, 20):
        archive.add(RawChunk(station_id="A", payload=b"x", received_at_us=begin + hour * HOUR))
    archive.add(RawChunk(station_id="B", payload=b"y", received_at_us=begin))
    assert len(kept_days(archive, store, tmp_path, begin + 47 * HOUR)) == 6
    assert len(kept_days(archive, store, tmp_path, begin + 49 * HOUR)) == 4, "one hour of two stations"
    assert [c.received_at_us for c in archive.read("A", 0, END)] == [
        begin + hour * HOUR for hour in range(20, 100, 20)
    ]
    assert len(kept_days(archive, store, tmp_path, begin + 49 * HOUR + 1)) == 4, "looked at once an hour"
    assert not (tmp_path / "raw" / "B" / "2023").exists()
    archive.add(RawChunk(station_id="B", payload=b"again", received_at_us=begin + 1))
    assert len(kept_days(archive, store, tmp_path, begin + 49 * HOUR + 2)) == 5, "late bytes begin a new file"
    assert payload(archive.read("B", 0, END)) == b"again"
    archive.close()
    assert store.unfinished_objects() == []


def test_a_clock_that_is_far_ahead_does_not_empty_the_archive(store, tmp_path):
    archive = RawArchive(tmp_path / "raw", store, keep_us=48 * HOUR)
    archive.add(RawChunk(station_id="A", payload=b"x", received_at_us=T0))
    assert len(kept_days(archive, store, tmp_path, T0 + 10_000 * HOUR)) == 1
    archive.add(RawChunk(station_id="A", payload=b"x", received_at_us=T0 + 100 * HOUR))
    assert len(kept_days(archive, store, tmp_path, T0 + 10_001 * HOUR)) == 1


def test_killed_while_it_drops_it_drops_the_rest_the_next_time(store, tmp_path, monkeypatch):
    archive = RawArchive(tmp_path / "raw", store, keep_us=48 * HOUR)
    for station_id in "AB":
        for at_us in (T0, T0 + 100 * HOUR):
            archive.add(RawChunk(station_id=station_id, payload=b"x", received_at_us=at_us))
    store.commit((), None, now_us=0, raw_segments=archive.flush())

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(store, "drop_before", killed)
    with pytest.raises(KeyboardInterrupt):
        archive.expire(T0 + 100 * HOUR)
    monkeypatch.undo()
    again = RawArchive(tmp_path / "raw", store, keep_us=48 * HOUR)
    assert len(kept_days(again, store, tmp_path, T0 + 100 * HOUR)) == 2


# --- trouble ------------------------------------------------------------------------------------------


def test_a_full_disk_is_said_and_nothing_is_lost(archive, store, tmp_path, monkeypatch):
    chunks = live()
    record(archive, store, chunks[:100])
    for chunk in chunks[100:]:
        archive.add(chunk)
    write = os.pwrite

    def full(descriptor, data, offset):
        if len(data) > 100:
            return write(descriptor, data[:100], offset)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    monkeypatch.setattr("storage.objects.append_all", lambda pieces, **_: np.zeros(len(pieces), bool))
    for _ in range(2):
        with pytest.raises(StorageFullError, match=r"no space is left in .*raw.*make room"):
            archive.flush()
    assert plain(tmp_path / "raw") == payload(chunks[:100])
    monkeypatch.setattr(os, "pwrite", write)
    store.commit((), None, now_us=0, raw_segments=archive.flush())
    assert list(archive.read("A", 0, END)) == chunks


def test_what_cannot_be_written_for_long_is_dropped_and_counted(archive, monkeypatch):
    monkeypatch.setattr(raw_slots, "WAITING_LIMIT_BYTES", 5_000)
    chunks = live(n=1000)
    for chunk in chunks:
        archive.add(chunk)
    stored = sum(segment.size for segment in archive.flush())
    assert 5_000 < stored < 20_000
    assert stored + archive.dropped_bytes == len(payload(chunks))


def test_a_damaged_or_missing_object_is_named(archive, store, tmp_path):
    record(archive, store, live(n=20))
    (path,) = (tmp_path / "raw").rglob("*.zst")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(StorageError, match=r"A_20231114T22\.rtcm\.zst"):
        list(archive.read("A", 0, END))
    path.unlink()
    with pytest.raises(StorageError, match="restore the file"):
        list(archive.read("A", 0, END))


@given(data=st.binary(max_size=200), flip=st.integers(0, 2000))
@settings(deadline=None)
def test_a_segment_is_whole_or_an_error(data, flip):
    chunks = [RawChunk(station_id="A", payload=data, received_at_us=5), *live(n=2)]
    ((whole, sha256, size),) = encode_segments([(0, chunks)])
    assert (decode_segment("A", whole, sha256), size) == (chunks, len(payload(chunks)))
    broken = bytearray(whole)
    broken[flip % len(whole)] ^= 1 << flip % 8
    for damaged in (bytes(broken), data):
        with contextlib.suppress(SegmentError):
            assert decode_segment("A", damaged, sha256) == chunks


@given(st.lists(st.binary(min_size=1, max_size=9000), min_size=1, max_size=8), st.integers(1, 8))
@settings(deadline=None, max_examples=30)
def test_segments_that_are_packed_together_are_those_packed_alone(payloads, share):
    slots = [
        (SLOT_US * k, [RawChunk(station_id="A", payload=one, received_at_us=SLOT_US * k + 5)] * (1 + k % 3))
        for k, one in enumerate(payloads)
    ]
    together = [one for i in range(0, len(slots), share) for one in encode_segments(slots[i : i + share])]
    for (_, chunks), (segment, sha256, size) in zip(slots, together, strict=True):
        table = segment[8 : 8 + int.from_bytes(segment[4:8], "little")]
        stream = b"".join(chunk.payload for chunk in chunks)
        assert zstandard.ZstdDecompressor().decompress(segment[8 + len(table) :]) == stream
        assert (hashlib.sha256(table + stream).digest(), len(stream)) == (sha256, size)
        assert decode_segment("A", segment, sha256) == chunks


@pytest.mark.parametrize("most", [1, 2, 65_536])
def test_what_comes_again_is_no_news_though_places_were_forgotten(store, tmp_path, monkeypatch, most):
    monkeypatch.setattr(raw_places, "MOST_STATIONS", most)
    monkeypatch.setattr(raw_archive, "_PACKED_BYTES", 1000 * most)
    archive = RawArchive(tmp_path / "raw", store)
    sent = {name: live(n=30, station_id=name) for name in "ABCDE"}
    for _ in range(2):
        for chunks in zip(*sent.values(), strict=True):
            for chunk in chunks:
                archive.add(chunk)
        store.commit((), None, now_us=0, raw_segments=archive.flush())
        archive.committed()
        archive.close()
        archive = RawArchive(tmp_path / "raw", store)
    for name, chunks in sent.items():
        assert list(archive.read(name, 0, END)) == chunks


@pytest.mark.parametrize(
    "station_id", ["..", ".", "/etc/passwd", "../../x", "a/b", "a\\b", "", "\0", "站", "x" * 500, "a.b", "%"]
)
def test_no_id_leads_out_of_the_folder(archive, store, tmp_path, station_id):
    folder = tmp_path / "raw"
    path = folder / object_path(station_id, T0)
    assert path.resolve().relative_to(folder.resolve()).parts[1:3] == ("2023", "318")
    chunks = live(n=5, station_id=station_id)
    record(archive, store, chunks)
    assert list(archive.read(station_id, 0, END)) == chunks
    assert path.is_file()
    assert {p.name for p in tmp_path.iterdir()} <= {"raw", "store.db", "store.db-wal", "store.db-shm"}


@given(st.text(max_size=100), st.text(max_size=100))
def test_different_ids_have_different_names(one, other):
    try:
        names = safe_name(one), safe_name(other)
    except UnicodeEncodeError:  # a lone surrogate is no id
        return
    assert (names[0] == names[1]) == (one == other)
