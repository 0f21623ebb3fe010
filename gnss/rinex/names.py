"""Long file names of RINEX 3 and 4: XXXXMRCCC_R_YYYYDDDHHMM_01H_01S_MO.rnx (RINEX 3.05, table A1)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gnss.time import GPS_EPOCH_US, SECOND_US, WEEK_US, gps_to_utc, utc_to_gps

_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PERIOD_S = {"M": 60, "H": 3600, "D": 86_400}
_INTERVAL_S = {"S": 1, "M": 60, "H": 3600, "D": 86_400}
_STEPS_A_S = {"C": 100, "Z": 1}
"""Units of a rate: hundreds of Hz, and Hz."""
_NAME = re.compile(
    r"(?P<site>[A-Z0-9]{4})(?P<monument>\d)(?P<receiver>\d)(?P<country>[A-Z]{3})"
    r"_(?P<source>[RSU])_(?P<begin>\d{11})_(?P<period>\d\d[MHDYU])"
    r"(?:_(?P<interval>\d\d[CZSMHDU]))?_(?P<kind>[GREJCISM][ONM])"
    r"\.(?P<format>rnx|crx)(?P<packed>\.(?:gz|Z|bz2|zip))?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class FileName:
    """A file name in parts."""

    site: str
    """Four letters or digits."""
    begin_us: int
    """Nominal begin, UTC; the name shows it in GPS time, so that hours and days begin at full hours."""
    period_s: int | None
    """None: not told (U), or in years."""
    interval_s: float | None = None
    """None: not told, or no observations."""
    country: str = "XXX"
    """ISO 3166-1, three letters."""
    monument: int = 0
    receiver: int = 0
    source: str = "R"
    """R receiver, S stream, U unknown."""
    kind: str = "MO"
    """System (M: mixed) and O observations, N navigation, M weather."""
    compact: bool = False
    """Hatanaka: .crx."""
    packed: str = ""
    """".gz", for instance."""


def format_name(name: FileName) -> str:
    """Return the file name.

    Raises
    ------
    ValueError
        A part that does not fit.
    """
    moment = _UNIX_EPOCH + timedelta(microseconds=int(utc_to_gps(name.begin_us)))
    parts = [
        f"{name.site}{name.monument}{name.receiver}{name.country}".upper(),
        name.source,
        f"{moment:%Y%j%H%M}",
        _period_text(name.period_s),
    ]
    if name.kind[1:] != "N":
        parts.append(_interval_text(name.interval_s))
    text = "_".join([*parts, name.kind]) + (".crx" if name.compact else ".rnx") + name.packed
    if _NAME.fullmatch(text) is None:
        raise ValueError(
            f"{text!r} is no RINEX file name: a site has four letters or digits, a country three letters"
        )
    return text


def parse_name(text: str) -> FileName | None:
    """Return the parts of a file name, None for another kind of name."""
    match = _NAME.fullmatch(text)
    if match is None:
        return None
    begin = match["begin"]
    try:
        moment = datetime.strptime(begin, "%Y%j%H%M").replace(tzinfo=UTC)
    except ValueError:
        return None
    return FileName(
        site=match["site"].upper(),
        begin_us=int(gps_to_utc((moment - _UNIX_EPOCH) // timedelta(microseconds=1))),
        period_s=_span_s(match["period"], _PERIOD_S),
        interval_s=_interval_s(match["interval"]),
        country=match["country"].upper(),
        monument=int(match["monument"]),
        receiver=int(match["receiver"]),
        source=match["source"].upper(),
        kind=match["kind"].upper(),
        compact=match["format"].lower() == "crx",
        packed=match["packed"] or "",
    )


def period_begin_us(time_us: int, period_s: int) -> int:
    """Return when the file that an epoch belongs to begins.

    Parameters
    ----------
    time_us
        Of the epoch, UTC.
    period_s
        Length of a file, a day or a part of it; files begin at multiples of it in GPS time.

    Returns
    -------
    UTC in us.

    Raises
    ------
    ValueError
        A period that does not divide a week.
    """
    period_us = period_s * SECOND_US
    if period_us <= 0 or WEEK_US % period_us:
        raise ValueError(f"a period of {period_s} s does not divide a week: take an hour or a day")
    gps_us = int(utc_to_gps(time_us))
    return int(gps_to_utc(gps_us - (gps_us - GPS_EPOCH_US) % period_us))


def _period_text(period_s: int | None) -> str:
    if period_s is None:
        return "00U"
    for unit in reversed(_PERIOD_S):
        count, rest = divmod(period_s, _PERIOD_S[unit])
        if rest == 0 and 0 < count < 100:
            return f"{count:02d}{unit}"
    raise ValueError(f"a period of {period_s} s has no name: take whole minutes, hours or days")


def _interval_text(interval_s: float | None) -> str:
    if interval_s is None:
        return "00U"
    if not interval_s > 0.0:
        raise ValueError("an interval must be more than 0 s")
    for unit in reversed(_INTERVAL_S):
        count = interval_s / _INTERVAL_S[unit]
        if count == int(count) and 0 < count < 100:
            return f"{int(count):02d}{unit}"
    for unit, rate in reversed(_STEPS_A_S.items()):
        count = round(1.0 / interval_s / rate, 6)
        if count == int(count) and 0 < count < 100:
            return f"{int(count):02d}{unit}"
    raise ValueError(f"an interval of {interval_s} s has no name")


def _span_s(text: str, units: dict[str, int]) -> int | None:
    unit = units.get(text[2].upper())
    return None if unit is None else int(text[:2]) * unit


def _interval_s(text: str | None) -> float | None:
    if text is None:
        return None
    count, unit = int(text[:2]), text[2].upper()
    if unit in _STEPS_A_S:
        return 1.0 / (count * _STEPS_A_S[unit]) if count else None
    return None if unit not in _INTERVAL_S else float(count * _INTERVAL_S[unit])
