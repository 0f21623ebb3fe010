"""The ephemerides that the simulated satellites broadcast: issue after issue, on the grid of their messages.

Each satellite has an orbit and a clock that go on for all times; an issue describes them around its
reference time, rounded as its message is. So two issues that follow each other agree within a metre half way
between their reference times (GLONASS, whose grid has 0.5 m and 1 mm/s; the others within 0.3 m), and the
same epoch has the same ephemerides whoever asks and when.

The simulator's own time (`time_s` of `gnss.orbits`) is GPS time in seconds since `ORIGIN_GPS_US`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from gnss.broadcast_orbits import BEIDOU_GEOSTATIONARY
from gnss.constellations import Constellation
from gnss.ephemeris import Ephemeris, GlonassEphemeris, KeplerEphemeris
from gnss.orbits import Elements
from gnss.rtcm.ephemeris import decode_ephemeris, encode_ephemeris
from gnss.simulate import glonass_orbit
from gnss.systems import System
from gnss.time import GPS_EPOCH_US, SECOND_US, WEEK_US, gps_to_utc, utc_to_gps

ORIGIN_GPS_US = GPS_EPOCH_US + 2347 * WEEK_US
"""2024-12-29. A multiple of all intervals of issues."""
NODE_RATE = {System.GPS: -8.0e-9, System.GALILEO: -5.6e-9, System.QZSS: -2.5e-9, System.BEIDOU: -6.5e-9}
"""rad/s: what J2 does to the node of such an orbit, roughly."""
MEAN_MOTION_DIFFERENCE = 4.5e-9
"""rad/s; that of geosynchronous orbits makes them follow the Earth."""
CLOCK_AMPLITUDE_S, CLOCK_PERIOD_S = 2e-5, 60 * 86_400.0
"""A clock's slow wave: its rate reaches 2.4e-11, and an hour of it departs from a line by 0.2 ns."""
BEIDOU_BEHIND_US = 14 * SECOND_US
_GEO_TILT = np.radians(5.0)
"""BDS-SIS-ICD: the elements of a geostationary orbit are given in axes that are tilted by this."""
_GM = {System.GPS: 3.986005e14, System.QZSS: 3.986005e14}
_OTHER_GM = 3.986004418e14
_ROTATION = {System.BEIDOU: 7.2921150e-5, System.GLONASS: glonass_orbit.EARTH_ROTATION_RAD_S}
_OTHER_ROTATION = 7.2921151467e-5
_MESSAGE = {System.GPS: 1019, System.GALILEO: 1046, System.QZSS: 1044, System.BEIDOU: 1042}
_HOUR_US = 3600 * SECOND_US

E = TypeVar("E", KeplerEphemeris, GlonassEphemeris)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """When the issues of a system have their reference time, and when they are sent."""

    interval_us: int
    behind_us: int
    """Of the reference times behind whole intervals of GPS time (GLONASS: UTC)."""
    sent_after_us: int
    """Begin of sending, behind the reference time; it ends an interval later."""


RHYTHM = {
    System.GPS: Rhythm(2 * _HOUR_US, 0, -2 * _HOUR_US),
    System.GLONASS: Rhythm(_HOUR_US // 2, _HOUR_US // 4, -_HOUR_US // 4),
    System.GALILEO: Rhythm(_HOUR_US, 0, 600 * SECOND_US),
    System.QZSS: Rhythm(2 * _HOUR_US, 0, -2 * _HOUR_US),
    System.BEIDOU: Rhythm(_HOUR_US, BEIDOU_BEHIND_US, 0),
}
"""GPS and QZSS send ahead of the reference time, Galileo and BeiDou behind it, GLONASS around it."""


def sent_issue(system: System, gps_us: int) -> int:
    """Return the number of the issue that a system's satellites send at a time."""
    rhythm = RHYTHM[system]
    since_us = _own_us(system, gps_us) - ORIGIN_GPS_US - rhythm.behind_us - rhythm.sent_after_us
    return since_us // rhythm.interval_us


def reference_gps_us(system: System, issue: int) -> int:
    """Return the reference time of an issue."""
    rhythm = RHYTHM[system]
    own_us = ORIGIN_GPS_US + issue * rhythm.interval_us + rhythm.behind_us
    return int(utc_to_gps(own_us)) if system is System.GLONASS else own_us


def nearest_issues(system: System, gps_us: int) -> tuple[int, int, float]:
    """Return the issues whose reference times are around a time, and where it is between them, 0 to 1."""
    rhythm = RHYTHM[system]
    since_us = _own_us(system, gps_us) - ORIGIN_GPS_US - rhythm.behind_us
    issue, rest_us = divmod(since_us, rhythm.interval_us)
    return issue, issue + 1, rest_us / rhythm.interval_us


def _own_us(system: System, gps_us: int) -> int:
    return int(gps_to_utc(gps_us)) if system is System.GLONASS else gps_us


class Satellite:
    """One satellite's orbit and clock, and the ephemerides that describe them."""

    def __init__(self, constellation: Constellation, at: int) -> None:
        self.system = constellation.system
        self.satellite = int(constellation.satellite[at])
        self.channel = int(constellation.channel[at])
        self.signals = constellation.signals[at]
        elements = Elements(*(column[at] for column in constellation.elements))
        self._axis_m, self._eccentricity = float(elements.semi_major_axis_m), float(elements.eccentricity)
        self._inclination, self._node = float(elements.inclination), float(elements.node)
        self._perigee, self._anomaly = float(elements.perigee), float(elements.mean_anomaly)
        random = np.random.Generator(np.random.Philox(key=[int(self.system), self.satellite]))
        self._clock_bias_s = float(random.uniform(-3e-4, 3e-4))
        self._clock_phase = float(random.uniform(0, 2 * np.pi))
        self._delays_s = tuple(float(v) for v in random.uniform(-6e-9, 6e-9, 2))
        self._harmonics = random.uniform(-1, 1, 6)
        self._is_geostationary = self.system is System.BEIDOU and self.satellite in BEIDOU_GEOSTATIONARY
        self._rotation = _ROTATION.get(self.system, _OTHER_ROTATION)
        if self.system is not System.GLONASS:
            self._begin_kepler()

    def issue(self, number: int) -> Ephemeris:
        """Return an issue as its message gives it back."""
        toe_gps_us = reference_gps_us(self.system, number)
        since_s = (toe_gps_us - ORIGIN_GPS_US) / 1e6
        angle = 2 * np.pi * since_s / CLOCK_PERIOD_S + self._clock_phase
        clock_s = self._clock_bias_s + CLOCK_AMPLITUDE_S * float(np.sin(angle))
        clock_rate = CLOCK_AMPLITUDE_S * 2 * np.pi / CLOCK_PERIOD_S * float(np.cos(angle))
        if self.system is System.GLONASS:
            return on_grid(self._state_vector(toe_gps_us, since_s, clock_s, clock_rate))
        count = number % (24 if self.system is System.BEIDOU else 256)
        return on_grid(
            replace(
                self._elements_at(since_s),
                toe_gps_us=toe_gps_us,
                toc_gps_us=toe_gps_us,
                issue=count,
                clock_issue=-1 if self.system is System.GALILEO else count,
                clock_s=clock_s,
                clock_rate=clock_rate,
            )
        )

    def _begin_kepler(self) -> None:
        """Round once what all issues have in common, so that the mean motion of all is the same."""
        is_medium = self._axis_m < 4e7
        crs_m, crc_m, cuc, cus, cic, cis = self._harmonics * (
            (60.0, 300.0, 4e-6, 9e-6, 1e-7, 1e-7) if not self._is_geostationary else (0.0,) * 6
        )
        first, second = self._delays_s
        self._common = on_grid(
            KeplerEphemeris(
                system=self.system,
                satellite=self.satellite,
                message=_MESSAGE[self.system],
                toe_gps_us=reference_gps_us(self.system, 0),
                toc_gps_us=reference_gps_us(self.system, 0),
                issue=0,
                clock_issue=-1 if self.system is System.GALILEO else 0,
                clock_s=0.0,
                clock_rate=0.0,
                clock_acceleration=0.0,
                sqrt_axis=float(np.sqrt(self._axis_m)),
                eccentricity=self._eccentricity,
                mean_anomaly=_half_turn(self._anomaly),
                perigee=_half_turn(self._perigee),
                node=_half_turn(self._node),
                inclination=_GEO_TILT if self._is_geostationary else self._inclination,
                mean_motion_difference=MEAN_MOTION_DIFFERENCE if is_medium else 0.0,
                node_rate=NODE_RATE[self.system] if is_medium else 0.0,
                inclination_rate=0.0,
                cuc=cuc,
                cus=cus,
                crc_m=crc_m,
                crs_m=crs_m,
                cic=cic,
                cis=cis,
                group_delay_s=(first, 0.0 if self.system in {System.GPS, System.QZSS} else second),
                health=0,
                accuracy=107 if self.system is System.GALILEO else 0,
            )
        )
        if not is_medium:
            self._hold_place()

    def _hold_place(self) -> None:
        """Choose the difference of the mean motion so that the orbit follows the Earth's rotation."""
        free = np.sqrt(_GM.get(self.system, _OTHER_GM)) / self._common.sqrt_axis**3
        self._common = on_grid(replace(self._common, mean_motion_difference=float(self._rotation - free)))

    def _elements_at(self, since_s: float) -> KeplerEphemeris:
        common = self._common
        free = np.sqrt(_GM.get(self.system, _OTHER_GM)) / common.sqrt_axis**3
        anomaly = self._anomaly + (free + common.mean_motion_difference) * since_s
        if self._is_geostationary:
            # At each reference time the node of the tilted plane is at 180 degrees of longitude, and anomaly
            # and perigee together lead from there to the satellite.
            longitude = self._node + self._perigee + self._anomaly
            return replace(
                common,
                mean_anomaly=_half_turn(anomaly),
                perigee=_half_turn(longitude - np.pi - anomaly),
                node=_half_turn(np.pi + self._rotation * self._week_s(since_s)),
            )
        node = self._node + (common.node_rate - self._rotation) * since_s
        return replace(
            common,
            mean_anomaly=_half_turn(anomaly),
            node=_half_turn(node + self._rotation * self._week_s(since_s)),
        )

    def _week_s(self, since_s: float) -> float:
        """Return the time of the week in the system's own time."""
        behind_s = BEIDOU_BEHIND_US / 1e6 if self.system is System.BEIDOU else 0.0
        return (since_s - behind_s) % (WEEK_US / 1e6)

    def _state_vector(
        self, toe_gps_us: int, since_s: float, clock_s: float, clock_rate: float
    ) -> GlonassEphemeris:
        orbit = glonass_orbit.revolution(self._axis_m, self._inclination)
        argument = self._perigee + self._anomaly
        since_node_s = since_s + argument / (2 * np.pi) * orbit.period_s
        state = glonass_orbit.state_at(orbit, since_node_s)
        state = glonass_orbit.turned(state, self._rotation * since_s - self._node)
        x, y, z, vx, vy, vz = (float(v) for v in state)
        return GlonassEphemeris(
            system=self.system,
            satellite=self.satellite,
            channel=self.channel,
            toe_gps_us=toe_gps_us,
            sent_gps_us=toe_gps_us + RHYTHM[self.system].sent_after_us,
            clock_s=clock_s,
            clock_rate=clock_rate,
            position_m=(x, y, z),
            velocity_m_s=(vx + self._rotation * y, vy - self._rotation * x, vz),
            acceleration_m_s2=(0.0, 0.0, 0.0),
            health=0,
            age_days=0,
            delta_tau_s=self._delays_s[0],
        )


def on_grid(ephemeris: E) -> E:
    """Return an ephemeris as its message gives it back."""
    near_us = int(gps_to_utc(ephemeris.toe_gps_us))
    back = decode_ephemeris(encode_ephemeris(ephemeris), near_us)
    if back is None or type(back) is not type(ephemeris):
        msg = f"an ephemeris of {ephemeris.system.name} {ephemeris.satellite} does not come back"
        raise ValueError(msg)
    return back


def satellites(constellations: Sequence[Constellation]) -> tuple[Satellite, ...]:
    """Return all satellites of all constellations, in the order of system and number."""
    every = [Satellite(c, i) for c in constellations for i in range(len(c.satellite))]
    return tuple(sorted(every, key=lambda s: (s.system, s.satellite)))


def _half_turn(angle: float) -> float:
    """Return an angle between -pi and the last step of 2**-31 half circles before pi, as messages have it."""
    return min(float((angle + np.pi) % (2 * np.pi) - np.pi), np.pi * (1 - 2.0**-30))
