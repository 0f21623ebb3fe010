"""Times and windows as people write them in a query."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta

from dashboards.problems import ProblemError
from storage.rows import Box

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LOST_PLUS = re.compile(r" (?=\d\d:?\d\d$)")
_SHORT = re.compile(r"(\d{1,9})\s*(s|sec|min|m|h|d)")
_ISO = re.compile(r"P(?:(\d{1,6})D)?(?:T(?=\d)(?:(\d{1,6})H)?(?:(\d{1,9})M)?(?:(\d{1,9})S)?)?")
_SECONDS = {"s": 1, "sec": 1, "min": 60, "m": 60, "h": 3600, "d": 86_400}
LONGEST_WINDOW_S = 366 * 86_400


def time_us(text: str, name: str) -> int:
    """Return microseconds of UTC since 1970.

    A plus sign that was not encoded in the URL arrives as a space and is understood all the same.

    Raises
    ------
    ProblemError
        400: not a time, or without an offset from UTC.
    """
    try:
        time = datetime.fromisoformat(_LOST_PLUS.sub("+", text.strip()))
    except ValueError:
        raise ProblemError(
            400, f"{name}={text[:40]!r} is not a time: write it like 2026-01-31T08:00:00Z."
        ) from None
    if time.tzinfo is None:
        raise ProblemError(
            400, f"{name}={text[:40]!r} has no offset from UTC: add Z, or for Beijing time %2B08:00."
        )
    try:
        return (time - _EPOCH) // timedelta(microseconds=1)
    except OverflowError:
        raise ProblemError(400, f"{name}={text[:40]!r} is out of range: use a year after 1970.") from None


def window_s(text: str) -> int:
    """Return seconds of `60s`, `5min`, `1h`, `1d` or an ISO 8601 duration such as `PT60S`.

    Raises
    ------
    ProblemError
        400: not a window.
    """
    text = text.strip()
    if match := _SHORT.fullmatch(text.lower()):
        seconds = int(match[1]) * _SECONDS[match[2]]
    elif (match := _ISO.fullmatch(text.upper())) and any(match.groups()):
        days, hours, minutes, rest = (int(part or 0) for part in match.groups())
        seconds = ((days * 24 + hours) * 60 + minutes) * 60 + rest
    else:
        seconds = 0
    if not 1 <= seconds <= LONGEST_WINDOW_S:
        raise ProblemError(
            400, f"window={text[:40]!r} is not a window: write for instance 60s, 5min, 1h, 1d or PT60S."
        )
    return seconds


def span_us(start: str | None, end: str | None, newest_us: int | None, default_us: int) -> tuple[int, int]:
    """Return the range that is asked for; what is left out is taken from the newest datum.

    Parameters
    ----------
    start, end
        As in the query.
    newest_us
        Time of the newest datum; None when there is none.
    default_us
        Length of the range when `start` is left out.
    """
    until_us = time_us(end, "end") if end is not None else (newest_us or 0) + 1
    from_us = time_us(start, "start") if start is not None else max(0, until_us - default_us)
    if end is None and from_us > until_us:  # nothing so new is stored
        until_us = from_us
    if from_us > until_us:
        raise ProblemError(400, "The range ends before it begins: give an end that is later than the start.")
    return from_us, until_us


def box(text: str) -> Box:
    """Return the part of a map that `west,south,east,north` is; west above east goes over 180 degrees.

    Raises
    ------
    ProblemError
        400: not such a part.
    """
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError:
        west = south = east = north = math.nan
    if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= north <= 90):
        raise ProblemError(
            400,
            f"bbox={text[:60]!r} is no part of a map: write west,south,east,north in degrees, "
            "for instance 120,30,123.5,32.",
        )
    return Box(west, south, east, north)
