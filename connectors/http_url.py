"""Addresses with times in them: `{now:%Y%m%d}`, `{now-90m:epoch_s}`, `{since}`.

`now` is the time of asking; `since` that of the newest sample that came, but no more than the lookback before
now. An offset has a unit (s, m, h, d). After a colon stands a format of strftime, `epoch_s` or `epoch_ms`;
without one it is ISO 8601.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import quote, urlsplit

_PLACE = re.compile(r"\{(now|since)(?:([+-])(\d{1,6})([smhd]))?(?::([^{}]+))?\}")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_ZONE = re.compile(r"([+-])(\d{2}):(\d{2})")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ISO = "%Y-%m-%dT%H:%M:%SZ"


def zone_of(text: str) -> timezone:
    """Return a zone of `UTC` or an offset as `+08:00`.

    Raises
    ------
    ValueError
        It is neither.
    """
    if text == "UTC":
        return UTC
    found = _ZONE.fullmatch(text)
    if found is None or int(found[2]) > 14 or int(found[3]) > 59:
        raise ValueError(f"zone {text!r} is not understood; write UTC or an offset as +08:00")
    offset = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return timezone(-offset if found[1] == "-" else offset)


def check_url(url: str) -> None:
    """Raise ValueError where an address names no host, or a place in it is not understood."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or "{" in parts.netloc:
        raise ValueError("url must begin with https:// or http:// and name a host")
    rest = _PLACE.sub("", url)
    if "{" in rest or "}" in rest:
        raise ValueError(
            "a place in url is not understood; write for instance {now:%Y-%m-%d}, {now-2h:epoch_s} or {since}"
        )


def filled(url: str, now_us: int, since_us: int, zone: timezone = UTC) -> str:
    """Return an address with its times; those that strftime writes are of the zone, ISO 8601 of UTC."""

    def text(found: re.Match[str]) -> str:
        name, sign, number, unit, form = found.groups()
        time_us = now_us if name == "now" else since_us
        if number:
            time_us += (-1 if sign == "-" else 1) * int(number) * _SECONDS[unit] * 1_000_000
        if form in {"epoch_s", "epoch_ms"}:
            return str(time_us // (1_000_000 if form == "epoch_s" else 1_000))
        time = _EPOCH + timedelta(microseconds=time_us)
        return quote(time.astimezone(zone).strftime(form) if form else time.strftime(_ISO), safe="-")

    return _PLACE.sub(text, url)


def shown(url: str) -> str:
    """Return an address for people: without user, password and query, in which keys often stand."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"
