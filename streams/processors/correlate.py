"""What members of networks tell in; findings of the networks, and verdicts about members' samples, out.

A network's findings have its id as their subject. What it lets go on of a member's findings is told as the
member's again, with the network's words in its evidence. Neighbours' flags are revisions of the samples.

A network that fails is counted, named and begins anew; all others go on. One that is deleted lets go of what
it held back, and ends what it had begun.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec
import numpy as np

from sensors.detectors.finding import Finding
from sensors.networks import Forward, Found, Said, Verdict
from sensors.networks.neighbor import TEST
from sensors.quality import FAIL, SUSPECT
from streams.deciders import Deciders
from streams.definitions import DatastreamDefinition
from streams.finding_records import detection_of
from streams.listening import Listening, ListeningState
from streams.network_definition import NetworkDefinition
from streams.network_records import Decisions, Tellings
from streams.objects import Base, Objects
from streams.partitions import named_site
from streams.processor import Outputs
from streams.processors.snapshots import join, split
from streams.processors.tell import NETWORK_REVISION
from streams.records import Changes, Detection, Detections, FlaggedSamples, Record
from streams.topics import DETECTIONS, FLAGGED_SAMPLES, REGISTRY, SAMPLES, TELLINGS, Topic


class Correlate:
    """Implements `streams.processor.Processor`.

    Parameters
    ----------
    base
        What the configuration defines: networks, and the sites of their members.

    Raises
    ------
    ValueError
        A network makes no sense.
    """

    name = "correlate"
    reads: tuple[Topic, ...] = (TELLINGS, REGISTRY)
    writes: tuple[Topic, ...] = (DETECTIONS, FLAGGED_SAMPLES, SAMPLES)

    def __init__(self, base: Base) -> None:
        self._objects = Objects(base, ("network", "datastream", "thing"))
        self._deciders = Deciders(self._objects)
        self._networks: dict[str, Listening] = {}
        self._unknown = 0
        self._before: Counter[str] = Counter()
        """Counts of networks that are not listened to any more."""
        for identity, made in self._objects.all("network", NetworkDefinition):
            self._networks[identity] = self._listening(identity, made)

    def on_batch(self, batch: Record) -> Outputs:
        """Take tellings; changes of networks hold for what comes behind."""
        if isinstance(batch, Changes):
            return self._out(list(self._change(batch)))
        if not isinstance(batch, Tellings):
            raise TypeError(f"{self.name} does not read {type(batch).__name__}")
        touched: dict[str, Listening] = {}
        for telling in batch.tellings:
            one = self._networks.get(telling.network)
            if one is None or not one.hear(telling):
                self._unknown += 1
            else:
                touched[telling.network] = one
        return self._out([(one, at_us, said) for one in touched.values() for at_us, said in one.said()])

    def on_time(self, now_us: int) -> Outputs:
        """Members tell the time."""
        del now_us
        return []

    def on_end(self) -> Outputs:
        """An event that goes on stays open."""
        return []

    def snapshot(self) -> Iterator[bytes]:
        """Return what is known of all networks."""
        states = (msgspec.msgpack.encode(one.state()) for one in self._networks.values())
        return split([self._objects.snapshot(), *states])

    def restore(self, chunks: Iterable[bytes]) -> None:
        """Take back what `snapshot` gave; networks that are gone are dropped."""
        for piece in join(chunks):
            if self._objects.restored(piece):
                self._deciders.renew()
                self._networks = {
                    identity: self._listening(identity, made)
                    for identity, made in self._objects.all("network", NetworkDefinition)
                }
                continue
            state = msgspec.msgpack.decode(piece, type=ListeningState)
            one = self._networks.get(state.network)
            if one is not None:
                one.go_on_from(state)

    @property
    def last_failure(self) -> str:
        """What failed last at each network that has failed; empty: none has."""
        failed = ((name, one.last_failure) for name, one in list(self._networks.items()) if one.last_failure)
        return "; ".join(f"{name}: {why}" for name, why in failed)

    def counts(self) -> dict[str, int]:
        """What was told of no member, too late, or too much; networks that failed."""
        found = self._before.copy()
        for one in list(self._networks.values()):
            found.update(one.counts())
        return {
            "late_tellings": 0,
            "network_failures": 0,
            **found,
            "unknown_tellings": self._unknown,
            "unreadable_changes": self._objects.unreadable,
        }

    # --- what networks are there ------------------------------------------------------------------------

    def _listening(self, identity: str, made: NetworkDefinition) -> Listening:
        return Listening(identity, made, {one: self._site_of(one) for one in made.members})

    def _site_of(self, datastream_id: str) -> str:
        made = self._objects.find("datastream", datastream_id, DatastreamDefinition)
        return named_site(datastream_id) if made is None else made.thing

    def _change(self, changes: Changes) -> Iterator[tuple[Listening, int, Said]]:
        for kind, identity in self._objects.take(changes):
            self._deciders.renew()
            made = self._objects.find("network", identity, NetworkDefinition)
            before = self._networks.get(identity)
            if kind != "network" or (before is not None and before.definition == made):
                continue
            if before is not None and (made is None or made.kind != before.definition.kind):
                del self._networks[identity]
                self._before.update(before.counts())
                for at_us, said in before.give_up():
                    yield before, at_us, said
                for begun in list(before.begun.values()):
                    yield before, before.now_us, _ended(begun, before.now_us)
                before = None
            if made is not None:
                after = self._networks[identity] = self._listening(identity, made)
                if before is not None:
                    after.go_on_from(before.state())

    # --- what comes of it -------------------------------------------------------------------------------

    def _out(self, said: list[tuple[Listening, int, Said]]) -> Outputs:
        told: list[Detection] = []
        decided: list[Detection] = []
        verdicts: list[Verdict] = []
        for of, at_us, one in said:
            if isinstance(one, Verdict):
                verdicts.append(one)
            elif isinstance(one, Found):
                told.append(_of_network(of, one, at_us))
            else:
                made = self._deciders.of_its_site(_of_member(of, one, at_us))
                (decided if made.part_of else told).append(made)
        outputs: list[Record] = [Detections(detections=told)] if told else []
        if decided:
            outputs.append(Decisions(detections=decided))
        return [*outputs, *_revised(verdicts)]


def _of_network(of: Listening, found: Found, at_us: int) -> Detection:
    """Return a network's own finding, and remember what it begins or ends."""
    made = detection_of(found.finding, of.identity, of.version, found.unit, at_us)
    key = (made.detector, made.onset_us)
    if made.phase == "end":
        of.begun.pop(key, None)
    else:
        of.begun[key] = msgspec.structs.replace(made, evidence={})
    return made


def _of_member(of: Listening, one: Forward, at_us: int) -> Detection:
    """Return a member's finding as it is told after all."""
    found = one.found
    return Detection(
        detector=found.rule,
        version=found.version,
        subject_id=found.member,
        phase=found.finding.phase,
        level=one.level,
        onset_us=found.finding.onset_us,
        at_us=found.finding.at_us,
        detected_at_us=at_us,
        title=found.finding.title,
        value=found.finding.value,
        threshold=found.finding.threshold,
        unit=found.unit,
        evidence={**found.finding.evidence, **one.evidence, "network": of.identity},
    )


def _ended(begun: Detection, at_us: int) -> Found:
    """Return the end of what a network had begun that is one no more."""
    finding = Finding(
        phase="end",
        level=begun.level,
        onset_us=begun.onset_us,
        at_us=at_us,
        title=begun.title,
        value=begun.value,
        threshold=begun.threshold,
        evidence={"why": "this network is not looked at any more"},
        rule=begun.detector,
    )
    return Found(finding=finding, unit=begun.unit)


def _revised(verdicts: list[Verdict]) -> list[FlaggedSamples]:
    """Return revisions of samples, those with the same tests together."""
    by_tests: dict[tuple[str, ...], list[tuple[Verdict, dict[str, int]]]] = {}
    for one in verdicts:
        flags = {**one.sample.flags}
        flags[TEST] = max(one.flag, known) if (known := flags.get(TEST, 0)) in (SUSPECT, FAIL) else one.flag
        by_tests.setdefault(tuple(flags), []).append((one, flags))
    return [_batch(list(tests), rows) for tests, rows in by_tests.items()]


def _batch(tests: list[str], rows: list[tuple[Verdict, dict[str, int]]]) -> FlaggedSamples:
    samples = [one.sample for one, _ in rows]
    names = list(dict.fromkeys(one.member for one in samples))
    place = {name: i for i, name in enumerate(names)}
    return FlaggedSamples(
        datastream_ids=names,
        series=np.array([place[one.member] for one in samples], np.int32),
        time_us=np.array([one.time_us for one in samples], np.int64),
        value=np.array([one.value for one in samples], np.float64),
        received_at_us=np.array([one.received_at_us for one in samples], np.int64),
        revision=np.array([NETWORK_REVISION + one.revision for one in samples], np.int32),
        tests=tests,
        flags=np.array([[flags[test] for test in tests] for _, flags in rows], np.uint8),
        flag=np.array([_overall(one) for one, _ in rows], np.uint8),
    )


def _overall(verdict: Verdict) -> int:
    """Return the sample's flag: the neighbours can make it worse, not better."""
    known = verdict.sample.flag
    if verdict.flag not in (SUSPECT, FAIL):
        return known
    return max(verdict.flag, known) if known in (SUSPECT, FAIL) else verdict.flag
