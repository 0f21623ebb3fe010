"""Messages 1045 (F/NAV) and 1046 (I/NAV): Galileo ephemerides.

Layout: RTCM 10403.3 as open implementations publish and agree on it; steps: Galileo OS SIS ICD, 5.1.
"""

from __future__ import annotations

from gnss.rtcm.ephemeris_fields import HalfCircles, KeplerMessage, two_to_minus
from gnss.rtcm.fields import Field, Reserved, Signed, Unsigned
from gnss.systems import System

_E5A_STATUS, _E5A_VALIDITY = Unsigned("e5a_status", 2), Unsigned("e5a_data_validity", 1)
_E5B_STATUS, _E5B_VALIDITY = Unsigned("e5b_status", 2), Unsigned("e5b_data_validity", 1)
_E1_STATUS, _E1_VALIDITY = Unsigned("e1_status", 2), Unsigned("e1_data_validity", 1)
_FIRST_WEEK = 1024

_COMMON: tuple[Field, ...] = (
    Unsigned("satellite", 6),
    Unsigned("week", 12),
    Unsigned("issue", 10),
    Unsigned("accuracy", 8),
    HalfCircles("inclination_rate", 14, two_to_minus(43)),
    Unsigned("toc_s", 14, 60),
    Signed("clock_acceleration", 6, two_to_minus(59)),
    Signed("clock_rate", 21, two_to_minus(46)),
    Signed("clock_s", 31, two_to_minus(34)),
    Signed("crs_m", 16, two_to_minus(5)),
    HalfCircles("mean_motion_difference", 16, two_to_minus(43)),
    HalfCircles("mean_anomaly", 32, two_to_minus(31)),
    Signed("cuc", 16, two_to_minus(29)),
    Unsigned("eccentricity", 32, two_to_minus(33)),
    Signed("cus", 16, two_to_minus(29)),
    Unsigned("sqrt_axis", 32, two_to_minus(19)),
    Unsigned("toe_s", 14, 60),
    Signed("cic", 16, two_to_minus(29)),
    HalfCircles("node", 32, two_to_minus(31)),
    Signed("cis", 16, two_to_minus(29)),
    HalfCircles("inclination", 32, two_to_minus(31)),
    Signed("crc_m", 16, two_to_minus(5)),
    HalfCircles("perigee", 32, two_to_minus(31)),
    HalfCircles("node_rate", 24, two_to_minus(43)),
    Signed("bgd_e5a_e1_s", 10, two_to_minus(32)),
)

F_NAV = KeplerMessage(
    1045,
    (*_COMMON, _E5A_STATUS, _E5A_VALIDITY, Reserved(7)),
    system=System.GALILEO,
    first_week=_FIRST_WEEK,
    group_delays=("bgd_e5a_e1_s",),
    health=(_E5A_STATUS, _E5A_VALIDITY),
)

I_NAV = KeplerMessage(
    1046,
    (
        *_COMMON,
        Signed("bgd_e5b_e1_s", 10, two_to_minus(32)),
        _E5B_STATUS,
        _E5B_VALIDITY,
        _E1_STATUS,
        _E1_VALIDITY,
        Reserved(2),
    ),
    system=System.GALILEO,
    first_week=_FIRST_WEEK,
    group_delays=("bgd_e5a_e1_s", "bgd_e5b_e1_s"),
    health=(_E5B_STATUS, _E5B_VALIDITY, _E1_STATUS, _E1_VALIDITY),
)
