"""The index of the raw archive: which bytes of which objects count."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from storage.rows import RawSegment
from storage.sql.database import Database


class RawIndexTables(Database):
    """Implements `storage.store.RawIndex`; segments themselves are committed by `Store.commit`."""

    def open_objects(self, paths: Sequence[str]) -> None:
        """Note durably, before the first byte is appended, that these objects are being written."""
        with self._transaction() as connection:
            connection.execute(self._queries["open_objects"], _these(paths))

    def close_objects(self, paths: Sequence[str]) -> None:
        """Note that these objects hold nothing but committed segments."""
        with self._transaction() as connection:
            connection.execute(self._queries["close_objects"], _these(paths))

    def unfinished_objects(self) -> list[tuple[str, int]]:
        """Return objects that were being written, with their committed length."""
        with self._reading() as connection:
            return connection.execute(self._queries["unfinished_objects"]).fetchall()

    def object_length(self, path: str) -> int:
        """Return the committed length of an object, 0 when there is none."""
        with self._reading() as connection:
            row = connection.execute(self._queries["object_length"], {"path": path}).fetchone()
        return 0 if row is None else int(row[0])

    def object_lengths(self, paths: Sequence[str]) -> dict[str, int]:
        """Return the committed lengths of objects; those that there are not are left out."""
        with self._reading() as connection:  # one row: each lets go of the interpreter's lock
            (found,) = connection.execute(self._queries["object_lengths"], _these(paths)).fetchone()
        return msgspec.json.decode(found, type=dict[str, int])

    def segments_of_slot(self, station_id: str, slot_us: int) -> list[RawSegment]:
        """Return the segments of one slot in the order of the stream."""
        asked = {"station_id": station_id, "slot_us": slot_us}
        with self._reading() as connection:
            rows = connection.execute(self._queries["segments_of_slot"], asked).fetchall()
        return [RawSegment(station_id, *row) for row in rows]

    def raw_extents(self) -> list[tuple[str, int, int]]:
        """Return the begins of the oldest and the newest slot of each station."""
        with self._reading() as connection:
            rows = connection.execute(self._queries["raw_extents"], {}).fetchall()
        return [(station_id, oldest_us, newest_us) for station_id, oldest_us, newest_us in rows]

    def objects_before(self, station_id: str, before_us: int) -> list[str]:
        """Return the objects of a station with slots that began before a full hour."""
        asked = {"station_id": station_id, "before_us": before_us}
        with self._reading() as connection:
            rows = connection.execute(self._queries["objects_before"], asked).fetchall()
        return [path for (path,) in rows]

    def drop_before(self, station_id: str, before_us: int, paths: Sequence[str]) -> None:
        """Forget the segments of a station that began before a full hour, and the objects they were in."""
        asked = {"station_id": station_id, "before_us": before_us}
        with self._transaction() as connection:
            connection.execute(self._queries["drop_segments"], asked)
            connection.executemany(self._queries["drop_object"], [{"path": path} for path in paths])

    def segments(self, station_id: str, start_us: int, end_us: int) -> list[RawSegment]:
        """Return segments that hold a chunk of the range, in the order of the stream."""
        asked = {"station_id": station_id, "start_us": start_us, "end_us": end_us}
        with self._reading() as connection:
            rows = connection.execute(self._queries["segments"], asked).fetchall()
        some = (RawSegment(station_id, *row) for row in rows)
        return [s for s in some if s.end_us >= start_us and s.start_us < end_us]


def _these(paths: Sequence[str]) -> dict[str, str]:
    return {"paths": msgspec.json.encode(paths).decode()}
