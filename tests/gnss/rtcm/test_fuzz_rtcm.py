"""10 MB of random bytes and damaged recordings: no crash, bounded, nothing lost without being counted."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from gnss.rtcm.framing import MAX_FRAME_BYTES, OVERHEAD_BYTES, FrameIndex, Framer, build_frame, find_frames
from gnss.rtcm.msm import decode_msm

MEGABYTE = 1_000_000
LEGACY = [1001, 1002, 1003, 1004, 1009, 1010, 1011, 1012]
CAPTURES = ["swift/week-rollover-STR17.rtcm3", "swift/week-rollover-STR24.rtcm3", "asv/fw206mrtk_rtcm"]
BYTES_EACH = [2_300_000, 1_200_000, 1_500_000]


def check(index: FrameIndex, buffer: NDArray[np.uint8]) -> None:
    """What must hold of every stream."""
    ends = index.start + index.length + OVERHEAD_BYTES
    assert np.all(index.start[1:] >= ends[:-1])
    assert index.consumed == buffer.size
    assert int((index.length + OVERHEAD_BYTES).sum()) + index.skipped_bytes == buffer.size
    frames, seen = decode_msm(buffer, index.start, index.length)
    assert len(frames) + frames.damaged <= len(index)
    assert len(seen) == frames.cells.sum() <= 64 * len(frames)
    assert np.all((frames.time_ms >= -1) & (frames.time_ms < 604_800_000))
    limit_m = 258 * 299_792.458
    assert np.nanmax(np.abs(seen.range_m), initial=0.0) < limit_m
    assert np.nanmax(np.abs(seen.phase_m), initial=0.0) < limit_m


def test_random_bytes() -> None:
    buffer = np.random.default_rng(1).integers(0, 256, 2 * MEGABYTE, np.uint8)
    check(find_frames(buffer, final=True), buffer)


def test_random_bytes_full_of_headers() -> None:
    random = np.random.default_rng(2)
    buffer = random.choice(np.array([0xD3, 0x00, 0x01, 0x02, 0x13, 0x43, 0x50], np.uint8), MEGABYTE)
    index = find_frames(buffer, final=True)
    assert index.bad > MEGABYTE / 100
    check(index, buffer)


def test_random_payloads_with_a_valid_crc() -> None:
    random = np.random.default_rng(3)
    parts = []
    for _ in range(4000):
        payload = random.integers(0, 256, random.integers(0, 1024), np.uint8)
        if payload.size > 30:  # sparse masks, so that many get as far as their cells
            number = 1071 + 10 * int(random.integers(7)) + int(random.integers(7))
            number = int(random.choice(LEGACY)) if random.integers(4) == 0 else number
            payload[0], payload[1] = number >> 4, (number & 15) << 4 | payload[1] & 15
            payload[9:21] &= random.integers(0, 256, 12, np.uint8) & random.integers(0, 256, 12, np.uint8)
            payload[9:17] &= random.integers(0, 256, 8, np.uint8)
        parts.append(build_frame(payload.tobytes()))
    buffer = np.frombuffer(b"".join(parts), np.uint8)
    index = find_frames(buffer)
    assert (len(index), index.bad) == (4000, 0)
    check(index, buffer)
    frames, _ = decode_msm(buffer, index.start, index.length)
    assert len(frames) > 200
    assert frames.damaged > 200
    assert np.count_nonzero(frames.message < 1013) > 100
    assert np.count_nonzero((frames.message > 1013) & (frames.message % 10 < 4)) > 100


@pytest.mark.parametrize(("capture", "size"), list(zip(CAPTURES, BYTES_EACH, strict=True)))
def test_flipped_bits_are_counted_and_the_other_frames_survive(data, capture: str, size: int) -> None:
    clean = np.fromfile(data / f"rtcm3/{capture}", np.uint8)[:size]
    before = find_frames(clean, final=True)
    random = np.random.default_rng(size)
    hit = np.sort(random.choice(len(before), len(before) // 10, replace=False))
    # behind the 14 bits that say "here is a frame"; what hits those is noise between frames
    bit = random.integers(14, 8 * (before.length[hit] + OVERHEAD_BYTES))
    bit[:] = np.where(bit < 16, 24, bit)
    at = before.start[hit] + bit // 8
    dirty = clean.copy()
    dirty[at] ^= (128 >> (bit % 8)).astype(np.uint8)
    after = find_frames(dirty, final=True)
    check(after, dirty)
    assert np.array_equal(after.start, np.delete(before.start, hit))
    assert np.array_equal(after.length, np.delete(before.length, hit))
    assert len(hit) <= after.bad - before.bad <= 1.1 * len(hit)


@pytest.mark.parametrize("capture", CAPTURES[:1])
def test_damage_anywhere_through_a_framer_in_packets(data, capture: str) -> None:
    clean = np.fromfile(data / f"rtcm3/{capture}", np.uint8)
    random = np.random.default_rng(7)
    dirty = clean.copy()
    at = random.integers(0, clean.size, clean.size // 2000)
    dirty[at] ^= (1 << random.integers(0, 8, at.size)).astype(np.uint8)
    whole = find_frames(dirty, final=True)
    check(whole, dirty)
    untouched = find_frames(clean, final=True)
    touched = np.add.reduceat(
        np.isin(np.arange(clean.size), at),
        np.stack(
            (untouched.start, np.minimum(untouched.start + untouched.length + 6, clean.size - 1)), axis=1
        ).ravel(),
    )[::2]
    assert set(untouched.start[touched == 0]) <= set(whole.start)
    framer, stream, position = Framer(), dirty.tobytes(), 0
    count = bad = 0
    while position < len(stream):
        step = int(random.integers(1, 3000))
        framed = framer.feed(stream[position : position + step])
        count, bad, position = count + framed.count, bad + framed.bad, position + step
        assert len(framer._tail) < MAX_FRAME_BYTES
    framed = framer.finish()
    assert (count + framed.count, bad + framed.bad) == (len(whole), whole.bad)


def test_a_flood_of_headers_stays_bounded() -> None:
    framer = Framer()
    flood = b"\xd3\x03" * 10_000
    for _ in range(5):
        framed = framer.feed(flood)
        assert framed.count == 0
        assert len(framer._tail) < MAX_FRAME_BYTES
