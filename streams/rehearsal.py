"""A rehearsal: what came, once more through processors of its own, and which alerts come of it. No I/O.

Samples and what people did are given in the order in which they came; time is that of then. Processors of
samples get them in slices of `SLICE_US`, those of alerts what was found in the order of its times, so that
alerts are those of the running system wherever the input is cut. Nobody is called, and nothing is kept but
the steps of alerts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

import msgspec
import numpy as np

from streams.call_records import Presences
from streams.partition_time import time_of
from streams.partitions import rows_of
from streams.pipeline import Pipeline
from streams.processors.detect import LOOK_US
from streams.records import (
    AlertTransition,
    AlertTransitions,
    Changes,
    Detections,
    Record,
    SampleBatch,
)
from streams.topics import topics_of

SLICE_US = LOOK_US
"""Processors are told the time so often."""
MOST_STEPS = 200_000


class TooManyStepsError(ValueError):
    """Rules that make so many alerts are no rules."""


@dataclass(slots=True)
class Rehearsal:
    """Takes what came; `steps` is what came of it.

    Parameters
    ----------
    judging
        Processors of samples.
    alerting
        Processors of what was found.
    acts
        What people did and set, one thing a record, the oldest first.
    """

    judging: Pipeline
    alerting: Pipeline
    acts: Sequence[Record] = ()
    steps: list[AlertTransition] = field(default_factory=list)
    """Of alerts, without evidence."""
    samples: int = 0
    detections: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    """Errors by processor."""
    last_failure: str = ""
    _now_us: int = 0
    _acted: int = 0
    """Of `acts`: how many were taken."""

    def begin(self, changes: Changes, at_us: int) -> None:
        """Let rules that lie over the configuration hold from a time on, which is when it begins."""
        dated = [msgspec.structs.replace(change, at_us=at_us) for change in changes.changes]
        for pipeline in (self.judging, self.alerting):
            pipeline.begin(Changes(changes=dated))
        self._step([], at_us)

    def take(self, samples: SampleBatch, until_us: int) -> None:
        """Take samples in the order of their receipt, and let time go on to `until_us`.

        Raises
        ------
        TooManyStepsError
            More than `MOST_STEPS` steps of alerts came of it.
        """
        self.samples += len(samples)
        # what is older than the time by now (a clock that was far ahead) counts as of now
        slice_of = np.maximum(samples.received_at_us, self._now_us) // SLICE_US
        last = max(until_us, self._now_us) // SLICE_US
        for number in range(self._now_us // SLICE_US, last + 1):
            end_us = min((number + 1) * SLICE_US, max(until_us, self._now_us))
            first, behind = np.searchsorted(slice_of, (number, number + 1))
            rows = rows_of(samples, np.arange(int(first), int(behind)))
            self._step([rows] if len(rows) else [], end_us)
        if len(self.steps) > MOST_STEPS:
            raise TooManyStepsError(f"more than {MOST_STEPS} steps of alerts came of these rules")

    def _step(self, batches: list[Record], now_us: int) -> None:
        self._now_us = max(self._now_us, now_us)
        acts = self._acts_until(self._now_us)
        seen = [one for one in acts if isinstance(one, Changes)]  # what people have seen at a site
        found = self.judging.run([*seen, *batches], self._now_us)
        self._note(self.judging)
        for one in sorted(chain(self._single(found), acts), key=_time_of):
            self._collect(self.alerting.run([one], _time_of(one) or None))
        self._collect(self.alerting.run([], self._now_us))
        self._note(self.alerting)

    def _acts_until(self, now_us: int) -> list[Record]:
        begin = self._acted
        while self._acted < len(self.acts) and _time_of(self.acts[self._acted]) <= now_us:
            self._acted += 1
        return list(self.acts[begin : self._acted])

    def _collect(self, outputs: Iterable[Record]) -> None:
        for batch in outputs:
            if isinstance(batch, AlertTransitions):
                self.steps += [msgspec.structs.replace(one, evidence={}) for one in batch.transitions]

    def _note(self, pipeline: Pipeline) -> None:
        for failure in pipeline.failures:
            self.failures[failure.processor] = self.failures.get(failure.processor, 0) + 1
            self.last_failure = f"{failure.processor}: {failure.error!r}"[:300]
        pipeline.failures.clear()

    def _wanted(self, batch: Record) -> bool:
        topics = topics_of(batch)
        return any(topic in processor.reads for processor in self.alerting.processors for topic in topics)

    def _single(self, batches: Iterable[Record]) -> Iterator[Record]:
        """Yield what processors of alerts read, one thing a record."""
        for batch in filter(self._wanted, batches):
            if isinstance(batch, Detections):
                self.detections += len(batch.detections)
                yield from (Detections(detections=[one]) for one in batch.detections)
            elif isinstance(batch, Presences):
                yield from (Presences(presences=[one]) for one in batch.presences)
            else:
                yield batch


def _time_of(batch: Record) -> int:
    if isinstance(batch, Changes):
        return max((one.at_us for one in batch.changes), default=0)
    return time_of(batch)
