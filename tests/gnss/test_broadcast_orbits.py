"""Orbits and clocks against RTKLIB and gnssmultipath, and against their own differences."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pytest
from gnssmultipath.SatelliteEphemerisToECEF import GLOStateVec2ECEF, Kepler2ECEF
from hypothesis import given
from hypothesis import strategies as st

from gnss import orbits
from gnss.broadcast_orbits import (
    BEIDOU_GEOSTATIONARY,
    GEOSTATIONARY,
    orbit_columns,
    sin_elevation,
    states,
)
from gnss.ephemeris import GlonassEphemeris, KeplerEphemeris, is_orbit
from gnss.geodesy import ecef_to_geodetic, geodetic_to_ecef
from gnss.rtcm.ephemeris import decode_ephemeris
from gnss.systems import UNKNOWN_CHANNEL, System
from gnss.time import GPS_EPOCH_US, SECOND_US, WEEK_US, gps_to_utc
from tests.gnss.rtcm.ephemeris_samples import captures, messages

HOUR_US = 3600 * SECOND_US
SYSTEMS = {System.GPS, System.GLONASS, System.GALILEO, System.QZSS, System.BEIDOU, System.NAVIC}


@pytest.fixture(scope="module")
def recorded(data):
    """Return all ephemerides of all captures, each once."""
    some = {}
    for path in captures(data / "rtcm3"):
        near_us, payloads = messages(path)
        for payload in set(payloads):
            e = decode_ephemeris(payload, near_us)
            if is_orbit(e):
                some[e.system, e.satellite, e.toe_gps_us, getattr(e, "message", 0)] = e
    assert {e.system for e in some.values()} == SYSTEMS
    return list(some.values())


def row_of(e, letter):
    """Return an ephemeris as gnssmultipath has the record of a file."""
    own_us = e.toe_gps_us - GPS_EPOCH_US - (14 * SECOND_US if e.system is System.BEIDOU else 0)
    row = np.zeros((1, 36), object)
    row[0, 0] = f"{letter}{e.satellite:02d}"
    row[0, 11:27] = [
        *(e.crs_m, e.mean_motion_difference, e.mean_anomaly, e.cuc, e.eccentricity, e.cus, e.sqrt_axis),
        *(own_us % WEEK_US / SECOND_US, e.cic, e.node, e.cis, e.inclination, e.crc_m, e.perigee),
        *(e.node_rate, e.inclination_rate),
    ]
    return row


def test_kepler_orbits_agree_with_gnssmultipath(recorded):
    theirs = Kepler2ECEF(0.0, 0.0, 0.0)
    # QZSS and NavIC have the constants of GPS
    letters = {System.GPS: "G", System.QZSS: "G", System.NAVIC: "G", System.GALILEO: "E", System.BEIDOU: "C"}
    checked = set()
    for e in recorded:
        if not isinstance(e, KeplerEphemeris):
            continue
        columns = orbit_columns([e])
        assert (columns.kind[0] == GEOSTATIONARY) == (
            e.system is System.BEIDOU and e.satellite in BEIDOU_GEOSTATIONARY
        )
        times_us = e.toe_gps_us + np.array([-7200, -3601, 0, 1, 5400, 7200, 14_400]) * SECOND_US
        tow_s = (times_us - GPS_EPOCH_US) % WEEK_US / SECOND_US
        *place, relative_s = theirs.kepler2ecef(row_of(e, letters[e.system]), tow_s)
        dt = (times_us - e.toc_gps_us) / SECOND_US
        clock_s = e.clock_s + e.clock_rate * dt + e.clock_acceleration * dt**2 + relative_s
        for k, time_us in enumerate(times_us.tolist()):
            own = states(columns, time_us)
            assert np.abs(own.position_m[0] - np.array(place)[:, k]).max() < 1e-3
            assert own.clock_s[0] == pytest.approx(clock_s[k], abs=1e-15)
        checked.add((e.system, columns.kind[0]))
    assert len(checked) == 6


def test_geostationary_satellites_stand_still(recorded):
    some = [e for e in recorded if e.system is System.BEIDOU and e.satellite in BEIDOU_GEOSTATIONARY]
    assert len(some) > 10
    for e in some:
        columns = orbit_columns([e])
        here, later = (states(columns, e.toe_gps_us + s * SECOND_US).position_m[0] for s in (0, 3600))
        _, latitude, height_m = ecef_to_geodetic(*here.tolist())
        assert abs(latitude) < 3.0
        assert abs(height_m - 35_786e3) < 80e3
        assert np.linalg.norm(here - later) < 600e3


def test_glonass_agrees_with_gnssmultipath(recorded):
    theirs = GLOStateVec2ECEF()
    some = [e for e in recorded if e.system is System.GLONASS]
    assert len(some) > 50
    for e in some:
        moment = datetime.fromtimestamp(int(gps_to_utc(e.toe_gps_us)) / SECOND_US, UTC)
        row = np.zeros((1, 36), object)
        row[0, 1:9] = [*moment.timetuple()[:6], e.clock_s, e.clock_rate]
        for k in range(3):
            kilometres = np.array([e.position_m[k], e.velocity_m_s[k], e.acceleration_m_s2[k]]) / 1000
            row[0, 10 + 4 * k : 13 + 4 * k] = kilometres
        columns = orbit_columns([e])
        for after_s in (-1800, -901, 0, 30, 899, 2700):
            time_us = e.toe_gps_us + after_s * SECOND_US
            own = states(columns, time_us)
            tow_s = (time_us - GPS_EPOCH_US) % WEEK_US / SECOND_US
            toe_s = (e.toe_gps_us - GPS_EPOCH_US) % WEEK_US / SECOND_US
            if abs(tow_s - toe_s) > 7200:
                continue  # it knows no week's end
            position, velocity, clock_s, _ = theirs.interpolate_glonass_coord_runge_kutta(
                row.copy(), np.array([tow_s])
            )
            # their J2 has three digits less
            assert np.abs(own.position_m[0] - position[0]).max() < 0.05
            assert np.abs(own.velocity_m_s[0] - velocity[0]).max() < 1e-4
            assert own.clock_s[0] == pytest.approx(clock_s[0], abs=1e-14)


def test_glonass_goes_on_where_the_next_ephemeris_begins(recorded):
    some = {}
    for e in recorded:
        if e.system is System.GLONASS:
            some.setdefault(e.satellite, []).append(e)
    steps = []
    for of_one in some.values():
        of_one.sort(key=lambda e: e.toe_gps_us)
        for e, following in pairwise(of_one):
            if following.toe_gps_us - e.toe_gps_us == HOUR_US // 2:
                middle_us = e.toe_gps_us + HOUR_US // 4
                both = states(orbit_columns([e, following]), middle_us).position_m
                steps.append(np.linalg.norm(both[0] - both[1]))
    assert len(steps) == 10
    assert max(steps) < 3.0


def test_velocities_accelerations_and_rates_are_derivatives(recorded):
    columns = orbit_columns(recorded)
    for time_us in (recorded[0].toe_gps_us, recorded[0].toe_gps_us + 1_234_567):
        own = [_near(columns, recorded, time_us, offset) for offset in (-0.5, 0.0, 0.5)]
        velocity = own[2].position_m - own[0].position_m
        acceleration = own[2].velocity_m_s - own[0].velocity_m_s
        assert np.abs(velocity - own[1].velocity_m_s).max() < 2e-5
        assert np.abs(acceleration - own[1].acceleration_m_s2).max() < 1e-3
        rate = own[2].clock_s - own[0].clock_s
        assert np.abs(rate - own[1].clock_rate).max() < 1e-16


def _near(columns, some, time_us, offset_s):
    """Return states with the same time since toe for all, that of the first at `time_us`."""
    after_us = time_us - some[0].toe_gps_us
    offsets = np.array([(e.toe_gps_us + after_us - time_us) * 1e-6 + offset_s for e in some])
    return states(columns, time_us, offsets)


@given(st.floats(0.0, 0.14), st.integers(-1800, 1800))
def test_a_place_at_sending_follows_from_that_at_reception(some_orbits, tau_s, after_s):
    columns = orbit_columns(some_orbits)
    time_us = some_orbits[0].toe_gps_us + after_s * SECOND_US
    now = _near(columns, some_orbits, time_us, 0.0)
    sent = _near(columns, some_orbits, time_us, -tau_s)
    place = now.position_m - tau_s * now.velocity_m_s + tau_s**2 / 2 * now.acceleration_m_s2
    assert np.linalg.norm(place - sent.position_m, axis=1).max() < 1e-4
    assert np.abs(now.clock_s - tau_s * now.clock_rate - sent.clock_s).max() < 1e-15


@pytest.fixture(scope="module")
def some_orbits(recorded):
    """Return one of each system, the geostationary ones and SBAS."""
    kinds = {(e.system, getattr(e, "satellite", 0) in range(1, 6)): e for e in recorded}
    return [*kinds.values(), sbas()]


def sbas(**changes):
    e = GlonassEphemeris(
        system=System.SBAS,
        satellite=36,
        channel=UNKNOWN_CHANNEL,
        toe_gps_us=GPS_EPOCH_US + 2000 * WEEK_US,
        sent_gps_us=GPS_EPOCH_US + 2000 * WEEK_US,
        clock_s=1e-7,
        clock_rate=2e-12,
        position_m=(42_100_000.0, 2_000_000.0, 1000.0),
        velocity_m_s=(1.0, -2.0, 3.0),
        acceleration_m_s2=(1e-4, 2e-4, -3e-4),
        health=0,
        age_days=0,
    )
    return dataclasses.replace(e, **changes)


def test_sbas_is_a_parabola():
    e = sbas()
    own = states(orbit_columns([e]), e.toe_gps_us + 100 * SECOND_US)
    assert own.position_m[0] == pytest.approx([42_100_100.5, 1_999_801.0, 1298.5])
    assert own.velocity_m_s[0] == pytest.approx([1.01, -1.98, 2.97])
    assert own.clock_s[0] == pytest.approx(1e-7 + 2e-10)


@given(st.lists(st.integers(-5400, 5400), min_size=1, max_size=12))
def test_what_was_integrated_before_does_not_matter(glonass_orbits, times_s):
    kept = orbit_columns(glonass_orbits)
    for after_s in times_s:
        time_us = glonass_orbits[0].toe_gps_us + after_s * SECOND_US
        fresh = states(orbit_columns(glonass_orbits), time_us)
        for one, other in zip(states(kept, time_us), fresh, strict=True):
            assert np.array_equal(one, other)


@pytest.fixture(scope="module")
def glonass_orbits(recorded):
    """Return GLONASS at one reference time."""
    some = [e for e in recorded if e.system is System.GLONASS]
    return [e for e in some if e.toe_gps_us == some[0].toe_gps_us]


def test_integration_is_exact_to_a_millimetre(glonass_orbits):
    columns = orbit_columns(glonass_orbits)
    time_us = glonass_orbits[0].toe_gps_us + HOUR_US
    from_end = states(columns, time_us)
    for i, e in enumerate(glonass_orbits):
        back = dataclasses.replace(
            e,
            toe_gps_us=time_us,
            position_m=tuple(from_end.position_m[i]),
            velocity_m_s=tuple(from_end.velocity_m_s[i]),
        )
        at_begin = states(orbit_columns([back]), e.toe_gps_us)
        assert np.abs(at_begin.position_m[0] - e.position_m).max() < 1e-3


def test_times_far_away_end(glonass_orbits):
    far = states(orbit_columns(glonass_orbits), glonass_orbits[0].toe_gps_us + 10_000 * HOUR_US)
    assert np.isnan(far.position_m).all()


def test_elevations_are_those_of_the_local_horizon():
    random = np.random.default_rng(5)
    receiver = np.array(geodetic_to_ecef(121.2, 31.1, 40.0))
    longitude, latitude = np.radians(121.2), np.radians(31.1)
    up = np.array(
        [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)]
    )
    satellites = random.normal(size=(100, 3)) * 2.6e7
    satellites[7] = np.nan
    _, elevation = orbits.azimuth_elevation(satellites, receiver)
    sines = sin_elevation(satellites, receiver, up)
    assert np.allclose(sines, np.sin(elevation), atol=1e-12, equal_nan=True)
    assert np.isnan(sines[7])
