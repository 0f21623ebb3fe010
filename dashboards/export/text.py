"""Columns to the text of rows: whole columns at once, each row's pieces joined by Arrow.

A column becomes an array of texts; what stands between columns is the same for all rows. The joined array's
bytes are what is sent, so no row is ever an object of Python.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from storage.columns import FLAGS

FLAG_COLUMNS = tuple(f"flag_{flag}" for flag in FLAGS)
"""Samples by flag: columns in tables, one object `flags` in JSON."""
_OFFSETS_US = {"UTC": 0, "Asia/Shanghai": 8 * 3_600_000_000}
_SUFFIXES = {"UTC": "Z", "Asia/Shanghai": "+08:00"}
_SECOND_US = 1_000_000
_NEEDS_QUOTES = frozenset('",\r\n')
_FORMULA = frozenset("=+-@\t\r")
"""How a text begins that a spreadsheet would take for a formula."""


def joined(pieces: Sequence[pa.Array | str]) -> bytes:
    """Return the text of all rows; a piece is a column of texts without nulls, or the same for each row."""
    rows = pc.binary_join_element_wise(*pieces, "")
    if not len(rows):
        return b""
    _, offsets, text = rows.buffers()
    ends = np.frombuffer(offsets, np.int32, len(rows) + 1, rows.offset * 4)
    return memoryview(text)[int(ends[0]) : int(ends[-1])].tobytes()


def csv_head(schema: pa.Schema) -> bytes:
    """Return the line of names."""
    return ",".join(schema.names).encode() + b"\r\n"


def csv_rows(batch: pa.RecordBatch) -> bytes:
    """Return rows as RFC 4180 has them; a missing value is empty."""
    pieces: list[pa.Array | str] = []
    for number, column in enumerate(batch.columns):
        pieces += [",", _cells(column, _csv_text, "")] if number else [_cells(column, _csv_text, "")]
    return joined([*pieces, "\r\n"])


def json_rows(batch: pa.RecordBatch) -> bytes:
    """Return rows as JSON objects, a comma before each."""
    return joined([",{", *_members(batch, ()), "}"])


def feature_rows(batch: pa.RecordBatch) -> bytes:
    """Return rows as features of GeoJSON (RFC 7946), a comma before each.

    Longitude and latitude become the geometry; so does a height that is ellipsoidal, as it is meant there.
    """
    longitude, latitude = batch.column("longitude"), batch.column("latitude")
    is_known = pc.and_(pc.is_valid(longitude), pc.is_valid(latitude))
    third = pc.fill_null(pc.equal(_plain(batch.column("height_datum")), "ellipsoidal"), False)
    height = pc.if_else(
        pc.and_(third, pc.is_valid(batch.column("height_m"))),
        pc.binary_join_element_wise(",", _numbers(batch.column("height_m"), "null"), ""),
        "",
    )
    point = pc.binary_join_element_wise(
        '{"type":"Point","coordinates":[',
        _numbers(longitude, ""),
        ",",
        _numbers(latitude, ""),
        height,
        "]}",
        "",
    )
    geometry = pc.if_else(is_known, point, "null")
    properties = _members(batch, ("longitude", "latitude"))
    return joined([',{"type":"Feature","geometry":', geometry, ',"properties":{', *properties, "}}"])


def _members(batch: pa.RecordBatch, without: Sequence[str]) -> list[pa.Array | str]:
    pieces: list[pa.Array | str] = []
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if name in without or name in FLAG_COLUMNS[1:]:
            continue
        comma = "," if pieces else ""
        if name == FLAG_COLUMNS[0]:
            pieces += [f'{comma}"flags":', _flags(batch)]
        else:
            pieces += [f"{comma}{json.dumps(name)}:", _cells(column, _json_text, "null", '"')]
    return pieces


def _flags(batch: pa.RecordBatch) -> pa.Array:
    """Return samples by flag as JSON objects without those of which there are none."""
    counts = np.column_stack([batch.column(name).to_numpy() for name in FLAG_COLUMNS])
    some, which = np.unique(counts, axis=0, return_inverse=True)
    texts = [
        msgspec.json.encode({flag: n for flag, n in zip(FLAGS, row, strict=True) if n}).decode()
        for row in some.tolist()
    ]
    return pa.array(texts, pa.string()).take(pa.array(which.reshape(-1)))


def _cells(
    column: pa.Array, text: Callable[[str | None], str | None], missing: str, quote: str = ""
) -> pa.Array:
    """Return a column as texts; times stand between quotes."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        written = pa.array([text(one) for one in column.dictionary.to_pylist()], pa.string())
        return pc.fill_null(written.take(column.indices), missing)
    if pa.types.is_string(kind):
        return _cells(column.dictionary_encode(), text, missing, quote)
    if pa.types.is_timestamp(kind):
        return times(column.cast(pa.int64()).to_numpy(), kind.tz, quote)
    return _numbers(column, missing)


def _numbers(column: pa.Array, missing: str) -> pa.Array:
    """Return numbers as texts that are read back as the same; what is not finite is missing."""
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_finite(column), column, pa.scalar(None, column.type))
    return pc.fill_null(column.cast(pa.string()), missing)


def times(time_us: NDArray[np.int64], zone: str, quote: str = "") -> pa.Array:
    """Return times as ISO 8601 with their offset; fractions only where there are some."""
    some, which = np.unique(time_us, return_inverse=True)
    local = some + _OFFSETS_US[zone]
    texts = np.datetime_as_string(local.astype("datetime64[us]"), "us")
    whole = local % _SECOND_US == 0
    texts = np.where(whole, texts.astype("U19"), texts)
    written = pc.binary_join_element_wise(quote, pa.array(texts, pa.string()), _SUFFIXES[zone] + quote, "")
    return written.take(pa.array(which.reshape(-1)))


def _plain(column: pa.Array) -> pa.Array:
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _csv_text(text: str | None) -> str | None:
    if text is None:
        return None
    if text[:1] in _FORMULA:
        text = "'" + text
    return '"' + text.replace('"', '""') + '"' if _NEEDS_QUOTES & set(text) else text


def _json_text(text: str | None) -> str | None:
    return None if text is None else msgspec.json.encode(text).decode()
