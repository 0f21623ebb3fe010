"""Compiles what a first stream would wait for; then numba has it on disk."""

from __future__ import annotations

import struct

from gnss.binex.framing import build_record
from gnss.to_rtcm.converter import Converter
from gnss.to_rtcm.formats import Spoken
from gnss.ubx.framing import build_ubx
from gnss.ubx.rawx import RXM_RAWX

_NOW_US = 1_700_000_000_000_000
_RAWX = struct.pack("<dHbBBBxx", 345_600.0, 2288, 18, 1, 1, 1)
_ROW = struct.pack("<ddfBBBBHBBBBBx", 2.2e7, 1.156e8, -500.0, 0, 3, 0, 0, 3000, 45, 1, 1, 1, 7)
_BINEX = bytes((0x05, 1, 60, 3, 62, 0, 0, 0x00, 3, 0x10, 1, 110)) + bytes((0x14, 0, 0, 0, 0, 0, 1, 0))


def prepare() -> None:
    """Convert an epoch of each format."""
    streams: dict[Spoken, bytes] = {
        "ubx": build_ubx(RXM_RAWX, _RAWX + _ROW),
        "binex": build_record(0x7F, _BINEX),
    }
    for spoken, stream in streams.items():
        converter = Converter(spoken)
        converter.feed(stream, _NOW_US)
        converter.finish()
        Converter().feed(stream, _NOW_US)
