"""The levels of rollups: rows themselves, and what they come to by minute, hour and day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MINUTE_US = 60_000_000
HOUR_US = 3_600_000_000
DAY_US = 86_400_000_000
ROWS = -1
"""The level of the rows themselves."""
LENGTHS_US = (MINUTE_US, HOUR_US, DAY_US)
"""Of a bucket, by level."""
FIRST_US, END_US = 0, 7_258_118_400_000_000
"""From 1970 to 2200: what lies outside is a mistake and is never summed up beforehand."""
_NAMES = ("minutes", "hours", "days")


@dataclass(frozen=True, slots=True)
class Kind:
    """What is summed up."""

    number: int
    name: str
    """In names of tables and queries."""
    of: str
    """Whose it is, as queries name it."""
    what: str
    """A row of it, as queries name it."""

    def table(self, level: int) -> str:
        """Return the table of a level's buckets."""
        return f"{self.name}_{_NAMES[level]}"


STATIONS = Kind(0, "station", "station", "report")
SAMPLES = Kind(1, "sample", "datastream", "sample")
KINDS = (STATIONS, SAMPLES)


@dataclass(frozen=True, slots=True)
class Mark:
    """Buckets that are not to be believed: of some keys, or of all."""

    begin_us: int
    end_us: int
    keys: Sequence[int] | None
    """None: of all."""


def floor_to(time_us: int, length_us: int) -> int:
    """Return the begin of the bucket that a time lies in."""
    return time_us // length_us * length_us


def ceil_to(time_us: int, length_us: int) -> int:
    """Return the first begin of a bucket at or after a time."""
    return -(-time_us // length_us) * length_us
