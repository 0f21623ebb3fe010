from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gnss.epoch_columns import NO_TIME_US
from gnss.quality.message_set import MESSAGES, Change, MessageTable, promised_messages

S = 1_000_000
T0_US = 1_790_000_100 * S // (60 * S) * 60 * S
Frames = list[tuple[int, int]]
"""Message number and second."""


def a_table(promised: Mapping[int, float] | None = None) -> MessageTable:
    table = MessageTable()
    table.begin(0, promised or {})
    return table


def take(table: MessageTable, frames: Frames, s: int = 0) -> list[Change]:
    numbers, seconds = (np.array(column, np.int64) for column in zip(*frames, strict=True))
    return table.take(np.full(len(frames), s, np.int32), numbers.astype(np.int16), T0_US + seconds * S)


def missing(table: MessageTable, second: int) -> list[str]:
    return [f.text.split()[1] for f in table.findings(0, T0_US + second * S)]


def every(number: int, interval_s: int, end_s: int, begin_s: int = 0) -> Frames:
    return [(number, second) for second in range(begin_s, end_s, interval_s)]


def stream(*parts: Frames) -> Frames:
    return sorted((frame for part in parts for frame in part), key=lambda frame: frame[1])


def test_one_that_came_regularly_and_stays_away_is_missing() -> None:
    table = a_table()
    frames = stream(every(1077, 1, 1800), every(1087, 1, 900), every(1006, 10, 1200), every(1013, 600, 1800))
    changes = take(table, frames)
    assert [(c.points, (c.from_us - T0_US) // S) for c in changes] == [(60.0, 1080), (60.0, 1380)]
    assert missing(table, 1070) == []
    assert missing(table, 1200) == ["1087"]
    assert sorted(missing(table, 1800)) == ["1006", "1087"]
    assert sorted(f.value or 0.0 for f in table.findings(0, T0_US + 1800 * S)) == [610.0, 901.0]


def test_it_is_well_again_when_it_comes_again() -> None:
    table = a_table()
    take(table, stream(every(1077, 1, 2400), every(1006, 10, 900), every(1006, 10, 2400, 1500)))
    assert missing(table, 1440) == ["1006"]
    assert missing(table, 2400) == []


def test_ephemerides_sent_when_they_change_are_no_promise() -> None:
    table = a_table()
    bursts = [(1019, hour * 7200 + second) for hour in range(4) for second in range(30)]
    assert take(table, stream(every(1077, 1, 4 * 7200), bursts)) == []


def test_an_outage_of_the_whole_station_is_no_rhythm_of_its_messages() -> None:
    table = a_table({1077: 1.0, 1006: 10.0})
    frames = stream(every(1077, 1, 900), every(1006, 10, 900))
    again = stream(every(1077, 1, 1500, 1000), every(1006, 10, 1500, 1000))
    assert take(table, frames + again) == []


def test_promised_ones_that_never_come_and_those_that_come_too_seldom() -> None:
    table = a_table({1077: 1.0, 1087: 1.0, 1006: 1000.0, 1013: 600.0})
    (change, *_) = take(table, stream(every(1077, 5, 1800), every(1013, 600, 1800)))
    assert change.points == 60.0
    found = table.findings(0, T0_US + 900 * S)
    assert [f.text for f in found] == [
        "Message 1087 has not come for 900 s (promised every 1 s).",
        "Message 1077 comes every 5 s (promised every 1 s).",
    ]


def test_a_step_back_begins_another_recording() -> None:
    table = a_table()
    take(table, stream(every(1077, 1, 1800), every(1006, 10, 900)))
    assert missing(table, 1800) == ["1006"]
    assert [c.points for c in take(table, every(1077, 1, 300, -9000))] == [100.0]
    assert missing(table, 300) == []


def test_memory_is_bounded_and_frames_before_the_first_epoch_do_not_count() -> None:
    table = a_table()
    take(table, [(number, second) for second in range(900) for number in range(1, 200)])
    after = stream(every(1, 1, 1800, 900))
    take(table, after)
    assert len(missing(table, 1800)) == MESSAGES - 1
    other = a_table()
    nothing = np.full(5, NO_TIME_US)
    assert other.take(np.zeros(5, np.int32), np.full(5, 1006, np.int16), nothing) == []


def test_more_stations_than_there_was_room_for_do_not_disturb_each_other() -> None:
    table = MessageTable()
    for s in range(40):
        table.begin(s, {1006: 10.0} if s % 2 else {})
    n = 40
    for second in range(600):
        changes = table.take(
            np.arange(n, dtype=np.int32), np.full(n, 1077, np.int16), np.full(n, T0_US + second * S)
        )
        assert {c.station % 2 for c in changes} <= {1}
    assert [bool(table.findings(s, T0_US + 600 * S)) for s in range(4)] == [False, True, False, True]


FRAMES = st.lists(
    st.tuples(st.sampled_from([1006, 1077, 1019]), st.integers(0, 200), st.booleans()), max_size=80
)


@settings(max_examples=60, deadline=None)
@given(steps=FRAMES, cuts=st.lists(st.integers(0, 80), max_size=6), at=st.integers(0, 80))
def test_neither_cuts_nor_a_restored_snapshot_change_anything(
    steps: list[tuple[int, int, bool]], cuts: list[int], at: int
) -> None:
    second, frames = 0, every(1077, 1, 700) + every(1006, 10, 700)
    frames.sort(key=lambda frame: frame[1])
    second = 700
    for number, step, _ in steps:
        second += step
        frames.append((number, second))
    promised = {1006: 10.0}
    whole, pieces = a_table(promised), a_table(promised)
    changes = take(whole, frames)
    told: list[Change] = []
    marks = sorted({0, len(frames), *(min(700 + cut, len(frames)) for cut in cuts)})
    for begin, end in itertools.pairwise(marks):
        told += take(pieces, frames[begin:end])
        if end >= at:
            restored = a_table(promised)
            restored.restore(0, pieces.snapshot(0))
            pieces = restored
    assert told == changes
    assert pieces.snapshot(0) == whole.snapshot(0)
    for minute in range(second // 60 + 1):
        at_us = T0_US + minute * 60 * S
        assert pieces.findings(0, at_us) == whole.findings(0, at_us)


def test_format_details_of_a_sourcetable() -> None:
    assert promised_messages("1005(10),1077(1), 1087 (1),1230,1033(0),RTCM") == {
        1005: 10.0,
        1077: 1.0,
        1087: 1.0,
    }
    assert promised_messages("") == {}
