"""Messages 1019 (GPS) and 1044 (QZSS): LNAV ephemerides.

Layout: RTCM 10403.3 as open implementations publish and agree on it; steps: IS-GPS-200, tables 20-I and
20-III, and IS-QZSS-PNT.
"""

from __future__ import annotations

from gnss.rtcm.ephemeris_fields import HalfCircles, KeplerMessage, two_to_minus
from gnss.rtcm.fields import Signed, Unsigned
from gnss.systems import System

_CODE_ON_L2 = Unsigned("code_on_l2", 2)
_L2_P_DATA = Unsigned("l2_p_data", 1)
_FIT_INTERVAL = Unsigned("fit_interval", 1)
_HEALTH = Unsigned("health", 6)

FIT_INTERVAL_FLAG = 1
"""Bit of `flags` of both: the fit interval is longer than usual."""

GPS = KeplerMessage(
    1019,
    (
        Unsigned("satellite", 6),
        Unsigned("week", 10),
        Unsigned("accuracy", 4),
        _CODE_ON_L2,
        HalfCircles("inclination_rate", 14, two_to_minus(43)),
        Unsigned("issue", 8),
        Unsigned("toc_s", 16, 16),
        Signed("clock_acceleration", 8, two_to_minus(55)),
        Signed("clock_rate", 16, two_to_minus(43)),
        Signed("clock_s", 22, two_to_minus(31)),
        Unsigned("clock_issue", 10),
        Signed("crs_m", 16, two_to_minus(5)),
        HalfCircles("mean_motion_difference", 16, two_to_minus(43)),
        HalfCircles("mean_anomaly", 32, two_to_minus(31)),
        Signed("cuc", 16, two_to_minus(29)),
        Unsigned("eccentricity", 32, two_to_minus(33)),
        Signed("cus", 16, two_to_minus(29)),
        Unsigned("sqrt_axis", 32, two_to_minus(19)),
        Unsigned("toe_s", 16, 16),
        Signed("cic", 16, two_to_minus(29)),
        HalfCircles("node", 32, two_to_minus(31)),
        Signed("cis", 16, two_to_minus(29)),
        HalfCircles("inclination", 32, two_to_minus(31)),
        Signed("crc_m", 16, two_to_minus(5)),
        HalfCircles("perigee", 32, two_to_minus(31)),
        HalfCircles("node_rate", 24, two_to_minus(43)),
        Signed("tgd_s", 8, two_to_minus(31)),
        _HEALTH,
        _L2_P_DATA,
        _FIT_INTERVAL,
    ),
    system=System.GPS,
    first_week=0,
    group_delays=("tgd_s",),
    health=(_HEALTH,),
    flags=(_CODE_ON_L2, _L2_P_DATA, _FIT_INTERVAL),
)

QZSS = KeplerMessage(
    1044,
    (
        Unsigned("satellite", 4),
        Unsigned("toc_s", 16, 16),
        Signed("clock_acceleration", 8, two_to_minus(55)),
        Signed("clock_rate", 16, two_to_minus(43)),
        Signed("clock_s", 22, two_to_minus(31)),
        Unsigned("issue", 8),
        Signed("crs_m", 16, two_to_minus(5)),
        HalfCircles("mean_motion_difference", 16, two_to_minus(43)),
        HalfCircles("mean_anomaly", 32, two_to_minus(31)),
        Signed("cuc", 16, two_to_minus(29)),
        Unsigned("eccentricity", 32, two_to_minus(33)),
        Signed("cus", 16, two_to_minus(29)),
        Unsigned("sqrt_axis", 32, two_to_minus(19)),
        Unsigned("toe_s", 16, 16),
        Signed("cic", 16, two_to_minus(29)),
        HalfCircles("node", 32, two_to_minus(31)),
        Signed("cis", 16, two_to_minus(29)),
        HalfCircles("inclination", 32, two_to_minus(31)),
        Signed("crc_m", 16, two_to_minus(5)),
        HalfCircles("perigee", 32, two_to_minus(31)),
        HalfCircles("node_rate", 24, two_to_minus(43)),
        HalfCircles("inclination_rate", 14, two_to_minus(43)),
        _CODE_ON_L2,
        Unsigned("week", 10),
        Unsigned("accuracy", 4),
        _HEALTH,
        Signed("tgd_s", 8, two_to_minus(31)),
        Unsigned("clock_issue", 10),
        _FIT_INTERVAL,
    ),
    system=System.QZSS,
    first_week=0,
    group_delays=("tgd_s",),
    health=(_HEALTH,),
    flags=(_CODE_ON_L2, _FIT_INTERVAL),
)
