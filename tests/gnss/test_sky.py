"""The network's sky: columns, what is shared, and when it changes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnss.broadcast_orbits import orbit_columns, states
from gnss.ephemeris_book import SLOT_US, EphemerisBook
from gnss.rtcm.ephemeris import decode_ephemeris
from gnss.sky import RECENT_TIMES, ROWS, Skies, sky_at
from gnss.systems import UNKNOWN_CHANNEL, System
from gnss.time import SECOND_US, utc_to_gps
from tests.gnss.rtcm.ephemeris_samples import messages
from tests.gnss.test_ephemeris_book import MINUTE_US, NOON_US, kepler, state_vector


@pytest.fixture(scope="module")
def recorded(data):
    """Return the begin of a recording of seven systems, and its ephemerides."""
    begin_us, payloads = messages(data / "rtcm3/qzsl6tool/20221213-010900.rtcm")
    return begin_us, [decode_ephemeris(payload, begin_us) for payload in payloads]


@pytest.fixture(scope="module")
def book(recorded):
    """Return all of it."""
    book = EphemerisBook()
    book.extend(recorded[1])
    return book


def test_columns_hold_what_serves(recorded, book):
    begin_us, _ = recorded
    sky = sky_at(book, begin_us)
    chosen = book.chosen(begin_us)
    assert len(chosen) == 55
    assert np.flatnonzero(sky.known).tolist() == [one.row for one in chosen]
    assert {System(row // 64) for row in np.flatnonzero(sky.known)} == set(System) - {System.SBAS}
    own = states(orbit_columns([one.ephemeris for one in chosen]), int(utc_to_gps(begin_us)))
    rows = [one.row for one in chosen]
    for name in ("position_m", "velocity_m_s", "acceleration_m_s2", "clock_s", "clock_rate"):
        column = getattr(sky, name)
        assert np.array_equal(column[rows], getattr(own, name))
        assert np.isnan(column[sky.known == 0]).all()
    for row, e, usable in chosen:
        assert sky.healthy[row] == usable
        if e.system is System.GLONASS:
            assert (sky.channel[row], sky.group_delay_s[row, 0]) == (e.channel, e.delta_tau_s)
        else:
            assert sky.channel[row] == UNKNOWN_CHANNEL
            assert tuple(sky.group_delay_s[row]) == e.group_delay_s
    assert not sky.healthy[sky.known == 0].any()
    assert sky.time_us == begin_us


def test_shapes_and_types_are_always_the_same(book):
    for sky in (sky_at(book, 0), sky_at(EphemerisBook(), NOON_US), sky_at(book, 1_670_893_744 * SECOND_US)):
        assert sky.known.dtype == sky.healthy.dtype == np.uint8
        assert sky.channel.dtype == np.int8
        assert sky.known.shape == sky.healthy.shape == sky.channel.shape == (ROWS,) == (448,)
        for name in ("position_m", "velocity_m_s", "acceleration_m_s2"):
            assert getattr(sky, name).shape == (448, 3)
        assert sky.clock_s.shape == sky.clock_rate.shape == (448,)
        assert sky.group_delay_s.shape == (448, 2)


@given(st.floats(0.0, 0.14), st.integers(0, 600_000))
def test_any_station_finds_the_place_at_sending(recorded, book, tau_s, after_ms):
    time_us = recorded[0] + after_ms * 1000
    sky, chosen = sky_at(book, time_us), book.chosen(time_us)
    rows = [one.row for one in chosen]
    direct = states(orbit_columns([one.ephemeris for one in chosen]), int(utc_to_gps(time_us)), -tau_s)
    place = sky.position_m - tau_s * sky.velocity_m_s + tau_s**2 / 2 * sky.acceleration_m_s2
    assert np.linalg.norm(place[rows] - direct.position_m, axis=1).max() < 1e-4
    assert np.abs((sky.clock_s - tau_s * sky.clock_rate)[rows] - direct.clock_s).max() < 1e-15


def test_a_time_is_computed_once(book, recorded):
    sky = sky_at(book, recorded[0])
    assert sky_at(book, recorded[0]) is sky
    assert sky_at(book, recorded[0] + SECOND_US) is not sky
    assert sky_at(book, recorded[0]) is sky


def test_few_times_are_kept(book):
    skies = Skies(book)
    first = skies.at(NOON_US)
    for k in range(1, RECENT_TIMES):
        skies.at(NOON_US + k * SECOND_US)
    assert skies.at(NOON_US) is first
    for k in range(1, 10 * RECENT_TIMES):
        skies.at(NOON_US + k * SLOT_US)
    assert len(skies._recent) == RECENT_TIMES
    assert len(skies._layouts) == len(skies._version) < 20


def test_without_an_ephemeris_there_is_no_sky():
    book = EphemerisBook()
    skies = Skies(book)
    assert skies(NOON_US) is None
    book.add(kepler())
    assert skies(NOON_US).known.sum() == 1


def test_a_new_ephemeris_shows_in_the_next_slot_but_one_and_not_before():
    book = EphemerisBook()
    book.add(kepler(), NOON_US - SLOT_US)
    before = sky_at(book, NOON_US + SECOND_US)
    book.add(state_vector(), NOON_US + 2 * SECOND_US)
    book.add(kepler(health=1), NOON_US + 2 * SECOND_US)
    assert sky_at(book, NOON_US + SECOND_US) is before
    assert sky_at(book, NOON_US + 2 * SLOT_US - 1).known.sum() == 1
    after = sky_at(book, NOON_US + 2 * SLOT_US)
    assert np.flatnonzero(after.known).tolist() == [4, 70]
    assert (before.healthy[4], after.healthy[4]) == (1, 0)


def test_what_was_known_before_shows_at_once():
    """A message that is read late, but was there in time, is not hidden by what was kept."""
    book = EphemerisBook()
    book.add(kepler(), NOON_US)
    assert sky_at(book, NOON_US + MINUTE_US).known.sum() == 1
    book.add(state_vector(), NOON_US + SECOND_US)
    assert sky_at(book, NOON_US + MINUTE_US).known.sum() == 2


@given(st.permutations(range(12)), st.integers(0, 3))
def test_the_order_of_questions_does_not_matter(recorded, book, order, restart):
    times_us = [recorded[0] + k * 17 * SECOND_US for k in order]
    skies = Skies(book)
    for k, time_us in enumerate(times_us):
        kept = (Skies(book) if k == restart else skies).at(time_us)
        fresh = Skies(book).at(time_us)
        for field in dataclasses.fields(fresh):
            assert np.array_equal(
                getattr(kept, field.name), getattr(fresh, field.name), equal_nan=field.name != "time_us"
            )


def test_a_restored_book_has_the_same_sky(recorded, book):
    other = EphemerisBook()
    other.restore(book.snapshot())
    one, two = sky_at(book, recorded[0]), sky_at(other, recorded[0])
    assert np.array_equal(one.position_m, two.position_m, equal_nan=True)
    assert np.array_equal(one.clock_s, two.clock_s, equal_nan=True)
