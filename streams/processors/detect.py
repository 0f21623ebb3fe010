"""Flagged samples in, detections out: the detectors that the registry sets on each series.

A detector gets each sample once, when it is first judged; spike verdicts that come later are not waited
for, since a tsunami looks like a spike. A sample that has no value, is outside of what the instrument can
measure, or belongs to an instrument that stands still, is handed over as unusable; a suspect one is not.

A sample that is older than the newest of its series by more than the allowed lateness goes, with others of
its kind, to a second detector, whose findings are historic: a device that sends its memory after an outage
shows what was, and calls nobody. One that is late by less is left out and counted.

A detector that fails on a series is counted, named and started anew; all others go on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec
import numpy as np

from sensors.detectors import Detector, Finding, Samples, Subject, make_detector
from sensors.model import Datastream, Thing
from sensors.qartod_kernel import clock_was_ahead
from streams.processor import Outputs
from streams.processors.snapshots import join, split
from streams.records import Detection, Detections, FlaggedSamples, Record
from streams.topics import DETECTIONS, FLAGGED_SAMPLES, Topic

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


class _Watch:
    """One detector over one series, in order."""

    def __init__(self, key: _Key, datastream: Datastream, subject: Subject) -> None:
        self.key = key
        self._datastream = datastream
        self._subject = subject
        self.newest_us: int | None = None
        self.detector: Detector = self._make()

    def restart(self) -> None:
        """Begin anew, as after a gap without end."""
        self.detector = self._make()

    def detection(self, finding: Finding, now_us: int) -> Detection:
        """Return a finding as the record that travels."""
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
    reads: tuple[Topic, ...] = (FLAGGED_SAMPLES,)
    writes: tuple[Topic, ...] = (DETECTIONS,)

    def __init__(
        self,
        datastreams: Iterable[Datastream],
        things: Iterable[Thing],
        allowed_lateness_s: float = ALLOWED_LATENESS_S,
    ) -> None:
        names = {thing.id: thing.name for thing in things}
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
            subject = Subject(names.get(datastream.thing_id) or datastream.name, datastream.unit)
            if datastream.detectors:
                self._watched[datastream.id] = (datastream, subject)
            for detector in datastream.detectors:
                self._watch(_Key(datastream.id, detector, historic=False))

    def on_batch(self, batch: Record) -> Outputs:
        """Feed the detectors."""
        if not isinstance(batch, FlaggedSamples):
            raise TypeError(f"{self.name} does not read {type(batch).__name__}")
        if not len(batch):
            return []
        now_us = np.maximum(np.maximum.accumulate(batch.received_at_us), self._now_us)
        self._now_us = int(now_us[-1])
        usable = np.isfinite(batch.value)
        for test in HARD_TESTS:
            if test in batch.tests:
                usable &= batch.flags[:, batch.tests.index(test)] != FAIL
        found: list[tuple[int, Detection]] = []
        first = np.flatnonzero(batch.revision <= 0)
        first = first[np.argsort(batch.series[first], kind="stable")]
        bounds = np.searchsorted(batch.series[first], np.arange(len(batch.datastream_ids) + 1))
        for index, datastream_id in enumerate(batch.datastream_ids):
            rows = first[bounds[index] : bounds[index + 1]]
            if datastream_id in self._watched and len(rows):
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
        return _outputs(detections)

    def on_end(self) -> Outputs:
        """An event that goes on stays open: the end of the input is not its end."""
        return []

    def snapshot(self) -> Iterator[bytes]:
        """Return the state of all detectors."""
        return split(self._pieces())

    def restore(self, chunks: Iterable[bytes]) -> None:
        """Take back a snapshot; what the registry does not have any more is dropped."""
        for piece in join(chunks):
            state = msgspec.msgpack.decode(piece, type=_Snapshot)
            self._now_us = max(self._now_us, state.now_us)
            watched = self._watched.get(state.datastream_id)
            if watched is None or state.detector not in watched[0].detectors:
                continue
            watch = self._watch(_Key(state.datastream_id, state.detector, state.historic))
            watch.newest_us = state.newest_us
            try:
                watch.detector.restore(state.state)
            except msgspec.MsgspecError as error:  # written by another version of the detector
                self._fail(watch, error)

    def counts(self) -> dict[str, int]:
        """Samples that detectors did not get, and detectors that began anew."""
        return {"late_samples": self.left_out, "detector_failures": sum(self.failures.copy().values())}

    def _pieces(self) -> Iterator[bytes]:
        yield msgspec.msgpack.encode(_Snapshot(self._now_us))
        for key, watch in self._watches.items():
            if watch.newest_us is not None:
                state = _Snapshot(self._now_us, *key, watch.newest_us, watch.detector.snapshot())
                yield msgspec.msgpack.encode(state)

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
