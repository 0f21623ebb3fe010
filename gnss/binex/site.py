"""Record 0x00: what a site tells of its marker, antenna and receiver.

Source: UNAVCO, BINEX record 0x00. A record is a row of fields, each with its number; most are texts with
their length before them, so that unknown ones can be passed over.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from gnss.binex.framing import Record, read_number
from gnss.rtcm.texts import printable

SITE = 0x00
_HEAD_BYTES = 6
"""Minutes, quarters of a second, and who says it."""
_TEXTS = {
    0x08: "marker_name",
    0x09: "marker_number",
    0x17: "antenna",
    0x18: "antenna_serial",
    0x19: "receiver",
    0x1A: "receiver_serial",
    0x1B: "receiver_firmware",
    0x20: "radome",
}
_DATE, _CARTESIAN, _GEOGRAPHIC, _OFFSET = 0x0C, 0x1D, 0x1E, 0x1F
_DATE_BYTES, _VECTOR_BYTES = 6, 24


@dataclass(frozen=True, slots=True)
class Site:
    """What a site has told so far; None: not told. Texts are safe to print, and never empty."""

    marker_name: str | None = None
    marker_number: str | None = None
    antenna: str | None = None
    antenna_serial: str | None = None
    radome: str | None = None
    receiver: str | None = None
    receiver_serial: str | None = None
    receiver_firmware: str | None = None
    approximate_m: tuple[float, float, float] | None = None
    """Estimated place of the antenna, ECEF: as in the header of RINEX, no coordinates for rovers."""


def update(site: Site, record: Record) -> Site:
    """Return what is known after one more record; the same for another record.

    Of a record that ends within a field the fields before count.
    """
    message = record.message
    if record.record != SITE or len(message) < _HEAD_BYTES:
        return site
    buffer = np.frombuffer(message, np.uint8)
    at = _HEAD_BYTES
    while at < len(message):
        number, used = (int(n) for n in read_number(buffer, at, len(message), record.is_big))
        at += used
        length, used_too = 0, 1
        if number != _OFFSET:
            length, used_too = (int(n) for n in read_number(buffer, at, len(message), record.is_big))
            at += used_too
        text = message[at : at + length]
        at += length
        behind = {_DATE: _DATE_BYTES, _CARTESIAN: _VECTOR_BYTES, _GEOGRAPHIC: _VECTOR_BYTES}
        behind |= {_OFFSET: _VECTOR_BYTES}
        vector = message[at : at + behind.get(number, 0)]
        at += behind.get(number, 0)
        if not used or not used_too or at > len(message):
            break
        if number in _TEXTS:
            told = printable(text.decode("latin-1"))
            site = replace(site, **cast("dict[str, Any]", {_TEXTS[number]: told})) if told else site
        elif number == _CARTESIAN:
            x, y, z = struct.unpack(">3d" if record.is_big else "<3d", vector)
            site = replace(site, approximate_m=(x, y, z))
    return site
