"""Raw data beside the rounds: a slow disk slows, a broken one holds up nobody."""

from __future__ import annotations

import threading

import pytest

from storage import archiving as module
from storage.keeper import StoreKeeper
from storage.raw_archive import RawArchive
from streams.embedded import Round
from streams.records import RawBatch, RawChunk, StationReports

END = 2**62


@pytest.fixture
def archive(store, tmp_path):
    return RawArchive(tmp_path / "raw", store)


def a_round(make, k, size=10):
    now_us = make.t0 + k * 20_000_000
    chunk = RawChunk(station_id="A", payload=bytes([k]) * size, received_at_us=now_us)
    report = StationReports(reports=[make.report("A", now_us)])
    return Round(now_us, [RawBatch(chunks=[chunk])], [report], [b"j"])


def kept(archive):
    return [chunk.payload[0] for chunk in archive.read("A", 0, END)]


def test_verdicts_do_not_wait_for_the_disk(store, archive, make, monkeypatch):
    free, due = threading.Event(), archive.due

    def slow(now_us):
        assert free.wait(60)
        return due(now_us)

    monkeypatch.setattr(archive, "due", slow)
    keeper = StoreKeeper(store, archive, beside=True)
    for k in range(4):
        keeper.keep(a_round(make, k))
    assert len(store.station_reports("A", 0, END).items) == 4
    assert kept(archive) == []
    free.set()
    keeper.close()
    assert kept(archive) == [0, 1, 2, 3]


def test_segments_are_committed_with_a_later_round(store, archive, make, monkeypatch):
    monkeypatch.setattr(module, "BEAT_S", 0.01)
    keeper = StoreKeeper(store, archive, beside=True)
    keeper.keep(a_round(make, 0))
    k = 1
    while not kept(archive):
        keeper.keep(a_round(make, k % 200))
        k += 1
    keeper.close()
    assert len(kept(archive)) == k


@pytest.mark.parametrize("is_broken", [False, True])
def test_who_brings_more_than_a_disk_takes_waits_unless_it_is_broken(
    store, archive, make, monkeypatch, is_broken
):
    monkeypatch.setattr(module, "WAITING_BYTES", 1000)
    free, begun, due = threading.Event(), threading.Event(), archive.due

    def slow(now_us):
        begun.set()
        if is_broken:
            raise OSError(5, "Input/output error")
        assert free.wait(60)
        return due(now_us)

    monkeypatch.setattr(archive, "due", slow)
    keeper = StoreKeeper(store, archive, beside=True)
    keeper.keep(a_round(make, 0, 2000))
    assert begun.wait(60)
    bringing = threading.Thread(target=lambda: [keeper.keep(a_round(make, k, 2000)) for k in (1, 2, 3)])
    bringing.start()
    if not is_broken:
        bringing.join(0.2)
        assert bringing.is_alive()
        free.set()
    bringing.join(60)
    assert not bringing.is_alive()
    keeper.close()
    assert keeper.archive_error == ""  # what waited was written at the end
    assert kept(archive) == [0, 1, 2, 3]


def test_an_object_that_cannot_be_written_keeps_back_no_other_station(store, archive, make, tmp_path):
    in_the_way = tmp_path / "raw" / "B"
    in_the_way.write_bytes(b"")
    keeper = StoreKeeper(store, archive)
    for k in range(2):
        now_us = make.t0 + k * 20_000_000
        chunks = [RawChunk(station_id=one, payload=bytes([k + 1]), received_at_us=now_us) for one in "ABC"]
        keeper.keep(Round(now_us, [RawBatch(chunks=chunks)], (), [b"j"]))
    assert keeper.archive_error
    assert [len(store.segments(one, 0, END)) for one in "ABC"] == [1, 0, 1]
    in_the_way.unlink()
    keeper.close()
    assert [len(store.segments(one, 0, END)) for one in "ABC"] == [2, 2, 2]
