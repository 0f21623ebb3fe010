"""Who is called about alerts, when and how: persons, rosters, groups and plans, as commands change them."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import msgspec

from sensors.detectors import LEVELS, Level
from streams.definition import Definition
from streams.records import TimeUs

Line = Annotated[str, msgspec.Meta(max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*\Z")]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern=r"^[\w.:-]+\Z")]
ChannelName = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_-]{0,30}\Z")]
ClockTime = Annotated[str, msgspec.Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d\Z")]
DateText = Annotated[str, msgspec.Meta(pattern=r"^(\d{4}-\d\d-\d\d)?\Z")]
WeekDay = Annotated[int, msgspec.Meta(ge=1, le=7)]
Wait = Annotated[float, msgspec.Meta(ge=0, le=7 * 86_400)]
Deadline = Annotated[float, msgspec.Meta(ge=10, le=86_400)]

_CALLED = re.compile(r"(person|group):([\w.:-]{1,100})|roster:([\w.:-]{1,100})(?:/([1-9]\d?))?")


class Contact(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way to reach a person."""

    channel: ChannelName
    """voice, sms, email, webhook, command: what carries calls out has it by this name."""
    to: Annotated[str, msgspec.Meta(min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\x7f]+\Z")]


class PersonDefinition(Definition, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody who is called."""

    name: Line = ""
    contacts: Annotated[list[Contact], msgspec.Meta(max_length=10)] = []
    """In the order in which they are tried: all at once, where a plan does not say which."""


class Shift(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When somebody is on duty, in the roster's time; overnight, where it ends not later than it begins."""

    person: Name
    days: Annotated[list[WeekDay], msgspec.Meta(max_length=7)] = []
    """Days of the week on which it begins, Monday is 1; none: each day."""
    begin: ClockTime = "00:00"
    end: ClockTime = "00:00"
    first: DateText = ""
    """First day on which it begins; empty: since ever."""
    last: DateText = ""
    """Last day on which it begins; empty: for ever."""


class Substitution(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody takes the duties of another for a while."""

    person: Name
    instead: Name
    """Who has the duties meanwhile."""
    begin_us: TimeUs
    end_us: TimeUs
    """Not in it."""


class RosterDefinition(Definition, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is on duty when."""

    name: Line = ""
    time_zone: Annotated[str, msgspec.Meta(max_length=64)] = "Asia/Shanghai"
    shifts: Annotated[list[Shift], msgspec.Meta(max_length=200)] = []
    """Of several at a time the first is called first."""
    substitutions: Annotated[list[Substitution], msgspec.Meta(max_length=200)] = []

    def check(self) -> None:
        """Look at times."""
        try:
            ZoneInfo(self.time_zone)
        except (LookupError, ValueError, OSError):
            raise ValueError(
                f"there is no time zone {self.time_zone!r}; write for instance Asia/Shanghai"
            ) from None
        for shift in self.shifts:
            for day in filter(None, (shift.first, shift.last)):
                try:
                    date.fromisoformat(day)
                except ValueError:
                    raise ValueError(f"no calendar has the day {day}; correct it") from None
            if shift.first and shift.last and shift.last < shift.first:
                raise ValueError(f"the shift of {shift.person} ends before it begins; give a later last day")
        for one in self.substitutions:
            if one.end_us <= one.begin_us:
                raise ValueError(f"the substitution of {one.person} ends before it begins; give a later end")


class GroupDefinition(Definition, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """People of a place who are told together: observers of a village, households at risk."""

    name: Line = ""
    site: Annotated[str, msgspec.Meta(max_length=100)] = ""
    """A plan's step `group:site` tells all groups of the alert's site."""
    members: Annotated[list[Name], msgspec.Meta(max_length=500)] = []


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is called when."""

    to: Annotated[list[str], msgspec.Meta(min_length=1, max_length=20)]
    """`person:ID`; `roster:ID` (all on duty), `roster:ID/1` (the first of them); `group:ID`, `group:site`."""
    after_s: Wait = 0.0
    """After the begin, while nobody has answered."""
    channels: Annotated[list[ChannelName], msgspec.Meta(max_length=10)] = []
    """Of each person; none: all that the person has."""
    answer: bool = True
    """False: a message, which nobody needs to answer."""


class Escalation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Steps of a level, the next one only while nobody has answered; messages go out in any case."""

    steps: Annotated[list[Step], msgspec.Meta(min_length=1, max_length=20)]
    deadline_s: Deadline = 600.0
    """For who is called last."""
    turns: Annotated[int, msgspec.Meta(ge=1, le=50)] = 3
    """So often all is begun anew when nobody answered."""


class Consultation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A level holds only when people have confirmed it; until then the alert stands one level lower."""

    persons: Annotated[list[Name], msgspec.Meta(min_length=1, max_length=20)]
    level: Level = "red"
    """This one and those above."""
    deadline_s: Deadline = 600.0
    needed: Annotated[int, msgspec.Meta(ge=1, le=20)] = 1
    """So many have to confirm."""
    otherwise: Literal["confirm", "decline"] = "confirm"
    """What holds after the deadline."""
    channels: Annotated[list[ChannelName], msgspec.Meta(max_length=10)] = []


class PlanDefinition(Definition, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is done about alerts. All that is given must match; of several the one that names most holds."""

    name: Line = ""
    site: Annotated[str, msgspec.Meta(max_length=100)] = ""
    datastream: Annotated[str, msgspec.Meta(max_length=100)] = ""
    property: Annotated[str, msgspec.Meta(max_length=100)] = ""
    rule: Annotated[str, msgspec.Meta(max_length=100)] = ""
    levels: dict[Level, Escalation] = {}
    """A level without one has that of the next lower one that has."""
    persist_s: Wait = 0.0
    """An alert that is over within this time calls nobody."""
    hold_s: Annotated[float, msgspec.Meta(gt=0, le=30 * 86_400)] | None = None
    """A level falls when a lower one was measured for so long; None: never. Red falls by a person only."""
    consultation: Consultation | None = None
    group_by: Literal["alert", "site", "rule", "plan"] = "alert"
    """Alerts that are called about together: each alone, those of a site, of a rule, all of the plan."""
    group_s: Wait = 300.0
    """After the begin of a calling of which nothing is left to do, so long others still join it."""
    muted_by: Annotated[list[str], msgspec.Meta(max_length=20)] = []
    """Rules: while one of their alerts lasts at the same site with this level or a higher one, nobody is
    called about these."""

    def check(self) -> None:
        """Look at the steps."""
        if self.consultation is not None:
            if self.consultation.level == LEVELS[0]:
                raise ValueError("there is no level below blue; let yellow or higher be consulted about")
            if self.consultation.needed > len(set(self.consultation.persons)):
                raise ValueError("more have to confirm than are asked; name more persons or need fewer")
        for level, escalation in self.levels.items():
            times = [step.after_s for step in escalation.steps]
            if times != sorted(times):
                raise ValueError(f"the steps of {level} are not in the order of their times; sort them")
            for name in (name for step in escalation.steps for name in step.to):
                called(name)


def called(name: str) -> tuple[Literal["person", "group", "roster"], str, int]:
    """Return kind, id and place of what a step calls; place 0: all on duty.

    Raises
    ------
    ValueError
        It is not one; the message says how it is written.
    """
    found = _CALLED.fullmatch(name)
    if found is None:
        raise ValueError(
            f"{name[:60]!r} cannot be called; write person:ID, roster:ID, roster:ID/1, group:ID or group:site"
        )
    if found[3] is not None:
        return "roster", found[3], int(found[4] or 0)
    return ("person" if found[1] == "person" else "group"), found[2], 0
