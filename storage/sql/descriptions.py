"""What regions below say of their objects, written: it lies under what this installation says itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from sensors.model import Datastream, ObservedProperty, Station, Thing
from storage.sql.database import Connection, Database
from storage.sql.packing import unpack
from streams.describing import entry_of, kind_of
from streams.records import Change, Descriptions, Gone
from streams.regions import region_of

Entry = Station | Thing | ObservedProperty | Datastream
_TYPES: dict[str, type[Station | Thing | Datastream]] = {
    "station": Station,
    "thing": Thing,
    "datastream": Datastream,
}


class DescriptionWriting(Database):
    """The part of `storage.store.Store` that keeps descriptions."""

    _configured: frozenset[tuple[str, str]] = frozenset()
    """What the configuration says of regions' objects, as `put_registry` was told last."""

    def _put_descriptions(self, connection: Connection, batch: Descriptions) -> None:
        for one in batch.descriptions:
            key, entry = {"kind": kind_of(one), "id": one.id}, entry_of(one)
            is_deleted = isinstance(one, Gone) and one.is_deleted
            definition = None if entry is None else row_of(entry)["definition"]
            connection.execute(
                self._queries["put_description"], {**key, "definition": definition, "is_deleted": is_deleted}
            )
            if not self._is_own(connection, key["kind"], one.id):
                self._show(connection, key["kind"], one.id, definition)

    def _show_described(self, connection: Connection, kind: str, identity: str) -> None:
        """Let the registry's table have what a region says of an object that nobody here describes now."""
        asked = {"kind": kind, "id": identity}
        row = connection.execute(self._queries["description"], asked).fetchone()
        if row is not None:
            self._show(connection, kind, identity, row[0])

    def _show_all_described(
        self, connection: Connection, configured: Iterable[tuple[str, Sequence[Entry]]]
    ) -> None:
        """Do so with all objects, when the configuration is read again."""
        self._configured = frozenset(
            (kind, one.id) for kind, some in configured for one in some if region_of(one.id)
        )
        shown: dict[str, list[dict[str, Any]]] = {}
        for kind, identity, definition in connection.execute(self._queries["descriptions"], {}).fetchall():
            if self._is_own(connection, kind, identity):
                continue
            if definition is None:
                shown.setdefault(f"drop_{kind}", []).append({"id": identity})
            else:
                shown.setdefault(f"put_{kind}", []).append(_row(kind, definition))
        for query, rows in shown.items():
            connection.executemany(self._queries[query], rows)

    def _is_own(self, connection: Connection, kind: str, identity: str) -> bool:
        if (kind, identity) in self._configured:
            return True
        row = connection.execute(self._queries["object"], {"kind": kind, "id": identity}).fetchone()
        if row is None:
            return False
        change = unpack(row[0], Change)
        return change.after is not None and change.verb != "revert"

    def _show(self, connection: Connection, kind: str, identity: str, definition: str | None) -> None:
        if definition is None:
            connection.execute(self._queries[f"drop_{kind}"], {"id": identity})
        else:
            connection.execute(self._queries[f"put_{kind}"], _row(kind, definition))


def row_of(entry: Entry) -> dict[str, Any]:
    """Return what is written of a registry's entry."""
    row = {"id": entry.id, "definition": msgspec.json.encode(entry).decode()}
    return {**row, "thing_id": entry.thing_id} if isinstance(entry, Datastream) else row


def _row(kind: str, definition: str) -> dict[str, Any]:
    return row_of(msgspec.json.decode(definition, type=_TYPES[kind]))
