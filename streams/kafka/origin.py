"""Who made a message, and from which input: so that what is made twice counts once.

A worker that continues after a crash reads some input again and makes the same messages again. Each message
tells its maker (a name) and its place: the offset of the input it was made from, and its number among those.
A maker's messages reach a partition in the order of their places; what is not behind the last one is a
repetition.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

MAKER, PLACE = "maker", "place"
"""Names of the headers."""
MAKERS_REMEMBERED = 4096
MAKER_BYTES = 200
"""A longer name is none of ours."""

Headers = Sequence[tuple[str, bytes]]


class Origin(NamedTuple):
    """Where a message comes from."""

    maker: str
    offset: int
    number: int = 0

    def headers(self) -> list[tuple[str, bytes]]:
        """Return it as headers of a message."""
        return [(MAKER, self.maker.encode()), (PLACE, b"%d.%d" % (self.offset, self.number))]


def origin_of(headers: Headers) -> Origin | None:
    """Return who made a message; None where it does not say so."""
    found = dict(headers)
    if len(found.get(MAKER, b"")) > MAKER_BYTES:
        return None
    try:
        offset, _, number = found[PLACE].partition(b".")
        return Origin(found[MAKER].decode(), int(offset), int(number))
    except (KeyError, ValueError):
        return None


class Origins:
    """What came last of each maker; bounded, the one that was heard longest ago is forgotten first."""

    def __init__(self, last: dict[str, tuple[int, int]] | None = None) -> None:
        self.last = dict(last or {})
        self.repeated = 0
        """Messages that were left out."""

    def is_new(self, origin: Origin | None) -> bool:
        """Return whether a message is no repetition, and remember it."""
        if origin is None:
            return True
        place = (origin.offset, origin.number)
        before = self.last.pop(origin.maker, (-1, -1))
        self.last[origin.maker] = max(before, place)
        if place <= before:
            self.repeated += 1
            return False
        if len(self.last) > MAKERS_REMEMBERED:
            del self.last[next(iter(self.last))]
        return True
