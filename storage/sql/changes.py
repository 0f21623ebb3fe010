"""Questions about what commands changed, and which sources of stations took over."""

from __future__ import annotations

from storage import paging
from storage.rows import Page
from storage.sql.database import Database
from storage.sql.packing import unpack
from streams.records import Change, ObjectKind, SourceChange

_NEWEST = 2**63 - 1


class ChangeQueries(Database):
    """The part of `storage.store.Store` about changes."""

    def changes(
        self,
        *,
        kind: ObjectKind | None = None,
        identity: str | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> Page[Change]:
        """Return what commands changed, the newest first."""
        paging.check_limit(limit)
        start = (
            (_NEWEST, "", "") if after is None else paging.decode_cursor("changes", after, (int, str, str))
        )
        asked = {
            "version": start[0],
            "before_kind": start[1],
            "before_id": start[2],
            "kind": kind,
            "id": identity,
            "limit": limit + 1,
        }
        with self._reading() as connection:
            rows = connection.execute(self._queries["changes"], asked).fetchall()
        items = [unpack(row[0], Change) for row in rows[:limit]]
        more = len(rows) > limit
        return Page(items, paging.encode_cursor("changes", rows[limit - 1][1:]) if more else None)

    def objects(self, kind: ObjectKind, *, after: str | None = None, limit: int = 100) -> Page[Change]:
        """Return the newest changes of the objects of a kind that are there, by id."""
        paging.check_limit(limit)
        (start,) = ("",) if after is None else paging.decode_cursor("objects", after, (str,))
        asked = {"kind": kind, "after": start, "limit": limit + 1}
        with self._reading() as connection:
            rows = connection.execute(self._queries["objects_of"], asked).fetchall()
        items = [unpack(change, Change) for (change,) in rows[:limit]]
        return Page(items, paging.encode_cursor("objects", (items[-1].id,)) if len(rows) > limit else None)

    def object(self, kind: ObjectKind, identity: str) -> Change | None:
        """Return the newest change of an object."""
        with self._reading() as connection:
            row = connection.execute(self._queries["object"], {"kind": kind, "id": identity}).fetchone()
        return None if row is None else unpack(row[0], Change)

    def source_changes(
        self, station_id: str, *, after: str | None = None, limit: int = 100
    ) -> Page[SourceChange]:
        """Return when which source of a station took over, the newest first."""
        paging.check_limit(limit)
        at_us, why = (_NEWEST, "") if after is None else paging.decode_cursor("sources", after, (int, str))
        asked = {"station_id": station_id, "at_us": at_us, "why": why, "limit": limit + 1}
        with self._reading() as connection:
            rows = connection.execute(self._queries["source_changes"], asked).fetchall()
        items = [unpack(change, SourceChange) for (change,) in rows[:limit]]
        more = len(rows) > limit
        return Page(
            items, paging.encode_cursor("sources", (items[-1].at_us, items[-1].why)) if more else None
        )
