"""Commands in; what they change, and answers, out.

Stations, sensors, rules, silences and accounts are changed by commands whose kind is a verb and whose target
is `kind/id`. What was changed lies over the configuration until it is changed again or reverted; versions
count up over all changes, so that an older one never overwrites a newer one, whoever gets them when.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, get_args

import msgspec

from sensors.detectors import Subject, inputs_of, read_parameters
from sensors.model import Datastream, ObservedProperty
from sensors.quality_tests import quality_tests
from streams.access_definitions import TokenDefinition
from streams.alerts import NAME_LIMIT
from streams.catalogue import PropertyDefinition, SensorDefinition
from streams.definition import Definition
from streams.definitions import (
    KINDS,
    AccountDefinition,
    DatastreamDefinition,
    RuleDefinition,
    SightingDefinition,
    StationDefinition,
    ThingDefinition,
    check_id,
    check_name,
    check_push,
    definition,
    values_of,
)
from streams.network_definition import NetworkDefinition
from streams.objects import (
    Base,
    Key,
    Objects,
    catalogue_base,
    check_inputs,
    observed_property,
    with_rules,
)
from streams.partitions import named_site
from streams.passwords import hashed, is_password
from streams.processor import Outputs
from streams.processors.snapshots import join, split
from streams.records import (
    Change,
    Changes,
    ChangeVerb,
    Command,
    CommandOutcome,
    CommandOutcomes,
    Commands,
    ObjectKind,
    Record,
)
from streams.station_sources import SourceDefinition, with_changed
from streams.topics import COMMAND_OUTCOMES, COMMANDS, REGISTRY, Topic

MOST_OBJECTS = 20_000
"""Of a kind that commands may have changed."""
MOST_NAMED = 100
"""In one sentence."""
VERBS: tuple[ChangeVerb, ...] = get_args(ChangeVerb)
_BESIDE = "rehearse"
"""What whoever was asked does by themselves: it is written down, and changes nothing here."""
_NOTED = "It is written down; the server that was asked does it."
_DONE = {"put": "as it was asked for", "patch": "changed", "delete": "deleted", "revert": "as configured"}


class _Refusal(Exception):  # noqa: N818 - not a fault of the program
    """One sentence that says why, and what to do."""


class Control:
    """Implements `streams.processor.Processor`.

    Parameters
    ----------
    base
        What the configuration defines.
    properties
        The catalogue.
    """

    name = "control"
    reads: tuple[Topic, ...] = (COMMANDS, REGISTRY)
    writes: tuple[Topic, ...] = (REGISTRY, COMMAND_OUTCOMES)

    def __init__(self, base: Base, properties: Iterable[ObservedProperty]) -> None:
        self._objects = Objects({**catalogue_base(properties), **base}, KINDS)
        self._version = 0
        self._refused = 0

    @property
    def standing(self) -> Changes:
        """The newest change of each object."""
        return self._objects.standing

    def on_batch(self, batch: Record) -> Outputs:
        """Take commands; those about alerts are answered elsewhere. Changes are what was said before."""
        if isinstance(batch, Changes):
            self._objects.take(batch, again=True)
            self._version = max([self._version, *(change.version for change in batch.changes)])
            return []
        if not isinstance(batch, Commands):
            raise TypeError(f"{self.name} does not read {type(batch).__name__}")
        changes: list[Change] = []
        outcomes: list[CommandOutcome] = []
        for command in batch.commands:
            if command.kind == _BESIDE:
                outcomes.append(CommandOutcome(id=command.id, ok=True, message=_NOTED))
            if command.kind not in VERBS:
                continue
            try:
                change, text = self._changed(command, command.kind)
            except _Refusal as refusal:
                self._refused += 1
                outcomes.append(CommandOutcome(id=command.id, ok=False, message=str(refusal)))
                continue
            if change is not None:
                self._objects.take(Changes(changes=[change]))
                self._version = change.version
                changes.append(change)
            outcomes.append(CommandOutcome(id=command.id, ok=True, message=text))
        outputs: list[Record] = [Changes(changes=changes)] if changes else []
        if outcomes:
            outputs.append(CommandOutcomes(outcomes=outcomes))
        return outputs

    def on_time(self, now_us: int) -> Outputs:
        """Forget silences and sightings that are long over."""
        self._objects.forget_over(now_us)
        return []

    def on_end(self) -> Outputs:
        """What was changed stays changed."""
        return []

    def snapshot(self) -> Iterator[bytes]:
        """Return what was changed."""
        return split([self._version.to_bytes(8, "little"), self._objects.snapshot()])

    def restore(self, chunks: Iterable[bytes]) -> None:
        """Take back what `snapshot` gave."""
        version, piece = join(chunks)
        self._version = int.from_bytes(version, "little")
        self._objects.restored(piece)

    def counts(self) -> dict[str, int]:
        """Commands that were refused."""
        return {"refused_commands": self._refused}

    # --- one command ----------------------------------------------------------------------------------

    def _changed(self, command: Command, verb: ChangeVerb) -> tuple[Change | None, str]:
        """Return what a command makes of an object; None: it is so already."""
        by, key = command.by.strip(), _key_of(command.target)
        if not by or len(by) > NAME_LIMIT:
            raise _Refusal(
                f"A change needs a name: say in `by` who makes it, in at most {NAME_LIMIT} characters."
            )
        name = f"{key[0].capitalize()} {key[1]}"
        standing = self._objects.change(key)
        if standing is not None and standing.command_id == command.id:
            return None, f"{name} was {_DONE[verb]} before."
        if standing is not None and command.at_us < standing.at_us:
            raise _Refusal(f"{name} was changed by {standing.by} meanwhile: look at it and ask again.")
        if standing is None and self._objects.count(key[0]) >= MOST_OBJECTS:
            raise _Refusal(
                f"More than {MOST_OBJECTS} objects of kind {key[0]} were changed: "
                "write some into the configuration and revert their changes."
            )
        before = self._objects.get(*key)
        try:
            after = self._after(command, verb, key, before)
        except ValueError as error:
            raise _Refusal(f"{name} cannot be changed so: {error}.") from error
        if after == before and (verb != "revert" or standing is None or standing.verb == "revert"):
            return None, f"{name} is {_DONE[verb]} already."
        change = Change(
            kind=key[0],
            id=key[1],
            version=self._version + 1,
            verb=verb,
            before=None if before is None else values_of(before),
            after=None if after is None else values_of(after),
            by=by,
            at_us=command.at_us,
            command_id=command.id,
        )
        return change, f"{name} is {_DONE[verb]}."

    def _after(
        self, command: Command, verb: ChangeVerb, key: Key, before: Definition | None
    ) -> Definition | None:
        if verb == "revert":
            if self._objects.base(key) is None:
                raise ValueError("the configuration does not have it; delete it instead")
            return self._reverted(key)
        if before is None and verb != "put":
            raise ValueError(f"there is no such {key[0]}; look up those there are")
        if verb == "delete":
            self._check_unused(key)
            return None
        values: Mapping[str, Any] = command.arguments
        if verb == "patch" and before is not None:
            for name in ("password", "push_password"):
                if name in values:
                    values = {f"{name}_hash": "", **values}
            values = _patched(values_of(before), values)
        check_id(*key)
        after = definition(key[0], values)
        if isinstance(after, AccountDefinition) and after.password:
            kept = after.password_hash or hashed(after.password, command.id)
            after = msgspec.structs.replace(after, password="", password_hash=kept)
        if isinstance(after, StationDefinition):
            check_name(after.name)
            check_push(after)
            after = _with_hashes(after, before, command.id)
        if isinstance(after, PropertyDefinition):
            self._check_property(key[1], after)
        if isinstance(after, DatastreamDefinition):
            return self._checked_datastream(key[1], after, before)
        if isinstance(after, RuleDefinition):
            self._check_rule(key[1], after)
        if isinstance(after, NetworkDefinition):
            for member in after.members:
                if self._objects.find("datastream", member, DatastreamDefinition) is None:
                    raise ValueError(f"there is no datastream {member!r}; look up those there are")
        if isinstance(after, TokenDefinition) and after.owner:
            owner = self._objects.find("account", after.owner, AccountDefinition)
            if owner is None or not owner.roles:
                raise ValueError(f"there is no account {after.owner!r} with a role; give it one first")
        if isinstance(after, SightingDefinition):
            site = self._objects.find("thing", after.site, ThingDefinition)
            if site is None or site.fusion is None:
                raise ValueError(f"thing {after.site!r} puts no evidence together; give it `fusion` first")
        return after

    def _reverted(self, key: Key) -> Definition | None:
        """Return what the configuration says, where it fits what is in force besides."""
        after = self._objects.base(key)
        if isinstance(after, PropertyDefinition):
            self._check_property(key[1], after)
        if isinstance(after, DatastreamDefinition):
            observed = observed_property(self._objects, after.property)
            if observed is not None:  # one of the catalogue is never deleted
                quality_tests(observed, after.datastream(key[1]))
        return after

    def _check_property(self, identity: str, after: PropertyDefinition) -> None:
        """Refuse a property with which its own tests make no sense, or those of a series that has it."""
        observed = after.observed(identity)
        quality_tests(observed)
        for name, one in self._objects.all("datastream", DatastreamDefinition):
            if one.property == identity:
                quality_tests(observed, one.datastream(name))

    def _check_unused(self, key: Key) -> None:
        if key[0] == "property" and self._objects.base(key) is not None:
            raise ValueError("it is of the catalogue that comes with the program; revert it instead")
        if key[0] in {"property", "sensor"}:
            for name, one in self._objects.all("datastream", DatastreamDefinition):
                if key[1] == (one.property if key[0] == "property" else one.sensor_id):
                    raise ValueError(f"datastream {name} has it; change or delete that first")
        if key[0] == "thing":
            for name, one in self._objects.all("datastream", DatastreamDefinition):
                if one.thing == key[1]:
                    raise ValueError(f"datastream {name} belongs to it; delete its datastreams first")
        if key[0] == "datastream":
            self._check_feeds_none(key[1])
            for name, network in self._objects.all("network", NetworkDefinition):
                if key[1] in network.members:
                    raise ValueError(f"network {name} has it as a member; change that network first")

    def _check_feeds_none(self, identity: str) -> None:
        deleted = self._objects.find("datastream", identity, DatastreamDefinition)
        for name, one in self._objects.all("datastream", DatastreamDefinition):
            if deleted is None or one.thing != deleted.thing or name == identity:
                continue
            user = with_rules(self._objects, one.datastream(name))
            for detector, parameters in user.detectors.items():
                read = read_parameters(detector, parameters, Subject(user.name, user.unit))
                if identity in inputs_of(detector, read):
                    raise ValueError(f"detector {detector} of {name} needs it; change that detector first")

    def _check_rule(self, identity: str, after: RuleDefinition) -> None:
        of, _, detector = identity.rpartition("/")
        datastream = self._objects.find("datastream", of, DatastreamDefinition)
        if datastream is None:
            raise ValueError(f"there is no datastream {of!r}; look up those there are")
        self._check_detector(datastream.datastream(of), detector, after.parameters)

    def _check_detector(self, of: Datastream, detector: str, parameters: Mapping[str, Any]) -> None:
        check_inputs(
            self._objects, of, detector, read_parameters(detector, parameters, Subject(of.name, of.unit))
        )

    def _checked_datastream(
        self, identity: str, after: DatastreamDefinition, before: Definition | None
    ) -> DatastreamDefinition:
        """Return it with name and unit, where it makes sense."""
        observed = observed_property(self._objects, after.property)
        if observed is None:
            every = sorted(name for name, _ in self._objects.all("property", PropertyDefinition))
            known = ", ".join(every[:MOST_NAMED])
            raise ValueError(f"the catalogue has no property {after.property!r}; it has {known}")
        thing = self._objects.find("thing", after.thing, ThingDefinition)
        if thing is None:
            raise ValueError(f"there is no thing {after.thing!r}; add it first")
        known_as = self._objects.base(("datastream", identity)) or before
        if isinstance(known_as, DatastreamDefinition):
            if known_as.thing != after.thing:  # its samples go to the partition of its thing
                raise ValueError("a datastream stays at its thing; delete it and add another")
        elif named_site(identity) != after.thing:  # all that is measured at a site meets in one partition
            raise ValueError(
                "the id of a new datastream begins with its thing and a dot, and has no other behind: "
                f"{after.thing}.{after.property}"
            )
        if after.sensor_id and self._objects.find("sensor", after.sensor_id, SensorDefinition) is None:
            raise ValueError(f"there is no sensor {after.sensor_id!r}; add it first")
        named = after.name or f"{thing.name or after.thing} {after.property.replace('_', ' ')}"
        after = msgspec.structs.replace(after, name=named, unit=after.unit or observed.unit)
        for partner in sorted(quality_tests(observed, after.datastream(identity)).partners()):
            other = self._objects.find("datastream", partner, DatastreamDefinition)
            if other is None or other.thing != after.thing:
                raise ValueError(f"a test looks at {partner!r}; name a datastream of {after.thing}")
        for name, parameters in after.detectors.items():
            self._check_detector(after.datastream(identity), name, parameters)
        return after


def _patched(before: dict[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values with some changed; `sources` as a table changes those that it names."""
    changed = values.get("sources")
    if not isinstance(changed, Mapping):
        return {**before, **values}
    rest = {name: value for name, value in values.items() if name != "sources"}
    return with_changed({**before, **rest}, changed)


def _with_hashes(after: StationDefinition, before: Definition | None, salt: str) -> StationDefinition:
    """Return a station whose passwords are hashes; one that stays the same keeps its hash."""
    known = {}
    if isinstance(before, StationDefinition):
        known = {one.name: one.push_password_hash for one in before.every_source()}

    def kept(one: SourceDefinition) -> str:
        hash_ = known.get(one.name, "")
        if hash_ and is_password(one.push_password, hash_):
            return hash_
        return one.push_password_hash or hashed(one.push_password, f"{salt}{one.name}")

    listed = [
        msgspec.structs.replace(one, push_password="", push_password_hash=kept(one))
        if one.push_password
        else one
        for one in after.sources
    ]
    after = msgspec.structs.replace(after, sources=listed)
    if not after.push_password:
        return after
    (main, *_) = after.every_source()
    return msgspec.structs.replace(after, push_password="", push_password_hash=kept(main))


def _key_of(target: str) -> tuple[ObjectKind, str]:
    kind, _, identity = target.partition("/")
    if kind not in KINDS or not identity:
        raise _Refusal(
            f"There is no kind of object {kind[:40]!r} that can be changed: choose one of {', '.join(KINDS)}."
        )
    return kind, identity
