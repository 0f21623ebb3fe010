"""The files of the raw archive: their names, and bytes that are there for good or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from storage.append_kernel import Piece, append_all
from storage.disk_sync import can_sync_disk, sync_disk
from storage.store import StorageFullError

_LONGEST_NAME = 80
_MOST_SYNCED = 100_000
_FEW = 8
"""Files that are synced each by itself: for a few of them nobody waits for all that others have written."""
_MOST_PATHS = 20_000


class ObjectFolder:
    """Objects that only grow; who knows their committed lengths can cut them back."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        self.root.mkdir(parents=True, exist_ok=True)
        self._synced: set[Path] = set()
        """Folders above those of objects; they change with a day or a station only."""
        self._here: set[str] = set()
        """Folders of objects that are there, on the root's file system."""
        self._descriptor = -1
        """Of the root; open since before what it is to sync was written, or errors would be nobody's."""
        self._syncs_disk = False

    def read(self, path: str, offset: int, length: int) -> bytes:
        """Return a piece of an object, less at its end."""
        with (self.root / path).open("rb") as file:
            file.seek(offset)
            return file.read(length)

    def cut(self, path: str, length: int) -> None:
        """Remove what stands behind `length` bytes."""
        file = self.root / path
        if file.exists() and file.stat().st_size > length:
            os.truncate(file, length)

    def remove(self, path: str) -> None:
        """Remove an object, and its folder with the last one of it."""
        file = self.root / path
        file.unlink(missing_ok=True)
        self._synced.difference_update(file.parents)
        self._here.discard(_folder_of(path))
        for folder in (file.parent, file.parent.parent):  # of the day, of the year
            with suppress(OSError):
                folder.rmdir()

    def append(self, path: str, offset: int, data: bytes) -> None:
        """Write at `offset`, which is the object's end, and sync; a failure leaves the object as it was.

        Raises
        ------
        StorageFullError
            No space is left.
        """
        file = self.root / path
        with self._translated():
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("r+b" if file.exists() else "x+b", buffering=0) as handle:
                try:
                    written = 0
                    while written < len(data):
                        written += os.pwrite(handle.fileno(), data[written:], offset + written)
                    os.fsync(handle.fileno())
                except OSError:
                    handle.truncate(offset)
                    raise
            if offset == 0:
                _sync_folder(file.parent)
                self._sync_above(file.parent)

    def append_all(self, pieces: Sequence[Piece]) -> list[Exception | None]:
        """Write pieces, each into an object of its own, and sync; return why one is not written.

        Many are synced with everything else on the file system, where it can be: the disk is asked once.
        """
        is_here = [len(pieces) > _FEW and self._is_here(one.file) for one in pieces]
        together = [one for one, is_so in zip(pieces, is_here, strict=True) if is_so]
        done = iter(self._written_together(together).tolist())
        errors: list[Exception | None] = []
        for one, is_so in zip(pieces, is_here, strict=True):
            error: Exception | None = None
            if not (is_so and next(done)):
                try:
                    self.append(*one)
                except Exception as why:  # noqa: BLE001 - of one object; the others are written
                    error = why
            errors.append(error)
        return errors

    def close(self) -> None:
        """Let go of the root; what comes then opens it again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            self._here.clear()

    def _written_together(self, pieces: Sequence[Piece]) -> NDArray[np.bool_]:
        """Write pieces into folders that are here; return which are on the disk."""
        done = append_all(
            [Piece(f"{self.root}/{one.file}", *one[1:]) for one in pieces], syncs=not self._syncs_disk
        )
        try:
            if self._syncs_disk and done.any():
                sync_disk(self._descriptor)
            elif not self._syncs_disk:
                for folder in {_folder_of(one.file) for one in pieces if one.offset == 0}:
                    self._sync_above(self.root / folder)
        except OSError:  # nobody knows of which file: each is written again, and synced
            done[:] = False
        return done

    def _is_here(self, path: str) -> bool:
        """Return whether an object's folder is on the root's file system; make it if it is missing."""
        folder = _folder_of(path)
        if folder in self._here:
            return True
        try:
            if self._descriptor < 0:
                self._descriptor = os.open(self.root, os.O_RDONLY)
                self._syncs_disk = can_sync_disk(self._descriptor)
            (self.root / folder).mkdir(parents=True, exist_ok=True)
            is_so = (self.root / folder).stat().st_dev == os.fstat(self._descriptor).st_dev
        except OSError:  # which is told where it is written by itself
            return False
        if is_so:
            if len(self._here) > _MOST_SYNCED:
                self._here.clear()
            self._here.add(folder)
        return is_so

    def _sync_above(self, folder: Path) -> None:
        """Sync the folders that have a new one in them."""
        above = [one for one in folder.parents[:3] if one not in self._synced]
        for one in above:
            _sync_folder(one)
        if len(self._synced) > _MOST_SYNCED:
            self._synced.clear()
        self._synced.update(above)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
                raise
            raise StorageFullError(
                f"no space is left in {self.root}: make room and archiving goes on by itself"
            ) from error


def object_path(station_id: str, time_us: int) -> str:
    """Return the path of the object of the hour that holds `time_us`, relative to the folder."""
    return _path(station_id, time_us // 3_600_000_000)


@lru_cache(_MOST_PATHS)
def _path(station_id: str, hours: int) -> str:
    hour = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=hours)
    name = safe_name(station_id)
    return f"{name}/{hour:%Y}/{hour:%j}/{name}_{hour:%Y%m%d}T{hour:%H}.rtcm.zst"


def hour_of(path: str) -> str:
    """Return the hour of an object's path; a later one is greater."""
    return path.rpartition("_")[2]


def safe_name(station_id: str) -> str:
    """Return a file name that no other id has and that never leads out of its folder."""
    name = quote(station_id, safe="").replace(".", "%2E") or "%"
    if len(name) > _LONGEST_NAME:
        digest = hashlib.sha256(station_id.encode()).hexdigest()[:16]
        name = f"{name[: _LONGEST_NAME - 17]}~{digest}"
    return name


def _folder_of(path: str) -> str:
    return path.rpartition("/")[0]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
