"""A station that sends another format: rovers and judges get RTCM 3."""

from __future__ import annotations

import numpy as np
import pytest

from connectors.conversion import converter_for
from connectors.gatherer import StationIntake
from connectors.reconnect import BackOff, StreamError, keep_running
from gnss.rtcm.framing import find_frames
from gnss.to_rtcm.converter import Converter
from streams.definitions import StationDefinition
from tests.connectors.link.frames import epoch
from tests.gnss.ubx.recordings import recording
from tests.scripted_server import Bench

STATION = StationDefinition(source="tcp://a:1", format="ubx")


async def test_rovers_and_judges_get_rtcm_of_a_stream_in_ubx():
    bench, stream = Bench(), recording("neo-m8t-rawx")
    intake = StationIntake(
        "ST01", bench.sink, lambda *item: bench.relayed.append(item), bench.state, converter_for(STATION)
    )
    for at in range(0, len(stream), 500):
        await intake.take(stream[at : at + 500], 1_700_000_000_000_000 + at)
    intake.finish()
    index = find_frames(np.frombuffer(bench.frames, np.uint8), final=True)
    assert set(index.message.tolist()) >= {1077, 1107}
    assert index.skipped_bytes == 0
    assert bench.sink.payload == bench.frames
    whole = converter_for(STATION)
    assert whole is not None
    assert bench.frames == whole.feed(stream, 1_700_000_000_000_000) + whole.finish()
    assert bench.state.bytes_received == len(stream)
    assert bench.state.messages_received == whole.counters.frames


async def test_a_stream_in_rtcm_stays_as_it_is():
    bench = Bench()
    intake = StationIntake(
        "ST01",
        bench.sink,
        lambda *item: bench.relayed.append(item),
        bench.state,
        converter_for(StationDefinition(source="tcp://a:1")),
    )
    stream = b"".join(epoch(k) for k in range(20))
    await intake.take(stream, 1_700_000_000_000_000)
    intake.finish()
    assert (bench.frames, bench.sink.payload) == (stream, stream)
    assert bench.state.messages_received == 60


class Broken(Converter):
    """Fails at the first bytes that it sees."""

    def feed(self, data, received_at_us):  # type: ignore[no-untyped-def]
        raise ValueError("a fault of ours")

    def finish(self):  # type: ignore[no-untyped-def]
        raise ValueError("and again")


async def test_a_fault_of_the_converter_ends_the_connection_and_the_next_one_has_another_converter():
    bench, stream = Bench(), recording("neo-m8t-rawx")
    intake = StationIntake(
        "ST01", bench.sink, lambda *item: bench.relayed.append(item), bench.state, Broken("ubx")
    )
    with pytest.raises(StreamError, match=r"cannot be converted .*a fault of ours.*report this"):
        await intake.take(stream[:20_000], 1_700_000_000_000_000)
    intake.finish()
    assert bench.state.faults == 1
    await intake.take(stream, 1_700_000_100_000_000)
    intake.finish()
    index = find_frames(np.frombuffer(bench.frames, np.uint8), final=True)
    assert set(index.message.tolist()) >= {1077, 1107}
    assert bench.state.faults == 1


async def test_a_fault_at_the_end_of_a_connection_is_counted_alone():
    bench = Bench()
    intake = StationIntake("ST01", bench.sink, lambda *_: None, bench.state, Broken("ubx"))
    intake.finish()
    intake.finish()
    assert bench.state.faults == 1


async def test_a_connector_that_fails_is_counted_and_begins_anew():
    bench, runs = Bench(), []

    async def work() -> None:
        runs.append(bench.state.faults)
        if len(runs) < 4:
            raise KeyError(f"run {len(runs)}")

    patience = BackOff(first_s=0.001, most_s=0.01)
    await keep_running(work, bench.state, clock_us=lambda: 7, back_off=patience)
    assert runs == [0, 1, 2, 3]
    assert (bench.state.phase, bench.state.since_us) == ("waiting", 7)
    assert "KeyError('run 3')" in bench.state.last_error
    assert patience.failures == 3
