"""Pieces into many files: what is told as written is there, and nothing else is harmed by what is not."""

from __future__ import annotations

import os
from pathlib import Path

from storage.append_kernel import Piece, append_all
from storage.objects import ObjectFolder


def test_pieces_go_to_the_ends_of_their_files(tmp_path):
    (tmp_path / "old").write_bytes(b"abcdef")
    long = os.urandom(3_000_000)
    pieces = [
        Piece(str(tmp_path / "new"), 0, b"123"),
        Piece(str(tmp_path / "old"), 3, b"xyz!"),
        Piece(str(tmp_path / "long_é"), 0, long),
        Piece(str(tmp_path / "empty"), 0, b""),
    ]
    assert append_all(pieces).tolist() == [True] * 4
    assert (tmp_path / "new").read_bytes() == b"123"
    assert (tmp_path / "old").read_bytes() == b"abcxyz!"
    assert (tmp_path / "long_é").read_bytes() == long
    assert (tmp_path / "empty").read_bytes() == b""
    assert append_all([]).tolist() == []


def test_files_that_cannot_be_written_are_told_and_the_others_are_written(tmp_path):
    (tmp_path / "folder").mkdir()
    pieces = [
        Piece(str(tmp_path / "no" / "a"), 0, b"1"),
        Piece(str(tmp_path / "b"), 0, b"2"),
        Piece(str(tmp_path / "folder"), 0, b"3"),
        Piece(str(tmp_path / "missing"), 5, b"4"),
        Piece("/dev/full", 0, b"5"),
    ]
    assert append_all(pieces).tolist() == [False, True, False, False, False]
    assert (tmp_path / "b").read_bytes() == b"2"
    assert not (tmp_path / "missing").exists()


def test_a_thousand_files_leave_no_descriptor_open(tmp_path):
    before = len(list(Path("/proc/self/fd").iterdir()))
    for offset in (0, 1):
        pieces = [Piece(str(tmp_path / f"{k}"), offset, bytes([k % 256])) for k in range(1000)]
        assert append_all(pieces).all()
    assert all((tmp_path / f"{k}").read_bytes() == bytes([k % 256] * 2) for k in range(1000))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_an_error_of_one_object_is_told_in_its_place(tmp_path):
    objects = ObjectFolder(tmp_path)
    assert objects.append_all([Piece("A/1", 0, b"one"), Piece("B/1", 0, b"two")]) == [None, None]
    (tmp_path / "F").symlink_to("/dev/full")
    told = objects.append_all([Piece("A/1", 3, b"!"), Piece("F", 0, b"x"), Piece("B/1", 3, b"?")])
    assert told[0] is None
    assert isinstance(told[1], OSError)
    assert told[2] is None
    assert objects.read("A/1", 0, 10) == b"one!"
    assert objects.read("B/1", 0, 10) == b"two?"
