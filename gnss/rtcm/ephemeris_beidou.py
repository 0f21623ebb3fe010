"""Message 1042: BeiDou ephemerides (D1 and D2), in BeiDou's own time.

Layout: RTCM 10403.3 as open implementations publish and agree on it; steps: BDS-SIS-ICD-B1I, 5.2.4.
"""

from __future__ import annotations

from fractions import Fraction

from gnss.ephemeris import BEIDOU_BEHIND_GPS_S
from gnss.rtcm.ephemeris_fields import HalfCircles, KeplerMessage, two_to_minus
from gnss.rtcm.fields import Signed, Unsigned
from gnss.systems import System

_HEALTH = Unsigned("health", 1)
_TENTH_NS = Fraction(1, 10**10)

BEIDOU = KeplerMessage(
    1042,
    (
        Unsigned("satellite", 6),
        Unsigned("week", 13),
        Unsigned("accuracy", 4),
        HalfCircles("inclination_rate", 14, two_to_minus(43)),
        Unsigned("issue", 5),
        Unsigned("toc_s", 17, 8),
        Signed("clock_acceleration", 11, two_to_minus(66)),
        Signed("clock_rate", 22, two_to_minus(50)),
        Signed("clock_s", 24, two_to_minus(33)),
        Unsigned("clock_issue", 5),
        Signed("crs_m", 18, two_to_minus(6)),
        HalfCircles("mean_motion_difference", 16, two_to_minus(43)),
        HalfCircles("mean_anomaly", 32, two_to_minus(31)),
        Signed("cuc", 18, two_to_minus(31)),
        Unsigned("eccentricity", 32, two_to_minus(33)),
        Signed("cus", 18, two_to_minus(31)),
        Unsigned("sqrt_axis", 32, two_to_minus(19)),
        Unsigned("toe_s", 17, 8),
        Signed("cic", 18, two_to_minus(31)),
        HalfCircles("node", 32, two_to_minus(31)),
        Signed("cis", 18, two_to_minus(31)),
        HalfCircles("inclination", 32, two_to_minus(31)),
        Signed("crc_m", 18, two_to_minus(6)),
        HalfCircles("perigee", 32, two_to_minus(31)),
        HalfCircles("node_rate", 24, two_to_minus(43)),
        Signed("tgd1_s", 10, _TENTH_NS),
        Signed("tgd2_s", 10, _TENTH_NS),
        _HEALTH,
    ),
    system=System.BEIDOU,
    first_week=1356,
    group_delays=("tgd1_s", "tgd2_s"),
    health=(_HEALTH,),
    behind_gps_s=BEIDOU_BEHIND_GPS_S,
)
