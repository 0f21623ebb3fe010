"""What is to be kept of sessions and waits for who stores it."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from connectors.caster.privacy import coarse_session
from streams.records import KeptSession, KeptSessions

MOST_WAITING = 20_000
"""Sessions; of more, those that wait longest are lost and counted."""
MOST_LEGS = 500
"""Of a session that waits; the older ones are lost and counted."""
MOST_OF_MESSAGE = 200


@dataclass(slots=True)
class Keeping:
    """Sessions as they are now, each once, until they are taken away."""

    lost: int = 0
    """Sessions that nobody took away in time, and bases of those that had too many."""
    _waiting: dict[int, KeptSession] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, kept: KeptSession) -> None:
        """Let a session wait, in place of what it was before."""
        before = self._waiting.pop(kept.number, None)
        if before is not None and before.legs:
            legs = [*before.legs, *kept.legs]
            self.lost += max(0, len(legs) - MOST_LEGS)
            kept = msgspec.structs.replace(kept, legs=legs[-MOST_LEGS:])
        elif before is None and len(self._waiting) >= MOST_WAITING:
            del self._waiting[next(iter(self._waiting))]
            self.lost += 1
        self._waiting[kept.number] = kept

    def take(self) -> KeptSessions | None:
        """Take away those that wait longest; None: none waits."""
        numbers = list(self._waiting)[:MOST_OF_MESSAGE]
        return KeptSessions(sessions=[self._waiting.pop(one) for one in numbers]) if numbers else None

    def give_back(self, taken: KeptSessions) -> None:
        """Let those wait on that could not be stored; what was added meanwhile is newer."""
        for kept in taken.sessions:
            newer = self._waiting.pop(kept.number, None)
            self.add(kept)
            if newer is not None:
                self.add(newer)

    def coarsen(self, decimals: int | None) -> None:
        """Let nothing that waits be finer than to so many decimals."""
        for number, kept in self._waiting.items():
            self._waiting[number] = coarse_session(kept, decimals)

    def clear(self) -> None:
        """Keep nothing."""
        self._waiting.clear()
