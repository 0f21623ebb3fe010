"""Columns to the bytes of a binary COPY, a whole table in a few array operations.

The format (PostgreSQL manual, COPY, "Binary Format"): a header; for each row the number of its fields, and
for each field its length and its bytes, both big-endian, a NULL being the length -1 alone; a trailer. Rows
are laid out at their full width first; the bytes of values that are NULL are then left out. At most one
column, the last, may be of any length.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
_FIRST_PIECE, _PIECE = 60, 1_000
"""Rows that are made at once: few at first, since the server has nothing to do before, then twice as many as
before, which are ready when it has taken those."""
_NULL = -1
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Column:
    """Values of one column, one a row."""

    values: NDArray[Any]
    """int16, int32, int64, float64; or uint8 of shape (n, width) for as many bytes a row."""
    nulls: Bools | None = None
    """Which of them are NULL; None: none is."""


def fitted(values: NDArray[Any], kind: type[np.signedinteger[Any]]) -> NDArray[Any]:
    """Return integers of a kind; what is beyond its range becomes its end."""
    limits = np.iinfo(kind)
    if values.dtype.kind == "f" and kind is np.int64:
        raise ValueError("a float does not hold the ends of int64")
    within: NDArray[Any] = np.clip(values, limits.min, limits.max).astype(kind)
    return within


def scaled_column(values: Sequence[float | None], scale: int, kind: type[np.signedinteger[Any]]) -> Column:
    """Return values times scale as integers; what is not finite is NULL."""
    numbers = np.array(values, np.float64)
    nulls = ~np.isfinite(numbers)
    numbers[nulls] = 0.0
    return Column(fitted(np.rint(numbers * scale), kind), nulls if nulls.any() else None)


def integer_column(values: Sequence[int | None], kind: type[np.signedinteger[Any]]) -> Column:
    """Return integers; None is NULL."""
    if None in values:
        nulls = np.array([value is None for value in values], np.bool_)
        return Column(fitted(np.array([value or 0 for value in values], np.int64), kind), nulls)
    return Column(fitted(np.array(values, np.int64), kind))


def pieces(count: int) -> Iterator[slice]:
    """Return which rows to make at once, in order."""
    begin, size = 0, _FIRST_PIECE
    while begin < count:
        yield slice(begin, min(begin + size, count))
        begin, size = begin + size, min(2 * size, _PIECE)


def row_bytes(columns: Sequence[Column], last: Sequence[bytes | None] | None = None) -> bytes:
    """Return rows of these columns and, if given, a last one of bytes (None is NULL).

    They stand between `HEADER` and `TRAILER`, in any number of pieces.
    """
    n = len(columns[0].values)
    layout: list[tuple[str, Any] | tuple[str, Any, tuple[int, ...]]] = [("count", ">i2")]
    for i, column in enumerate(columns):
        layout.append((f"length{i}", ">i4"))
        kind = column.values.dtype
        if column.values.ndim == 2:
            layout.append((f"value{i}", kind, column.values.shape[1:]))
        else:
            layout.append((f"value{i}", kind.newbyteorder(">")))
    if last is not None:
        layout.append(("last", ">i4"))
    rows = np.empty(n, np.dtype(layout))
    rows["count"] = len(columns) + (last is not None)
    left_out: list[tuple[Bools, slice]] = []
    for i, column in enumerate(columns):
        width, offset = _place(rows.dtype, f"value{i}")
        rows[f"value{i}"] = column.values
        if column.nulls is None:
            rows[f"length{i}"] = width
        else:
            rows[f"length{i}"] = np.where(column.nulls, _NULL, width)
            left_out.append((column.nulls, slice(offset, offset + width)))
    if last is not None:
        rows["last"] = [_NULL if value is None else len(value) for value in last]
    plain = rows.view(np.uint8).reshape(n, rows.dtype.itemsize)
    if not left_out:
        return _joined(plain.tobytes(), np.full(n, rows.dtype.itemsize), last)
    kept = np.ones(plain.shape, np.bool_)
    for nulls, where in left_out:
        kept[nulls, where] = False
    lengths = rows.dtype.itemsize - sum(nulls * (where.stop - where.start) for nulls, where in left_out)
    return _joined(plain[kept].tobytes(), lengths, last)


def _place(layout: np.dtype[Any], name: str) -> tuple[int, int]:
    """Return width and offset of a field."""
    assert layout.fields is not None
    field = layout.fields[name]
    return field[0].itemsize, field[1]


def _joined(rows: bytes, lengths: NDArray[np.int64], last: Sequence[bytes | None] | None) -> bytes:
    """Put the bytes of the last column behind their rows."""
    if last is None or not any(last):
        return rows
    ends = np.cumsum(lengths).tolist()
    pieces: list[bytes] = []
    begin = 0
    for end, value in zip(ends, last, strict=True):
        if value:
            pieces += (rows[begin:end], value)
            begin = end
    return b"".join((*pieces, rows[begin:]))
