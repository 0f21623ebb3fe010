"""What one station says of itself: its place for reports, and what is not as the registry has it."""

from __future__ import annotations

import msgspec

from gnss.epoch_columns import NO_TIME_US
from gnss.quality.registry import CHANGE_TOLD_US, Registered, Told, findings, recent
from gnss.quality.score import Finding
from gnss.rtcm.station import STATION_MESSAGES, StationMetadata, update

MINUTE_US = 60_000_000
MOST_PLACES = 16
MOST_CHANGES = 8
Place = tuple[float, float, float]


class _State(msgspec.Struct):
    told: Told = msgspec.field(default_factory=lambda: Told(StationMetadata()))
    places: list[tuple[int, Place]] = []
    """Told and not reported yet: the newest epoch then, and the place."""
    points: float = 100.0
    judged: list[tuple[int, float, Told]] = []
    """What counts from a time on: points, and what they are for; oldest first."""
    heard_us: int = NO_TIME_US
    heard: dict[int, bytes] = {}
    """The last message of each number."""


class StationFacts:
    """Facts of one station. What is heard counts from the begin of the next minute of epochs on."""

    def __init__(self, registered: Registered) -> None:
        self.registered = registered
        self._state = _State()
        self._new_points_us: int | None = None
        self._found: tuple[Told, tuple[bool, bool], tuple[Finding, ...]] | None = None

    @property
    def points(self) -> float:
        """What the registry lets a verdict have at most."""
        return self._state.points

    @property
    def metadata(self) -> StationMetadata:
        """What was told last."""
        return self._state.told.metadata

    def is_new(self, payload: bytes) -> bool:
        """Whether a message (1005 to 1008, 1033) is another one than the last of its number."""
        return self._state.heard.get(int.from_bytes(payload[:2], "big") >> 4) != payload

    def hear(self, payload: bytes, epoch_us: int) -> Place | None:
        """Take a message (1005 to 1008, 1033) that came at an epoch; return its place, if it is new."""
        state = self._state
        number = int.from_bytes(payload[:2], "big") >> 4
        if state.heard.get(number) == payload and state.points >= 100.0:
            return None
        state.heard[number] = payload
        metadata = update(state.told.metadata, payload)
        self.tell(metadata, epoch_us)
        if number not in STATION_MESSAGES or metadata.position is None:
            return None
        place = metadata.position.ecef_m
        state.places = [*state.places[-MOST_PLACES:], (epoch_us, place)]
        return place

    def tell(self, metadata: StationMetadata, epoch_us: int) -> None:
        """Say all that the station has told of itself until an epoch."""
        state = self._state
        if metadata != state.told.metadata:
            state.told = state.told.after(metadata, epoch_us)
            self._look(epoch_us)
        elif state.points < 100.0 and epoch_us - state.heard_us >= CHANGE_TOLD_US:
            self._look(epoch_us)

    def _look(self, epoch_us: int) -> None:
        state = self._state
        _, points = findings(state.told, self.registered, epoch_us)
        from_us = (epoch_us // MINUTE_US + 1) * MINUTE_US if epoch_us > NO_TIME_US else 0
        state.heard_us = epoch_us
        if points < 100.0 or state.points < 100.0:
            before = [one for one in state.judged[-MOST_CHANGES:] if one[0] < from_us]
            state.judged = [*before, (from_us, points, state.told)]
        if points != state.points:
            state.points = points
            self._new_points_us = from_us

    def changed_from_us(self) -> int | None:
        """Return from when on other points count, once after each change."""
        from_us, self._new_points_us = self._new_points_us, None
        return from_us

    def findings(self, time_us: int) -> tuple[Finding, ...]:
        """Return what was not as it should be, as it counted at a time."""
        for from_us, points, told in reversed(self._state.judged):
            if from_us <= time_us:
                return self._words(told, time_us) if points < 100.0 else ()
        return ()

    def _words(self, told: Told, time_us: int) -> tuple[Finding, ...]:
        """Return the findings; every report asks for them, and they hardly ever change."""
        now = recent(told, time_us)
        if self._found is None or self._found[0] is not told or self._found[1] != now:
            self._found = told, now, findings(told, self.registered, time_us)[0]
        return self._found[2]

    @property
    def has_place(self) -> bool:
        """Whether a place was told that is not reported yet."""
        return bool(self._state.places)

    def place_of(self, time_us: int) -> Place | None:
        """Return the place that was told before an epoch and is not reported yet."""
        places, place = self._state.places, None
        while places and places[0][0] < time_us:
            place = places.pop(0)[1]
        return place

    def snapshot(self) -> bytes:
        """Return the state."""
        return msgspec.msgpack.encode(self._state)

    def restore(self, state: bytes) -> None:
        """Take back what `snapshot` gave."""
        self._state = msgspec.msgpack.decode(state, type=_State)
