"""A rover that is led, and how it is handed over from one base to the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from connectors.caster.audience import Subscriber
from connectors.caster.roaming.choice import Reason
from connectors.caster.roaming.network import Base
from connectors.caster.roaming.station_messages import is_newer
from gnss.rtcm.msm_layout import MS_PER_DAY

MOST_BEHIND_MS = 10_000
"""A base whose epochs are further behind has another clock, and no common time with the one before."""
PATIENCE = 2
"""Epochs of the next base that the rover has had from the present one already. Then it gets no more from the
present one: else a base whose epochs come later than the others' would never have a newer one."""


class Listener(Protocol):
    """A rover's connection."""

    username: str

    @property
    def is_heard(self) -> bool:
        """Whether it has sent a sentence, perhaps without a position."""
        ...

    def hang_up(self) -> None:
        """Close it; what is queued is sent."""
        ...


@dataclass(slots=True, eq=False)
class Rover:
    """One rover on a roaming mountpoint."""

    connection: Listener
    subscriber: Subscriber
    """Who is sent to for it."""
    mountpoint: str
    since_s: float
    since_us: int
    turn: int
    """Which of the turns it is asked in."""
    place_km: NDArray[np.float64] | None = None
    """Earth-centred, on the ellipsoid; None: it has told none."""
    base: str = ""
    """Whose epochs it gets; empty: nobody's."""
    base_since_s: float = 0.0
    base_since_us: int = 0
    source: Base | None = None
    """The same, or the one that it had last."""
    target: str = ""
    """Whose next epoch it waits for; empty: nobody's."""
    last_reason: str = ""
    """Of the last change; empty: there was none yet."""
    reason: Reason | None = None
    """Of the change that is due."""
    distance_km: float = np.inf
    bytes_before: int = 0
    """That it had of the bases before."""
    bytes_from: int = 0
    """What its base's stream had come to when it got it."""
    epochs_before: int = 0
    """As `bytes_before`, in epochs."""
    epochs_from: int = 0
    """As `bytes_from`."""
    behind: int = 0
    """Epochs of the target that were not new."""

    def is_due(self, target: Base) -> bool:
        """Say whether the newest epoch of the target may follow what the rover has had."""
        last_ms = None if self.source is None else self.source.time_ms
        if last_ms is None or target.time_ms is None or is_newer(target.time_ms, last_ms):
            return True
        if (last_ms - target.time_ms) % MS_PER_DAY > MOST_BEHIND_MS:
            return True
        self.behind += 1
        return False
