"""In which formats a table may be had, and how its batches become bytes one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dashboards.export import text

Encoder = Callable[[pa.Schema, Iterable[pa.RecordBatch]], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class Format:
    """One format."""

    name: str
    media_type: str
    suffix: str
    """Of a file."""
    encode: Encoder
    is_file: bool = True
    """It is offered to be saved rather than shown."""


class _Sink:
    """A file that keeps what was written until it is taken."""

    def __init__(self) -> None:
        self.closed = False
        self._pieces: list[bytes] = []
        self._length = 0

    def write(self, piece: Any) -> int:
        self._pieces.append(bytes(piece))
        self._length += len(piece)
        return len(piece)

    def tell(self) -> int:
        return self._length

    def flush(self) -> None:
        """Do nothing: what is written is there."""

    def close(self) -> None:
        self.closed = True

    def taken(self) -> bytes:
        taken, self._pieces = b"".join(self._pieces), []
        return taken


def _csv(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    head = text.csv_head(schema)
    for batch in batches:
        yield head + text.csv_rows(batch)
        head = b""
    yield head


def _in_list(begin: bytes, rows: Callable[[pa.RecordBatch], bytes], end: bytes) -> Encoder:
    def encode(_: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
        is_first = True
        for batch in batches:
            if written := rows(batch):
                yield begin + written[1:] if is_first else written
                is_first = False
        yield begin + end if is_first else end

    return encode


def _parquet(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    sink = _Sink()
    with pq.ParquetWriter(pa.PythonFile(sink, "w"), schema, compression="zstd") as writer:
        for batch in batches:
            if batch.num_rows:
                writer.write_batch(batch)
                yield sink.taken()
    yield sink.taken()


def _arrow(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    sink = _Sink()
    with pa.ipc.new_stream(pa.PythonFile(sink, "w"), schema) as writer:
        for batch in batches:
            if batch.num_rows:
                writer.write_batch(batch)
                yield sink.taken()
    yield sink.taken()


FORMATS = {
    one.name: one
    for one in (
        Format(
            "json",
            "application/json",
            "json",
            _in_list(b'{"items":[', text.json_rows, b'],"next":null}'),
            False,
        ),
        Format("csv", "text/csv", "csv", _csv),
        Format(
            "geojson",
            "application/geo+json",
            "geojson",
            _in_list(b'{"type":"FeatureCollection","features":[', text.feature_rows, b"]}"),
            is_file=False,
        ),
        Format("parquet", "application/vnd.apache.parquet", "parquet", _parquet),
        Format("arrow", "application/vnd.apache.arrow.stream", "arrows", _arrow),
    )
}


def negotiated(name: str | None, accept: str) -> Format | None:
    """Return the format that is named, else the one that a header Accept wants most; None: none serves.

    Parameters
    ----------
    accept
        The header; empty: anything.
    """
    if name is not None:
        return FORMATS.get(name)
    wanted: list[tuple[float, int, str]] = []
    for place, part in enumerate(accept.split(",")[:20]):
        media, *parameters = (one.strip().lower() for one in part.split(";"))
        wanted.append((-_weight(parameters), place, media or "*/*"))
    for weight, _, media in sorted(wanted):
        if weight == 0:
            continue
        for one in FORMATS.values():
            main, _, _ = one.media_type.partition("/")
            if media in {one.media_type, "*/*", f"{main}/*"}:
                return one
    return None


def _weight(parameters: Iterable[str]) -> float:
    for one in parameters:
        if one.startswith("q="):
            try:
                return min(1.0, max(0.0, float(one[2:])))
            except ValueError:
                return 0.0
    return 1.0
