"""How hard a receiver is asked: one that is away or busy gets one message at a time, and pauses between.

Standard Webhooks asks to throttle after 429, 502 and 504. A receiver that does not answer is treated the
same: the oldest message knocks for all, so that a minute after it is back everything goes out, in order.
"""

from __future__ import annotations

from dataclasses import dataclass

from connectors.webhook_message import paused_s


@dataclass(slots=True)
class Gate:
    """Before one receiver. Times are microseconds."""

    places: int
    """Requests at one time, when all is well."""
    failures: int = 0
    """In a row; those of requests that were under way together count once."""
    opens_at_us: int = 0
    _width: int = 0

    def __post_init__(self) -> None:
        self._width = self.places

    def room(self, now_us: int, under_way: int) -> int:
        """Return how many more requests may begin."""
        return max(self._width - under_way, 0) if now_us >= self.opens_at_us else 0

    def answered(self) -> None:
        """The receiver is there: it gets more and more at a time."""
        self.failures = 0
        self.opens_at_us = 0
        self._width = min(self._width * 2, self.places)

    def failed(self, now_us: int, jitter: float, retry_after_s: float) -> int:
        """The receiver is away or busy; return when the next request may begin.

        Parameters
        ----------
        jitter
            0 to 1, drawn by the caller.
        retry_after_s
            What the receiver asked for.
        """
        self._width = 1
        if now_us >= self.opens_at_us:
            delay_s = paused_s(self.failures, jitter, retry_after_s)
            self.failures += 1
        else:
            delay_s = paused_s(max(self.failures - 1, 0), jitter, retry_after_s)
        self.opens_at_us = max(self.opens_at_us, now_us + int(delay_s * 1e6))
        return self.opens_at_us
