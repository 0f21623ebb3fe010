"""The simulated sky: ephemerides on the grid of their messages, and satellites that fly by them."""

from __future__ import annotations

import numpy as np
import pytest

from gnss.broadcast_orbits import orbit_columns, states
from gnss.ephemeris import GlonassEphemeris
from gnss.ephemeris_book import EphemerisBook
from gnss.geodesy import ecef_to_geodetic
from gnss.rtcm.ephemeris import decode_ephemeris, encode_ephemeris
from gnss.rtcm.signals import frequency_hz
from gnss.simulate import SimulatedSky, SimulatedStation
from gnss.simulate import glonass_orbit as orbit
from gnss.simulate.broadcast import RHYTHM, nearest_issues, reference_gps_us, sent_issue
from gnss.simulate.sky import late_by_s
from gnss.sky import sky_at
from gnss.systems import System
from gnss.time import utc_to_gps

SECOND_US = 1_000_000
HOUR_US = 3600 * SECOND_US
START_US = 1_790_000_010 * SECOND_US
C_M_S = 299_792_458.0
DATES_US = [START_US, START_US + 86_400 * 700 * SECOND_US, 1_735_430_385 * SECOND_US]
"""The last is at the begin of a GPS week."""


@pytest.fixture(scope="module")
def sky() -> SimulatedSky:
    return SimulatedSky()


@pytest.mark.parametrize("time_us", DATES_US)
def test_ephemerides_are_what_their_messages_carry(sky: SimulatedSky, time_us: int):
    sent = sky.ephemerides(time_us)
    assert len(sent) == len(sky.satellites) == 111
    for e in sent:
        assert decode_ephemeris(encode_ephemeris(e), time_us) == e
        assert e.health == 0
    times = {system: {e.toe_gps_us for e in sent if e.system is system} for system in sky.systems}
    assert all(len(some) == 1 for some in times.values())


@pytest.mark.parametrize("system", list(RHYTHM))
def test_issues_are_sent_at_their_usual_times(system: System):
    """GPS and QZSS ahead of the reference time, GLONASS around it, Galileo and BeiDou behind it."""
    earliest, latest = {
        System.GPS: (-7200, 0),
        System.QZSS: (-7200, 0),
        System.GLONASS: (-900, 900),
        System.GALILEO: (600, 4200),
        System.BEIDOU: (0, 3600),
    }[system]
    interval_s = latest - earliest
    begin = int(utc_to_gps(START_US))
    ages = []
    for k in range(400):
        gps_us = begin + k * 61 * SECOND_US
        issue = sent_issue(system, gps_us)
        ages.append((gps_us - reference_gps_us(system, issue)) / SECOND_US)
        assert reference_gps_us(system, issue + 1) - reference_gps_us(system, issue) == interval_s * SECOND_US
        before, behind, at = nearest_issues(system, gps_us)
        first, second = reference_gps_us(system, before), reference_gps_us(system, behind)
        assert first <= gps_us < second
        assert at == pytest.approx((gps_us - first) / (second - first), abs=1e-12)
    assert earliest <= min(ages) < earliest + 61
    assert latest - 61 < max(ages) < latest


@pytest.mark.parametrize("time_us", DATES_US)
def test_issues_agree_half_way_between_their_reference_times(sky: SimulatedSky, time_us: int):
    apart = {}
    for satellite in sky.satellites:
        before, behind, _ = nearest_issues(satellite.system, int(utc_to_gps(time_us)))
        middle = sum(reference_gps_us(satellite.system, k) for k in (before, behind)) // 2
        one, two = (states(orbit_columns([satellite.issue(k)]), middle) for k in (before, behind))
        metres = float(np.linalg.norm(one.position_m - two.position_m))
        clock_m = float(np.abs(one.clock_s - two.clock_s)[0]) * C_M_S
        apart.setdefault(satellite.system, []).append((metres, clock_m))
    for system, some in apart.items():
        metres, clock_m = np.array(some).T
        if system is System.GLONASS:  # steps of 0.5 m and 1 mm/s
            assert np.median(metres) < 1.0
            assert metres.max() < 2.3
            assert clock_m.max() < 0.6
        else:
            assert metres.max() < 0.15
            assert clock_m.max() < 0.3


def test_satellites_go_smoothly_from_issue_to_issue(sky: SimulatedSky):
    """Places and velocities of three hours are those of one curve: nowhere a step of a millimetre."""
    step_s = 5
    before = sky.at(START_US)
    for k in range(1, 3 * 3600 // step_s):
        now = sky.at(START_US + k * step_s * SECOND_US)
        moved = now.position_m - before.position_m
        speed = (now.velocity_m_s + before.velocity_m_s) / 2
        bent = (now.acceleration_m_s2 - before.acceleration_m_s2) * step_s**2 / 12
        assert np.abs(moved - speed * step_s + bent).max() < 1e-3
        ticked = now.clock_s - before.clock_s - step_s * (now.clock_rate + before.clock_rate) / 2
        assert np.abs(ticked).max() * C_M_S < 1e-3
        before = now


@pytest.mark.parametrize("time_us", DATES_US)
def test_a_user_of_the_broadcast_ephemerides_finds_the_satellites(sky: SimulatedSky, time_us: int):
    book = EphemerisBook()
    book.extend(sky.ephemerides(time_us - HOUR_US), time_us - HOUR_US)
    for k in range(0, 8 * 3600, 600):
        now_us = time_us + k * SECOND_US
        book.extend(sky.ephemerides(now_us), now_us - 60 * SECOND_US)
        theirs, ours = sky_at(book, now_us), sky.at(now_us)
        rows = np.array([int(s.system) * 64 + s.satellite - 1 for s in sky.satellites])
        assert theirs.healthy[rows].all()
        apart = np.linalg.norm(theirs.position_m[rows] - ours.position_m, axis=1)
        is_glonass = np.array([s.system is System.GLONASS for s in sky.satellites])
        assert apart[~is_glonass].max() < 0.3
        assert apart[is_glonass].max() < 3.0
        assert np.abs(theirs.clock_s[rows] - ours.clock_s).max() * C_M_S < 0.8


def test_geostationary_satellites_stay_at_their_place(sky: SimulatedSky):
    places = {3: 110.5, 4: 160.0, 59: 140.0}
    rows = {
        s.satellite: i
        for i, s in enumerate(sky.satellites)
        if s.system is System.BEIDOU and s.satellite in places
    }
    for hour in range(0, 48, 3):
        now = sky.at(START_US + hour * HOUR_US)
        for number, row in rows.items():
            longitude, latitude, height_m = ecef_to_geodetic(*now.position_m[row])
            assert longitude == pytest.approx(places[number], abs=0.1)
            assert latitude == pytest.approx(0.0, abs=0.01)
            assert height_m == pytest.approx(35_786e3, abs=20e3)


def test_the_closed_orbit_of_glonass_is_closed():
    """Against an integration from the middle of the orbit, across its seam, over two revolutions."""
    one = orbit.revolution(25_508_137.0, np.radians(64.8))
    start_s = 0.37 * one.period_s
    steps = 2 * len(one.states)
    states_after = np.empty((steps + 1, 6))
    orbit.advance(orbit.state_at(one, start_s), one.period_s / len(one.states), steps, states_after)
    for k in range(0, steps + 1, 100):
        expected = orbit.state_at(one, start_s + k * one.period_s / len(one.states))
        assert np.abs(states_after[k] - expected)[:3].max() < 0.01
    radius = np.linalg.norm(one.states[:, :3], axis=1)
    assert radius.max() - radius.min() < 2_000
    assert one.node_turn == pytest.approx(  # the secular motion of the node by J2 (Kaula 1966)
        -3 * np.pi * orbit.J2 * (orbit.EQUATOR_M / 25_508_137.0) ** 2 * np.cos(np.radians(64.8)), rel=2e-3
    )


def test_group_delays_keep_what_the_interface_documents_promise(sky: SimulatedSky):
    """The combination that a clock is told for has no delay, and the told differences are right."""
    for e in sky.ephemerides(START_US):

        def late(signal: int, e=e) -> tuple[float, float]:
            channel = e.channel if isinstance(e, GlonassEphemeris) else 0
            hz = float(frequency_hz(int(e.system), signal, channel))
            return late_by_s(e, signal, hz), hz

        def combined(one: int, two: int, late=late) -> float:
            (a, f), (b, g) = late(one), late(two)
            return (f**2 * a - g**2 * b) / (f**2 - g**2)

        def difference(one: int, two: int, late=late) -> float:
            (a, f), (b, g) = late(one), late(two)
            return (a - b) / (1 - (f / g) ** 2)

        if e.system is System.GLONASS:
            assert late(2)[0] == 0.0
            assert late(8)[0] == late(9)[0] == e.delta_tau_s
            continue
        first, second = e.group_delay_s
        if e.system in {System.GPS, System.QZSS}:
            two = 10 if e.system is System.GPS else 16
            assert combined(2, two) == pytest.approx(0.0, abs=1e-18)
            assert late(2)[0] == pytest.approx(first)
        elif e.system is System.GALILEO:
            assert combined(2, 15) == pytest.approx(0.0, abs=1e-18)
            assert difference(2, 23) == pytest.approx(first)
            assert difference(2, 15) == pytest.approx(second)
        else:
            assert [late(g)[0] for g in (2, 8, 14)] == [first, 0.0, second]


def test_numbers_and_signals_are_those_of_the_real_systems(sky: SimulatedSky):
    signals = {(s.system, s.satellite): set(s.signals) for s in sky.satellites}
    assert len(signals) == len(sky.satellites)
    for (system, satellite), some in signals.items():
        assert satellite <= {System.GPS: 32, System.GLONASS: 24, System.GALILEO: 36, System.QZSS: 10}.get(
            system, 63
        )
        if system is System.BEIDOU:
            assert (14 in some) == (satellite <= 18)  # B2I is of BeiDou-2 only
    channels = {s.satellite: s.channel for s in sky.satellites if s.system is System.GLONASS}
    assert all(channels[k] == channels[k + 4] for k in (1, 2, 3, 4, 9, 10, 11, 12, 17, 18, 19, 20))


def test_other_constellations_can_be_given():
    from gnss.constellations import nominal

    gps = [c for c in nominal() if c.system is System.GPS]
    source = SimulatedStation(1, 10.0, 50.0, 100.0, 1, sky=SimulatedSky(gps))
    assert set(source.observe(START_US).system.tolist()) == {System.GPS}
