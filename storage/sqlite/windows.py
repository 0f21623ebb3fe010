"""Rows of SQLite as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from storage.sql.database import Connection
from storage.sql.windows import WindowQueries

_SAMPLE = (np.int64, np.int64, np.float64, np.int16)
_BUCKET = (np.int64, np.int64, np.int64, np.float64, np.float64, np.float64, np.float64)


class SqliteWindowQueries(WindowQueries):
    """The part of the store that answers for many series."""

    def _names_list(self, names: Sequence[str]) -> str:
        return msgspec.json.encode(names).decode()

    def _sample_arrays(self, connection: Connection, asked: Mapping[str, Any]) -> list[NDArray[Any]]:
        return _arrays(connection.execute(self._queries["sample_columns"], asked).fetchall(), _SAMPLE)

    def _bucket_arrays(
        self, connection: Connection, query: str, asked: Mapping[str, Any]
    ) -> tuple[list[NDArray[Any]], list[str]]:
        rows = connection.execute(query, asked).fetchall()
        return _arrays([row[:-1] for row in rows], _BUCKET), [row[-1] for row in rows]


def _arrays(rows: Sequence[tuple[Any, ...]], kinds: Sequence[type]) -> list[NDArray[Any]]:
    """Return columns; NULL becomes NaN."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(kinds)
    return [np.array(one, kind) for one, kind in zip(columns, kinds, strict=True)]
