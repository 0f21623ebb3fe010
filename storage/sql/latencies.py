"""All latencies of a bucket in few bytes, so that ranks over several buckets are exact.

They are kept in order, as the first and then the steps to the next, in the narrowest integers that hold them;
long ones are compressed. The first byte says which: the width of a step, and 16 more when compressed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from storage.sql.packing import compressed, expanded

_WIDTHS = (np.uint8, np.uint16, np.uint32, np.uint64)
_COMPRESSED = 16
_LONG = 256
Int64 = NDArray[np.int64]


def packed(ordered: Int64) -> bytes:
    """Return integers in rising order as bytes; none are no bytes."""
    if not len(ordered):
        return b""
    steps = np.diff(ordered)
    most = int(steps.max()) if len(steps) else 0
    kind = next(kind for kind in _WIDTHS if most <= np.iinfo(kind).max)
    tag = np.dtype(kind).itemsize
    body = steps.astype(np.dtype(kind).newbyteorder("<")).tobytes()
    if len(body) > _LONG:
        tag, body = tag + _COMPRESSED, compressed(body)
    return bytes([tag]) + int(ordered[0]).to_bytes(8, "little", signed=True) + body


def unpacked(data: bytes) -> Int64:
    """Return what `packed` was given."""
    if not data:
        return np.zeros(0, np.int64)
    body = data[9:]
    if data[0] & _COMPRESSED:
        body = expanded(body)
    steps = np.frombuffer(body, f"<u{data[0] & ~_COMPRESSED}")
    values = np.empty(len(steps) + 1, np.int64)
    values[0] = int.from_bytes(data[1:9], "little", signed=True)
    values[1:] = steps
    ordered: Int64 = np.cumsum(values)
    return ordered


def joined(some: Sequence[bytes]) -> Int64:
    """Return the latencies of several buckets in order."""
    values: Int64 = np.concatenate([unpacked(one) for one in some])
    values.sort()
    return values


def nearest_ranks(ordered: Int64) -> tuple[int | None, int | None]:
    """Return the median and the 95th percentile by nearest rank; None: of nothing."""
    n = len(ordered)
    if not n:
        return None, None
    return int(ordered[math.ceil(0.5 * n) - 1]), int(ordered[math.ceil(0.95 * n) - 1])
