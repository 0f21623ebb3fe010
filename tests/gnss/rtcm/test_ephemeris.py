"""Weeks of ephemerides against pyrtcm's fields."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from pyrtcm import RTCMReader

from gnss.rtcm.ephemeris import EphemerisWeek, decode_week
from gnss.rtcm.framing import find_frames
from gnss.systems import System

FIELDS = {
    1019: ("DF009", "DF076", "DF093", System.GPS, 0),
    1041: ("DF516", "DF517", "DF537", System.NAVIC, 1024),
    1042: ("DF488", "DF489", "DF505", System.BEIDOU, 1356),
    1044: ("DF429", "DF452", "DF442", System.QZSS, 0),
    1045: ("DF252", "DF289", "DF304", System.GALILEO, 1024),
    1046: ("DF252", "DF289", "DF304", System.GALILEO, 1024),
}


@pytest.mark.parametrize(
    ("name", "weeks"),
    [
        ("swift/week-rollover-STR24.rtcm3", {2009, 2010}),
        ("swift/wn-rollover2.rtcm", {2050}),
        ("swift/test_gal_eph.rtcm", {2014}),
        ("swift/test_bds_eph.rtcm", {2014}),
        ("gpsd/rtcm3.2.log", {1891}),
        ("asv/imu_rtcm", {2266}),
        ("qzsl6tool/20221213-010900.rtcm", {2240}),
    ],
)
def test_recordings_agree_with_pyrtcm(data, name, weeks):
    content = (data / f"rtcm3/{name}").read_bytes()
    index = find_frames(np.frombuffer(content, np.uint8), final=True)
    seen = Counter()
    columns = zip(index.start.tolist(), index.length.tolist(), index.message.tolist(), strict=True)
    for start, length, number in columns:
        week = decode_week(content[start + 3 : start + 3 + length])
        assert (week is None) == (number not in FIELDS)
        if week is None:
            continue
        satellite, count, toe, system, first = FIELDS[number]
        theirs = RTCMReader.parse(content[start : start + length + 6])
        assert (week.system, week.satellite) == (system, getattr(theirs, satellite))
        assert week.week == first + getattr(theirs, count) % week.period
        assert week.toe_s == getattr(theirs, toe)
        seen[week.resolved(2150)] += 1
    assert set(seen) == weeks


def test_roll_over_is_resolved_to_the_nearest_week():
    gps = EphemerisWeek(System.GPS, 1, 1023, 1024, 0)
    assert [gps.resolved(near) for near in (1030, 2047, 2048, 2558, 2560)] == [1023, 2047, 2047, 2047, 3071]
    galileo = EphemerisWeek(System.GALILEO, 1, 1024, 4096, 0)
    assert [galileo.resolved(near) for near in (1024, 2300, 3000)] == [1024, 1024, 1024]


@pytest.mark.parametrize(
    ("system", "week", "toe_s", "reference_s"),
    [
        (System.GPS, 2009, 0, 2010 * 604_800),  # sent in the two hours before
        (System.GPS, 2010, 7_200, 2010 * 604_800 + 7_200),
        (System.GPS, 2009, 597_600, 2010 * 604_800 - 7_200),
        (System.QZSS, 2010, 3_600, 2010 * 604_800 + 3_600),
        (System.GALILEO, 2010, 604_200, 2010 * 604_800 - 600),  # sent 12 minutes later
        (System.GALILEO, 2009, 603_600, 2010 * 604_800 - 1_200),
        (System.BEIDOU, 2010, 0, 2010 * 604_800),
        (System.BEIDOU, 2009, 601_200, 2010 * 604_800 - 3_600),
        (System.NAVIC, 2010, 7_200, 2010 * 604_800 + 7_200),
    ],
)
def test_the_week_is_that_of_sending(system, week, toe_s, reference_s):
    # as recorded around the week roll-over of 2018-07-15
    assert EphemerisWeek(system, 1, week % 1024, 1024, toe_s).reference_s(2000) == reference_s


@pytest.mark.parametrize("told", [2009, 2010])
@pytest.mark.parametrize("after_s", [-7_200, 0, 7_200])
def test_near_a_weeks_end_the_time_decides(told, after_s):
    # some senders give the week of the toe where others give that of sending
    week = EphemerisWeek(System.GPS, 1, told % 1024, 1024, after_s % 604_800)
    reference_s = 2010 * 604_800 + after_s
    for off_s in (-2 * 86_400, -7_200, 0, 7_200, 2 * 86_400):
        assert week.reference_near_s(reference_s + off_s) == reference_s


def test_far_from_a_weeks_end_the_week_decides():
    week = EphemerisWeek(System.GPS, 1, 2010 % 1024, 1024, 302_400)
    for weeks in (-300, -1, 0, 1, 300):
        assert week.reference_near_s((2010 + weeks) * 604_800) == 2010 * 604_800 + 302_400


def test_short_and_other_messages_have_no_week():
    assert decode_week(b"") is None
    assert decode_week((1020 << 4).to_bytes(2, "big") + bytes(60)) is None
    for number, size in ((1019, 61), (1041, 61), (1042, 64), (1044, 61), (1045, 62), (1046, 63)):
        payload = (number << 4).to_bytes(2, "big") + bytes(size - 2)
        assert decode_week(payload) is not None
        assert decode_week(payload[:-1]) is None
