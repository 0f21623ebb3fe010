"""What SL 651-2014 has identifiers for (table C.1): element by element, with its digits and its unit."""

from __future__ import annotations

from typing import NamedTuple


class Element(NamedTuple):
    """A quantity that stations report."""

    guide: int
    """First byte of its identifier in HEX/BCD."""
    name: str
    """Its identifier in ASCII, which is what datastreams are called after."""
    digits: int
    """Decimal digits, those behind the point among them; 0: it is no number."""
    decimals: int
    unit: str

    @property
    def definition(self) -> int:
        """Second byte of the identifier: how many bytes follow, and how many digits behind the point."""
        return (self.digits + 1) // 2 << 3 | self.decimals


_MM, _LEVEL, _FLOW, _MGL = ("mm", 5, 1), ("m", 7, 3), ("m3/s", 9, 3), "mg/L"
_SINGLE: tuple[tuple[int, str, int, int, str], ...] = (
    (0x01, "AC", 8, 2, "m2"),
    (0x02, "AI", 3, 1, "Cel"),
    (0x03, "C", 3, 1, "Cel"),
    (0x05, "DT", 4, 2, "h"),
    (0x08, "FL", 5, 0, "hPa"),
    (0x09, "GH", 5, 2, "m"),
    (0x0A, "GN", 3, 0, ""),
    (0x0B, "GS", 1, 0, ""),
    (0x0C, "GT", 3, 0, ""),
    (0x0D, "GTP", 3, 1, "Cel"),
    (0x0E, "H", 6, 2, "m"),
    (0x0F, "HW", 5, 2, "m"),
    (0x18, "MST", 4, 1, "%"),
    (0x19, "NS", 2, 0, ""),
    (0x26, "PT", 6, 1, "mm"),
    (0x32, "SW", 11, 3, ""),
    (0x33, "UC", 2, 0, ""),
    (0x34, "UE", 2, 0, ""),
    (0x35, "US", 4, 1, "m/s"),
    (0x36, "VA", 5, 3, "m/s"),
    (0x37, "VJ", 5, 3, "m/s"),
    (0x38, "VT", 4, 2, "V"),
    (0x44, "SQ", 9, 3, "kg/m3"),
    (0x45, "ZT", 8, 0, ""),
    (0x46, "pH", 4, 2, "[pH]"),
    (0x47, "DO", 4, 1, _MGL),
    (0x48, "COND", 5, 0, "uS/cm"),
    (0x49, "TURB", 3, 0, "NTU"),
    (0x4A, "CODMN", 4, 1, _MGL),
    (0x4B, "REDOX", 5, 1, "mV"),
    (0x4C, "NH4N", 6, 2, _MGL),
    (0x4D, "TP", 5, 3, _MGL),
    (0x4E, "TN", 5, 2, _MGL),
    (0x4F, "TOC", 4, 2, _MGL),
    (0x50, "CU", 7, 4, _MGL),
    (0x51, "ZN", 6, 4, _MGL),
    (0x57, "CHLA", 4, 2, _MGL),
)
_ROWS: tuple[tuple[int, str, tuple[str, int, int]], ...] = (
    (0x06, "ED EJ", _MM),
    (0x10, "M10 M20 M30 M40 M50 M60 M80 M100", ("%", 4, 1)),
    (0x1A, "P1 P2 P3 P6 P12 PD PJ PN01 PN05 PN10 PN30 PR", _MM),
    (0x27, "Q Q1 Q2 Q3 Q4 Q5 Q6 Q7 Q8 QA QZ", _FLOW),
    (0x39, "Z ZB ZU Z1 Z2 Z3 Z4 Z5 Z6 Z7 Z8", _LEVEL),
    (0x52, "SE AS THG CD PB", (_MGL, 7, 5)),
    (0x58, "WP1 WP2 WP3 WP4 WP5 WP6 WP7 WP8", ("kPa", 5, 2)),
    (0x60, "SYL1 SYL2 SYL3 SYL4 SYL5 SYL6 SYL7 SYL8", ("m3", 11, 3)),
    (0x68, "SBL1 SBL2 SBL3 SBL4 SBL5 SBL6 SBL7 SBL8", ("m3/h", 10, 2)),
    (0x70, "VTA VTB VTC", ("V", 4, 1)),
    (0x73, "VIA VIB VIC", ("A", 4, 1)),
)
"""Runs of identifiers that follow each other, with the unit and digits that they share."""

RAIN_GROUPS = 0xF4
"""Twelve rains of 5 min, a byte each, 0.1 mm; FF: none."""
LEVEL_GROUPS = range(0xF5, 0xFD)
"""Twelve relative levels 5 min apart, two bytes each, 0.01 m; FFFF: none."""


def _elements() -> tuple[Element, ...]:
    singles = [Element(*row) for row in _SINGLE]
    runs = [
        Element(first + place, name, digits, decimals, unit)
        for first, names, (unit, digits, decimals) in _ROWS
        for place, name in enumerate(names.split())
    ]
    groups = [Element(RAIN_GROUPS, "DRP", 24, 0, "mm")]
    groups += [Element(guide, f"DRZ{place}", 48, 0, "m") for place, guide in enumerate(LEVEL_GROUPS, 1)]
    return tuple(sorted([*singles, *runs, *groups]))


ELEMENTS = _elements()
BY_GUIDE = {element.guide: element for element in ELEMENTS}
BY_NAME = {element.name: element for element in ELEMENTS}
