"""Message 1020: GLONASS ephemerides, whose numbers have their sign in the first bit.

Times are those of Moscow (UTC and three hours): t_b in quarters of an hour of the day and N_T, the day within
four years from 1996-01-01 on.

Layout: RTCM 10403.3 as open implementations publish and agree on it; steps: GLONASS ICD 5.1, table 4.5.
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
from gnss.rtcm.fields import Reserved, SignMagnitude, Unsigned, Values
from gnss.systems import UNKNOWN_CHANNEL, System
from gnss.time import DAY_US, SECOND_US, gps_to_utc, utc_to_gps

MOSCOW_US = 3 * 3600 * SECOND_US
QUARTER_US = 900 * SECOND_US
HALF_MINUTE_US = 30 * SECOND_US
NEAR_MIDNIGHT_US = 4 * QUARTER_US
FIRST_DAY = 9496
"""Days from 1970-01-01 to 1996-01-01, the begin of the four-year periods."""
DAYS = 1461
"""Of four years."""
_LAST_CHANNEL = 13

_ALMANAC_HEALTH, _ALMANAC_TOLD = Unsigned("almanac_health", 1), Unsigned("almanac_health_told", 1)
_P1, _P2, _P3, _P4 = Unsigned("p1", 2), Unsigned("p2", 1), Unsigned("p3", 1), Unsigned("p4", 1)
_P, _FT, _M = Unsigned("p", 2), Unsigned("ft", 4), Unsigned("m", 2)
_BN, _LN = Unsigned("bn", 1), Unsigned("ln", 1)
_FLAGS = (_LN, _ALMANAC_HEALTH, _ALMANAC_TOLD, _P1, _P2, _P3, _P, _P4, _FT, _M)
"""l_n is no health here: a receiver is on record that sends 1 of every second healthy satellite."""


def _km_to_m(exponent: int) -> Fraction:
    """Return the step in m of a field whose step is a power of two in km."""
    return 1000 * two_to_minus(exponent)


class GlonassMessage(EphemerisMessage):
    """1020. The additional data (system time, almanac day) are read and not kept."""

    def __init__(self) -> None:
        super().__init__(
            1020,
            (
                Unsigned("satellite", 6),
                Unsigned("channel", 5, offset=-7),
                _ALMANAC_HEALTH,
                _ALMANAC_TOLD,
                _P1,
                Unsigned("tk_hours", 5),
                Unsigned("tk_minutes", 6),
                Unsigned("tk_half_minutes", 1),
                _BN,
                _P2,
                Unsigned("tb_quarters", 7),
                SignMagnitude("velocity_x_m_s", 24, _km_to_m(20)),
                SignMagnitude("x_m", 27, _km_to_m(11)),
                SignMagnitude("acceleration_x_m_s2", 5, _km_to_m(30)),
                SignMagnitude("velocity_y_m_s", 24, _km_to_m(20)),
                SignMagnitude("y_m", 27, _km_to_m(11)),
                SignMagnitude("acceleration_y_m_s2", 5, _km_to_m(30)),
                SignMagnitude("velocity_z_m_s", 24, _km_to_m(20)),
                SignMagnitude("z_m", 27, _km_to_m(11)),
                SignMagnitude("acceleration_z_m_s2", 5, _km_to_m(30)),
                _P3,
                SignMagnitude("gamma", 11, two_to_minus(40)),
                _P,
                _LN,
                SignMagnitude("tau_s", 22, two_to_minus(30)),
                SignMagnitude("delta_tau_s", 5, two_to_minus(30)),
                Unsigned("age_days", 5),
                _P4,
                _FT,
                Unsigned("nt_days", 11),
                _M,
                Unsigned("additional_data", 1),
                Unsigned("na_days", 11),
                SignMagnitude("tau_c_s", 32, two_to_minus(31)),
                Unsigned("n4", 5),
                SignMagnitude("tau_gps_s", 22, two_to_minus(30)),
                Unsigned("ln_of_fifth_string", 1),
                Reserved(7),
            ),
        )

    def ephemeris(self, values: Values, near_us: int) -> Ephemeris | None:
        """Return what the fields say; see `EphemerisMessage.ephemeris`.

        The day is that of N_T in the nearest four years. Without N_T it is the one in which t_b is nearest to
        `near_us`; also when that is a day beside it and t_b near midnight, since some senders may change N_T
        with the frame instead of with t_b.
        """
        tb_us = values["tb_quarters"] * QUARTER_US
        if not values["satellite"] or tb_us >= DAY_US:
            return None
        near_moscow_us = near_us + MOSCOW_US
        toe_us = nearest_us(tb_us, near_moscow_us, DAY_US)
        if 1 <= values["nt_days"] <= DAYS:
            by_date_us = (FIRST_DAY + values["nt_days"] - 1) * DAY_US + tb_us
            by_date_us = nearest_us(by_date_us, near_moscow_us, DAYS * DAY_US)
            may_be_beside = min(tb_us, DAY_US - tb_us) <= NEAR_MIDNIGHT_US
            if abs(by_date_us - toe_us) > DAY_US or not may_be_beside:
                toe_us = by_date_us
        hours, minutes = values["tk_hours"], values["tk_minutes"]
        sent_us = toe_us
        if hours < 24 and minutes < 60:
            half_minutes = hours * 120 + minutes * 2 + values["tk_half_minutes"]
            sent_us = nearest_us(half_minutes * HALF_MINUTE_US, toe_us, DAY_US)
        channel = values["channel"]
        return GlonassEphemeris(
            system=System.GLONASS,
            satellite=values["satellite"],
            channel=channel if channel <= _LAST_CHANNEL else UNKNOWN_CHANNEL,
            toe_gps_us=int(utc_to_gps(toe_us - MOSCOW_US)),
            sent_gps_us=int(utc_to_gps(sent_us - MOSCOW_US)),
            clock_s=0.0 - values["tau_s"],
            clock_rate=values["gamma"],
            **state_vector(values),
            health=values["bn"],
            age_days=values["age_days"],
            flags=packed(_FLAGS, values),
            delta_tau_s=values["delta_tau_s"],
        )

    def values(self, ephemeris: GlonassEphemeris) -> Values:
        """Return the fields for `write`; see `EphemerisMessage.values`.

        `sent_gps_us` is cut to half minutes, and more than half a day from the reference time is not told.
        """
        if not ephemeris.satellite > 0:
            raise ValueError(f"give a satellite from 1 on, not {ephemeris.satellite}")
        if not -7 <= ephemeris.channel <= _LAST_CHANNEL:
            raise ValueError(f"give a channel from -7 to 13, not {ephemeris.channel}")
        toe_us = int(gps_to_utc(ephemeris.toe_gps_us)) + MOSCOW_US
        if toe_us % QUARTER_US:
            raise ValueError("toe_gps_us is no multiple of 15 minutes of UTC: give one")
        four_years, day = divmod(toe_us // DAY_US - FIRST_DAY, DAYS)
        half_minutes = (int(gps_to_utc(ephemeris.sent_gps_us)) + MOSCOW_US) % DAY_US // HALF_MINUTE_US
        return {
            "satellite": ephemeris.satellite,
            "channel": ephemeris.channel,
            "tk_hours": half_minutes // 120,
            "tk_minutes": half_minutes % 120 // 2,
            "tk_half_minutes": half_minutes % 2,
            "tb_quarters": toe_us % DAY_US // QUARTER_US,
            **state_fields(ephemeris),
            "gamma": ephemeris.clock_rate,
            "tau_s": -ephemeris.clock_s,
            "delta_tau_s": ephemeris.delta_tau_s,
            "age_days": ephemeris.age_days,
            "nt_days": day + 1,
            "additional_data": 0,
            "na_days": 0,
            "tau_c_s": 0,
            "n4": (four_years + 1) % 32,
            "tau_gps_s": 0,
            "ln_of_fifth_string": 0,
            **unpacked(_FLAGS, ephemeris.flags, "flags"),
            "bn": ephemeris.health,
        }


GLONASS = GlonassMessage()
