"""Epochs of made-up streams, and of recordings against a plain grouping by the time of the week."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnss.assembly.records import MAX_EPOCH_BYTES
from gnss.epochs import EpochAssembler
from gnss.observations import Observations
from gnss.rtcm.framing import build_frame, find_frames
from gnss.rtcm.msm_encode import encode_msm
from gnss.rtcm.station import StationPosition, encode_1006
from gnss.systems import System
from gnss.time import iso_z, msm_time_ms

REFERENCE_US = 1_554_638_400_000_000  # 2019-04-07 12:00
T0 = REFERENCE_US - 7_200_000_000
S = 1_000_000
HOUR, DAY = 3600 * S, 86_400 * S
GROUPS = {
    System.GPS: 1077,
    System.GLONASS: 1087,
    System.GALILEO: 1097,
    System.SBAS: 1107,
    System.BEIDOU: 1127,
}


def msm(system, time_us, more, satellites=(3,), reference_station=7):
    n = len(satellites)
    observations = Observations(
        row=np.zeros(n, np.int32),
        system=np.full(n, system, np.uint8),
        satellite=np.array(satellites, np.uint8),
        signal=np.full(n, 2, np.uint8),
        range_m=np.full(n, 22_000_000.0),
        phase_m=np.full(n, 22_000_000.0),
        rate_m_s=np.zeros(n),
        cn0_dbhz=np.full(n, 45.0),
        lock_ms=np.zeros(n, np.int32),
        lock_indicator=np.zeros(n, np.int16),
        half_cycle=np.zeros(n, np.uint8),
        flags=np.zeros(n, np.uint8),
        channel=np.zeros(n, np.int8),
    )
    time_ms = msm_time_ms(time_us, system)
    return build_frame(encode_msm(GROUPS[system], reference_station, time_ms, more, observations))


def gps(time_us, more=True, **others):
    return msm(System.GPS, time_us, more, **others)


def glonass(time_us, more=True):
    return msm(System.GLONASS, time_us, more)


def galileo(time_us, more=True):
    return msm(System.GALILEO, time_us, more)


def beidou(time_us, more=False):
    return msm(System.BEIDOU, time_us, more)


def run(*frames, reference_us=REFERENCE_US):
    assembler = EpochAssembler()
    epochs = assembler.feed(b"".join(frames), received_at_us=None, reference_us=reference_us)
    return assembler, epochs + assembler.finish()


def told(epochs):
    return [(epoch.time_us - T0, epoch.message_numbers, epoch.closed_by) for epoch in epochs]


def same(ours, theirs):
    """Compare epochs with all their observations."""
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert replace(one, observations=None) == replace(other, observations=None)
        for column in fields(Observations):
            a, b = getattr(one.observations, column.name), getattr(other.observations, column.name)
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b, err_msg=column.name)


def test_the_multi_message_bit_ends_an_epoch_and_all_its_observations_are_there():
    assembler, epochs = run(
        build_frame(encode_1006(7, (1.0, 2.0, 3.0), 0.5)),
        gps(T0, satellites=(3, 9)),
        glonass(T0),
        gps(T0, satellites=(12,)),
        beidou(T0),
        gps(T0 + S),
        beidou(T0 + S),
    )
    assert told(epochs) == [
        (0, (1077, 1087, 1077, 1127), "complete"),
        (S, (1077, 1127), "complete"),
    ]
    seen = epochs[0].observations
    assert seen.system.tolist() == [0, 0, 1, 0, 5]
    assert seen.satellite.tolist() == [3, 9, 3, 12, 3]
    assert seen.row.tolist() == [0, 0, 1, 2, 3]
    assert epochs[1].observations.row.tolist() == [0, 1]
    assert epochs[0].position == StationPosition(7, (1.0, 2.0, 3.0), 0.5)
    assert epochs[1].position is None
    assert [epoch.frames for epoch in epochs] == [5, 2]
    assert all(epoch.received_at_us is None for epoch in epochs)
    assert assembler.messages == {1006: 1, 1077: 3, 1087: 1, 1127: 2}


def test_another_epoch_or_the_end_closes_what_lost_its_last_message():
    frames = [gps(T0), galileo(T0), gps(T0 + S), galileo(T0 + S), gps(T0 + 2 * S)]
    _, epochs = run(*frames)
    assert told(epochs) == [
        (0, (1077, 1097), "next"),
        (S, (1077, 1097), "next"),
        (2 * S, (1077,), "end"),
    ]
    assert [epoch.frames for epoch in epochs] == [2, 2, 1]
    assert [epoch.begin for epoch in epochs] == [0, len(frames[0]) * 2, len(frames[0]) * 4]


def test_epochs_of_one_message_whose_bit_always_says_more():
    _, epochs = run(*(gps(T0 + i * S) for i in range(5)))
    assert [time_us for time_us, _, _ in told(epochs)] == [i * S for i in range(5)]


def test_two_hundred_ms_close_an_epoch_and_what_comes_later_is_late():
    assembler = EpochAssembler()

    def feed(data, at_us):
        return assembler.feed(data, received_at_us=T0 + at_us, reference_us=None)

    assert feed(gps(T0), 100_000) == []
    assert feed(glonass(T0), 250_000) == []
    assert assembler.on_time(T0 + 300_000) == []
    closed = assembler.on_time(T0 + 300_001)
    assert told(closed) == [(0, (1077, 1087), "timeout")]
    assert closed[0].received_at_us == T0 + 250_000
    assert feed(beidou(T0), 310_000) == []
    assert assembler.late_frames == 1
    assert told(feed(gps(T0 + S) + beidou(T0 + S), 1_100_000)) == [(S, (1077, 1127), "complete")]


def test_a_chunk_that_comes_too_late_finds_the_epoch_closed():
    assembler = EpochAssembler()
    first, rest = gps(T0), galileo(T0) + beidou(T0)
    assert assembler.feed(first, received_at_us=T0, reference_us=None) == []
    closed = assembler.feed(rest, received_at_us=T0 + 200_001, reference_us=None)
    assert told(closed) == [(0, (1077,), "timeout")]
    assert assembler.late_frames == 2
    assert assembler.finish() == []


def test_the_time_out_begins_with_the_first_byte_and_the_receiving_time_is_that_of_the_last():
    frame, end = gps(T0), beidou(T0)
    assembler = EpochAssembler()
    assembler.feed(frame[:10], received_at_us=T0 + 1, reference_us=None)
    assembler.feed(frame[10:], received_at_us=T0 + 150_000, reference_us=None)
    assembler.feed(end[:9], received_at_us=T0 + 160_000, reference_us=None)
    closed = assembler.feed(end[9:], received_at_us=T0 + 200_000, reference_us=None)
    assert told(closed) == [(0, (1077, 1127), "complete")]
    assert closed[0].received_at_us == T0 + 200_000
    assert assembler.on_time(T0 + S) == []


def test_ticks_in_between_change_nothing():
    chunks = [(gps(T0 + i * S) + galileo(T0 + i * S), T0 + i * S + 50_000) for i in range(6)]
    quiet, ticked = EpochAssembler(), EpochAssembler()
    one, other = [], []
    for data, at_us in chunks:
        one += quiet.feed(data, received_at_us=at_us, reference_us=None)
        other += ticked.feed(data, received_at_us=at_us, reference_us=None)
        for step in range(1, 9):
            other += ticked.on_time(at_us + step * 100_000)
    one += quiet.on_time(T0 + 6 * S)
    same(one, other)
    assert {epoch.closed_by for epoch in one} == {"timeout"}


@pytest.mark.parametrize("wild_us", [3 * DAY, -3 * DAY, 2 * HOUR, -60 * S, 40 * S])
def test_a_frame_alone_with_its_time_moves_nothing(wild_us):
    frames = [
        f
        for i in range(4)
        for f in (
            gps(T0 + i * S),
            msm(System.SBAS, T0 + i * S + wild_us, True, satellites=(23,)),
            beidou(T0 + i * S),
        )
    ]
    assembler, epochs = run(*frames)
    assert told(epochs) == [(i * S, (1077, 1127), "complete") for i in range(4)]
    assert assembler.unusable_times == 4
    assert sum(epoch.frames for epoch in epochs) == 12


def test_a_wild_frame_between_closed_epochs_is_left_out():
    assembler, epochs = run(gps(T0, False), gps(T0 + 3 * DAY, False), gps(T0 + S, False))
    assert [time_us for time_us, _, _ in told(epochs)] == [0, S]
    assert assembler.unusable_times == 1


def test_times_that_no_clock_shows_are_counted():
    payload = bytearray(gps(T0)[3:-3])
    payload[3:7] = ((0x3FFFFFFF << 2) | (payload[6] & 3)).to_bytes(4, "big")
    assembler, epochs = run(gps(T0), build_frame(bytes(payload)), beidou(T0))
    assert told(epochs) == [(0, (1077, 1127), "complete")]
    assert assembler.unusable_times == 1


def test_messages_that_cannot_be_are_counted():
    short = build_frame(galileo(T0)[3:-8])
    assembler, epochs = run(gps(T0), short, beidou(T0))
    assert told(epochs) == [(0, (1077, 1127), "complete")]
    assert assembler.damaged_messages == 1
    assert epochs[0].frames == 3


@pytest.mark.parametrize("gap_us", [2 * HOUR, 2 * DAY, -5 * 60 * S, -DAY])
def test_after_a_long_gap_or_a_step_back_nothing_is_missing(gap_us):
    times = [T0 + i * S for i in range(3)] + [T0 + gap_us + i * S for i in range(3)]
    _, epochs = run(*(f for t in times for f in (gps(t), beidou(t))))
    assert [epoch.time_us for epoch in epochs] == times
    assert {epoch.closed_by for epoch in epochs} <= {"complete", "next"}


def test_a_capture_of_weeks_keeps_its_week_with_the_reference_of_its_begin():
    times = [T0 + i * DAY // 2 + k * S for i in range(60) for k in range(2)]
    _, epochs = run(*(f for t in times for f in (gps(t), glonass(t), beidou(t))))
    assert [epoch.time_us for epoch in epochs] == times


def test_live_the_week_is_that_of_the_receiving_time():
    assembler = EpochAssembler()
    for weeks in (0, 1, 52, -1):
        at = T0 + weeks * 7 * DAY
        frames = b"".join(gps(t, False) for t in (at, at + S))
        epochs = assembler.feed(frames, received_at_us=at + 2 * S, reference_us=REFERENCE_US + 99 * DAY)
        assert [epoch.time_us for epoch in epochs] == [at, at + S]


def test_without_any_reference_no_time_is_made_up():
    assembler, epochs = run(gps(T0), beidou(T0), reference_us=None)
    assert epochs == []
    assert assembler.unusable_times == 2


def test_glonass_at_the_begin_waits_for_the_day():
    begin = T0 - 2 * DAY - 5 * HOUR
    _, epochs = run(glonass(begin), beidou(begin), gps(begin + S), glonass(begin + S), beidou(begin + S))
    assert [(epoch.time_us, epoch.message_numbers) for epoch in epochs] == [
        (begin, (1087, 1127)),
        (begin + S, (1077, 1087, 1127)),
    ]


def test_glonass_alone_is_resolved_to_the_nearest_day():
    times = [REFERENCE_US + 11 * HOUR + i * S for i in range(3)]
    _, epochs = run(*(glonass(t, False) for t in times))
    assert [epoch.time_us for epoch in epochs] == times


def test_a_bit_that_is_never_set_is_believed_once_only():
    times = [T0 + i * S for i in range(5)]
    assembler, epochs = run(*(f for t in times for f in (gps(t, False), galileo(t, False), beidou(t, False))))
    assert told(epochs)[0] == (0, (1077,), "complete")
    assert [numbers for _, numbers, _ in told(epochs)[1:]] == [(1077, 1097, 1127)] * 4
    assert assembler.late_frames == 2
    # the bit is right again for a minute: it is believed again
    right = [T0 + i * S for i in range(5, 70)]
    more = assembler.feed(
        b"".join(f for t in right for f in (gps(t), beidou(t))), received_at_us=None, reference_us=None
    )
    assert [epoch.closed_by for epoch in more] == ["next"] * 60 + ["complete"] * 5


def test_an_epoch_that_never_ends_is_cut():
    frame = gps(T0)
    n = MAX_EPOCH_BYTES // len(frame)
    assembler, epochs = run(*[frame] * (n + 10), *[gps(T0 + S)] * 2)
    assert [(len(epoch.message_numbers), epoch.closed_by) for epoch in epochs] == [(n, "size"), (2, "end")]
    assert assembler.oversized_epochs == 1
    assert assembler.late_frames == 10


def test_memory_is_bounded():
    assembler = EpochAssembler()
    wild = gps(T0 + 3 * DAY) * 2000
    assembler.feed(gps(T0), received_at_us=None, reference_us=REFERENCE_US)
    for _ in range(5):
        assembler.feed(wild, received_at_us=None, reference_us=REFERENCE_US)
        assert len(assembler.snapshot()) < 4 * MAX_EPOCH_BYTES


def test_bad_frames_are_told_with_the_epoch_that_they_came_in():
    damaged = bytearray(galileo(T0))
    damaged[20] ^= 1
    zero_position = build_frame(encode_1006(7, (0.0, 0.0, 0.0), 0.0))
    frames = [b"noise", gps(T0), bytes(damaged), beidou(T0), zero_position, gps(T0 + S), beidou(T0 + S)]
    assembler, epochs = run(*frames)
    assert [(epoch.frames, epoch.bad_frames, epoch.position) for epoch in epochs] == [
        (2, 1, None),
        (3, 0, None),
    ]
    assert (assembler.frames, assembler.bad_frames) == (5, 1)
    assert assembler.skipped_bytes == 5 + len(damaged)
    assert [epoch.begin for epoch in epochs] == [5, sum(map(len, frames[:5]))]


def test_another_reference_station_is_no_error():
    _, epochs = run(gps(T0), beidou(T0), gps(T0 + S, reference_station=8), beidou(T0 + S))
    assert len(epochs) == 2


NAMES = {
    "swift/week-rollover-STR17.rtcm3": 1126,
    "swift/week-rollover-STR24.rtcm3": 1134,
    "swift/missing-beidou-STR17.rtcm3": 502,
    "swift/missing-gps.rtcm": 50,
    "swift/piksi-5Hz.rtcm3": 38,
    "swift/switch-legacy-msm-legacy-msm.rtcm": 422,
    "asv/fw206mrtk_rtcm": 700,
    "asv/imu_rtcm": 134,
    "qzsl6tool/20221213-010900.rtcm": 60,
}


def plain_groups(content):
    """Group message numbers by the time of the day alone; SBAS of `missing-gps` is days off."""
    index = find_frames(np.frombuffer(content, np.uint8), final=True)
    groups = {}
    for start, number in zip(index.start.tolist(), index.message.tolist(), strict=True):
        system, kind = divmod(number - 1070, 10)
        legacy = 1001 <= number <= 1004 or 1009 <= number <= 1012
        if not legacy and not (0 <= system <= 6 and 1 <= kind <= 7):
            continue
        time_ms = int.from_bytes(content[start + 3 : start + 10], "big") >> 2 & (2**30 - 1)
        if legacy and number >= 1009:
            time_ms = (time_ms >> 3) - 10_800_000 + 18_000
        elif system == System.GLONASS:
            time_ms = (time_ms & (2**27 - 1)) - 10_800_000 + 18_000
        elif system == System.BEIDOU:
            time_ms = (time_ms + 14_000) % 2**30
        groups.setdefault(time_ms % 86_400_000, []).append(number)
    return groups


@pytest.mark.parametrize(("name", "expected"), NAMES.items())
def test_recordings_against_a_plain_grouping(data, name, expected):
    content = (data / f"rtcm3/{name}").read_bytes()
    assembler, epochs = run(content)
    assert len(epochs) == expected
    assert assembler.late_frames == 0
    groups = plain_groups(content)
    if name == "swift/missing-gps.rtcm":
        assert assembler.unusable_times == 50
        groups = {t: [n for n in numbers if n != 1104] for t, numbers in groups.items()}
        groups = {t: numbers for t, numbers in groups.items() if numbers}
    else:
        assert assembler.unusable_times == 0
    ours = {(e.time_us // 1000 + 18_000) % 86_400_000: list(e.message_numbers) for e in epochs}
    assert ours == groups
    steps = np.diff([epoch.time_us for epoch in epochs])
    assert (steps > 0).all()
    assert Counter(assembler.messages) == Counter(
        find_frames(np.frombuffer(content, np.uint8), final=True).message.tolist()
    )


def test_the_last_beidou_message_that_is_missing(data):
    _, epochs = run((data / "rtcm3/asv/fw206mrtk_rtcm").read_bytes())
    assert Counter(epoch.closed_by for epoch in epochs) == {"complete": 659, "next": 40, "end": 1}


@pytest.mark.parametrize(
    ("name", "begin", "end"),
    [
        ("swift/week-rollover-STR17.rtcm3", "2019-04-06T23:50:00Z", "2019-04-07T00:08:45Z"),
        ("swift/week-rollover-STR24.rtcm3", "2019-04-06T23:49:51Z", "2019-04-07T00:08:44Z"),
    ],
)
@pytest.mark.parametrize("days_off", [-3, 0, 3])
def test_no_epoch_strays_over_the_week_roll_over(data, name, begin, end, days_off):
    content = (data / f"rtcm3/{name}").read_bytes()
    middle = 1_554_595_200_000_000
    _, epochs = run(content, reference_us=middle + days_off * DAY)
    assert (iso_z(epochs[0].time_us), iso_z(epochs[-1].time_us)) == (begin, end)
    assert set(np.diff([epoch.time_us for epoch in epochs]).tolist()) == {S}


def cut(content, at):
    edges = [0, *sorted(at), len(content)]
    return [content[a:b] for a, b in pairwise(edges)]


@pytest.fixture(scope="module")
def excerpts(data):
    """Return stretches of recordings: split constellations, a week roll-over, bits damaged, noise."""
    asv = (data / "rtcm3/asv/fw206mrtk_rtcm").read_bytes()
    rollover = (data / "rtcm3/swift/week-rollover-STR24.rtcm3").read_bytes()
    random = np.random.default_rng(4)
    damaged = np.frombuffer(asv[:40_000], np.uint8).copy()
    damaged[random.integers(0, len(damaged), 60)] ^= random.integers(1, 256, 60).astype(np.uint8)
    noise = random.choice(np.array([0xD3, 0, 1, 7, 255], np.uint8), 3000).tobytes()
    return [
        asv[5_000:45_000],
        rollover[640_000:700_000],
        damaged.tobytes(),
        noise + asv[:9_000] + noise,
        (data / "rtcm3/swift/missing-gps.rtcm").read_bytes(),
    ]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 4), st.lists(st.integers(0, 60_000), max_size=30), st.booleans())
def test_the_cut_of_the_input_changes_nothing(excerpts, which, at, with_restore):
    content = excerpts[which]
    whole, expected = run(content)
    assembler, epochs = EpochAssembler(), []
    for piece in cut(content, [a for a in at if a < len(content)]):
        epochs += assembler.feed(piece, received_at_us=None, reference_us=REFERENCE_US)
        if with_restore:
            state, assembler = assembler.snapshot(), EpochAssembler()
            assembler.restore(state)
    same(epochs + assembler.finish(), expected)
    assert assembler.snapshot() == whole.snapshot()


def test_byte_by_byte(excerpts):
    content = excerpts[2][:6_000]
    assembler, epochs = EpochAssembler(), []
    for i in range(len(content)):
        epochs += assembler.feed(content[i : i + 1], received_at_us=None, reference_us=REFERENCE_US)
    same(epochs + assembler.finish(), run(content)[1])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(range(9)), max_size=40), st.lists(st.integers(0, 3_000), max_size=12))
def test_no_order_of_frames_loses_a_frame_uncounted(order, at):
    pool = [
        gps(T0),
        galileo(T0),
        glonass(T0),
        beidou(T0),
        gps(T0 + S),
        beidou(T0 + S),
        gps(T0 + 3 * DAY),
        glonass(T0 - 6 * HOUR),
        gps(T0 - 60 * S, False),
    ]
    content = b"".join(pool[i] for i in order)
    assembler, expected = run(content)
    kept = sum(len(epoch.message_numbers) for epoch in expected)
    assert kept + assembler.late_frames + assembler.unusable_times == len(order)
    assert sum(len(epoch.observations) for epoch in expected) == kept
    pieces, epochs = EpochAssembler(), []
    for piece in cut(content, [a for a in at if a < len(content)]):
        epochs += pieces.feed(piece, received_at_us=None, reference_us=REFERENCE_US)
    same(epochs + pieces.finish(), expected)


@settings(max_examples=25, deadline=None)
@given(st.binary(max_size=4_000))
def test_random_bytes_do_no_harm(noise):
    assembler, epochs = run(noise, gps(T0), noise, beidou(T0))
    assert assembler.frames >= sum(epoch.frames for epoch in epochs)
    assert assembler.skipped_bytes <= 2 * len(noise)
