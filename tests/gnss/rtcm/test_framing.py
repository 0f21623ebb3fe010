"""Framing: CRC against a slow twin, resynchronisation, indifference to cuts, the recordings' counts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyrtcm import calc_crc24q

from gnss.rtcm import framing
from gnss.rtcm.crc import crc24q, crc24q_between, prefixes_kernel
from gnss.rtcm.framing import MAX_FRAME_BYTES, FrameIndex, Framer, build_frame, find_frames


def slow_crc24q(data: bytes) -> int:
    """Divide bit by bit."""
    remainder = 0
    for byte in data:
        remainder ^= byte << 16
        for _ in range(8):
            remainder <<= 1
            if remainder & 0x1000000:
                remainder ^= 0x1864CFB
    return remainder


def slow_frames(data: bytes) -> tuple[list[bytes], int, int]:
    """Return frames, failed complete candidates and skipped bytes of a stream that is not at its end."""
    frames, bad, skipped, at = [], 0, 0, 0
    while at < len(data):
        if data[at] != 0xD3 or (at + 1 < len(data) and data[at + 1] > 3):
            at, skipped = at + 1, skipped + 1
            continue
        if at + 3 > len(data):
            break
        end = at + 6 + (data[at + 1] << 8 | data[at + 2])
        if end > len(data):
            break
        if slow_crc24q(data[at : end - 3]) == int.from_bytes(data[end - 3 : end], "big"):
            frames.append(data[at:end])
            at = end
        else:
            at, skipped, bad = at + 1, skipped + 1, bad + 1
    return frames, bad, skipped


def index(data: bytes, *, final: bool = True) -> FrameIndex:
    return find_frames(np.frombuffer(data, np.uint8), final=final)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    ends = sorted({c % (len(data) + 1) for c in cuts} | {len(data)})
    return [data[i:j] for i, j in zip([0, *ends], ends, strict=False)]


payloads = st.binary(max_size=60) | st.just(b"") | st.binary(min_size=1000, max_size=1023)
noise = st.binary(max_size=40) | st.sampled_from(
    [b"\xd3", b"\xd3\x00", b"\xd3\x00\x05\x01", b"\xd3\x03\xff", b"\xd3\xfc"]
)
streams = st.lists(payloads.map(build_frame) | noise, max_size=8).map(b"".join)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_crc_equals_the_division(data: bytes) -> None:
    assert crc24q(data) == slow_crc24q(data) == calc_crc24q(data)


def test_crc_check_value() -> None:
    assert crc24q(b"123456789") == 0xCDE703


@settings(deadline=None)
@given(payloads)
def test_a_built_frame_is_found(payload: bytes) -> None:
    frame = build_frame(payload)
    found = index(frame, final=False)
    assert (found.start.tolist(), found.length.tolist(), found.consumed) == ([0], [len(payload)], len(frame))
    number = payload[0] << 4 | payload[1] >> 4 if len(payload) > 1 else -1
    assert found.message.tolist() == [number]
    assert calc_crc24q(frame) == 0


def test_a_payload_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="1024 bytes does not fit"):
        build_frame(bytes(1024))


@settings(max_examples=150, deadline=None)
@given(streams)
def test_equals_the_slow_twin(data: bytes) -> None:
    frames, bad, skipped = slow_frames(data)
    found = index(data, final=False)
    ends = found.start + found.length + 6
    assert [data[i:j] for i, j in zip(found.start, ends, strict=True)] == frames
    assert (found.bad, found.skipped_bytes) == (bad, skipped)
    assert found.consumed == sum(map(len, frames)) + skipped


@settings(max_examples=150, deadline=None)
@given(streams, st.lists(st.integers(0, 10_000), max_size=12))
def test_cuts_change_nothing(data: bytes, cuts: list[int]) -> None:
    whole = index(data)
    framer = Framer()
    parts = [framer.feed(piece) for piece in pieces(data, cuts)] + [framer.finish()]
    assert b"".join(p.frames for p in parts) == b"".join(
        data[s : s + n + 6] for s, n in zip(whole.start, whole.length, strict=True)
    )
    assert sum(p.count for p in parts) == len(whole)
    assert sum(p.bad for p in parts) == whole.bad
    assert sum(p.skipped_bytes for p in parts) == whole.skipped_bytes
    assert np.concatenate([p.messages for p in parts]).tolist() == whole.message.tolist()
    assert whole.consumed == len(data)


def test_recording_byte_by_byte_and_in_packets(data) -> None:
    stream = (data / "rtcm3/swift/test_gal_eph.rtcm").read_bytes()
    whole = index(stream)
    for step in (1, 7, 1460):
        framer = Framer()
        parts = [framer.feed(stream[i : i + step]) for i in range(0, len(stream), step)] + [framer.finish()]
        assert sum(p.bad for p in parts) == whole.bad == 7
        assert sum(p.count for p in parts) == len(whole) == 188


def test_a_waiting_tail_stays_below_a_frame() -> None:
    framer = Framer()
    for _ in range(200):
        framer.feed(b"\xd3\x03\xff" + bytes(500))
        assert len(framer._tail) < MAX_FRAME_BYTES


def test_a_finished_framer_is_as_new() -> None:
    frame = build_frame(b"\x43\x50data")
    framer = Framer()
    framer.feed(frame[:5])
    assert framer.finish().count == 0
    assert framer.feed(frame).frames == frame


def test_a_cut_frame_waits_then_is_no_damage() -> None:
    frame = build_frame(bytes(100))
    waiting = index(frame[:50], final=False)
    assert (len(waiting), waiting.bad, waiting.consumed) == (0, 0, 0)
    ended = index(frame[:50])
    assert (len(ended), ended.bad, ended.skipped_bytes, ended.consumed) == (0, 0, 50, 50)


def test_a_length_damaged_upwards_hides_no_frame_behind_it() -> None:
    frame = build_frame(bytes(100))
    damaged = bytes((0xD3, 0x03)) + frame[2:]
    found = index(damaged + frame)
    assert (found.start.tolist(), found.bad, found.skipped_bytes) == ([106], 1, 106)


@pytest.mark.parametrize(
    ("name", "frames", "bad"),
    [
        ("swift/week-rollover-STR17.rtcm3", 9384, 0),
        ("swift/week-rollover-STR24.rtcm3", 6857, 0),
        ("swift/missing-beidou-STR17.rtcm3", 4183, 0),
        ("asv/fw206mrtk_rtcm", 4996, 0),
        ("asv/imu_rtcm", 761, 0),
        ("swift/test_gal_eph.rtcm", 188, 7),
        ("swift/test_bds_eph.rtcm", 96, 0),
        ("swift/test_glo_eph.rtcm", 94, 0),
        ("pyrtcm/pygpsdata-MIXED-RTCM3BADCRC.log", 6, 1),
    ],
)
def test_counts_of_recordings(data, name: str, frames: int, bad: int) -> None:
    found = index((data / f"rtcm3/{name}").read_bytes())
    assert (len(found), found.bad) == (frames, bad)


@pytest.mark.parametrize("lure", [b"\xd3\x03", b"\xd3\x00\x40", b"\xd3\x03\xff\x00\x01"])
def test_a_flood_of_preambles_changes_nothing_but_the_way_to_the_crc(lure: bytes) -> None:
    frames = [build_frame(bytes([n]) * length) for n, length in enumerate((0, 9, 500, 1023))]
    data = b"".join(lure * 900 + frame for frame in frames)
    found, bad, skipped = slow_frames(data + lure * 700)
    seen = index(data + lure * 700, final=False)
    assert [data[i : i + n + 6] for i, n in zip(seen.start, seen.length, strict=True)] == found == frames
    assert (seen.bad, seen.skipped_bytes) == (bad, skipped)


@given(data=st.binary(max_size=2000), cut=st.integers(0, 2000), behind=st.integers(0, 1029))
def test_the_crc_of_a_part_from_prefixes(data: bytes, cut: int, behind: int) -> None:
    begin = min(cut, len(data))
    end = min(begin + behind, len(data))
    prefixes = np.empty(len(data) + 1, np.uint32)
    prefixes_kernel(np.frombuffer(data, np.uint8), 0, prefixes)
    assert crc24q_between(prefixes, begin, end) == slow_crc24q(data[begin:end])


def test_a_flood_of_preambles_costs_a_bounded_number_of_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = 0

    def counted(buffer: np.ndarray, begin: int, end: int) -> int:
        nonlocal steps
        steps += end - begin
        return slow_crc24q(buffer[begin:end].tobytes())

    monkeypatch.setattr(framing, "crc24q_kernel", counted)
    monkeypatch.setattr(framing, "crc24q_between", crc24q_between.py_func)
    monkeypatch.setattr(framing, "prefixes_kernel", prefixes_kernel.py_func)
    flood = np.frombuffer(b"\xd3\x03" * 4000, np.uint8)
    columns = [np.empty(2000, dtype) for dtype in (np.int64, np.int32, np.int16, np.int32)]
    framing.scan_frames.py_func(flood, False, *columns)
    assert steps < 4 * len(flood)
