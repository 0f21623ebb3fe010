"""The Processor protocol: what happens to batches, apart from how they are carried.

A processor is synchronous, single-threaded and deterministic. It reads no clock and does no I/O:
`now_us` is the partition's own time, and a result never depends on how the input was cut into batches
or how fast it was replayed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from streams.records import Record
from streams.topics import Topic

Outputs = Sequence[Record]


@runtime_checkable
class OfPartition(Protocol):
    """A processor that has to know whose sites are its own."""

    partition: int | None
    """Of its input; None: it has all."""


@runtime_checkable
class Processor(Protocol):
    """One instance serves one partition."""

    name: str
    reads: tuple[Topic, ...]
    writes: tuple[Topic, ...]

    def on_batch(self, batch: Record) -> Outputs:
        """Take one batch of a topic in `reads`. Must not block."""
        ...

    def on_time(self, now_us: int) -> Outputs:
        """Time reached `now_us` (never goes back): time-outs and what is due each second."""
        ...

    def on_end(self) -> Outputs:
        """The input is over: close what is pending."""
        ...

    def snapshot(self) -> Iterable[bytes]:
        """State as chunks of at most 512 kB. An empty iterable: nothing to keep."""
        ...

    def restore(self, chunks: Iterable[bytes]) -> None:
        """Take back a snapshot, before the first batch."""
        ...

    def counts(self) -> Mapping[str, int]:
        """How often something was left out or failed so far, by what; for `/metrics`, from any thread."""
        ...
