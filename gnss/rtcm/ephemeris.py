"""Broadcast ephemerides as far as they tell the week: messages 1019, 1042, 1044, 1045, 1046.

RTCM observations tell the time of the week only; an ephemeris tells the week in which it was sent, with a
roll-over, and its reference time (toe) in the week. 1020 (GLONASS) has no week.

Layout: RTCM 10403.3 as open implementations publish and agree on it. Begins of the week counts: IS-GPS-200
(1980-01-06, 10 bits, QZSS alike), Galileo OS SIS ICD (1999-08-22, 12 bits), BDS-SIS-ICD (2006-01-01,
13 bits).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from gnss.systems import System

WEEK_S = 604_800


class _Layout(NamedTuple):
    """Where satellite and week stand: first bit and width."""

    system: System
    satellite_bits: int
    week_at: int
    week_bits: int
    first_week: int
    """GPS week of week 0."""
    toe_at: int
    toe_bits: int
    toe_step_s: int
    bits: int
    """Length of the message."""


_SATELLITE_AT = 12
_LAYOUTS = {
    1019: _Layout(System.GPS, 6, 18, 10, 0, 288, 16, 16, 488),
    1042: _Layout(System.BEIDOU, 6, 18, 13, 1356, 299, 17, 8, 511),
    1044: _Layout(System.QZSS, 4, 446, 10, 0, 246, 16, 16, 485),
    1045: _Layout(System.GALILEO, 6, 18, 12, 1024, 294, 14, 60, 496),
    1046: _Layout(System.GALILEO, 6, 18, 12, 1024, 294, 14, 60, 504),
}
_SENT_AFTER_TOE_S = {System.GPS: -3600, System.QZSS: -1800, System.GALILEO: 900, System.BEIDOU: 300}
"""When an ephemeris is first sent, roughly: it decides in which of two weeks a toe near the week's end is.
GPS and QZSS send ahead of the reference time; Galileo and BeiDou behind it."""
EPHEMERIS_MESSAGES = tuple(_LAYOUTS)


@dataclass(frozen=True, slots=True)
class EphemerisWeek:
    """The week in which an ephemeris was sent, and its reference time."""

    system: System
    satellite: int
    """PRN as in RINEX; J01 is 1."""
    week: int
    """GPS week, right but for a multiple of `period`."""
    period: int
    """Weeks after which the count rolls over: 1024, 4096 or 8192."""
    toe_s: int
    """Reference time of the ephemeris, s of the week."""

    def resolved(self, near_week: int) -> int:
        """Return the GPS week without roll-over that is nearest to a given one."""
        return self.week + (near_week - self.week + self.period // 2) // self.period * self.period

    def reference_s(self, near_week: int) -> int:
        """Return the reference time in s since the begin of GPS time, right to a minute.

        The week is the one nearest to a given one.
        """
        after_s = _SENT_AFTER_TOE_S[self.system]
        return self.resolved(near_week) * WEEK_S + (self.toe_s + after_s) % WEEK_S - after_s


def decode_week(payload: bytes) -> EphemerisWeek | None:
    """Return the week of an ephemeris; None for another message, or one that is too short."""
    layout = _LAYOUTS.get(int.from_bytes(payload[:2], "big") >> 4)
    size = len(payload) * 8
    if layout is None or size < layout.bits:
        return None
    bits = int.from_bytes(payload, "big")

    def field(at: int, width: int) -> int:
        return bits >> (size - at - width) & ((1 << width) - 1)

    return EphemerisWeek(
        layout.system,
        field(_SATELLITE_AT, layout.satellite_bits),
        layout.first_week + field(layout.week_at, layout.week_bits),
        1 << layout.week_bits,
        field(layout.toe_at, layout.toe_bits) * layout.toe_step_s,
    )
