"""Cursors, limits and windows: what every store checks in the same way before it asks its database."""

from __future__ import annotations

import base64
import binascii

import msgspec

MAX_WINDOWS = 10_000
LONGEST_PERIOD_US = 3_600_000_000
"""Of a stored period of a station."""
_NICE_WINDOWS_S = (1, 2, 5, 10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 43_200, 86_400)
_INT64 = 2**63


def encode_cursor(kind: str, key: tuple[int | str, ...]) -> str:
    """Return the opaque cursor that stands after the row with this key in the list of this kind."""
    return base64.urlsafe_b64encode(msgspec.json.encode([kind, *key])).decode().rstrip("=")


def decode_cursor(kind: str, cursor: str, types: tuple[type, ...]) -> tuple[int | str, ...]:
    """Return the key that a cursor of this kind holds.

    Raises
    ------
    ValueError
        It is not a cursor of this list.
    """
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        found = msgspec.json.decode(
            base64.b64decode(padded, altchars=b"-_", validate=True), type=list[int | str]
        )
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        found = []
    key = tuple(found[1:])
    fits = found[:1] == [kind] and len(key) == len(types) and all(map(isinstance, key, types))
    if not fits or any(isinstance(part, int) and not -_INT64 <= part < _INT64 for part in key):
        raise ValueError(f"the cursor {cursor[:40]!r} is not one of this list: leave it out to begin anew")
    return key


def check_limit(limit: int) -> None:
    """Raise ValueError for a limit that makes no page."""
    if not 1 <= limit <= 1_000_000:
        raise ValueError(f"the limit must be between 1 and 1000000, not {limit}")


def window_us(start_us: int, end_us: int, window_s: int) -> int:
    """Return the window's length after checking the range.

    Raises
    ------
    ValueError
        The range is empty or holds more than `MAX_WINDOWS`, or the window is not a positive number.
    """
    if window_s < 1:
        raise ValueError(f"the window must be at least 1 second, not {window_s}")
    if not 0 <= start_us <= end_us:
        raise ValueError("the range must begin after 1970 and must not end before it begins")
    length_us = window_s * 1_000_000
    if count_windows(start_us, end_us, length_us) > MAX_WINDOWS:
        days = -(-(end_us - start_us) // 86_400_000_000)
        fits = next(
            (w for w in _NICE_WINDOWS_S if count_windows(start_us, end_us, w * 1_000_000) <= MAX_WINDOWS),
            86_400 * (days // (MAX_WINDOWS - 1) + 1),
        )
        raise ValueError(
            f"a window of {window_s} s makes more than {MAX_WINDOWS} windows in this range: "
            f"use a window of {fits} s or a shorter range"
        )
    return length_us


def count_windows(start_us: int, end_us: int, length_us: int) -> int:
    """Return how many windows, aligned to multiples of their length, the range touches."""
    return -(-end_us // length_us) - start_us // length_us
