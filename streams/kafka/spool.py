"""Messages that wait on disk, in order, while Kafka is away.

A spool is a folder of segments, files that only grow. What is handed out stays until it is acknowledged; a
segment is removed once everything in it and before it is. After a kill at any moment everything that was
appended is there again, after a loss of power everything up to the last `sync`; a torn tail is cut off and
counted. What was acknowledged out of order before a kill is handed out again.

Once the folder is open nothing here raises: what the disk has no room for stays with the caller, and `full`
says why. It works again as soon as there is room.

One thread at a time; none of it is for an event loop.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import structlog

from streams.kafka.spool_frames import Found, Frame, Mark, frame_bytes, read_frame
from streams.kafka.spool_tail import Tail

__all__ = ["Frame", "Spool", "SpoolError", "Spooled"]

log = structlog.get_logger()

SEGMENT_BYTES = 16_000_000
SPOOL_BYTES = 4_000_000_000
_DAMAGED = (errno.EIO, errno.ENOENT)


class SpoolError(OSError):
    """The folder cannot be used: one sentence that says what to do."""


class Spooled(NamedTuple):
    """A message that was handed out."""

    position: int
    """Its place in the spool: it grows, over all runs."""
    frame: Frame


class _Place(NamedTuple):
    segment: int
    """By its first position."""
    offset: int


@dataclass(slots=True, eq=False)
class Spool:
    """A bounded queue on disk. `open` it first.

    Parameters
    ----------
    folder
        Its own.
    most_bytes
        Of all its messages together.
    segment_bytes
        After which a new segment is begun.
    """

    folder: Path
    most_bytes: int = SPOOL_BYTES
    segment_bytes: int = SEGMENT_BYTES
    full: str = ""
    """Why nothing more can be kept; empty when all is well."""
    torn_bytes: int = 0
    """Cut off by `open`: what was being written when the last run was killed."""
    damaged_bytes: int = 0
    """Left out, since they are not what was written."""
    _sizes: dict[int, int] = field(default_factory=dict)
    """Bytes of each segment, oldest first."""
    _cursor: _Place = field(default_factory=lambda: _Place(0, 0))
    """Where the next message to be handed out begins; it counts only while there is one."""
    _next: int = 1
    """Position from which on nothing was handed out."""
    _end: int = 1
    """Position that the next message gets."""
    _low: int = 1
    """Everything before this position has arrived."""
    _handed: dict[int, _Place] = field(default_factory=dict)
    """Handed out and not acknowledged, in order."""
    _done: set[int] = field(default_factory=set)
    """Acknowledged, while one before is not."""
    _lock: int = -1
    _mark: Mark = field(init=False)
    _tail: Tail = field(init=False)

    def __post_init__(self) -> None:
        self._mark = Mark(self.folder / "acknowledged")
        self._tail = Tail(self.folder)

    # --- life ---------------------------------------------------------------------------------------

    def open(self) -> None:
        """Take the folder, cut off what is torn, and begin with the oldest message.

        Raises
        ------
        SpoolError
            The folder cannot be used, or another program uses it.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise SpoolError(
                f"the spool cannot be in {self.folder} ({error.strerror}); name another folder"
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._recall()
        except BlockingIOError as error:
            self.close()
            raise SpoolError(
                f"another program uses the spool in {self.folder}; give each program a folder of its own"
            ) from error
        except OSError as error:
            self.close()
            raise SpoolError(
                f"the spool in {self.folder} cannot be read ({error.strerror}); repair the disk"
            ) from error

    def close(self) -> None:
        """Let go of the folder; what is in it waits for the next `open`."""
        self._tail.end()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _recall(self) -> None:
        paths = sorted(path for path in self.folder.glob("*.spool") if path.stem.isdecimal())
        self._sizes = {int(path.stem): path.stat().st_size for path in paths}
        self._low = max(self._mark.read(), 1)
        self._end = self._low
        if self._sizes:
            self._end = max(self._low, self._cut_newest())
            self._next = next(iter(self._sizes))
            self._cursor = _Place(self._next, 0)
            self._pass_over()
        self._low = self._next = min(max(self._low, self._next), self._end)
        self._trim()

    def _cut_newest(self) -> int:
        """Cut the torn tail off the newest segment and return the position that follows it."""
        segment = next(reversed(self._sizes))
        end, good = segment, 0
        with self._path(segment).open("rb") as file:
            while (found := read_frame(file)) is not None:
                end, good = found.position + 1, good + found.size
        torn = self._sizes[segment] - good
        if torn:
            log.warning("the spool's last messages were cut off", bytes=torn, folder=str(self.folder))
            self.torn_bytes += torn
            with contextlib.suppress(OSError):  # nothing is appended to it any more in any case
                os.truncate(self._path(segment), good)
            self._sizes[segment] = good
        return end

    def _pass_over(self) -> None:
        """Move the cursor behind what has arrived before."""
        while self._cursor.segment in self._sizes and self._next < self._low:
            segment, offset = self._cursor
            with self._path(segment).open("rb") as file:
                file.seek(offset)
                while self._next < self._low and (found := read_frame(file)) is not None:
                    offset += found.size
                    self._next = found.position + 1
            self._cursor = _Place(segment, offset)
            if self._next < self._low:
                self._go_on_behind(segment)

    # --- state --------------------------------------------------------------------------------------

    @property
    def unread(self) -> bool:
        """Whether there are messages that were not handed out."""
        return self._next < self._end

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(self._sizes.values())

    @property
    def messages(self) -> int:
        """How many are not acknowledged."""
        return self._end - self._low - len(self._done)

    def oldest_us(self) -> int | None:
        """Return the time of the oldest message that is not acknowledged."""
        if self._low >= self._end:
            return None
        place = next(iter(self._handed.values()), self._cursor)
        try:
            with self._path(place.segment).open("rb") as file:
                file.seek(place.offset)
                found = read_frame(file)
        except OSError:
            return None
        return None if found is None else found.frame.time_us

    # --- in -----------------------------------------------------------------------------------------

    def append(self, frames: Iterable[Frame], *, handed: bool = False, reserve_bytes: int = 0) -> list[int]:
        """Append messages and return their positions: of all, or of the first ones for which there is room.

        Parameters
        ----------
        frames
            In order.
        handed
            They are on their way already and only `rewind` brings them out. Only while nothing is unread.
        reserve_bytes
            Room beyond the limit that they may take.
        """
        assert not (handed and self.unread), "what comes before has not been handed out"
        positions: list[int] = []
        for frame in frames:
            place = self._write(frame_bytes(self._end, frame), reserve_bytes)
            if place is None:
                return positions
            if not self.unread:
                self._cursor = place
            positions.append(self._end)
            self._end += 1
            if handed:
                self._handed[self._next] = place
                self._next = self._end
                self._cursor = _Place(place.segment, self._sizes[place.segment])
        self.full = ""
        return positions

    def sync(self) -> bool:
        """Make everything appended so far outlast a loss of power; False where the disk cannot.

        After a failure what was appended since the last success may be lost with the power, though a kill
        of the program does it no harm.
        """
        try:
            return self._tail.sync()
        except OSError as error:
            self.full = _disk_says(error)
            return False

    def _write(self, data: bytes, reserve_bytes: int) -> _Place | None:
        if self.size + len(data) > self.most_bytes + reserve_bytes:
            self.full = (
                f"the spool has reached its limit of {self.most_bytes / 1e6:g} MB; "
                "bring Kafka back or allow the spool more"
            )
            return None
        try:
            segment = next(reversed(self._sizes), 0)
            if not self._tail.is_open or self._tail.size >= self.segment_bytes:
                segment = self._end
                self._tail.begin(self._path(segment))
                self._sizes[segment] = 0
            self._tail.write(data)
        except OSError as error:
            self.full = _disk_says(error)
            return None
        offset, self._sizes[segment] = self._sizes[segment], self._tail.size
        return _Place(segment, offset)

    # --- out ----------------------------------------------------------------------------------------

    def read(self, most_bytes: int) -> list[Spooled]:
        """Hand out the next messages: one at least where there is one, about `most_bytes` at most."""
        out: list[Spooled] = []
        size = 0
        # what has arrived already is passed over, also behind the last one that is handed out
        while self.unread and (size < most_bytes or self._next in self._done):
            segment, begin = self._cursor
            offset = begin
            try:
                with self._path(segment).open("rb") as file:
                    file.seek(offset)
                    while offset < self._sizes[segment] and (size < most_bytes or self._next in self._done):
                        found = read_frame(file)
                        if found is None:
                            break
                        if self._hand_out(found, _Place(segment, offset), out):
                            size += found.size
                        offset += found.size
            except OSError as error:
                if error.errno not in _DAMAGED:
                    log.error("the spool cannot be read, trying again", error=str(error))
                    return out
            self._cursor = _Place(segment, offset)
            if self.unread and (size < most_bytes or offset >= self._sizes[segment]):
                self._go_on_behind(segment)
        self._move_low()
        return out

    def rewind(self) -> None:
        """Hand out once more, from the oldest on, what is not acknowledged."""
        if self._handed:
            self._next, self._cursor = next(iter(self._handed.items()))
            self._handed.clear()

    def acknowledge(self, positions: Iterable[int]) -> None:
        """Forget messages that were handed out: they have arrived."""
        for position in positions:
            self._handed.pop(position, None)
            if position >= self._low:
                self._done.add(position)
        self._move_low()

    def _hand_out(self, found: Found, place: _Place, out: list[Spooled]) -> bool:
        """Add a message to `out`; one that has arrived already is passed over."""
        self._next = found.position + 1
        if found.position < self._low or found.position in self._done:
            return False
        self._handed[found.position] = place
        out.append(Spooled(found.position, found.frame))
        return True

    def _go_on_behind(self, segment: int) -> None:
        """Move the cursor to the segment after this one; what of this one was not read is damaged."""
        damaged = self._sizes[segment] - self._cursor.offset
        if damaged:
            log.error("messages of the spool are damaged and left out", bytes=damaged, segment=segment)
            self.damaged_bytes += damaged
        later = [first for first in self._sizes if first > segment]
        if later:
            self._next, self._cursor = later[0], _Place(later[0], 0)
        else:
            self._tail.end()
            self._next = self._end
        self._move_low()

    def _move_low(self) -> None:
        low = next(iter(self._handed), self._next)
        if low <= self._low:
            return
        self._low = low
        self._done = {position for position in self._done if position >= low}
        with contextlib.suppress(OSError):  # an older mark: some messages come again after a kill
            self._mark.write(low)
        self._trim()

    def _trim(self) -> None:
        """Remove segments of which everything has arrived."""
        if self._low >= self._end:
            self._tail.end(sync=False)
        firsts = list(self._sizes)
        for first, following in zip(firsts, [*firsts[1:], self._end], strict=False):
            if following > self._low or (following == self._end and self._tail.is_open):
                break
            with contextlib.suppress(OSError):
                self._path(first).unlink(missing_ok=True)
            del self._sizes[first]

    def _path(self, first: int) -> Path:
        return self.folder / f"{first:020d}.spool"


def _disk_says(error: OSError) -> str:
    return f"the disk cannot keep the spool ({error.strerror}); make room or repair it"
