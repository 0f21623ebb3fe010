"""Figures as a reader sees them, with the whole figure kept beside for programs."""

from __future__ import annotations

from gnss.reports.markup import Markup, tag

NARROW = "\u202f"
"""A narrow space that does not break."""
NOT_KNOWN = "–"


def number(value: float | None, digits: int = 0, unit: str = "") -> Markup:
    """Return a figure with `digits` decimals and its unit; a dash where it is not known."""
    if value is None:
        return tag("span", NOT_KNOWN, class_="none")
    return _data(value, f"{value:,.{digits}f}".replace(",", NARROW), unit)


def share(value: float | None, digits: int = 2) -> Markup:
    """Return a share of 0 to 1 in per cent; what is not the whole never reads as 100."""
    if value is None:
        return number(None)
    return _data(value, plain_share(value, digits), "%")


def plain_share(value: float, digits: int = 2) -> str:
    """Return a share of 0 to 1 in per cent, without the sign."""
    text = f"{100.0 * value:.{digits}f}"
    if value < 1.0 and float(text) >= 100.0:
        return f"> {100.0 - 10.0**-digits:.{digits}f}"
    if value > 0.0 and float(text) == 0.0:
        return f"< {10.0**-digits:.{digits}f}"
    return text


def duration(seconds: float | None, units: tuple[str, str, str, str]) -> Markup:
    """Return a time in its two greatest units; `units` are the words for day, hour, minute and second."""
    if seconds is None:
        return number(None)
    return tag("data", plain_duration(seconds, units), value=repr(float(seconds)))


def plain_duration(seconds: float, units: tuple[str, str, str, str]) -> str:
    """Return a time in its two greatest units, as text."""
    if seconds < 60:
        text = f"{seconds:.0f}" if seconds >= 10 or seconds == int(seconds) else f"{seconds:.1f}"
        return f"{text}{NARROW}{units[3]}"
    whole = round(seconds)
    parts = []
    for size, unit in zip((86_400, 3_600, 60, 1), units, strict=True):
        count, whole = divmod(whole, size)
        if count:
            parts.append(f"{count}{NARROW}{unit}")
        elif parts:
            break
        if len(parts) == 2:
            break
    return " ".join(parts)


def when(time: str) -> Markup:
    """Return a moment of ISO 8601 as a reader likes it; the page says that it is UTC."""
    return tag("time", plain_when(time), datetime=time)


def plain_when(time: str) -> str:
    """Return a moment of ISO 8601 without its letters."""
    return time.replace("T", " ").removesuffix("Z")


def _data(value: float, text: str, unit: str) -> Markup:
    # A minus sign is as wide as a digit; a hyphen is not.
    shown = text.replace("-", "−")
    return tag("data", f"{shown}{NARROW}{unit}" if unit else shown, value=repr(value))
