"""Rollups in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from storage.sql.database import Connection
from storage.sql.levels import Kind
from storage.sql.rolling import Rolling
from storage.sql.summing import Sums
from storage.sqlite.database import SqliteDatabase


class SqliteRolling(Rolling, SqliteDatabase):
    """The part of the store that keeps rollups. Steps are short: they and commits wait for each other."""

    _step_buckets = 100
    _note = "add_mark_once"  # nobody takes a mark away while a commit looks for it

    @contextmanager
    def _keeping(self) -> Iterator[Connection]:
        with self._transaction() as connection:
            yield connection

    def _put_rollup(self, connection: Connection, kind: Kind, level: int, rows: Sequence[Sums]) -> None:
        writer = cast("sqlite3.Connection", connection)
        writer.executemany(self._rollup_query(f"put_{kind.name}_rollup", kind, level), rows)

    def _list(self, numbers: Sequence[int]) -> str:
        return msgspec.json.encode(numbers).decode()

    def _listed(self, value: Any) -> list[int]:
        return msgspec.json.decode(value, type=list[int])

    def _latencies(self, value: Any) -> NDArray[np.int64]:
        return np.array(msgspec.json.decode(value, type=list[int]), np.int64)
