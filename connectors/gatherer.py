"""From a station's bytes to the rovers, at once, and to the judges and the archive."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Protocol

import structlog

from connectors.epoch_glance import latency_s
from connectors.gathering.cutter import EpochCutter, Piece
from connectors.reconnect import StreamError
from gnss.to_rtcm.converter import Converter
from streams.bus import RawSink
from streams.inbox import StoppedError
from streams.partitions import RecordTooLargeError
from streams.records import RawChunk
from streams.stream_state import StreamState

log = structlog.get_logger()

BACKLOG_PATIENCE_S = 10.0
LATENCY_US = 5_000_000
"""Between two looks at how late epochs come."""

FrameSink = Callable[[str, bytes], None]
"""Takes a station's id and whole valid frames, and never waits."""


class Selecting(Protocol):
    """What lets one of several sources through (`connectors.selecting.gate`)."""

    def passed(self, name: str, piece: Piece) -> Piece | None:
        """Return what goes on of a piece of a source; None: nothing."""
        ...

    def ended(self, name: str) -> None:
        """A source's connection has ended."""
        ...


class StationIntake:
    """Where the bytes of one source of a station arrive, whatever brings them.

    They go on in pieces that end where an epoch does: valid frames straight to `relay`; all bytes, as they
    came, to `sink`. Rovers do not notice when the sink has no room. What a converter is given for goes on as
    the RTCM 3 that it makes. Where the station has other sources, too, its `gate` says what of a live stream
    goes on.
    """

    def __init__(
        self,
        station_id: str,
        sink: RawSink,
        relay: FrameSink,
        state: StreamState,
        converter: Converter | None = None,
    ) -> None:
        self.station_id = station_id
        self.state = state
        self.gate: Selecting | None = None
        self._converter = converter
        self._look_us = 0
        self._sink = sink
        self._relay = relay
        self._is_patient = True
        self._cutter: EpochCutter | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_replay = False

    # --- for whoever cuts streams itself (connectors.gathering.hall) ------------------------------------

    def arrived(self, piece: Piece) -> Coroutine[Any, Any, None] | None:
        """Take a piece of a live stream; a backlog waits for room (what is returned): rovers have it already.

        All stations bring theirs at once when a program that stood still goes on, and their senders hold what
        is not read. Who waited in vain drops from then on, until there is room again: a sink that stays full
        must not hold up rovers.
        """
        state = self.state
        state.last_received_us = piece.received_at_us
        if state.phase != "streaming":
            state.enter("streaming", piece.received_at_us)
        if self._converter is not None:
            try:
                piece = self._converted(self._converter, piece)
            except Exception as bug:
                raise self._unconverted(self._converter, bug) from bug
        return self._enter(piece)

    def _enter(self, piece: Piece) -> Coroutine[Any, Any, None] | None:
        self._count(piece)
        if piece.received_at_us >= self._look_us and piece.frames:
            self._look_us = piece.received_at_us + LATENCY_US
            latency = latency_s(piece.frames, piece.received_at_us)
            self.state.latency_s = self.state.latency_s if latency is None else latency
        if self.gate is not None:
            passed = self.gate.passed(self.state.name, piece)
            if passed is None:
                return None
            piece = passed
        if piece.frames:
            self._relay(self.station_id, piece.frames)
        if not piece.payload:
            return None
        chunk = RawChunk(
            station_id=self.station_id, payload=piece.payload, received_at_us=piece.received_at_us
        )
        if piece.is_backlog and self._is_patient:
            return self._waited(chunk)
        self._offer(chunk)
        return None

    def flooded(self, text: str) -> None:
        """Say that the sender brings too much."""
        self.state.last_error = text

    # --- for everybody else -----------------------------------------------------------------------------

    async def take(self, data: bytes, received_at_us: int) -> None:
        """Take the bytes of one read of a live stream."""
        self._forget_timer()
        cutter = self._cutter = self._cutter or EpochCutter()
        for piece in cutter.feed(data, _mono_us(), received_at_us):
            if (waiting := self.arrived(piece)) is not None:
                await waiting
        if cutter.is_holding:
            wait_s = (cutter.due_us() - _mono_us()) / 1e6
            self._timer = asyncio.get_running_loop().call_later(max(wait_s, 0.0), self._let_go)

    async def replay(self, data: bytes, reference_us: int, *, end_of_stream: bool = False) -> None:
        """Take a piece of a recording, waiting until the sink has room: nothing is dropped."""
        self._is_replay = True
        cutter = self._cutter = self._cutter or EpochCutter()
        for piece in cutter.feed(data, 0, 0):
            self._replayed(piece)
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
        self._forget_timer()
        if self._cutter is not None:
            self._at_once(self._cutter.finish(_mono_us()))
        if self._converter is not None and (made := self._rest(self._converter)):
            received_at_us = self.state.last_received_us or 0
            self._enter(Piece(made, made, received_at_us, 0, 0, 0, 0))
        if self.gate is not None:
            self.gate.ended(self.state.name)

    def _let_go(self) -> None:
        if self._cutter is not None:
            self._at_once(self._cutter.let_go(_mono_us()))

    def _at_once(self, pieces: Iterable[Piece]) -> None:
        for piece in pieces:
            if self._is_replay:
                self._replayed(piece)
                continue
            with contextlib.suppress(StreamError):  # it is counted, and nobody is there to connect anew
                self.arrived(piece._replace(is_backlog=0))

    def _offer(self, chunk: RawChunk) -> None:
        is_taken = self._sink.offer(chunk)
        self._is_patient |= is_taken
        self.state.overload_drops += not is_taken

    @staticmethod
    def _converted(converter: Converter, piece: Piece) -> Piece:
        """Return a piece as RTCM 3; one that is RTCM 3 stays as it is."""
        if piece.observes and converter.is_let_through(len(piece.payload), piece.received_at_us):
            return piece
        counters = converter.counters
        frames, bad = counters.frames, counters.bad
        made = converter.feed(piece.payload, piece.received_at_us)
        if made is piece.payload:
            return piece
        return piece._replace(
            payload=made, frames=made, n_frames=counters.frames - frames, n_bad=counters.bad - bad
        )

    def _rest(self, converter: Converter) -> bytes:
        """Return what the last bytes of a connection still give."""
        try:
            return converter.finish()
        except Exception as bug:  # noqa: BLE001 - the connection has ended anyway
            self._unconverted(converter, bug)
            return b""

    def _unconverted(self, converter: Converter, bug: Exception) -> StreamError:
        """Count a fault of the converter and begin with another one; return how the connection ends."""
        log.error("a stream cannot be converted", station=self.station_id, error=repr(bug))
        self._converter = converter.anew()
        self.state.faults += 1
        self.state.last_error = f"the stream cannot be converted ({bug!r}); report this"
        return StreamError(self.state.last_error)

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _count(self, piece: Piece) -> None:
        state = self.state
        state.bytes_received += piece.n_bytes
        state.messages_received += piece.n_frames
        state.bad_messages += piece.n_bad

    def _replayed(self, piece: Piece) -> None:
        self._count(piece)
        if piece.frames:
            self._relay(self.station_id, piece.frames)

    async def _waited(self, chunk: RawChunk) -> None:
        try:
            async with asyncio.timeout(BACKLOG_PATIENCE_S):
                await self._sink.put(chunk)
        except TimeoutError:
            self._is_patient = False
        except (StoppedError, RecordTooLargeError):
            pass
        else:
            return
        self.state.overload_drops += 1


def _mono_us() -> int:
    return int(asyncio.get_running_loop().time() * 1e6)
