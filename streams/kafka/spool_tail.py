"""The end of a spool: the segment that grows, and what it takes to have it on the disk."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(slots=True, eq=False)
class Tail:
    """Writes the newest segment of a folder."""

    folder: Path
    size: int = 0
    """Bytes of the segment, without what could not be written whole."""
    _file: int = -1
    _synced: bool = True
    """False: a segment that has ended may not outlast a loss of power, and nothing can be done about it."""
    _new_names: bool = False

    @property
    def is_open(self) -> bool:
        """Whether there is a segment that grows."""
        return self._file >= 0

    def begin(self, path: Path) -> None:
        """End the segment and begin another one.

        Raises
        ------
        OSError
            It cannot be made.
        """
        self.end()
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        self.size = 0
        self._new_names = True

    def write(self, data: bytes) -> None:
        """Append all of it, or nothing.

        Raises
        ------
        OSError
            There is no room, or the disk fails.
        """
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._file, view) :]
        except OSError:
            try:
                os.ftruncate(self._file, self.size)
                os.lseek(self._file, self.size, os.SEEK_SET)
            except OSError:
                self.end()  # with a torn end, which `size` leaves out
            raise
        self.size += len(data)

    def sync(self) -> bool:
        """Make everything that was written outlast a loss of power; False: some of it may not.

        Raises
        ------
        OSError
            The disk cannot. A second call would not tell what this one has lost: the segment has ended.
        """
        try:
            if self.is_open:
                os.fsync(self._file)
            if self._new_names:
                folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
                try:
                    os.fsync(folder)
                finally:
                    os.close(folder)
                self._new_names = False
        except OSError:
            self.end()
            self._synced = True  # it is told now
            raise
        synced, self._synced = self._synced, True
        return synced

    def end(self, *, sync: bool = True) -> None:
        """Write no more to this segment; `sync` False: it is not needed any more."""
        if self.is_open:
            try:
                if sync:
                    os.fsync(self._file)
            except OSError:
                self._synced = False
            os.close(self._file)
            self._file = -1
