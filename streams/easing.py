"""When the level of an alert falls: after a lower one has been measured for long enough. Pure."""

from __future__ import annotations

import msgspec

from sensors.detectors import LEVELS, Level


class Easing(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured since the level was lower than the alert's."""

    highest: Level
    """Since `since_us`."""
    now: Level
    since_us: int


def measured(before: Easing | None, alert: Level, level: Level, at_us: int) -> Easing | None:
    """Return what is known after a level was measured; None: the alert's own, or a higher one."""
    if _rank(level) >= _rank(alert):
        return None
    if before is None:
        return Easing(highest=level, now=level, since_us=at_us)
    return msgspec.structs.replace(before, highest=max(before.highest, level, key=_rank), now=level)


def fallen(before: Easing, due_us: int) -> Easing | None:
    """Return what is known when the level has fallen to the highest one since; None: it is that by now."""
    if before.now == before.highest:
        return None
    return Easing(highest=before.now, now=before.now, since_us=due_us)


def _rank(level: Level) -> int:
    return LEVELS.index(level)
