"""From a station's bytes to the rovers, at once, and to the judges and the archive."""

from __future__ import annotations

from collections.abc import Callable

from gnss.rtcm.framing import Framed, Framer
from streams.bus import RawSink
from streams.records import RawChunk
from streams.stream_state import StreamState

FrameSink = Callable[[str, bytes], None]
"""Takes a station's id and whole valid frames, and never waits."""


class StationIntake:
    """Where the bytes of one station arrive, whatever brings them.

    Valid frames go straight to `relay`; all bytes, as they came, go to `sink`. Rovers do not notice when
    the sink has no room.
    """

    def __init__(self, station_id: str, sink: RawSink, relay: FrameSink, state: StreamState) -> None:
        self.station_id = station_id
        self.state = state
        self._sink = sink
        self._relay = relay
        self._framer = Framer()

    def receive(self, data: bytes, received_at_us: int | None, reference_us: int | None = None) -> None:
        """Take the bytes of one read of a live stream, without waiting.

        What the sink has no room for is counted in `StreamState.overload_drops`.
        """
        chunk = self._arrive(data, received_at_us, reference_us, end_of_stream=False)
        if not self._sink.offer(chunk):
            self.state.overload_drops += 1

    async def replay(self, data: bytes, reference_us: int, *, end_of_stream: bool = False) -> None:
        """Take a piece of a recording, waiting until the sink has room: nothing is dropped."""
        await self._sink.put(self._arrive(data, None, reference_us, end_of_stream=end_of_stream))

    def finish(self) -> None:
        """The connection or recording has ended: a frame that is not whole will never be."""
        self._pass_on(self._framer.finish())

    def _arrive(
        self, data: bytes, received_at_us: int | None, reference_us: int | None, *, end_of_stream: bool
    ) -> RawChunk:
        self.state.bytes_received += len(data)
        if received_at_us is not None:
            self.state.last_received_us = received_at_us
        self._pass_on(self._framer.feed(data))
        return RawChunk(
            station_id=self.station_id,
            payload=data,
            received_at_us=received_at_us,
            reference_us=reference_us,
            end_of_stream=end_of_stream,
        )

    def _pass_on(self, framed: Framed) -> None:
        self.state.messages_received += framed.count
        self.state.bad_messages += framed.bad
        if framed.frames:
            self._relay(self.station_id, framed.frames)
