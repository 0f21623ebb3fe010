"""How much each account has had in this day and month, over all casters: counts that only grow.

Each caster adds to its own count and tells it whole; of another's the greatest that was ever told holds. So
it does not matter in which order, how often or how late counts come: casters that were cut off are right
again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from streams.count_sharing import periods
from streams.regions import neighbour_of

MOST_COUNTS = 500_000
"""Accounts that are remembered, of each caster that tells of them: of this one, of others of this
installation, and of other regions, each."""


class Volume(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Bytes of one account at one caster."""

    day: int = 0
    """Days since 1970."""
    day_bytes: int = 0
    month: int = 0
    """Months since the year 0."""
    month_bytes: int = 0

    def plus(self, n_bytes: int, day: int, month: int) -> Volume:
        """Return it with more bytes. A clock that goes back counts for the day that was reached."""
        day, month = max(day, self.day), max(month, self.month)
        return Volume(
            day,
            n_bytes + (self.day_bytes if day == self.day else 0),
            month,
            n_bytes + (self.month_bytes if month == self.month else 0),
        )

    def or_later(self, other: Volume) -> Volume:
        """Return the later and greater of both, of the day and of the month."""
        day, day_bytes = max((self.day, self.day_bytes), (other.day, other.day_bytes))
        month, month_bytes = max((self.month, self.month_bytes), (other.month, other.month_bytes))
        return Volume(day, day_bytes, month, month_bytes)


@dataclass(slots=True)
class Volumes:
    """The counts that one caster knows.

    Parameters
    ----------
    caster
        Its name; no other caster has it, and it keeps it through restarts.
    """

    caster: str
    left_out: int = 0
    """Counts that were too many to be remembered."""
    _counts: dict[str, dict[str, Volume]] = field(default_factory=dict)
    """By account, then by caster."""
    _n_counts: Counter[str] = field(default_factory=Counter)
    """By `_pool`: regions that tell too much leave the room of others alone."""

    def add(self, account: str, n_bytes: int, now_us: int) -> None:
        """Count what this caster has sent."""
        day, month = periods(now_us)
        self._set(self.caster, account, self._of(self.caster, account).plus(n_bytes, day, month))

    def take(self, caster: str, account: str, volume: Volume) -> None:
        """Take what a caster told, or this one kept of itself."""
        self._set(caster, account, self._of(caster, account).or_later(volume))

    def used(self, account: str, now_us: int) -> tuple[int, int]:
        """Return the bytes of this day and of this month."""
        day, month = periods(now_us)
        counts = self._counts.get(account, {}).values()
        return (
            sum(one.day_bytes for one in counts if one.day >= day),
            sum(one.month_bytes for one in counts if one.month >= month),
        )

    def own(self) -> Iterator[tuple[str, Volume]]:
        """Yield this caster's counts by account."""
        for account, counts in self._counts.items():
            if self.caster in counts:
                yield account, counts[self.caster]

    def forget(self, now_us: int) -> None:
        """Forget counts of months that are over."""
        _, month = periods(now_us)
        for account, counts in list(self._counts.items()):
            for caster in [caster for caster, one in counts.items() if one.month < month]:
                del counts[caster]
                self._n_counts[self._pool(caster)] -= 1
            if not counts:
                del self._counts[account]

    def regions_of(self, account: str, now_us: int) -> dict[str, int]:
        """Return the bytes of this month by who told of them; empty: this installation."""
        _, month = periods(now_us)
        found: Counter[str] = Counter()
        for caster, one in self._counts.get(account, {}).items():
            if one.month >= month:
                found[neighbour_of(caster)] += one.month_bytes
        return dict(found)

    def _pool(self, caster: str) -> str:
        return "own" if caster == self.caster else "region" if ":" in caster else "here"

    def _of(self, caster: str, account: str) -> Volume:
        return self._counts.get(account, {}).get(caster, Volume())

    def _set(self, caster: str, account: str, volume: Volume) -> None:
        counts = self._counts.get(account)
        if counts is None or caster not in counts:
            pool = self._pool(caster)
            if self._n_counts[pool] >= MOST_COUNTS:
                self.left_out += 1
                return
            self._n_counts[pool] += 1
            counts = self._counts.setdefault(account, {})
        counts[caster] = volume
