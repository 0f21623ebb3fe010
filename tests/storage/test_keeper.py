"""The keeper: one transaction for everything, and no trouble of one part stops what need not stop."""

from __future__ import annotations

import errno
import os

import numpy as np
import pytest

from storage.keeper import StoreKeeper
from storage.raw_archive import RawArchive
from streams.embedded import Keeper, Round
from streams.records import AlertTransitions, RawBatch, RawChunk, StationReports

END = 2**62


@pytest.fixture
def archive(store, tmp_path):
    return RawArchive(tmp_path / "raw", store)


def raw_round(make, k, outputs=()):
    now_us = make.t0 + k * 20_000_000
    chunk = RawChunk(station_id="A", payload=bytes([k]) * 10, received_at_us=now_us)
    return Round(now_us, [RawBatch(chunks=[chunk])], outputs, [b"j"])


def test_rounds_are_kept_and_recalled(store, archive, make):
    keeper: Keeper = StoreKeeper(store, archive, ["w"])
    for k in range(3):
        keeper.keep(raw_round(make, k, [StationReports(reports=[make.report("A", make.t0 + k)])]))
    keeper.keep(Round(END, (), [AlertTransitions(transitions=[make.transition()])], [b"a"]))
    assert keeper.recall() == ({}, [b"j", b"j", b"j", b"a"])
    assert [c.payload[0] for c in archive.read("A", 0, END)] == [0, 1, 2]
    assert len(store.station_reports("A", 0, END).items) == 3
    assert len(store.due_deliveries(END)) == 1
    keeper.keep(Round(END, (), (), (), {"p": [b"s"]}))
    assert keeper.recall() == ({"p": [b"s"]}, [])


def test_a_round_that_failed_comes_again_and_is_kept_once(store, archive, make, monkeypatch):
    keeper = StoreKeeper(store, archive)
    commit = store.commit

    def away(*arguments, **more):
        raise OSError(errno.EIO, "Input/output error")

    for k in range(4):
        work = raw_round(make, k)
        if k % 2:
            monkeypatch.setattr(store, "commit", away)
            for _ in range(2):
                with pytest.raises(OSError, match="Input/output"):
                    keeper.keep(work)
            monkeypatch.setattr(store, "commit", commit)
        keeper.keep(work)
    keeper.close()
    assert [c.payload for c in archive.read("A", 0, END)] == [bytes([k]) * 10 for k in range(4)]


def test_alerts_go_on_while_the_archive_is_full(store, archive, make, monkeypatch):
    keeper = StoreKeeper(store, archive, ["w"])
    write = os.pwrite

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    monkeypatch.setattr("storage.objects.append_all", lambda pieces, **_: np.zeros(len(pieces), bool))
    for k in range(3):
        keeper.keep(raw_round(make, k, [AlertTransitions(transitions=[make.transition(alert_id=f"a{k}")])]))
    assert len(store.due_deliveries(END)) == 3
    assert "no space is left" in keeper.archive_error
    monkeypatch.setattr(os, "pwrite", write)
    keeper.keep(raw_round(make, 3))
    assert keeper.archive_error == ""
    keeper.close()
    assert [c.payload[0] for c in archive.read("A", 0, END)] == [0, 1, 2, 3]


def test_segments_are_committed_once(store, archive, make, monkeypatch):
    keeper = StoreKeeper(store, archive)
    committed = []
    commit = store.commit

    def watched(*arguments, **more):
        committed.extend(more["raw_segments"])
        commit(*arguments, **more)

    monkeypatch.setattr(store, "commit", watched)
    for k in range(4):
        keeper.keep(raw_round(make, k))
    keeper.close()
    assert [s.start_us for s in committed] == [make.t0 + k * 20_000_000 for k in range(4)]


def test_without_an_archive(store, make):
    keeper = StoreKeeper(store, None)
    keeper.keep(raw_round(make, 0))
    keeper.close()
    assert store.segments("A", 0, END) == []


def test_a_sample_is_known_by_its_time_and_value(store, make):
    keeper = StoreKeeper(store, None)
    keeper.keep(Round(END, (), [make.samples("a", [10, 20, 30], [1.0, np.nan, 3.0])]))
    keeper.keep(Round(END, (), [make.samples("c", [20], [3.0])]))
    names, series = ["a", "b", "idle", "c"], np.array([0, 0, 3, 1, 0, 0, 3, 0], np.int32)
    time_us = np.array([20, 10, 20, 20, 30, 30, 10, 40])
    value = np.array([np.nan, 1.0, 3.0, 3.0, np.nan, 3.0, 1.0, 3.0])
    known = keeper.stored(names, series, time_us, value)
    assert known.tolist() == [True, True, True, False, False, True, False, False]
