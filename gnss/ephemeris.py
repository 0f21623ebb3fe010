"""Broadcast ephemerides as values: what RTCM messages, RINEX navigation files and the simulator share.

All values are in SI units and radians; times are GPS time in us as `gnss.time` counts it (BeiDou's own time
has 14 s added, GLONASS's UTC its leap seconds), without roll-over.
"""

from __future__ import annotations

from dataclasses import dataclass

from gnss.systems import System


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
    """0: usable. The bits as the message has them."""
    accuracy: int
    """URA or SISA index as sent."""
    flags: int = 0
    """Rest of the message that orbits do not need (code on L2, P flag, fit interval), as it packs them."""


@dataclass(frozen=True, slots=True)
class GlonassEphemeris:
    """GLONASS (ICD 5.1): a state vector in PZ-90 that is integrated; SBAS (1043) uses it too."""

    system: System
    satellite: int
    channel: int
    """Frequency number, -7 to 13; `gnss.systems.UNKNOWN_CHANNEL` of SBAS."""
    toe_gps_us: int
    """t_b."""
    sent_gps_us: int
    """t_k: begin of the frame."""
    clock_s: float
    """Correction that is added to GLONASS time: -tau_n."""
    clock_rate: float
    """gamma_n."""
    position_m: tuple[float, float, float]
    velocity_m_s: tuple[float, float, float]
    acceleration_m_s2: tuple[float, float, float]
    health: int
    """0: usable."""
    age_days: int
    """E_n."""
    flags: int = 0
    """Rest of the message (P, P1 to P4, FT, NT, N4, M ...), as it packs them."""
    delta_tau_s: float = 0.0
    """Between L2 and L1."""


Ephemeris = KeplerEphemeris | GlonassEphemeris
