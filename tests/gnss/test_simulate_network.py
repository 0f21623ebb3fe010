"""Restamped frames equal frames that were encoded so, and thousands of stations are made of a few."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnss.rtcm.framing import find_frames
from gnss.rtcm.msm import decode_msm
from gnss.rtcm.msm_epoch import observation_frames
from gnss.simulate import SimulatedStation, restamp, restamp_for, simulated_network
from gnss.systems import System
from gnss.time import msm_time_ms

SECOND_US = 1_000_000
START_US = 1_790_000_010 * SECOND_US
OTHER_TIMES = st.integers(1_000_000_000, 2_500_000_000).map(lambda s: s * SECOND_US)
STATIONS = st.integers(0, 4095)


def station(number: int, seed: int = 5) -> SimulatedStation:
    return SimulatedStation(number, 121.2, 31.1, 22.0, seed=seed)


@pytest.fixture(scope="module")
def sent() -> list[bytes]:
    source = station(1234)
    return [b"".join(source.emit(START_US + k * SECOND_US).frames) for k in range(31)]


@settings(max_examples=20, deadline=None)
@given(number=STATIONS)
def test_another_station_is_as_if_it_were_encoded(sent: list[bytes], number: int):
    source = station(number)
    for k in (0, 15, 25):  # with 1006, 1033, 1230 and ephemerides
        frames = b"".join(source.emit(START_US + k * SECOND_US).frames)
        twin = station(1234)
        for before in (0, 15, 25):
            plain = b"".join(twin.emit(START_US + before * SECOND_US).frames)
            if before == k:
                break
        assert restamp(plain, number) == frames


@settings(max_examples=40, deadline=None)
@given(number=STATIONS, epoch_us=OTHER_TIMES)
def test_another_time_is_as_if_it_were_encoded(number: int, epoch_us: int):
    observations = station(7).observe(START_US)
    plain = b"".join(observation_frames(observations, START_US, 7))
    wanted = b"".join(observation_frames(observations, epoch_us, number))
    assert restamp(plain, number, epoch_us) == wanted
    buffer = np.frombuffer(wanted, np.uint8)
    index = find_frames(buffer, final=True)
    frames, _ = decode_msm(buffer, index.start, index.length)
    assert set(frames.reference_station.tolist()) == {number}
    assert frames.time_ms.tolist() == [msm_time_ms(epoch_us, System(int(s))) for s in frames.system]


@settings(max_examples=100, deadline=None)
@given(head=st.binary(max_size=40), tail=st.binary(max_size=40), number=STATIONS, cut=st.integers(0, 60))
def test_what_is_no_frame_stays_as_it_is(sent: list[bytes], head: bytes, tail: bytes, number: int, cut: int):
    stream = head + sent[0] + tail + sent[1][: -cut or None]
    out = restamp(stream, number)
    assert len(out) == len(stream)
    before = find_frames(np.frombuffer(stream, np.uint8), final=True)
    behind = find_frames(np.frombuffer(out, np.uint8), final=True)
    assert np.array_equal(before.start, behind.start)
    assert np.array_equal(before.message, behind.message)
    inside = np.zeros(len(stream), bool)
    for start, length in zip(before.start, before.length, strict=True):
        inside[start : start + length + 6] = True
    same = np.frombuffer(stream, np.uint8) == np.frombuffer(out, np.uint8)
    assert same[~inside].all()
    assert restamp(out, 1234)[: len(head) + len(sent[0])] == stream[: len(head) + len(sent[0])]


def test_a_station_that_does_not_fit_is_refused(sent: list[bytes]):
    for number in (-1, 4096):
        with pytest.raises(ValueError, match="0 to 4095"):
            restamp(sent[0], number)
    assert restamp(b"", 1) == b""
    assert restamp_for(sent[0], np.zeros(0, np.int64)) == []


def test_a_network_is_made_of_a_few_stations():
    times = [START_US + k * SECOND_US for k in range(3)]
    epochs = list(simulated_network(50, times, seed=3, distinct=4))
    assert len(epochs) == 3
    assert epochs == list(simulated_network(50, times, seed=3, distinct=4))
    assert epochs != list(simulated_network(50, times, seed=4, distinct=4))
    for time_us, epoch in zip(times, epochs, strict=True):
        assert [number for number, _ in epoch] == list(range(50))
        contents = set()
        for number, payload in epoch:
            buffer = np.frombuffer(payload, np.uint8)
            index = find_frames(buffer, final=True)
            frames, cells = decode_msm(buffer, index.start, index.length)
            assert index.bad == index.skipped_bytes == frames.damaged == 0
            assert set(frames.reference_station.tolist()) == {number}
            assert frames.time_ms[0] == msm_time_ms(time_us, System.GPS)
            assert len(cells) > 100
            contents.add(cells.range_m.tobytes())
        assert len(contents) == 4


def test_a_network_of_less_than_the_distinct_ones_and_of_more_than_the_numbers():
    (epoch,) = simulated_network(2, [START_US], seed=1)
    assert len(epoch) == 2
    assert list(simulated_network(0, [START_US], seed=1)) == [[]]
    (epoch,) = simulated_network(4099, [START_US], seed=1, distinct=1)
    assert epoch[4098][1] == epoch[2][1]  # DF003 has twelve bits
