"""Whole captures that hold 1004 and 1012: their epochs, and what the recordings' manifest says of them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from gnss import capture
from gnss.epochs import Epoch
from gnss.systems import System
from gnss.time import iso_z

DAY_2020_US = 1_599_609_600_000_000
"""2020-09-09"""
DAY_2019_US = 1_554_595_200_000_000
"""2019-04-07"""
# epochs, seconds between most of them
CAPTURES = {
    "gpsd/rtcm3.bndm.log": (33, 1.0),
    "swift/geo++_SOK.rtcm": (33, 1.0),
    "swift/geo++_TRM.rtcm": (23, 1.0),
    "swift/glo_day_rollover.rtcm": (7, 1.0),
    "swift/leica.rtcm": (21, 1.0),
    "swift/mixed-msm-legacy.rtcm": (34, 1.0),
    "swift/missing-gps.rtcm": (50, 1.0),
    "swift/navcom.rtcm": (65, 1.0),
    "swift/piksi-5Hz.rtcm3": (38, 0.2),
    "swift/topcon.rtcm": (39, 1.0),
}


def read(content: bytes, date_us: int = DAY_2020_US) -> list[Epoch]:
    reference_us, _ = capture.reference_time(content, date_us=date_us, modified_us=date_us)
    return list(capture.epochs(content, reference_us))


@pytest.mark.parametrize("name", CAPTURES)
def test_epochs_of_captures(data, name: str) -> None:
    wanted, interval_s = CAPTURES[name]
    found = read((data / f"rtcm3/{name}").read_bytes())
    assert len(found) == wanted
    steps = np.diff([epoch.time_us for epoch in found])
    assert (steps > 0).all()
    assert Counter(steps.tolist()).most_common(1)[0][0] == interval_s * 1e6
    for epoch in found:
        seen = epoch.observations
        assert len(seen) > 0
        assert np.nanmin(seen.range_m) > 1.8e7
        assert np.nanmax(seen.range_m) < 4.3e7
        apart_m = np.abs(seen.range_m - seen.phase_m)
        assert apart_m[~np.isnan(apart_m)].max(initial=0.0) < 1_000


def test_a_stream_that_changes_between_legacy_and_msm(data) -> None:
    found = read((data / "rtcm3/swift/switch-legacy-msm-legacy-msm.rtcm").read_bytes())
    with_gps = [e for e in found if System.GPS in e.observations.system]
    assert len(with_gps) == 419
    # where a station begins in the middle of an epoch, GPS had gone by
    others = [(e.message_numbers, iso_z(e.time_us)[11:19]) for e in found if e not in with_gps]
    middle = (1084, 1094, 1114, 1124)
    assert others == [((1012,), "13:46:41"), (middle, "13:49:09"), ((1012,), "13:51:18")]
    kinds = Counter("legacy" if e.message_numbers[0] < 1071 else "msm" for e in found)
    assert kinds == {"legacy": 255, "msm": 167}


def test_glonass_falls_on_the_day_of_gps(data) -> None:
    content = (data / "rtcm3/swift/glo_day_rollover.rtcm").read_bytes()
    found = read(content, DAY_2019_US)
    assert [e.message_numbers for e in found] == [(1004, 1012)] * 7
    assert (iso_z(found[0].time_us), iso_z(found[-1].time_us)) == (
        "2019-04-05T21:42:53Z",
        "2019-04-05T21:42:59Z",
    )


def test_rows_of_a_capture(data) -> None:
    found = read((data / "rtcm3/swift/leica.rtcm").read_bytes())
    rows = list(capture.observation_rows(found[:1]))
    assert {row.signal for row in rows} == {"1C", "2W", "2C", "2P"}
    first = rows[0]
    assert (first.satellite, first.signal, first.rate_m_s, first.half_cycle) == ("G02", "1C", None, False)
