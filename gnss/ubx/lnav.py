"""LNAV of GPS and QZSS: subframes 1 to 3 of ten words to an ephemeris.

Source: IS-GPS-200, figure 20-1 and tables 20-I and 20-III; IS-QZSS-PNT. Of each word the 24 bits without
parity count, which the receiver has checked.
"""

from __future__ import annotations

from collections.abc import Sequence

from gnss.ephemeris import Ephemeris
from gnss.rtcm.ephemeris_gps import GPS, QZSS
from gnss.systems import System
from gnss.ubx.pieces import Bits, Layout, Piece, values_of

WORDS = 10
PARTS = (1, 2, 3)
_CNAV_PREAMBLE = 0x8B
_WORD_BITS = 24
_SUBFRAME = Piece(0, 43, 3)

_LAYOUT: Layout = {
    "week": (Piece(1, 48, 10),),
    "code_on_l2": (Piece(1, 58, 2),),
    "accuracy": (Piece(1, 60, 4),),
    "health": (Piece(1, 64, 6),),
    "clock_issue": (Piece(1, 70, 2), Piece(1, 168, 8)),
    "l2_p_data": (Piece(1, 72, 1),),
    "tgd_s": (Piece(1, 160, 8),),
    "toc_s": (Piece(1, 176, 16),),
    "clock_acceleration": (Piece(1, 192, 8),),
    "clock_rate": (Piece(1, 200, 16),),
    "clock_s": (Piece(1, 216, 22),),
    "issue": (Piece(2, 48, 8),),
    "crs_m": (Piece(2, 56, 16),),
    "mean_motion_difference": (Piece(2, 72, 16),),
    "mean_anomaly": (Piece(2, 88, 32),),
    "cuc": (Piece(2, 120, 16),),
    "eccentricity": (Piece(2, 136, 32),),
    "cus": (Piece(2, 168, 16),),
    "sqrt_axis": (Piece(2, 184, 32),),
    "toe_s": (Piece(2, 216, 16),),
    "fit_interval": (Piece(2, 232, 1),),
    "cic": (Piece(3, 48, 16),),
    "node": (Piece(3, 64, 32),),
    "cis": (Piece(3, 96, 16),),
    "inclination": (Piece(3, 112, 32),),
    "crc_m": (Piece(3, 144, 16),),
    "perigee": (Piece(3, 160, 32),),
    "node_rate": (Piece(3, 192, 24),),
    "inclination_rate": (Piece(3, 224, 14),),
}


def part_of(words: Sequence[int]) -> tuple[int, Bits] | None:
    """Return number and bits of a subframe; None for one without ephemeris."""
    if len(words) < WORDS or words[0] >> 24 == _CNAV_PREAMBLE:
        return None
    value = 0
    for word in words[:WORDS]:
        value = value << _WORD_BITS | (word >> 6 & 0xFFFFFF)
    bits = Bits(value, WORDS * _WORD_BITS)
    number = bits.take(_SUBFRAME.begin, _SUBFRAME.width)
    return (number, bits) if number in PARTS else None


def ephemeris_of(system: System, satellite: int, parts: dict[int, Bits], near_us: int) -> Ephemeris | None:
    """Return the ephemeris of three subframes; None when they are not of one issue."""
    issues = {parts[1].take(168, 8), parts[2].take(48, 8), parts[3].take(216, 8)}
    if len(issues) > 1:
        return None
    message = QZSS if system is System.QZSS else GPS
    return message.ephemeris(values_of(message, _LAYOUT, parts) | {"satellite": satellite}, near_us)
