"""What a store has to do beside its commits, one bounded step after another."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from storage.rows import RollupHealth, StoredTimes

log = structlog.get_logger()

EVERY_US = 3_600_000_000
"""How often what has expired is looked for."""
_DAY_US = 86_400_000_000
AHEAD_US = _DAY_US
"""A clock that is further ahead of what is stored is told, or nothing came for as long."""
_LONGEST_S = 1.0
"""Of a call: after it the store is tidied again."""
_BREATH_S = 0.005
"""After each step: a commit that waits for it comes first."""


class Kept(Protocol):
    """What is needed of a store."""

    def tidy(self) -> None:
        """Do what commits leave to be done beside them, soon."""
        ...

    def roll_up(self, now_us: int) -> bool:
        """Make some buckets anew; False: none was due."""
        ...

    def drop_expired(self, now_us: int, retention_s: Mapping[str, int]) -> dict[str, int]:
        """Drop what is older than its table's retention; return about how many rows by table."""
        ...

    def rollup_health(self) -> RollupHealth:
        """Return how far the rollups are behind."""
        ...

    def stored_times(self) -> StoredTimes:
        """Return the time of the newest row, and of the highest floor."""
        ...


@dataclass(slots=True)
class Upkeep:
    """Keeps a store in shape. Call `work` about once a second, in a thread that may wait."""

    store: Kept
    retention_s: Mapping[str, int]
    """By table; others are kept for ever."""
    clock_us: Callable[[], int]
    steps: int = 0
    """Of rolling up."""
    failures: int = 0
    """Times that `work` raised, as its caller counts them."""
    expired: Counter[str] = field(default_factory=Counter)
    """About so many rows by table have been dropped."""
    health: RollupHealth = field(default_factory=lambda: RollupHealth(0, None, 0))
    clock_ahead_us: int = 0
    """Of the newest row, when what has expired was looked for last."""
    floor_ahead_us: int = 0
    """Of the newest row, so that new rows are not summed up; 0 or less is as it should be."""
    _looked_us: int | None = None

    def work(self) -> None:
        """Do what is due, for about a second at most, but for what expires once an hour.

        Raises
        ------
        StorageError
            The store is away. Trying again is always right.
        """
        until_s = time.monotonic() + _LONGEST_S
        now_us = self.clock_us()
        self.store.tidy()
        while self.store.roll_up(now_us):
            self.steps += 1
            time.sleep(_BREATH_S)
            if time.monotonic() > until_s:
                break
        self.health = self.store.rollup_health()
        if self._looked_us is None or not self._looked_us <= now_us < self._looked_us + EVERY_US:
            self._look(now_us)
            self.expired.update(self.store.drop_expired(now_us, self.retention_s))
            self._looked_us = now_us

    def _look(self, now_us: int) -> None:
        times = self.store.stored_times()
        newest_us = now_us if times.newest_us is None else times.newest_us
        self.clock_ahead_us = now_us - newest_us
        self.floor_ahead_us = (newest_us if times.floor_us is None else times.floor_us) - newest_us
        if self.clock_ahead_us > AHEAD_US:
            log.warning(
                "this clock is far ahead of the newest stored row; look whether it is right, or why nothing "
                "comes: what expires is counted from that row", days=round(self.clock_ahead_us / _DAY_US, 1),
            )  # fmt: skip
        if self.floor_ahead_us > 0:
            log.error(
                "what counts as expired reaches beyond the newest row: a clock was wrong; new rows are kept "
                "and not summed up", days=round(self.floor_ahead_us / _DAY_US, 1),
            )  # fmt: skip
