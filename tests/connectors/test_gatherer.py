from __future__ import annotations

import asyncio
import itertools

import pytest

from connectors import gatherer as module
from connectors.caster.link.whole_epochs import WholeEpochs, frame_ends
from connectors.gathering.columns import REGION_BYTES
from connectors.gathering.cutter import Piece
from connectors.gathering.sockets_kernel import HOLD_US
from connectors.reconnect import BackOff
from gnss.rtcm.framing import build_frame
from gnss.simulate import simulated_network
from streams.inbox import StoppedError
from streams.partitions import RecordTooLargeError
from tests.scripted_server import Bench
from tests.waiting import until

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
    times = [chunk.received_at_us for chunk in bench.sink.chunks]
    assert times == sorted(times)
    assert times[-1] == 1000 + (len(stream) - 1) // 7 * 7
    assert not any(chunk.end_of_stream for chunk in bench.sink.chunks)
    state = bench.state
    assert (state.bytes_received, state.messages_received, state.bad_messages) == (len(stream), 2, 1)
    assert state.last_received_us == times[-1]
    assert state.phases == ["streaming"]


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
    backlog = TWO * (REGION_BYTES // len(TWO) - 1)
    waiting = bench.intake.arrived(Piece(backlog, backlog, 1, 1, len(backlog), 3, 0))
    assert bench.frames == backlog
    assert bench.sink.chunks == []
    assert waiting is not None
    await waiting
    assert bench.sink.payload == backlog
    assert bench.state.overload_drops == 0
    assert bench.intake.arrived(Piece(ONE, ONE, 2, 0, len(ONE), 1, 0)) is None
    assert bench.state.overload_drops == 1


async def test_the_end_of_a_backlog_waits_although_its_begin_found_room():
    bench = Bench()
    bench.sink.room = False
    backlog = TWO * (REGION_BYTES // len(TWO) + 1)
    await bench.intake.take(backlog, 1)
    await bench.intake.take(ONE, 2)
    assert bench.sink.payload == backlog + ONE
    assert bench.state.overload_drops == 0


def station_stream(first_us, seconds):
    """Return the epochs of one station."""
    times = (first_us + k * 1_000_000 for k in range(seconds))
    return [sent[0][1] for sent in simulated_network(1, times, 5)]


def ends_of_epochs(stream):
    """Return where nothing of an epoch is missing, as the link between gatherers and casters sees it."""
    epochs, at, found = WholeEpochs(), 0, set()
    for end in frame_ends(stream):
        for _ in epochs.feed(stream[at:end], 0):
            pass
        at = end
        if not epochs.is_waiting:
            found.add(end)
    return found


@pytest.mark.parametrize("cut", [3, 700, -3])
async def test_a_backlog_that_is_read_in_pieces_cuts_no_epoch(cut):
    epochs = station_stream(1_800_000_000_000_000, 30)
    stream = b"".join(epochs)
    begin = len(b"".join(epochs[:20]))
    bench = Bench()
    for piece in (stream[: begin + cut], stream[begin + cut : -5]):
        await bench.intake.take(piece, 1)
        await asyncio.sleep(2 * HOLD_US / 1e6)  # the others are read meanwhile
    begun = list(itertools.accumulate(len(chunk.payload) for chunk in bench.sink.chunks))
    assert len(begun) > 2
    assert set(begun) <= ends_of_epochs(stream)
    bench.intake.finish()
    assert bench.sink.payload == stream[:-5]
    assert bench.frames == stream[: len(bench.frames)]
    assert bench.state.overload_drops == 0


async def test_who_gets_no_rest_of_an_epoch_goes_on_without():
    (epoch,) = station_stream(1_800_000_000_000_000, 1)
    bench = Bench()
    begin = epoch[: list(frame_ends(epoch))[-2]]
    await bench.intake.take(begin + epoch[len(begin) : -5], 7)
    assert len(bench.sink.payload) < len(begin)
    await until(lambda: bench.sink.payload == begin)
    assert bench.frames == begin
    await bench.intake.take(epoch[-5:], 8)
    assert bench.sink.payload == epoch
    assert [chunk.received_at_us for chunk in bench.sink.chunks[-2:]] == [7, 8]


async def test_a_sink_that_stays_full_holds_up_rovers_once(monkeypatch):
    monkeypatch.setattr(module, "BACKLOG_PATIENCE_S", 0.01)
    bench = Bench()
    waited = []

    async def never(chunk):
        waited.append(chunk)
        await asyncio.Event().wait()

    bench.sink.put = never
    backlog = bytes(REGION_BYTES)
    bench.sink.room = False
    for _ in range(3):
        await bench.intake.take(backlog, 1)
    assert (len(waited), bench.state.overload_drops) == (1, 3)
    bench.sink.room = True
    bench.intake.arrived(Piece(ONE, ONE, 2, 0, len(ONE), 1, 0))
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
    await bench.intake.take(bytes(REGION_BYTES), 1)
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
