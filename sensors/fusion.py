"""How bad it is at a site, from all that was found there: families of evidence, put together.

Detectors that measure the same in other ways are one family: whatever fools one of them may fool the others.
The site's level is the highest of its families' levels. What is above `alone` (red) needs two of them: one
that has the level, another one of `support` at least; or a person, whose report is a family of its own and
confirms its own level. Families of triggers (rain, thaw) say that the ground may move, not that it does: two
of them are not enough. This is the rule of the monitoring practice for landslides: the highest of independent
families, red by two of them or by people, up at once, down after a hold time (DZ/T 0460-2023, as reported;
all limits here are this program's).

A family's level rises at once. It falls to the highest level that was measured since, when a lower one was
measured for `hold_s`. So does the site's, since it is made of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from sensors.detectors.finding import LEVELS, Finding, Level, Phase

VERSION = "1"
RULE = "fusion"
PERSON = "person"
MOST_EVIDENCE = 200
"""Of a site: of more the least is forgotten."""
FORMULA = (
    "level = max of families; above `alone` only when a family has it and another one, not both of them "
    "triggers, has `support` or more, or a person reports it; a family falls after `hold_s` below"
)
FAMILIES: dict[str, list[str]] = {
    "displacement": [
        "tangent_angle", "velocity_multiples", "failure_time", "displacement", "displacement_creep", "crack",
    ],
    "tilt": ["tilt"],
    "pore_pressure": ["pore_pressure"],
    "sound": ["infrasound", "shaking"],
    "rain": ["rainfall", "rain_sound"],
    "thaw": ["freeze_thaw"],
}  # fmt: skip
TRIGGERS = ["rain", "thaw"]


class FusionParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a site's findings are put together. Levels and times are for every site to edit."""

    families: dict[str, list[str]] = msgspec.field(default_factory=lambda: dict(FAMILIES))
    """Rules (detectors) of each family."""
    triggers: list[str] = msgspec.field(default_factory=lambda: list(TRIGGERS))
    """Families that are causes and no movement."""
    alone: Level = "orange"
    """The highest level of one family."""
    support: Level = "yellow"
    """What a second one needs at least."""
    hold_s: float = 21_600.0
    most_s: float = 30 * 86_400.0
    """A finding that nothing was heard of for so long does not count any more."""

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        rules = [rule for family in self.families.values() for rule in family]
        if not rules or len(set(rules)) < len(rules):
            raise ValueError("families must name rules, each in one family only")
        if PERSON in self.families:
            raise ValueError(f"the family {PERSON!r} is there anyway; give yours another name")
        if any(name not in self.families for name in self.triggers):
            raise ValueError("triggers must be names of families")
        if not 0 <= self.hold_s <= 30 * 86_400 or not 60 <= self.most_s <= 366 * 86_400:
            raise ValueError("hold_s is from 0 to 30 days, most_s from a minute to a year")

    def family(self, rule: str) -> str:
        """Return the family of a rule; empty: it is in none."""
        return next((name for name, rules in self.families.items() if rule in rules), "")


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What a detector found, or a person reports."""

    subject_id: str
    rule: str
    level: Level
    onset_us: int
    at_us: int
    title: str
    value: float
    threshold: float
    unit: str
    told_us: int
    """When it was heard."""
    is_over: bool = False

    @property
    def key(self) -> tuple[str, str, int]:
        """Which event it is about."""
        return self.subject_id, self.rule, self.onset_us


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a person says of a site, and for how long it counts."""

    identity: str
    by: str
    level: Level
    text: str
    begin_us: int
    end_us: int


class Family(msgspec.Struct):
    """A family's level, and what it is made of."""

    level: int = -1
    """An index of `LEVELS`; -1: none."""
    since_us: int | None = None
    """Since when a lower one is measured."""
    highest: int = -1
    """Since then."""
    evidence: list[Evidence] = []

    def measured(self) -> int:
        """Return the level of what goes on."""
        return max((LEVELS.index(one.level) for one in self.evidence if not one.is_over), default=-1)


class _State(msgspec.Struct, array_like=True):
    families: dict[str, Family]
    level: int
    onset_us: int
    now_us: int
    told: dict[str, int]
    reports: list[Report]
    forgotten: int


class Fusion:
    """One site.

    Parameters
    ----------
    parameters
        How its findings are put together; may be another one later.
    name
        Of the site, for words.
    """

    def __init__(self, parameters: FusionParameters, name: str) -> None:
        self.parameters, self.name = parameters, name
        self.forgotten = 0
        self._families: dict[str, Family] = {}
        self._level = -1
        self._onset_us = 0
        self._now_us = 0
        self._told: dict[str, int] = {}
        """Levels of the families when something was told last."""
        self._reports: list[Report] = []

    def take(self, evidence: Evidence, family: str) -> list[Finding]:
        """Take what was found at `evidence.told_us`."""
        found = self.advance(evidence.told_us)
        one = self._families.setdefault(family, Family())
        if evidence.is_over:
            ended = (_over(other) if other.key == evidence.key else other for other in one.evidence)
            one.evidence = list(ended)
        else:
            one.evidence = [other for other in one.evidence if other.key != evidence.key] + [evidence]
        self._forget_least(one)
        return found + self._look(self._now_us) + self.advance(self._now_us)

    def hear(self, reports: list[Report], now_us: int) -> list[Finding]:
        """Let these reports of people count, and no others."""
        found = self.advance(now_us)
        self._reports = reports
        self._count_reports(self._now_us)
        return found + self._look(self._now_us) + self.advance(self._now_us)

    def due_us(self) -> int | None:
        """Return when time alone changes something; None: never."""
        due = [at for name, one in self._families.items() for at in self._due_of(name, one)]
        turns = (at for one in self._reports for at in (one.begin_us, one.end_us))
        due += [at for at in turns if at > self._now_us]
        return min(due, default=None)

    def advance(self, now_us: int) -> list[Finding]:
        """Let time go on; each step is said with the time at which it was due."""
        found: list[Finding] = []
        while (due_us := self.due_us()) is not None and due_us <= now_us:
            at_us = self._now_us = max(due_us, self._now_us)
            self._count_reports(at_us)
            for name in sorted(self._families):
                self._pass_time(name, self._families[name], due_us)
            found += self._look(at_us)
        self._now_us = max(self._now_us, now_us)
        return found

    def renew(self, parameters: FusionParameters, name: str, now_us: int) -> list[Finding]:
        """Go on in another way with what is known; evidence whose family is gone counts no more."""
        found = self.advance(now_us)
        self.parameters, self.name = parameters, name
        before, self._families = self._families, {}
        for one in before.values():
            for evidence in one.evidence:
                if family := parameters.family(evidence.rule):
                    after = self._families.setdefault(family, Family())
                    after.evidence.append(evidence)
                    after.level = max(after.level, one.level)
        self._count_reports(self._now_us)
        return found + self._look(self._now_us)

    def end(self, now_us: int, why: str) -> list[Finding]:
        """Return the end of what goes on, since the site is not looked at any more."""
        if self._level < 0:
            return []
        level, self._level, self._families = self._level, -1, {}
        return [self._finding("end", LEVELS[level], now_us, {"why": why}, f"{self.name}: {why}")]

    def snapshot(self) -> bytes:
        """Return the state."""
        state = _State(
            self._families, self._level, self._onset_us, self._now_us, self._told, self._reports,
            self.forgotten,
        )  # fmt: skip
        return msgspec.msgpack.encode(state)

    def restore(self, state: bytes) -> None:
        """Take back what `snapshot` gave.

        Raises
        ------
        msgspec.MsgspecError
            Another version wrote it.
        """
        known = msgspec.msgpack.decode(state, type=_State)
        self._families, self._level, self._onset_us = known.families, known.level, known.onset_us
        self._now_us, self._told, self._reports = known.now_us, known.told, known.reports
        self.forgotten = known.forgotten

    # --- families ---------------------------------------------------------------------------------------

    def _count_reports(self, at_us: int) -> None:
        """Let those reports be the evidence of people that count at a time."""
        there = [one for one in self._reports if one.begin_us <= at_us < one.end_us]
        if there or PERSON in self._families:
            family = self._families.setdefault(PERSON, Family())
            family.evidence = [_reported(one) for one in there[:MOST_EVIDENCE]]

    def _due_of(self, name: str, one: Family) -> list[int]:
        hold_us = 0 if name == PERSON else round(self.parameters.hold_s * 1e6)
        due = [] if one.since_us is None else [one.since_us + hold_us]
        if name != PERSON:
            most_us = round(self.parameters.most_s * 1e6)
            due += [each.told_us + most_us for each in one.evidence if not each.is_over]
        return due

    def _pass_time(self, name: str, one: Family, at_us: int) -> None:
        """Let a family fall, or evidence count no more, as due at a time."""
        most_us = round(self.parameters.most_s * 1e6)
        if name != PERSON:
            one.evidence = [_over(each) if each.told_us + most_us <= at_us else each for each in one.evidence]
        self._measure(one, at_us)
        hold_us = 0 if name == PERSON else round(self.parameters.hold_s * 1e6)
        if one.since_us is not None and one.since_us + hold_us <= at_us:
            one.level, measured = one.highest, one.measured()
            one.evidence = [each for each in one.evidence if not each.is_over]
            one.since_us, one.highest = (at_us, measured) if measured < one.level else (None, -1)

    def _measure(self, one: Family, at_us: int) -> None:
        measured = one.measured()
        if measured >= one.level:
            one.level, one.since_us, one.highest = measured, None, -1
        elif one.since_us is None:
            one.since_us, one.highest = at_us, measured
        else:
            one.highest = max(one.highest, measured)

    def _forget_least(self, one: Family) -> None:
        while len(one.evidence) > MOST_EVIDENCE:
            least = min(one.evidence, key=lambda each: (not each.is_over, LEVELS.index(each.level)))
            one.evidence.remove(least)
            self.forgotten += 1

    # --- the site ---------------------------------------------------------------------------------------

    def _look(self, at_us: int) -> list[Finding]:
        """Return what the families make of the site now, if that is not what was told."""
        for name in sorted(self._families):
            one = self._families[name]
            self._measure(one, at_us)
            if one.level < 0:
                del self._families[name]
        levels = {name: LEVELS[one.level] for name, one in self._families.items()}
        level, why = fused(levels, self.parameters)
        rank = -1 if level is None else LEVELS.index(level)
        told = {name: one.level for name, one in sorted(self._families.items())}
        if rank == self._level and told == self._told:
            return []
        before, self._level, self._told = self._level, rank, told
        if level is None:
            shown = {"why": f"all families have been quiet for {self.parameters.hold_s:g} s"}
            return [self._finding("end", LEVELS[before], at_us, shown, f"{self.name} is quiet again")]
        if before < 0:
            onsets = [each.onset_us for one in self._families.values() for each in one.evidence]
            self._onset_us = max(min(onsets, default=at_us), self._onset_us + 1)  # no two have one identity
        evidence = {**self._shown(), "why": why}
        title = f"{self.name}: {level} by {' and '.join(levels)}"
        return [self._finding("begin" if before < 0 else "update", level, at_us, evidence, title)]

    def _finding(
        self, phase: Phase, level: Level, at_us: int, evidence: dict[str, Any], title: str
    ) -> Finding:
        known = {"formula": FORMULA, "version": VERSION}
        return Finding(
            phase=phase,
            level=level,
            onset_us=self._onset_us,
            at_us=at_us,
            title=title,
            value=float(len(self._families)),
            threshold=1.0 if LEVELS.index(level) <= LEVELS.index(self.parameters.alone) else 2.0,
            evidence={**known, **evidence},
            rule=RULE,
        )

    def _shown(self) -> dict[str, Any]:
        """Return all that the level is made of."""
        families = [
            {
                "family": name,
                "level": LEVELS[one.level],
                "is_trigger": name in self.parameters.triggers,
                "measured": LEVELS[measured] if (measured := one.measured()) >= 0 else None,
                "lower_since_us": one.since_us,
                "evidence": [msgspec.structs.asdict(each) for each in one.evidence],
            }
            for name, one in sorted(self._families.items())
        ]
        return {"parameters": msgspec.structs.asdict(self.parameters), "families": families}


def fused(levels: Mapping[str, Level], parameters: FusionParameters) -> tuple[Level | None, str]:
    """Return the level of a site by its families' levels, and why it is not another one."""
    if not levels:
        return None, ""
    rank = {name: LEVELS.index(level) for name, level in levels.items()}
    top, alone = max(rank.values()), LEVELS.index(parameters.alone)
    support = LEVELS.index(parameters.support)
    highest = [name for name in levels if rank[name] == top]
    if top <= alone:
        return LEVELS[top], f"{LEVELS[top]} by {', '.join(highest)}"
    if PERSON in highest:
        return LEVELS[top], f"{LEVELS[top]}: a person reports it"
    triggers = frozenset(parameters.triggers)
    for name in highest:
        for other in levels:
            if other != name and rank[other] >= support and not {name, other} <= triggers:
                return LEVELS[top], f"{LEVELS[top]} by {name}, and {other} is {levels[other]}"
    is_supported = any(name != highest[0] and rank[name] >= support for name in levels)
    who = "families of triggers" if is_supported else "one family"
    why = (
        f"{' and '.join(highest)} would be {LEVELS[top]}, but {who} alone can make it {parameters.alone} at "
        f"most: {LEVELS[top]} needs a second family of {parameters.support} or more, or a person's report"
    )
    return parameters.alone, why


def _reported(report: Report) -> Evidence:
    return Evidence(
        subject_id=report.identity,
        rule=PERSON,
        level=report.level,
        onset_us=report.begin_us,
        at_us=report.begin_us,
        title=f"{report.by}: {report.text}",
        value=0.0,
        threshold=0.0,
        unit="",
        told_us=report.begin_us,
    )


def _over(evidence: Evidence) -> Evidence:
    return evidence if evidence.is_over else msgspec.structs.replace(evidence, is_over=True)
