"""From a station's bytes to the rovers, at once, and to the judges and the archive."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gnss.epoch_parts import last_epoch_end
from gnss.rtcm.framing import Framed, Framer
from streams.bus import RawSink
from streams.inbox import StoppedError
from streams.partitions import RecordTooLargeError
from streams.records import RawChunk
from streams.stream_state import StreamState

BACKLOG_BYTES = 16_384
"""So much in one read has waited for seconds: this program or the line stood still."""
BACKLOG_US = 10_000_000
"""What is read so long behind it is still its end."""
BACKLOG_PATIENCE_S = 10.0

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
        self._is_patient = True
        self._backlog_until_us = 0
        self._held = b""

    async def take(self, data: bytes, received_at_us: int) -> None:
        """Take the bytes of one read of a live stream; a backlog waits for room: rovers have it already.

        All stations bring theirs at once when a program that stood still goes on, and their senders hold what
        is not read. Who waited in vain drops from then on, until there is room again: a sink that stays full
        must not hold up rovers. An epoch that the end of a read cuts goes on with the next one, which comes
        only after all the others' reads: judged in between, it would lack its second half.
        """
        self._arrive(data, received_at_us)
        if len(data) >= BACKLOG_BYTES:  # its end comes in smaller reads
            self._backlog_until_us = received_at_us + BACKLOG_US
        data, self._held = self._held + data, b""
        in_backlog = received_at_us < self._backlog_until_us
        if in_backlog:
            end = last_epoch_end(data)
            data, self._held = data[:end], data[end:]
        chunk = RawChunk(station_id=self.station_id, payload=data, received_at_us=received_at_us)
        if in_backlog and self._is_patient:
            is_taken = await self._waited(chunk)
        else:
            is_taken = self._sink.offer(chunk)
            self._is_patient |= is_taken
        self.state.overload_drops += not is_taken

    async def _waited(self, chunk: RawChunk) -> bool:
        try:
            async with asyncio.timeout(BACKLOG_PATIENCE_S):
                await self._sink.put(chunk)
        except TimeoutError:
            self._is_patient = False
        except (StoppedError, RecordTooLargeError):
            pass
        else:
            return True
        return False

    async def replay(self, data: bytes, reference_us: int, *, end_of_stream: bool = False) -> None:
        """Take a piece of a recording, waiting until the sink has room: nothing is dropped."""
        self._arrive(data, None)
        await self._sink.put(
            RawChunk(
                station_id=self.station_id,
                payload=data,
                reference_us=reference_us,
                end_of_stream=end_of_stream,
            )
        )

    def finish(self) -> None:
        """The connection or recording has ended: a frame that is not whole will never be."""
        self._pass_on(self._framer.finish())
        if self._held:
            data, self._held = self._held, b""
            received_at_us = self.state.last_received_us
            chunk = RawChunk(station_id=self.station_id, payload=data, received_at_us=received_at_us)
            self.state.overload_drops += not self._sink.offer(chunk)

    def _arrive(self, data: bytes, received_at_us: int | None) -> None:
        self.state.bytes_received += len(data)
        if received_at_us is not None:
            self.state.last_received_us = received_at_us
        self._pass_on(self._framer.feed(data))

    def _pass_on(self, framed: Framed) -> None:
        self.state.messages_received += framed.count
        self.state.bad_messages += framed.bad
        if framed.frames:
            self._relay(self.station_id, framed.frames)
