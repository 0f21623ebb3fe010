"""How often somebody may ask: a bucket that refills, for each of a bounded number of askers."""

from __future__ import annotations

from dataclasses import dataclass, field

MOST_ASKERS = 20_000
BURST_S = 10.0
"""So much of the rate may come at once."""


@dataclass(slots=True)
class Rates:
    """One rate for many askers. `now_s` is any clock that does not go back."""

    rate_s: float
    """Requests a second; 0: any number."""
    refused: int = 0
    _full_at_s: dict[str, float] = field(default_factory=dict)
    """When each will have its whole burst again; who asked last stands last."""

    def wait_s(self, asker: str, now_s: float) -> float:
        """Take one request; return 0, or after how long the next one is taken if this one is not."""
        if not self.rate_s:
            return 0.0
        full_s = max(self._full_at_s.pop(asker, now_s), now_s) + 1.0 / self.rate_s
        burst_s = max(BURST_S, 1.0 / self.rate_s)
        over_s = full_s - now_s - burst_s
        # what rounding adds up to refuses nobody
        if over_s > 1e-9:
            self.refused += 1
            full_s -= 1.0 / self.rate_s
        self._full_at_s[asker] = full_s
        if len(self._full_at_s) > MOST_ASKERS:
            del self._full_at_s[next(iter(self._full_at_s))]
        return over_s if over_s > 1e-9 else 0.0
