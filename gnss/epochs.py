"""Bytes of one station to epochs: all observations of the station at one time.

An epoch is complete when its last message says so (DF393), when another epoch begins, or 200 ms after its
first byte was read. What is decided depends on the order of the bytes alone (and on their receiving times, if
they have some), never on how they were cut into pieces.

A message tells the time of the week (GLONASS: of the day). The whole time is the one nearest to when the
bytes were received; else nearest to a reference, which moves on with the epochs (`gnss.epoch_sorter` keeps a
single wrong time from doing that).
"""

from __future__ import annotations

import msgspec
import numpy as np

from gnss.epoch_parts import ClosedBy, Epoch, MsmFrame, bad_before, decode_epochs, frame_headers
from gnss.epoch_sorter import EpochSorter
from gnss.rtcm.framing import CRC_BYTES, HEADER_BYTES, OVERHEAD_BYTES, find_frames
from gnss.rtcm.station import STATION_MESSAGES, decode_position
from gnss.systems import System
from gnss.time import resolve_day, resolve_week

__all__ = ["ClosedBy", "Epoch", "EpochAssembler"]


class _State(msgspec.Struct):
    """All that is remembered."""

    sorter: EpochSorter = msgspec.field(default_factory=EpochSorter)
    tail: bytes = b""
    tail_received_us: int | None = None
    """When the first byte of the tail was read."""
    offset: int = 0
    """Of the tail in the stream."""
    reference_us: int | None = None
    running_us: int | None = None
    """Reference of bytes without a receiving time: begins at `reference_us`, moves with the epochs."""
    frames: int = 0
    bad_frames: int = 0
    skipped_bytes: int = 0
    damaged_messages: int = 0
    messages: dict[int, int] = {}


class EpochAssembler:
    """Assembles the epochs of one station; keeps two epochs at most, and less than a frame of bytes."""

    def __init__(self) -> None:
        self._state = _State()
        self._resolved: tuple[tuple[bool, int, int], int] | None = None

    @property
    def frames(self) -> int:
        """Valid frames so far."""
        return self._state.frames

    @property
    def bad_frames(self) -> int:
        """Failed candidates (`FrameIndex.bad`) so far."""
        return self._state.bad_frames

    @property
    def skipped_bytes(self) -> int:
        """Bytes that belong to no valid frame, so far."""
        return self._state.skipped_bytes

    @property
    def damaged_messages(self) -> int:
        """Observation messages left out so far because their content is not possible (`MsmFrames.damaged`)."""
        return self._state.damaged_messages

    @property
    def unusable_times(self) -> int:
        """MSM frames left out so far because no clock shows their time, or no other frame has it."""
        return self._state.sorter.unusable_times

    @property
    def late_frames(self) -> int:
        """MSM frames left out so far because their epoch was closed before they came."""
        return self._state.sorter.late_frames

    @property
    def oversized_epochs(self) -> int:
        """Epochs that were cut at `gnss.epoch_sorter.MAX_EPOCH_BYTES` so far."""
        return self._state.sorter.oversized_epochs

    @property
    def messages(self) -> dict[int, int]:
        """How many frames of each message number came so far; -1: too short for a number."""
        return dict(self._state.messages)

    def feed(self, payload: bytes, *, received_at_us: int | None, reference_us: int | None) -> list[Epoch]:
        """Take the next bytes of the stream; return the epochs that they, or the time, closed.

        Parameters
        ----------
        payload
            Any piece of the stream.
        received_at_us
            When it was read. None in a replay: no epoch is closed by time then.
        reference_us
            Roughly when it was observed, right to three and a half days (half a day for a stream of GLONASS
            alone). Not read when there is a receiving time. The same value may come again and again, also
            for a capture of weeks; another value begins another recording.
        """
        state = self._state
        if received_at_us is not None:
            state.sorter.expire(received_at_us)
        elif reference_us is not None and reference_us != state.reference_us:
            state.reference_us = state.running_us = reference_us
        self._advance(payload, received_at_us, final=False)
        return self._closed()

    def on_time(self, now_us: int) -> list[Epoch]:
        """Return the epoch that waited for its end for more than 200 ms."""
        self._state.sorter.expire(now_us)
        return self._closed()

    def finish(self) -> list[Epoch]:
        """End the stream: return what is still open. More bytes may follow, as of a new connection."""
        self._advance(b"", self._state.tail_received_us, final=True)
        self._state.sorter.finish()
        return self._closed()

    def snapshot(self) -> bytes:
        """Return the state."""
        return msgspec.msgpack.encode(self._state)

    def restore(self, state: bytes) -> None:
        """Take back what `snapshot` gave."""
        self._state = msgspec.msgpack.decode(state, type=_State)
        self._resolved = None

    def _closed(self) -> list[Epoch]:
        return decode_epochs(self._state.sorter.take_closed())

    def _advance(self, payload: bytes, received_us: int | None, *, final: bool) -> None:
        """Go through the frames that the next bytes complete."""
        state, sorter = self._state, self._state.sorter
        data, known = state.tail + payload, len(state.tail)
        buffer = np.frombuffer(data, np.uint8)
        index = find_frames(buffer, final=final)
        headers = frame_headers(buffer, index)
        bad = bad_before(buffer, index)
        start, message = index.start.tolist(), index.message.tolist()
        end = (index.start + index.length + OVERHEAD_BYTES).tolist()
        row_of = dict(zip(headers.frame.tolist(), range(len(headers)), strict=True))
        system, time_ms = headers.system.tolist(), headers.time_ms.tolist()
        more_follow = headers.more_follow.tolist()
        for i, number in enumerate(message):
            self._count_bad(bad[i])
            state.frames += 1
            state.messages[number] = state.messages.get(number, 0) + 1
            row = row_of.get(i)
            if row is None:
                self._pass_over(number, data[start[i] + HEADER_BYTES : end[i] - CRC_BYTES])
                continue
            of_day = system[row] == System.GLONASS
            time_us = self._time_us(of_day, time_ms[row], received_us)
            if time_us is None:
                sorter.leave_out()
                continue
            frame = MsmFrame(
                data=data[start[i] : end[i]],
                number=number,
                ends=not more_follow[row],
                time_us=time_us,
                of_day=of_day,
                begin=state.offset + start[i],
                first_received_us=state.tail_received_us if start[i] < known else received_us,
                last_received_us=received_us,
            )
            before_us = sorter.latest_us
            sorter.place(frame)
            if sorter.latest_us != before_us:
                state.running_us = sorter.latest_us
        self._count_bad(bad[-1])
        state.damaged_messages += headers.damaged
        state.skipped_bytes += index.skipped_bytes
        state.tail = data[index.consumed :]
        state.offset += index.consumed
        if index.consumed >= known:
            state.tail_received_us = received_us

    def _count_bad(self, bad: int) -> None:
        self._state.sorter.current.n_bad += bad
        self._state.bad_frames += bad

    def _pass_over(self, number: int, payload: bytes) -> None:
        """Take a frame that is not MSM4 to MSM7."""
        current = self._state.sorter.current
        current.n_frames += 1
        if number in STATION_MESSAGES:
            position = decode_position(payload)
            if position is not None and any(position.ecef_m):
                current.position = position

    def _time_us(self, of_day: bool, time_ms: int, received_us: int | None) -> int | None:
        near_us = self._state.running_us if received_us is None else received_us
        if near_us is None or time_ms < 0:
            return None
        question = (of_day, time_ms, near_us)
        if self._resolved is None or self._resolved[0] != question:
            resolve = resolve_day if of_day else resolve_week
            self._resolved = question, int(resolve(time_ms, near_us))
        return self._resolved[1]
