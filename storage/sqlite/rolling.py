"""Rollups in SQLite."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import msgspec

from storage.sql import sample_extras
from storage.sql.database import Connection
from storage.sql.expiry import Expiring
from storage.sql.levels import KINDS, SAMPLES, STATIONS, Kind
from storage.sql.rolling import Rolling
from storage.sql.summing import Sums
from storage.sqlite.bulk import put_many
from storage.sqlite.database import SqliteDatabase
from storage.sqlite.sums import SqliteSums

_KEYS = {
    "station_epochs": (STATIONS, "epoch_us"),
    "station_figures": (STATIONS, "time_us"),
    "station_periods": (STATIONS, "begin_us"),
    **dict.fromkeys(("samples", *sample_extras.TABLES), (SAMPLES, "time_us")),
    **{kind.table(level): (kind, "begin_us") for kind in KINDS for level in (0, 1, 2)},
}
"""Whose rows a table holds, and the column of their time."""
_EVERY = 2**31


class SqliteRolling(SqliteSums, Rolling, SqliteDatabase):
    """The part of the store that keeps rollups. Steps are short: they and commits wait for each other."""

    _step_buckets = 100
    _note = "add_mark_once"  # nobody takes a mark away while a commit looks for it

    @contextmanager
    def _keeping(self) -> Iterator[Connection]:
        with self._transaction(synced=False) as connection:  # what is lost, its marks come back with
            yield connection

    def _put_rollup(self, connection: Connection, kind: Kind, level: int, rows: Sequence[Sums]) -> None:
        writer = cast("sqlite3.Connection", connection)
        put_many(writer, self._rollup_query(f"put_{kind.name}_rollup", kind, level), rows)

    def _listed(self, value: Any) -> list[int]:
        return msgspec.json.decode(value, type=list[int])


class SqliteExpiring(Expiring, SqliteRolling):
    """The part of the store that lets old rows go, some thousand at a time. Their room is used again."""

    def _drop_rows(self, table: str, before_us: int) -> int:
        kind, at = _KEYS[table]
        query = self._queries["expired_rows"]
        for word, name in (("expiring", table), ("owner", f"{kind.of}_key"), ("at", at)):
            query = re.sub(rf"\b{word}\b", name, query)
        dropped = 0
        with self._reading() as connection:
            keys = self._keys_after(connection, kind, 0, _EVERY)
        for key in keys:
            gone = 1
            while gone:
                with self._transaction(synced=False) as connection:
                    gone = connection.execute(query, {"key": key, "before_us": before_us}).rowcount
                dropped += gone
        return dropped
