"""A station that sends another format: rovers and judges get RTCM 3."""

from __future__ import annotations

import numpy as np

from connectors.conversion import converter_for
from connectors.gatherer import StationIntake
from gnss.rtcm.framing import find_frames
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
