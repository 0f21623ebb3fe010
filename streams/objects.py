"""What is in force: the configuration with what commands changed lying over it.

The configuration is the base, and is never written down here; the changes are. An older change never
overwrites a newer one, so that they may come in any order and any number of times.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

import msgspec

from sensors.detectors import detector_names, inputs_of
from sensors.model import Datastream, ObservedProperty
from streams.catalogue import PropertyDefinition
from streams.definition import Definition
from streams.definitions import (
    DAY_US,
    DatastreamDefinition,
    RuleDefinition,
    SightingDefinition,
    SilenceDefinition,
    definition,
)
from streams.records import Change, Changes, ObjectKind

Key = tuple[ObjectKind, str]
Base = Mapping[Key, Definition]
D = TypeVar("D", bound=Definition)

_MARK = b"changes:"
_ENDING: tuple[ObjectKind, ...] = ("silence", "sighting")
REMEMBERED_US = DAY_US
"""A silence or a sighting that is over is forgotten after so long."""


class Objects:
    """All objects of some kinds.

    Parameters
    ----------
    base
        What the configuration defines.
    kinds
        Those that are followed; changes of others are passed over.
    """

    def __init__(self, base: Base, kinds: Iterable[ObjectKind]) -> None:
        self._kinds = frozenset(kinds)
        self._base = {key: made for key, made in base.items() if key[0] in self._kinds}
        self.unreadable = 0
        """Changes that were passed over, since a newer program wrote them."""
        self._named = self._configured()
        """Ids of a kind, those of the configuration first."""
        self._changes: dict[Key, Change] = {}
        self._made: dict[Key, Definition] = {}
        """Of the changes that define something."""

    def take(self, changes: Changes, *, again: bool = False) -> list[Key]:
        """Take changes; return what they are about, of those that are newer than what was known.

        Parameters
        ----------
        again
            One of the same version replaces what is known, too.
        """
        taken: dict[Key, None] = {}
        for change in changes.changes:
            before = self._changes.get(change.key)
            if change.kind not in self._kinds:
                continue
            if before is not None and change.version < before.version + (not again):
                continue
            try:
                made = None if change.after is None else definition(change.kind, change.after)
            except ValueError:  # of a newer program: what was before it holds on
                self.unreadable += 1
                continue
            self._changes[change.key] = change
            self._named[change.kind][change.id] = None
            self._made.pop(change.key, None)
            if made is not None:
                self._made[change.key] = made
            taken[change.key] = None
        return list(taken)

    def get(self, kind: ObjectKind, identity: str) -> Definition | None:
        """Return what an object is now; None: there is none."""
        key = (kind, identity)
        change = self._changes.get(key)
        if change is None or change.verb == "revert":
            return self._base.get(key)
        return self._made.get(key)

    def find(self, kind: ObjectKind, identity: str, type_: type[D]) -> D | None:
        """Return what an object is now, if it is of this type."""
        made = self.get(kind, identity)
        return made if isinstance(made, type_) else None

    def base(self, key: Key) -> Definition | None:
        """Return what the configuration says."""
        return self._base.get(key)

    def change(self, key: Key) -> Change | None:
        """Return the newest change of an object."""
        return self._changes.get(key)

    def all(self, kind: ObjectKind, type_: type[D]) -> Iterator[tuple[str, D]]:
        """Yield the objects of a kind, those of the configuration first."""
        for identity in self._named.get(kind, ()):
            if (made := self.find(kind, identity, type_)) is not None:
                yield identity, made

    @property
    def standing(self) -> Changes:
        """The newest change of each object, the oldest first."""
        return Changes(changes=sorted(self._changes.values(), key=lambda change: change.version))

    def knows(self, kind: ObjectKind) -> bool:
        """Return whether there is, or was, any object of a kind."""
        return bool(self._named.get(kind))

    def count(self, kind: ObjectKind) -> int:
        """Return how many objects of a kind were changed."""
        return sum((kind, identity) in self._changes for identity in self._named[kind])

    def forget_over(self, now_us: int) -> None:
        """Forget silences and sightings that are long over."""
        ending = [self._changes[kind, one] for kind in _ENDING for one in self._named.get(kind, ())]
        for change in ending:
            made = self.get(*change.key)
            end_us = made.end_us if isinstance(made, SilenceDefinition | SightingDefinition) else change.at_us
            if end_us + REMEMBERED_US < now_us:
                del self._changes[change.key], self._named[change.kind][change.id]
                self._made.pop(change.key, None)

    def snapshot(self) -> bytes:
        """Return the changes as a piece of a snapshot."""
        return _MARK + msgspec.msgpack.encode(self.standing)

    def restored(self, piece: bytes) -> bool:
        """Take back what `snapshot` gave; False: the piece is something else."""
        if not piece.startswith(_MARK):
            return False
        self._changes.clear()
        self._made.clear()
        self._named = self._configured()
        self.take(msgspec.msgpack.decode(piece[len(_MARK) :], type=Changes))
        return True

    def _configured(self) -> dict[ObjectKind, dict[str, None]]:
        named: dict[ObjectKind, dict[str, None]] = {kind: {} for kind in self._kinds}
        for kind, identity in self._base:
            named[kind][identity] = None
        return named


def sensors_base(datastreams: Iterable[Datastream]) -> dict[Key, Definition]:
    """Return the base of what a registry defines."""
    return {("datastream", one.id): DatastreamDefinition.of(one) for one in datastreams}


def catalogue_base(properties: Iterable[ObservedProperty]) -> dict[Key, Definition]:
    """Return the base of what a catalogue defines."""
    return {("property", one.id): PropertyDefinition.of(one) for one in properties}


def observed_property(objects: Objects, identity: str) -> ObservedProperty | None:
    """Return an entry of the catalogue as it is now; None: there is none."""
    found = objects.find("property", identity, PropertyDefinition)
    return None if found is None else found.observed(identity)


def watched(objects: Objects, identity: str) -> Datastream | None:
    """Return a datastream with the rules over it; None: there is none that is judged."""
    found = objects.find("datastream", identity, DatastreamDefinition)
    if found is None or found.paused:
        return None
    return with_rules(objects, found.datastream(identity))


def with_rules(objects: Objects, datastream: Datastream) -> Datastream:
    """Return a datastream whose detectors are as rules have them."""
    if not objects.knows("rule"):
        return datastream
    detectors = dict(datastream.detectors)
    for name in detector_names():
        rule = objects.find("rule", f"{datastream.id}/{name}", RuleDefinition)
        if rule is not None and rule.off:
            detectors.pop(name, None)
        elif rule is not None:
            detectors[name] = rule.parameters
    return msgspec.structs.replace(datastream, detectors=detectors)


def check_inputs(objects: Objects, datastream: Datastream, detector: str, parameters: Any) -> None:
    """Refuse a detector of which a further input is not measured at the same thing.

    `parameters` are what `read_parameters` gave.

    Raises
    ------
    ValueError
        The message says which.
    """
    thing = datastream.thing_id
    for name in inputs_of(detector, parameters):
        known = objects.find("datastream", name, DatastreamDefinition)
        if known is None or known.thing != thing or name == datastream.id:
            what = "its own series" if name == datastream.id else f"no datastream of thing {thing}"
            raise ValueError(
                f"detector {detector} of {datastream.name}: the input {name!r} is {what}; "
                f"name another datastream of {thing}"
            )
