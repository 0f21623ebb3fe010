"""When the next round begins where thousands of stations are heard in one process. Pure.

A round costs as much for its commit, its threads and its listeners as some hundred epochs do. With 8,000
stations there were fifteen rounds a second, one behind the other, and each waited for the interpreter's lock
as long as it worked. Four a second leave a fifth of the processor's time; half of all verdicts come 0.1 s
later.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

MANY_A_SECOND = 2000
"""Epochs; with fewer each round begins as soon as something has come."""
APART_S = 0.25
_COUNTED_S = 1.0


@dataclass(slots=True)
class Resting:
    """How far rounds are apart."""

    _rounds: deque[tuple[float, int]] = field(default_factory=deque)
    """When each of the last second began, and its epochs; the last one always."""
    _is_behind: bool = False

    def left_s(self, now_s: float) -> float:
        """Return for how long the next round is to wait for more."""
        if not self._rounds or self._is_behind:
            return 0.0
        if sum(epochs for _, epochs in self._rounds) < MANY_A_SECOND:
            return 0.0
        return max(self._rounds[-1][0] + APART_S - now_s, 0.0)

    def began(self, now_s: float, epochs: int, *, is_all: bool) -> None:
        """Note a round; not `is_all`, more has come than one may take."""
        self._rounds.append((now_s, epochs))
        while now_s - self._rounds[0][0] > _COUNTED_S:
            self._rounds.popleft()
        self._is_behind = not is_all
