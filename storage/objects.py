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

from storage.append_kernel import Piece, append_all
from storage.store import StorageFullError

_LONGEST_NAME = 80
_MOST_SYNCED = 100_000
_MOST_PATHS = 20_000


class ObjectFolder:
    """Objects that only grow; who knows their committed lengths can cut them back."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        self.root.mkdir(parents=True, exist_ok=True)
        self._synced: set[Path] = set()
        """Folders above those of objects; they change with a day or a station only."""

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
        """Write pieces, each into an object of its own; return why one is not written."""
        found = [Piece(str(self.root / one.file), one.offset, one.data) for one in pieces]
        errors: list[Exception | None] = []
        for folder in {Path(one.file).parent for one in found if one.offset == 0}:
            with suppress(OSError):  # which is told where it is needed
                folder.mkdir(parents=True, exist_ok=True)
                self._sync_above(folder)
        for one, done in zip(pieces, append_all(found), strict=True):
            error: Exception | None = None
            if not done:
                try:
                    self.append(*one)
                except Exception as why:  # noqa: BLE001 - of one object; the others are written
                    error = why
            errors.append(error)
        return errors

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


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
