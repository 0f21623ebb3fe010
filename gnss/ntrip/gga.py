"""The GGA sentence that a client sends upstream, so that a caster knows where it is."""

from __future__ import annotations

from functools import reduce
from operator import xor

_MINUTE_US = 60_000_000
_HOUR_US = 60 * _MINUTE_US
_DAY_US = 24 * _HOUR_US


def format_gga(now_us: int, latitude: float, longitude: float, height_m: float) -> bytes:
    """Return a `GPGGA` sentence (NMEA 0183) with its checksum and line end.

    Parameters
    ----------
    now_us
        UTC, in microseconds since 1970.
    latitude, longitude
        Degrees, north and east positive.
    height_m
        Above the ellipsoid; the sentence gives 0 as the height of the geoid.
    """
    of_day_us = now_us % _DAY_US
    hours, of_hour_us = divmod(of_day_us, _HOUR_US)
    minutes, of_minute_us = divmod(of_hour_us, _MINUTE_US)
    seconds, fraction_us = divmod(of_minute_us, 1_000_000)
    time = f"{hours:02d}{minutes:02d}{seconds:02d}.{fraction_us // 10_000:02d}"
    north, east = _angle(latitude, 2, "NS"), _angle(longitude, 3, "EW")
    text = f"GPGGA,{time},{north},{east},1,12,1.0,{height_m:.3f},M,0.000,M,,"
    checksum = reduce(xor, text.encode("ascii"))
    return f"${text}*{checksum:02X}\r\n".encode("ascii")


def _angle(degrees: float, digits: int, names: str) -> str:
    units = round(abs(degrees) * 60 * 1e6)  # of 1e-6 arc minutes, so that no carry is lost
    whole, rest = divmod(units, 60_000_000)
    return f"{whole:0{digits}d}{rest // 1_000_000:02d}.{rest % 1_000_000:06d},{names[degrees < 0]}"
