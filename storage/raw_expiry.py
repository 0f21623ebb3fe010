"""Objects of the raw archive that have been kept long enough go: first their files, then their rows."""

from __future__ import annotations

from collections.abc import Container

from storage.objects import ObjectFolder
from storage.store import RawIndex

EVERY_US = 3_600_000_000
"""How often it is looked for them; they go by the hour, too."""
QUIET_US = 86_400_000_000
"""So much later than the newest bytes it may be now; a clock that says more is not believed."""


class Expiry:
    """Finds and drops what is older than a time.

    Parameters
    ----------
    keep_us
        How long bytes are kept; 0: for ever.
    """

    def __init__(self, objects: ObjectFolder, index: RawIndex, keep_us: int) -> None:
        self.dropped = 0
        """Objects."""
        self._objects, self._index, self._keep_us = objects, index, keep_us
        self._looked_us: int | None = None

    def is_due(self, now_us: int) -> bool:
        """Return whether it is to be looked again."""
        looked_us = self._looked_us
        return self._keep_us > 0 and (looked_us is None or not looked_us <= now_us < looked_us + EVERY_US)

    def cut_us(self, now_us: int) -> int:
        """Return the full hour before which bytes go, as far as their newest allow it."""
        cut_us = max(0, now_us - self._keep_us)
        return cut_us - cut_us % EVERY_US

    def drop(self, now_us: int, being_written: Container[str]) -> None:
        """Drop what is old enough, but for objects that are being written.

        Killed in between, it leaves rows without files, and drops them the next time.
        """
        extents = self._index.raw_extents()
        newest_us = max((newest for _, _, newest in extents), default=0)
        cut_us = self.cut_us(min(now_us, newest_us + QUIET_US))
        for station_id, oldest_us, _ in extents:
            if oldest_us >= cut_us:
                continue
            paths = self._index.objects_before(station_id, cut_us)
            if any(path in being_written for path in paths):
                continue
            for path in paths:
                self._objects.remove(path)
            self._index.drop_before(station_id, cut_us, paths)
            self.dropped += len(paths)
        self._looked_us = now_us
