"""Time scales: UTC and GPS time, and the times of RTCM messages, which tell the week or day only.

UTC is counted in microseconds since 1970 without leap seconds, as POSIX does; the second that a leap second
inserts shares its numbers with the second behind it. GPS time is counted in the same way from the same
calendar date, so that the two differ by the leap seconds since 1980 (18 s since 2017).

Source of the leap seconds: IERS Bulletin C. None has been announced after 2017-01-01.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gnss.systems import System

SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US
WEEK_US = 7 * DAY_US
GPS_EPOCH_US = 315_964_800 * SECOND_US
"""1980-01-06, the begin of GPS week 0."""
NO_TIME = -1

_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LEAP_DATES = (
    (1981, 7),
    (1982, 7),
    (1983, 7),
    (1985, 7),
    (1988, 1),
    (1990, 1),
    (1991, 1),
    (1992, 7),
    (1993, 7),
    (1994, 7),
    (1996, 1),
    (1997, 7),
    (1999, 1),
    (2006, 1),
    (2009, 1),
    (2012, 7),
    (2015, 7),
    (2017, 1),
)

Int64 = NDArray[np.int64]


def _leap_table() -> Int64:
    begins = [datetime(year, month, 1, tzinfo=UTC) - _UNIX_EPOCH for year, month in _LEAP_DATES]
    table = np.array([begin // timedelta(microseconds=1) for begin in begins], np.int64)
    table.flags.writeable = False
    return table


LEAP_UTC_US = _leap_table()
"""UTC from which on GPS time is one more second ahead, shape (18,)."""
_LEAP_GPS_US = LEAP_UTC_US + SECOND_US * np.arange(1, len(LEAP_UTC_US) + 1)


def utc_to_gps(utc_us: ArrayLike) -> Int64:
    """Return GPS time in us for UTC in us, of the same shape; before 1981-07-01 they are equal."""
    utc = np.asarray(utc_us, np.int64)
    gps: Int64 = utc + SECOND_US * np.searchsorted(LEAP_UTC_US, utc, side="right")
    return gps


def gps_to_utc(gps_us: ArrayLike) -> Int64:
    """Return UTC in us for GPS time in us, of the same shape."""
    gps = np.asarray(gps_us, np.int64)
    utc: Int64 = gps - SECOND_US * np.searchsorted(_LEAP_GPS_US, gps, side="right")
    return utc


def gps_week(utc_us: ArrayLike) -> Int64:
    """Return the GPS week, counted without roll-over since 1980-01-06, of the same shape."""
    week: Int64 = (utc_to_gps(utc_us) - GPS_EPOCH_US) // WEEK_US
    return week


def resolve_week(time_ms: ArrayLike, reference_us: ArrayLike) -> Int64:
    """Find the time nearest to a reference that has the given GPS time of the week.

    Parameters
    ----------
    time_ms
        ms of the GPS week; a negative value has no time.
    reference_us
        UTC, right to three and a half days; of a shape that broadcasts to that of `time_ms`.

    Returns
    -------
    UTC in us, of the broadcast shape; `NO_TIME` where there is none.
    """
    sent = np.asarray(time_ms, np.int64)
    gps = _nearest(GPS_EPOCH_US + sent * 1000, utc_to_gps(reference_us), WEEK_US)
    return np.where(sent < 0, NO_TIME, gps_to_utc(gps))


def resolve_day(time_ms: ArrayLike, reference_us: ArrayLike) -> Int64:
    """Find the time nearest to a reference that has the given UTC time of the day.

    As `resolve_week`, for a reference that is right to half a day.
    """
    sent = np.asarray(time_ms, np.int64)
    utc = _nearest(sent * 1000, np.asarray(reference_us, np.int64), DAY_US)
    return np.where(sent < 0, NO_TIME, utc)


def msm_time_ms(utc_us: int, system: System) -> int:
    """Return the time of an epoch as `MsmFrames.time_ms` has it, rounded to ms.

    GPS ms of the week; for GLONASS UTC ms of the day.
    """
    if system is System.GLONASS:
        return (utc_us + 500) // 1000 % (DAY_US // 1000)
    since = int(utc_to_gps(utc_us)) - GPS_EPOCH_US
    return (since + 500) // 1000 % (WEEK_US // 1000)


def iso_z(utc_us: int) -> str:
    """Return ISO 8601 with Z, rounded to ms; the ms stand there only when they are not zero.

    Raises
    ------
    OverflowError
        The year would not have four digits.
    """
    moment = _UNIX_EPOCH + timedelta(milliseconds=(utc_us + 500) // 1000)
    milliseconds = f".{moment.microsecond // 1000:03d}" if moment.microsecond else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}{milliseconds}Z"


def _nearest(some_us: Int64, reference_us: Int64, period_us: int) -> Int64:
    nearest: Int64 = some_us + (reference_us - some_us + period_us // 2) // period_us * period_us
    return nearest
