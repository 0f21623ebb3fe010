"""Which plan an alert has, and who is behind its steps: the objects that commands change, asked together."""

from __future__ import annotations

from collections.abc import Iterable

from sensors.detectors import LEVELS, Level
from sensors.model import Datastream
from streams.call_definitions import (
    Contact,
    Escalation,
    GroupDefinition,
    PersonDefinition,
    PlanDefinition,
    RosterDefinition,
    called,
)
from streams.definitions import DatastreamDefinition
from streams.objects import Objects, sensors_base
from streams.records import AlertTransition, Changes, ObjectKind
from streams.rosters import on_duty

_MARK = b"plans:"
OF_THE_SITE = "site"
"""`group:site` stands for all groups of the alert's site."""


class Plans:
    """Plans, and whom they call."""

    def __init__(
        self, datastreams: Iterable[Datastream], kinds: Iterable[ObjectKind] = ("plan", "datastream")
    ) -> None:
        self._objects = Objects(sensors_base(datastreams), kinds)

    @property
    def unreadable(self) -> int:
        """Changes that a newer program wrote."""
        return self._objects.unreadable

    def take(self, changes: Changes) -> bool:
        """Take changes; return whether any was new."""
        return bool(self._objects.take(changes))

    def site_of(self, subject_id: str) -> str:
        """Return the site of a subject; of what is no datastream, itself."""
        datastream = self._objects.find("datastream", subject_id, DatastreamDefinition)
        return subject_id if datastream is None else datastream.thing

    def of(self, alert: AlertTransition) -> tuple[str, PlanDefinition] | None:
        """Return the plan of an alert with its id; of several the one that names most, then by id."""
        datastream = self._objects.find("datastream", alert.subject_id, DatastreamDefinition)
        there = {
            "site": self.site_of(alert.subject_id),
            "datastream": alert.subject_id,
            "property": "" if datastream is None else datastream.property,
            "rule": alert.rule,
        }
        best: tuple[int, str, PlanDefinition] | None = None
        for identity, plan in self._objects.all("plan", PlanDefinition):
            wanted = {name: asked for name in there if (asked := getattr(plan, name))}
            if all(there[name] == asked for name, asked in wanted.items()):
                rank = (-len(wanted), identity, plan)
                if best is None or rank[:2] < best[:2]:
                    best = rank
        return None if best is None else best[1:]

    def people(self, names: Iterable[str], at_us: int, site: str) -> list[str]:
        """Return whom a step calls at a time, each once."""
        found: dict[str, None] = {}
        for name in names:
            kind, identity, place = called(name)
            if kind == "person":
                found[identity] = None
            elif kind == "group":
                found.update(dict.fromkeys(self._members(identity, site)))
            else:
                roster = self._objects.find("roster", identity, RosterDefinition)
                duty = [] if roster is None else on_duty(roster, at_us)
                found.update(dict.fromkeys(duty[place - 1 : place] if place else duty))
        return list(found)

    def contacts(self, person: str, channels: Iterable[str]) -> list[Contact]:
        """Return the ways to a person, those of some channels or all."""
        made = self._objects.find("person", person, PersonDefinition)
        wanted = frozenset(channels)
        return [one for one in made.contacts if not wanted or one.channel in wanted] if made else []

    def is_person(self, text: str, person: str) -> bool:
        """Return whether what somebody signed with means a person: by the id or the name."""
        made = self._objects.find("person", person, PersonDefinition)
        return text == person or (made is not None and bool(made.name) and text == made.name)

    def snapshot(self) -> bytes:
        """Return the state as a piece of a snapshot."""
        return _MARK + self._objects.snapshot()

    def restored(self, piece: bytes) -> bool:
        """Take back what `snapshot` gave; False: the piece is something else."""
        return piece.startswith(_MARK) and self._objects.restored(piece[len(_MARK) :])

    def _members(self, identity: str, site: str) -> list[str]:
        if identity != OF_THE_SITE:
            group = self._objects.find("group", identity, GroupDefinition)
            return [] if group is None else group.members
        return [
            member
            for _, group in self._objects.all("group", GroupDefinition)
            if group.site and group.site == site
            for member in group.members
        ]


def escalation_of(plan: PlanDefinition, level: Level) -> Escalation | None:
    """Return what a plan does at a level: that of the level, or of the next lower one that has any."""
    for one in reversed(LEVELS[: LEVELS.index(level) + 1]):
        if one in plan.levels:
            return plan.levels[one]
    return None


def higher(one: Level, other: Level) -> bool:
    """Return whether a level is above another."""
    return LEVELS.index(one) > LEVELS.index(other)
