"""Flagged samples in, detections out: the detectors that the registry sets on each series.

All detectors of a kind are one bank, and a batch is one call of its kernel. Samples go to them in the order
they came, also as further inputs of detectors of other series of the same site.

A detector gets each sample once, when it is first judged; spike verdicts that come later are not waited
for, since a tsunami looks like a spike. A sample that has no value, is outside of what the instrument can
measure, or belongs to an instrument that stands still, is handed over as unusable; a suspect one is not.

A sample that is older than the newest of its series by more than the allowed lateness goes, with others of
its kind, to a second detector, whose findings are historic: a device that sends its memory after an outage
shows what was, and calls nobody. One that is late by less is left out and counted.

A detector whose limits are changed goes on with what it has seen; one that is taken away, or whose series is
paused, ends what it had begun. One of which a further input is paused or deleted goes on without it. Where
a network or a site begins or ceases to decide about its findings, what goes on is told anew to who does now.

A waveform goes to detectors value by value.

A detector that fails on a series is counted, named and started anew; all others go on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from sensors.detectors import Subject, detector_names, inputs_of, read_parameters
from sensors.model import Datastream, Thing
from sensors.routing import IN_ORDER, LATE, NEVER, sort_out
from streams.deciders import Deciders
from streams.definitions import DatastreamDefinition, ThingDefinition
from streams.objects import Base, Objects, check_inputs, sensors_base, watched
from streams.processor import Outputs
from streams.processors.snapshots import join, split
from streams.processors.watches import Columns, Sources, Wanted, Watch, Watches
from streams.records import Changes, Detection, Detections, FlaggedSamples, Record
from streams.sample_extras import Waves
from streams.topics import DETECTIONS, FLAGGED_SAMPLES, REGISTRY, Topic

FAIL = 4
HARD_TESTS = ("gross_range", "flat_line")
"""Tests whose failure speaks of the instrument, not of what it measures."""
ALLOWED_LATENESS_S = 600.0
LOOK_US = 60_000_000
"""Who is silent is looked at when time passes a multiple of this, and found as of then: whoever is told other
times, as a rehearsal is, finds the same."""


class _Snapshot(msgspec.Struct, array_like=True):
    """What is known of a series that feeds detectors (no `detector`), or of one detector."""

    now_us: int
    datastream_id: str = ""
    detector: str = ""
    historic: bool = False
    newest_us: int | None = None
    state: bytes = b""
    begun: list[Detection] = []
    looked_us: int = 0


class Detect:
    """Implements `streams.processor.Processor`.

    Parameters
    ----------
    datastreams, things
        Of the registry; a datastream's `detectors` say what watches it.
    allowed_lateness_s
        A sample older than the newest of its series by more than this makes historic detections.
    base
        What the configuration defines, of which networks and sites decide who tells what is found.

    Raises
    ------
    ValueError
        A datastream names a detector that does not exist, parameters that make no sense, or an input that
        its thing does not have.
    """

    name = "detect"
    reads: tuple[Topic, ...] = (FLAGGED_SAMPLES, REGISTRY)
    writes: tuple[Topic, ...] = (DETECTIONS,)

    def __init__(
        self,
        datastreams: Iterable[Datastream],
        things: Iterable[Thing],
        allowed_lateness_s: float = ALLOWED_LATENESS_S,
        base: Base | None = None,
    ) -> None:
        datastreams = list(datastreams)
        self._names = {thing.id: thing.name for thing in things}
        self._objects = Objects(
            {**(base or {}), **sensors_base(datastreams)}, ("thing", "datastream", "rule", "network")
        )
        self._deciders = Deciders(self._objects)
        self._sources = Sources()
        self._watches: dict[tuple[str, bool], Watches] = {}
        """By the detector's name, and whether they are historic."""
        self._users: dict[str, dict[str, None]] = {}
        """Datastreams whose detectors name another one, by that."""
        self._uses: dict[str, dict[str, None]] = {}
        """The same the other way round."""
        self._lateness_us = round(allowed_lateness_s * 1e6)
        self._now_us = 0
        self._looked_us = 0
        self.left_out = 0
        """Samples that came a little too late to be used."""
        self.failures: dict[str, int] = {}
        """Errors of detectors, by datastream and detector."""
        self.last_failure = ""
        for one in datastreams:
            for detector, parameters in one.detectors.items():
                read = read_parameters(detector, parameters, Subject(self._name(one), one.unit))
                check_inputs(self._objects, one, detector, read)
        for one in datastreams:
            self._look(one.id)

    def on_batch(self, batch: Record) -> Outputs:
        """Feed the detectors; changes of sensors and rules hold for what comes behind."""
        if isinstance(batch, Changes):
            return _outputs(self._change(batch))
        if not isinstance(batch, FlaggedSamples):
            raise TypeError(f"{self.name} does not read {type(batch).__name__}")
        if not len(batch):
            return []
        of_series = self._sources.numbers(batch.datastream_ids)
        if (of_series < 0).all():
            self._now_us = max(self._now_us, int(batch.received_at_us.max()))
            return []
        now_us = np.maximum(np.maximum.accumulate(batch.received_at_us), self._now_us)
        self._now_us = int(now_us[-1])
        source, revision = of_series[batch.series], np.array(batch.revision)
        # Columns that came off the wire are read-only, for which kernels would be compiled once more.
        columns = (
            np.array(batch.time_us), np.array(batch.value), _usable(batch), np.array(batch.received_at_us),
        )  # fmt: skip
        if batch.waves is not None:
            columns, rows = _unrolled(columns, batch.waves)
            source, revision, now_us = source[rows], revision[rows], now_us[rows]
        time_us, _, _, received_at_us = columns
        way = np.empty(len(source), np.int8)
        late, left_out = sort_out(
            source, time_us, received_at_us, revision, self._lateness_us, self._sources.newest_us, way
        )
        self.left_out += left_out
        found = list(self._find(way, source, columns, historic=False, now_us=now_us))
        if late:
            self._watch_late(np.unique(source[way == LATE]))
            found += self._find(way, source, columns, historic=True, now_us=now_us)
        found.sort(key=lambda item: item[0])
        return _outputs([detection for _, detection in found])

    def on_time(self, now_us: int) -> Outputs:
        """Let detectors end what nobody reports on any more."""
        self._now_us = max(self._now_us, now_us)
        look_us = self._now_us // LOOK_US * LOOK_US
        if look_us <= self._looked_us:
            return []
        self._looked_us = look_us
        detections = [
            self._deciders.marked(watch.detection(finding, watches.bank.version, look_us))
            for watches in self._watches.values()
            for watch, finding in watches.on_time(look_us)
        ]
        detections.sort(key=lambda one: (one.subject_id, one.detector, one.historic, one.onset_us))
        return _outputs(detections)

    def on_end(self) -> Outputs:
        """An event that goes on stays open: the end of the input is not its end."""
        return []

    def snapshot(self) -> Iterator[bytes]:
        """Return the state of all detectors."""
        return split([self._objects.snapshot(), *self._pieces()])

    def restore(self, chunks: Iterable[bytes]) -> None:
        """Take back a snapshot; what the registry does not have any more is dropped."""
        for piece in join(chunks):
            if self._objects.restored(piece):
                self._deciders.renew()
                for identity in self._names_of_changed():
                    self._look(identity)
                continue
            state = msgspec.msgpack.decode(piece, type=_Snapshot)
            self._now_us = max(self._now_us, state.now_us)
            self._looked_us = max(self._looked_us, state.looked_us)
            number = self._sources.number(state.datastream_id)
            if state.newest_us is not None and number >= 0:
                self._sources.newest_us[number, int(state.historic)] = state.newest_us
            if state.detector:
                self._restore(state)

    def counts(self) -> dict[str, int]:
        """Samples that detectors did not get, and detectors that began anew."""
        return {
            "late_samples": self.left_out,
            "detector_failures": sum(self.failures.copy().values()),
            "unreadable_changes": self._objects.unreadable,
        }

    # --- samples --------------------------------------------------------------------------------------------

    def _find(
        self,
        way: NDArray[np.int8],
        source: NDArray[np.int64],
        columns: Columns,
        *,
        historic: bool,
        now_us: NDArray[np.int64],
    ) -> Iterator[tuple[tuple[int, str, str, bool], Detection]]:
        """Yield what is found, with what orders it, however the slots are numbered."""
        for (detector, is_historic), watches in self._watches.items():
            if is_historic != historic:
                continue
            for place, watch, finding in watches.on_rows(
                way, LATE if historic else IN_ORDER, source, columns
            ):
                order = (place, watch.key.datastream_id, detector, historic)
                detection = watch.detection(finding, watches.bank.version, int(now_us[place]))
                yield order, self._deciders.marked(detection)

    def _watch_late(self, sources: NDArray[np.int64]) -> None:
        """Let all detectors that read these have a historic twin."""
        for detector, historic in list(self._watches):
            if not historic:
                twins = self._of(detector, historic=True)
                for watch in self._of(detector, historic=False).fed_by(sources):
                    if watch.key.datastream_id not in twins.by_name:
                        twins.add(watch.key.datastream_id, watch.wanted)

    # --- snapshots ------------------------------------------------------------------------------------------

    def _pieces(self) -> Iterator[bytes]:
        yield msgspec.msgpack.encode(_Snapshot(self._now_us, looked_us=self._looked_us))
        newest_us = self._sources.newest_us
        for name, number in self._sources.known():
            for historic in (False, True):
                if newest_us[number, int(historic)] != NEVER:
                    newest = int(newest_us[number, int(historic)])
                    piece = _Snapshot(self._now_us, name, historic=historic, newest_us=newest)
                    yield msgspec.msgpack.encode(piece)
        for watches in self._watches.values():
            for watch in watches.by_name.values():
                if watch.was_fed or self._is_fed(watch):
                    state, begun = watches.bank.snapshot(watch.slot), list(watch.begun.values())
                    piece = _Snapshot(self._now_us, *watch.key, state=state, begun=begun)
                    yield msgspec.msgpack.encode(piece)

    def _is_fed(self, watch: Watch) -> bool:
        """Return whether anything came of what feeds it now."""
        newest_us, number = self._sources.newest_us, self._sources.number
        return any(newest_us[number(name), 0] != NEVER for name in filter(None, watch.wanted.feeds))

    def _restore(self, state: _Snapshot) -> None:
        watches = self._watches.get((state.detector, False))
        watch = None if watches is None else watches.by_name.get(state.datastream_id)
        if watches is None or watch is None:
            return
        if state.historic:
            watches = self._of(state.detector, historic=True)
            twin = watches.by_name.get(state.datastream_id)
            watch = twin or watches.add(state.datastream_id, watch.wanted)
        watch.begun = {one.detector: one for one in state.begun}
        watch.was_fed = True
        try:
            watches.bank.restore(watch.slot, state.state)
        except msgspec.MsgspecError as error:  # written by another version of the detector
            self._fail(watch, error)

    # --- what is watched ------------------------------------------------------------------------------------

    def _names_of_changed(self) -> dict[str, None]:
        """Return the datastreams that changes of all kinds may concern, in a fixed order."""
        names: dict[str, None] = {}
        for kind, identity in (change.key for change in self._objects.standing.changes):
            names.update(dict.fromkeys(self._concerned(kind, identity)))
        return names

    def _concerned(self, kind: str, identity: str) -> list[str]:
        if kind == "network":
            return []
        if kind == "rule":
            return [identity.rpartition("/")[0]]
        if kind == "thing":  # its name stands in the titles
            every = self._objects.all("datastream", DatastreamDefinition)
            return [name for name, one in every if one.thing == identity]
        return [identity, *self._users.get(identity, ())]

    def _change(self, changes: Changes) -> list[Detection]:
        concerned: dict[str, None] = {}
        before = [self._deciders.marked(one) for one in self._begun()]
        taken = self._objects.take(changes)
        self._deciders.renew()
        for kind, identity in taken:
            concerned.update(dict.fromkeys(self._concerned(kind, identity)))
        ended = [one for identity in concerned for one in self._look(identity)]
        moved = self._deciders.moved(before, self._begun(), self._now_us)
        return [*map(self._deciders.marked, ended), *moved]

    def _begun(self) -> Iterator[Detection]:
        """Yield what goes on, but for what late data began."""
        for (_, historic), watches in self._watches.items():
            for watch in () if historic else watches.by_name.values():
                yield from watch.begun.values()

    def _look(self, identity: str) -> list[Detection]:
        """Let the detectors of a datastream be as the registry has them now; return what that ends."""
        want = self._wants(identity)
        ended: list[Detection] = []
        for detector in detector_names():
            for historic in (False, True):
                ended += self._let(identity, detector, want.get(detector), historic=historic)
        return ended

    def _let(self, identity: str, detector: str, want: Wanted | None, *, historic: bool) -> list[Detection]:
        """Let one watch be as it is wanted; return what that ends."""
        watches = self._watches.get((detector, historic))
        watch = None if watches is None else watches.by_name.get(identity)
        before = () if watch is None or historic else watch.wanted.feeds
        ended: list[Detection] = []
        if want is not None and not historic:
            self._sources.take(want.feeds)
        if watches is None or watch is None:
            if want is not None and not historic:
                self._of(detector, historic=False).add(identity, want)
        elif want is None:
            watches.remove(watch)
            ended = watch.given_up(self._now_us)
        elif watch.wanted != want:
            watch.was_fed = watch.was_fed or self._is_fed(watch)
            watches.renew(watch, want)
        self._sources.drop(before)
        return ended

    def _wants(self, identity: str) -> dict[str, Wanted]:
        """Return how a datastream is to be watched, by detector."""
        for name in self._uses.pop(identity, ()):
            del self._users[name][identity]
            if not self._users[name]:
                del self._users[name]
        datastream = watched(self._objects, identity)
        if datastream is None:
            return {}
        subject, want = Subject(self._name(datastream), datastream.unit), {}
        for detector, parameters in datastream.detectors.items():
            try:
                read = read_parameters(detector, parameters, subject)
            except ValueError as error:  # of a newer program
                self._count_failure(f"{identity} {detector}", error)
                continue
            inputs = inputs_of(detector, read)
            feeds = (identity, *(name if self._can_feed(name, datastream) else "" for name in inputs))
            want[detector] = Wanted(read, subject, feeds)
            self._uses.setdefault(identity, {}).update(dict.fromkeys(inputs))
        for name in self._uses.get(identity, ()):
            self._users.setdefault(name, {})[identity] = None
        return want

    def _can_feed(self, name: str, other: Datastream) -> bool:
        one = watched(self._objects, name)
        return one is not None and one.thing_id == other.thing_id and name != other.id

    def _name(self, datastream: Datastream) -> str:
        thing = self._objects.find("thing", datastream.thing_id, ThingDefinition)
        name = self._names.get(datastream.thing_id) if thing is None else thing.name or datastream.thing_id
        return name or datastream.name

    def _of(self, detector: str, *, historic: bool) -> Watches:
        found = self._watches.get((detector, historic))
        if found is None:
            found = Watches(detector, self._sources, self._fail, historic=historic)
            self._watches[detector, historic] = found
        return found

    def _fail(self, watch: Watch, error: Exception) -> None:
        self._count_failure(f"{watch.key.datastream_id} {watch.key.detector}", error)

    def _count_failure(self, name: str, error: Exception) -> None:
        self.failures[name] = self.failures.get(name, 0) + 1
        self.last_failure = f"{name}: {type(error).__name__}: {error}"[:300]


def _usable(batch: FlaggedSamples) -> NDArray[np.bool_]:
    usable = np.isfinite(batch.value)
    for test in HARD_TESTS:
        if test in batch.tests:
            usable &= batch.flags[:, batch.tests.index(test)] != FAIL
    return usable


def _unrolled(columns: Columns, waves: Waves) -> tuple[Columns, NDArray[np.int64]]:
    """Return samples with each value of a waveform as one, and for each of these which one it is of."""
    counts = np.ones(len(columns[0]), np.int64)
    counts[waves.rows] = waves.counts
    rows = np.repeat(np.arange(len(counts)), counts)
    time_us, value, usable, received_at_us = columns
    time_us, value, usable, received_at_us = time_us[rows], value[rows], usable[rows], received_at_us[rows]
    begins = (np.cumsum(counts) - counts)[waves.rows]
    number = np.arange(len(waves.value)) - np.repeat(waves.ends - waves.counts, waves.counts)
    at = np.repeat(begins, waves.counts) + number
    time_us[at] += np.rint(number * np.repeat(waves.step_us, waves.counts)).astype(np.int64)
    value[at], usable[at] = waves.value, np.isfinite(waves.value)
    return (time_us, value, usable, received_at_us), rows


def _outputs(detections: list[Detection]) -> Outputs:
    return [Detections(detections=detections)] if detections else []
