"""Whole captures: their week, summary, pieces and rows."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pytest

from gnss import capture
from gnss.observations import UNKNOWN_CHANNEL, Observations
from gnss.rtcm.framing import build_frame, find_frames
from gnss.rtcm.msm_encode import encode_msm
from gnss.rtcm.station import encode_1006
from gnss.systems import System
from gnss.time import iso_z, msm_time_ms

S = 1_000_000
DAY = 86_400 * S
T0 = 1_554_595_000_000_000  # 2019-04-06 23:56:40
NUMBERS = {System.GPS: 1077, System.GLONASS: 1087, System.GALILEO: 1097}


def day(text):
    return int(datetime.fromisoformat(text).replace(hour=12, tzinfo=UTC).timestamp()) * S


MODIFIED_US = day("2026-11-21")


def msm(time_us, *, more=False, system=System.GPS, signals=(2,), channel=0, missing=False):
    n = len(signals)
    nothing = np.full(n, np.nan)
    observations = Observations(
        row=np.zeros(n, np.int32),
        system=np.full(n, system, np.uint8),
        satellite=np.full(n, 5, np.uint8),
        signal=np.array(signals, np.uint8),
        range_m=nothing if missing else np.full(n, 22_000_000.25),
        phase_m=nothing if missing else np.full(n, 22_000_001.5),
        rate_m_s=nothing if missing else np.full(n, -433.25),
        cn0_dbhz=nothing if missing else np.full(n, 45.0625),
        lock_ms=np.full(n, 4096, np.int32),
        lock_indicator=np.full(n, -1, np.int16),
        half_cycle=np.ones(n, np.uint8),
        flags=np.zeros(n, np.uint8),
        channel=np.full(n, channel, np.int8),
    )
    return build_frame(encode_msm(NUMBERS[system], 7, msm_time_ms(time_us, system), more, observations))


def gps_ephemeris(week, satellite=3, toe_s=518_400):
    bits = 1019 << 476 | satellite << 470 | (week % 1024) << 460 | toe_s // 16 << 184
    return build_frame(bits.to_bytes(61, "big"))


def galileo_ephemeris(week, toe_s=259_200):
    bits = 1045 << 484 | 11 << 478 | (week - 1024) % 4096 << 466 | toe_s // 60 << 188
    return build_frame(bits.to_bytes(62, "big"))


def begin(content, *, date_us=None, modified_us=MODIFIED_US):
    at, week_from = capture.reference_time(content, date_us=date_us, modified_us=modified_us)
    return iso_z(at), week_from


@pytest.mark.parametrize(
    ("name", "frames", "bad", "epochs", "first", "last"),
    [
        ("swift/week-rollover-STR17.rtcm3", 9384, 0, 1126, "2019-04-06T23:50:00Z", "2019-04-07T00:08:45Z"),
        ("swift/week-rollover-STR24.rtcm3", 6857, 0, 1134, "2019-04-06T23:49:51Z", "2019-04-07T00:08:44Z"),
        ("swift/missing-beidou-STR17.rtcm3", 4183, 0, 502, "2019-04-10T03:15:51Z", "2019-04-10T03:24:12Z"),
        ("asv/fw206mrtk_rtcm", 4996, 0, 700, "2019-04-09T07:33:13Z", "2019-04-09T07:44:52Z"),
        ("asv/imu_rtcm", 761, 0, 134, "2019-04-10T14:41:35Z", "2019-04-10T14:43:48Z"),
        ("swift/glo_day_rollover.rtcm", 18, 0, 7, "2019-04-05T21:42:53Z", "2019-04-05T21:42:59Z"),
        ("swift/wn-rollover2.rtcm", 139, 0, 0, None, None),
        ("swift/test_gal_eph.rtcm", 188, 7, 0, None, None),
    ],
)
def test_summary_with_a_date(data, name, frames, bad, epochs, first, last):
    content = (data / f"rtcm3/{name}").read_bytes()
    summary = capture.summary(content, date_us=day("2019-04-07"), modified_us=MODIFIED_US)
    messages = summary.pop("messages")
    assert summary == {
        "bytes": len(content),
        "frames": frames,
        "bad_frames": bad,
        "epochs": epochs,
        "first_epoch": first,
        "last_epoch": last,
        "week_from": "date",
    }
    assert sum(messages.values()) == frames
    assert json.loads(json.dumps(messages)) == messages


@pytest.mark.parametrize("date", ["2019-04-05", "2019-04-06", "2019-04-07", "2019-04-09"])
@pytest.mark.parametrize("name", ["week-rollover-STR17.rtcm3", "week-rollover-STR24.rtcm3"])
def test_any_date_near_the_roll_over_will_do(data, name, date):
    content = (data / f"rtcm3/swift/{name}").read_bytes()
    found = {iso_z(e.time_us)[:10] for e in capture.epochs(content, begin_us(content, date_us=day(date)))}
    assert found == {"2019-04-06", "2019-04-07"}


def begin_us(content, *, date_us=None, modified_us=MODIFIED_US):
    return capture.reference_time(content, date_us=date_us, modified_us=modified_us)[0]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # GPS, Galileo, QZSS and BeiDou weeks and the day in message 1013 (MJD 58313) agree on 2018-07-14
        ("swift/week-rollover-STR17.rtcm3", "2018-07-14T23:50:00Z"),
        ("swift/week-rollover-STR24.rtcm3", "2018-07-14T23:49:51Z"),
        ("swift/missing-beidou-STR17.rtcm3", "2018-07-18T03:15:51Z"),
        ("asv/imu_rtcm", "2023-06-14T14:41:35Z"),
        ("qzsl6tool/20221213-010900.rtcm", "2022-12-13T01:09:04Z"),
        ("gpsd/rtcm3.2.log", "2016-04-06T20:38:00Z"),
        ("swift/wn-rollover2.rtcm", "2019-04-23T09:59:42Z"),
    ],
)
def test_the_week_comes_from_ephemerides(data, name, expected):
    assert begin((data / f"rtcm3/{name}").read_bytes()) == (expected, "ephemeris")


def test_after_the_roll_over_ephemerides_of_both_weeks_agree(data):
    content = (data / "rtcm3/swift/week-rollover-STR24.rtcm3").read_bytes()
    for offset in range(0, len(content), 150_000):
        piece = content[offset : offset + 200_000]
        at = begin_us(piece)
        assert abs(at - day("2018-07-15") + DAY // 2) < 1200 * S
        assert at == next(capture.epochs(piece, at)).time_us


def test_a_narrow_week_count_is_resolved_by_a_wide_one():
    made = 2048 * 7 * DAY + 315_964_800 * S + 3 * DAY
    frames = [msm(made), gps_ephemeris(2048), gps_ephemeris(2048, 9)]
    # 1,024 weeks after the capture the narrow count alone is taken for another one
    late_us = made + 1000 * 7 * DAY
    assert begin(b"".join(frames), modified_us=late_us) == (iso_z(made + 1024 * 7 * DAY), "ephemeris")
    assert begin(b"".join([*frames, galileo_ephemeris(2048)]), modified_us=late_us)[0] == iso_z(made)


def test_one_ephemeris_with_a_wrong_week_changes_nothing():
    frames = [msm(T0), gps_ephemeris(1000), *[gps_ephemeris(2047, i) for i in (1, 2, 3)]]
    assert begin(b"".join(frames), modified_us=T0 + 90 * DAY) == (iso_z(T0), "ephemeris")


def test_the_time_of_the_file_is_the_last_resort(data):
    content = (data / "rtcm3/asv/fw206mrtk_rtcm").read_bytes()
    at, week_from = begin(content)
    assert (at, week_from) == ("2026-11-17T07:33:13Z", "file time")  # the last one before the file's time
    fresh = b"".join(msm(T0 + i * S) for i in range(5))
    assert begin(fresh, modified_us=T0 + 5 * S) == (iso_z(T0), "file time")
    assert begin(fresh, modified_us=T0 + 6 * DAY) == (iso_z(T0), "file time")


def test_a_wild_time_at_the_begin_does_not_set_the_week():
    frames = [msm(T0 + 3 * DAY, more=True)] + [msm(T0 + i * S) for i in range(8)]
    assert begin(b"".join(frames), date_us=T0 - 3 * DAY) == (iso_z(T0), "date")


def test_without_observations_or_anything():
    position = build_frame(encode_1006(7, (1.0, 2.0, 3.0), 0.0))
    assert capture.reference_time(b"", date_us=None, modified_us=5) == (5, "file time")
    assert capture.reference_time(position, date_us=6, modified_us=5) == (6, "date")
    summary = capture.summary(position + b"\n", date_us=None, modified_us=MODIFIED_US)
    assert summary == {
        "bytes": len(position) + 1,
        "frames": 1,
        "bad_frames": 0,
        "epochs": 0,
        "first_epoch": None,
        "last_epoch": None,
        "messages": {"1006": 1},
        "week_from": "file time",
    }
    assert list(capture.split_for_replay(position, 0)) == [(None, position)]
    assert list(capture.split_for_replay(b"", 0)) == []


@pytest.mark.parametrize(
    ("name", "epochs"),
    [
        ("swift/week-rollover-STR24.rtcm3", 1134),
        ("swift/missing-gps.rtcm", 50),
        ("asv/fw206mrtk_rtcm", 700),
        ("swift/test_gal_eph.rtcm", 0),
    ],
)
def test_pieces_for_a_replay_are_the_capture(data, name, epochs):
    content = (data / f"rtcm3/{name}").read_bytes()
    reference_us = begin_us(content, date_us=day("2019-04-07"))
    pieces = list(capture.split_for_replay(content, reference_us))
    assert b"".join(piece for _, piece in pieces) == content
    times = [time_us for time_us, _ in pieces]
    assert times == ([e.time_us for e in capture.epochs(content, reference_us)] or [None])
    if epochs:
        assert len(pieces) == epochs
        assert all(a < b for a, b in pairwise(times))
        # each begins with the first frame of its epoch
        starts = set(find_frames(np.frombuffer(content, np.uint8), final=True).start.tolist())
        assert set(np.cumsum([len(piece) for _, piece in pieces])[:-1].tolist()) <= starts


def test_a_long_stretch_without_an_epoch_is_cut():
    content = msm(T0) + bytes(capture.MAX_PIECE_BYTES) + msm(T0 + S)
    pieces = list(capture.split_for_replay(content, T0))
    assert [time_us for time_us, _ in pieces] == [T0, T0, T0 + S]
    assert b"".join(piece for _, piece in pieces) == content


def test_rows():
    frames = [
        msm(T0, more=True, signals=(2, 7)),
        msm(T0, more=True, system=System.GLONASS, channel=-4),
        msm(T0, more=True, system=System.GLONASS, channel=UNKNOWN_CHANNEL),
        msm(T0, system=System.GALILEO, signals=(23,), missing=True),
    ]
    rows = list(capture.observation_rows(capture.epochs(b"".join(frames), T0)))
    assert [row._asdict() for row in rows[:1]] == [
        {
            "epoch": "2019-04-06T23:56:40Z",
            "satellite": "G05",
            "signal": "1C",
            "range_m": pytest.approx(22_000_000.25, abs=4e-4),
            "phase_m": pytest.approx(22_000_001.5, abs=1e-4),
            "rate_m_s": -433.25,
            "cn0_dbhz": 45.0625,
            "lock_s": 4.096,
            "half_cycle": True,
            "channel": None,
            "partial": False,
        }
    ]
    assert [(row.satellite, row.signal, row.channel) for row in rows] == [
        ("G05", "1C", None),
        ("G05", "#7", None),
        ("R05", "1C", -4),
        ("R05", "1C", None),
        ("E05", "5Q", None),
    ]
    assert rows[4][3:7] == (None, None, None, None)


def test_rows_of_a_recording_are_all_there(data):
    content = (data / "rtcm3/swift/piksi-5Hz.rtcm3").read_bytes()
    rows = list(capture.observation_rows(capture.epochs(content, day("2019-04-07"))))
    assert len(rows) == 2052
    assert len({(row.epoch, row.satellite, row.signal) for row in rows}) == len(rows)
    assert rows[-1].epoch == "2019-04-09T08:43:46Z"
    assert {row.satellite[0] for row in rows} == set("GREC")
