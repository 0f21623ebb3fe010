"""Parts of a UTC date, for kernels: what seasons are told by."""

from __future__ import annotations

from typing import Final

from kernels.compiled import njit

PERIODS: Final = ("date", "year", "quarter", "month", "week", "dayofyear", "dayofweek", "hour")
"""What `part_of` knows, by number; ioos_qc's names, `date` is the time itself in seconds since 1970."""
DATE, YEAR, QUARTER, MONTH, WEEK, DAY_OF_YEAR, DAY_OF_WEEK, _HOUR = range(8)
_DAY_US: Final = 86_400_000_000
_TO_MARCH_0000: Final = 719_468
"""Days from 0000-03-01 to 1970-01-01."""


@njit(cache=True, nogil=True)
def _year_and_month(day: int) -> tuple[int, int]:
    """Return year and month of a day since 1970, by eras of 400 years that begin in March (H. Hinnant)."""
    shifted = day + _TO_MARCH_0000
    era, of_era = shifted // 146_097, shifted % 146_097
    year = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    month = (5 * of_year + 2) // 153
    month = month + 3 if month < 10 else month - 9
    return era * 400 + year + (1 if month <= 2 else 0), month


@njit(cache=True, nogil=True)
def _first_day(year: int) -> int:
    """Return the days from 1970-01-01 to the first of January."""
    before = year - 1
    return before * 365 + before // 4 - before // 100 + before // 400 - 719_162


@njit(cache=True, nogil=True)
def part_of(time_us: int, period: int) -> float:
    """Return a part of a date; weeks are those of ISO 8601, Monday is day 0."""
    if period == DATE:
        return time_us / 1e6
    day = time_us // _DAY_US
    if period == DAY_OF_WEEK:
        return float((day + 3) % 7)
    if period < DAY_OF_WEEK:
        if period == WEEK:
            day += 3 - (day + 3) % 7  # the week's Thursday is in its year
        year, month = _year_and_month(day)
        if period == YEAR:
            return float(year)
        if period == QUARTER:
            return float((month + 2) // 3)
        if period == MONTH:
            return float(month)
        of_year = day - _first_day(year)
        return float(of_year // 7 + 1 if period == WEEK else of_year + 1)
    return float(time_us % _DAY_US // 3_600_000_000)
