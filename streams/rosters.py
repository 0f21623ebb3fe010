"""Who is on duty at a time. Pure: time is an argument, and time zones are those of the tz database."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from streams.call_definitions import RosterDefinition, Shift

MOST_SUBSTITUTIONS = 5
"""Of substitutes by others, in a row."""
_zone = lru_cache(maxsize=64)(ZoneInfo)
_DAY = timedelta(days=1)


def on_duty(roster: RosterDefinition, at_us: int) -> list[str]:
    """Return who has duty at a time (us of UTC since 1970), each once, in the order of the shifts.

    A shift's hours are what a clock on the wall of the roster's zone shows: one over a change to summer time
    is an hour shorter. Who is substituted gives way to the substitute, who may be substituted, too.
    """
    local = datetime.fromtimestamp(at_us / 1e6, UTC).astimezone(_zone(roster.time_zone)).replace(tzinfo=None)
    found: dict[str, None] = {}
    for shift in roster.shifts:
        if any(_covers(shift, day, local) for day in (local.date() - _DAY, local.date())):
            found[substitute(roster, shift.person, at_us)] = None
    return list(found)


def substitute(roster: RosterDefinition, person: str, at_us: int) -> str:
    """Return who has a person's duties at a time."""
    for _ in range(MOST_SUBSTITUTIONS):
        instead = next(
            (
                one.instead
                for one in roster.substitutions
                if one.person == person and one.begin_us <= at_us < one.end_us
            ),
            None,
        )
        if instead is None:
            break
        person = instead
    return person


def _covers(shift: Shift, day: date, local: datetime) -> bool:
    """Return whether the shift that begins on a day lasts at a local time."""
    if shift.days and day.isoweekday() not in shift.days:
        return False
    if (shift.first and day.isoformat() < shift.first) or (shift.last and day.isoformat() > shift.last):
        return False
    begin, end = time.fromisoformat(shift.begin), time.fromisoformat(shift.end)
    last = datetime.combine(day if end > begin else day + _DAY, end)
    return datetime.combine(day, begin) <= local < last
