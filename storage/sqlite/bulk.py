"""Many rows into SQLite by few statements.

`executemany` lets go of the interpreter's lock and takes it again for each row. Where other threads want it,
each of those wakes somebody for nothing, and a row costs ten times as much as alone.
"""

from __future__ import annotations

import re
import sqlite3
from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain

SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536)
"""Rows of a statement: few kinds of it are prepared. Behind each one the lock is waited for."""
_MOST_VALUES = 32_766
"""Of a statement, in SQLite."""
_ROW = re.compile(r"VALUES\s*(\((?:[^()]|\([^()]*\))*\))")


def put_many(
    connection: sqlite3.Connection,
    query: str,
    rows: Sequence[tuple[object, ...]],
    *,
    may_repeat: bool = False,
) -> None:
    """Do what `executemany` does, in the same order; the query is an INSERT of one row with `?`.

    Parameters
    ----------
    may_repeat
        A row that comes twice, one right behind the other, makes what it makes alone: the last rows need one
        statement then, in which the last one fills what is left of it.
    """
    if not rows:
        return
    sizes = _sizes(len(rows[0]))
    at = 0
    while at < len(rows):
        left = len(rows) - at
        place = bisect_left(sizes, left)
        if place == len(sizes) or (sizes[place] > left and not may_repeat):
            place -= 1
        some = rows[at : at + sizes[place]]
        values = list(chain.from_iterable(some))
        values += list(some[-1]) * (sizes[place] - len(some))
        connection.execute(_of_rows(query, sizes[place]), values)
        at += len(some)


@lru_cache(maxsize=32)
def _sizes(values: int) -> tuple[int, ...]:
    return tuple(size for size in SIZES if size * values <= _MOST_VALUES)


@lru_cache(maxsize=512)
def _of_rows(query: str, size: int) -> str:
    row = _ROW.search(query)
    assert row is not None, "it is no INSERT of one row"
    return query[: row.start(1)] + ", ".join([row[1]] * size) + query[row.end(1) :]
