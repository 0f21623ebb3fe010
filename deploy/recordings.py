"""Recordings of one station, read piece by piece and as often as needed: files, and the raw archive."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, cast

import zstandard

from deploy.data_folder import database, open_store, refusing_damage
from deploy.refusal import Refusal
from gnss.assembly.assembled import Chunk
from gnss.capture import reference_time
from gnss.scoring.any_file import is_rinex
from gnss.time import iso_z
from gnss.to_rtcm.converter import Converter
from gnss.to_rtcm.formats import Spoken
from gnss.to_rtcm.recording import as_rtcm, left_out, spoken_in
from storage.objects import ObjectFolder
from storage.raw_pieces import LATE_US, STEP_BYTES, Piece, archived
from storage.raw_reader import RawReader
from storage.sqlite import SqliteStore

CLUE_BYTES = 1 << 24
"""In which the week is looked for: at 1 Hz of five systems almost an hour."""
DATE_BYTES = 1 << 20
"""In which a recording that is no RTCM 3 is looked at for its first epoch, which has a date."""
MOST_PROBLEMS = 20
_GZIP, _ZSTD, _SKIPPABLE = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\x2a\x4d\x18"
_DAMAGE = (EOFError, OSError, zlib.error, zstandard.ZstdError)


class Recording(Protocol):
    """Gives the same bytes each time."""

    problems: list[str]
    """What could not be read, in sentences."""

    def pieces(self) -> Iterator[Piece]:
        """Yield all of it."""
        ...


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    size: int
    reference_us: int
    spoken: Spoken


class Files:
    """Captures of one station, plain or packed with gzip or zstd, in the order of their times.

    What is UBX or BINEX is given as RTCM 3.

    Parameters
    ----------
    paths
        At least one.
    date_us
        Roughly when they were made, UTC; None: as ephemerides in them, else the files' times, tell.

    Raises
    ------
    Refusal
        A file cannot be read at all, or is of another kind.
    """

    def __init__(self, paths: Sequence[Path], date_us: int | None) -> None:
        self.problems: list[str] = []
        self._files = sorted((self._look_at(path, date_us) for path in paths), key=lambda f: f.reference_us)

    def pieces(self) -> Iterator[Piece]:
        """Yield all of it; a damaged file ends where it cannot be unpacked any more."""
        total, before = sum(file.size for file in self._files) or 1, 0
        self.problems = [text for text in self.problems if text.startswith("The week")]
        for file in self._files:
            begins = True
            with _opened(file.path) as (packed, plain):
                for piece in self._as_rtcm(file, plain):
                    share = (before + min(packed.tell(), file.size)) / total
                    yield Piece([Chunk(0, piece, None, file.reference_us)], file.reference_us, share, begins)
                    begins = False
            before += file.size

    def _look_at(self, path: Path, date_us: int | None) -> _File:
        try:
            about = path.stat()
            if not path.is_file():
                raise Refusal(f"{path} is not a file; name a readable capture")
            with _opened(path) as (_, plain):
                head = bytearray()
                while len(head) < CLUE_BYTES and (piece := self._read(path, plain, STEP_BYTES)):
                    head += piece
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise Refusal(
                f"cannot read {path} ({reason}); name a readable capture of RTCM 3, UBX or BINEX"
            ) from error
        if is_rinex(bytes(head[:STEP_BYTES])):
            raise Refusal(f"{path} is a RINEX file already; name captures of RTCM 3, UBX or BINEX")
        modified_us = about.st_mtime_ns // 1000
        spoken, clues = spoken_in(bytes(head)), bytes(head)
        if spoken != "rtcm":
            found = as_rtcm(bytes(head[:DATE_BYTES]), modified_us)
            clues, date_us = found.data, found.first_us or date_us
        reference_us, week_from = reference_time(clues, date_us=date_us, modified_us=modified_us)
        if week_from == "file time":
            self.problems.append(
                f"The week of {path.name} is taken from the file's time; give --date when that is wrong."
            )
        return _File(path, max(1, about.st_size), reference_us, spoken)

    def _as_rtcm(self, file: _File, plain: BinaryIO) -> Iterator[bytes]:
        """Yield a file's bytes, those of another format as RTCM 3."""
        converter = None if file.spoken == "rtcm" else Converter(file.spoken)
        while piece := self._read(file.path, plain, STEP_BYTES):
            yield piece if converter is None else converter.feed(piece, file.reference_us)
        if converter is not None:
            yield converter.finish()
            for text in left_out(file.spoken, converter.counters, converter.written):
                _tell(self.problems, f"{file.path.name}: {text}")

    def _read(self, path: Path, plain: BinaryIO, size: int) -> bytes:
        try:
            return plain.read(size)
        except _DAMAGE as error:
            _tell(self.problems, f"{path.name} cannot be read any further: {error}.")
            return b""


class Archive:
    """What an installation, running or not, has archived of a station.

    Parameters
    ----------
    folder
        Where it keeps its data.
    station_id
        As it is configured.
    begin_us, end_us
        UTC.

    Raises
    ------
    Refusal
        There is no such archive, or nothing of that station and time in it.
    """

    def __init__(self, folder: Path, station_id: str, begin_us: int, end_us: int) -> None:
        if not database(folder).exists():
            raise Refusal(f"nothing is kept in {folder} yet; name the folder of a run with --data DIR")
        self.problems: list[str] = []
        self._store: SqliteStore = open_store(folder)
        self._reader = RawReader(ObjectFolder(folder / "raw"), self._store)
        with refusing_damage(folder):
            self._segments = self._reader.segments(station_id, begin_us - LATE_US, end_us + LATE_US)
        self._begin_us = begin_us
        if not self._segments:
            self.close()
            raise Refusal(
                f"nothing is archived of station {station_id!r} between {iso_z(begin_us)} and"
                f" {iso_z(end_us)}; `groundswell stations` lists those that are kept"
            )

    def close(self) -> None:
        """Close the rows."""
        self._store.close()

    def pieces(self) -> Iterator[Piece]:
        """Yield all of it; damaged segments are left out."""
        self.problems = []
        yield from archived(
            self._reader, self._segments, self._begin_us, lambda text: _tell(self.problems, text)
        )


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """Open a file; return it as it is, and unpacked."""
    with path.open("rb") as packed:
        begin = packed.read(4)
        packed.seek(0)
        if begin.startswith(_GZIP):
            with gzip.GzipFile(fileobj=packed) as plain:
                yield packed, cast(BinaryIO, plain)
        elif begin == _ZSTD or begin[1:] == _SKIPPABLE:
            reader = zstandard.ZstdDecompressor().stream_reader(
                packed, read_across_frames=True, closefd=False
            )
            with reader:
                yield packed, reader
        else:
            yield packed, packed


def _tell(problems: list[str], text: str) -> None:
    if len(problems) < MOST_PROBLEMS and text not in problems:
        problems.append(text)
