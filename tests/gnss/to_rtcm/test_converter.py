"""A station's stream in any format, alone and mixed with others."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnss.binex.framing import build_record
from gnss.rtcm.framing import build_frame, find_frames
from gnss.rtcm.msm_epoch import observation_frames
from gnss.systems import System
from gnss.time import GPS_EPOCH_US
from gnss.to_rtcm.converter import Converter
from gnss.to_rtcm.formats import Spoken
from gnss.ubx.framing import UbxFramer, build_ubx
from gnss.ubx.rawx import RXM_RAWX
from tests.gnss.binex.encode import Satellite, Signal, counted, epoch_record, site_record
from tests.gnss.to_rtcm.test_writer import plain
from tests.gnss.ubx.recordings import recording

S = 1_000_000
BEGIN_US = 1_700_000_000 * S
NMEA = b"$GNGGA,012000.00,4552.65549,S,17030.00749,E,1,12,0.64,61.9,M,5.2,M,,*5A\r\n"
RTCM_OTHER = build_frame(bytes((1005 >> 4, (1005 & 15) << 4)) + bytes(17))


def binex_epochs(n: int) -> list[bytes]:
    signals = [Signal(1, 20_000_000_000, 5.0, 450, 100.0), Signal(11, 20_000_001_000, 6.0, 400, 80.0)]
    satellites = [Satellite(System.GPS, number, signals) for number in (3, 9, 21)]
    return [epoch_record(GPS_EPOCH_US + 10**15 + i * S, satellites) for i in range(n)]


def ubx_epochs(n: int) -> list[bytes]:
    frames = UbxFramer().feed(recording("zed-f9p-rawx")).frames
    return [build_ubx(f.kind, f.payload) for f in frames if f.kind == RXM_RAWX][:n]


def rtcm_epochs(n: int) -> list[bytes]:
    return [b"".join(observation_frames(plain(), BEGIN_US + i * S, 5)) for i in range(n)]


EPOCHS = {"ubx": ubx_epochs, "binex": binex_epochs}


def numbers(stream: bytes) -> list[int]:
    index = find_frames(np.frombuffer(stream, np.uint8), final=True)
    assert (index.bad, index.skipped_bytes) == (0, 0)
    return index.message.tolist()


@pytest.mark.parametrize("spoken", list(EPOCHS))
def test_a_stream_is_recognised_after_some_seconds(spoken: Spoken) -> None:
    converter = Converter()
    out = [converter.feed(NMEA + epoch, BEGIN_US + i * S) for i, epoch in enumerate(EPOCHS[spoken](12))]
    speaks = [i for i, piece in enumerate(out) if 1077 in numbers_or_none(piece)]
    assert speaks == list(range(6, 12))
    assert converter.speaks == spoken
    assert converter.written.epochs == converter.counters.epochs == 6
    assert converter.counters.skipped_bytes == 6 * len(NMEA)


def numbers_or_none(stream: bytes) -> list[int]:
    return find_frames(np.frombuffer(stream, np.uint8), final=True).message.tolist()


def test_a_stream_in_rtcm_is_passed_on_as_it_is_whatever_stands_between() -> None:
    converter = Converter()
    others = zip(rtcm_epochs(60), ubx_epochs(60), binex_epochs(60), strict=True)
    for i, (rtcm, ubx, binex) in enumerate(others):
        piece = NMEA + ubx + rtcm + binex + b"\xd3\x00noise"
        assert converter.feed(piece, BEGIN_US + i * S) is piece
    assert converter.speaks == "rtcm"


def test_a_stream_whose_rtcm_comes_seldom_is_passed_on_all_the_time() -> None:
    converter = Converter()
    rtcm, ubx = rtcm_epochs(1)[0], ubx_epochs(100)
    for second in range(600):
        piece = ubx[second % 100] + (rtcm if second % 60 == 0 else b"")
        assert converter.feed(piece, BEGIN_US + second * S) is piece
    # it stops, and the other format goes on
    spoken = [converter.feed(ubx[i % 100], BEGIN_US + (600 + i) * S) is not ubx[i % 100] for i in range(200)]
    assert spoken.index(True) in range(90, 170)
    assert converter.speaks == "ubx"


@pytest.mark.parametrize("spoken", list(EPOCHS))
def test_observations_in_rtcm_that_come_again_are_taken_at_once(spoken: Spoken) -> None:
    converter = Converter()
    for i, epoch in enumerate(EPOCHS[spoken](10)):
        converter.feed(epoch, BEGIN_US + i * S)
    assert converter.speaks == spoken
    rtcm = rtcm_epochs(3)
    half = len(rtcm[1]) // 2
    out = converter.feed(rtcm[0] + rtcm[1][:half], BEGIN_US + 20 * S)
    out += converter.feed(rtcm[1][half:] + rtcm[2], BEGIN_US + 21 * S)
    assert out == b"".join(rtcm)
    assert converter.speaks == "rtcm"


@pytest.mark.parametrize("spoken", list(EPOCHS))
def test_of_a_mixed_stream_the_asked_format_is_taken_and_the_rest_counted(spoken: Spoken) -> None:
    converter = Converter(spoken)
    other = build_ubx(0x0107, bytes(92)) if spoken == "ubx" else build_record(0x7E, bytes(200))
    epochs = EPOCHS[spoken](5)
    out = b""
    for i, epoch in enumerate(epochs):
        out += converter.feed(NMEA + RTCM_OTHER + other + epoch + rtcm_epochs(1)[0], BEGIN_US + i * S)
    out += converter.finish()
    counters = converter.counters
    assert numbers(out).count(1005) == counters.rtcm_frames == 5
    assert counters.rtcm_observations == 5
    assert counters.epochs == converter.written.epochs == 5
    assert counters.other_frames == 5
    assert counters.frames == 10
    assert counters.skipped_bytes == 5 * len(NMEA)
    assert counters.bytes_received == 5 * (len(NMEA + RTCM_OTHER + other + rtcm_epochs(1)[0])) + sum(
        map(len, epochs)
    )


@pytest.mark.parametrize("spoken", list(EPOCHS))
@settings(deadline=None, max_examples=30)
@given(cuts=st.lists(st.integers(0, 20_000), max_size=12))
def test_cuts_change_nothing(spoken: Spoken, cuts: list[int]) -> None:
    stream = b"".join(NMEA + RTCM_OTHER + epoch for epoch in EPOCHS[spoken](4))
    whole = Converter(spoken)
    wanted = whole.feed(stream, BEGIN_US) + whole.finish()
    pieces = Converter(spoken)
    edges = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    parts = [pieces.feed(stream[a:b], BEGIN_US) for a, b in itertools.pairwise(edges)]
    got = b"".join([*parts, pieces.finish()])
    # frames that came may stand elsewhere between those that were made
    assert sorted(frames(got)) == sorted(frames(wanted))
    assert [f for f in frames(got) if f != RTCM_OTHER] == [f for f in frames(wanted) if f != RTCM_OTHER]
    assert pieces.counters == whole.counters
    assert pieces.written == whole.written


def frames(stream: bytes) -> list[bytes]:
    index = find_frames(np.frombuffer(stream, np.uint8), final=True)
    return [stream[a : a + n + 6] for a, n in zip(index.start.tolist(), index.length.tolist(), strict=True)]


@pytest.mark.parametrize("spoken", ["auto", "ubx", "binex"])
@settings(deadline=None, max_examples=60)
@given(pieces=st.lists(st.binary(max_size=400), max_size=10), seed=st.integers(0, 2**31))
def test_no_bytes_do_harm(spoken, pieces: list[bytes], seed: int) -> None:
    random = np.random.default_rng(seed)
    converter = Converter(spoken)
    good = ubx_epochs(1)[0] + binex_epochs(1)[0]
    for i, piece in enumerate(pieces):
        damaged = bytearray(good)
        for at in random.integers(0, len(good), 3).tolist():
            damaged[at] ^= 1 << int(random.integers(0, 8))
        converter.feed(piece + bytes(damaged), BEGIN_US + i * S)
    converter.finish()
    if spoken != "auto":
        assert converter.counters.bytes_received == sum(map(len, pieces)) + len(pieces) * len(good)


def test_a_registered_place_is_sent_only_when_asked_for() -> None:
    place = (-4_400_000.0, 730_000.0, -4_550_000.0)
    epochs = ubx_epochs(3)
    asked, not_asked = Converter("ubx", reference_station=12, position_m=place), Converter("ubx")
    assert 1006 in numbers(b"".join(asked.feed(epoch, BEGIN_US) for epoch in epochs))
    assert 1006 not in numbers(b"".join(not_asked.feed(epoch, BEGIN_US) for epoch in epochs))


def test_what_a_binex_site_tells_of_its_equipment_is_passed_on() -> None:
    texts = {0x17: "TRM59800.80", 0x20: "SCIT", 0x19: "TRIMBLE NETR9"}
    told = site_record([(number, counted(text)) for number, text in texts.items()])
    converter = Converter("binex")
    out = converter.feed(told + binex_epochs(1)[0], BEGIN_US)
    assert numbers(out) == [1033, 1077]
    assert b"TRM59800.80     SCIT" in out
    assert b"TRIMBLE NETR9" in out


def test_ephemerides_of_navigation_words_are_passed_on_once_in_a_while() -> None:
    stream = recording("neo-m8t-sfrbx")
    converter = Converter("ubx")
    out = converter.feed(stream, 1_596_750_000 * S)
    assert numbers(out) == [1019]  # the recording has no times: all come at once
    again = converter.feed(stream, 1_596_750_021 * S)
    assert numbers(again) == [1019]
