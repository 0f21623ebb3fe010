"""The encoder: its bytes in pyrtcm, encode and decode as identity, and what it refuses."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyrtcm import RTCMReader

from gnss.observations import PARTIAL, UNKNOWN_CHANNEL, MsmFrames, Observations
from gnss.rtcm.framing import build_frame, find_frames
from gnss.rtcm.msm import decode_msm
from gnss.rtcm.msm_encode import encode_msm
from gnss.systems import System

C_M_MS = 299_792.458
NAMES = [f.name for f in fields(Observations)]
DTYPES = {"row": np.int32, "lock_ms": np.int32, "lock_indicator": np.int16, "channel": np.int8}
FLOATS = ("range_m", "phase_m", "rate_m_s", "cn0_dbhz")


def columns(rows: list[dict[str, Any]]) -> Observations:
    return Observations(
        *(
            np.array([r[n] for r in rows], DTYPES.get(n, np.float64 if n in FLOATS else np.uint8))
            for n in NAMES
        )
    )


def one(**changes: Any) -> Observations:
    row = {"row": 0, "system": 0, "satellite": 7, "signal": 2, "range_m": 2.2e7, "phase_m": 2.2e7 + 40}
    row |= {
        "rate_m_s": -312.5,
        "cn0_dbhz": 44.0,
        "lock_ms": 70,
        "lock_indicator": -1,
        "half_cycle": 0,
        "flags": 0,
        "channel": 0,
    }
    return columns([row | changes])


def decoded(payload: bytes) -> tuple[MsmFrames, Observations]:
    buffer = np.frombuffer(build_frame(payload), np.uint8)
    index = find_frames(buffer)
    return decode_msm(buffer, index.start, index.length)


def maybe(values: st.SearchStrategy[Any], missing: Any = np.nan) -> st.SearchStrategy[Any]:
    return st.one_of(values, values, st.just(missing))


@st.composite
def epochs(draw: st.DrawFn) -> tuple[int, int, list[dict[str, Any]]]:
    """Return message, time and rows whose values lie on the grid of the message type, in row-major order."""
    system, kind = draw(st.sampled_from(list(System))), draw(st.integers(4, 7))
    full, high = kind in {5, 7}, kind >= 6
    day = system is System.GLONASS
    time_ms = draw(st.integers(0, 86_399_999 if day else 604_799_999))
    satellites = draw(st.sets(st.integers(1, 64), max_size=8))
    signals = draw(st.lists(st.integers(1, 32), min_size=1, max_size=6, unique=True))
    rows = []
    for satellite in sorted(satellites):
        rough = draw(st.integers(1, 255 * 1024 - 2))
        rate = draw(st.integers(-8000, 8000))
        channel = draw(maybe(st.integers(-7, 7), UNKNOWN_CHANNEL)) if day else 0
        for signal in sorted(draw(st.sets(st.sampled_from(signals), min_size=1))):
            range_bits, phase_bits, reach = (29, 31, 19) if high else (24, 29, 14)
            fine = draw(maybe(st.integers(-(2 ** (reach - 1)), 2 ** (reach - 1))))
            drift = draw(maybe(st.integers(-(2 ** (21 - 1 + 2 * high)), 2 ** (21 - 1 + 2 * high))))
            rows.append(
                {
                    "row": 0,
                    "system": int(system),
                    "satellite": satellite + (19 if system is System.SBAS else 0),
                    "signal": signal,
                    "range_m": (rough / 1024 + fine / 2**range_bits) * C_M_MS,
                    "phase_m": (rough / 1024 + drift / 2**phase_bits) * C_M_MS,
                    "rate_m_s": draw(maybe(st.integers(-8000, 8000))) / 1e4 + rate if full else np.nan,
                    "cn0_dbhz": draw(maybe(st.integers(1, 1023))) / 16
                    if high
                    else draw(maybe(st.integers(1, 63))),
                    "lock_ms": 0,
                    "lock_indicator": draw(st.integers(0, 1023 if high else 15)),
                    "half_cycle": draw(st.integers(0, 1)),
                    "flags": 0,
                    "channel": channel if full else (UNKNOWN_CHANNEL if day else 0),
                }
            )
    return 1071 + 10 * system + kind - 1, time_ms, rows


@settings(max_examples=150, deadline=None)
@given(epochs(), st.integers(0, 4095), st.booleans(), st.integers(0, 3), st.randoms(use_true_random=False))
def test_decode_gives_back_what_was_encoded(
    epoch: tuple[int, int, list[dict[str, Any]]], station: int, more: bool, steering: int, shuffler: Any
) -> None:
    message, time_ms, rows = epoch
    shuffled = list(rows)
    shuffler.shuffle(shuffled)
    payload = encode_msm(message, station, time_ms, more, columns(shuffled), clock_steering=steering)
    frames, seen = decoded(payload)
    assert (frames.message[0], frames.reference_station[0], frames.time_ms[0]) == (message, station, time_ms)
    assert (frames.more_follow[0], frames.clock_steering[0], frames.cells[0]) == (more, steering, len(rows))
    wanted = columns(rows)
    for name in NAMES:
        if name != "lock_ms":
            np.testing.assert_allclose(
                getattr(seen, name),
                getattr(wanted, name),
                rtol=0,
                atol=1e-6 if name in FLOATS else 0,
                err_msg=name,
            )
    again = encode_msm(message, station, time_ms, more, seen, clock_steering=steering)
    assert again == payload
    parsed = RTCMReader.parse(build_frame(payload))
    assert (int(parsed.identity), parsed.DF003, parsed.DF393) == (message, station, more)
    assert parsed.NCell == len(rows)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([1074, 1077]), st.integers(0, 2**31 - 1))
def test_lock_time_becomes_the_highest_indicator_it_allows(message: int, lock_ms: int) -> None:
    _, seen = decoded(encode_msm(message, 1, 0, False, one(lock_ms=lock_ms)))
    assert 0 <= seen.lock_ms[0] <= lock_ms
    last = 704 if message == 1077 else 15
    if seen.lock_indicator[0] < last:
        following = one(lock_indicator=int(seen.lock_indicator[0]) + 1)
        assert decoded(encode_msm(message, 1, 0, False, following))[1].lock_ms[0] > lock_ms


def test_a_message_without_satellites_closes_an_epoch() -> None:
    frames, seen = decoded(encode_msm(1127, 5, 1000, False, columns([])))
    assert (len(frames), len(seen), frames.damaged) == (1, 0, 0)
    assert frames.time_ms[0] == 1000


def test_recorded_observations_survive(data) -> None:
    stream = np.fromfile(data / "rtcm3/qzsl6tool/20221213-010900.rtcm", np.uint8)
    index = find_frames(stream, final=True)
    frames, seen = decode_msm(stream, index.start, index.length)
    ends = np.cumsum(frames.cells)
    for row in range(0, len(frames), 5):
        at = slice(ends[row] - frames.cells[row], ends[row])
        part = Observations(*(getattr(seen, n)[at] for n in NAMES))
        payload = encode_msm(
            int(frames.message[row]), 1, int(frames.time_ms[row]), bool(frames.more_follow[row]), part
        )
        _, again = decoded(payload)
        for name in NAMES[1:]:
            assert np.array_equal(getattr(again, name), getattr(part, name), equal_nan=name in FLOATS), name


@pytest.mark.parametrize(
    ("message", "observations", "reason"),
    [
        (1077, one(system=1), "system is not that"),
        (1077, one(satellite=65), "no place for this number"),
        (1107, one(system=3, satellite=19), "no place for this number"),
        (1077, one(signal=33), "not one of 1 to 32"),
        (1077, one(range_m=255.5 * C_M_MS), "0 to 254 ms"),
        (1077, one(range_m=-1.0), "0 to 254 ms"),
        (1077, one(phase_m=np.inf), "0 to 254 ms"),
        (1077, one(phase_m=2.2e7 + 3000), "too far from their common"),
        (1077, one(rate_m_s=9000.0), "rates exceed"),
        (1077, one(cn0_dbhz=64.0), "above 0 and below 64"),
        (1074, one(cn0_dbhz=0.2), "above 0 and below 64"),
        (1077, one(flags=PARTIAL), "restore the whole milliseconds"),
        (1074, one(lock_indicator=16), "no such lock indicator"),
        (1077, one(half_cycle=2), "neither 0 nor 1"),
        (1087, one(system=1, channel=9), "not one of -7 to 7"),
        (1073, one(), "not an MSM4 to MSM7"),
        (1141, one(), "not an MSM4 to MSM7"),
    ],
)
def test_refusals_name_the_reason(message: int, observations: Observations, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        encode_msm(message, 1, 0, False, observations)


def test_refusals_of_more_than_one_observation() -> None:
    def rows(n: int, **changes: Any) -> Observations:
        row = {name: getattr(one(**changes), name)[0] for name in NAMES}
        return columns([row | {"satellite": 1 + i % 60, "signal": 1 + i // 60} for i in range(n)])

    with pytest.raises(ValueError, match="more than 64 cells"):
        encode_msm(1077, 1, 0, False, rows(65))
    with pytest.raises(ValueError, match="more than 64 cells"):
        encode_msm(1077, 1, 0, False, rows(61))  # 60 satellites times 2 signals
    twice = rows(2)
    with pytest.raises(
        ValueError, match=r"satellite 1, signal 1: this satellite and signal stand there twice"
    ):
        encode_msm(1077, 1, 0, False, replace(twice, satellite=np.ones(2, np.uint8)))
    apart = replace(twice, satellite=np.ones(2, np.uint8), signal=np.array([1, 2], np.uint8))
    with pytest.raises(ValueError, match="more than 3 m/s apart"):
        encode_msm(1077, 1, 0, False, replace(apart, rate_m_s=np.array([0.0, 3.4])))
    with pytest.raises(ValueError, match="too far from their common"):
        encode_msm(1077, 1, 0, False, replace(apart, range_m=np.array([2.2e7, 2.2e7 + 900])))
    glonass = replace(apart, system=np.ones(2, np.uint8), channel=np.array([1, 2], np.int8))
    with pytest.raises(ValueError, match="the satellite has two"):
        encode_msm(1087, 1, 0, False, glonass)


@pytest.mark.parametrize(
    "arguments", [(1077, 4096, 0), (1077, 1, 604_800_000), (1077, 1, -1), (1087, 1, 86_400_000)]
)
def test_a_header_that_does_not_fit_is_refused(arguments: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match=r"station|time_ms"):
        encode_msm(*arguments, False, columns([]))
