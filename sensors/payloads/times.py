"""Times in messages: how they are written, and which of several clocks is believed.

A sample has up to three times: the device's, the gateway's and that of its arrival. The device knows best
when it measured, as long as its clock is set. What lies far ahead or before 2000 is no time of a
measurement; then the next one counts, where the message has no other sample of the datastream
(`Rows.add`), and that is noted.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Any, NamedTuple

from sensors.payloads import Note, Rows, UnusableError, printable

EARLIEST_US = 946_684_800_000_000
"""2000-01-01: before it no clock was set that sends here."""
SCALES = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}
"""Microseconds of what numbers count."""
FORMATS = ("iso8601", *SCALES)
_FARTHEST_US = 2**62
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)
_ZONE = re.compile(r"(?:UTC|Z|([+-])(\d{2}):?(\d{2}))")
_NUMBERS = (int, float)
"""Types of numbers; a bool is none."""


Chosen = tuple[int, tuple[Note, str] | None]
"""A time that counts, in microseconds of UTC since 1970; and whose it is, and why, where it is not the
device's."""


class Clock(NamedTuple):
    """Judges the times of one message."""

    received_at_us: int
    latest_us: int
    """Whatever lies further ahead cannot be."""

    def doubt(self, time_us: int) -> str:
        """Return why a time cannot be that of a measurement; empty: it can."""
        if time_us > self.latest_us:
            return f"lies more than {_span(self.latest_us - self.received_at_us)} ahead"
        return "lies before 2000" if time_us < EARLIEST_US else ""

    def choose(self, time_us: int, name: str, gateway_us: int | None = None) -> Chosen:
        """Return the time that counts.

        Parameters
        ----------
        time_us
            The device's.
        name
            Where the time stands in the message, for people.
        gateway_us
            The gateway's, where the message has it.
        """
        if EARLIEST_US <= time_us <= self.latest_us:
            return time_us, None
        text = f"{name} {self.doubt(time_us)}; check the device's clock, zone and time_format"
        if gateway_us is not None and not self.doubt(gateway_us):
            return gateway_us, ("gateway_time", text)
        return self.received_at_us, ("received_time", text)

    def arrival(self, rows: Rows) -> int:
        """Return the time of arrival, for want of another one."""
        rows.from_arrival = True
        return self.received_at_us


def check_format(time_format: str) -> None:
    """Raise ValueError when no times can be written so."""
    if time_format not in FORMATS and "%" not in time_format:
        raise ValueError(
            f"time_format {time_format!r} is not known; write {', '.join(FORMATS)}, "
            "or a pattern as %Y%m%d%H%M%S"
        )


def check_zone(zone: str) -> None:
    """Raise ValueError when a zone is neither empty nor an offset."""
    if zone and not _ZONE.fullmatch(zone):
        raise ValueError(f"zone {zone!r} is not understood; write UTC or an offset as +08:00")


def read_time(raw: Any, time_format: str, zone: str, name: str) -> int:
    """Return a time in microseconds of UTC since 1970.

    Parameters
    ----------
    raw
        As it stands in the message.
    time_format
        One of `FORMATS`, or a pattern of `strptime`.
    zone
        Offset for times that tell none; empty: these are refused.
    name
        What to call it in errors.

    Raises
    ------
    UnusableError
        It is no such time.
    """
    if (scale := SCALES.get(time_format)) is not None:
        return _epoch_us(raw, scale, time_format, name)
    if not isinstance(raw, str):
        if time_format == "iso8601":
            raise UnusableError(f"{name} should be text as 2026-01-31T12:00:00Z; or set time_format")
        if type(raw) is not int or not 0 <= raw < 10**20:  # 20260131120000 without quotes
            raise UnusableError(f"{name} should be text as {time_format}")
        raw = str(raw)
    try:
        if time_format == "iso8601":
            time = datetime.fromisoformat(raw.strip())
        else:
            time = datetime.strptime(raw.strip(), time_format)  # noqa: DTZ007 - the zone comes next
        if time.tzinfo is None:
            if not zone:
                raise UnusableError(f"{name} tells no zone; set zone in the mapping, for instance +08:00")
            time = time.replace(tzinfo=zone_of(zone))
        return (time - _EPOCH) // _US
    except (ValueError, OverflowError):
        kind = "an ISO 8601 time" if time_format == "iso8601" else f"a time as {time_format}"
        raise UnusableError(f"{name} is not {kind}: {printable(raw)}") from None


@lru_cache(100)
def zone_of(text: str) -> timezone:
    """Return the zone of an offset that `check_zone` let pass."""
    match = _ZONE.fullmatch(text)
    if match is None or match[1] is None:
        return UTC
    minutes = int(match[2]) * 60 + int(match[3])
    return timezone(timedelta(minutes=minutes if match[1] == "+" else -minutes))


def _epoch_us(raw: Any, scale: int, time_format: str, name: str) -> int:
    if isinstance(raw, str):
        try:
            raw = int(raw) if raw.strip().lstrip("-").isdigit() else float(raw)
        except ValueError:
            raw = None
    if type(raw) not in _NUMBERS:
        raise UnusableError(f"{name} should be a number, since its time_format is {time_format}")
    if not abs(raw) * scale < _FARTHEST_US:  # NaN is not nearer either
        raise UnusableError(f"{name} is too far from now; check time_format")
    return raw * scale if isinstance(raw, int) else round(raw * scale)


def _span(us: int) -> str:
    hours = us / 3_600_000_000
    return "a day" if hours == 24 else f"{hours:g} h" if hours >= 1 else f"{hours * 60:g} min"
