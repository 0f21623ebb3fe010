"""Strings 1 to 4 of GLONASS's navigation message to an ephemeris.

Source: GLONASS ICD 5.1, 4.4 and table 4.6. A receiver gives a string of 85 bits in three words, bit 85 of the
document first, and in a fourth one the numbers of superframe and frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gnss.ephemeris import Ephemeris
from gnss.rtcm.ephemeris_glonass import GLONASS
from gnss.systems import UNKNOWN_CHANNEL
from gnss.ubx.pieces import Bits, Layout, Piece, values_of

WORDS = 4
PARTS = (1, 2, 3, 4)
_STRING_BITS, _SENT_BITS = 85, 96
_FRAME_BITS = 32

_LAYOUT: Layout = {
    "p1": (Piece(1, 7, 2),),
    "tk_hours": (Piece(1, 9, 5),),
    "tk_minutes": (Piece(1, 14, 6),),
    "tk_half_minutes": (Piece(1, 20, 1),),
    "velocity_x_m_s": (Piece(1, 21, 24),),
    "acceleration_x_m_s2": (Piece(1, 45, 5),),
    "x_m": (Piece(1, 50, 27),),
    "bn": (Piece(2, 5, 1),),
    "p2": (Piece(2, 8, 1),),
    "tb_quarters": (Piece(2, 9, 7),),
    "velocity_y_m_s": (Piece(2, 21, 24),),
    "acceleration_y_m_s2": (Piece(2, 45, 5),),
    "y_m": (Piece(2, 50, 27),),
    "p3": (Piece(3, 5, 1),),
    "gamma": (Piece(3, 6, 11),),
    "p": (Piece(3, 18, 2),),
    "ln": (Piece(3, 20, 1),),
    "velocity_z_m_s": (Piece(3, 21, 24),),
    "acceleration_z_m_s2": (Piece(3, 45, 5),),
    "z_m": (Piece(3, 50, 27),),
    "tau_s": (Piece(4, 5, 22),),
    "delta_tau_s": (Piece(4, 27, 5),),
    "age_days": (Piece(4, 32, 5),),
    "p4": (Piece(4, 51, 1),),
    "ft": (Piece(4, 52, 4),),
    "nt_days": (Piece(4, 59, 11),),
    "m": (Piece(4, 75, 2),),
}
_FRAME = Piece(0, _STRING_BITS, _FRAME_BITS)


def part_of(words: Sequence[int]) -> tuple[int, Bits] | None:
    """Return number and bits of a string, its frame's number behind; None for one without ephemeris."""
    if len(words) < WORDS:
        return None
    string = (words[0] << 64 | words[1] << 32 | words[2]) >> (_SENT_BITS - _STRING_BITS)
    bits = Bits(string << _FRAME_BITS | words[3], _STRING_BITS + _FRAME_BITS)
    number = bits.take(1, 4)
    return (number, bits) if number in PARTS else None


def ephemeris_of(satellite: int, channel: int, parts: dict[int, Bits], near_us: int) -> Ephemeris | None:
    """Return the ephemeris of four strings; None when they are of several frames, or without channel."""
    frames = {parts[number].take(_FRAME.begin, _FRAME.width) for number in PARTS}
    if len(frames) > 1 or channel == UNKNOWN_CHANNEL:
        return None
    beside: dict[str, Any] = {
        "satellite": satellite,
        "channel": channel,
        "almanac_health": 0,
        "almanac_health_told": 0,
    }
    return GLONASS.ephemeris(values_of(GLONASS, _LAYOUT, parts) | beside, near_us)
