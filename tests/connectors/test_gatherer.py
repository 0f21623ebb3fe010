from __future__ import annotations

import asyncio

import pytest

from connectors import gatherer as module
from connectors.reconnect import BackOff
from gnss.rtcm.framing import build_frame
from gnss.simulate import simulated_network
from streams.inbox import StoppedError
from streams.partitions import RecordTooLargeError
from tests.scripted_server import Bench

ONE, TWO = build_frame(b"\x3e\xd0" + bytes(40)), build_frame(b"\x43\x50" + bytes(90))


async def test_frames_go_to_rovers_and_all_bytes_to_the_judges():
    bench = Bench()
    bad = bytearray(ONE)
    bad[10] ^= 1
    stream = b"noise" + ONE + bytes(bad) + TWO
    for at in range(0, len(stream), 7):
        await bench.intake.take(stream[at : at + 7], 1000 + at)
    assert bench.frames == ONE + TWO
    assert {name for name, _ in bench.relayed} == {"ST01"}
    assert bench.sink.payload == stream
    assert [chunk.received_at_us for chunk in bench.sink.chunks] == list(range(1000, 1000 + len(stream), 7))
    assert not any(chunk.end_of_stream for chunk in bench.sink.chunks)
    state = bench.state
    assert (state.bytes_received, state.messages_received, state.bad_messages) == (len(stream), 2, 1)
    assert state.last_received_us == 1000 + (len(stream) - 1) // 7 * 7


async def test_rovers_do_not_notice_that_the_judges_are_busy():
    bench = Bench()
    bench.sink.room = False
    await bench.intake.take(ONE, 1)
    await bench.intake.take(TWO, 2)
    assert bench.frames == ONE + TWO
    assert bench.state.overload_drops == 2
    assert bench.state.messages_received == 2


async def test_a_backlog_waits_for_room_and_rovers_have_it_before():
    bench = Bench()
    bench.sink.room = False
    backlog = TWO * (module.BACKLOG_BYTES // len(TWO) + 1)
    freed = asyncio.Event()
    put = bench.sink.put

    async def when_freed(chunk):
        await freed.wait()
        await put(chunk)

    bench.sink.put = when_freed
    taking = asyncio.create_task(bench.intake.take(backlog, 1))
    await asyncio.sleep(0.01)
    assert bench.frames == backlog
    assert bench.sink.chunks == []
    freed.set()
    await taking
    await bench.intake.take(ONE, module.BACKLOG_US)  # the end of the backlog
    assert bench.sink.payload == backlog + ONE
    assert bench.state.overload_drops == 0
    await bench.intake.take(ONE, module.BACKLOG_US + 2)
    assert bench.state.overload_drops == 1


async def test_the_end_of_a_backlog_waits_although_its_begin_found_room():
    bench = Bench()
    backlog = TWO * (module.BACKLOG_BYTES // len(TWO) + 1)
    await bench.intake.take(backlog, 1)
    bench.sink.room = False
    await bench.intake.take(ONE, 2)
    assert bench.sink.payload == backlog + ONE
    assert bench.state.overload_drops == 0


def station_stream(first_us, seconds):
    """Return the epochs of one station."""
    times = (first_us + k * 1_000_000 for k in range(seconds))
    return [sent[0][1] for sent in simulated_network(1, times, 5)]


@pytest.mark.parametrize("cut", [3, 700, -3])
async def test_a_backlog_that_is_read_in_pieces_cuts_no_epoch(cut):
    epochs = station_stream(1_800_000_000_000_000, 30)
    stream = b"".join(epochs)
    begin = len(b"".join(epochs[:20]))
    assert begin + cut > module.BACKLOG_BYTES
    bench = Bench()
    await bench.intake.take(stream[: begin + cut], 1)
    whole = begin if cut > 0 else len(b"".join(epochs[:19]))
    assert bench.sink.payload == stream[:whole]
    assert bench.frames == stream[: len(bench.frames)]  # rovers have each frame at once
    assert (len(bench.frames) > whole) == (cut != 3)
    await bench.intake.take(stream[begin + cut : -5], 500_000)
    assert bench.sink.chunks[1].payload == stream[whole : -len(epochs[-1])]
    bench.intake.finish()
    assert bench.sink.payload == stream[:-5]
    assert bench.sink.chunks[2].received_at_us == 500_000
    assert bench.state.overload_drops == 0


async def test_when_a_backlog_is_over_nothing_waits_for_the_end_of_an_epoch():
    epochs = station_stream(1_800_000_000_000_000, 31)
    stream = b"".join(epochs)
    bench = Bench()
    await bench.intake.take(stream[:-1000], 1)
    await bench.intake.take(stream[-1000:-700], module.BACKLOG_US + 1)
    assert bench.sink.payload == stream[:-700]


async def test_a_sink_that_stays_full_holds_up_rovers_once(monkeypatch):
    monkeypatch.setattr(module, "BACKLOG_PATIENCE_S", 0.01)
    bench = Bench()
    waited = []

    async def never(chunk):
        waited.append(chunk)
        await asyncio.Event().wait()

    bench.sink.put = never
    backlog = TWO * (module.BACKLOG_BYTES // len(TWO) + 1)
    bench.sink.room = False
    for _ in range(3):
        await bench.intake.take(backlog, 1)
    assert (len(waited), bench.state.overload_drops) == (1, 3)
    bench.sink.room = True
    await bench.intake.take(ONE, 2)
    bench.sink.room = False
    await bench.intake.take(backlog, 3)
    assert (len(waited), bench.state.overload_drops) == (2, 4)
    assert bench.sink.payload == ONE


@pytest.mark.parametrize("error", [StoppedError("it stops"), RecordTooLargeError("ST01", 2, 1)])
async def test_what_a_sink_cannot_take_is_counted(error):
    bench = Bench()
    bench.sink.room = False

    async def refuse(chunk):
        raise error

    bench.sink.put = refuse
    await bench.intake.take(bytes(module.BACKLOG_BYTES), 1)
    assert bench.state.overload_drops == 1


async def test_a_frame_that_hides_behind_a_false_beginning_comes_out_at_the_end():
    bench = Bench()
    await bench.intake.take(b"\xd3\x03\xff" + ONE, 1)
    assert bench.frames == b""
    bench.intake.finish()
    assert bench.frames == ONE
    await bench.intake.take(TWO, 2)
    assert bench.frames == ONE + TWO


async def test_a_replay_waits_and_has_no_receiving_time():
    bench = Bench()
    await bench.intake.replay(ONE, 77)
    await bench.intake.replay(b"", 78, end_of_stream=True)
    first, last = bench.sink.chunks
    assert (first.received_at_us, first.reference_us, first.end_of_stream) == (None, 77, False)
    assert (last.received_at_us, last.reference_us, last.end_of_stream) == (None, 78, True)
    assert bench.frames == ONE
    assert bench.state.last_received_us is None


@pytest.mark.parametrize(
    ("draw", "waits"),
    [
        (0.0, [1.0] * 8),
        (0.5, [1.5, 2.5, 4.5, 8.5, 16.5, 30.5, 30.5, 30.5]),
        (1.0, [2, 4, 8, 16, 32, 60, 60, 60]),
    ],
)
def test_back_off_doubles_its_limit_and_spreads_below_it(draw, waits):
    back_off = BackOff(draw=lambda: draw)
    assert [back_off.failed() for _ in range(8)] == waits
    back_off.succeeded()
    assert back_off.failed() == waits[0]


def test_what_does_not_pass_by_itself_is_tried_much_later():
    assert BackOff(draw=lambda: 0.0).failed(retry_soon=False) == 60.0
    patient = BackOff(draw=lambda: 1.0)
    assert max(patient.failed(retry_soon=False) for _ in range(2000)) == 600.0
