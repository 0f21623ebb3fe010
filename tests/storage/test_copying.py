"""The bytes of a binary COPY, read back by a plain reader of the format; and which rows of a commit count."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.postgres.copying import (
    HEADER,
    TRAILER,
    Column,
    integer_columns,
    row_bytes,
    scaled_columns,
)
from storage.postgres.order import last_of_each
from storage.postgres.sample_columns import nibbles, unpacked_nibbles

FORMATS = {"int16": ">h", "int32": ">i", "int64": ">q", "float64": ">d"}


def read_copy(data):
    """Return the fields of each row as bytes; None is NULL."""
    assert data[:19] == HEADER == b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0"
    at, rows = 19, []
    while (count := struct.unpack_from(">h", data, at)[0]) != -1:
        at += 2
        row = []
        for _ in range(count):
            (length,) = struct.unpack_from(">i", data, at)
            at += 4
            row.append(None if length == -1 else data[at : at + length])
            at += max(length, 0)
        rows.append(row)
    assert data[at:] == TRAILER == b"\xff\xff"
    return rows


@st.composite
def tables(draw):
    n = draw(st.integers(1, 30))
    columns, expected = [], []
    for _ in range(draw(st.integers(1, 5))):
        kind = draw(st.sampled_from([*FORMATS, "bytes"]))
        if kind == "bytes":
            width = draw(st.integers(0, 5))
            values = np.array(
                draw(st.lists(st.binary(min_size=width, max_size=width), min_size=n, max_size=n))
            )
            rows = [bytes(v).ljust(width, b"\0") for v in values.tolist()]
            matrix = np.frombuffer(b"".join(rows), np.uint8).reshape(n, width)
            columns.append(Column(matrix))
            expected.append(rows)
            continue
        limits = st.floats() if kind == "float64" else st.integers(np.iinfo(kind).min, np.iinfo(kind).max)
        values = draw(st.lists(limits, min_size=n, max_size=n))
        nulls = draw(st.none() | st.lists(st.booleans(), min_size=n, max_size=n))
        columns.append(Column(np.array(values, kind), None if nulls is None else np.array(nulls)))
        expected.append(
            [
                None if null else struct.pack(FORMATS[kind], value)
                for value, null in zip(values, nulls or [False] * n, strict=True)
            ]
        )
    last = draw(st.none() | st.lists(st.none() | st.binary(max_size=9), min_size=n, max_size=n))
    if last is not None:
        expected.append(last)
    return columns, last, [list(row) for row in zip(*expected, strict=True)]


@given(tables())
def test_any_columns_are_the_rows_that_a_plain_reader_finds(table):
    columns, last, expected = table
    assert read_copy(HEADER + row_bytes(columns, last) + TRAILER) == expected


def test_figures_become_integers_and_what_is_beyond_becomes_the_largest():
    values = [0.125, None, float("nan"), float("inf"), -1e300, 1e300, 0.00005]
    column, full = scaled_columns([values, [1.0, 0.0, -0.5, 2, 3, 4, 5]], (10_000, 2), np.int32)
    assert column.nulls.tolist() == [False, True, True, True, False, False, False]
    assert column.values[[0, 4, 5, 6]].tolist() == [1250, -(2**31), 2**31 - 1, 0]
    assert (full.values.tolist(), full.nulls) == ([2, 0, -1, 4, 6, 8, 10], None)
    whole, other = integer_columns([[5, None, 2**40], [1, 2, -(2**20)]], np.int16)
    assert (whole.values.tolist(), whole.nulls.tolist()) == ([5, 0, 32767], [False, True, False])
    assert (other.values.tolist(), other.nulls) == ([1, 2, -32768], None)
    (wide,) = integer_columns([[2**62, -(2**62)]], np.int64)
    assert wide.values.tolist() == [2**62, -(2**62)]


@given(
    rows=st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(-1, 2)), min_size=1, max_size=40
    ),
    ranked=st.booleans(),
)
def test_of_rows_with_one_key_the_highest_and_then_the_last_counts(rows, ranked):
    best = {}
    for i, (key, time_us, rank) in enumerate(rows):
        before = best.get((key, time_us))
        if before is None or not ranked or rank >= rows[before][2]:
            best[key, time_us] = i
    key, time_us, rank = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    order, newest = last_of_each(key.astype(np.int32), time_us, rank.astype(np.int32) if ranked else None)
    assert order.tolist() == [best[one] for one in sorted(best)]
    last = dict(sorted(best))
    assert newest.tolist() == [last[key] == time_us for key, time_us in sorted(best)]


@pytest.mark.parametrize("n", [0, 1, 2, 7, 40])
def test_flags_of_four_bits(n):
    flags = np.random.default_rng(n).choice(np.array([1, 2, 3, 4, 9], np.uint8), (20, n))
    packed = nibbles(flags)
    assert packed.shape == (20, (n + 1) // 2)
    tests = [str(i) for i in range(n)]
    assert [list(unpacked_nibbles(row.tobytes(), tests).values()) for row in packed] == flags.tolist()
