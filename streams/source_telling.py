"""What gatherers tell of their streams, without I/O: all of them again and again, and at once what changes.

Nothing that is lost on the way, and no gatherer that dies, leaves a wrong state for long.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from streams.records import SourceState, SourceStates
from streams.stream_state import StreamState, StreamStates

SHARES = 10
"""Streams are divided into so many; one is told again each second."""
MOST_OF_MESSAGE = 500
LEASE_US = 45_000_000
"""A stream of which nothing was said for so long is not shown any more."""
MOST_HEARD = 100_000
_NAMES = SourceState.__struct_fields__


@dataclass(slots=True)
class SourceTelling:
    """What one gatherer has to tell."""

    gatherer: str
    streams: StreamStates
    _told: dict[str, tuple[object, ...]] = field(default_factory=dict)
    _second: int = 0

    def due(self) -> Iterator[SourceStates]:
        """Yield what is to be told now; to be called each second."""
        self._second += 1
        states, told = list(self.streams), self._told
        self._told = {}
        due = []
        for number, state in enumerate(states):
            mark = state.phase, state.is_chosen, state.last_error, state.reconnects
            self._told[state.id] = mark
            if number % SHARES == self._second % SHARES or told.get(state.id) != mark:
                due.append(_record(state))
        gone = [name for name in told if name not in self._told]
        for begin in range(0, max(len(due), len(gone)), MOST_OF_MESSAGE):
            end = begin + MOST_OF_MESSAGE
            yield SourceStates(gatherer=self.gatherer, states=due[begin:end], gone=gone[begin:end])


@dataclass(slots=True)
class HeardStreams:
    """Streams of all gatherers, as they told last."""

    left_out: int = 0
    """Of more streams than are remembered."""
    _by_key: dict[tuple[str, str], tuple[int, StreamState]] = field(default_factory=dict)

    def hear(self, told: SourceStates, now_us: int) -> None:
        """Enter what a gatherer told."""
        for name in told.gone:
            self._by_key.pop((told.gatherer, name), None)
        for one in told.states:
            key = told.gatherer, one.id
            if key not in self._by_key and len(self._by_key) >= MOST_HEARD:
                self.left_out += 1
                continue
            self._by_key[key] = now_us, _state(told.gatherer, one)

    def forget(self, now_us: int) -> None:
        """Forget streams of which nothing was said for long."""
        for key in [key for key, (told_us, _) in self._by_key.items() if told_us + LEASE_US < now_us]:
            del self._by_key[key]

    def states(self) -> list[StreamState]:
        """Return what is known."""
        return [state for _, state in self._by_key.values()]


def _record(state: StreamState) -> SourceState:
    return SourceState(**{name: getattr(state, name) for name in _NAMES})


def _state(gatherer: str, told: SourceState) -> StreamState:
    return StreamState(gatherer=gatherer, **{name: getattr(told, name) for name in _NAMES})
