"""Python's collector of cycles, kept from stopping a program that holds thousands of streams.

A full collection looks at every object while no other thread runs: 0.6 s with 8,000 stations, every few
seconds while they come. Nearly all of it stays as long as its station does, and what goes is freed
by its count of references. So what has survived a long look is left out of the next ones.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

YOUNG, MIDDLE, OLD = 20_000, 20, 20
"""Net allocations before a look at the young ones; such looks before one at the middle ones; and so on."""
LONG_S = 0.03
WHOLE_LOOK_S = 6 * 3600.0
"""After so long everything is looked at again: cycles of what went meanwhile."""


class Patience:
    """Leaves what has survived a long collection out of the next ones, for some hours."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._began_s = self._thawed_s = clock_s()
        self.frozen = 0
        """How often something was left out."""

    def begin(self) -> None:
        """Leave out all that is there: the program itself, about 250,000 objects."""
        gc.collect()
        gc.freeze()
        gc.set_threshold(YOUNG, MIDDLE, OLD)
        gc.callbacks.append(self.told)

    def end(self) -> None:
        """Let the collector be as it was in a new process, but for the thresholds."""
        with suppress(ValueError):
            gc.callbacks.remove(self.told)
        gc.unfreeze()

    def told(self, phase: str, info: Mapping[str, Any]) -> None:
        """Hear of a collection (a callback of `gc`)."""
        now_s = self._clock_s()
        if phase == "start":
            self._began_s = now_s
        elif now_s - self._thawed_s >= WHOLE_LOOK_S:
            self._thawed_s = now_s
            gc.unfreeze()
        elif info["generation"] == 2 and now_s - self._began_s >= LONG_S:
            self.frozen += 1
            gc.freeze()
