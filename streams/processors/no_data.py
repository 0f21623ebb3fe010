"""Series that fell silent in; findings `no_data` out, one of a gateway for all behind it.

A series behind a gateway that falls silent waits until its peers have had time to fall silent, too: all that
are not much slower. If they do, the gateway is it. What is found is about the equipment, never a hazard: a
rule of its own, with the level that the configuration says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from sensors.detectors import LEVELS, Level, Phase
from sensors.model import Datastream, ObservedProperty
from streams.call_records import Presences, Resumed, SeriesPresence
from streams.definitions import DatastreamDefinition
from streams.objects import Objects, catalogue_base, sensors_base
from streams.processor import Outputs
from streams.processors.presence import within_s
from streams.processors.snapshots import join, split
from streams.records import Changes, Detection, Detections, Record
from streams.topics import DETECTIONS, PRESENCES, REGISTRY, Topic

RULE = "no_data"
SLOWER = 4.0
"""Who may be silent for so many times longer is not waited for."""
SLACK_S = 10.0
"""Silences of one gateway are told by several partitions."""
_SHOWN = 50
"""Of the series of a gateway, in the evidence."""


class _Silent(msgspec.Struct):
    """A series that says nothing."""

    presence: SeriesPresence
    decide_us: int | None = None
    """Until when its gateway is waited for; None: it is told, or its gateway is."""
    told: Detection | None = None


class _State(msgspec.Struct):
    now_us: int
    silent: list[_Silent]
    gateways: dict[str, Detection]


class NoData:
    """Implements `streams.processor.Processor`.

    Parameters
    ----------
    properties
        The catalogue, for periods.
    datastreams
        Of the registry: which series are behind a gateway.
    """

    name = "no_data"
    reads: tuple[Topic, ...] = (PRESENCES, REGISTRY)
    writes: tuple[Topic, ...] = (DETECTIONS,)

    def __init__(self, properties: Iterable[ObservedProperty], datastreams: Iterable[Datastream]) -> None:
        base = catalogue_base(properties) | sensors_base(datastreams)
        self._objects = Objects(base, ("datastream", "property"))
        self._members: dict[str, dict[str, float]] = {}
        """Of each gateway: within how many seconds each series is to be heard."""
        self._now_us = 0
        self._silent: dict[str, _Silent] = {}
        self._gateways: dict[str, Detection] = {}
        """What was told of those that are silent."""
        self._arrange()

    def on_batch(self, batch: Record) -> Outputs:
        """Take who fell silent or speaks again, and changes of series."""
        found: list[Detection] = []
        if isinstance(batch, Presences):
            for one in batch.presences:
                found += self._reach(one.at_us)
                found += self._fall_silent(one) if one.is_silent else self._speak(one)
        elif isinstance(batch, Changes):
            if self._objects.take(batch):
                self._arrange()
                found += self._let_go(max(change.at_us for change in batch.changes))
        elif not isinstance(batch, Resumed):
            raise TypeError(f"{self.name} does not read {type(batch).__name__}")
        return _told(found)

    def on_time(self, now_us: int) -> Outputs:
        """Tell of those whose gateway was waited for and speaks."""
        return _told(self._reach(now_us))

    def on_end(self) -> Outputs:
        """What waits goes on waiting."""
        return []

    def snapshot(self) -> Iterator[bytes]:
        """Return who is silent."""
        state = _State(self._now_us, list(self._silent.values()), self._gateways)
        return split([self._objects.snapshot(), msgspec.msgpack.encode(state)])

    def restore(self, chunks: Iterable[bytes]) -> None:
        """Take back what `snapshot` gave."""
        for piece in join(chunks):
            if self._objects.restored(piece):
                self._arrange()
                continue
            state = msgspec.msgpack.decode(piece, type=_State)
            self._now_us, self._gateways = state.now_us, state.gateways
            self._silent = {one.presence.datastream_id: one for one in state.silent}

    def counts(self) -> dict[str, int]:
        """Newer changes."""
        return {"unreadable_changes": self._objects.unreadable}

    def _fall_silent(self, presence: SeriesPresence) -> list[Detection]:
        if presence.datastream_id in self._silent:
            return []
        silent = self._silent[presence.datastream_id] = _Silent(presence)
        gateway, peers = presence.gateway, self._peers(presence)
        if gateway in self._gateways:
            return []
        if len(peers) < 2:
            return [self._tell(silent, presence.at_us)]
        silent.decide_us = presence.at_us + round((max(peers.values()) + SLACK_S) * 1e6)
        return self._look_at_gateway(gateway, presence.at_us)

    def _speak(self, presence: SeriesPresence) -> list[Detection]:
        silent = self._silent.pop(presence.datastream_id, None)
        found = []
        if silent is not None and silent.told is not None:
            found.append(_ended(silent.told, presence.at_us, f"{presence.name} speaks again"))
        is_there = presence.datastream_id in self._members.get(presence.gateway, ())  # else it was let go of
        gateway = self._gateways.pop(presence.gateway, None) if is_there else None
        if gateway is not None:
            found.append(_ended(gateway, presence.at_us, f"{presence.name} speaks again"))
            for one in self._silent.values():  # they have time to follow
                if one.presence.gateway == presence.gateway and one.told is None:
                    wait_s = max(self._peers(one.presence).values(), default=0.0) + SLACK_S
                    one.decide_us = presence.at_us + round(wait_s * 1e6)
        return found

    def _let_go(self, at_us: int) -> list[Detection]:
        """End what was told of gateways behind which nobody is expected any more."""
        gone = [gateway for gateway in self._gateways if gateway not in self._members]
        why = "nobody is expected behind it any more"
        return [_ended(self._gateways.pop(gateway), at_us, why) for gateway in gone]

    def _reach(self, now_us: int) -> list[Detection]:
        """Let time go on; return what is found until then."""
        if now_us <= self._now_us:
            return []
        self._now_us = now_us
        due = sorted(
            (one.decide_us, name)
            for name, one in self._silent.items()
            if one.decide_us is not None and one.decide_us <= now_us
        )
        return [self._tell(self._silent[name], decide_us) for decide_us, name in due]

    def _look_at_gateway(self, gateway: str, at_us: int) -> list[Detection]:
        """Tell of a gateway when one of its series, and all peers of that one, say nothing."""
        members = self._members[gateway]
        silent = [self._silent[one] for one in sorted(members) if one in self._silent]
        spoken = [within_s for one, within_s in members.items() if one not in self._silent]
        fastest_s = min(spoken, default=float("inf"))
        waiting = [one.presence.within_s for one in silent if one.decide_us is not None]
        # whose peers are all silent: nobody who speaks is as fast as that
        if len(silent) < 2 or not any(within_s * SLOWER < fastest_s for within_s in waiting):
            return []
        for one in silent:
            one.decide_us = None
        presences = [one.presence for one in silent]
        level = max((one.level for one in presences), key=LEVELS.index)
        newest = max(presences, key=lambda one: (one.heard_us, one.datastream_id))
        names = [one.name for one in presences]
        title = f"No data from gateway {gateway}: {len(names)} series say nothing"
        made = _detection(gateway, level, newest, at_us, title, {"series": names[:_SHOWN], "n": len(names)})
        self._gateways[gateway] = made
        return [made]

    def _tell(self, silent: _Silent, at_us: int) -> Detection:
        one = silent.presence
        silent.decide_us = None
        title = f"No data from {one.name} for more than {one.within_s:g} s"
        silent.told = _detection(one.datastream_id, one.level, one, at_us, title, {"gateway": one.gateway})
        return silent.told

    def _peers(self, presence: SeriesPresence) -> dict[str, float]:
        """Return those behind the same gateway that are not much slower, and their times."""
        limit_s = SLOWER * presence.within_s
        members = self._members.get(presence.gateway, {})
        return {one: time_s for one, time_s in members.items() if time_s <= limit_s}

    def _arrange(self) -> None:
        self._members = {}
        for identity, made in self._objects.all("datastream", DatastreamDefinition):
            promise = made.promise
            if promise is not None and promise.gateway and not made.paused:
                time_s = within_s(made, promise, self._objects)
                self._members.setdefault(promise.gateway, {})[identity] = time_s


def _detection(
    subject_id: str, level: Level, one: SeriesPresence, at_us: int, title: str, evidence: dict[str, object]
) -> Detection:
    return Detection(
        detector=RULE,
        version="1",
        subject_id=subject_id,
        phase="begin",
        level=level,
        onset_us=one.heard_us,
        at_us=one.at_us,
        detected_at_us=at_us,
        title=title,
        value=(at_us - one.heard_us) * 1e-6,
        threshold=one.within_s,
        unit="s",
        evidence={"heard_us": one.heard_us, "within_s": one.within_s, **evidence},
    )


def _ended(begun: Detection, at_us: int, why: str) -> Detection:
    end: Phase = "end"
    return msgspec.structs.replace(
        begun, phase=end, at_us=at_us, detected_at_us=max(at_us, begun.detected_at_us), evidence={"why": why}
    )


def _told(found: list[Detection]) -> Outputs:
    return [Detections(detections=found)] if found else []
