"""1014 to 1017, 1037 to 1039: corrections of auxiliary stations against a master station."""

from __future__ import annotations

from fractions import Fraction

from gnss.rtcm.fields import Field, Signed, Unsigned
from gnss.rtcm.groups import repeated
from gnss.rtcm.messages import Table, register

_NETWORK: tuple[Field, ...] = (Unsigned("network", 8), Unsigned("subnetwork", 4))
_STATIONS: tuple[Field, ...] = (Unsigned("master_station", 12), Unsigned("auxiliary_station", 12))
_DEGREES = Fraction(25, 1_000_000)
_SATELLITE: tuple[Field, ...] = (
    Unsigned("satellite", 6),
    Unsigned("ambiguity_status", 2),
    Unsigned("non_sync_count", 3),
)
_IONOSPHERIC = Signed("ionospheric_difference_m", 17, Fraction(1, 2000))
_GEOMETRIC: tuple[Field, ...] = (
    Signed("geometric_difference_m", 17, Fraction(1, 2000)),
    Unsigned("ephemeris_issue", 8),
)


def _differences(number: int, name: str, time: Unsigned, *of_satellite: Field) -> Table:
    head: tuple[Field, ...] = (*_NETWORK, time, Unsigned("more_follows", 1), *_STATIONS)
    return Table(number, name, (*head, *repeated("satellites", 4, *_SATELLITE, *of_satellite)))


register(
    Table(
        1014,
        "auxiliary station",
        (
            *_NETWORK,
            Unsigned("auxiliary_stations", 5),
            *_STATIONS,
            Signed("latitude_difference_deg", 20, _DEGREES),
            Signed("longitude_difference_deg", 21, _DEGREES),
            Signed("height_difference_m", 23, Fraction(1, 1000)),
        ),
    )
)
for _first, _system, _time in (
    (1015, "GPS", Unsigned("time_of_week_s", 23, Fraction(1, 10))),
    (1037, "GLONASS", Unsigned("time_of_day_s", 20, Fraction(1, 10))),
):
    register(
        _differences(_first, f"{_system} ionospheric differences", _time, _IONOSPHERIC),
        _differences(_first + 1, f"{_system} geometric differences", _time, *_GEOMETRIC),
        _differences(
            _first + 2,
            f"{_system} geometric and ionospheric differences",
            _time,
            *_GEOMETRIC,
            _IONOSPHERIC,
        ),
    )
