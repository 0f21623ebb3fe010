"""Samples in, the same samples with their QARTOD flags out; what the next sample tells of one is a revision.

Samples of a datastream that the registry does not know, or that is paused, are counted and kept, flagged as
not evaluated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from sensors.model import Datastream, ObservedProperty
from sensors.own_places import OwnPlaces
from sensors.qartod import Judged, Qartod
from sensors.quality.gross_range import GrossRange
from sensors.quality_tests import QualityTests, quality_tests
from streams.catalogue import PropertyDefinition
from streams.definitions import DatastreamDefinition
from streams.network_records import Decisions
from streams.objects import Key, Objects, catalogue_base, observed_property, sensors_base
from streams.processor import Outputs
from streams.processors.snapshots import join, split
from streams.records import Changes, FlaggedSamples, Record, SampleBatch
from streams.sample_extras import Places, Waves, of_rows
from streams.topics import FLAGGED_SAMPLES, REGISTRY, SAMPLES, Topic


class _Wanted(NamedTuple):
    """How a datastream is judged."""

    tests: QualityTests
    period_s: float
    """Between samples."""
    site: str


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
        A datastream names a property that the catalogue does not have, its tests make no sense, or one of
        them looks at a datastream that its thing does not have.
    """

    name = "quality-control"
    reads: tuple[Topic, ...] = (SAMPLES, REGISTRY)
    writes: tuple[Topic, ...] = (FLAGGED_SAMPLES,)

    def __init__(self, properties: Iterable[ObservedProperty], datastreams: Iterable[Datastream]) -> None:
        base = catalogue_base(properties) | sensors_base(datastreams)
        self._objects = Objects(base, ("datastream", "property"))
        self._check_properties()
        self._tests = self._wanted()
        self._check_partners()
        self._build()
        self.unknown = 0
        """Samples of datastreams that the registry does not know."""
        self.repeated = 0
        """Samples that were as old as the newest of their series; they are left out."""
        self.late = 0
        """Samples that were older than the newest of their series."""

    def on_batch(self, batch: Record) -> Outputs:
        """Judge samples; changes of datastreams and properties hold for what comes behind."""
        if isinstance(batch, Changes):
            self._change(batch)
            return []
        if isinstance(batch, Decisions):  # in line for who judges the site's findings
            return []
        if not isinstance(batch, SampleBatch):
            raise TypeError(f"{self.name} does not read {type(batch).__name__}")
        if not len(batch):
            return []
        ids = batch.datastream_ids
        slots = self._qartod.slots(ids)
        slot_of = slots[batch.series]
        known = slot_of >= 0
        self.unknown += int(len(batch) - known.sum())
        places = batch.places
        own = None if places is None else OwnPlaces(places.rows, places.longitude, places.latitude)
        judged = self._qartod.judge(slot_of, batch.time_us, batch.value, batch.received_at_us, own)
        self.repeated += judged.repeated
        self.late += judged.late
        # A slot has one series of the batch, but unknown ones share -1 and must keep their names.
        of_slot = np.zeros(int(slots.max()) + 2, np.int32)
        of_slot[slots] = np.arange(len(ids))
        series = of_slot[judged.series]
        series[judged.series < 0] = batch.series[~known]
        if places is None and batch.waves is None:
            return _flagged(ids, series, judged)
        order = _first_judged(batch, series, judged)
        waves = of_rows(batch.waves, order, len(batch))
        waves = None if waves is None else self._measurable(waves, [ids[i] for i in series[waves.rows]])
        return _flagged(ids, series, judged, of_rows(places, order, len(batch)), waves)

    def _measurable(self, waves: Waves, ids: list[str]) -> Waves:
        """Return waveforms without the values that their instruments cannot measure."""
        span = np.full((len(ids), 2), (-np.inf, np.inf))
        for row, name in enumerate(ids):
            wanted = self._tests.get(name)
            test = None if wanted is None else wanted.tests.tests.get("gross_range")
            if isinstance(test, GrossRange):
                span[row] = test.span
        low, high = np.repeat(span, waves.counts, axis=0).T
        value = np.where((waves.value < low) | (waves.value > high), np.nan, waves.value)
        return msgspec.structs.replace(waves, value=value)

    def on_time(self, now_us: int) -> Outputs:
        """Nothing is due by time alone."""
        del now_us
        return []

    def on_end(self) -> Outputs:
        """Say what the newest samples are, since none follows that could tell more."""
        judged = self._qartod.end()
        slots, series = np.unique(judged.series, return_inverse=True)
        names = self._qartod.names(slots.tolist())
        return _flagged(names, series.astype(np.int32), judged)

    def snapshot(self) -> Iterator[bytes]:
        """Return the state of all series."""
        return split([self._objects.snapshot(), *self._qartod.snapshot()])

    def restore(self, chunks: Iterable[bytes]) -> None:
        """Take back what `snapshot` gave."""
        pieces = list(join(chunks))
        if pieces and self._objects.restored(pieces[0]):
            self._tests = self._wanted()
            pieces = pieces[1:]
        self._build()
        self._qartod.restore(pieces)

    def counts(self) -> dict[str, int]:
        """Samples that were not judged in order."""
        return {
            "unknown_samples": self.unknown,
            "repeated_samples": self.repeated,
            "late_samples": self.late,
            "unreadable_changes": self._objects.unreadable,
        }

    def _wanted(self) -> dict[str, _Wanted]:
        """Return how each datastream that is judged is judged."""
        wanted = {}
        for name, one in self._objects.all("datastream", DatastreamDefinition):
            if (tests := self._tests_of(name, one)) is not None:
                wanted[name] = tests
        return wanted

    def _tests_of(self, name: str, one: DatastreamDefinition) -> _Wanted | None:
        """Return how a datastream is judged; None: it is not, until it is resumed or its property known."""
        observed = None if one.paused else observed_property(self._objects, one.property)
        if observed is None:
            return None
        tests = quality_tests(observed, one.datastream(name))
        return _Wanted(tests, observed.sampling_period_s, one.thing)

    def _check_properties(self) -> None:
        known = {name for name, _ in self._objects.all("property", PropertyDefinition)}
        for name, one in self._objects.all("datastream", DatastreamDefinition):
            if one.property not in known:
                raise ValueError(
                    f"datastream {name}: the catalogue has no property {one.property!r}; "
                    f"choose one of {', '.join(sorted(known))}"
                )

    def _check_partners(self) -> None:
        for name, wanted in self._tests.items():
            for partner in sorted(wanted.tests.partners()):
                other = self._objects.find("datastream", partner, DatastreamDefinition)
                if other is None or other.thing != wanted.site:
                    raise ValueError(
                        f"datastream {name}: a test looks at {partner!r}, which is no datastream of thing "
                        f"{wanted.site}; name one of the same thing"
                    )

    def _build(self) -> None:
        tests, periods, sites = zip(*self._tests.values(), strict=True) if self._tests else ((), (), ())
        self._qartod = Qartod(list(self._tests), tests, periods, sites)

    def _change(self, changes: Changes) -> None:
        """Let other tests hold; series whose tests stay the same notice nothing, the others begin anew."""
        for name in self._concerned(self._objects.take(changes)):
            one = self._objects.find("datastream", name, DatastreamDefinition)
            before = self._tests.pop(name, None)
            now = None if one is None else self._tests_of(name, one)
            if now is not None:
                self._tests[name] = now
            if now != before:
                self._qartod.change(name, *(now or (None, 0.0)))

    def _concerned(self, taken: Sequence[Key]) -> list[str]:
        """Return the datastreams that changes are about: by themselves, or by their property."""
        concerned = {name: None for kind, name in taken if kind == "datastream"}
        if properties := {name for kind, name in taken if kind == "property"}:
            every = self._objects.all("datastream", DatastreamDefinition)
            concerned |= {name: None for name, one in every if one.property in properties}
        return list(concerned)


def _first_judged(batch: SampleBatch, series: NDArray[np.int32], judged: Judged) -> NDArray[np.int64]:
    """Return for each row that came out which one of the batch it is; -1: it is a revision.

    Rows come out in their order, without those that are repetitions.
    """
    order = np.full(len(series), -1, np.int64)
    first = np.flatnonzero(judged.revision <= 0)
    rows = enumerate(zip(batch.series.tolist(), batch.time_us.tolist(), strict=True))
    keys = zip(series[first].tolist(), judged.time_us[first].tolist(), strict=True)
    for place, key in zip(first.tolist(), keys, strict=True):
        order[place] = next(row for row, known in rows if known == key)
    return order


def _flagged(
    names: list[str],
    series: NDArray[np.int32],
    judged: Judged,
    places: Places | None = None,
    waves: Waves | None = None,
) -> Outputs:
    """Return what was judged as it travels; `series` are places in `names`."""
    if not len(series):
        return []
    return [
        FlaggedSamples(
            datastream_ids=names,
            series=series,
            time_us=judged.time_us,
            value=judged.value,
            received_at_us=judged.received_at_us,
            revision=judged.revision,
            tests=judged.tests,
            flags=judged.flags,
            flag=judged.flag,
            places=places,
            waves=waves,
        )
    ]
