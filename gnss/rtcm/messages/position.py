"""1005, 1006: where the antenna reference point is. 1032: where that of the physical station behind it is."""

from __future__ import annotations

from fractions import Fraction

from gnss.rtcm.fields import Field, Reserved, Signed, Unsigned, Values
from gnss.rtcm.messages import Table, register

_TENTH_MM = Fraction(1, 10_000)
_X, _Y, _Z = (Signed(f"{axis}_m", 38, _TENTH_MM) for axis in "xyz")
_ITRF_YEAR = Unsigned("itrf_year", 6)
_ARP: tuple[Field, ...] = (
    Unsigned("reference_station", 12),
    _ITRF_YEAR,
    Unsigned("serves_gps", 1),
    Unsigned("serves_glonass", 1),
    Unsigned("serves_galileo", 1),
    Unsigned("virtual", 1),
    _X,
    Unsigned("single_oscillator", 1),
    Reserved(1),
    _Y,
    Unsigned("quarter_cycle", 2),
    _Z,
)


def _line(values: Values) -> str:
    text = f"station {values['reference_station']} at {values['x_m']:.4f} {values['y_m']:.4f}"
    text += f" {values['z_m']:.4f} m"
    if "antenna_height_m" in values:
        text += f", antenna {values['antenna_height_m']:.4f} m above the marker"
    return text + (", virtual" if values.get("virtual") else "")


register(
    Table(1005, "position", _ARP, line=_line),
    Table(
        1006, "position and antenna height", (*_ARP, Unsigned("antenna_height_m", 16, _TENTH_MM)), line=_line
    ),
    Table(
        1032,
        "position of the physical station",
        (Unsigned("reference_station", 12), Unsigned("physical_station", 12), _ITRF_YEAR, _X, _Y, _Z),
        line=_line,
    ),
)
