"""Recordings of u-blox receivers, which stand beside the tests, and changes to them."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

from gnss.ubx.framing import UbxFramer, build_ubx
from gnss.ubx.rawx import RXM_RAWX

FOLDER = Path(__file__).parents[2] / "data/ubx"


def recording(name: str) -> bytes:
    """Return the bytes of a recording."""
    return gzip.decompress((FOLDER / f"{name}.log.gz").read_bytes())


def later(stream: bytes, seconds: float) -> bytes:
    """Return the observations of a stream with other times."""
    parts = []
    for frame in UbxFramer().feed(stream).frames:
        if frame.kind == RXM_RAWX:
            (tow_s,) = struct.unpack_from("<d", frame.payload)
            parts.append(build_ubx(frame.kind, struct.pack("<d", tow_s + seconds) + frame.payload[8:]))
    return b"".join(parts)
