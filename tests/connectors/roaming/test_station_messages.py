"""What is kept of a base for rovers that come to it, and the times of epochs."""

import itertools

from hypothesis import given
from hypothesis import strategies as st
from pyrtcm import RTCMReader

from connectors.caster.frames_kernel import NO_TIME
from connectors.caster.published import Published
from connectors.caster.roaming.station_messages import (
    EPHEMERIDES_AGE_S,
    MOST_EPHEMERIDES,
    StationMessages,
    is_newer,
)
from connectors.epoch_glance import time_of
from gnss.simulate import SimulatedStation
from gnss.time import utc_to_gps
from tests.connectors.link.frames import observed
from tests.rtcm_frames import frame, of_type, split

EPOCH_US = 1_760_000_012_000_000
DAY_MS = 86_400_000


def station(number: int, **more: object) -> SimulatedStation:
    return SimulatedStation(number, 114.0, 30.0, 50.0, seed=number, **more)


def take(kept: StationMessages, frames: bytes, now_s: float) -> int | None:
    """Keep what is to be kept of a publication; return the time of its first observations."""
    published = Published()
    published.add("A", frames, now_s)
    (looked,) = published.look()
    for _, number, satellite, one in looked.kept:
        kept.keep(number, satellite, one, now_s)
    (time_ms,) = looked.time_ms
    glanced = time_of(frames)
    assert glanced == (None if time_ms == NO_TIME else time_ms)
    return glanced


def numbers(frames: bytes) -> list[int]:
    return [int(RTCMReader.parse(one).identity.split("_")[0]) for one in split(frames)]


def test_a_new_rover_gets_station_messages_first_then_ephemerides_all_as_received():
    sender, kept = station(7), StationMessages()
    sent = [sender.emit(EPOCH_US + 1_000_000 * second).frames for second in range(40)]
    for second, frames in enumerate(sent):
        take(kept, b"".join(frames), float(second))
    first = kept.first(40.0)
    came = set(itertools.chain.from_iterable(sent))
    assert all(one in came for one in split(first))
    told = numbers(first)
    assert told[:3] == [1006, 1033, 1230]
    assert {1019, 1020, 1042, 1046} <= set(told[3:])
    assert set(told[3:]) <= {1019, 1020, 1041, 1042, 1043, 1044, 1045, 1046}
    satellites = [RTCMReader.parse(one).payload[:3].hex() for one in split(first)][3:]
    assert len(satellites) == len(told[3:]) > 30


def test_every_satellites_ephemeris_is_kept_and_the_newest_replaces_it():
    """Each satellite once, as pyrtcm numbers them."""
    sky, kept = station(1).sky, StationMessages()
    frames = [sky.sent(row, EPOCH_US)[1] for row in range(len(sky.satellites))]
    names = set()
    for one in frames:
        parsed = RTCMReader.parse(one)
        satellite = next(getattr(parsed, f) for f in ("DF009", "DF038", "DF252", "DF429", "DF488", "DF516")
                         if hasattr(parsed, f))  # fmt: skip
        names.add((parsed.identity, satellite))
    for _ in range(2):
        take(kept, b"".join(frames), 1.0)
    assert len(list(split(kept.first(2.0)))) == len(names) == len(frames)
    later = [sky.sent(row, EPOCH_US + 3 * 3_600_000_000)[1] for row in range(len(sky.satellites))]
    take(kept, b"".join(later), 2.0)
    assert sorted(split(kept.first(2.0))) == sorted(later)


def test_ephemerides_that_nobody_repeats_go_and_never_are_there_too_many():
    kept = StationMessages()
    take(kept, of_type(1019, 61), 0.0)
    assert kept.first(EPHEMERIDES_AGE_S) == of_type(1019, 61)
    assert kept.first(EPHEMERIDES_AGE_S + 1) == b""
    for number in (1019, 1020, 1042, 1045, 1046, 1041):
        for satellite in range(64):
            take(kept, frame((number << 12 | satellite << 6).to_bytes(3, "big") + bytes(40)), 1.0)
    assert len(list(split(kept.first(1.0)))) == MOST_EPHEMERIDES


def test_another_station_in_the_stream_makes_the_old_ones_messages_void():
    old, new, kept = station(7), station(8), StationMessages()
    for second in range(31):
        take(kept, b"".join(old.emit(EPOCH_US + second * 1_000_000).frames), 0.0)
    assert numbers(kept.first(0.0))[:3] == [1006, 1033, 1230]
    for second in range(31, 39):
        take(kept, b"".join(new.emit(EPOCH_US + second * 1_000_000).frames), 0.0)
    told = [RTCMReader.parse(one) for one in split(kept.first(0.0))]
    assert {one.DF003 for one in told if hasattr(one, "DF003")} == {8}


def test_the_time_of_an_epoch_is_the_same_from_every_system():
    """GPS, GLONASS, Galileo and BeiDou of simulated stations, each alone and first."""
    for second in (0, 45_000, 86_399 - 12, 86_399):
        epoch_us = EPOCH_US - EPOCH_US % 86_400_000_000 + second * 1_000_000
        expected = int(utc_to_gps(epoch_us)) // 1000 % DAY_MS
        for one in station(3).emit(epoch_us).frames:
            number = one[3] << 4 | one[4] >> 4
            time_ms = take(StationMessages(), one, 0.0)
            assert time_ms == (expected if 1071 <= number <= 1137 else None), number


def test_legacy_messages_and_a_negative_beidou_week_tell_the_time_too():
    def told(frames: bytes) -> int | None:
        return take(StationMessages(), frames, 0.0)

    assert told(observed(1004, 5 * DAY_MS + 1234, more=False)) == 1234
    assert told(observed(1012, 10_800_000 - 18_000 + 7, more=False)) == 7
    assert told(observed(1127, (1 << 30) - 14_000 + 3000, more=False)) == 3000
    assert told(observed(1127, 6 * DAY_MS + 1000, more=False)) == 15_000
    assert told(of_type(1077, 4)) is None
    assert told(frame(b"")) is None


@given(st.integers(0, DAY_MS - 1), st.integers(1, DAY_MS // 2 - 1))
def test_the_later_time_is_the_newer_one_over_midnight_too(time_ms, step_ms):
    assert is_newer((time_ms + step_ms) % DAY_MS, time_ms)
    assert not is_newer(time_ms, (time_ms + step_ms) % DAY_MS)
    assert not is_newer(time_ms, time_ms)


@given(st.lists(st.integers(0, 1023), max_size=6), st.binary(max_size=40))
def test_no_valid_frame_is_too_short_or_too_odd(lengths, head):
    kept = StationMessages()
    for number in (1005, 1019, 1044, 1077, 1004, 1012, 0):
        for length in lengths:
            message = (bytes([number >> 4, (number & 15) << 4]) + head + bytes(1023))[:length]
            take(kept, frame(message), 0.0)
    for one in split(kept.first(0.0)):
        assert one[0] == 0xD3
