"""Broadcast ephemerides as values: what RTCM messages, RINEX navigation files and the simulator share.

All values are in SI units and radians; times are GPS time in us as `gnss.time` counts it (BeiDou's own time
has 14 s added, GLONASS's UTC its leap seconds), without roll-over.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from gnss.systems import System

BEIDOU_BEHIND_GPS_S = 14
"""BeiDou's time began as UTC on 2006-01-01, when GPS time was 14 s ahead."""


@dataclass(frozen=True, slots=True)
class KeplerEphemeris:
    """GPS, Galileo, QZSS, BeiDou, NavIC (IS-GPS-200 table 20-III and its relatives)."""

    system: System
    satellite: int
    """As in RINEX: G01 is 1, J01 is 1."""
    message: int
    """RTCM number that carries it: 1019, 1041, 1042, 1044, 1045 (F/NAV) or 1046 (I/NAV)."""
    toe_gps_us: int
    toc_gps_us: int
    issue: int
    """IODE, IODnav, AODE or IODEC, as the message counts it."""
    clock_issue: int
    """IODC or AODC; -1 where the message has none."""
    clock_s: float
    clock_rate: float
    """s/s."""
    clock_acceleration: float
    """s/s^2."""
    sqrt_axis: float
    """Square root of the semi-major axis, m^0.5."""
    eccentricity: float
    mean_anomaly: float
    perigee: float
    node: float
    """Longitude of the ascending node at the begin of the week."""
    inclination: float
    mean_motion_difference: float
    """rad/s."""
    node_rate: float
    inclination_rate: float
    cuc: float
    cus: float
    crc_m: float
    crs_m: float
    cic: float
    cis: float
    group_delay_s: tuple[float, float]
    """TGD or BGD: (TGD, 0) of GPS, QZSS, NavIC; (E5a/E1, E5b/E1) of Galileo; (TGD1, TGD2) of BeiDou."""
    health: int
    """The bits as the message has them, signal after signal; `is_usable` reads them."""
    accuracy: int
    """URA or SISA index as sent."""
    flags: int = 0
    """Rest of the message, as it packs them. GPS: code on L2 (2 bits), P flag, fit interval; QZSS: code on
    L2, fit interval; so the lowest bit of both is the fit interval."""


@dataclass(frozen=True, slots=True)
class GlonassEphemeris:
    """GLONASS (ICD 5.1): a state vector in PZ-90 that is integrated; SBAS (1043) uses it too."""

    system: System
    satellite: int
    channel: int
    """Frequency number, -7 to 13; `gnss.systems.UNKNOWN_CHANNEL` of SBAS, or when it is not told."""
    toe_gps_us: int
    """t_b; SBAS: t_0."""
    sent_gps_us: int
    """t_k: begin of the frame; SBAS: as `toe_gps_us` where it is not told."""
    clock_s: float
    """How much the satellite's clock is ahead of the system's time: -tau_n; SBAS: a_Gf0."""
    clock_rate: float
    """gamma_n; SBAS: a_Gf1, s/s."""
    position_m: tuple[float, float, float]
    velocity_m_s: tuple[float, float, float]
    acceleration_m_s2: tuple[float, float, float]
    health: int
    """0: usable. The highest bit of B_n; SBAS: 1 when its accuracy says "do not use"."""
    age_days: int
    """E_n."""
    flags: int = 0
    """Rest of the message, as it packs them: l_n, C_n, whether C_n is told, P1 (2 bits), P2, P3, P (2), P4,
    F_T (4), M (2); SBAS: accuracy (4), issue (8)."""
    delta_tau_s: float = 0.0
    """How much later L2 leaves the satellite than L1."""


Ephemeris = KeplerEphemeris | GlonassEphemeris

SATELLITES = 64
"""Most satellites of a system."""
_L1CA_AND_L1CB, _OTHERS_OF_QZSS = 0b010001, 0b101110
_SQRT_AXIS = (4900.0, 6700.0)
_MOST_ECCENTRICITY = 0.5
_RADIUS_M = {System.GLONASS: (2.3e7, 2.8e7), System.SBAS: (4.0e7, 4.4e7)}
_MOST_SPEED_M_S = 6000.0
_MOST_CLOCK_S = 0.1


def is_usable(ephemeris: Ephemeris) -> bool:
    """Return whether the satellite calls itself healthy.

    QZSS has L1C/A or L1C/B and says of the other one that it is bad, so that only both count (IS-QZSS-PNT,
    5.4.2.1; the bit of L1C/B was that of the experimental signal before).
    """
    if ephemeris.system is System.QZSS:
        bits = ephemeris.health
        return not bits & _OTHERS_OF_QZSS and bits & _L1CA_AND_L1CB != _L1CA_AND_L1CB
    return ephemeris.health == 0


def is_orbit(ephemeris: Ephemeris) -> bool:
    """Return whether a navigation satellite can be like that: a message may hold zeros or nonsense."""
    if not (1 <= ephemeris.satellite <= SATELLITES and abs(ephemeris.clock_s) < _MOST_CLOCK_S):
        return False
    if isinstance(ephemeris, KeplerEphemeris):
        return (
            _SQRT_AXIS[0] < ephemeris.sqrt_axis < _SQRT_AXIS[1]
            and 0.0 <= ephemeris.eccentricity < _MOST_ECCENTRICITY
            and all(math.isfinite(value) for value in _numbers(ephemeris))
        )
    least_m, most_m = _RADIUS_M.get(ephemeris.system, (0.0, 0.0))
    return (
        least_m < math.hypot(*ephemeris.position_m) < most_m
        and math.hypot(*ephemeris.velocity_m_s) < _MOST_SPEED_M_S
        and math.hypot(*ephemeris.acceleration_m_s2) < 1.0
        and abs(ephemeris.clock_rate) < 1.0
    )


def _numbers(e: KeplerEphemeris) -> tuple[float, ...]:
    angles = (e.mean_anomaly, e.perigee, e.node, e.inclination)
    rates = (e.mean_motion_difference, e.node_rate, e.inclination_rate, e.clock_rate, e.clock_acceleration)
    return (*angles, *rates, e.cuc, e.cus, e.crc_m, e.crs_m, e.cic, e.cis, *e.group_delay_s)
