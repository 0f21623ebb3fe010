"""Where rows of large commits stand: one commit behind the other, and in their tables some seconds later.

Each series has a page of its own in its table, at the end of what it has. 28,000 rows a second touch as many
pages, each of which goes into the log: 115 MB, half a second of a disk and a processor. So a large commit
writes its rows in the order of their keys below its number: 1.4 MB at one place, and who asks for a series
looks once into each commit that waits. Forty seconds brought into the tables together touch each page once,
with the full ones beside them, which share their rows with new ones.

A row stands at one place. One that comes again (a verdict with the next sample, a correction) replaces it
where it stands; so a commit is left alone until the next sample of most series has come.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

LARGE_ROWS = 2000
"""Of a commit, or a second: fewer are written into the tables at once."""
RATE_S = 5.0
"""Over so long rows are counted."""
MOST_ROWS = 4_000_000
"""Of more, the next commit waits until all are brought; 28,000 a second make two million."""
REST_S = 10.0
"""So long a commit is left alone."""
HOLD_S = 40.0
"""Of what is older, so much is brought together."""
MOST_COMMITS = 2000
"""That wait: of more, what may be brought is brought earlier."""
NEVER_US = -(2**63)

_PLACE = np.dtype([("key", ">i8"), ("time_us", ">i8")])
_BYTES = np.dtype("S16")

Keys = NDArray[np.int64]
Times = NDArray[np.int64]


@dataclass(slots=True)
class Arrival:
    """The rows of a commit that wait, by table."""

    number: int
    at_s: float
    rows: Mapping[str, NDArray[np.bytes_]]
    """Keys and times as bytes, in order."""
    first_us: int
    last_us: int
    brought_to: dict[str, int] = field(default_factory=dict)
    """Rows up to this key stand in their table already."""

    def __len__(self) -> int:
        return sum(map(len, self.rows.values()))


@dataclass(slots=True)
class Arrivals:
    """What waits, in memory. Not for two threads at once."""

    clock_s: Callable[[], float] = time.monotonic
    rows: int = 0
    """All that wait."""
    _each: list[Arrival] = field(default_factory=list)
    """The oldest first."""
    _came: deque[tuple[float, int]] = field(default_factory=deque)
    """When so many rows came, over `RATE_S`."""

    @property
    def next_number(self) -> int:
        """Return a number for the next commit, above those that wait."""
        return self._each[-1].number + 1 if self._each else 1

    @property
    def due(self) -> int | None:
        """Return the newest commit whose rows are to be brought with all before it; None: it is not time."""
        now_s = self.clock_s()
        rested = [one for one in self._each if now_s - one.at_s >= REST_S]
        if not rested or (now_s - rested[0].at_s < REST_S + HOLD_S and len(self._each) < MOST_COMMITS):
            return None
        return rested[-1].number

    def takes(self, rows: int) -> bool:
        """Count the rows of a commit, and return whether they are to wait."""
        now_s = self.clock_s()
        self._came.append((now_s, rows))
        while now_s - self._came[0][0] > RATE_S:
            self._came.popleft()
        return rows >= LARGE_ROWS or sum(n for _, n in self._came) >= LARGE_ROWS * RATE_S

    def add(self, number: int, rows: Mapping[str, tuple[Keys, Times]]) -> None:
        """Remember the rows of a commit, by table; there is at least one."""
        places = {table: np.sort(_places(*columns), kind="stable") for table, columns in rows.items()}
        self._each.append(Arrival(number, self.clock_s(), places, *span_us(rows)))
        self.rows += len(self._each[-1])

    def find(self, table: str, keys: Keys, times_us: Times) -> NDArray[np.int64]:
        """Return the commits in which rows wait, 0 for those that do not; shape (n,)."""
        found = np.zeros(len(keys), np.int64)
        wanted, left = _places(keys, times_us), np.arange(len(keys))
        first_us, last_us = int(times_us.min(initial=0)), int(times_us.max(initial=0))
        for one in reversed(self._each):  # most come again with the next sample
            rows = one.rows.get(table)
            if one.last_us < first_us or one.first_us > last_us or rows is None or not len(rows):
                continue
            at = np.minimum(np.searchsorted(rows, wanted[left]), len(rows) - 1)
            is_here = (rows[at] == wanted[left]) & (keys[left] > one.brought_to.get(table, NEVER_US))
            found[left[is_here]] = one.number
            left = left[~is_here]
            if not len(left):
                break
            first_us, last_us = int(times_us[left].min()), int(times_us[left].max())
        return found

    def brought(self, table: str, last: int, high: int) -> None:
        """Note that rows of commits up to `last` stand in their table, up to a key."""
        for one in self._each:
            if one.number <= last:
                one.brought_to[table] = max(high, one.brought_to.get(table, NEVER_US))

    def forget(self, last: int) -> None:
        """Forget commits up to `last`: all of their rows stand in their tables."""
        self._each = [one for one in self._each if one.number > last]
        self.rows = sum(map(len, self._each))


@dataclass(slots=True)
class Newest:
    """The newest time of each key, wherever its row stands: what is newer stands nowhere yet."""

    _times_us: Times = field(default_factory=lambda: np.full(1024, NEVER_US))

    @classmethod
    def of(cls, rows: Iterable[tuple[int, int]]) -> Newest:
        """Return it of keys and times."""
        made, known = cls(), list(rows)
        if known:
            keys, times_us = np.array(known, np.int64).T
            made.raise_to(keys, times_us)
        return made

    def at(self, keys: Keys) -> Times:
        """Return the newest time of each key, `NEVER_US` where none is known."""
        self._grow(keys)
        return self._times_us[keys]

    def raise_to(self, keys: Keys, times_us: Times) -> None:
        """Note rows; of a key with several, the newest counts."""
        self._grow(keys)
        np.maximum.at(self._times_us, keys, times_us)

    def _grow(self, keys: Keys) -> None:
        most = int(keys.max(initial=0))
        while len(self._times_us) <= most:
            more = np.full(len(self._times_us), NEVER_US)
            self._times_us = np.concatenate((self._times_us, more))


def span_us(rows: Mapping[str, tuple[Keys, Times]]) -> tuple[int, int]:
    """Return the lowest and the highest time of rows; there is at least one."""
    times = [times_us for _, times_us in rows.values() if len(times_us)]
    return min(int(one.min()) for one in times), max(int(one.max()) for one in times)


def _places(keys: Keys, times_us: Times) -> NDArray[np.bytes_]:
    """Return keys and times as bytes that can be compared as one."""
    made = np.empty(len(keys), _PLACE)
    made["key"], made["time_us"] = keys, times_us
    return made.view(_BYTES)
