"""The table against its slow twin: whatever comes, in any cut and any company."""

from __future__ import annotations

from collections import deque
from dataclasses import fields
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnss.assembly.assembled import Assembled
from gnss.assembly.records import MAX_EPOCH_BYTES, NUMBERS
from gnss.assembly.table import Chunk, EpochTable
from gnss.epoch_columns import CLOSED_BY, NO_TIME_US
from gnss.epochs import EpochAssembler
from gnss.observations import Observations
from gnss.rtcm.framing import MAX_FRAME_BYTES
from gnss.systems import System
from tests.gnss.assembly.streams import (
    DAY,
    POOL,
    REFERENCE_US,
    T0,
    S,
    Twin,
    contents,
    msm,
    numbered,
    orderly,
    state_of_table,
    state_of_twin,
    told_us,
)
from tests.gnss.slow_assembler import Epoch

COLUMNS = [field.name for field in fields(Observations) if field.name != "row"]
NUMBERS_OF = (7, 2_000_000_000, 0)
"""What the stations of a scene are called."""


def same_columns(ours: Observations, theirs: Observations, rows: slice) -> None:
    for name in COLUMNS:
        a, b = getattr(ours, name)[rows], getattr(theirs, name)
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b, err_msg=name)


def same_epochs(assembled: Assembled, station: int, expected: list[Epoch]) -> None:
    """Compare the epochs of one station with those of its twin."""
    epochs, frames = assembled.epochs, assembled.frames
    rows = np.flatnonzero(epochs.station == station).tolist()
    assert len(rows) == len(expected)
    for i, twin in zip(rows, expected, strict=True):
        assert (
            int(epochs.time_us[i]),
            int(epochs.received_at_us[i]),
            CLOSED_BY[epochs.closed_by[i]],
            int(epochs.frames[i]),
            int(epochs.bad_frames[i]),
            int(epochs.begin[i]),
            int(epochs.count[i]),
        ) == (
            twin.time_us,
            told_us(twin.received_at_us),
            twin.closed_by,
            twin.frames,
            twin.bad_frames,
            twin.begin,
            len(twin.observations),
        )
        mine = frames.epoch == i
        assert tuple(frames.message[mine].tolist()) == twin.message_numbers
        assert frames.cells[mine].sum() == epochs.count[i]
        seen = slice(int(epochs.first[i]), int(epochs.first[i] + epochs.count[i]))
        assert (epochs.observations.row[seen] == i).all()
        same_columns(epochs.observations, twin.observations, seen)


def same_others(assembled: Assembled, station: int, twin: Twin) -> None:
    others = assembled.others
    mine = [
        (
            int(others.message[i]),
            int(others.epoch_us[i]),
            int(others.received_at_us[i]),
            int(others.ordinal[i]),
            others.payload[i],
        )
        for i in np.flatnonzero(others.station == station).tolist()
    ]
    assert mine == twin.take_others()


def cut(content: bytes, at: list[int]) -> list[bytes]:
    edges = [0, *sorted(a % (len(content) + 1) for a in at), len(content)]
    return [content[a:b] for a, b in pairwise(edges)]


STEPS_US = [0, 1000, 50_000, 100_000, 199_999, 200_000, 300_000, S, 5 * S]


@st.composite
def streams(draw: st.DrawFn) -> list[tuple[bytes, int | None, int | None]]:
    """Return the chunks of a station: with receiving times, without, or mixed."""
    pieces = cut(draw(contents), draw(st.lists(st.integers(0, 4_000), max_size=12)))
    mode = draw(st.sampled_from(["live", "replay", "mixed"]))
    now, chunks = T0, []
    for piece in pieces:
        live = mode == "live" or (mode == "mixed" and draw(st.booleans()))
        now += draw(st.sampled_from(STEPS_US))
        reference_us = draw(st.sampled_from([REFERENCE_US] * 8 + [None, REFERENCE_US - 30 * DAY]))
        chunks.append((piece, now if live else None, reference_us))
    return chunks


operations = st.one_of(
    st.tuples(st.just("feed"), st.lists(st.integers(0, 2), min_size=1, max_size=8)),
    st.tuples(st.just("tick"), st.sampled_from(STEPS_US)),
    st.tuples(st.just("finish"), st.integers(0, 2)),
    st.tuples(st.just("reload"), st.integers(0, 2)),
)


@settings(max_examples=250, deadline=None)
@given(st.lists(streams(), min_size=3, max_size=3), st.lists(operations, max_size=14))
def test_many_stations_are_as_their_twins(scene, script):
    table, twins = EpochTable(wanted=None), [Twin() for _ in scene]
    queues, now = [deque(chunks) for chunks in scene], [T0 for _ in scene]
    rest = [i for i, chunks in enumerate(scene) for _ in chunks]
    for operation, argument in [*script, ("feed", rest), *(("finish", i) for i in range(3))]:
        expected: list[list[Epoch]] = [[] for _ in scene]
        if operation == "feed":
            batch = []
            for i in argument:
                if queues[i]:
                    payload, received_us, reference_us = queues[i].popleft()
                    now[i] = received_us or now[i]
                    batch.append(Chunk(NUMBERS_OF[i], payload, received_us, reference_us))
                    expected[i] += twins[i].feed(
                        payload, received_at_us=received_us, reference_us=reference_us
                    )
            assembled = table.feed(batch)
        elif operation == "tick":
            known = [i for i in range(3) if NUMBERS_OF[i] in table]
            now = [t + argument for t in now]
            expected = [
                twin.on_time(t) if i in known else []
                for i, (twin, t) in enumerate(zip(twins, now, strict=True))
            ]
            assembled = table.on_time(now, NUMBERS_OF)
        elif operation == "finish":
            expected[argument] = twins[argument].finish()
            assembled = table.finish([NUMBERS_OF[argument]])
        else:
            number = NUMBERS_OF[argument]
            state = table.snapshot(number)
            table.remove(number)
            table.restore(number, state)
            assert table.snapshot(number) == state
            continue
        for i, twin in enumerate(twins):
            same_epochs(assembled, NUMBERS_OF[i], expected[i])
            same_others(assembled, NUMBERS_OF[i], twin)
            if NUMBERS_OF[i] in table:
                assert state_of_table(table, NUMBERS_OF[i]) == state_of_twin(twin)
                assert len(table.snapshot(NUMBERS_OF[i])) < 1000 + 2 * MAX_EPOCH_BYTES + MAX_FRAME_BYTES


@settings(max_examples=80, deadline=None)
@given(contents, st.lists(st.integers(0, 4_000), max_size=14), st.lists(st.integers(1, 4), max_size=14))
def test_the_cut_and_the_company_change_nothing(content, at, sizes):
    twin = Twin()
    expected = twin.feed(content, received_at_us=None, reference_us=REFERENCE_US) + twin.finish()
    table, pieces = EpochTable(), deque(cut(content, at))
    closed = []
    for size in [*sizes, len(pieces)]:
        mine = [Chunk(1, pieces.popleft(), None, REFERENCE_US) for _ in range(min(size, len(pieces)))]
        others = [Chunk(2, POOL[size], None, REFERENCE_US), Chunk(3, b"", T0, None)]
        closed.append(table.feed([others[0], *mine, others[1]]))
    closed.append(table.finish())
    together = [
        (int(a.epochs.time_us[i]), int(a.epochs.begin[i]), int(a.epochs.frames[i]), int(a.epochs.count[i]))
        for a in closed
        for i in np.flatnonzero(a.epochs.station == 1)
    ]
    assert together == [(e.time_us, e.begin, e.frames, len(e.observations)) for e in expected]
    assert state_of_table(table, 1) == state_of_twin(twin)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.lists(st.sampled_from(STEPS_US), min_size=1, max_size=5))
def test_pieces_of_one_receiving_time_are_as_the_whole(drawn, steps_us):
    """In a stream whose times go on: a frame that must be held may be over 200 ms old when a piece comes."""
    twin, table, now = Twin(), EpochTable(), T0
    for k, step_us in enumerate(steps_us):
        now += step_us
        content = drawn.draw(orderly(T0 + 10 * k * S, mishaps=False))
        at = drawn.draw(st.lists(st.integers(0, 4_000), max_size=12))
        expected = twin.feed(content, received_at_us=now, reference_us=None)
        assembled = table.feed([Chunk(5, piece, now, None) for piece in cut(content, at)])
        same_epochs(assembled, 5, expected)


@settings(max_examples=60, deadline=None)
@given(streams())
def test_one_station_as_objects_with_its_positions(chunks):
    twin, assembler = Twin(), EpochAssembler()
    for payload, received_us, reference_us in chunks:
        told = {"received_at_us": received_us, "reference_us": reference_us}
        expected, epochs = twin.feed(payload, **told), assembler.feed(payload, **told)
        state, assembler = assembler.snapshot(), EpochAssembler()
        assembler.restore(state)
        same_objects(epochs, expected)
    same_objects(assembler.finish(), twin.finish())
    assert assembler.messages == twin.messages


def same_objects(epochs, expected):
    assert len(epochs) == len(expected)
    for one, other in zip(epochs, expected, strict=True):
        for field in fields(one):
            if field.name != "observations":
                assert getattr(one, field.name) == getattr(other, field.name)
        same_columns(one.observations, other.observations, slice(None))
        np.testing.assert_array_equal(one.observations.row, other.observations.row)


@pytest.mark.parametrize("size", [65_000, 1_000_000])
def test_epochs_without_an_end_are_cut_as_those_of_the_twin(size):
    """The open epoch first, then the held frames, and what follows."""
    open_, wild = msm(System.GPS, T0, True), msm(System.GPS, T0 + 3 * DAY, True)
    n = MAX_EPOCH_BYTES // len(open_) + 9
    content = open_ * n + msm(System.GPS, T0 + S, True) + wild * n + b"".join(map(epoch_of, range(2, 5)))
    table, twin = EpochTable(), Twin()
    for piece in cut(content, [size]):
        expected = twin.feed(piece, received_at_us=None, reference_us=REFERENCE_US)
        same_epochs(table.feed([Chunk(0, piece, None, REFERENCE_US)]), 0, expected)
        assert state_of_table(table, 0) == state_of_twin(twin)
    assert table.counts().oversized_epochs.tolist() == [1]
    assert table.counts().late_frames[0] >= 8


RECORDINGS = (
    "swift/week-rollover-STR24.rtcm3",
    "swift/missing-beidou-STR17.rtcm3",
    "swift/missing-gps.rtcm",
    "swift/piksi-5Hz.rtcm3",
    "swift/switch-legacy-msm-legacy-msm.rtcm",
    "swift/mixed-msm-legacy.rtcm",
    "swift/glo_day_rollover.rtcm",
    "swift/test_gal_eph.rtcm",
    "asv/fw206mrtk_rtcm",
    "asv/imu_rtcm",
    "qzsl6tool/20221213-010900.rtcm",
)


def test_recordings_side_by_side_are_as_each_alone(data):
    recordings = [(data / f"rtcm3/{name}").read_bytes()[:600_000] for name in RECORDINGS]
    table, twins, at = EpochTable(wanted=None), [Twin() for _ in recordings], 0
    epochs, sizes = 0, np.random.default_rng(3).integers(1, 30_000, 200)
    for size in sizes.tolist():
        batch, expected = [], []
        for i, content in enumerate(recordings):
            piece = content[at : at + size]
            expected.append(twins[i].feed(piece, received_at_us=None, reference_us=REFERENCE_US))
            half = len(piece) // 2
            batch.append(Chunk(i, piece[:half], None, REFERENCE_US))
            batch.append(Chunk(i, piece[half:], None, REFERENCE_US))
        at += size
        assembled = table.feed(sorted(batch, key=lambda chunk: chunk.station % 3))
        for i, twin in enumerate(twins):
            same_epochs(assembled, i, expected[i])
            same_others(assembled, i, twin)
        epochs += len(assembled.epochs)
    assert at > 600_000
    assembled = table.finish()
    for i, twin in enumerate(twins):
        same_epochs(assembled, i, twin.finish())
        assert state_of_table(table, i) == state_of_twin(twin)
    assert epochs + len(assembled.epochs) == 1_923


def epoch_of(k: int, satellites: int = 3) -> bytes:
    t = T0 + k * S
    return msm(System.GPS, t, True, satellites) + msm(System.BEIDOU, t, False, satellites)


def test_only_wanted_messages_are_told():
    table = EpochTable(wanted={1019, 1013})
    payload = epoch_of(0) + numbered(1019, 8) + numbered(1020) + numbered(1013)
    others = table.feed([Chunk(4, payload, T0 + 5, None)]).others
    assert others.message.tolist() == [1019, 1013]
    assert others.station.tolist() == [4, 4]
    assert others.epoch_us.tolist() == [T0, T0]
    assert others.received_at_us.tolist() == [T0 + 5, T0 + 5]
    assert others.ordinal.tolist() == [2, 4]
    assert others.payload == [numbered(1019, 8)[3:-3], numbered(1013)[3:-3]]
    assert len(EpochTable().feed([Chunk(4, payload, None, None)]).others) == 0


def test_before_the_first_epoch_there_is_no_time():
    table = EpochTable(wanted=None)
    others = table.feed([Chunk(4, numbered(1019), None, None)]).others
    assert (others.epoch_us.tolist(), others.received_at_us.tolist()) == ([NO_TIME_US], [NO_TIME_US])


def test_frames_tell_station_and_steering():
    frames = EpochTable().feed([Chunk(4, epoch_of(0), T0, None)]).frames
    assert frames.epoch.tolist() == [0, 0]
    assert frames.system.tolist() == [System.GPS, System.BEIDOU]
    assert frames.reference_station.tolist() == [7, 7]
    assert frames.clock_steering.tolist() == [0, 0]
    assert frames.cells.tolist() == [3, 3]


def test_time_passes_for_all_or_for_some():
    table = EpochTable()
    table.feed([Chunk(i, msm(System.GPS, T0, True), T0 + i, None) for i in range(4)])
    assert len(table.on_time(T0 + 200_000).epochs) == 0
    assert table.on_time([T0 + 200_003, T0 + 200_001, T0], [9, 0, 3]).epochs.station.tolist() == [0]
    closed = table.on_time(T0 + 200_002).epochs
    assert (closed.station.tolist(), closed.closed_by.tolist()) == ([1], [CLOSED_BY.index("timeout")])
    assert table.finish([3, 9]).epochs.station.tolist() == [3]
    assert table.finish().epochs.station.tolist() == [2]
    assert len(table.finish().epochs) == 0


def test_counts_stand_in_columns():
    table = EpochTable()
    short = POOL[POOL.index(numbered(1005))]
    damaged = bytearray(epoch_of(0))
    damaged[20] ^= 1
    table.feed([Chunk(9, bytes(damaged), T0, None), Chunk(8, short + epoch_of(1), T0, None)])
    counts = table.counts([8, 9])
    assert counts.station.tolist() == [8, 9]
    assert counts.frames.tolist() == [3, 1]
    assert counts.bad_frames.tolist() == [0, 1]
    assert counts.skipped_bytes.tolist() == [0, len(msm(System.GPS, T0, True, 3))]
    assert (len(table), table.stations, 8 in table, 7 in table) == (2, [9, 8], True, False)


def test_any_number_of_message_numbers_is_counted():
    table, numbers = EpochTable(), [*range(2000, 2000 + 3 * NUMBERS), 2000, 2000 + 2 * NUMBERS]
    table.feed([Chunk(1, b"".join(map(numbered, numbers)), None, None), Chunk(2, numbered(5), None, None)])
    counts = table.message_counts()
    keys = zip(counts.station.tolist(), counts.message.tolist(), strict=True)
    told = dict(zip(keys, counts.frames.tolist(), strict=True))
    assert told == {(1, n): numbers.count(n) for n in numbers} | {(2, 5): 1}
    other = EpochTable()
    other.restore(3, table.snapshot(1))
    again = other.message_counts()
    assert again.message.tolist() == counts.message[counts.station == 1].tolist()
    assert again.frames.tolist() == counts.frames[counts.station == 1].tolist()


def test_a_station_that_was_removed_begins_as_new():
    table = EpochTable()
    table.feed([Chunk(1, epoch_of(0) + msm(System.GPS, T0 + S, True)[:30], None, REFERENCE_US)])
    new = EpochTable().snapshot(1)
    assert table.snapshot(1) != new
    table.remove(1)
    table.remove(1)
    assert (len(table), table.snapshot(1)) == (0, new)
    table.feed([Chunk(2, b"", None, None)])
    assert table.snapshot(2) == new


@pytest.mark.parametrize("station", [-1, 2**31])
def test_a_number_that_cannot_be_is_refused_and_harms_nobody(station):
    table = EpochTable()
    with pytest.raises(ValueError, match="number stations from 0"):
        table.feed([Chunk(1, epoch_of(0), T0, None), Chunk(station, epoch_of(0), T0, None)])
    assert table.feed([Chunk(1, epoch_of(0), T0, None)]).epochs.station.tolist() == [1]


def state_with_everything() -> bytes:
    table = EpochTable()
    table.feed([Chunk(1, epoch_of(0) + msm(System.GPS, T0 + S, True) * 3, None, REFERENCE_US)])
    table.feed([Chunk(1, msm(System.GPS, T0 + 3 * DAY, True) * 2 + b"\xd3\x03", None, REFERENCE_US)])
    return table.snapshot(1)


STATE = state_with_everything()


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(STATE) - 1), st.integers(1, 255), st.booleans())
def test_a_damaged_state_is_refused_or_does_no_harm(at, change, shorter):
    damaged = STATE[:at] if shorter else STATE[:at] + bytes([STATE[at] ^ change]) + STATE[at + 1 :]
    table = EpochTable()
    table.feed([Chunk(1, epoch_of(0), None, REFERENCE_US)])
    before = table.snapshot(1)
    try:
        table.restore(1, damaged)
    except ValueError:
        assert table.snapshot(1) == before
    table.feed([Chunk(1, epoch_of(9), T0 + 9 * S, None)])
    table.finish()
    assert table.feed([Chunk(1, epoch_of(3600 * 24 * 9), T0 + 9 * DAY, None)]) is not None


def test_a_state_of_something_else_is_refused():
    for state in (b"", b"\x90", b"nonsense"):
        with pytest.raises(ValueError, match="begin the station as new"):
            EpochTable().restore(1, state)
        with pytest.raises(ValueError, match="begin with a new one"):
            EpochAssembler().restore(state)


def test_columns_stay_as_they_are_while_somebody_has_them():
    table = EpochTable()
    held, copies = [], []
    for k in range(6):
        seen = table.feed(
            [Chunk(i, epoch_of(k, 60), T0 + k * S, None) for i in range(60)]
        ).epochs.observations
        assert len(seen) == 60 * 120
        held.append(seen if k % 2 else seen.range_m[100:200])
        copies.append(
            [getattr(seen, name).copy() for name in COLUMNS] if k % 2 else seen.range_m[100:200].copy()
        )
        del seen
    for kept, copy in zip(held, copies, strict=True):
        if isinstance(kept, Observations):
            for name, column in zip(COLUMNS, copy, strict=True):
                np.testing.assert_array_equal(getattr(kept, name), column)
        else:
            np.testing.assert_array_equal(kept, copy)


def test_memory_is_used_again_when_nobody_looks():
    table = EpochTable()
    places = set()
    for k in range(8):
        epochs = table.feed([Chunk(i, epoch_of(k, 60), T0 + k * S, None) for i in range(60)]).epochs
        places.add(epochs.observations.range_m.__array_interface__["data"][0])
        del epochs
    assert len(places) == 1


def test_many_parts_are_as_one():
    """More bytes than a part has, and stations that come twice."""
    payload = epoch_of(0, 60)
    n = 4 * 1_048_576 // len(payload)
    table = EpochTable()
    batch = [Chunk(i, payload, T0, None) for i in range(n)]
    batch += [Chunk(i, epoch_of(1, 2), T0 + S, None) for i in range(0, n, 2)]
    epochs = table.feed(batch).epochs
    assert epochs.station.tolist() == [i for i in range(n) for _ in range(2 - i % 2)]
    alone = EpochTable().feed([Chunk(0, payload, T0, None)]).epochs
    whole = epochs.count == len(alone.observations)
    assert whole.sum() == n
    np.testing.assert_array_equal(np.cumsum(epochs.count) - epochs.count, epochs.first)
    np.testing.assert_array_equal(epochs.observations.row, np.repeat(np.arange(len(epochs)), epochs.count))
    np.testing.assert_array_equal(
        epochs.observations.range_m[np.repeat(whole, epochs.count)], np.tile(alone.observations.range_m, n)
    )
