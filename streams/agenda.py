"""When something becomes due of which of many things, without a look at all of them each time."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable

_FEW = 1_000


class Agenda:
    """Times of many things, each known by a name.

    Parameters
    ----------
    times_of
        Returns when something becomes due of a thing, in microseconds; nothing for one that is gone. After
        each change of that `note` is to be called.
    """

    def __init__(self, times_of: Callable[[str], Iterable[int]]) -> None:
        self._times_of = times_of
        self._entries: list[tuple[int, str]] = []
        """A heap; what has changed since stays in it until its time."""
        self._live = 0
        """How many entries there were when it was written anew."""

    def note(self, name: str) -> None:
        """Take the times of one thing."""
        for at_us in self._times_of(name):
            heapq.heappush(self._entries, (at_us, name))
        if len(self._entries) > 4 * self._live + _FEW:
            self.rewrite({name for _, name in self._entries})

    def rewrite(self, names: Iterable[str]) -> None:
        """Forget all, and take the times of these things."""
        self._entries = [(at_us, name) for name in names for at_us in self._times_of(name)]
        heapq.heapify(self._entries)
        self._live = len(self._entries)

    def take(self, until_us: int) -> tuple[int, str] | None:
        """Return the earliest time up to `until_us` with its name, once; of equal ones the first by name.

        Whoever takes it changes what was due, and notes it.
        """
        while self._entries and self._entries[0][0] <= until_us:
            at_us, name = heapq.heappop(self._entries)
            if at_us in self._times_of(name):
                return at_us, name
        return None
