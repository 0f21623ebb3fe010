"""Message 1041: NavIC (IRNSS) ephemerides.

Layout: RTCM 10403.3 with its amendments as open implementations publish and agree on it; steps: IRNSS SIS ICD
for SPS, table 11 (clock) and table 12 (ephemeris).
"""

from __future__ import annotations

from gnss.rtcm.ephemeris_fields import HalfCircles, KeplerMessage, two_to_minus
from gnss.rtcm.fields import Reserved, Signed, Unsigned
from gnss.systems import System

_L5_FLAG, _S_FLAG = Unsigned("l5_flag", 1), Unsigned("s_flag", 1)

NAVIC = KeplerMessage(
    1041,
    (
        Unsigned("satellite", 6),
        Unsigned("week", 10),
        Signed("clock_s", 22, two_to_minus(31)),
        Signed("clock_rate", 16, two_to_minus(43)),
        Signed("clock_acceleration", 8, two_to_minus(55)),
        Unsigned("accuracy", 4),
        Unsigned("toc_s", 16, 16),
        Signed("tgd_s", 8, two_to_minus(31)),
        HalfCircles("mean_motion_difference", 22, two_to_minus(41)),
        Unsigned("issue", 8),
        Reserved(10),
        _L5_FLAG,
        _S_FLAG,
        Signed("cuc", 15, two_to_minus(28)),
        Signed("cus", 15, two_to_minus(28)),
        Signed("cic", 15, two_to_minus(28)),
        Signed("cis", 15, two_to_minus(28)),
        Signed("crc_m", 15, two_to_minus(4)),
        Signed("crs_m", 15, two_to_minus(4)),
        HalfCircles("inclination_rate", 14, two_to_minus(43)),
        HalfCircles("mean_anomaly", 32, two_to_minus(31)),
        Unsigned("toe_s", 16, 16),
        Unsigned("eccentricity", 32, two_to_minus(33)),
        Unsigned("sqrt_axis", 32, two_to_minus(19)),
        HalfCircles("node", 32, two_to_minus(31)),
        HalfCircles("perigee", 32, two_to_minus(31)),
        HalfCircles("node_rate", 22, two_to_minus(41)),
        HalfCircles("inclination", 32, two_to_minus(31)),
        Reserved(4),
    ),
    system=System.NAVIC,
    first_week=1024,
    group_delays=("tgd_s",),
    health=(_L5_FLAG, _S_FLAG),
)
