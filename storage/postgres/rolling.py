"""Rollups in PostgreSQL, over a connection of their own: a commit never waits for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from storage.postgres import hypertables, partitions
from storage.postgres.database import PostgresDatabase, Session
from storage.sql import sample_extras
from storage.sql.database import Connection
from storage.sql.expiry import Expiring
from storage.sql.levels import KINDS, Kind
from storage.sql.rolling import SETTLE_US, Rolling
from storage.sql.summing import Sums

_TYPES = {
    "station": (
        "int4 int8 int4 int4 int4 int8 int8 int4 int8 int4 int4 int4 int4 int8 int4 int8 int8 int4 float8 "
        "int8 int8 int4 int8 int2 int2 int4 int4 int4 int4 text bytea"
    ),
    "sample": "int4 int8 int4 float8 float8 float8 float8 int4 float8 float8 float8 float8 text",
}


class PostgresRolling(Rolling, PostgresDatabase):
    """The part of the store that keeps rollups."""

    _step_buckets = 1000

    def roll_up(self, now_us: int) -> bool:
        """Make some buckets anew; False: none was due."""
        with self._reading() as connection:
            asked = {"now_us": now_us, **SETTLE_US}
            due = connection.execute(self._queries["due_mark"], asked).fetchone()
        if due is None:
            return False
        number, level, begin_us, end_us = due
        table = partitions.BY_NAME[KINDS[number].table(level)]
        wanted = {table: partitions.near(table, (begin_us, end_us - 1), now_us)}
        self._make_partitions(wanted, beside=True)
        return super().roll_up(now_us)

    @contextmanager
    def _keeping(self) -> Iterator[Connection]:
        with self._beside() as connection, connection.transaction():
            session = Session(connection)
            session.execute(self._queries["be_the_roller"])
            yield session

    def _put_rollup(self, connection: Connection, kind: Kind, level: int, rows: Sequence[Sums]) -> None:
        if not rows:
            return
        session = cast("Session", connection)
        statement = self._rollup_query(f"put_{kind.name}_rollup", kind, level).encode()
        with session.plain.cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types(_TYPES[kind.name].split())
            for row in rows:
                copy.write_row(row)

    def _list(self, numbers: Sequence[int]) -> list[int]:
        return list(numbers)

    def _listed(self, value: Any) -> list[int]:
        return list(value)

    def _latencies(self, value: Any) -> NDArray[np.int64]:
        return np.frombuffer(value or b"", ">i4").astype(np.int64)


class PostgresExpiring(Expiring, PostgresRolling):
    """The part of the store that lets old rows go: whole partitions or chunks, which costs nothing."""

    def _drop_rows(self, table: str, before_us: int) -> int:
        with self._beside() as connection:
            if table in sample_extras.TABLES:
                dropping = self._queries[f"drop_{table}"]
                return connection.execute(dropping.encode(), {"before_us": before_us}).rowcount
            if table in self._hypertables:
                return hypertables.drop_before(connection, partitions.BY_NAME[table], before_us)
            dropped, rows = partitions.drop_before(connection, partitions.BY_NAME[table], before_us)
        self._partitions.difference_update(dropped)
        return rows
