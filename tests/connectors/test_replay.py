from __future__ import annotations

import asyncio
import os
from itertools import pairwise

import pytest

from connectors import replay
from connectors.replay import ReplayConfig, ReplayError
from gnss.rtcm.framing import build_frame
from tests.scripted_server import Bench, Clock, running
from tests.waiting import until

DAY_US = 86_400_000_000
MONDAY_US = 1_554_681_600_000_000  # 2019-04-08
FRAME = build_frame(b"\x3e\xd0" + bytes(20))


def play(bench: Bench, *paths, speed=None, date_us=None, progress=None):
    config = ReplayConfig(paths=paths, station_id="ST01", speed=speed, date_us=date_us)
    return replay.run(config, bench.intake, bench.state, clock_us=Clock(), progress=progress)


@pytest.fixture
def pieces(monkeypatch):
    """Let a capture's time be its file's, and its pieces those of a dict from content to pieces."""
    table = {}
    asked = []

    def reference_time(buffer, *, date_us, modified_us):
        asked.append(date_us)
        return (modified_us if date_us is None else date_us), "date"

    monkeypatch.setattr(replay, "reference_time", reference_time)
    monkeypatch.setattr(replay, "split_for_replay", lambda buffer, reference_us: iter(table[buffer]))
    table["asked"] = asked
    return table


@pytest.fixture
def due(monkeypatch):
    """Sleep no more: note until when it would have been."""
    times = []

    async def note(due_s):
        times.append(due_s)
        await asyncio.sleep(0)

    monkeypatch.setattr(replay, "_sleep_until", note)
    return times


def capture(tmp_path, name: str, content: bytes, modified_us: int = MONDAY_US):
    path = tmp_path / name
    path.write_bytes(content)
    os.utime(path, ns=(modified_us * 1000, modified_us * 1000))
    return path


async def test_pieces_go_in_order_with_their_times_and_the_last_ends_the_stream(tmp_path, pieces):
    pieces[b"one"] = [(None, b"head"), (5_000_000, FRAME), (6_000_000, b"tail")]
    pieces[b"two"] = [(7_000_000, FRAME[:9]), (8_000_000, FRAME[9:])]
    bench, told = Bench(), []
    one, two = capture(tmp_path, "1", b"one"), capture(tmp_path, "2", b"two")
    await play(bench, one, two, progress=lambda *item: told.append(item))
    sent = [(c.reference_us, c.payload, c.received_at_us, c.end_of_stream) for c in bench.sink.chunks]
    assert sent == [
        (MONDAY_US, b"head", None, False),
        (5_000_000, FRAME, None, False),
        (6_000_000, b"tail", None, False),
        (7_000_000, FRAME[:9], None, False),
        (8_000_000, FRAME[9:], None, True),
    ]
    assert bench.frames == FRAME * 2
    n = len(FRAME)
    assert [done for done, _ in told] == [4, 4 + n, 8 + n, 17 + n, 8 + 2 * n]
    assert {total for _, total in told} == {6}
    assert bench.state.phases == ["streaming", "finished"]


async def test_an_empty_capture_ends_the_stream_all_the_same(tmp_path, pieces):
    pieces[b""] = []
    bench = Bench()
    await play(bench, capture(tmp_path, "1", b""))
    (chunk,) = bench.sink.chunks
    assert (chunk.payload, chunk.reference_us, chunk.end_of_stream) == (b"", MONDAY_US, True)


async def test_the_date_is_that_of_the_first_capture(tmp_path, pieces):
    pieces[b"one"] = [(5_000_000, b"x")]
    pieces[b"two"] = [(6_000_000, b"y")]
    paths = capture(tmp_path, "1", b"one"), capture(tmp_path, "2", b"two")
    await play(Bench(), *paths, date_us=4_000_000)
    await play(Bench(), *paths)
    assert pieces["asked"] == [4_000_000, 5_000_000, None, None]


@pytest.mark.parametrize("speed", [1.0, 20.0])
async def test_epochs_keep_their_own_time(tmp_path, pieces, due, speed):
    epochs = [None, 10_000_000, 11_000_000, 11_500_000, 11_000_000, 12_000_000, 3_612_000_000]
    pieces[b"one"] = [(epoch, b"x") for epoch in epochs]
    bench = Bench()
    begin = asyncio.get_running_loop().time()
    await play(bench, capture(tmp_path, "1", b"one"), speed=speed)
    since = [(time - begin) * speed for time in due]
    steps = [round(later - earlier, 6) for earlier, later in pairwise(since)]
    assert steps == [0.5, 0.0, 1.0, 3600.0]
    assert since[0] >= 1.0
    assert bench.sink.payload == b"x" * 7


async def test_as_fast_as_possible_sleeps_not(tmp_path, pieces, due):
    pieces[b"one"] = [(n * 1_000_000, b"x") for n in range(200)]
    bench = Bench()
    await play(bench, capture(tmp_path, "1", b"one"))
    assert due == []
    assert len(bench.sink.chunks) == 200


async def test_a_replay_can_be_stopped(tmp_path, pieces):
    pieces[b"one"] = [(n * DAY_US, b"x") for n in range(9)]
    bench = Bench()
    async with running(play(bench, capture(tmp_path, "1", b"one"), speed=1.0)):
        await until(lambda: bench.sink.chunks)
    assert bench.state.phase == "stopped"
    assert not any(chunk.end_of_stream for chunk in bench.sink.chunks)


async def test_nothing_is_replayed_when_one_capture_cannot_be_read(tmp_path, monkeypatch):
    good = capture(tmp_path, "good", b"abc")
    bench = Bench()
    with pytest.raises(ReplayError, match="No such file"):
        await play(bench, good, tmp_path / "missing")
    with pytest.raises(ReplayError, match="not a file"):
        await play(bench, good, tmp_path)
    monkeypatch.setattr(replay, "MAX_FILE_BYTES", 2)
    with pytest.raises(ReplayError, match="split it"):
        await play(bench, good)
    assert bench.sink.chunks == []
    assert bench.state.phases == ["stopped"]
    assert "split it" in bench.state.last_error


def test_a_configuration_that_cannot_be():
    with pytest.raises(ValueError, match="nothing to replay"):
        ReplayConfig(paths=(), station_id="A")
    with pytest.raises(ValueError, match="speed"):
        ReplayConfig(paths=("a",), station_id="A", speed=0.0)


async def test_a_real_capture_over_the_week_rollover(data):
    path = data / "rtcm3/swift/week-rollover-STR17.rtcm3"
    bench, told = Bench(), []
    await play(bench, path, date_us=MONDAY_US - DAY_US, progress=lambda *item: told.append(item))
    assert bench.sink.payload == path.read_bytes()
    assert (bench.state.messages_received, bench.state.bad_messages) == (9384, 0)
    references = [chunk.reference_us for chunk in bench.sink.chunks]
    assert len(set(references)) >= 1126
    assert min(references) >= MONDAY_US - 2 * DAY_US
    assert max(references) < MONDAY_US
    assert references == sorted(references)
    assert [chunk.end_of_stream for chunk in bench.sink.chunks[:-1]] == [False] * (len(references) - 1)
    assert bench.sink.chunks[-1].end_of_stream
    assert told[-1] == (path.stat().st_size, path.stat().st_size)
