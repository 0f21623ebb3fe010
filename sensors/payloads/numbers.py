"""Numbers in messages, and what devices write where there is none."""

from __future__ import annotations

import math
from collections.abc import Container
from typing import Any

from sensors.payloads import UnusableError, printable

MISSING_TEXTS = frozenset({"", "nan", "null", "none", "na", "n/a", "-", "--", "---"})
"""No device means a value by them."""
_NUMBERS = (int, float)
"""Types of numbers; a bool is none."""
_LONGEST = 80


def read_number(raw: Any, name: str, missing: Container[Any] = (), *, decimal_comma: bool = False) -> float:
    """Return a number; NaN: the device says that there is none.

    Parameters
    ----------
    raw
        As it stands in the message: a number, or text.
    name
        What to call it in errors.
    missing
        Numbers and texts that mean no value. null, "NaN" and what cannot be finite always do.
    decimal_comma
        Text has a comma before its decimals.

    Raises
    ------
    UnusableError
        It is no number.
    """
    if raw is None:
        return math.nan
    if isinstance(raw, str):
        text = raw.strip()
        if text.lower() in MISSING_TEXTS or text in missing:
            return math.nan
        if "_" in text or len(text) > _LONGEST:  # Python reads 1_000
            raise UnusableError(f"{name} should be a number, not {printable(text)}")
        raw = text.replace(",", ".") if decimal_comma else text
    elif type(raw) not in _NUMBERS:
        raise UnusableError(f"{name} should be a number")
    try:
        number = float(raw)
    except (ValueError, OverflowError):
        raise UnusableError(f"{name} should be a number, not {printable(str(raw)[:_LONGEST])}") from None
    return number if math.isfinite(number) and number not in missing else math.nan
