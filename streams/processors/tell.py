"""What detectors found, and samples of neighbours, in; tellings for the networks of their series out.

Members also tell their time: all that happened before has been told. So a network knows when it has heard
everybody, whatever the partition that a member is in. Nothing is told of a member that was never heard.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
import numpy as np

from sensors.detectors import LEVELS
from sensors.networks import find_network_kind, read_network
from streams import codec
from streams.deciders import LEVEL_ALONE, Deciders, of_network
from streams.network_definition import NetworkDefinition
from streams.network_records import Telling, Tellings, ToldSample
from streams.objects import Base, Objects
from streams.processor import Outputs
from streams.processors.snapshots import join, split
from streams.records import Changes, Detection, Detections, FlaggedSamples, Record
from streams.topics import DETECTIONS, FLAGGED_SAMPLES, REGISTRY, TELLINGS, Topic

NETWORK_REVISION = 100
"""Revisions from here on are of networks: the sample's own below are told to them."""


class _State(msgspec.Struct, array_like=True):
    now_us: int
    told_us: dict[str, int]
    heard: dict[str, list[str]]
    waiting: bytes


class Tell:
    """Implements `streams.processor.Processor`.

    Parameters
    ----------
    base
        What the configuration defines; of it the networks are followed.
    """

    name = "tell"
    reads: tuple[Topic, ...] = (FLAGGED_SAMPLES, DETECTIONS, REGISTRY)
    writes: tuple[Topic, ...] = (TELLINGS,)

    def __init__(self, base: Base) -> None:
        self._objects = Objects(base, ("network",))
        self._deciders = Deciders(self._objects)
        self._now_us = 0
        self._told_us: dict[str, int] = {}
        """Of each network the time that was told."""
        self._heard: dict[str, dict[str, None]] = {}
        """Of each network the members that were heard."""
        self._waiting: list[Telling] = []
        """Told when the time after them is known."""
        self._arrange()

    def on_batch(self, batch: Record) -> Outputs:
        """Take what is to be told; changes of networks hold for what comes behind."""
        if isinstance(batch, FlaggedSamples):
            self._hear(batch)
        elif isinstance(batch, Detections):
            for one in batch.detections:
                self._tell_finding(one)
        elif isinstance(batch, Changes):
            if self._objects.take(batch):
                self._deciders.renew()
                self._arrange()
        else:
            raise TypeError(f"{self.name} does not read {type(batch).__name__}")
        return []

    def on_time(self, now_us: int) -> Outputs:
        """Tell what waits, and the time."""
        self._now_us = max(self._now_us, now_us)
        return self._out(at_once=False)

    def on_end(self) -> Outputs:
        """Tell that nothing follows any more."""
        self._now_us += 1
        return self._out(at_once=True)

    def snapshot(self) -> Iterator[bytes]:
        """Return who was heard and what was told."""
        heard = {name: list(members) for name, members in self._heard.items()}
        waiting = codec.encode(Tellings(tellings=self._waiting))
        state = _State(self._now_us, self._told_us, heard, waiting)
        return split([self._objects.snapshot(), msgspec.msgpack.encode(state)])

    def restore(self, chunks: Iterable[bytes]) -> None:
        """Take back what `snapshot` gave."""
        for piece in join(chunks):
            if self._objects.restored(piece):
                self._deciders.renew()
                self._arrange()
                continue
            state = msgspec.msgpack.decode(piece, type=_State)
            waiting = codec.decode(state.waiting)
            self._now_us = state.now_us
            self._told_us = {name: at for name, at in state.told_us.items() if name in self._pace_us}
            self._heard = {
                name: dict.fromkeys(one for one in members if one in self._members[name])
                for name, members in state.heard.items()
                if name in self._members
            }
            self._waiting = waiting.tellings if isinstance(waiting, Tellings) else []

    def counts(self) -> dict[str, int]:
        """Changes that a newer program wrote."""
        return {"unreadable_changes": self._objects.unreadable}

    # --- what is told -----------------------------------------------------------------------------------

    def _hear(self, batch: FlaggedSamples) -> None:
        """Note which members speak, and take the samples that neighbours are to know."""
        if not len(batch) or not self._of_member:
            return
        for name in batch.datastream_ids:
            for network in self._of_member.get(name, ()):
                self._heard.setdefault(network, {})[name] = None
        now_us = np.maximum(np.maximum.accumulate(batch.received_at_us), self._now_us)
        self._now_us = int(now_us[-1])
        names = batch.datastream_ids
        compared = np.fromiter(map(self._compared.__contains__, names), np.bool_, len(names))
        in_order = (batch.revision >= 0) & (batch.revision < NETWORK_REVISION)
        for row in np.flatnonzero(compared[batch.series] & in_order).tolist():
            name = names[batch.series[row]]
            sample = ToldSample(
                time_us=int(batch.time_us[row]),
                value=float(batch.value[row]),
                received_at_us=int(batch.received_at_us[row]),
                revision=int(batch.revision[row]),
                flag=int(batch.flag[row]),
                flags=dict(zip(batch.tests, batch.flags[row].tolist(), strict=True)),
            )
            for network in self._compared[name]:
                one = Telling(network=network, members=[name], told_us=int(now_us[row]), sample=sample)
                self._waiting.append(one)

    def _tell_finding(self, detection: Detection) -> None:
        """Tell a detector's finding; what a network let go on is its own word, and not told again."""
        key = (detection.subject_id, detection.detector)
        decider = self._deciders.network(*key)
        if detection.historic or (decider and detection.part_of != of_network(decider)):
            return
        found_level = detection.evidence.get(LEVEL_ALONE)
        if found_level in LEVELS:
            detection = msgspec.structs.replace(detection, level=found_level)
        for network in self._listening.get(key, ()):
            self._heard.setdefault(network, {})[detection.subject_id] = None
            told_us = max(detection.detected_at_us, self._told_us.get(network, 0))
            one = Telling(network=network, members=[detection.subject_id], told_us=told_us, finding=detection)
            self._waiting.append(one)

    def _out(self, *, at_once: bool) -> Outputs:
        """Return what waits, in the order of time, and behind it the time of each network's members."""
        told, self._waiting = sorted(self._waiting, key=lambda one: one.told_us), []
        with_news = {one.network for one in told}
        for network, members in self._heard.items():
            pace_us = self._pace_us[network]
            is_now = at_once or network in with_news
            time_us = self._now_us if is_now else self._now_us // pace_us * pace_us
            if members and time_us > self._told_us.get(network, 0):
                self._told_us[network] = time_us
                told.append(Telling(network=network, members=list(members), told_us=time_us))
        return [Tellings(tellings=told)] if told else []

    def _arrange(self) -> None:
        """Look who is in which network."""
        self._pace_us: dict[str, int] = {}
        self._members: dict[str, frozenset[str]] = {}
        self._of_member: dict[str, list[str]] = {}
        self._compared: dict[str, list[str]] = {}
        """Networks that look at a member's samples."""
        self._listening: dict[tuple[str, str], list[str]] = {}
        """Networks that listen to a rule at a member."""
        for network, made in self._objects.all("network", NetworkDefinition):
            rules = read_network(made.kind, made.parameters).listens()
            self._pace_us[network] = round(find_network_kind(made.kind).pace_s * 1e6)
            self._members[network] = frozenset(made.members)
            for member in made.members:
                self._of_member.setdefault(member, []).append(network)
                for rule in rules:
                    self._listening.setdefault((member, rule), []).append(network)
                if not rules:
                    self._compared.setdefault(member, []).append(network)
        self._told_us = {name: at for name, at in self._told_us.items() if name in self._members}
        self._heard = {
            name: {one: None for one in members if one in self._members[name]}
            for name, members in self._heard.items()
            if name in self._members
        }
