"""Epoch times, damaged messages, missing values and signal tables."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from gnss.observations import PARTIAL, UNKNOWN_CHANNEL, MsmFrames, Observations
from gnss.rtcm.framing import build_frame, find_frames
from gnss.rtcm.msm import decode_msm
from gnss.rtcm.signals import RINEX_CODES, frequency_hz, rinex_code, wavelength_m
from gnss.systems import System

DAY_MS, WEEK_MS = 86_400_000, 604_800_000
LEAP_2019_MS = 18_000


def decode(stream: bytes) -> tuple[MsmFrames, Observations]:
    buffer = np.frombuffer(stream, np.uint8)
    index = find_frames(buffer, final=True)
    return decode_msm(buffer, index.start, index.length)


def message(number: int, time: int, satellites: int = 0, signals: int = 0, behind: str = "") -> bytes:
    """Write an MSM bit by bit: its header, the two masks, and whatever bits follow them."""
    parts = [(number, 12), (77, 12), (time, 30), (0, 19), (satellites, 64), (signals, 32)]
    bits = "".join(f"{value:0{width}b}" for value, width in parts) + behind
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def time_of(number: int, sent: int) -> int:
    frames, _ = decode(build_frame(message(number, sent)))
    return int(frames.time_ms[0])


@pytest.mark.parametrize("number", [1074, 1095, 1106, 1117, 1134])
def test_gps_time_is_taken_as_sent(number: int) -> None:
    assert [time_of(number, t) for t in (0, 1500, WEEK_MS - 1)] == [0, 1500, WEEK_MS - 1]
    assert [time_of(number, t) for t in (WEEK_MS, 2**30 - 1)] == [-1, -1]


def test_beidou_time_becomes_gps_time() -> None:
    assert [time_of(1127, t) for t in (0, 1000, WEEK_MS - 14_000, WEEK_MS - 1)] == [14_000, 15_000, 0, 13_999]
    assert [time_of(1127, 2**30 - 14_000 + t) for t in (0, 3000, 13_999)] == [0, 3000, 13_999]
    assert [time_of(1127, t) for t in (WEEK_MS, 2**30 - 14_001)] == [-1, -1]


def test_glonass_time_becomes_utc_of_the_day() -> None:
    three = 10_800_000
    for day in range(8):
        assert time_of(1087, day << 27 | three) == 0
        assert time_of(1087, day << 27 | 5) == DAY_MS - three + 5
        assert time_of(1087, day << 27 | (DAY_MS - 1)) == DAY_MS - 1 - three
    assert time_of(1087, DAY_MS + 250) == DAY_MS - three + 250
    assert [time_of(1087, t) for t in (DAY_MS + 1000, 2**27 - 1)] == [-1, -1]


def test_all_systems_of_the_roll_over_recording_agree(data) -> None:
    stream = (data / "rtcm3/swift/week-rollover-STR17.rtcm3").read_bytes()
    frames, _ = decode(stream)
    sets = [
        frames.time_ms[frames.system == s] for s in (System.GPS, System.GALILEO, System.QZSS, System.BEIDOU)
    ]
    assert len(sets[0]) == 1126
    assert all(np.array_equal(sets[0], other) for other in sets[1:])
    assert np.array_equal(np.unique(np.diff(sets[0])), [1000 - WEEK_MS, 1000])
    glonass = frames.time_ms[frames.system == System.GLONASS]
    assert np.array_equal((sets[0] - LEAP_2019_MS) % DAY_MS, glonass)


def test_a_damaged_message_is_counted_and_spoils_no_neighbour(data) -> None:
    stream = (data / "rtcm3/asv/imu_rtcm").read_bytes()
    index = find_frames(np.frombuffer(stream, np.uint8))
    number = index.message
    first = int(np.flatnonzero((number >= 1074) & (number <= 1137))[0])
    whole = stream[index.start[first] : index.start[first] + index.length[first] + 6]
    payload = whole[3:-3]
    damaged = [
        payload[:-20],
        payload[:10],
        payload[:2],
        message(1077, 0, 2**64 - 1, 2**32 - 1, "1" * 3000),
        message(1077, 0, 2**13 - 1, 0b11111, "1" * 6000),  # 65 cells
        message(1077, 0, 1, 1, "1" + "0" * 110),  # one byte short
    ]
    mixed = whole + b"".join(build_frame(d) + whole for d in damaged)
    frames, seen = decode(mixed)
    _, alone = decode(whole)
    assert frames.damaged == len(damaged)
    assert frames.frame.tolist() == [0, 2, 4, 6, 8, 10, 12]
    for field in fields(Observations)[1:]:
        once = getattr(alone, field.name)
        assert np.array_equal(getattr(seen, field.name), np.tile(once, 7), equal_nan=once.dtype.kind == "f")


def test_a_message_of_exactly_its_length_is_decoded_at_the_end_of_the_buffer() -> None:
    frame = build_frame(message(1077, 0, 1, 1, "1" + "0" * 116))
    buffer = np.frombuffer(frame + bytes(64), np.uint8)
    start, length = np.zeros(1, np.int64), np.full(1, len(frame) - 6, np.int32)
    _, padded = decode_msm(buffer, start, length)
    for extra in range(9):
        cut = buffer[: len(frame) - 3 + extra].copy()
        frames, seen = decode_msm(cut, start, length)
        assert (len(frames), frames.damaged, len(seen)) == (1, 0, 1)
        assert seen.range_m[0] == padded.range_m[0] == 0.0
        assert np.isnan(seen.cn0_dbhz[0])


def test_frames_outside_of_the_buffer_are_refused() -> None:
    frame = np.frombuffer(build_frame(message(1077, 0)), np.uint8)
    for start, length in ((1, len(frame) - 3), (-1, 22), (0, 1023), (10_000, 22), (0, -1)):
        with pytest.raises(ValueError, match="outside of the buffer"):
            decode_msm(frame, np.array([start]), np.array([length]))


def test_other_messages_are_passed_over() -> None:
    stream = b"".join(
        build_frame(message(n, 0)) for n in (1000, 1005, 1008, 1013, 1070, 1078, 1080, 1138, 1144, 4095)
    )
    frames, seen = decode(stream + build_frame(b"") + build_frame(b"\x43"))
    assert (len(frames), len(seen), frames.damaged) == (0, 0, 0)


@pytest.mark.parametrize(("kind", "bits"), [(1, 10 + 15), (2, 10 + 27), (3, 10 + 42), (4, 66), (7, 116)])
def test_every_type_has_its_length(kind: int, bits: int) -> None:
    whole = message(1070 + kind, 0, 1, 1, "1" + "0" * bits)
    for group in range(7):
        payload = bytearray(whole)
        payload[:2] = (((1070 + kind + 10 * group) << 4) | (payload[1] & 15)).to_bytes(2, "big")
        frames, seen = decode(build_frame(bytes(payload)))
        assert (len(frames), frames.damaged, len(seen)) == (1, 0, 1)
        frames, _ = decode(build_frame(bytes(payload[: (169 + bits) // 8])))
        assert (len(frames), frames.damaged) == (0, 1)


def test_types_without_whole_milliseconds_leave_out_what_they_do_not_have() -> None:
    fraction, fine_range, fine_phase = "1000000000", f"{5:015b}", f"{7:022b}"
    lock = "1001" + "1"
    types = {1: fine_range, 2: fine_phase + lock, 3: fine_range + fine_phase + lock}
    columns = {}
    for kind, cell in types.items():
        _, seen = decode(build_frame(message(1090 + kind, 0, 1 << 63, 1 << 30, "1" + fraction + cell)))
        columns[kind] = seen
        assert (seen.satellite[0], seen.signal[0], seen.flags[0]) == (1, 2, PARTIAL)
        assert np.isnan(seen.rate_m_s[0])
        assert np.isnan(seen.cn0_dbhz[0])
    range_m, phase_m = (0.5 + 5 / 2**24) * 299_792.458, (0.5 + 7 / 2**29) * 299_792.458
    assert [columns[k].range_m[0] for k in (1, 3)] == pytest.approx([range_m] * 2, abs=1e-9)
    assert [columns[k].phase_m[0] for k in (2, 3)] == pytest.approx([phase_m] * 2, abs=1e-9)
    assert np.isnan(columns[2].range_m[0])
    assert np.isnan(columns[1].phase_m[0])
    got = [(int(s.lock_indicator[0]), int(s.lock_ms[0]), int(s.half_cycle[0])) for s in columns.values()]
    assert got == [(-1, -1, 0), (9, 8192, 1), (9, 8192, 1)]


@pytest.mark.parametrize("kind", range(1, 8))
def test_a_signal_that_nobody_knows_spoils_no_neighbour(kind: int) -> None:
    random = np.random.default_rng(kind)
    behind = "1" * 4 + "".join(random.choice(["0", "1"], 600))
    known, unknown = 1 << 31 - 1, 1 << 31 - 19  # signal ids 2 and 20; GLONASS has no name for 20
    _, seen = decode(build_frame(message(1080 + kind, 0, 0b11 << 62, known | unknown, behind)))
    assert seen.signal.tolist() == [2, 20, 2, 20]
    assert rinex_code(System.GLONASS, 20) is None
    _, alone = decode(build_frame(message(1080 + kind, 0, 0b11 << 62, known | 1 << 31 - 7, behind)))
    assert alone.signal.tolist() == [2, 8, 2, 8]
    for field in fields(Observations):
        if field.name != "signal":
            both = getattr(seen, field.name), getattr(alone, field.name)
            np.testing.assert_array_equal(*both)


def test_missing_values_are_nan_not_absurd(data) -> None:
    _, seen = decode((data / "rtcm3/swift/beidou_invalid_fine_pseudorange.rtcm").read_bytes())
    missing = np.isnan(seen.range_m)
    assert (seen.system[missing], seen.satellite[missing], seen.signal[missing]) == (System.BEIDOU, 32, 23)
    assert np.nanmax(np.abs(seen.range_m - seen.phase_m)) < 1000
    assert seen.phase_m[missing] == pytest.approx(25_222_091.0595, abs=1e-4)


def test_glonass_channels(data) -> None:
    _, with_channels = decode((data / "rtcm3/swift/week-rollover-STR17.rtcm3").read_bytes()[:20_000])
    glonass = with_channels.system == System.GLONASS
    known = dict(
        zip(with_channels.satellite[glonass].tolist(), with_channels.channel[glonass].tolist(), strict=True)
    )
    assert known[3] == 5
    assert known[13] == -2
    assert set(with_channels.channel[~glonass]) == {0}
    _, without = decode((data / "rtcm3/swift/week-rollover-STR24.rtcm3").read_bytes()[:20_000])
    assert set(without.channel[without.system == System.GLONASS]) == {UNKNOWN_CHANNEL}


def test_frequencies() -> None:
    systems = [
        System.GPS,
        System.GLONASS,
        System.GLONASS,
        System.BEIDOU,
        System.NAVIC,
        System.GPS,
        System.GLONASS,
    ]
    signals = [2, 2, 9, 2, 22, 1, 2]
    channels = [UNKNOWN_CHANNEL, -7, 6, 0, 0, 0, UNKNOWN_CHANNEL]
    wanted = [1575.42e6, 1598.0625e6, 1248.625e6, 1561.098e6, 1176.45e6, np.nan, np.nan]
    np.testing.assert_allclose(frequency_hz(systems, signals, channels), wanted)
    assert np.isnan(frequency_hz(9, 2, 0))
    assert np.isnan(frequency_hz(0, 40, 0))
    assert wavelength_m(0, 2, 0) == pytest.approx(0.190293673)
    assert (rinex_code(5, 31), rinex_code(1, 11)) == ("1P", None)


def test_every_known_signal_has_a_frequency() -> None:
    for system, codes in RINEX_CODES.items():
        frequency = frequency_hz(system, list(codes), 1)
        assert np.all((frequency > 1.1e9) & (frequency < 2.6e9))
        assert len(set(codes.values())) == len(codes)
