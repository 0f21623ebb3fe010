"""How new what is known of accounts of the regions above is, and what follows when it is not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import structlog

from streams.count_sharing import LEASE_US
from streams.records import Heard

log = structlog.get_logger()

Contact = Literal["heard", "cut off", "forgotten"]
"""Of a region above: it is heard; its accounts hold as they were known last; they hold no more."""
_SAID: dict[Contact, str] = {
    "heard": "a region above is heard: its accounts are as it has them",
    "cut off": "cut off from a region above: its accounts hold as they were known last",
    "forgotten": "cut off from a region above for too long: its accounts are let in no more",
}
CUT_OFF_US = LEASE_US
"""Without word a region is cut off: then sessions elsewhere are forgotten, too."""


@dataclass(slots=True)
class Above:
    """When each region above was heard last, the nearest first.

    Parameters
    ----------
    keep_us
        That its accounts hold without word; 0: for ever.
    most_sessions
        Of an account from above while it is cut off, where its own limit is not smaller; 0: its own limit.
    """

    keep_us: int = 0
    most_sessions: int = 0
    heard_us: list[int] = field(default_factory=list)
    """By the clock of this region."""
    _before: tuple[Contact, ...] = ()

    def hear(self, heard: Heard, now_us: int) -> None:
        """Take what the bridge says; it may say it again, and its clock may be ahead."""
        told = [min(heard.at_us, now_us) - age for age in heard.ages_us]
        before = [*self.heard_us, *(0 for _ in told[len(self.heard_us) :])]
        self.heard_us = [max(both) for both in zip(told, before, strict=False)]

    def contact(self, steps: int, now_us: int) -> Contact:
        """Return how it stands with the region so many steps up; with none it is the own one."""
        if not steps:
            return "heard"
        silent_us = now_us - (self.heard_us[steps - 1] if steps <= len(self.heard_us) else 0)
        if silent_us <= CUT_OFF_US:
            return "heard"
        return "forgotten" if self.keep_us and silent_us > self.keep_us else "cut off"

    def contacts(self, now_us: int) -> tuple[Contact, ...]:
        """Return how it stands with each region above, the nearest first."""
        return tuple(self.contact(steps, now_us) for steps in range(1, len(self.heard_us) + 1))

    def has_changed(self, now_us: int) -> bool:
        """Return whether it stands otherwise with any region above than before, and say so in the log."""
        before, self._before = self._before, self.contacts(now_us)
        for steps, contact in enumerate(self._before, 1):
            if contact != (before[steps - 1] if steps <= len(before) else "heard"):
                (log.info if contact == "heard" else log.warning)(_SAID[contact], steps=steps)
        return self._before != before

    def limit(self, steps: int, most: int, now_us: int) -> int:
        """Return how many sessions an account may have whose limit is `most`; 0: any number."""
        if not self.most_sessions or self.contact(steps, now_us) == "heard":
            return most
        return min(most or self.most_sessions, self.most_sessions)
