"""Orbits against a numerical integration of gravity, and directions against a second derivation."""

import numpy as np
import pytest

from gnss import orbits
from gnss.constellations import nominal
from gnss.systems import System


def rotated(position, angle):
    """Rotate about z: from Earth-fixed axes to inertial ones."""
    c, s = np.cos(angle), np.sin(angle)
    x, y, z = position
    return np.array([c * x - s * y, s * x + c * y, z])


@pytest.mark.parametrize("constellation", nominal(), ids=lambda c: f"{c.system.name}-{len(c.satellite)}")
def test_positions_follow_newtons_law(constellation):
    elements = orbits.Elements(*(column[:1] for column in constellation.elements))

    def inertial(t):
        return rotated(orbits.positions(elements, t)[0], orbits.EARTH_ROTATION_RAD_S * t)

    step = 10.0
    state = np.concatenate((inertial(0.0), (inertial(0.5) - inertial(-0.5)) / 1.0))

    def slope(y):
        r = np.linalg.norm(y[:3])
        return np.concatenate((y[3:], -orbits.EARTH_GM_M3_S2 * y[:3] / r**3))

    for _ in range(720):  # two hours by Runge and Kutta
        k1 = slope(state)
        k2 = slope(state + step / 2 * k1)
        k3 = slope(state + step / 2 * k2)
        k4 = slope(state + step * k3)
        state = state + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    assert np.linalg.norm(state[:3] - inertial(7200.0)) < 5.0  # the start velocity is a difference quotient


def test_kepler_equation_is_solved():
    mean = np.linspace(0, 2 * np.pi, 101)
    for e in (0.0, 0.01, 0.3):
        ecc = orbits.eccentric_anomaly(mean, np.full(101, e))
        assert np.abs(ecc - e * np.sin(ecc) - mean).max() < 1e-11


def test_directions_agree_with_a_second_derivation():
    random = np.random.default_rng(1)
    latitude, longitude = np.radians(31.1), np.radians(121.2)
    a, f = 6378137.0, 1 / 298.257223563
    e2 = f * (2 - f)
    n = a / np.sqrt(1 - e2 * np.sin(latitude) ** 2)
    normal = np.array(
        [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)]
    )
    receiver = np.array([n, n, n * (1 - e2)]) * normal
    satellites = random.normal(size=(200, 3)) * 2.6e7
    azimuth, elevation = orbits.azimuth_elevation(satellites, receiver)
    line = satellites - receiver
    line /= np.linalg.norm(line, axis=1)[:, None]
    assert np.allclose(np.sin(elevation), line @ normal, atol=1e-9)
    pole = np.array([0.0, 0.0, 1.0])
    east = np.cross(pole, normal)
    east /= np.linalg.norm(east)
    north = np.cross(normal, east)
    assert np.allclose(np.cos(elevation) * np.sin(azimuth), line @ east, atol=1e-9)
    assert np.allclose(np.cos(elevation) * np.cos(azimuth), line @ north, atol=1e-9)


def test_light_time_is_consistent():
    gps = nominal()[0]
    receiver = np.array([-2831733.0, 4675666.0, 3275369.0])
    range_m, at = orbits.ranges(gps.elements, 1000.0, receiver)
    assert np.allclose(range_m, np.linalg.norm(at - receiver, axis=1), atol=1e-3)
    travel = range_m / 299_792_458.0
    sent = orbits.positions(gps.elements, 1000.0 - travel)
    turned = np.array(
        [rotated(p, -orbits.EARTH_ROTATION_RAD_S * t) for p, t in zip(sent, travel, strict=True)]
    )
    assert np.allclose(turned, at, atol=1e-3)


def test_a_country_sees_enough_satellites():
    receiver = np.array([-2831733.0, 4675666.0, 3275369.0])
    for hour in range(0, 24, 3):
        seen = {}
        for c in nominal():
            _, at = orbits.ranges(c.elements, hour * 3600.0, receiver)
            _, elevation = orbits.azimuth_elevation(at, receiver)
            seen[c.system] = seen.get(c.system, 0) + int((elevation > np.radians(7)).sum())
        assert 6 <= seen[System.GPS] <= 14
        assert 5 <= seen[System.BEIDOU] <= 16
        assert seen[System.GALILEO] >= 4
        assert seen[System.GLONASS] >= 4
