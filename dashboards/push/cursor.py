"""Cursors: how far everything was read. As text they are the ids of events.

All servers that read the same topics see the messages of a partition in one order, so the next offset of
each partition says at any of them what was told and what was not.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated

import msgspec

VERSION = 1
MOST_LETTERS = 2_000
_Number = Annotated[int, msgspec.Meta(ge=0, lt=2**62)]
Positions = tuple[tuple[_Number, ...], ...]
"""The next offset of each partition, by `Source`."""


class Cursor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What was read of everything, and when that was."""

    version: _Number
    origin: Annotated[str, msgspec.Meta(max_length=40)]
    """Whose offsets these are: of one Kafka and prefix, or of one run of a process."""
    time_us: _Number
    positions: Annotated[Positions, msgspec.Meta(max_length=8)]


_decoder = msgspec.msgpack.Decoder(Cursor)


def text_of(cursor: Cursor) -> str:
    """Return a cursor as letters, digits, - and _."""
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(cursor)).rstrip(b"=").decode()


def cursor_of(text: str) -> Cursor:
    """Return the cursor of an id.

    Raises
    ------
    ValueError
        It is none.
    """
    if not text.isascii() or len(text) > MOST_LETTERS:
        raise ValueError("this is no id of an event")
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        return _decoder.decode(packed)
    except (binascii.Error, msgspec.MsgspecError, ValueError, RecursionError):
        raise ValueError("this is no id of an event") from None


def later(one: Positions, other: Positions) -> Positions:
    """Return the later place of each partition."""
    return tuple(tuple(map(max, some, others)) for some, others in zip(one, other, strict=True))
