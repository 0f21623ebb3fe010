"""Codes of an invented sky, exact: inertial geometry, and delays in the satellites by the words of the ICDs.

Nothing here is shared with the kernel but the troposphere: light goes straight in the inertial frame from
where a satellite is to where the turning Earth has taken the station.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gnss.geodesy import ecef_to_geodetic, geodetic_to_ecef
from gnss.quality.bands import CHANNEL_STEP_HZ, FREQUENCY_HZ
from gnss.quality.position import solve
from gnss.systems import System
from gnss.troposphere import mapping, zenith_delay_m

C = 299_792_458.0
OMEGA = 7.2921151467e-5
GM = 3.986004418e14
L1, L2, L5, E5B, S_BAND = 1575.42e6, 1227.6e6, 1176.45e6, 1207.14e6, 2492.028e6
RADIUS_M = {0: 26.56e6, 1: 25.51e6, 2: 29.6e6, 4: 42.16e6, 5: 27.9e6, 6: 42.16e6}
DUAL = {0: (2, 10), 1: (2, 8), 2: (2, 23), 4: (2, 16), 5: (2, 8), 6: (22, 8)}
"""Signals of a system: L1 C/A and L2 P(Y), E1 and E5a, B1I and B3I ..."""


def turn(vectors: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
    """Turn the frame about z: coordinates of the same vectors in a frame that is `angle` further."""
    c, s = np.cos(angle), np.sin(angle)
    return vectors @ np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]]).T


@dataclass
class ExactSky:
    """Satellites on circles, with clocks and delays; the frames agree at time 0, the epoch's time."""

    station_m: NDArray[np.float64]
    rng: np.random.Generator
    clock_s: float = 0.0
    """Of the receiver."""
    system_clock_s: dict[int, float] = field(default_factory=dict)
    """What the receiver adds for a system."""
    electrons_m2: float = 3e17
    of_fnav: bool = False
    """Galileo's clock is that of E1/E5a."""
    rows: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.usable = np.zeros(448, np.uint8)
        self.position, self.velocity, self.acceleration = (np.full((448, 3), np.nan) for _ in range(3))
        self.clock, self.rate = np.full(448, np.nan), np.full(448, np.nan)
        self.group_delay = np.full((448, 2), np.nan)
        self.columns: list[tuple[int, int, int, int, float, float]] = []
        longitude, latitude, self.height_m = ecef_to_geodetic(*(float(v) for v in self.station_m))
        lon, lat = np.radians(longitude), np.radians(latitude)
        self.sin_lat = float(np.sin(lat))
        self.east = np.array([-np.sin(lon), np.cos(lon), 0.0])
        self.north = np.array([-np.sin(lat) * np.cos(lon), -np.sin(lat) * np.sin(lon), np.cos(lat)])
        self.up = np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])

    def add(self, system: int, satellite: int, signals: tuple[int, ...] = (), channel: int = 0) -> None:
        """Add a satellite somewhere above 12 degrees, and its codes."""
        row = system * 64 + satellite - 1
        elevation, azimuth = np.radians(self.rng.uniform(12, 89)), self.rng.uniform(0, 2 * np.pi)
        ray = np.cos(elevation) * (np.cos(azimuth) * self.north + np.sin(azimuth) * self.east)
        ray = ray + np.sin(elevation) * self.up
        radius = RADIUS_M[system]
        along = -ray @ self.station_m
        along += np.sqrt(along**2 + radius**2 - self.station_m @ self.station_m)
        at = self.station_m + along * ray
        sideways = np.cross(at, self.rng.normal(size=3))
        sideways *= radius / np.linalg.norm(sideways)
        motion = np.sqrt(GM / radius**3)
        axis = np.array([0.0, 0.0, OMEGA])
        speed, pull = motion * sideways, -(motion**2) * at
        self.position[row] = at
        self.velocity[row] = speed - np.cross(axis, at)
        self.acceleration[row] = pull - 2 * np.cross(axis, speed) + np.cross(axis, np.cross(axis, at))
        offset, drift = self.rng.uniform(-5e-4, 5e-4), self.rng.uniform(-1e-10, 1e-10)
        delays = {g: self.rng.uniform(-15e-9, 15e-9) for g in range(1, 33)}
        told, first, second = self._broadcast(system, delays)
        self.clock[row], self.rate[row] = offset - told, drift
        self.group_delay[row] = first, second
        self.usable[row] = 1
        self.rows.append((system, satellite))

        received = -self.clock_s - self.system_clock_s.get(system, 0.0)
        station = turn(self.station_m, -OMEGA * received)
        sent = received - 0.075
        for _ in range(8):
            place = at * np.cos(motion * sent) + sideways * np.sin(motion * sent)
            sent = received - np.linalg.norm(place - station) / C
        code_m = C * (0.0 - (sent + offset + drift * sent))
        # elevation of where the ray comes from, in the Earth-fixed frame of reception
        seen = turn(place, OMEGA * received) - self.station_m
        delay = zenith_delay_m(self.height_m, self.sin_lat) * mapping(seen @ self.up / np.linalg.norm(seen))
        for signal in signals or DUAL[system]:
            hz = FREQUENCY_HZ[system, signal] + CHANNEL_STEP_HZ[system, signal] * channel
            late_m = C * delays[self._carrier(system, signal)] + 40.3 * self.electrons_m2 / hz**2
            self.columns.append((system, satellite, signal, channel, code_m + delay + late_m, 45.0))

    def _carrier(self, system: int, signal: int) -> int:
        """Return the signal of the same carrier that stands for it: they leave together."""
        same = {System.GPS: {3: 2, 4: 2, 8: 10, 9: 10, 16: 10}, System.GLONASS: {3: 2, 9: 8}}
        return same.get(System(system), {}).get(signal, signal)

    def _broadcast(self, system: int, delays: dict[int, float]) -> tuple[float, float, float]:
        """Return what the told clock is later than the satellite's own, and the two group delays."""

        def combined(one: int, two: int, f1: float, f2: float) -> float:
            return (f1**2 * delays[one] - f2**2 * delays[two]) / (f1**2 - f2**2)

        def difference(one: int, two: int, f1: float, f2: float) -> float:
            return (delays[one] - delays[two]) / (1 - (f1 / f2) ** 2)

        if system in (System.GPS, System.QZSS):
            second = 10 if system == System.GPS else 16
            return combined(2, second, L1, L2), difference(2, second, L1, L2), 0.0
        if system == System.GLONASS:
            return delays[2], delays[8] - delays[2], 0.0
        if system == System.GALILEO:
            bgd_a, bgd_b = difference(2, 23, L1, L5), difference(2, 15, L1, E5B)
            if self.of_fnav:
                return combined(2, 23, L1, L5), bgd_a, 0.0
            return combined(2, 15, L1, E5B), bgd_a, bgd_b
        if system == System.BEIDOU:
            return delays[8], delays[2] - delays[8], delays[14] - delays[8]
        return combined(8, 22, S_BAND, L5), difference(8, 22, S_BAND, L5), 0.0

    def solve(
        self, start_m: NDArray[np.float64], errors_m: NDArray[np.float64] | float = 0.0
    ) -> tuple[int, NDArray[np.float64]]:
        """Return the satellites and the figures of the kernel, with errors added to the codes."""
        system, satellite, signal, _, range_m, cn0 = (np.array(c) for c in zip(*self.columns, strict=True))
        out = np.full(8, np.nan)
        used = solve(
            system.astype(np.uint8), satellite.astype(np.uint8), signal.astype(np.uint8),
            range_m + errors_m, cn0, self.usable, self.position, self.velocity,
            self.acceleration, self.clock, self.rate, self.group_delay,
            np.asarray(start_m, float), out,
        )  # fmt: skip
        return used, out


def exact_sky(seed: int, counts: dict[int, int], **rest: object) -> ExactSky:
    """Return a sky over a random station, with so many satellites of each system."""
    rng = np.random.default_rng(seed)
    place = geodetic_to_ecef(rng.uniform(-180, 180), rng.uniform(-85, 85), rng.uniform(-50, 4000))
    sky = ExactSky(np.array(place), rng, **rest)  # type: ignore[arg-type]
    for system, count in counts.items():
        for k in range(count):
            channel = int(rng.integers(-7, 7)) if system == System.GLONASS else 0
            sky.add(system, k + (19 if system == System.BEIDOU else 1), channel=channel)
    return sky
