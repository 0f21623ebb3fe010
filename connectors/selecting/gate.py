"""Between the intakes of a station's sources and what they feed: the chosen one's epochs go through. No I/O.

Each intake brings pieces; a piece may hold several epochs, or a part of one. What goes on is cut between
epochs. Messages that are no observations go on with the source that is chosen. When another one is, what it
has told of the station before goes first where it differs from what went on last, as it was received: a rover
that took the new epochs with the old reference point would be wrong by what lies between the two.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from connectors.caster.frames_kernel import STATION_ORDER
from connectors.epoch_glance import late_s, messages_of
from connectors.gathering.cutter import Piece
from connectors.selecting.selector import Changed, Selector
from gnss.rtcm.station import STATION_MESSAGES, decode_position
from streams.stream_state import StreamState

MOVED_M = 0.001
"""Reference points that are no further apart are the same."""
STOOD_S = 0.5
_GPS, _GLONASS = 107, 108


@dataclass(slots=True, eq=False)
class _Stream:
    """What is known of the frames of one source's connection."""

    state: StreamState
    time_ms: int | None = None
    """Of the epoch that was begun last."""
    is_open: bool = False
    """More of it follows."""
    numbers: set[int] = field(default_factory=set)
    """Its messages so far."""
    goes_on: bool = False
    lead: int = 0
    """The system that came first: its times are those of the epochs."""
    odd: set[int] = field(default_factory=set)
    """Systems that told another time within an epoch: their clocks are not asked."""
    told: dict[int, bytes] = field(default_factory=dict)
    """The newest of each message about the station."""


@dataclass(slots=True, eq=False)
class Gate:
    """Of one station. All calls come from the event loop.

    Parameters
    ----------
    selector
        Chooses.
    clock_s, clock_us
        Monotonic, and UTC.
    on_change
        Is told when another source is chosen, or the reference point moves with it.
    look_s
        How often `look` is called. Time in which it was not, since this program stood still, does not count:
        what came meanwhile is read source by source, and none has stalled. None: all time counts.
    """

    selector: Selector
    clock_s: Callable[[], float]
    clock_us: Callable[[], int]
    on_change: Callable[[Changed], None]
    look_s: float | None = None
    _seen_s: float = math.inf
    _stood_s: float = 0.0
    """That this program stood still, in all."""
    _streams: dict[str, _Stream] = field(default_factory=dict)
    _fed_by: str = ""
    """The source whose frames went on last."""
    _told: dict[int, bytes] = field(default_factory=dict)
    """What went on last of each message about the station."""
    _position_m: tuple[float, float, float] | None = None
    _position_by: str = ""

    def set_sources(self, sources: Sequence[tuple[str, bool, StreamState]]) -> None:
        """Say which sources there are, in order: name, whether it is cold, and the state that shows it."""
        before = self._streams
        self._streams = {name: before.get(name) or _Stream(state) for name, _, state in sources}
        for name, _, state in sources:
            self._streams[name].state = state
        self.selector.set_sources([(name, is_cold) for name, is_cold, _ in sources], self._now_s())
        self._show()

    def passed(self, name: str, piece: Piece) -> Piece | None:
        """Return what goes on of a piece of a source; None: nothing."""
        stream = self._streams.get(name)
        if stream is None:
            return None
        if not piece.frames:
            return piece if name == self.selector.chosen == self._fed_by else None
        kept, is_same = self._kept(name, stream, piece)
        if self.selector.changes:
            self._show()
        if is_same:
            return piece
        return piece._replace(payload=kept, frames=kept) if kept else None

    def ended(self, name: str) -> None:
        """A source's connection has ended; the next one may be of another sender."""
        self.selector.whole(name)
        if (stream := self._streams.get(name)) is not None:
            self._streams[name] = _Stream(stream.state)

    def look(self) -> None:
        """Let time pass."""
        self.selector.look(self._now_s())
        if self.selector.changes:
            self._show()

    def _now_s(self) -> float:
        now_s = self.clock_s()
        if self.look_s is not None and now_s - self._seen_s > self.look_s + STOOD_S:
            self._stood_s += now_s - self._seen_s - self.look_s
        self._seen_s = now_s
        return now_s - self._stood_s

    # --- frames -----------------------------------------------------------------------------------------

    def _kept(self, name: str, stream: _Stream, piece: Piece) -> tuple[bytes, bool]:
        """Return the frames that go on, and whether they are just those of the piece."""
        frames, selector, now_s = piece.frames, self.selector, self._now_s()
        kept: list[bytes] = []
        is_same = True
        for number, begin, end, time_ms, has_more in messages_of(frames):
            frame, goes_on = frames[begin:end], True
            if time_ms is not None:
                if _is_begin(stream, number, time_ms):
                    late = late_s(time_ms, piece.received_at_us)
                    stream.goes_on = selector.take(name, time_ms, late, now_s)
                    stream.time_ms = time_ms
                    stream.numbers.clear()
                goes_on = stream.goes_on
                stream.numbers.add(number)
                stream.is_open = bool(has_more)
                if not stream.is_open:
                    selector.whole(name)
            if goes_on and name == selector.chosen:
                if self._fed_by != name:
                    handed_over = self._handed_over(stream)
                    is_same &= not handed_over
                    kept += handed_over
                    self._fed_by = name
                kept.append(frame)
                if number in STATION_ORDER:
                    self._went_on(number, frame)
            else:
                is_same = False
            if number in STATION_ORDER:
                stream.told[number] = frame
        return b"".join(kept), is_same

    def _handed_over(self, stream: _Stream) -> list[bytes]:
        """Return what the next source has told of the station and differs from what went on last."""
        new = [
            (number, stream.told[number])
            for number in STATION_ORDER
            if number in stream.told and self._told.get(number) != stream.told[number]
        ]
        self._told.clear()
        source, self._fed_by = self._fed_by, self.selector.chosen
        for number, frame in new:
            self._went_on(number, frame)
        self._fed_by = source
        return [frame for _, frame in new]

    def _went_on(self, number: int, frame: bytes) -> None:
        if self._told.get(number) == frame:
            return
        self._told[number] = frame
        if number not in STATION_MESSAGES or (position := decode_position(frame[3:-3])) is None:
            return
        before, by = self._position_m, self._position_by
        self._position_m, self._position_by = position.ecef_m, self._fed_by
        if before is None or by == self._fed_by:
            return
        moved_m = math.dist(before, position.ecef_m)
        if moved_m > MOVED_M:
            self._show()
            text = f"the reference point of {self._fed_by} is {moved_m:.3f} m from that of {by}"
            self.on_change(Changed(by, self._fed_by, "reference", text))

    # --- what is shown ----------------------------------------------------------------------------------

    def _show(self) -> None:
        selector, now_us = self.selector, self.clock_us()
        for changed in selector.changes:
            self.on_change(changed)
        selector.changes.clear()
        for name, stream in self._streams.items():
            stream.state.choose(is_chosen=name == selector.chosen, why=selector.text, now_us=now_us)


def _is_begin(stream: _Stream, number: int, time_ms: int) -> bool:
    """Say whether a frame of observations begins an epoch; else it belongs to the one before."""
    system = _GPS if number <= 1004 else _GLONASS if number <= 1012 else number // 10
    stream.lead = stream.lead or system
    if time_ms == stream.time_ms:  # one that is whole comes a second time, or its sender sets no flags
        return not stream.is_open and number in stream.numbers
    if system == stream.lead:
        return True
    if stream.is_open:
        stream.odd.add(system)
    return system not in stream.odd
