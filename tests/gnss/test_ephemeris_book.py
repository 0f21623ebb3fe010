"""The network's ephemerides: which are kept, and which one serves."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnss.ephemeris import GlonassEphemeris, KeplerEphemeris, is_orbit
from gnss.ephemeris_book import (
    FARTHEST_S,
    MOST_PAYLOADS,
    MOST_TIMED,
    MOST_UNTIMED,
    SLOT_US,
    EphemerisBook,
)
from gnss.ephemeris_validity import LATE_S, SERVES_S
from gnss.rtcm.ephemeris import encode_ephemeris
from gnss.systems import System
from gnss.time import NO_TIME, SECOND_US, gps_to_utc, utc_to_gps
from tests.gnss.rtcm.ephemeris_samples import captures, messages

NOON_US = 1_700_006_400 * SECOND_US  # 2023-11-15 00:00
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
NUMBERS = {
    System.GPS: 1019, System.QZSS: 1044, System.GALILEO: 1046, System.BEIDOU: 1042, System.NAVIC: 1041
}  # fmt: skip


def kepler(toe_us=NOON_US, system=System.GPS, **changes):
    """Return an ephemeris with a reference time in UTC."""
    e = KeplerEphemeris(
        system=system,
        satellite=5,
        message=NUMBERS[system],
        toe_gps_us=int(utc_to_gps(toe_us)),
        toc_gps_us=int(utc_to_gps(toe_us)),
        issue=1,
        clock_issue=1,
        clock_s=1e-5,
        clock_rate=0.0,
        clock_acceleration=0.0,
        sqrt_axis=5153.5,
        eccentricity=0.01,
        mean_anomaly=0.5,
        perigee=0.1,
        node=1.0,
        inclination=0.96,
        mean_motion_difference=4e-9,
        node_rate=-8e-9,
        inclination_rate=0.0,
        cuc=0.0,
        cus=0.0,
        crc_m=0.0,
        crs_m=0.0,
        cic=0.0,
        cis=0.0,
        group_delay_s=(0.0, 0.0),
        health=0,
        accuracy=1,
    )
    return dataclasses.replace(e, **changes)


def state_vector(toe_us=NOON_US, system=System.GLONASS, **changes):
    scale = 1.0 if system is System.GLONASS else 42_164.0 / 25_500.0
    e = GlonassEphemeris(
        system=system,
        satellite=7,
        channel=3,
        toe_gps_us=int(utc_to_gps(toe_us)),
        sent_gps_us=int(utc_to_gps(toe_us)) - 10 * MINUTE_US,
        clock_s=1e-5,
        clock_rate=1e-12,
        position_m=(25_500_000.0 * scale, 0.0, 0.0),
        velocity_m_s=(0.0, 100.0, 3500.0),
        acceleration_m_s2=(0.0, 0.0, 0.0),
        health=0,
        age_days=0,
    )
    return dataclasses.replace(e, **changes)


def of(system, toe_us):
    return state_vector(toe_us, system) if system in {System.GLONASS, System.SBAS} else kepler(toe_us, system)


def serving(book, time_us):
    """Return the reference times (UTC) that serve."""
    return [int(gps_to_utc(one.ephemeris.toe_gps_us)) for one in book.chosen(time_us)]


@pytest.mark.parametrize("system", list(System))
def test_an_ephemeris_serves_around_its_reference_time(system):
    before_s, after_s = SERVES_S[system]
    after_s += LATE_S[system]
    book = EphemerisBook()
    assert book.add(of(system, NOON_US))
    for seconds, serves in {
        -before_s - 30: False, -before_s: True, 0: True, after_s: True, after_s + 30: False
    }.items():  # fmt: skip
        assert bool(book.chosen(NOON_US + seconds * SECOND_US)) is serves


def test_a_longer_fit_interval_serves_longer():
    book = EphemerisBook()
    book.add(kepler(flags=1))
    assert serving(book, NOON_US + 4 * HOUR_US) == serving(book, NOON_US - 3 * HOUR_US) == [NOON_US]
    assert not book.chosen(NOON_US + 4 * HOUR_US + MINUTE_US)


def test_the_nearest_reference_time_serves():
    book = EphemerisBook()
    toes = [NOON_US + k * 2 * HOUR_US for k in range(3)]
    book.extend([kepler(toe) for toe in reversed(toes)])
    assert serving(book, NOON_US + 59 * MINUTE_US) == toes[:1]
    assert serving(book, NOON_US + 60 * MINUTE_US) == toes[1:2]  # the newer of two that are as near
    assert serving(book, NOON_US + 5 * HOUR_US) == toes[2:]


@pytest.mark.parametrize(
    ("after_us", "is_known"), [(0, True), (1, False), (SLOT_US, True), (SLOT_US + 1, False)]
)
def test_what_comes_within_a_slot_serves_from_the_next_but_one(after_us, is_known):
    book = EphemerisBook()
    book.add(kepler(), known_us=NOON_US + after_us)
    slot_us = NOON_US + after_us // SLOT_US * SLOT_US + SLOT_US
    assert not book.chosen(slot_us - 1)
    for time_us in (slot_us, slot_us + SLOT_US // 2, slot_us + SLOT_US - 1):
        assert bool(book.chosen(time_us)) is is_known
    assert book.chosen(slot_us + SLOT_US)


def test_no_time_is_known_from_the_begin():
    book = EphemerisBook()
    book.add(kepler(), NO_TIME)
    assert book.chosen(NOON_US - HOUR_US)


def test_i_nav_goes_before_f_nav():
    book = EphemerisBook()
    f_nav = kepler(NOON_US, System.GALILEO, message=1045, clock_s=2e-5)
    i_nav = kepler(NOON_US - 2 * HOUR_US, System.GALILEO)
    book.add(f_nav)
    assert [one.ephemeris for one in book.chosen(NOON_US)] == [f_nav]
    book.add(i_nav)
    assert [one.ephemeris for one in book.chosen(NOON_US)] == [i_nav]
    assert [one.ephemeris for one in book.chosen(NOON_US + 4 * HOUR_US)] == [f_nav]


def test_repeated_ones_are_recognised():
    book = EphemerisBook()
    assert book.add(kepler(), NOON_US)
    version = book.version
    assert not book.add(kepler(), NOON_US + MINUTE_US)
    glonass = state_vector()
    assert book.add(glonass, NOON_US)
    assert not book.add(
        dataclasses.replace(glonass, sent_gps_us=glonass.sent_gps_us + 30 * SECOND_US), NOON_US
    )
    assert len(book) == 2
    assert book.version == version + 1


def test_an_earlier_time_of_the_same_one_counts():
    book = EphemerisBook()
    book.add(kepler(), NOON_US + HOUR_US)
    version = book.version
    assert not book.chosen(NOON_US + MINUTE_US)
    assert book.add(kepler(), NOON_US)
    assert book.version != version
    assert book.chosen(NOON_US + MINUTE_US)


def test_health_is_that_of_the_newest():
    book = EphemerisBook()
    book.add(kepler(), NOON_US)
    # an hour later the satellite fails; its next ephemeris is for a time farther away
    book.add(kepler(NOON_US + 4 * HOUR_US, health=63), NOON_US + HOUR_US)
    assert [one.usable for one in book.chosen(NOON_US + HOUR_US - MINUTE_US)] == [True]
    late = book.chosen(NOON_US + HOUR_US + MINUTE_US)
    assert [(one.ephemeris.toe_gps_us, one.usable) for one in late] == [(kepler().toe_gps_us, False)]
    # an old one from a receiver that was asleep says nothing
    book = EphemerisBook()
    book.add(kepler(), NOON_US)
    book.add(kepler(NOON_US - HOUR_US, health=63), NOON_US + MINUTE_US)
    assert [one.usable for one in book.chosen(NOON_US + 5 * MINUTE_US)] == [True]


def test_the_same_reference_time_with_other_values_takes_its_place():
    book = EphemerisBook()
    book.add(kepler(), NOON_US)
    book.add(kepler(health=1, issue=2), NOON_US + HOUR_US)
    assert [one.ephemeris.issue for one in book.chosen(NOON_US + MINUTE_US)] == [1]
    late = book.chosen(NOON_US + HOUR_US + SLOT_US)
    assert [(one.ephemeris.issue, one.usable) for one in late] == [(2, False)]


def test_of_the_same_reference_time_in_a_file_the_last_one_serves():
    book = EphemerisBook()
    book.extend([kepler(issue=1), kepler(issue=2), kepler(issue=3)])
    assert [one.ephemeris.issue for one in book.chosen(NOON_US + HOUR_US)] == [3]
    assert [one.ephemeris.issue for one in book.chosen(NOON_US - HOUR_US)] == [3]


def test_four_are_kept_live_and_many_of_files():
    book = EphemerisBook()
    for k in range(10):
        book.add(kepler(NOON_US + k * HOUR_US), NOON_US + k * HOUR_US)
    assert len(book) == MOST_TIMED
    assert not book.chosen(NOON_US + 3 * HOUR_US)
    assert serving(book, NOON_US + 9 * HOUR_US + SLOT_US) == [NOON_US + 9 * HOUR_US]
    for k in range(MOST_UNTIMED + 10):
        book.add(kepler(NOON_US + k * HOUR_US, satellite=6))
    assert len(book) == MOST_TIMED + MOST_UNTIMED


@pytest.mark.parametrize(
    "changes",
    [
        {"satellite": 0},
        {"satellite": 65},
        {"sqrt_axis": 0.0},
        {"sqrt_axis": float("nan")},
        {"eccentricity": 0.9},
        {"perigee": float("inf")},
        {"clock_s": 1.0},
    ],
)
def test_what_is_no_orbit_is_refused_and_counted(changes):
    book = EphemerisBook()
    assert not book.add(kepler(**changes))
    assert (len(book), book.refused) == (0, 1)


def test_vectors_that_are_no_orbit_are_refused():
    book = EphemerisBook()
    assert not book.add(state_vector(position_m=(0.0, 0.0, 0.0)))
    assert not book.add(state_vector(velocity_m_s=(0.0, 1e5, 0.0)))
    assert not book.add(state_vector(system=System.SBAS, position_m=(2.5e7, 0.0, 0.0)))
    assert book.refused == 3


def test_reference_times_of_other_days_are_refused():
    book = EphemerisBook()
    for sign in (-1, 1):
        far = kepler(NOON_US + sign * (FARTHEST_S + 60) * SECOND_US)
        assert not book.add(far, NOON_US)
    assert book.refused == 2
    assert book.add(far)  # a file may be of any time


def test_messages_are_read_once(data):
    book, seen = EphemerisBook(), 0
    near_us, payloads = messages(data / "rtcm3/swift/week-rollover-STR24.rtcm3")
    for second in range(3):
        for payload in payloads:
            seen += book.add_message(payload, near_us + second * SECOND_US)
    assert seen == len(book) == 100  # as convbin counts
    assert {one.ephemeris.system for one in book.chosen(near_us + MINUTE_US)} == {
        System.GPS, System.GLONASS, System.GALILEO, System.QZSS, System.BEIDOU
    }  # fmt: skip
    assert not book.add_message(b"\x43\x50" + bytes(60), near_us)
    assert not book.add_message(b"", near_us)
    assert book.refused == 0


def test_remembered_messages_are_bounded_and_forgotten():
    book = EphemerisBook()
    first = encode_ephemeris(kepler(NOON_US - 18 * SECOND_US))
    assert book.add_message(first, NOON_US)
    for k in range(MOST_PAYLOADS + 10):
        book.add_message(first[:2] + k.to_bytes(4, "big"), NOON_US)
        book.add_message(b"\x43\x50" + k.to_bytes(4, "big"), NOON_US)
    assert len(book._payloads) == 11
    assert not book.add_message(first, NOON_US + HOUR_US)
    assert len(book) == 1


def test_all_recordings_are_taken(data):
    refused = {}
    for path in captures(data / "rtcm3"):
        book = EphemerisBook()
        near_us, payloads = messages(path)
        for payload in payloads:
            book.add_message(payload, near_us)
        if payloads:
            refused[path.name] = book.refused
    # ephemerides of days before, which receivers had kept; and NavIC's 0101...
    stale = {"rtcm3.2.log": 9, "week-rollover-STR17.rtcm3": 1, "20221213-010900.rtcm": 1}
    assert {name: n for name, n in refused.items() if n} == stale


toes = st.integers(-12, 12).map(lambda k: NOON_US + k * 30 * MINUTE_US)
ephemerides = st.one_of(
    st.builds(
        lambda toe, system, issue, health: kepler(toe, system, issue=issue, health=health),
        toes,
        st.sampled_from([System.GPS, System.GALILEO, System.BEIDOU]),
        st.integers(1, 2),
        st.integers(0, 1),
    ),
    st.builds(lambda toe, health: state_vector(toe, health=health), toes, st.integers(0, 1)),
)
arrivals = st.lists(st.tuples(ephemerides, st.integers(-200, 200)), max_size=30)


@given(arrivals, st.integers(-300, 300))
def test_a_snapshot_changes_nothing(some, minutes):
    book, other = EphemerisBook(), EphemerisBook()
    other.add(kepler(satellite=9))
    half = len(some) // 2
    for e, known in some[:half]:
        book.add(e, NOON_US + known * MINUTE_US)
    other.restore(book.snapshot())
    for e, known in some[half:]:
        assert book.add(e, NOON_US + known * MINUTE_US) == other.add(e, NOON_US + known * MINUTE_US)
    time_us = NOON_US + minutes * MINUTE_US
    assert other.chosen(time_us) == book.chosen(time_us)
    assert (len(other), other.refused) == (len(book), book.refused)
    assert other.snapshot() == book.snapshot()


@settings(max_examples=60)
@given(st.lists(st.tuples(ephemerides, st.integers(0, 20)), max_size=3), st.integers(0, 40))
def test_what_comes_later_changes_nothing(some, half_minutes):
    """The result for a slot is the same whether later input has been read already or not."""
    time_us = NOON_US + half_minutes * SLOT_US // 2
    all_of_it, so_far = EphemerisBook(), EphemerisBook()
    for e, minute in sorted(some, key=lambda one: one[1]):
        known_us = NOON_US + minute * 20 * SECOND_US
        all_of_it.add(e, known_us)
        if known_us <= time_us:
            so_far.add(e, known_us)
    assert all_of_it.chosen(time_us) == so_far.chosen(time_us)


@given(arrivals)
def test_all_that_serve_can_be_orbits_and_rows_are_in_order(some):
    book = EphemerisBook()
    book.extend([e for e, _ in some])
    chosen = book.chosen(NOON_US)
    assert [one.row for one in chosen] == sorted({one.row for one in chosen})
    assert all(is_orbit(one.ephemeris) for one in chosen)
    assert all(one.row == one.ephemeris.system * 64 + one.ephemeris.satellite - 1 for one in chosen)
