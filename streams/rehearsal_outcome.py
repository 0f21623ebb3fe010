"""What came held against what a rehearsal made: alerts side by side. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from sensors.detectors import LEVELS, Level
from streams.records import AlertChange, AlertStateName, AlertTransition

Verdict = Literal["same", "changed", "only_came", "only_rehearsed", "began_before"]
"""`began_before`: the event had begun before anything was read, so nothing can be said of it."""


class StoryStep(msgspec.Struct, frozen=True, kw_only=True):
    """One step of an alert."""

    at_us: int
    change: AlertChange
    state: AlertStateName
    level: Level
    by: str
    silenced: str


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """How one alert went, as far as the time that is looked at goes."""

    alert_id: str
    rule: str
    subject_id: str
    title: str
    """At its highest level."""
    onset_us: int
    historic: bool
    steps: list[StoryStep]

    @property
    def opened_us(self) -> int:
        """When it opened."""
        return self.steps[0].at_us

    @property
    def highest(self) -> Level:
        """The highest level that it had."""
        return max((step.level for step in self.steps), key=LEVELS.index)

    @property
    def over_us(self) -> int | None:
        """When its hazard was over, or it was closed; None: neither was so."""
        return next((step.at_us for step in self.steps if step.change in {"ended", "closed"}), None)


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """An alert that came, and what became of it in the rehearsal; one of both may be missing."""

    verdict: Verdict
    came: Story | None
    rehearsed: Story | None
    difference: str
    """In words; empty where there is none."""

    @property
    def either(self) -> Story:
        """Return one that is there."""
        story = self.came or self.rehearsed
        assert story is not None
        return story


def stories(steps: Iterable[AlertTransition], start_us: int, end_us: int) -> list[Story]:
    """Return the alerts of which anything happened in a time, the end not in it; the first opened first."""
    by_alert: dict[str, dict[int, AlertTransition]] = {}
    for step in steps:
        if step.at_us < end_us:
            by_alert.setdefault(step.alert_id, {})[step.number] = step
    found = [_story([own[number] for number in sorted(own)]) for own in by_alert.values()]
    found = [story for story in found if any(step.at_us >= start_us for step in story.steps)]
    return sorted(found, key=lambda story: (story.opened_us, story.alert_id))


def compare(
    came: Sequence[Story], rehearsed: Sequence[Story], *, read_from_us: int, end_us: int
) -> list[Pair]:
    """Return both side by side, in the order of their openings.

    Alerts of one event are those of one id; of the others, those of one rule and subject that lasted at the
    same time, the nearest openings first.

    Parameters
    ----------
    read_from_us
        Since when the rehearsal knows what was measured.
    """
    left = {story.alert_id: story for story in rehearsed}
    pairs = [(story, left.pop(story.alert_id)) for story in came if story.alert_id in left]
    alone = {story.alert_id: story for story in came}
    for story, _ in pairs:
        del alone[story.alert_id]
    of_kind: dict[tuple[str, str, bool], list[Story]] = {}
    for story in left.values():
        of_kind.setdefault(_kind(story), []).append(story)
    near = sorted(
        (abs(one.opened_us - other.opened_us), one.alert_id, other.alert_id)
        for one in alone.values()
        for other in of_kind.get(_kind(one), ())
        if _met(one, other, end_us)
    )
    for _, name, other_name in near:
        if name in alone and other_name in left:
            pairs.append((alone.pop(name), left.pop(other_name)))
    made = [_pair(story, other, read_from_us) for story, other in pairs]
    made += [_pair(story, None, read_from_us) for story in alone.values()]
    # what seems to begin where reading begins had begun before, as is so of who is silent since long
    made += [_pair(None, other, read_from_us) for other in left.values() if other.onset_us > read_from_us]
    return sorted(made, key=lambda pair: (pair.either.opened_us, pair.either.alert_id))


def _story(steps: list[AlertTransition]) -> Story:
    highest = max(steps, key=lambda step: LEVELS.index(step.level))
    return Story(
        alert_id=highest.alert_id,
        rule=highest.rule,
        subject_id=highest.subject_id,
        title=highest.title,
        onset_us=highest.onset_us,
        historic=highest.historic,
        steps=[
            StoryStep(
                at_us=one.at_us,
                change=one.change,
                state=one.state,
                level=one.level,
                by=one.by,
                silenced=one.silenced,
            )
            for one in steps
        ],
    )


def _kind(story: Story) -> tuple[str, str, bool]:
    return story.rule, story.subject_id, story.historic


def _met(one: Story, other: Story, end_us: int) -> bool:
    """Return whether two events lasted at the same time."""
    ends_us = [end_us if story.over_us is None else story.over_us for story in (one, other)]
    return max(one.onset_us, other.onset_us) <= min(ends_us)


def _pair(came: Story | None, rehearsed: Story | None, read_from_us: int) -> Pair:
    verdict: Verdict
    difference = ""
    if came is not None and rehearsed is not None and came.steps == rehearsed.steps:
        verdict = "same"
    elif came is not None and came.onset_us < read_from_us:
        verdict, difference = "began_before", "it began before anything was read"
    elif came is None:
        verdict, difference = "only_rehearsed", "did not come"
    elif rehearsed is None:
        verdict, difference = "only_came", "would not have come"
    else:
        verdict, difference = "changed", _difference(came, rehearsed)
    return Pair(verdict=verdict, came=came, rehearsed=rehearsed, difference=difference)


def _difference(came: Story, rehearsed: Story) -> str:
    said = []
    if delay_us := rehearsed.opened_us - came.opened_us:
        said.append(f"{span(abs(delay_us))} {'later' if delay_us > 0 else 'earlier'}")
    if rehearsed.highest != came.highest:
        said.append(f"{rehearsed.highest} instead of {came.highest}")
    if rehearsed.over_us != came.over_us:
        said.append(_end(came.over_us, rehearsed.over_us))
    return "; ".join(said) or "other steps between"


def _end(came_us: int | None, rehearsed_us: int | None) -> str:
    if came_us is None or rehearsed_us is None:
        return "does not end" if rehearsed_us is None else "ends"
    later_us = rehearsed_us - came_us
    return f"ends {span(abs(later_us))} {'later' if later_us > 0 else 'earlier'}"


def span(us: int) -> str:
    """Return a length of time for people: 0.2 s, 45 s, 12 min, 3.5 h, 2 d."""
    for unit_us, name in ((86_400_000_000, "d"), (3_600_000_000, "h"), (60_000_000, "min")):
        if us >= 2 * unit_us:
            return f"{us / unit_us:.3g} {name}"
    return f"{us / 1e6:.3g} s"
