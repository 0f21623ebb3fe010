"""Message 1043: SBAS ephemerides, a state vector with its time of the day.

Layout: RTCM 10403.3 as an open implementation publishes it, which is message type 9 of RTCA DO-229 (A.4.4.11)
with its steps. No recording of it was found.
"""

from __future__ import annotations

from fractions import Fraction

from gnss.ephemeris import Ephemeris, GlonassEphemeris
from gnss.rtcm.ephemeris_fields import (
    EphemerisMessage,
    packed,
    state_fields,
    state_vector,
    two_to_minus,
    unpacked,
)
from gnss.rtcm.ephemeris_week import nearest_us
from gnss.rtcm.fields import Signed, Unsigned, Values
from gnss.systems import UNKNOWN_CHANNEL, System
from gnss.time import DAY_US, SECOND_US, utc_to_gps

_FIRST_PRN = 20
"""Satellite 0 is PRN 120, S20 in RINEX."""
_STEP_US = 16 * SECOND_US
_ACCURACY, _ISSUE = Unsigned("accuracy", 4), Unsigned("issue", 8)
_FLAGS = (_ACCURACY, _ISSUE)
_DO_NOT_USE = 15


class SbasMessage(EphemerisMessage):
    """1043."""

    def __init__(self) -> None:
        super().__init__(
            1043,
            (
                Unsigned("satellite", 6, offset=_FIRST_PRN),
                _ISSUE,
                Unsigned("t0_steps", 13),
                _ACCURACY,
                Signed("x_m", 30, Fraction(8, 100)),
                Signed("y_m", 30, Fraction(8, 100)),
                Signed("z_m", 25, Fraction(4, 10)),
                Signed("velocity_x_m_s", 17, Fraction(625, 10**6)),
                Signed("velocity_y_m_s", 17, Fraction(625, 10**6)),
                Signed("velocity_z_m_s", 18, Fraction(4, 1000)),
                Signed("acceleration_x_m_s2", 10, Fraction(125, 10**7)),
                Signed("acceleration_y_m_s2", 10, Fraction(125, 10**7)),
                Signed("acceleration_z_m_s2", 10, Fraction(625, 10**7)),
                Signed("clock_s", 12, two_to_minus(31)),
                Signed("clock_rate", 8, two_to_minus(40)),
            ),
        )

    def ephemeris(self, values: Values, near_us: int) -> Ephemeris | None:
        """Return what the fields say; see `EphemerisMessage.ephemeris`. It is not known when it was sent."""
        time_us = values["t0_steps"] * _STEP_US
        if time_us >= DAY_US:
            return None
        toe_gps_us = nearest_us(time_us, int(utc_to_gps(near_us)), DAY_US)
        return GlonassEphemeris(
            system=System.SBAS,
            satellite=values["satellite"],
            channel=UNKNOWN_CHANNEL,
            toe_gps_us=toe_gps_us,
            sent_gps_us=toe_gps_us,
            clock_s=values["clock_s"],
            clock_rate=values["clock_rate"],
            **state_vector(values),
            health=int(values["accuracy"] == _DO_NOT_USE),
            age_days=0,
            flags=packed(_FLAGS, values),
        )

    def values(self, ephemeris: GlonassEphemeris) -> Values:
        """Return the fields for `write`; see `EphemerisMessage.values`."""
        time_us = ephemeris.toe_gps_us % DAY_US
        if time_us % _STEP_US:
            raise ValueError("toe_gps_us is no multiple of 16 s: give one")
        flags = unpacked(_FLAGS, ephemeris.flags, "flags")
        if (flags["accuracy"] == _DO_NOT_USE) != (ephemeris.health != 0):
            raise ValueError("health is told by accuracy 15 in flags: give both or none")
        return {
            "satellite": ephemeris.satellite,
            "t0_steps": time_us // _STEP_US,
            **state_fields(ephemeris),
            "clock_s": ephemeris.clock_s,
            "clock_rate": ephemeris.clock_rate,
            **flags,
        }


SBAS = SbasMessage()
