"""What is stored, read again after some minutes: a question over all series is not for each visitor."""

from __future__ import annotations

import threading
from collections.abc import Callable

from dashboards.catalogue.holdings import Holdings

AGE_US = 300_000_000


class Shelf:
    """Keeps what was read. For any thread; one reads while others wait.

    Parameters
    ----------
    read
        Asks the store.
    """

    def __init__(self, read: Callable[[], Holdings]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._known: tuple[int, Holdings] | None = None

    def look(self, now_us: int) -> tuple[int, Holdings]:
        """Return when it was read, and what."""
        with self._lock:
            if self._known is None or not 0 <= now_us - self._known[0] < AGE_US:
                self._known = now_us, self._read()
            return self._known
