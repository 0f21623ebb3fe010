"""What a gatherer sends to a caster, as bytes: a table of stations, whole epochs, signs of life. No I/O.

Both sides first prove that they know the secret (`proof.py`). Then only the gatherer speaks, in records:

| bytes | |
|---|---|
| 1 | kind: 1 a station of the table, 2 the table is whole, 3 frames, 4 a sign of life |
| 1 | 0 |
| 2 | number of the station on this connection |
| 4 | length of the body in bytes |
| 8 | microseconds of UTC since 1970: when the first byte of the frames was received, else now |
| … | the body: JSON of a `Listed`, or RTCM 3 frames |

Numbers are little-endian.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from streams.definitions import CONTROL, MOST_NAME

STATION, TABLE_IS_WHOLE, FRAMES, ALIVE = 1, 2, 3, 4
HEAD = struct.Struct("<BBHIq")
MOST_BODY_BYTES = 262_144
"""No record is longer: an epoch of a station has some kilobytes."""
MOST_STATIONS = 20_000
"""Of one gatherer."""
_ID = re.compile(r"[A-Za-z0-9_.-]{1,32}")


class LinkError(Exception):
    """The peer does not keep to the protocol: a sentence for a person."""


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A station as a sourcetable needs it."""

    id: str
    name: str
    longitude: float | None = None
    """Degrees."""
    latitude: float | None = None


class LinkRecord(NamedTuple):
    """One record."""

    kind: int
    number: int
    time_us: int
    body: bytes


def encode(kind: int, number: int, time_us: int, body: bytes = b"") -> bytes:
    """Return a record as bytes.

    Raises
    ------
    ValueError
        The body is longer than `MOST_BODY_BYTES`.
    """
    if len(body) > MOST_BODY_BYTES:
        raise ValueError(f"a body of {len(body)} bytes; at most {MOST_BODY_BYTES} go into a record")
    return HEAD.pack(kind, 0, number, len(body), time_us) + body


def encode_station(number: int, station: Listed, now_us: int) -> bytes:
    """Return the record that lists a station, its name without control characters and not too long."""
    name = CONTROL.sub("", station.name)[:MOST_NAME].strip() or station.id
    return encode(STATION, number, now_us, msgspec.json.encode(msgspec.structs.replace(station, name=name)))


def decode_station(body: bytes) -> Listed:
    """Read the body of a record that lists a station; one with an unusable name is named by its id.

    Raises
    ------
    LinkError
        It is none.
    """
    try:
        station = msgspec.json.decode(body, type=Listed)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise LinkError(f"a station of the table cannot be read ({error})") from error
    if not _ID.fullmatch(station.id) or not station.id.strip("."):
        raise LinkError("a station of the table has an id that is no mountpoint")
    if len(station.name) > MOST_NAME or CONTROL.search(station.name):  # of a gatherer of another version
        return msgspec.structs.replace(station, name=station.id)
    return station


class LinkParser:
    """Cuts a stream of bytes, in whatever pieces it comes, into records. It holds one record at most."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[LinkRecord]:
        """Yield the records that are whole now; take all of them before the next call.

        Raises
        ------
        LinkError
            These are no records.
        """
        buffer = self._rest + data if self._rest else data
        at, size, head_bytes = 0, len(buffer), HEAD.size
        while size - at >= head_bytes:
            kind, zero, number, length, time_us = HEAD.unpack_from(buffer, at)
            if not STATION <= kind <= ALIVE or zero or length > MOST_BODY_BYTES:
                raise LinkError(
                    "it sends what is no record of a relay; check that both have the same version"
                )
            end = at + head_bytes + length
            if end > size:
                break
            yield LinkRecord(kind, number, time_us, buffer[at + head_bytes : end])
            at = end
        self._rest = buffer[at:] if at else buffer
