"""Between the relay and a rover whose account has limits: counts its bytes, leaves out what is too much."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from connectors.caster.audience import Outcome, Subscriber

_BURST_S = 2.0
"""Of the rate, that may come at once: an epoch and what goes before it."""


@dataclass(slots=True, eq=False)
class Metered:
    """A subscriber before another one.

    Parameters
    ----------
    rover
        Gets what is let through.
    rate_bytes_s
        More than that is left out, whole publications at a time; 0: any.
    clock_s
        Monotonic.
    """

    rover: Subscriber
    rate_bytes_s: float
    clock_s: Callable[[], float]
    is_held: bool = False
    """Nothing is let through: it is not known yet whether the rover may have it where it is."""
    n_bytes: int = 0
    """Let through."""
    n_epochs: int = 0
    """Publications that were let through."""
    left_out: int = 0
    """Publications beyond the rate."""
    _credit: float = field(init=False)
    _at_s: float = field(init=False)

    def __post_init__(self) -> None:
        self._credit = self.rate_bytes_s * _BURST_S
        self._at_s = self.clock_s()

    def socket(self) -> int:
        """Nothing goes past it."""
        return -1

    def send(self, frames: bytes) -> Outcome:
        """Hand on a publication or leave it out."""
        if self.is_held:
            return "withheld"
        if self.rate_bytes_s:
            now_s = self.clock_s()
            earned = (now_s - self._at_s) * self.rate_bytes_s
            self._credit = min(self._credit + earned, self.rate_bytes_s * _BURST_S)
            self._at_s = now_s
            if self._credit <= 0:
                self.left_out += 1
                return "withheld"
            self._credit -= len(frames)  # below 0: later ones wait until it is paid back
        outcome = self.rover.send(frames)
        if outcome == "sent":
            self.n_bytes += len(frames)
            self.n_epochs += 1
        return outcome

    def send_rest(self, rest: memoryview) -> None:
        """Hand on what is left of a publication that has begun."""
        self.rover.send_rest(rest)
