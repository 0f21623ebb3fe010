"""The slow twin of `gnss.assembly`: Python for each frame, and an object for each station.

`EpochAssembler` is what `gnss.epochs.EpochAssembler` was before; only framing, headers and the reading of
cells are shared with it.
"""

from __future__ import annotations

from dataclasses import fields

import msgspec
import numpy as np
from msgspec.structs import replace

from gnss.epoch_parts import ClosedBy, Epoch, frame_headers
from gnss.observations import Observations
from gnss.rtcm.framing import CRC_BYTES, HEADER_BYTES, OVERHEAD_BYTES, FrameIndex, find_frames
from gnss.rtcm.msm import decode_msm
from gnss.rtcm.station import STATION_MESSAGES, StationPosition, decode_position
from gnss.systems import System
from gnss.time import DAY_US, resolve_day, resolve_week

TIMEOUT_US = 200_000
MAX_EPOCH_BYTES = 65_536
LATE_US = 10_000_000
MAX_STEP_US = 3_600_000_000
DISTRUST_EPOCHS = 60
_COLUMNS = tuple(field.name for field in fields(Observations) if field.name != "row")


class MsmFrame(msgspec.Struct, frozen=True):
    """An MSM frame with its time."""

    data: bytes
    number: int
    ends: bool
    """DF393 is 0: no more MSM of this epoch follow."""
    time_us: int
    of_day: bool
    """It told the time of the day only."""
    begin: int
    """Offset in the stream."""
    first_received_us: int | None
    """When its first byte was read."""
    last_received_us: int | None


class PendingEpoch(msgspec.Struct):
    """Frames of an epoch that is not closed, and what came since the epoch before.

    Without frames: what came since the last epoch was closed.
    """

    frames: list[MsmFrame] = []
    size: int = 0
    """Bytes of the frames."""
    n_frames: int = 0
    """Of all kinds."""
    n_bad: int = 0
    position: StationPosition | None = None

    @property
    def time_us(self) -> int | None:
        """UTC, once there is a frame."""
        return self.frames[0].time_us if self.frames else None

    def add(self, frame: MsmFrame) -> None:
        """Add a frame of this epoch's time."""
        self.frames.append(frame)
        self.size += len(frame.data)
        self.n_frames += 1

    def take_over(self, other: PendingEpoch, *, newer: bool) -> None:
        """Count what came with another one, which is newer or older, but not its frames."""
        self.n_frames += other.n_frames
        self.n_bad += other.n_bad
        if newer or self.position is None:
            self.position = other.position or self.position

    def bits_agree(self) -> bool:
        """Whether DF393 is 0 in the last frame and only there."""
        return self.frames[-1].ends and not any(frame.ends for frame in self.frames[:-1])


def bad_before(buffer: np.ndarray, index: FrameIndex) -> list[int]:
    """Return how many of the failed candidates stand before each of n frames and behind all: n + 1 counts."""
    counts = [0] * (len(index) + 1)
    if index.bad:
        ends = index.start + index.length + OVERHEAD_BYTES
        begins = np.concatenate(([0], ends[:-1]))
        for i in np.flatnonzero(begins[: len(index)] != index.start).tolist():
            counts[i] = find_frames(buffer[begins[i] : ends[i]], final=True).bad
        counts[-1] = index.bad - sum(counts)
    return counts


def decode_epochs(closed: list[tuple[PendingEpoch, ClosedBy]]) -> list[Epoch]:
    """Decode closed epochs, all in one call."""
    if not closed:
        return []
    data = [frame.data for pending, _ in closed for frame in pending.frames]
    sizes = np.array([len(frame) for frame in data], np.int64)
    start = np.cumsum(sizes) - sizes
    length = (sizes - OVERHEAD_BYTES).astype(np.int32)
    headers, observations = decode_msm(np.frombuffer(b"".join(data), np.uint8), start, length)
    first_cell = np.concatenate(([0], np.cumsum(headers.cells))).tolist()
    epochs, row = [], 0
    for pending, closed_by in closed:
        behind = row + len(pending.frames)
        epochs.append(
            Epoch(
                time_us=pending.frames[0].time_us,
                received_at_us=pending.frames[-1].last_received_us,
                closed_by=closed_by,
                message_numbers=tuple(frame.number for frame in pending.frames),
                observations=_part(observations, first_cell[row], first_cell[behind], row),
                position=pending.position,
                frames=pending.n_frames,
                bad_frames=pending.n_bad,
                begin=pending.frames[0].begin,
            )
        )
        row = behind
    return epochs


def _part(observations: Observations, begin: int, end: int, first_row: int) -> Observations:
    if first_row == 0 and begin == 0 and end == len(observations):
        return observations
    columns = {name: getattr(observations, name)[begin:end] for name in _COLUMNS}
    return Observations(row=observations.row[begin:end] - np.int32(first_row), **columns)


class EpochSorter(msgspec.Struct):
    """State of one station; at most two epochs that are not closed."""

    open: PendingEpoch = msgspec.field(default_factory=PendingEpoch)
    held: PendingEpoch | None = None
    """Frames of another time that nothing has confirmed yet."""
    latest_us: int | None = None
    """Time of the open epoch, else of the last one that was closed."""
    closed_by: str = ""
    distrust: int = 0
    late_frames: int = 0
    unusable_times: int = 0
    oversized_epochs: int = 0
    closed: list[tuple[PendingEpoch, ClosedBy]] = []
    """To be taken by the caller."""

    @property
    def current(self) -> PendingEpoch:
        """Where what comes now is counted."""
        return self.held or self.open

    def take_closed(self) -> list[tuple[PendingEpoch, ClosedBy]]:
        """Return the epochs closed since the last call."""
        closed, self.closed = self.closed, []
        return closed

    def leave_out(self) -> None:
        """Count a frame whose time cannot be known."""
        self.unusable_times += 1
        self.current.n_frames += 1

    def place(self, frame: MsmFrame) -> None:
        """Put a frame into the open epoch, open one, hold the frame, or leave it out."""
        if self.latest_us is None:
            self._place_first(frame)
            return
        if self.held is not None and self._join_held(self.held, frame):
            return
        step_us = frame.time_us - self.latest_us
        if step_us == 0 and self.open.frames:
            self._add(frame)
        elif -LATE_US <= step_us <= 0:
            self.late_frames += 1
            self.open.n_frames += 1
            if step_us == 0 and self.closed_by == "complete":
                self.distrust = DISTRUST_EPOCHS
        elif self.open.frames or not 0 < step_us <= MAX_STEP_US:
            self._hold(frame)
        else:
            self._begin(frame)

    def expire(self, now_us: int) -> None:
        """Close the epochs whose first byte was read more than 200 ms ago."""
        while frames := self.open.frames:
            first_us = frames[0].first_received_us
            if first_us is None or now_us - first_us <= TIMEOUT_US:
                return
            self._close("timeout")

    def finish(self) -> None:
        """Close what is open."""
        if self.held is not None and self._follows(self.held):
            self._promote()
        if self.open.frames:
            self._close("end")
        self._refute()

    def _place_first(self, frame: MsmFrame) -> None:
        """Place a frame before there was an epoch.

        A reference may be days away, so that a time of the day waits for the first time of a week.
        """
        held = self.held
        if held is not None and (not frame.of_day or held.frames[0].time_us != frame.time_us):
            if not frame.of_day:
                days = round((frame.time_us - held.frames[0].time_us) / DAY_US)
                held.frames = [replace(f, time_us=f.time_us + days * DAY_US) for f in held.frames]
            self._promote()
            self.place(frame)
        elif frame.of_day and frame.last_received_us is None:
            self._hold(frame)
        else:
            self._begin(frame)

    def _begin(self, frame: MsmFrame) -> None:
        self.latest_us = frame.time_us
        self._add(frame)

    def _add(self, frame: MsmFrame) -> None:
        if self.open.size + len(frame.data) > MAX_EPOCH_BYTES:
            self.oversized_epochs += 1
            self._close("size")
            self.late_frames += 1
            self.open.n_frames += 1
            return
        self.open.add(frame)
        self._close_if_ended()

    def _hold(self, frame: MsmFrame) -> None:
        held = self.held = self.held or PendingEpoch()
        if held.size + len(frame.data) > MAX_EPOCH_BYTES:
            self.leave_out()
        else:
            held.add(frame)

    def _join_held(self, held: PendingEpoch, frame: MsmFrame) -> bool:
        """Let a frame confirm or refute the held ones; return whether it has found its place by that."""
        step_us = frame.time_us - held.frames[0].time_us
        follows = self._follows(held)
        if step_us == 0:
            self._hold(frame)
            if follows:
                self._promote()
            return True
        as_before = -LATE_US <= frame.time_us - (self.latest_us or 0) <= MAX_STEP_US
        if 0 < step_us <= MAX_STEP_US and (follows or not as_before):
            self._promote()
        else:
            self._refute()
        return False

    def _follows(self, held: PendingEpoch) -> bool:
        """Whether the held frames could be of the epoch behind the latest."""
        if self.latest_us is None:
            return True
        return 0 < held.frames[0].time_us - self.latest_us <= MAX_STEP_US

    def _promote(self) -> None:
        """Close the open epoch; the held one is open now."""
        if self.open.frames:
            self._close("next")
        if (held := self.held) is not None:
            held.take_over(self.open, newer=False)
            self._open_held(held)
        self._close_if_ended()

    def _open_held(self, held: PendingEpoch) -> None:
        self.open, self.held = held, None
        self.latest_us = held.frames[0].time_us

    def _refute(self) -> None:
        """Leave out the held frames."""
        if (held := self.held) is not None:
            self.unusable_times += len(held.frames)
            self.open.take_over(held, newer=True)
            self.held = None

    def _close_if_ended(self) -> None:
        frames = self.open.frames
        if frames and frames[-1].ends and not self.distrust:
            self._close("complete")

    def _close(self, closed_by: ClosedBy) -> None:
        if self.distrust:
            self.distrust = self.distrust - 1 if self.open.bits_agree() else DISTRUST_EPOCHS
        self.closed.append((self.open, closed_by))
        self.closed_by, self.open = closed_by, PendingEpoch()
        if self.held is not None and self._follows(self.held):
            self._open_held(self.held)


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
        """MSM4 to MSM7 left out so far because their content is not possible (`MsmFrames.damaged`)."""
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
        """Epochs that were cut at `MAX_EPOCH_BYTES` so far."""
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
