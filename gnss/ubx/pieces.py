"""Fields of navigation messages that are sent in pieces: where the pieces are, and what they say together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from gnss.rtcm.ephemeris_fields import EphemerisMessage
from gnss.rtcm.fields import Number, Values


class Piece(NamedTuple):
    """Some bits of one part of a message."""

    part: int
    """Subframe, word type or string."""
    begin: int
    """First bit, counted from 0."""
    width: int


Layout = Mapping[str, tuple[Piece, ...]]
"""By the field's name in the RTCM message of the same ephemeris; the most significant piece first."""


class Bits(NamedTuple):
    """A row of bits as one number, its first bit the most significant one."""

    value: int
    size: int

    def take(self, begin: int, width: int) -> int:
        """Return some of them as an unsigned number."""
        return self.value >> (self.size - begin - width) & ((1 << width) - 1)


def values_of(message: EphemerisMessage, layout: Layout, parts: Mapping[int, Bits]) -> Values:
    """Return the values of an RTCM message from the parts of the broadcast one.

    RTCM has taken width and step of each field from the interface documents, so its own table says what the
    bits mean.
    """
    values: Values = {}
    for field in message.fields:
        if isinstance(field, Number) and field.name in layout:
            sent = 0
            for piece in layout[field.name]:
                sent = sent << piece.width | parts[piece.part].take(piece.begin, piece.width)
            values[field.name] = field.value(sent)
    return values
