"""The state of each incoming stream, for people: what it is doing, since when, and what went wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

StreamPhase = Literal["connecting", "streaming", "stalled", "waiting", "finished", "stopped"]


@dataclass(slots=True)
class StreamState:
    """Live figures of one source. Written by its connector only."""

    id: str
    kind: str
    """ntrip, tcp, push, tcp-listen, replay or mqtt."""
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
    """Single samples, in messages of a broker, that could not be used."""
    overload_drops: int = 0
    """Chunks that were not judged because the program was too slow; rovers got them all the same."""
    refused_connections: int = 0
    """Of strangers, and of a second one that wanted to send for the same station."""
    reconnects: int = 0
    last_received_us: int | None = None
    last_error: str = ""

    def enter(self, phase: StreamPhase, now_us: int, error: str = "") -> None:
        """Change the phase; an error is kept until the next one."""
        if phase != self.phase:
            self.phase, self.since_us = phase, now_us
        if error:
            self.last_error = error


@dataclass(slots=True)
class StreamStates:
    """All streams of this process, by id."""

    by_id: dict[str, StreamState] = field(default_factory=dict)

    def add(self, stream_id: str, kind: str, source: str) -> StreamState:
        """Register a stream and return its state, to be written by its connector."""
        state = StreamState(stream_id, kind, source)
        self.by_id[stream_id] = state
        return state

    def __iter__(self) -> Iterator[StreamState]:
        return iter(self.by_id.values())
