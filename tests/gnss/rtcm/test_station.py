"""1005 and 1006 against pyrtcm, and our 1006 read by pyrtcm."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyrtcm import RTCMReader

from gnss.rtcm.framing import build_frame, find_frames
from gnss.rtcm.station import STATION_MESSAGES, decode_position, encode_1006

COORDINATES = st.floats(-13_743_895.3471, 13_743_895.3471)


@given(st.integers(0, 4095), st.tuples(COORDINATES, COORDINATES, COORDINATES), st.floats(0, 6.5535))
def test_1006_is_read_back_here_and_by_pyrtcm(reference_station, ecef_m, height_m):
    payload = encode_1006(reference_station, ecef_m, height_m)
    position = decode_position(payload)
    assert position is not None
    assert position.reference_station == reference_station
    assert position.ecef_m == pytest.approx(ecef_m, abs=5.1e-5)
    assert position.antenna_height_m == pytest.approx(height_m, abs=5.1e-5)
    theirs = RTCMReader.parse(build_frame(payload))
    assert (theirs.identity, theirs.DF003) == ("1006", reference_station)
    assert position.ecef_m == pytest.approx((theirs.DF025, theirs.DF026, theirs.DF027), abs=1e-8)
    assert position.antenna_height_m == pytest.approx(theirs.DF028, abs=1e-9)
    assert (theirs.DF022, theirs.DF023, theirs.DF024, theirs.DF141) == (1, 1, 1, 0)


@pytest.mark.parametrize(
    "name",
    [
        "swift/week-rollover-STR17.rtcm3",
        "swift/navcom.rtcm",
        "swift/topcon.rtcm",
        "qzsl6tool/20221213-010900.rtcm",
        "pyrtcm/pygpsdata-NTRIP-USCL00CHL0.log",
    ],
)
def test_recordings_agree_with_pyrtcm(data, name):
    content = (data / f"rtcm3/{name}").read_bytes()
    index = find_frames(np.frombuffer(content, np.uint8), final=True)
    seen = 0
    for start, length in zip(index.start.tolist(), index.length.tolist(), strict=True):
        frame = content[start : start + length + 6]
        position = decode_position(frame[3:-3])
        theirs = None if int.from_bytes(frame[3:5], "big") >> 4 not in STATION_MESSAGES else frame
        assert (position is None) == (theirs is None)
        if position is None or theirs is None:
            continue
        parsed = RTCMReader.parse(theirs)
        assert position.reference_station == parsed.DF003
        assert position.ecef_m == pytest.approx((parsed.DF025, parsed.DF026, parsed.DF027), abs=1e-8)
        height_m = getattr(parsed, "DF028", None)
        assert position.antenna_height_m == (
            height_m if height_m is None else pytest.approx(height_m, abs=1e-9)
        )
        seen += 1
    assert seen


def test_short_and_other_messages_have_no_position():
    payload = encode_1006(1, (1.0, 2.0, 3.0), 0.0)
    assert all(decode_position(payload[:n]) is None for n in range(len(payload)))
    assert decode_position(bytes(len(payload))) is None


@pytest.mark.parametrize(
    ("reference_station", "x_m", "height_m"),
    [(4096, 1.0, 0.0), (-1, 1.0, 0.0), (1, 2e7, 0.0), (1, -2e7, 0.0), (1, 1.0, 7.0), (1, 1.0, -0.1)],
)
def test_what_does_not_fit_is_refused(reference_station, x_m, height_m):
    with pytest.raises(ValueError, match="does not fit"):
        encode_1006(reference_station, (x_m, 0.0, 0.0), height_m)
