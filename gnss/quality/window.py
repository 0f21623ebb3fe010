"""Sums over a station's last minute, slot by slot."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SLOTS = 60
"""Length of the window: 60 slots of `EpochGrid`, a minute at 1 Hz."""


class Sums(NamedTuple):
    """What is added up. All are counts but the squares (m^2) and the C/N0 (dB-Hz)."""

    epochs: float = 0.0
    observations: float = 0.0
    observations_expected: float = 0.0
    observations_compared: float = 0.0
    """Observations of the epochs for which an expectation existed."""
    slips: float = 0.0
    multipath_squares: float = 0.0
    multipath_count: float = 0.0
    cn0_sum: float = 0.0
    cn0_count: float = 0.0
    frames: float = 0.0
    bad_frames: float = 0.0


@dataclass(slots=True)
class Window:
    """A ring of slots."""

    slots: NDArray[np.int64] = field(default_factory=lambda: np.full(SLOTS, -1, np.int64))
    values: NDArray[np.float64] = field(default_factory=lambda: np.zeros((SLOTS, len(Sums._fields))))

    def add(self, slot: int, sums: Sums) -> None:
        """Add to a slot; one older than the window is left out."""
        at = slot % SLOTS
        if self.slots[at] > slot:
            return
        if self.slots[at] != slot:
            self.slots[at] = slot
            self.values[at] = 0.0
        self.values[at] += sums

    def total(self, slot: int) -> Sums:
        """Return the sums over the window that ends with `slot`."""
        inside = (self.slots > slot - SLOTS) & (self.slots <= slot)
        return Sums(*(inside @ self.values).tolist())

    def snapshot(self) -> tuple[bytes, bytes]:
        """Return the state."""
        return self.slots.tobytes(), self.values.tobytes()

    def restore(self, state: tuple[bytes, bytes]) -> None:
        """Take back what `snapshot` gave."""
        self.slots = np.frombuffer(state[0], np.int64).copy()
        self.values = np.frombuffer(state[1], np.float64).reshape(SLOTS, -1).copy()
