"""1030, 1031, 1303 to 1305: what a network's interpolation leaves. 1034, 1035: its gradients (FKP)."""

from __future__ import annotations

from fractions import Fraction

from gnss.rtcm.fields import Field, Signed, Unsigned
from gnss.rtcm.groups import repeated
from gnss.rtcm.messages import Table, register

_PPM = Fraction(1, 100)
_STATION = Unsigned("reference_station", 12)
_RESIDUALS: tuple[Field, ...] = (
    Unsigned("geometric_mm", 8, Fraction(1, 2)),
    Unsigned("geometric_ppm", 9, _PPM),
    Unsigned("geometric_height_ppm", 6, Fraction(1, 10)),
    Unsigned("ionospheric_mm", 10, Fraction(1, 2)),
    Unsigned("ionospheric_ppm", 10, _PPM),
)
_GRADIENTS: tuple[Field, ...] = (
    Signed("geometric_north_ppm", 12, _PPM, missing=0x800),
    Signed("geometric_east_ppm", 12, _PPM, missing=0x800),
    Signed("ionospheric_north_ppm", 14, _PPM, missing=0x2000),
    Signed("ionospheric_east_ppm", 14, _PPM, missing=0x2000),
)
_OF_WEEK, _OF_DAY = Unsigned("time_of_week_s", 20), Unsigned("time_of_day_s", 17)

for _number, _system, _time, _width in (
    (1030, "GPS", _OF_WEEK, 6),
    (1031, "GLONASS", _OF_DAY, 6),
    (1303, "BeiDou", _OF_WEEK, 6),
    (1304, "Galileo", _OF_WEEK, 6),
    (1305, "QZSS", _OF_WEEK, 4),
):
    register(
        Table(
            _number,
            f"{_system} network residuals",
            (
                _time,
                _STATION,
                Unsigned("stations_used", 7),
                *repeated("satellites", 5, Unsigned("satellite", _width), *_RESIDUALS),
            ),
        )
    )
for _number, _system, _time in ((1034, "GPS", _OF_WEEK), (1035, "GLONASS", _OF_DAY)):
    register(
        Table(
            _number,
            f"{_system} network gradients",
            (
                _STATION,
                _time,
                *repeated(
                    "satellites", 5, Unsigned("satellite", 6), Unsigned("ephemeris_issue", 8), *_GRADIENTS
                ),
            ),
        )
    )
