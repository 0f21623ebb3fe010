"""Epochs to MSM7: whatever comes is written or counted."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gnss.observations import Observations
from gnss.rtcm.framing import find_frames
from gnss.rtcm.msm import decode_msm
from gnss.systems import System
from gnss.time import GPS_EPOCH_US
from gnss.to_rtcm.arcs import Told
from gnss.to_rtcm.writer import Equipment, RtcmWriter, keys_of

TIME_US = GPS_EPOCH_US + 2300 * 604_800_000_000 + 5_000_000
NEAR = st.floats(-2000, 2000)
ODD = st.sampled_from([np.nan, np.inf, -np.inf, -1.0, 0.0, 1e300, 7.7e7])


@st.composite
def observations(draw) -> Observations:
    n = draw(st.integers(1, 120))

    def column(values, dtype):
        return draw(hnp.arrays(dtype, n, elements=values))

    satellite = column(st.integers(0, 255) | st.integers(1, 4), np.uint8)
    return Observations(
        row=np.zeros(n, np.int32),
        system=column(st.sampled_from([int(s) for s in System]), np.uint8),
        satellite=satellite,
        signal=column(st.integers(1, 32), np.uint8),
        range_m=column(ODD | NEAR.map(lambda x: 2.2e7 + x), np.float64),
        phase_m=column(ODD | NEAR.map(lambda x: 2.2e7 + 1000 * x), np.float64),
        rate_m_s=column(ODD | st.floats(-3, 3), np.float64),
        cn0_dbhz=column(ODD | st.floats(0, 70), np.float64),
        lock_ms=np.zeros(n, np.int32),
        lock_indicator=np.full(n, -1, np.int16),
        half_cycle=column(st.integers(0, 1), np.uint8),
        flags=np.zeros(n, np.uint8),
        channel=column(st.integers(-128, 127), np.int8),
    )


def told(seen: Observations, lock_ms: int = 5000) -> Told:
    n = len(seen)
    return Told(
        keys_of(seen), np.full(n, lock_ms, np.int64), 64_500, np.zeros(n, np.bool_), np.zeros(n, np.int64)
    )


@settings(deadline=None, max_examples=200)
@given(some=st.lists(observations(), min_size=1, max_size=3))
def test_nothing_is_refused_and_what_is_left_out_is_counted(some) -> None:
    writer = RtcmWriter(77)
    for i, seen in enumerate(some):
        before = writer.written.observations_left_out
        frames = writer.epoch(TIME_US + i * 1_000_000, seen, told(seen), is_whole=True)
        buffer = np.frombuffer(frames, np.uint8)
        index = find_frames(buffer, final=True)
        assert (index.bad, index.skipped_bytes) == (0, 0)
        headers, cells = decode_msm(buffer, index.start, index.length)
        assert headers.damaged == 0
        assert len(cells) + writer.written.observations_left_out - before == len(seen)
        if len(headers):
            assert headers.more_follow.tolist() == [1] * (len(headers) - 1) + [0]
            assert set(headers.reference_station.tolist()) == {77}


def plain(n: int = 3) -> Observations:
    return Observations(
        row=np.zeros(n, np.int32),
        system=np.zeros(n, np.uint8),
        satellite=np.arange(1, n + 1, dtype=np.uint8),
        signal=np.full(n, 2, np.uint8),
        range_m=np.full(n, 2.2e7),
        phase_m=np.full(n, 2.2e7),
        rate_m_s=np.full(n, 10.0),
        cn0_dbhz=np.full(n, 45.0),
        lock_ms=np.zeros(n, np.int32),
        lock_indicator=np.full(n, -1, np.int16),
        half_cycle=np.zeros(n, np.uint8),
        flags=np.zeros(n, np.uint8),
        channel=np.zeros(n, np.int8),
    )


def numbers(stream: bytes) -> list[int]:
    return find_frames(np.frombuffer(stream, np.uint8), final=True).message.tolist()


def test_place_and_equipment_are_told_again_and_again() -> None:
    writer = RtcmWriter(7, (1.1e6, -4.8e6, 4.0e6))
    writer.equip(Equipment(antenna="TRM59800.80     SCIT", receiver="TRIMBLE NETR9" * 5))
    seen, found = plain(), []
    for second in range(35):
        made = numbers(writer.epoch(TIME_US + second * 1_000_000, seen, told(seen), is_whole=True))
        found += [(second, number) for number in made if number != 1077]
        assert made[-1] == 1077
    assert [second for second, number in found if number == 1006] == [0, 3, 13, 23, 33]
    assert [second for second, number in found if number == 1033] == [0, 13]  # UTC is 18 s behind


def test_an_epoch_that_goes_on_says_so() -> None:
    writer, seen = RtcmWriter(), plain()
    frames = writer.epoch(TIME_US, seen, told(seen), is_whole=False)
    index = find_frames(np.frombuffer(frames, np.uint8), final=True)
    headers, _ = decode_msm(np.frombuffer(frames, np.uint8), index.start, index.length)
    assert headers.more_follow.tolist() == [1]


def test_lock_times_and_half_cycles_are_sent() -> None:
    writer, seen = RtcmWriter(), plain()
    seen.half_cycle[1] = 1
    frames = writer.epoch(TIME_US, seen, told(seen, 48), is_whole=True)
    index = find_frames(np.frombuffer(frames, np.uint8), final=True)
    _, cells = decode_msm(np.frombuffer(frames, np.uint8), index.start, index.length)
    assert cells.lock_ms.tolist() == [48] * 3
    assert cells.half_cycle.tolist() == [0, 1, 0]
