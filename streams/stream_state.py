"""The state of each incoming stream, for people: what it is doing, since when, and what went wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

StreamPhase = Literal[
    "connecting", "streaming", "stalled", "waiting", "finished", "stopped", "standby", "paused"
]
"""`standby`: it is not connected until the sources before it bring nothing."""


@dataclass(slots=True)
class StreamState:
    """Live figures of one source. Written by its connector only."""

    id: str
    kind: str
    """ntrip, tcp, push, tcp-listen, replay, mqtt, http-push or http-poll."""
    source: str
    """Where it comes from, without credentials."""
    phase: StreamPhase = "stopped"
    since_us: int = 0
    """When the phase began."""
    bytes_received: int = 0
    messages_received: int = 0
    """Frames of a station, messages of a broker."""
    bad_messages: int = 0
    bad_samples: int = 0
    """Single samples, in messages of sensors, that could not be used."""
    repeated_samples: int = 0
    """That the answer before had already, where answers are asked for."""
    overload_drops: int = 0
    """Chunks that were not judged because the program was too slow, which rovers got all the same; requests
    that were turned away for it."""
    refused_connections: int = 0
    """Of strangers, and of a second one that wanted to send for the same station."""
    reconnects: int = 0
    faults: int = 0
    """Errors of this program, not of the source; each time it began anew."""
    last_received_us: int | None = None
    last_error: str = ""
    notes: Counter[str] = field(default_factory=Counter)
    """What was done to samples that are used, by name (`sensors.payloads.Note`)."""
    last_note: str = ""
    station: str = ""
    """Whose source it is; empty: of no station."""
    name: str = ""
    """Of the source, among those of its station."""
    place: int = 0
    """Of the source in their order, from 1."""
    gatherer: str = ""
    """The process that has it, where others tell of it."""
    is_chosen: bool = True
    """What it brings goes on: of several sources of a station one does."""
    chosen_since_us: int = 0
    """Since when it goes on, or does not."""
    why: str = ""
    """It does, or does not, in words."""
    latency_s: float | None = None
    """From an epoch to its arrival, each few seconds."""
    bytes_per_s: float = 0.0
    messages_per_s: float = 0.0

    def enter(self, phase: StreamPhase, now_us: int, error: str = "") -> None:
        """Change the phase; an error is kept until the next one."""
        if phase != self.phase:
            self.phase, self.since_us = phase, now_us
        if error:
            self.last_error = error

    def choose(self, *, is_chosen: bool, why: str, now_us: int) -> None:
        """Say whether what it brings goes on; the reason is that of the source that is chosen."""
        if is_chosen != self.is_chosen or not self.chosen_since_us:
            self.chosen_since_us = now_us
        self.is_chosen, self.why = is_chosen, why if is_chosen else ""


@dataclass(slots=True)
class StreamStates:
    """All streams of this process, by id."""

    by_id: dict[str, StreamState] = field(default_factory=dict)
    _counted: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Bytes and messages of each state when rates were worked out last."""
    _counted_s: float = 0.0

    def add(
        self, stream_id: str, kind: str, source: str, *, station: str = "", name: str = ""
    ) -> StreamState:
        """Register a stream and return its state, to be written by its connector.

        `station` and `name` say of which station it is a source, and which one.
        """
        state = StreamState(stream_id, kind, source, station=station, name=name)
        self.by_id[stream_id] = state
        return state

    def measure(self, now_s: float) -> None:
        """Work out what each stream brings a second, since this was called last."""
        before, self._counted = self._counted, {}
        passed_s, self._counted_s = now_s - self._counted_s, now_s
        for state in self.by_id.values():
            n_bytes, n_messages = counted = state.bytes_received, state.messages_received
            known = before.get(id(state))
            if known is not None and passed_s > 0:
                state.bytes_per_s = max(n_bytes - known[0], 0) / passed_s
                state.messages_per_s = max(n_messages - known[1], 0) / passed_s
            self._counted[id(state)] = counted

    def __iter__(self) -> Iterator[StreamState]:
        return iter(self.by_id.values())
