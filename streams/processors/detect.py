"""Flagged samples in, detections out: the detectors that the registry sets on each series.

A detector gets each sample once, when it is first judged; spike verdicts that come later are not waited
for, since a tsunami looks like a spike. A sample that has no value, is outside of what the instrument can
measure, or belongs to an instrument that stands still, is handed over as unusable; a suspect one is not.

A sample that is older than the newest of its series by more than the allowed lateness goes, with others of
its kind, to a second detector, whose findings are historic: a device that sends its memory after an outage
shows what was, and calls nobody. One that is late by less is left out and counted.

A detector whose limits are changed goes on with what it has seen; one that is taken away, or whose series is
paused, ends what it had begun.

A detector that fails on a series is counted, named and started anew; all others go on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec
import numpy as np

from sensors.detectors import Detector, Finding, Samples, Subject, detector_names, make_detector
from sensors.model import Datastream, Thing
from sensors.qartod_kernel import clock_was_ahead
from streams.definitions import DatastreamDefinition, ThingDefinition
from streams.objects import Objects, sensors_base, watched
from streams.processor import Outputs
from streams.processors.snapshots import join, split
from streams.records import Changes, Detection, Detections, FlaggedSamples, Record
from streams.topics import DETECTIONS, FLAGGED_SAMPLES, REGISTRY, Topic

FAIL = 4
HARD_TESTS = ("gross_range", "flat_line")
"""Tests whose failure speaks of the instrument, not of what it measures."""
ALLOWED_LATENESS_S = 600.0


class _Key(NamedTuple):
    datastream_id: str
    detector: str
    historic: bool


class _Snapshot(msgspec.Struct, array_like=True):
    now_us: int
    datastream_id: str = ""
    detector: str = ""
    historic: bool = False
    newest_us: int | None = None
    state: bytes = b""
    begun: list[Detection] = []


class _Watch:
    """One detector over one series, in order."""

    def __init__(self, key: _Key, datastream: Datastream, subject: Subject) -> None:
        self.key = key
        self._datastream = datastream
        self._subject = subject
        self.newest_us: int | None = None
        self.begun: dict[str, Detection] = {}
        """The last finding about what has not ended yet, by rule."""
        self.detector: Detector = self._make()

    def restart(self) -> None:
        """Begin anew, as after a gap without end."""
        self.detector = self._make()

    def is_alike(self, datastream: Datastream, subject: Subject) -> bool:
        """Return whether the detector would be made in the same way."""
        name = self.key.detector
        return self._subject == subject and self._datastream.detectors[name] == datastream.detectors[name]

    def renew(self, datastream: Datastream, subject: Subject) -> None:
        """Go on with other limits, or other words.

        Raises
        ------
        msgspec.MsgspecError
            What was seen before does not serve; the detector begins anew.
        """
        state = self.detector.snapshot()
        self._datastream, self._subject = datastream, subject
        self.detector = self._make()
        self.detector.restore(state)

    def given_up(self, now_us: int) -> list[Detection]:
        """Return the ends of what was begun, since nobody watches it any more."""
        end = {"phase": "end", "at_us": now_us, "detected_at_us": now_us}
        evidence = {"why": "nobody watches this series in this way any more"}
        begun, self.begun = self.begun, {}
        return [msgspec.structs.replace(one, **end, evidence=evidence) for one in begun.values()]

    def detection(self, finding: Finding, now_us: int) -> Detection:
        """Return a finding as the record that travels, and remember what it begins or ends."""
        made = self._detection(finding, now_us)
        if made.phase == "end":
            self.begun.pop(made.detector, None)
        else:
            self.begun[made.detector] = msgspec.structs.replace(made, evidence={})
        return made

    def _detection(self, finding: Finding, now_us: int) -> Detection:
        return Detection(
            detector=finding.rule or self.key.detector,
            version=self.detector.version,
            subject_id=self.key.datastream_id,
            phase=finding.phase,
            level=finding.level,
            onset_us=finding.onset_us,
            at_us=finding.at_us,
            detected_at_us=now_us,
            title=finding.title,
            value=finding.value,
            threshold=finding.threshold,
            unit=self._subject.unit,
            evidence=finding.evidence,
            historic=self.key.historic,
        )

    def _make(self) -> Detector:
        return make_detector(self.key.detector, self._datastream.detectors[self.key.detector], self._subject)


class Detect:
    """Implements `streams.processor.Processor`.

    Parameters
    ----------
    datastreams, things
        Of the registry; a datastream's `detectors` say what watches it.
    allowed_lateness_s
        A sample older than the newest of its series by more than this makes historic detections.

    Raises
    ------
    ValueError
        A datastream names a detector that does not exist, or parameters that make no sense.
    """

    name = "detect"
    reads: tuple[Topic, ...] = (FLAGGED_SAMPLES, REGISTRY)
    writes: tuple[Topic, ...] = (DETECTIONS,)

    def __init__(
        self,
        datastreams: Iterable[Datastream],
        things: Iterable[Thing],
        allowed_lateness_s: float = ALLOWED_LATENESS_S,
    ) -> None:
        datastreams = list(datastreams)
        self._names = {thing.id: thing.name for thing in things}
        self._objects = Objects(sensors_base(datastreams), ("thing", "datastream", "rule"))
        self._watched: dict[str, tuple[Datastream, Subject]] = {}
        self._watches: dict[_Key, _Watch] = {}
        self._lateness_us = round(allowed_lateness_s * 1e6)
        self._now_us = 0
        self.left_out = 0
        """Samples that came a little too late to be used."""
        self.failures: dict[str, int] = {}
        """Errors of detectors, by datastream and detector."""
        self.last_failure = ""
        for datastream in datastreams:
            if datastream.detectors:
                subject = Subject(self._name(datastream), datastream.unit)
                self._watched[datastream.id] = (datastream, subject)
            for detector in datastream.detectors:
                self._watch(_Key(datastream.id, detector, historic=False))

    def on_batch(self, batch: Record) -> Outputs:
        """Feed the detectors; changes of sensors and rules hold for what comes behind."""
        if isinstance(batch, Changes):
            return _outputs(self._change(batch))
        if not isinstance(batch, FlaggedSamples):
            raise TypeError(f"{self.name} does not read {type(batch).__name__}")
        if not len(batch):
            return []
        if self._watched.keys().isdisjoint(batch.datastream_ids):
            self._now_us = max(self._now_us, int(batch.received_at_us.max()))
            return []
        watched = [i for i, name in enumerate(batch.datastream_ids) if name in self._watched]
        now_us = np.maximum(np.maximum.accumulate(batch.received_at_us), self._now_us)
        self._now_us = int(now_us[-1])
        usable = np.isfinite(batch.value)
        for test in HARD_TESTS:
            if test in batch.tests:
                usable &= batch.flags[:, batch.tests.index(test)] != FAIL
        found: list[tuple[int, Detection]] = []
        first = np.flatnonzero(batch.revision <= 0)
        first = first[np.argsort(batch.series[first], kind="stable")]
        ends = np.searchsorted(batch.series[first], np.add.outer(watched, (0, 1)))
        for index, (begin, end) in zip(watched, ends.tolist(), strict=True):
            rows, datastream_id = first[begin:end], batch.datastream_ids[index]
            if len(rows):
                for detector in self._watched[datastream_id][0].detectors:
                    found += self._feed(datastream_id, detector, batch, rows, usable, now_us)
        found.sort(key=lambda item: item[0])
        return _outputs([detection for _, detection in found])

    def on_time(self, now_us: int) -> Outputs:
        """Let detectors end what nobody reports on any more."""
        self._now_us = max(self._now_us, now_us)
        detections = []
        for watch in self._watches.values():
            try:
                findings = watch.detector.on_time(self._now_us)
            except Exception as error:  # noqa: BLE001 - one series must not harm the others
                self._fail(watch, error)
            else:
                detections += [watch.detection(finding, self._now_us) for finding in findings]
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
                for identity in self._names_of_changed():
                    self._look(identity)
                continue
            state = msgspec.msgpack.decode(piece, type=_Snapshot)
            self._now_us = max(self._now_us, state.now_us)
            watched = self._watched.get(state.datastream_id)
            if watched is None or state.detector not in watched[0].detectors:
                continue
            watch = self._watch(_Key(state.datastream_id, state.detector, state.historic))
            watch.newest_us = state.newest_us
            watch.begun = {one.detector: one for one in state.begun}
            try:
                watch.detector.restore(state.state)
            except msgspec.MsgspecError as error:  # written by another version of the detector
                self._fail(watch, error)

    def counts(self) -> dict[str, int]:
        """Samples that detectors did not get, and detectors that began anew."""
        return {
            "late_samples": self.left_out,
            "detector_failures": sum(self.failures.copy().values()),
            "unreadable_changes": self._objects.unreadable,
        }

    def _pieces(self) -> Iterator[bytes]:
        yield msgspec.msgpack.encode(_Snapshot(self._now_us))
        for key, watch in self._watches.items():
            if watch.newest_us is not None:
                state = watch.detector.snapshot()
                piece = _Snapshot(self._now_us, *key, watch.newest_us, state, list(watch.begun.values()))
                yield msgspec.msgpack.encode(piece)

    def _names_of_changed(self) -> dict[str, None]:
        """Return the datastreams that changes of all kinds may concern, in a fixed order."""
        names: dict[str, None] = {}
        for kind, identity in (change.key for change in self._objects.standing.changes):
            names.update(dict.fromkeys(self._concerned(kind, identity)))
        return names

    def _concerned(self, kind: str, identity: str) -> list[str]:
        if kind == "rule":
            return [identity.rpartition("/")[0]]
        if kind == "thing":  # its name stands in the titles
            every = self._objects.all("datastream", DatastreamDefinition)
            return [name for name, one in every if one.thing == identity]
        return [identity]

    def _change(self, changes: Changes) -> list[Detection]:
        concerned: dict[str, None] = {}
        for kind, identity in self._objects.take(changes):
            concerned.update(dict.fromkeys(self._concerned(kind, identity)))
        return [one for identity in concerned for one in self._look(identity)]

    def _look(self, identity: str) -> list[Detection]:
        """Let the detectors of a datastream be as the registry has them now; return what that ends."""
        datastream = watched(self._objects, identity)
        self._watched.pop(identity, None)
        subject = Subject("", "")
        if datastream is not None:
            subject = Subject(self._name(datastream), datastream.unit)
            if datastream.detectors:
                self._watched[identity] = (datastream, subject)
        ended: list[Detection] = []
        for key in [
            _Key(identity, name, historic) for name in detector_names() for historic in (False, True)
        ]:
            watch = self._watches.get(key)
            if watch is None:
                continue
            if datastream is None or key.detector not in datastream.detectors:
                del self._watches[key]
                ended += watch.given_up(self._now_us)
            elif not watch.is_alike(datastream, subject):
                try:
                    watch.renew(datastream, subject)
                except msgspec.MsgspecError as error:
                    self._fail(watch, error)
                    ended += watch.given_up(self._now_us)
        if datastream is not None:
            for detector in datastream.detectors:
                self._watch(_Key(identity, detector, historic=False))
        return ended

    def _name(self, datastream: Datastream) -> str:
        thing = self._objects.find("thing", datastream.thing_id, ThingDefinition)
        name = self._names.get(datastream.thing_id) if thing is None else thing.name or datastream.thing_id
        return name or datastream.name

    def _watch(self, key: _Key) -> _Watch:
        watch = self._watches.get(key)
        if watch is None:
            watch = self._watches[key] = _Watch(key, *self._watched[key.datastream_id])
        return watch

    def _feed(
        self,
        datastream_id: str,
        detector: str,
        batch: FlaggedSamples,
        rows: np.typing.NDArray[np.intp],
        usable: np.typing.NDArray[np.bool_],
        now_us: np.typing.NDArray[np.int64],
    ) -> list[tuple[int, Detection]]:
        live = self._watch(_Key(datastream_id, detector, historic=False))
        in_order, late = [], []
        for row in rows.tolist():
            time_us, received_at_us = int(batch.time_us[row]), int(batch.received_at_us[row])
            newest_us = live.newest_us
            if (
                newest_us is None
                or time_us > newest_us
                or clock_was_ahead(newest_us, time_us, received_at_us)
            ):
                in_order.append(row)
                live.newest_us = time_us
            elif time_us < newest_us - self._lateness_us:
                late.append(row)
            else:
                self.left_out += 1
        found = self._run(live, batch, in_order, usable, now_us)
        if late:
            historic = self._watch(_Key(datastream_id, detector, historic=True))
            following = []
            for row in late:
                time_us = int(batch.time_us[row])
                if historic.newest_us is None or time_us > historic.newest_us:
                    historic.newest_us = time_us
                    following.append(row)
                else:
                    self.left_out += 1
            found += self._run(historic, batch, following, usable, now_us)
        return found

    def _run(
        self,
        watch: _Watch,
        batch: FlaggedSamples,
        rows: list[int],
        usable: np.typing.NDArray[np.bool_],
        now_us: np.typing.NDArray[np.int64],
    ) -> list[tuple[int, Detection]]:
        if not rows:
            return []
        samples = Samples(batch.time_us[rows], batch.value[rows], usable[rows], batch.received_at_us[rows])
        try:
            findings = watch.detector.on_samples(samples)
        except Exception as error:  # noqa: BLE001 - one series must not harm the others
            self._fail(watch, error)
            return []
        return [
            (rows[finding.sample], watch.detection(finding, int(now_us[rows[finding.sample]])))
            for finding in findings
        ]

    def _fail(self, watch: _Watch, error: Exception) -> None:
        name = f"{watch.key.datastream_id} {watch.key.detector}"
        self.failures[name] = self.failures.get(name, 0) + 1
        self.last_failure = f"{name}: {type(error).__name__}: {error}"[:300]
        watch.restart()


def _outputs(detections: list[Detection]) -> Outputs:
    return [Detections(detections=detections)] if detections else []
