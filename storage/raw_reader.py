"""Reads the raw archive, also while another process writes it: nothing is repaired or cut."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from storage.objects import ObjectFolder
from storage.rows import RawSegment
from storage.segments import SegmentError, decode_segment
from storage.store import RawIndex, StorageError
from streams.records import RawChunk


class RawReader:
    """Reads the objects under `folder`; what is in them is known to `index`.

    Parameters
    ----------
    folder
        Where the objects are, usually `raw` in the data folder.
    index
        The store that has the segments.
    """

    def __init__(self, folder: Path | str, index: RawIndex) -> None:
        self._objects = ObjectFolder(folder)
        self._index = index

    def segments(self, station_id: str, start_us: int, end_us: int) -> Sequence[RawSegment]:
        """Return the segments of a station that hold a chunk of the range, in the order of the stream."""
        return self._index.segments(station_id, start_us, end_us)

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
            path = self._objects.root / segment.path
            raise StorageError(f"the raw data in {path} cannot be read, restore the file: {error}") from error
