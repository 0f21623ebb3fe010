"""Many rows into SQLite by few statements.

`executemany` lets go of the interpreter's lock and takes it again for each row. Where other threads want it,
each of those wakes somebody for nothing, and a row costs ten times as much as alone.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain

SIZES = (1600, 256, 32, 4, 1)
"""Rows of a statement: few kinds of it are prepared. Behind each one the lock is waited for."""
_MOST_VALUES = 32_766
"""Of a statement, in SQLite."""
_ROW = re.compile(r"VALUES\s*(\((?:[^()]|\([^()]*\))*\))")


def put_many(connection: sqlite3.Connection, query: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Do what `executemany` does, in the same order; the query is an INSERT of one row with `?`."""
    at = 0
    for size in SIZES:
        while len(rows) - at >= size and size * len(rows[at]) <= _MOST_VALUES:
            connection.execute(_of_rows(query, size), list(chain.from_iterable(rows[at : at + size])))
            at += size


@lru_cache(maxsize=128)
def _of_rows(query: str, size: int) -> str:
    row = _ROW.search(query)
    assert row is not None, "it is no INSERT of one row"
    return query[: row.start(1)] + ", ".join([row[1]] * size) + query[row.end(1) :]
