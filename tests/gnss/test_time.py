"""Time scales against the definition of the leap seconds and against plain calendar arithmetic."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnss import time as gnss_time
from gnss.systems import System


def us(*when: int) -> int:
    return (datetime(*when, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


UTC_TIMES = st.integers(us(1980, 1, 6), us(2060, 1, 1))


@pytest.mark.parametrize(
    ("utc", "ahead_s"),
    [
        ((1980, 1, 6), 0),
        ((1981, 6, 30, 23, 59, 59), 0),
        ((1981, 7, 1), 1),
        ((1991, 1, 1), 7),
        ((1998, 12, 31, 23, 59, 59), 12),
        ((1999, 1, 1), 13),
        ((2005, 12, 31), 13),
        ((2006, 1, 1), 14),
        ((2012, 6, 30, 23, 59, 59), 15),
        ((2012, 7, 1), 16),
        ((2016, 12, 31, 23, 59, 59), 17),
        ((2017, 1, 1), 18),
        ((2026, 1, 1), 18),
    ],
)
def test_gps_time_is_ahead_by_the_leap_seconds(utc, ahead_s):
    assert int(gnss_time.utc_to_gps(us(*utc))) - us(*utc) == ahead_s * 1_000_000


def test_known_gps_times():
    # 10^9 s of GPS time were reached on 2011-09-14 01:46:25 UTC; week 2048 began on 2019-04-06
    at = us(2011, 9, 14, 1, 46, 25)
    assert int(gnss_time.utc_to_gps(at)) - gnss_time.GPS_EPOCH_US == 10**15
    assert int(gnss_time.gps_week(us(2019, 4, 6, 23, 59, 41))) == 2047
    assert int(gnss_time.gps_week(us(2019, 4, 6, 23, 59, 42))) == 2048


@given(st.lists(UTC_TIMES, min_size=1, max_size=20))
def test_utc_to_gps_and_back(times):
    there = gnss_time.utc_to_gps(times)
    assert there.shape == (len(times),)
    assert gnss_time.gps_to_utc(there).tolist() == times


def test_a_leap_second_shares_its_numbers_with_the_second_behind_it():
    midnight = us(2017, 1, 1)
    gps = int(gnss_time.utc_to_gps(midnight))
    inside = gnss_time.gps_to_utc([gps - 1_000_001, gps - 1_000_000, gps - 1, gps])
    assert inside.tolist() == [midnight - 1, midnight, midnight + 999_999, midnight]


@given(UTC_TIMES, st.integers(-302_399_999, 302_399_999))
def test_week_is_that_nearest_to_the_reference(time_us, error_ms):
    time_us -= time_us % 1000
    time_ms = gnss_time.msm_time_ms(time_us, System.GALILEO)
    # in GPS time, where a week always has the same length
    reference = int(gnss_time.gps_to_utc(int(gnss_time.utc_to_gps(time_us)) + error_ms * 1000))
    if abs(error_ms) < 302_390_000:
        assert int(gnss_time.resolve_week(time_ms, reference)) == time_us


@given(UTC_TIMES, st.integers(-43_199_999, 43_199_999))
def test_day_is_that_nearest_to_the_reference(time_us, error_ms):
    time_us -= time_us % 1000
    time_ms = gnss_time.msm_time_ms(time_us, System.GLONASS)
    assert 0 <= time_ms < 86_400_000
    assert int(gnss_time.resolve_day(time_ms, time_us + error_ms * 1000)) == time_us


def test_arrays_and_unusable_times():
    reference = us(2019, 4, 7)
    sent = np.array([0, 604_799_000, -1])
    assert gnss_time.resolve_week(sent, reference).tolist() == [
        us(2019, 4, 6, 23, 59, 42),
        us(2019, 4, 6, 23, 59, 41),
        gnss_time.NO_TIME,
    ]
    assert gnss_time.resolve_day(np.array([86_399_000, 1_000, -1]), reference).tolist() == [
        us(2019, 4, 6, 23, 59, 59),
        us(2019, 4, 7, 0, 0, 1),
        gnss_time.NO_TIME,
    ]


@pytest.mark.parametrize(
    ("utc_us", "text"),
    [
        (us(2019, 4, 6, 23, 50), "2019-04-06T23:50:00Z"),
        (us(2019, 4, 6, 23, 50) + 200_000, "2019-04-06T23:50:00.200Z"),
        (us(2019, 4, 6, 23, 59, 59) + 999_700, "2019-04-07T00:00:00Z"),
        (us(2019, 4, 6, 23, 59, 59) + 1_400, "2019-04-06T23:59:59.001Z"),
    ],
)
def test_iso(utc_us, text):
    assert gnss_time.iso_z(utc_us) == text
