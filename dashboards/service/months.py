"""Months of UTC or of Beijing time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Literal

Zone = Literal["utc", "beijing"]
ZONES: dict[Zone, tzinfo] = {"utc": UTC, "beijing": timezone(timedelta(hours=8))}
"""China has no summer time, and what was before 1992 is no report's concern."""
_MONTH = re.compile(r"(19[7-9]\d|20\d\d|21\d\d)-(0[1-9]|1[0-2])")
_SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True)
class Month:
    """A month with its begin and end, microseconds of UTC since 1970; the end is not in it."""

    name: str
    """2026-10"""
    zone: Zone
    begin_us: int
    end_us: int

    def local(self, time_us: int) -> datetime:
        """Return a time in the month's zone, to the second."""
        return datetime.fromtimestamp(time_us // _SECOND_US, ZONES[self.zone])


def month_of(text: str, zone: Zone) -> Month:
    """Return the month that a text like 2026-10 says.

    Raises
    ------
    ValueError
        It is none between 1970 and 2199; the sentence says how to write one.
    """
    found = _MONTH.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"month={text[:20]!r} is not a month: write for instance 2026-10")
    year, month = int(found[1]), int(found[2])
    begin, end = (datetime(y, m, 1, tzinfo=ZONES[zone]) for y, m in ((year, month), _after(year, month)))
    return Month(f"{year}-{month:02}", zone, _us(begin), _us(end))


def last_month(now_us: int, zone: Zone) -> Month:
    """Return the newest month that is over."""
    now = datetime.fromtimestamp(now_us // _SECOND_US, ZONES[zone])
    before = now.replace(day=1) - timedelta(days=1)
    return month_of(f"{before:%Y-%m}", zone)


def months_before(month: Month, count: int) -> list[Month]:
    """Return so many months, the oldest first and this one last; none before 1970."""
    found = [month]
    while len(found) < count and found[-1].begin_us > _us(datetime(1970, 2, 1, tzinfo=UTC)):
        found.append(last_month(found[-1].begin_us, month.zone))
    return found[::-1]


def _after(year: int, month: int) -> tuple[int, int]:
    return (year + 1, 1) if month == 12 else (year, month + 1)


def _us(time: datetime) -> int:
    return round(time.timestamp()) * _SECOND_US
