"""The index of the raw archive: which bytes of which objects count."""

from __future__ import annotations

from collections.abc import Sequence

from storage.rows import RawSegment
from storage.sqlite.database import QUERIES, Database


class RawIndexTables(Database):
    """Implements `storage.store.RawIndex`; segments themselves are committed by `Store.commit`."""

    def open_objects(self, paths: Sequence[str]) -> None:
        """Note durably, before the first byte is appended, that these objects are being written."""
        with self._transaction() as connection:
            connection.executemany(QUERIES["open_object"], [(path,) for path in paths])

    def close_objects(self, paths: Sequence[str]) -> None:
        """Note that these objects hold nothing but committed segments."""
        with self._transaction() as connection:
            connection.executemany(QUERIES["close_object"], [(path,) for path in paths])

    def unfinished_objects(self) -> list[tuple[str, int]]:
        """Return objects that were being written, with their committed length."""
        with self._reading() as connection:
            return connection.execute(QUERIES["unfinished_objects"]).fetchall()

    def object_length(self, path: str) -> int:
        """Return the committed length of an object, 0 when there is none."""
        with self._reading() as connection:
            row = connection.execute(QUERIES["object_length"], (path,)).fetchone()
        return 0 if row is None else int(row[0])

    def segments_of_slot(self, station_id: str, slot_us: int) -> list[RawSegment]:
        """Return the segments of one slot in the order of the stream."""
        with self._reading() as connection:
            rows = connection.execute(QUERIES["segments_of_slot"], (station_id, slot_us)).fetchall()
        return [RawSegment(*row) for row in rows]

    def segments(self, station_id: str, start_us: int, end_us: int) -> list[RawSegment]:
        """Return segments that hold a chunk of the range, in the order of the stream."""
        asked = {"station_id": station_id, "start_us": start_us, "end_us": end_us}
        with self._reading() as connection:
            rows = connection.execute(QUERIES["segments"], asked).fetchall()
        return [s for s in (RawSegment(*row) for row in rows) if s.end_us >= start_us and s.start_us < end_us]
