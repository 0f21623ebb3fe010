"""How long an ephemeris serves.

Sources: IS-GPS-200, 20.3.4.4 (GPS: fit interval of 4 hours, and of 6 or more when its flag says so; QZSS and
NavIC alike); Galileo OS SDD, 2.4.3.1 (4 hours from its reference time on); the intervals of update of BeiDou
(1 hour, BDS-SIS-ICD-B1I 5.2.4.9) and GLONASS (30 minutes, ICD 5.1, 4.4); RTCA DO-229 (SBAS, 6 minutes).
"""

from __future__ import annotations

from gnss.ephemeris import Ephemeris, KeplerEphemeris
from gnss.rtcm.ephemeris_gps import FIT_INTERVAL_FLAG
from gnss.systems import System
from gnss.time import SECOND_US

_HOUR_S = 3600
SERVES_S = {
    System.GPS: (2 * _HOUR_S, 2 * _HOUR_S),
    System.GLONASS: (_HOUR_S // 2, _HOUR_S // 2),
    System.GALILEO: (_HOUR_S, 4 * _HOUR_S),
    System.SBAS: (360, 360),
    System.QZSS: (2 * _HOUR_S, 2 * _HOUR_S),
    System.BEIDOU: (_HOUR_S, _HOUR_S),
    System.NAVIC: (2 * _HOUR_S, 2 * _HOUR_S),
}
"""How long before and after its reference time an ephemeris serves."""
LATE_S = {
    System.GPS: _HOUR_S,
    System.GLONASS: _HOUR_S // 2,
    System.GALILEO: _HOUR_S,
    System.SBAS: 600,
    System.QZSS: _HOUR_S,
    System.BEIDOU: 2 * _HOUR_S,
    System.NAVIC: _HOUR_S,
}
"""How much longer than that, so that a satellite that still sends is not forgotten when its next ephemeris is
late. On a recorded day of all systems it is then within 30 m of the newest one (9 m when it begins to be
late), by far enough to know which satellites should be seen."""
LONG_FIT_MORE_S = _HOUR_S
"""Of GPS and QZSS with the flag of a longer fit interval."""


def serves(ephemeris: Ephemeris, time_gps_us: int) -> bool:
    """Return whether an ephemeris serves at a time."""
    before_s, after_s = SERVES_S[ephemeris.system]
    if isinstance(ephemeris, KeplerEphemeris) and ephemeris.system in {System.GPS, System.QZSS}:
        more_s = LONG_FIT_MORE_S if ephemeris.flags & FIT_INTERVAL_FLAG else 0
        before_s, after_s = before_s + more_s, after_s + more_s
    past_us = time_gps_us - ephemeris.toe_gps_us
    return -before_s * SECOND_US <= past_us <= (after_s + LATE_S[ephemeris.system]) * SECOND_US
