"""I/NAV of Galileo: word types 1 to 5 of nominal pages to an ephemeris.

Source: Galileo OS SIS ICD, 4.3. A receiver gives both parts of a page in eight words, with their check.
"""

from __future__ import annotations

from collections.abc import Sequence

from gnss.ephemeris import Ephemeris
from gnss.rtcm.crc import crc24q
from gnss.rtcm.ephemeris_galileo import I_NAV
from gnss.ubx.pieces import Bits, Layout, Piece, values_of

WORDS = 8
PARTS = (1, 2, 3, 4, 5)
_PART_BITS = 128
_EVEN_DATA, _ODD_DATA = Piece(0, 2, 112), Piece(0, 2, 16)
_ODD_CHECKED, _ODD_CHECK = 82, Piece(0, 82, 24)
_ISSUE = Piece(0, 6, 10)

_LAYOUT: Layout = {
    "issue": (Piece(1, 6, 10),),
    "toe_s": (Piece(1, 16, 14),),
    "mean_anomaly": (Piece(1, 30, 32),),
    "eccentricity": (Piece(1, 62, 32),),
    "sqrt_axis": (Piece(1, 94, 32),),
    "node": (Piece(2, 16, 32),),
    "inclination": (Piece(2, 48, 32),),
    "perigee": (Piece(2, 80, 32),),
    "inclination_rate": (Piece(2, 112, 14),),
    "node_rate": (Piece(3, 16, 24),),
    "mean_motion_difference": (Piece(3, 40, 16),),
    "cuc": (Piece(3, 56, 16),),
    "cus": (Piece(3, 72, 16),),
    "crc_m": (Piece(3, 88, 16),),
    "crs_m": (Piece(3, 104, 16),),
    "accuracy": (Piece(3, 120, 8),),
    "cic": (Piece(4, 22, 16),),
    "cis": (Piece(4, 38, 16),),
    "toc_s": (Piece(4, 54, 14),),
    "clock_s": (Piece(4, 68, 31),),
    "clock_rate": (Piece(4, 99, 21),),
    "clock_acceleration": (Piece(4, 120, 6),),
    "bgd_e5a_e1_s": (Piece(5, 47, 10),),
    "bgd_e5b_e1_s": (Piece(5, 57, 10),),
    "e5b_status": (Piece(5, 67, 2),),
    "e1_status": (Piece(5, 69, 2),),
    "e5b_data_validity": (Piece(5, 71, 1),),
    "e1_data_validity": (Piece(5, 72, 1),),
    "week": (Piece(5, 73, 12),),
}


def part_of(words: Sequence[int]) -> tuple[int, Bits] | None:
    """Return type and bits of a word; None for one without ephemeris, an alert page, or a wrong check."""
    if len(words) < WORDS:
        return None
    even, odd = (Bits(_joined(some), _PART_BITS) for some in (words[:4], words[4:WORDS]))
    # part and kind of a nominal page: even and odd
    if even.take(0, 2) != 0b00 or odd.take(0, 2) != 0b10:
        return None
    checked = even.take(0, 114) << _ODD_CHECKED | odd.take(0, _ODD_CHECKED)
    if crc24q(checked.to_bytes(25, "big")) != odd.take(_ODD_CHECK.begin, _ODD_CHECK.width):
        return None
    data = even.take(_EVEN_DATA.begin, _EVEN_DATA.width) << _ODD_DATA.width
    bits = Bits(data | odd.take(_ODD_DATA.begin, _ODD_DATA.width), _PART_BITS)
    number = bits.take(0, 6)
    return (number, bits) if number in PARTS else None


def ephemeris_of(satellite: int, parts: dict[int, Bits], near_us: int) -> Ephemeris | None:
    """Return the ephemeris of the five words; None when they are of several issues or satellites."""
    issues = {parts[number].take(_ISSUE.begin, _ISSUE.width) for number in (1, 2, 3, 4)}
    if len(issues) > 1 or parts[4].take(16, 6) != satellite:
        return None
    return I_NAV.ephemeris(values_of(I_NAV, _LAYOUT, parts) | {"satellite": satellite}, near_us)


def _joined(words: Sequence[int]) -> int:
    value = 0
    for word in words:
        value = value << 32 | word
    return value
