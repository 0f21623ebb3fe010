"""D1 of BeiDou: subframes 1 to 3 of ten words to an ephemeris.

Source: BDS-SIS-ICD-B1I, figure 5-8 and table 5-5. D2, which geostationary satellites send, is not read.
"""

from __future__ import annotations

from collections.abc import Sequence

from gnss.ephemeris import Ephemeris
from gnss.rtcm.ephemeris_beidou import BEIDOU
from gnss.ubx.pieces import Bits, Layout, Piece, values_of

WORDS = 10
PARTS = (1, 2, 3)
_WORD_BITS = 30
_PREAMBLE = 0b11100010010
_GEOSTATIONARY = frozenset((*range(1, 6), *range(59, 64)))
_TIME = (Piece(0, 18, 8), Piece(0, 30, 12))
_SUBFRAME_S = 6

_LAYOUT: Layout = {
    "health": (Piece(1, 42, 1),),
    "clock_issue": (Piece(1, 43, 5),),
    "accuracy": (Piece(1, 48, 4),),
    "week": (Piece(1, 60, 13),),
    "toc_s": (Piece(1, 73, 9), Piece(1, 90, 8)),
    "tgd1_s": (Piece(1, 98, 10),),
    "tgd2_s": (Piece(1, 108, 4), Piece(1, 120, 6)),
    "clock_acceleration": (Piece(1, 214, 11),),
    "clock_s": (Piece(1, 225, 7), Piece(1, 240, 17)),
    "clock_rate": (Piece(1, 257, 5), Piece(1, 270, 17)),
    "issue": (Piece(1, 287, 5),),
    "mean_motion_difference": (Piece(2, 42, 10), Piece(2, 60, 6)),
    "cuc": (Piece(2, 66, 16), Piece(2, 90, 2)),
    "mean_anomaly": (Piece(2, 92, 20), Piece(2, 120, 12)),
    "eccentricity": (Piece(2, 132, 10), Piece(2, 150, 22)),
    "cus": (Piece(2, 180, 18),),
    "crc_m": (Piece(2, 198, 4), Piece(2, 210, 14)),
    "crs_m": (Piece(2, 224, 8), Piece(2, 240, 10)),
    "sqrt_axis": (Piece(2, 250, 12), Piece(2, 270, 20)),
    "toe_s": (Piece(2, 290, 2), Piece(3, 42, 10), Piece(3, 60, 5)),
    "inclination": (Piece(3, 65, 17), Piece(3, 90, 15)),
    "cic": (Piece(3, 105, 7), Piece(3, 120, 11)),
    "node_rate": (Piece(3, 131, 11), Piece(3, 150, 13)),
    "cis": (Piece(3, 163, 9), Piece(3, 180, 9)),
    "inclination_rate": (Piece(3, 189, 13), Piece(3, 210, 1)),
    "node": (Piece(3, 211, 21), Piece(3, 240, 11)),
    "perigee": (Piece(3, 251, 11), Piece(3, 270, 21)),
}


def part_of(words: Sequence[int], satellite: int) -> tuple[int, Bits] | None:
    """Return number and bits of a subframe; None for one without ephemeris, or of D2."""
    if len(words) < WORDS or satellite in _GEOSTATIONARY:
        return None
    value = 0
    for word in words[:WORDS]:
        value = value << _WORD_BITS | (word & 0x3FFFFFFF)
    bits = Bits(value, WORDS * _WORD_BITS)
    number = bits.take(15, 3)
    return (number, bits) if number in PARTS and bits.take(0, 11) == _PREAMBLE else None


def ephemeris_of(satellite: int, parts: dict[int, Bits], near_us: int) -> Ephemeris | None:
    """Return the ephemeris of three subframes; None when they did not follow each other.

    Only the first tells an issue, so they must be of one frame of 30 s.
    """
    times = [_second(parts[number]) for number in PARTS]
    toc_s = values_of(BEIDOU, {"toc_s": _LAYOUT["toc_s"]}, parts)["toc_s"]
    values = values_of(BEIDOU, _LAYOUT, parts) | {"satellite": satellite}
    if times != [times[0] + i * _SUBFRAME_S for i in range(3)] or values["toe_s"] != toc_s:
        return None
    return BEIDOU.ephemeris(values, near_us)


def _second(bits: Bits) -> int:
    value = 0
    for piece in _TIME:
        value = value << piece.width | bits.take(piece.begin, piece.width)
    return value
