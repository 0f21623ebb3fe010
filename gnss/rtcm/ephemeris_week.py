"""The week of an ephemeris: the message counts it with a roll-over, and it is that of sending.

Begins of the week counts: IS-GPS-200 (1980-01-06, 10 bits, QZSS alike), Galileo OS SIS ICD (1999-08-22, 12
bits), BDS-SIS-ICD (2006-01-01, 13 bits), NavIC SIS ICD (1999-08-22, 10 bits).
"""

from __future__ import annotations

from dataclasses import dataclass

from gnss.systems import System

WEEK_S = 604_800
NEAR_WEEK_END_S = 4 * 3600
SENT_AFTER_TOE_S = {
    System.GPS: -3600,
    System.QZSS: -1800,
    System.GALILEO: 900,
    System.BEIDOU: 300,
    System.NAVIC: -1800,
}
"""When an ephemeris is first sent, roughly: it decides in which of two weeks a toe near the week's end is.
GPS and QZSS send ahead of the reference time; Galileo and BeiDou behind it. NavIC is taken to be as QZSS."""


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
    """Reference time of the ephemeris, s of the week, in the system's own time."""

    def resolved(self, near_week: int) -> int:
        """Return the GPS week without roll-over that is nearest to a given one."""
        return self.week + (near_week - self.week + self.period // 2) // self.period * self.period

    def reference_s(self, near_week: int) -> int:
        """Return the reference time in s since the begin of GPS time, in the system's own time.

        So it is right to a minute. The week is the one nearest to a given one.
        """
        after_s = SENT_AFTER_TOE_S[self.system]
        return self.resolved(near_week) * WEEK_S + (self.toe_s + after_s) % WEEK_S - after_s

    def reference_near_s(self, near_s: int) -> int:
        """Return the reference time as `reference_s` does, for a time that is not far from it.

        Parameters
        ----------
        near_s
            GPS time in s since its begin. It resolves the roll-over, and the week of a reference time within
            four hours of a week's end, since some senders give the week of that time instead of their own.
        """
        reference_s = self.reference_s(near_s // WEEK_S)
        if min(self.toe_s, WEEK_S - self.toe_s) <= NEAR_WEEK_END_S:
            weeks = (near_s - reference_s + WEEK_S // 2) // WEEK_S
            reference_s += WEEK_S * weeks if abs(weeks) == 1 else 0
        return reference_s


def week_of_sending(system: System, reference_s: int) -> int:
    """Return the GPS week that an ephemeris tells, from its reference time as `reference_s` has it."""
    return (reference_s + SENT_AFTER_TOE_S[system]) // WEEK_S


def nearest_us(some_us: int, near_us: int, period_us: int) -> int:
    """Return the time nearest to another one that is whole periods from a given one."""
    return some_us + (near_us - some_us + period_us // 2) // period_us * period_us
