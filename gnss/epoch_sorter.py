"""Frames with their times to epochs: which frame belongs where, and when an epoch is closed.

Where another time begins although an epoch is open, or far from the epoch before, the frame is held until the
next ones agree; one that stays alone with its time is left out and counted.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from gnss.epoch_parts import ClosedBy, MsmFrame, PendingEpoch
from gnss.time import DAY_US

TIMEOUT_US = 200_000
MAX_EPOCH_BYTES = 65_536
"""An epoch of all systems has about 5 kB; one that does not end is cut here."""
LATE_US = 10_000_000
"""A frame up to so far behind the newest epoch is a late one; further back it is another time."""
MAX_STEP_US = 3_600_000_000
"""A step by more is doubtful."""
DISTRUST_EPOCHS = 60
"""After frames that came behind the last one of their epoch, its mark is not believed for so many epochs."""


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
