"""Findings of a site's detectors, and people's reports, in; the site's own level, as one finding, out.

A site that puts its evidence together (`fusion` of a thing) has one alert, whose subject is the site: what
its detectors find of the families is part of it (`part_of`), and raises none by itself. Findings about the
instruments are in no family, and go their own way. What a network holds back comes when it lets it go.

A site that fails is counted, named and begins anew; all others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec

from sensors.detectors import Finding
from sensors.fusion import VERSION, Evidence, Fusion, Report
from streams.definitions import SightingDefinition, ThingDefinition
from streams.finding_records import detection_of
from streams.network_records import Decisions
from streams.objects import Base, Objects
from streams.processor import Outputs
from streams.processors.snapshots import join, split
from streams.records import Changes, Detection, Detections, Record, SampleBatch
from streams.topics import DETECTIONS, REGISTRY, SAMPLES, Topic, partition_of


class _State(msgspec.Struct, array_like=True):
    """Of one site; the piece without one tells the time."""

    now_us: int
    site: str = ""
    fusion: bytes = b""


class Fuse:
    """Implements `streams.processor.Processor`.

    Parameters
    ----------
    base
        What the configuration defines: things, and networks that look at findings before.
    """

    name = "fuse"
    reads: tuple[Topic, ...] = (DETECTIONS, SAMPLES, REGISTRY)
    writes: tuple[Topic, ...] = (DETECTIONS,)

    def __init__(self, base: Base) -> None:
        self._objects = Objects(base, ("thing", "sighting"))
        self.partition: int | None = None
        self._sites: dict[str, Fusion] = {}
        """Those at which there is, or was, anything."""
        self._now_us = 0
        self.failures: dict[str, int] = {}
        """Errors, by site."""
        self.last_failure = ""

    def on_batch(self, batch: Record) -> Outputs:
        """Take findings, and changes of sites and reports."""
        if isinstance(batch, SampleBatch):
            return []
        if isinstance(batch, Changes):
            return _told(self._change(batch))
        if not isinstance(batch, Detections | Decisions):
            raise TypeError(f"{self.name} does not read {type(batch).__name__}")
        found: list[Detection] = []
        for one in batch.detections:
            kind, _, name = one.part_of.partition("/")
            if kind == "thing" and not one.historic and self._fusion_of(name) is not None:
                found += self._take(name, one)
        return _told(found)

    def on_time(self, now_us: int) -> Outputs:
        """Let levels fall, and reports begin and end."""
        self._now_us = max(self._now_us, now_us)
        found: list[Detection] = []
        for name, fusion in list(self._sites.items()):
            due_us = fusion.due_us()
            if due_us is not None and due_us <= self._now_us:
                found += self._guarded(name, lambda one=fusion: one.advance(self._now_us))  # type: ignore[misc]
        self._objects.forget_over(now_us)
        return _told(found)

    def on_end(self) -> Outputs:
        """What goes on stays open: the end of the input is not its end."""
        return []

    def snapshot(self) -> Iterator[bytes]:
        """Return what is known of all sites."""
        states = [_State(self._now_us, name, one.snapshot()) for name, one in self._sites.items()]
        pieces = (msgspec.msgpack.encode(one) for one in (_State(self._now_us), *states))
        return split([self._objects.snapshot(), *pieces])

    def restore(self, chunks: Iterable[bytes]) -> None:
        """Take back what `snapshot` gave; sites that are gone are dropped."""
        for piece in join(chunks):
            if self._objects.restored(piece):
                continue
            state = msgspec.msgpack.decode(piece, type=_State)
            self._now_us = state.now_us
            if not state.site or self._fusion_of(state.site) is None:
                continue
            fusion = self._fresh(state.site)
            try:
                fusion.restore(state.fusion)
            except msgspec.MsgspecError as error:  # written by another version
                self._count_failure(state.site, error)
            self._sites[state.site] = fusion

    def counts(self) -> dict[str, int]:
        """Sites that began anew; evidence that was too much."""
        return {
            "fusion_failures": sum(self.failures.copy().values()),
            "forgotten_evidence": sum(one.forgotten for one in list(self._sites.values())),
            "unreadable_changes": self._objects.unreadable,
        }

    # --- findings ---------------------------------------------------------------------------------------

    def _take(self, name: str, detection: Detection) -> list[Detection]:
        fusion = self._site(name)
        family = fusion.parameters.family(detection.detector)
        if not family:
            return []
        evidence = Evidence(
            subject_id=detection.subject_id,
            rule=detection.detector,
            level=detection.level,
            onset_us=detection.onset_us,
            at_us=detection.at_us,
            title=detection.title,
            value=detection.value,
            threshold=detection.threshold,
            unit=detection.unit,
            told_us=detection.detected_at_us,
            is_over=detection.phase == "end",
        )
        return self._guarded(name, lambda: fusion.take(evidence, family))

    # --- sites and people -------------------------------------------------------------------------------

    def _change(self, changes: Changes) -> list[Detection]:
        found: list[Detection] = []
        for change in changes.changes:
            self._now_us = max(self._now_us, change.at_us)
            before = self._objects.find("sighting", change.id, SightingDefinition)
            if not self._objects.take(Changes(changes=[change])):
                continue
            if change.kind == "thing":
                found += self._renew(change.id)
            else:
                after = self._objects.find("sighting", change.id, SightingDefinition)
                for name in dict.fromkeys(one.site for one in (before, after) if one is not None):
                    found += self._hear(name)
        return found

    def _hear(self, name: str) -> list[Detection]:
        """Let people's reports of a site count as they are now."""
        if self._fusion_of(name) is None:
            return []
        fusion, reports = self._site(name), []
        for identity, made in self._objects.all("sighting", SightingDefinition):
            change = self._objects.change(("sighting", identity))
            if made.site == name and change is not None:
                reports.append(
                    Report(
                        identity=identity,
                        by=change.by,
                        level=made.level,
                        text=made.text,
                        begin_us=max(made.begin_us, change.at_us),
                        end_us=made.end_us,
                    )
                )
        return self._guarded(name, lambda: fusion.hear(reports, self._now_us))

    def _renew(self, name: str) -> list[Detection]:
        """Let a site be as it is defined now."""
        fusion, thing = self._sites.get(name), self._fusion_of(name)
        if thing is None or thing.fusion is None:
            if fusion is None:
                return []
            del self._sites[name]
            why = "its evidence is not put together any more"
            return self._guarded(name, lambda: fusion.end(self._now_us, why))
        if fusion is None:
            return self._hear(name)
        parameters, words = thing.fusion, thing.name or name
        return self._guarded(name, lambda: fusion.renew(parameters, words, self._now_us))

    def _fusion_of(self, name: str) -> ThingDefinition | None:
        """Return a site that puts evidence together here; one of another partition does it there."""
        if self.partition is not None and partition_of(name, SAMPLES) != self.partition:
            return None
        thing = self._objects.find("thing", name, ThingDefinition)
        return None if thing is None or thing.fusion is None else thing

    def _site(self, name: str) -> Fusion:
        fusion = self._sites.get(name)
        if fusion is None:
            fusion = self._sites[name] = self._fresh(name)
        return fusion

    def _fresh(self, name: str) -> Fusion:
        thing = self._objects.find("thing", name, ThingDefinition)
        assert thing is not None
        assert thing.fusion is not None
        return Fusion(thing.fusion, thing.name or name)

    def _guarded(self, name: str, work: Callable[[], list[Finding]]) -> list[Detection]:
        try:
            return [detection_of(one, name, VERSION, "families", one.at_us) for one in work()]
        except Exception as error:  # noqa: BLE001 - one site's fault is no other's
            self._count_failure(name, error)
            self._sites.pop(name, None)
            return []

    def _count_failure(self, name: str, error: Exception) -> None:
        self.failures[name] = self.failures.get(name, 0) + 1
        self.last_failure = f"{name}: {type(error).__name__}: {error}"[:300]


def _told(found: list[Detection]) -> Outputs:
    return [Detections(detections=found)] if found else []
