"""Many objects at once: one call brings them to the disk, and none is told as written that is not there."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryFile

import pytest

from storage import objects as objects_module
from storage.append_kernel import Piece
from storage.disk_sync import can_sync_disk, sync_disk
from storage.objects import ObjectFolder

N = 30


def pieces(text=b"one", offset=0, n=N):
    return [Piece(f"S{k}/2026/327/S{k}_20261123T16.rtcm.zst", offset, b"%d %b" % (k, text)) for k in range(n)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """One on a file system that tells of errors, whatever the tests' is."""
    monkeypatch.setattr(objects_module, "can_sync_disk", lambda descriptor: True)
    with_end = ObjectFolder(tmp_path / "raw")
    yield with_end
    with_end.close()


@pytest.fixture
def synced(monkeypatch):
    """What the disk is asked for, in order: files that are synced, and "disk"."""
    told = []
    of_file = os.fsync

    def fsync(descriptor):
        told.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        of_file(descriptor)

    def of_disk(descriptor):
        told.append("disk")
        sync_disk(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(objects_module, "sync_disk", of_disk)
    return told


def read(folder, some):
    return [folder.read(one.file, one.offset, 100) for one in some]


def test_it_is_known_which_file_systems_tell_of_errors():
    with Path("/proc/self/status").open("rb") as of_kernel:
        assert not can_sync_disk(of_kernel.fileno())
    with TemporaryFile(dir="/dev/shm") as in_memory:
        assert can_sync_disk(in_memory.fileno())
    assert not can_sync_disk(-1)
    with pytest.raises(OSError, match="Bad file descriptor"):
        sync_disk(-1)


def test_many_are_synced_at_once_after_all_of_them_were_written(folder, monkeypatch, synced):
    seen = []

    def of_disk(descriptor):
        assert os.path.samestat(os.fstat(descriptor), folder.root.stat())
        seen.append(read(folder, some))

    monkeypatch.setattr(objects_module, "sync_disk", of_disk)
    for some in (pieces(), pieces(b"two", offset=100)):
        assert folder.append_all(some) == [None] * N
    assert seen == [[one.data for one in pieces()], [one.data for one in pieces(b"two")]]
    assert synced == []


def test_few_wait_for_nobody_else(folder, synced):
    some = pieces(n=3)
    assert folder.append_all(some) == [None] * 3
    assert "disk" not in synced
    assert {str(folder.root / one.file) for one in some} <= set(synced)
    assert {str((folder.root / one.file).parents[k]) for one in some for k in range(4)} <= set(synced)


def test_what_may_not_be_on_the_disk_is_written_again_one_by_one(folder, monkeypatch, synced):
    def broken(descriptor):
        for one in some:
            os.truncate(folder.root / one.file, one.offset)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(objects_module, "sync_disk", broken)
    some = pieces()
    assert folder.append_all(some) == [None] * N
    assert read(folder, some) == [one.data for one in some]
    files = {str(folder.root / one.file) for one in some}
    assert files <= set(synced)
    assert {str(Path(file).parent) for file in files} <= set(synced)


def test_what_cannot_be_written_is_told_in_its_place(folder):
    some = pieces()
    (folder.root / some[7].file).mkdir(parents=True)
    told = folder.append_all(some)
    assert [k for k, error in enumerate(told) if error is not None] == [7]
    assert isinstance(told[7], OSError)
    assert read(folder, some[:7] + some[8:]) == [one.data for one in some[:7] + some[8:]]


def test_objects_on_another_file_system_are_synced_by_themselves(folder, monkeypatch, synced):
    stat = os.fstat
    root = folder.root.stat()

    def elsewhere(descriptor):
        found = stat(descriptor)
        if not os.path.samestat(found, root):
            return found
        return os.stat_result((*found[:2], found.st_dev + 1, *found[3:]))

    monkeypatch.setattr(os, "fstat", elsewhere)
    some = pieces()
    assert folder.append_all(some) == [None] * N
    assert "disk" not in synced
    assert {str(folder.root / one.file) for one in some} <= set(synced)


def test_a_system_that_cannot_sync_a_disk_syncs_each_file_and_its_folders(folder, monkeypatch, synced):
    calls = []
    append_all = objects_module.append_all

    def noted(some, *, syncs):
        calls.append(syncs)
        return append_all(some, syncs=syncs)

    monkeypatch.setattr(objects_module, "can_sync_disk", lambda descriptor: False)
    monkeypatch.setattr(objects_module, "append_all", noted)
    some = pieces()
    assert folder.append_all(some) == [None] * N
    assert read(folder, some) == [one.data for one in some]
    assert calls == [True]  # the kernel syncs files and their own folders
    above = {str((folder.root / one.file).parents[k]) for one in some for k in (1, 2, 3)}
    assert above <= set(synced)
    assert "disk" not in synced


def test_a_folder_that_went_with_its_last_object_is_made_again(folder):
    for _ in range(2):
        some = pieces()
        assert folder.append_all(some) == [None] * N
        assert read(folder, some) == [one.data for one in some]
        for one in some:
            folder.remove(one.file)
        assert not list(folder.root.rglob("327"))


def test_it_goes_on_after_it_was_closed_and_leaves_nothing_open(folder):
    before = len(list(Path("/proc/self/fd").iterdir()))
    for k in range(3):
        assert folder.append_all(pieces(offset=4 * k)) == [None] * N
        folder.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
