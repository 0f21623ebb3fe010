"""Reads the raw archive, also while another process writes it: nothing is repaired or cut."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from storage.rows import RawSegment
from storage.segments import SegmentError, decode_segment
from storage.store import StorageError
from streams.records import RawChunk

LAST_US = 253_402_300_800_000_000
"""The end of the year 9999: what is later is no time."""


class ArchiveAwayError(RuntimeError):
    """Who keeps the raw data does not answer. Trying again helps once it does."""


class Objects(Protocol):
    """Where the bytes of segments are (`storage.objects.ObjectFolder`)."""

    def read(self, path: str, offset: int, length: int) -> bytes:
        """Return a piece of an object, less at its end."""
        ...


class Segments(Protocol):
    """Who knows which segments there are (`storage.store.RawIndex`)."""

    def segments(self, station_id: str, start_us: int, end_us: int) -> list[RawSegment]:
        """Return segments that hold a chunk of the range, in the order of the stream."""
        ...


class RawReader:
    """Reads an archive.

    Parameters
    ----------
    objects
        Its objects, usually those in `raw` of the data folder.
    index
        Who knows what is in them.

    Raises
    ------
    ArchiveAwayError
        By any of its methods: the archive is elsewhere, and does not answer.
    """

    def __init__(self, objects: Objects, index: Segments) -> None:
        self._objects = objects
        self._index = index

    def segments(self, station_id: str, start_us: int, end_us: int) -> Sequence[RawSegment]:
        """Return the segments of a station that hold a chunk of the range, in the order of the stream."""
        return self._index.segments(station_id, start_us, end_us)

    def read(self, station_id: str, start_us: int, end_us: int) -> Iterator[RawChunk]:
        """Yield the chunks of a station with a time in the range, in the order of the stream.

        Raises
        ------
        StorageError
            An object is missing or damaged.
        """
        for segment in self.segments(station_id, start_us, end_us):
            for chunk in self.load(segment):
                if start_us <= time_of(chunk) < end_us:
                    yield chunk

    def load(self, segment: RawSegment) -> list[RawChunk]:
        """Return the chunks of a segment.

        Raises
        ------
        StorageError
            The object is missing or damaged.
        """
        try:
            data = self._objects.read(segment.path, segment.offset, segment.length)
            return decode_segment(segment.station_id, data, segment.sha256)
        except (OSError, SegmentError) as error:
            raise StorageError(
                f"the raw data in {segment.path} cannot be read, restore the file: {error}"
            ) from error


def time_of(chunk: RawChunk) -> int:
    """Return when a chunk was received, or roughly when it was; without any time 1970."""
    time_us = chunk.reference_us if chunk.received_at_us is None else chunk.received_at_us
    return time_us if time_us is not None and 0 <= time_us < LAST_US else 0
