"""Processors in order, for one partition: what carries batches through them, without I/O.

Every processor sees the outputs of those before it in the same round. A processor that fails on a batch,
or at a time, is counted and named; the batch is given up for it and nothing else suffers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from streams import codec
from streams.processor import Outputs, Processor
from streams.records import AlertTransitions, Changes, Detections, Record
from streams.topics import topics_of


@dataclass(frozen=True, slots=True)
class Failure:
    """A processor could not take a batch."""

    processor: str
    batch: Record | None
    """None: it failed at the time or at the end of the input."""
    error: Exception


@dataclass(slots=True)
class Pipeline:
    """Carries rounds of batches through processors; `processors` stand in the order of the data."""

    processors: Sequence[Processor]
    failures: list[Failure] = field(default_factory=list)
    """Since they were last taken away by the caller."""

    def run(self, batches: Sequence[Record], now_us: int | None) -> list[Record]:
        """Take one round and the time after it (None: time stands still); return all outputs."""
        waiting, outputs = list(batches), []
        for processor in self.processors:
            made = self._read(processor, waiting)
            if now_us is not None:
                made.extend(self._guarded(processor, None, partial(processor.on_time, now_us)))
            outputs.extend(made)
            waiting.extend(made)
        return outputs

    def end(self) -> list[Record]:
        """Close what is pending in every processor, upstream first."""
        waiting: list[Record] = []
        for processor in self.processors:
            made = self._read(processor, waiting)
            made.extend(self._guarded(processor, None, processor.on_end))
            waiting.extend(made)
        return waiting

    def repeat(self, batches: Sequence[Record], now_us: int | None) -> None:
        """Take a round that has been before: its batches and the outputs of all processors.

        Each processor gets what it got then, in the same order, whatever the others make of it now.
        """
        for processor in self.processors:
            self._read(processor, batches)
            if now_us is not None:
                self._guarded(processor, None, partial(processor.on_time, now_us))

    def begin(self, changes: Changes) -> None:
        """Let processors that have no state yet know what was changed before."""
        if changes.changes:
            self.repeat([changes], None)

    def snapshots(self) -> dict[str, list[bytes]]:
        """State of all processors by name."""
        return {processor.name: list(processor.snapshot()) for processor in self.processors}

    def restore(self, snapshots: Mapping[str, Sequence[bytes]]) -> None:
        """Take back what `snapshots` gave."""
        for processor in self.processors:
            if chunks := snapshots.get(processor.name):
                processor.restore(chunks)

    def _read(self, processor: Processor, batches: Sequence[Record]) -> list[Record]:
        made: list[Record] = []
        for batch in batches:
            if any(topic in processor.reads for topic in topics_of(batch)):
                made.extend(self._guarded(processor, batch, partial(processor.on_batch, batch)))
        return made

    def _guarded(
        self, processor: Processor, batch: Record | None, call: Callable[[], Outputs]
    ) -> Sequence[Record]:
        try:
            outputs = call()
            for output in outputs:
                if isinstance(output, Detections | AlertTransitions):
                    codec.encode(output)  # evidence is free in form: what cannot be stored must not travel
        except Exception as error:  # noqa: BLE001 - whatever it is, the other processors go on
            self.failures.append(Failure(processor.name, batch, error))
            return ()
        return outputs
