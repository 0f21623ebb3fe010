"""A bank of detectors that are objects, one a series: for those that `register` made known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from sensors.detectors.bank import Fails, Rows, Told
from sensors.detectors.finding import Samples, Subject


class ObjectBank:
    """Does with objects what `sensors.detectors.bank.Bank` does with columns.

    Parameters
    ----------
    make
        Makes a detector of parameters and a subject.
    fails
        Is told of a slot that has begun anew, and why; None: errors are raised.
    """

    def __init__(self, make: Callable[[Any, Subject], Any], fails: Fails | None = None) -> None:
        self._make = make
        self._fails = fails
        self._told: dict[int, tuple[Any, Subject]] = {}
        self._detectors: dict[int, Any] = {}
        self._next = 0

    @property
    def version(self) -> str:
        """Of those that there are."""
        return next((str(one.version) for one in self._detectors.values()), "")

    def add(self, parameters: Any, subject: Subject) -> int:
        """Return the slot of one more series."""
        slot = self._next
        self._next += 1
        self._told[slot] = (parameters, subject)
        self.forget(slot)
        return slot

    def renew(self, slot: int, parameters: Any, subject: Subject) -> None:
        """Go on with other limits, or other words."""
        state = self._detectors[slot].snapshot()
        self._told[slot] = (parameters, subject)
        self.forget(slot)
        self._guarded(slot, lambda: self._detectors[slot].restore(state) or [])

    def remove(self, slot: int) -> None:
        """Watch this series no more."""
        del self._detectors[slot], self._told[slot]

    def forget(self, slot: int) -> None:
        """Begin anew."""
        self._detectors[slot] = self._make(*self._told[slot])

    def on_rows(self, rows: Rows) -> Iterator[Told]:
        """Take samples; yield what there is to say."""
        for slot in np.unique(rows.slot).tolist():
            places = np.flatnonzero((rows.slot == slot) & (rows.role == 0))
            samples = Samples._make(column[places] for column in rows[2:])
            for finding in self._guarded(slot, lambda: self._detectors[slot].on_samples(samples)):  # noqa: B023
                yield Told(slot, int(places[finding.sample]), finding)

    def on_time(self, now_us: int) -> Iterator[Told]:
        """Let receiving time go on."""
        for slot in self._detectors:
            for finding in self._guarded(slot, lambda: self._detectors[slot].on_time(now_us)):  # noqa: B023
                yield Told(slot, -1, finding)

    def snapshot(self, slot: int) -> bytes:
        """Return what is known of a series."""
        state: bytes = self._detectors[slot].snapshot()
        return state

    def restore(self, slot: int, state: bytes) -> None:
        """Take back what `snapshot` gave."""
        self._detectors[slot].restore(state)

    def _guarded(self, slot: int, call: Callable[[], list[Any]]) -> list[Any]:
        try:
            return call()
        except Exception as error:
            if self._fails is None:
                raise
            self.forget(slot)
            self._fails(slot, error)
            return []
