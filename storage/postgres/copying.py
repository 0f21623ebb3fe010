"""Columns to the bytes of a binary COPY, a whole table in a few array operations.

The format (PostgreSQL manual, COPY, "Binary Format"): a header; for each row the number of its fields, and
for each field its length and its bytes, both big-endian, a NULL being the length -1 alone; a trailer. Rows
are laid out at their full width first; the bytes of values that are NULL are then left out. At most one
column, the last, may be of any length.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
_FIRST_PIECE, _PIECE, _GROWTH = 60, 1_000, 3
"""Rows that are made at once: few at first, since the server has nothing to do before, then so many times the
last ones, which are ready when it has taken those."""
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


def scaled_columns(
    fields: Sequence[list[float | None]], scales: Sequence[int], kind: type[np.signedinteger[Any]]
) -> list[Column]:
    """Return the values of each field times its scale as integers; what is not finite is NULL."""
    numbers = _numbers("d", fields)
    if numbers is None:
        numbers = np.array(list(chain.from_iterable(fields)), np.float64)
    numbers = numbers.reshape(len(fields), -1)
    missing = ~np.isfinite(numbers)
    numbers[missing] = 0.0
    numbers *= np.array(scales)[:, None]
    values = fitted(np.rint(numbers, out=numbers), kind)
    return [
        Column(one, nulls if some else None)
        for one, nulls, some in zip(values, missing, missing.any(axis=1), strict=True)
    ]


def integer_columns(fields: Sequence[list[int | None]], kind: type[np.signedinteger[Any]]) -> list[Column]:
    """Return the values of each field as integers; None is NULL."""
    numbers = _numbers("q", fields)
    if numbers is None:
        return [_holey_column(values, kind) for values in fields]
    values = fitted(numbers, kind).reshape(len(fields), -1)
    return [Column(one) for one in values]


def _numbers(code: str, fields: Sequence[list[Any]]) -> NDArray[Any] | None:
    """Return the numbers of all fields in a row, in a third of numpy's time; None: one of them is None."""
    numbers = array(code)
    try:
        for values in fields:
            numbers.fromlist(values)
    except TypeError:
        return None
    return np.frombuffer(numbers, code)


def int64_of(values: list[int]) -> NDArray[np.int64]:
    """Return integers as they are."""
    return np.frombuffer(array("q", values), np.int64)


def _holey_column(values: Sequence[int | None], kind: type[np.signedinteger[Any]]) -> Column:
    nulls = np.array([value is None for value in values], np.bool_)
    numbers = fitted(np.array([value or 0 for value in values], np.int64), kind)
    return Column(numbers, nulls if nulls.any() else None)


def pieces(count: int) -> Iterator[slice]:
    """Return which rows to make at once, in order."""
    begin, size = 0, _FIRST_PIECE
    while begin < count:
        yield slice(begin, min(begin + size, count))
        begin, size = begin + size, min(_GROWTH * size, _PIECE)


def row_bytes(columns: Sequence[Column], last: Sequence[bytes | None] | None = None) -> bytes:
    """Return rows of these columns and, if given, a last one of bytes (None is NULL).

    They stand between `HEADER` and `TRAILER`, in any number of pieces.
    """
    n = len(columns[0].values)
    empty = [column.nulls is not None and bool(column.nulls.all()) for column in columns]
    layout: list[tuple[str, Any] | tuple[str, Any, tuple[int, ...]]] = [("count", ">i2")]
    for i, column in enumerate(columns):
        layout.append((f"length{i}", ">i4"))
        kind = column.values.dtype
        if empty[i]:
            continue
        if column.values.ndim == 2:
            layout.append((f"value{i}", kind, column.values.shape[1:]))
        else:
            layout.append((f"value{i}", kind.newbyteorder(">")))
    if last is not None:
        layout.append(("last", ">i4"))
    model = np.zeros(1, np.dtype(layout))
    model["count"] = len(columns) + (last is not None)
    for i in range(len(columns)):
        model[f"length{i}"] = _NULL if empty[i] else _place(model.dtype, f"value{i}")[0]
    if last is not None:
        model["last"] = _NULL
    rows = np.repeat(model, n)
    left_out: list[tuple[Bools, slice]] = []
    for i, column in enumerate(columns):
        if empty[i]:
            continue
        rows[f"value{i}"] = column.values
        if column.nulls is not None:
            width, offset = _place(rows.dtype, f"value{i}")
            rows[f"length{i}"][column.nulls] = _NULL
            left_out.append((column.nulls, slice(offset, offset + width)))
    if last is not None and last.count(None) < n:
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
