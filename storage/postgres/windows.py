"""Arrays of PostgreSQL, in their binary form, as columns.

The form (`array_send`, backend/utils/adt/arrayfuncs.c): dimensions, whether there are NULLs, the type of the
elements, then for each dimension its length and lower bound; then of each element its length and its bytes,
big-endian. Without NULLs all elements of a type of fixed size are equally long.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.sql.database import Connection
from storage.sql.windows import WindowQueries

_HEAD_BYTES = 20
"""Of an array of one dimension."""
_SAMPLE = (">i4", ">i8", ">f8", ">i2")
_BUCKET = (">i4", ">i8", ">i4", ">f8", ">f8", ">f8", ">f8")


class PostgresWindowQueries(WindowQueries):
    """The part of the store that answers for many series."""

    def _names_list(self, names: Sequence[str]) -> list[str]:
        return list(names)

    def _sample_arrays(self, connection: Connection, asked: Mapping[str, Any]) -> list[NDArray[Any]]:
        row = connection.execute(self._queries["sample_columns"], asked).fetchone()
        return [_elements(one, kind) for one, kind in zip(row, _SAMPLE, strict=True)]

    def _bucket_arrays(
        self, connection: Connection, query: str, asked: Mapping[str, Any]
    ) -> tuple[list[NDArray[Any]], list[str]]:
        *arrays, flags = connection.execute(query, asked).fetchone()
        found = [_elements(one, kind) for one, kind in zip(arrays, _BUCKET, strict=True)]
        return found, [] if flags is None else flags.split("\n")


def _elements(sent: bytes | None, kind: str) -> NDArray[Any]:
    """Return the elements of an array in the order of this machine's bytes; None is an empty one."""
    value = np.dtype(kind)
    if sent is None:
        return np.zeros(0, value.newbyteorder("="))
    layout = np.dtype([("length", ">i4"), ("value", value)])
    return np.frombuffer(sent, layout, offset=_HEAD_BYTES)["value"].astype(value.newbyteorder("="))
