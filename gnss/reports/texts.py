"""Texts that come from outside, and moments, as reports may show them."""

from __future__ import annotations

import re

from gnss.time import SECOND_US, iso_z

_NOT_SHOWN = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069\ufffe\uffff]"
)
"""What XML forbids, half characters, and marks that turn the direction of the text around them."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def clean(text: str) -> str:
    """Return a text with U+FFFD for each character that no document may hold or no reader could see."""
    return _NOT_SHOWN.sub("\ufffd", text)


def cell(text: str) -> str:
    """Return a text for a table that a spreadsheet opens: one that it would take for a formula is quoted."""
    return "'" + text if text.startswith(_FORMULA) else text


def moment(time_us: int) -> str:
    """Return UTC in ISO 8601; the number of seconds itself for a time that no calendar has."""
    try:
        return iso_z(int(time_us))
    except OverflowError:
        return f"{time_us / SECOND_US:.3f} s"
