"""Samples in, the same samples with their QARTOD flags out; a spike verdict follows as revision 1.

Samples of a datastream that the registry does not know are counted and kept, flagged as not evaluated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from sensors.model import Datastream, ObservedProperty
from sensors.qartod import TESTS, Qartod
from sensors.quality_tests import quality_tests
from streams.processor import Outputs
from streams.processors.snapshots import join, split
from streams.records import FlaggedSamples, Record, SampleBatch
from streams.topics import FLAGGED_SAMPLES, SAMPLES, Topic


class QualityControl:
    """Implements `streams.processor.Processor`.

    Parameters
    ----------
    properties
        The catalogue.
    datastreams
        Of the registry.

    Raises
    ------
    ValueError
        A datastream names a property that the catalogue does not have, or its tests make no sense.
    """

    name = "quality-control"
    reads: tuple[Topic, ...] = (SAMPLES,)
    writes: tuple[Topic, ...] = (FLAGGED_SAMPLES,)

    def __init__(self, properties: Iterable[ObservedProperty], datastreams: Iterable[Datastream]) -> None:
        catalogue = {observed.id: observed for observed in properties}
        ids, tests, periods = [], [], []
        for datastream in datastreams:
            observed = catalogue.get(datastream.property_id)
            if observed is None:
                raise ValueError(
                    f"datastream {datastream.id}: the catalogue has no property {datastream.property_id!r}; "
                    f"choose one of {', '.join(sorted(catalogue))}"
                )
            ids.append(datastream.id)
            tests.append(quality_tests(observed, datastream))
            periods.append(observed.sampling_period_s)
        self._slots = {name: slot for slot, name in enumerate(ids)}
        self._qartod = Qartod(ids, tests, periods)
        self.unknown = 0
        """Samples of datastreams that the registry does not know."""
        self.repeated = 0
        """Samples that were as old as the newest of their series; they are left out."""
        self.late = 0
        """Samples that were older than the newest of their series."""

    def on_batch(self, batch: Record) -> Outputs:
        """Judge samples."""
        if not isinstance(batch, SampleBatch):
            raise TypeError(f"{self.name} does not read {type(batch).__name__}")
        if not len(batch):
            return []
        ids = batch.datastream_ids
        slots = np.array([self._slots.get(name, -1) for name in ids], dtype=np.int32)
        # A slot has one series of the batch, but unknown ones share -1 and must keep their names.
        order = {int(slot): i for i, slot in enumerate(slots) if slot >= 0}
        known = slots[batch.series] >= 0
        self.unknown += int(len(batch) - known.sum())
        judged = self._qartod.judge(slots[batch.series], batch.time_us, batch.value, batch.received_at_us)
        self.repeated += judged.repeated
        self.late += judged.late
        series = np.empty(len(judged.series), np.int32)
        of_known = judged.series >= 0
        if order:
            lookup = np.zeros(max(order) + 1, np.int32)
            lookup[list(order)] = list(order.values())
            series[of_known] = lookup[judged.series[of_known]]
        series[~of_known] = batch.series[~known]
        if not len(series):
            return []
        return [
            FlaggedSamples(
                datastream_ids=ids,
                series=series,
                time_us=judged.time_us,
                value=judged.value,
                received_at_us=judged.received_at_us,
                revision=judged.revision,
                tests=list(TESTS),
                flags=judged.flags,
                flag=judged.flag,
            )
        ]

    def on_time(self, now_us: int) -> Outputs:
        """Nothing is due by time alone."""
        del now_us
        return []

    def on_end(self) -> Outputs:
        """Nothing is pending: the newest sample's spike test stays not evaluated."""
        return []

    def snapshot(self) -> Iterator[bytes]:
        """Return the state of all series."""
        return split(self._qartod.snapshot())

    def restore(self, chunks: Iterable[bytes]) -> None:
        """Take back what `snapshot` gave."""
        self._qartod.restore(join(chunks))

    def counts(self) -> dict[str, int]:
        """Samples that were not judged in order."""
        return {"unknown_samples": self.unknown, "repeated_samples": self.repeated, "late_samples": self.late}
