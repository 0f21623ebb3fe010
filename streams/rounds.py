"""What a round of the embedded runtime is made of: its input without repetitions, and its journal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from streams import codec
from streams.pipeline import Pipeline
from streams.records import RawBatch, RawChunk, Record, SampleBatch, Tick
from streams.samples import bits_of, first_of_equal, merge, rows_where
from streams.topics import topics_of

_FIRST_US, _LAST_US = np.iinfo(np.int64).min, np.iinfo(np.int64).max
DATASTREAMS_REMEMBERED = 100_000


@dataclass(frozen=True, slots=True)
class Round:
    """What one round must make durable, in one transaction."""

    now_us: int
    inputs: Sequence[Record]
    outputs: Sequence[Record]
    journal: Sequence[bytes] = ()
    snapshots: dict[str, list[bytes]] | None = None
    """Given: replaces the old snapshots and the journal; it holds what this round did."""


class KnownSamples(Protocol):
    """Who knows what samples came before."""

    def stored(
        self,
        datastream_ids: Sequence[str],
        series: NDArray[np.int32],
        time_us: NDArray[np.int64],
        value: NDArray[np.float64],
    ) -> NDArray[np.bool_]:
        """Return which of these samples came before, with this value (NaN: without one), as in a batch."""
        ...


class Keeper(KnownSamples, Protocol):
    """Durable memory of the runtime (storage implements it)."""

    def keep(self, work: Round) -> None:
        """Commit the round. An error means that nothing of it was kept; it will be tried again."""
        ...

    def recall(self) -> tuple[dict[str, list[bytes]], Iterable[bytes]]:
        """Return the last snapshots and the journal since then, oldest first."""
        ...


def joined(batches: Iterable[RawChunk | Record]) -> list[Record]:
    """Join chunks, and samples, of a round into one batch each; order within a kind is kept."""
    chunks: list[RawChunk] = []
    samples: list[SampleBatch] = []
    rest: list[Record] = []
    for batch in batches:
        if isinstance(batch, RawChunk):
            chunks.append(batch)
        elif isinstance(batch, SampleBatch):
            samples.append(batch)
        elif not isinstance(batch, Tick):
            rest.append(batch)
    first: list[Record] = [RawBatch(chunks=chunks)] if chunks else []
    if samples:
        first.append(merge(samples))
    return first + rest


@dataclass(slots=True)
class Repetitions:
    """Leaves out samples that came before.

    Brokers send again what they were not told to be safe: after a kill, a thousand messages that are long
    in the store. To processors they would look like late samples of their own. What is newer than the
    newest of its datastream is new; of the rest the store is asked.
    """

    known: KnownSamples
    left_out: int = 0
    _newest_us: dict[str, int] = field(default_factory=dict)

    def without(self, batch: SampleBatch) -> SampleBatch:
        """Return the samples that are new, in their order; of equal ones in the batch the first.

        One with another value at the same time is no repetition: a clock may have been set back.
        """
        series, names = batch.series, batch.datastream_ids
        before_us = np.fromiter(map(self._newest_us.get, names, repeat(_LAST_US)), np.int64, len(names))
        old = np.flatnonzero(batch.time_us <= before_us[series])
        stored = np.zeros(len(batch), np.bool_)
        if len(old):
            stored[old] = self.known.stored(names, series[old], batch.time_us[old], batch.value[old])
        new = first_of_equal(series, batch.time_us, bits_of(batch.value)) & ~stored
        newest_us = np.where(before_us == _LAST_US, _FIRST_US, before_us)
        np.maximum.at(newest_us, series, batch.time_us)
        is_told = np.zeros(len(names), np.bool_)
        is_told[series] = True
        # What was sent again tells nothing, least of all after a start: the store may know newer ones.
        is_told[series[stored & (batch.time_us == newest_us[series])]] = False
        if len(self._newest_us) > DATASTREAMS_REMEMBERED:  # names come from devices; the store knows them all
            self._newest_us.clear()
        told = np.flatnonzero(is_told).tolist()
        self._newest_us.update(zip([names[i] for i in told], newest_us[told].tolist(), strict=True))
        if new.all():
            return batch
        self.left_out += int(len(batch) - new.sum())
        return rows_where(batch, new)


@dataclass(slots=True)
class Journal:
    """Writes and repeats what the processors read, their own outputs included.

    Outputs are written and not made again, because they are in the store already and others were told:
    a restart with another configuration must not bring about other ones for the same input.
    """

    pipeline: Pipeline
    size: int = 0
    """Bytes since the last snapshot."""
    _time_us: int = 0

    def messages(
        self, before_us: int, inputs: Sequence[Record], outputs: Sequence[Record], now_us: int
    ) -> list[bytes]:
        """Return what the round adds; nothing, when it did not concern these processors.

        The time before and after goes with it, so that time-outs happen again where they happened.
        """
        processors = self.pipeline.processors
        reads = {topic for processor in processors for topic in processor.reads}
        known = reads.union(*(processor.writes for processor in processors))
        batches = [batch for batch in (*inputs, *outputs) if known.intersection(topics_of(batch))]
        if not batches:
            return []
        written: list[Record] = [batch for batch in batches if reads.intersection(topics_of(batch))]
        if before_us > self._time_us:
            written.insert(0, Tick(now_us=before_us))
        written.append(Tick(now_us=now_us))
        self._time_us = now_us
        messages = [codec.encode(batch) for batch in written]
        self.size += sum(map(len, messages))
        return messages

    def repeat(self, messages: Iterable[bytes]) -> int:
        """Bring the processors to where they were; return the time, 0 when it is not known."""
        batches: list[Record] = []
        for message in messages:
            self.size += len(message)
            batch = codec.decode(message)
            if isinstance(batch, Tick):
                self._time_us = max(self._time_us, batch.now_us)
                self.pipeline.repeat(batches, self._time_us or None)
                batches = []
            else:
                batches.append(batch)
        return self._time_us
