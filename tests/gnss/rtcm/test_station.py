"""1005 and 1006 against pyrtcm, our 1006 read by pyrtcm, and what stations say of themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyrtcm import RTCMReader

from gnss.rtcm.framing import build_frame, find_frames
from gnss.rtcm.messages import Message, Opaque, decode, encode, message
from gnss.rtcm.station import (
    STATION_MESSAGES,
    StationMetadata,
    StationPosition,
    decode_position,
    encode_1006,
    update,
)
from gnss.rtcm.texts import MAX_PRINTED

COORDINATES = st.floats(-13_743_895.3471, 13_743_895.3471)


@settings(deadline=None)
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


def equipment(number: int, station: int = 7, **texts: str) -> bytes:
    """Return a 1007, 1008 or 1033 with some texts, the others empty."""
    names = ["antenna_descriptor"] + ["antenna_serial"] * (number > 1007)
    if number == 1033:
        names += ["receiver_descriptor", "receiver_firmware", "receiver_serial"]
    values = {"reference_station": station, "antenna_setup": 0} | dict.fromkeys(names, "") | texts
    return encode(message(number, values))


def test_metadata_of_a_recording(data):
    content = (data / "rtcm3/swift/week-rollover-STR24.rtcm3").read_bytes()
    index = find_frames(np.frombuffer(content, np.uint8), final=True)
    metadata = StationMetadata()
    for start, length in zip(index.start.tolist(), index.length.tolist(), strict=True):
        metadata = update(metadata, content[start + 3 : start + 3 + length])
    position = metadata.position
    assert position is not None
    assert position.ecef_m == pytest.approx((-4467074.3577, 2683011.9038, -3667008.2845), abs=1e-4)
    assert metadata == StationMetadata(
        reference_station=0,
        antenna_descriptor="LEIAR25.R3      NONE",
        antenna_serial="09330026",
        receiver_descriptor="TRIMBLE NETR9",
        receiver_firmware="5.33,31/JAN/2018",
        receiver_serial="5212K83350",
        position=position,
        antenna_height_m=0.0001,
    )


def test_the_last_that_was_told_stays():
    metadata = update(StationMetadata(), encode_1006(7, (1.0, 2.0, 3.0), 0.5))
    position = StationPosition(7, (1.0, 2.0, 3.0), 0.5)
    assert metadata == StationMetadata(7, position=position, antenna_height_m=0.5)
    # three zeros: a sender that was not told where it is
    assert update(metadata, encode_1006(7, (0.0, 0.0, 0.0), 0.4)) == metadata
    with_height = decode(encode_1006(7, (4.0, 5.0, 6.0), 0.0))
    assert isinstance(with_height, Message)
    values = {k: v for k, v in with_height.values.items() if k != "antenna_height_m"}
    metadata = update(metadata, encode(message(1005, values)))
    assert metadata.position == StationPosition(7, (4.0, 5.0, 6.0), None)
    assert metadata.antenna_height_m == 0.5
    metadata = update(metadata, equipment(1008, antenna_descriptor="A", antenna_serial="1"))
    metadata = update(metadata, equipment(1007, antenna_descriptor="A"))
    metadata = update(metadata, equipment(1033, receiver_descriptor="R", receiver_firmware="2"))
    assert (metadata.antenna_descriptor, metadata.antenna_serial) == ("A", "1")
    assert (metadata.receiver_descriptor, metadata.receiver_firmware) == ("R", "2")
    assert metadata.receiver_serial is None


def test_other_equipment_has_another_serial_number():
    metadata = update(
        StationMetadata(),
        equipment(
            1033,
            antenna_descriptor="A",
            antenna_serial="1",
            receiver_descriptor="R",
            receiver_firmware="2",
            receiver_serial="3",
        ),
    )
    antenna = update(metadata, equipment(1007, antenna_descriptor="B"))
    assert (antenna.antenna_descriptor, antenna.antenna_serial) == ("B", None)
    assert antenna.receiver_serial == "3"
    receiver = update(metadata, equipment(1033, receiver_descriptor="S", receiver_serial="4"))
    assert (receiver.receiver_descriptor, receiver.receiver_firmware, receiver.receiver_serial) == (
        "S",
        None,
        "4",
    )
    assert receiver.antenna_serial == "1"


def test_another_reference_station_is_another_station():
    metadata = update(StationMetadata(), equipment(1008, antenna_descriptor="A", antenna_serial="1"))
    assert update(metadata, equipment(1007, station=8, antenna_descriptor="B")) == StationMetadata(
        8, antenna_descriptor="B"
    )


@settings(deadline=None)
@given(st.lists(st.text(st.characters(max_codepoint=255), max_size=31), min_size=5, max_size=5))
def test_metadata_hold_nothing_that_cannot_be_shown(texts):
    names = (
        *("antenna_descriptor", "antenna_serial"),
        *("receiver_descriptor", "receiver_firmware", "receiver_serial"),
    )
    metadata = update(StationMetadata(), equipment(1033, **dict(zip(names, texts, strict=True))))
    for name, text in zip(names, texts, strict=True):
        shown = getattr(metadata, name)
        if shown is None:
            assert not any(c.isprintable() and c != " " for c in text)
        else:
            assert shown.isprintable()
            assert 0 < len(shown) <= MAX_PRINTED


@given(st.binary(min_size=1, max_size=60), st.sampled_from([1005, 1006, 1007, 1008, 1033, 1077]))
def test_damaged_messages_change_nothing(content, number):
    before = update(StationMetadata(), equipment(1007, antenna_descriptor="A"))
    payload = (number << 4 | content[0] % 16).to_bytes(2, "big") + content[1:]
    after = update(before, payload)
    if isinstance(decode(payload), Opaque):
        assert after == before
    else:
        assert after.reference_station == int.from_bytes(payload[1:3], "big") & 0xFFF
