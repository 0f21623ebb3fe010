"""Bytes of one station to epochs: all observations of the station at one time.

An epoch is complete when its last message says so (DF393), when another epoch begins, or 200 ms after its
first byte was read. What is decided depends on the order of the bytes alone (and on their receiving times, if
they have some), never on how they were cut into pieces.

A message tells the time of the week (GLONASS: of the day), and may be wrong. The whole time is the one
nearest to when the bytes were received; else nearest to a reference, which moves on with the epochs. Where
another time begins although an epoch is open, or far from the epoch before, the frame is held until the next
ones agree; one that stays alone with its time is left out and counted.
"""

from __future__ import annotations

import msgspec
import numpy as np
from msgspec.structs import replace

from gnss.epoch_parts import (
    ClosedBy,
    Epoch,
    MsmFrame,
    PendingEpoch,
    bad_before,
    decode_epochs,
    frame_headers,
)
from gnss.rtcm.framing import CRC_BYTES, HEADER_BYTES, OVERHEAD_BYTES, find_frames
from gnss.rtcm.station import STATION_MESSAGES, decode_position
from gnss.systems import System
from gnss.time import DAY_US, resolve_day, resolve_week

__all__ = ["ClosedBy", "Epoch", "EpochAssembler"]

TIMEOUT_US = 200_000
MAX_EPOCH_BYTES = 65_536
"""An epoch of all systems has about 5 kB; one that does not end is cut here."""
LATE_US = 10_000_000
"""A frame up to so far behind the newest epoch is a late one; further back it is another time."""
MAX_STEP_US = 3_600_000_000
"""A step by more is doubtful."""
DISTRUST_EPOCHS = 60
"""After frames that came behind the last one of their epoch, its mark is not believed for so many epochs."""


class _State(msgspec.Struct):
    """All that is remembered."""

    open: PendingEpoch
    held: PendingEpoch | None = None
    tail: bytes = b""
    tail_received_us: int | None = None
    """When the first byte of the tail was read."""
    offset: int = 0
    """Of the tail in the stream."""
    latest_us: int | None = None
    """Time of the open epoch, else of the last one that was closed."""
    closed_by: str = ""
    reference_us: int | None = None
    running_us: int | None = None
    """Reference of bytes without a receiving time: begins at `reference_us`, moves with the epochs."""
    distrust: int = 0
    frames: int = 0
    bad_frames: int = 0
    skipped_bytes: int = 0
    unusable_times: int = 0
    late_frames: int = 0
    oversized_epochs: int = 0
    messages: dict[int, int] = {}


class EpochAssembler:
    """Assembles the epochs of one station; keeps two epochs at most, and less than a frame of bytes."""

    def __init__(self) -> None:
        self._state = _State(PendingEpoch())
        self._closed: list[tuple[PendingEpoch, ClosedBy]] = []
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
    def unusable_times(self) -> int:
        """MSM frames left out so far because no clock shows their time, or no other frame has it."""
        return self._state.unusable_times

    @property
    def late_frames(self) -> int:
        """MSM frames left out so far because their epoch was closed before they came."""
        return self._state.late_frames

    @property
    def oversized_epochs(self) -> int:
        """Epochs that were cut at `MAX_EPOCH_BYTES` so far."""
        return self._state.oversized_epochs

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
            self._expire(received_at_us)
        elif reference_us is not None and reference_us != state.reference_us:
            state.reference_us = state.running_us = reference_us
        self._advance(payload, received_at_us, final=False)
        return self._take_closed()

    def on_time(self, now_us: int) -> list[Epoch]:
        """Return the epoch that waited for its end for more than 200 ms."""
        self._expire(now_us)
        return self._take_closed()

    def finish(self) -> list[Epoch]:
        """End the stream: return what is still open. More bytes may follow, as of a new connection."""
        self._advance(b"", self._state.tail_received_us, final=True)
        if self._state.latest_us is None:
            self._promote()
        while self._state.open.frames:
            self._close("end")
        self._refute()
        return self._take_closed()

    def snapshot(self) -> bytes:
        """Return the state."""
        return msgspec.msgpack.encode(self._state)

    def restore(self, state: bytes) -> None:
        """Take back what `snapshot` gave."""
        self._state = msgspec.msgpack.decode(state, type=_State)
        self._closed, self._resolved = [], None

    def _take_closed(self) -> list[Epoch]:
        closed, self._closed = self._closed, []
        return decode_epochs(closed)

    def _expire(self, now_us: int) -> None:
        while frames := self._state.open.frames:
            first_us = frames[0].first_received_us
            if first_us is None or now_us - first_us <= TIMEOUT_US:
                return
            self._close("timeout")

    def _advance(self, payload: bytes, received_us: int | None, *, final: bool) -> None:
        """Go through the frames that the next bytes complete."""
        state = self._state
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
                state.unusable_times += 1
                self._current.n_frames += 1
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
            self._place(frame)
        self._count_bad(bad[-1])
        state.skipped_bytes += index.skipped_bytes
        state.tail = data[index.consumed :]
        state.offset += index.consumed
        if index.consumed >= known:
            state.tail_received_us = received_us

    @property
    def _current(self) -> PendingEpoch:
        return self._state.held or self._state.open

    def _count_bad(self, bad: int) -> None:
        self._current.n_bad += bad
        self._state.bad_frames += bad

    def _pass_over(self, number: int, payload: bytes) -> None:
        self._current.n_frames += 1
        if number in STATION_MESSAGES:
            position = decode_position(payload)
            if position is not None and any(position.ecef_m):
                self._current.position = position

    def _time_us(self, of_day: bool, time_ms: int, received_us: int | None) -> int | None:
        near_us = self._state.running_us if received_us is None else received_us
        if near_us is None or time_ms < 0:
            return None
        question = (of_day, time_ms, near_us)
        if self._resolved is None or self._resolved[0] != question:
            resolve = resolve_day if of_day else resolve_week
            self._resolved = question, int(resolve(time_ms, near_us))
        return self._resolved[1]

    def _place(self, frame: MsmFrame) -> None:
        """Put a frame into the open epoch, open one, hold the frame, or leave it out."""
        state = self._state
        if state.latest_us is None:
            self._place_first(frame)
            return
        if state.held is not None and self._join_held(state.held, frame):
            return
        step_us = frame.time_us - state.latest_us
        if not state.open.frames and 0 < step_us <= MAX_STEP_US:
            state.latest_us = state.running_us = frame.time_us
            self._add(frame)
        elif step_us == 0 and state.open.frames:
            self._add(frame)
        elif -LATE_US <= step_us <= 0:
            state.late_frames += 1
            state.open.n_frames += 1
            if step_us == 0 and state.closed_by == "complete":
                state.distrust = DISTRUST_EPOCHS
        else:
            self._hold(frame)

    def _place_first(self, frame: MsmFrame) -> None:
        """Place a frame before there was an epoch.

        A reference may be days away, so that a time of the day waits for the first time of a week.
        """
        state, held = self._state, self._state.held
        if held is not None and (not frame.of_day or held.frames[0].time_us != frame.time_us):
            if not frame.of_day:
                days = round((frame.time_us - held.frames[0].time_us) / DAY_US)
                held.frames = [replace(f, time_us=f.time_us + days * DAY_US) for f in held.frames]
            self._promote()
            self._close_if_ended()
            self._place(frame)
        elif frame.of_day and frame.last_received_us is None:
            self._hold(frame)
        else:
            state.latest_us = state.running_us = frame.time_us
            self._add(frame)

    def _hold(self, frame: MsmFrame) -> None:
        state = self._state
        held = state.held = state.held or PendingEpoch()
        if held.size + len(frame.data) > MAX_EPOCH_BYTES:
            state.unusable_times += 1
            held.n_frames += 1
        else:
            held.add(frame)

    def _join_held(self, held: PendingEpoch, frame: MsmFrame) -> bool:
        """Let a frame confirm or refute the held ones; return whether it has found its place by that."""
        time_us, held_us = frame.time_us, held.frames[0].time_us
        follows = self._follows(held)
        if time_us == held_us:
            self._hold(frame)
            if follows:
                self._promote()
                self._close_if_ended()
            return True
        latest_us = self._state.latest_us or 0
        as_before = -LATE_US <= time_us - latest_us <= MAX_STEP_US
        if 0 < time_us - held_us <= MAX_STEP_US and (follows or not as_before):
            self._promote()
            self._close_if_ended()
        else:
            self._refute()
        return False

    def _follows(self, held: PendingEpoch) -> bool:
        """Whether the held frames could be of the epoch behind the latest."""
        return 0 < held.frames[0].time_us - (self._state.latest_us or 0) <= MAX_STEP_US

    def _promote(self) -> None:
        """Close the open epoch; the held one is open now."""
        state = self._state
        if state.open.frames:
            self._close("next")
        if (held := state.held) is not None:
            held.count(state.open)
            self._open_held(held)

    def _open_held(self, held: PendingEpoch) -> None:
        state = self._state
        state.open, state.held = held, None
        state.latest_us = state.running_us = held.frames[0].time_us

    def _refute(self) -> None:
        """Leave out the held frames."""
        state = self._state
        if (held := state.held) is not None:
            state.unusable_times += len(held.frames)
            state.open.count(held)
            state.held = None

    def _add(self, frame: MsmFrame) -> None:
        state = self._state
        if state.open.size + len(frame.data) > MAX_EPOCH_BYTES:
            state.oversized_epochs += 1
            self._close("size")
            state.late_frames += 1
            state.open.n_frames += 1
            return
        state.open.add(frame)
        self._close_if_ended()

    def _close_if_ended(self) -> None:
        frames = self._state.open.frames
        if frames and frames[-1].ends and not self._state.distrust:
            self._close("complete")

    def _close(self, closed_by: ClosedBy) -> None:
        state = self._state
        if state.distrust:
            state.distrust = state.distrust - 1 if state.open.bits_agree() else DISTRUST_EPOCHS
        self._closed.append((state.open, closed_by))
        state.closed_by, state.open = closed_by, PendingEpoch()
        if state.held is not None and self._follows(state.held):
            self._open_held(state.held)
