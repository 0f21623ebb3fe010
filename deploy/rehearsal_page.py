"""A rehearsal as a page: what would have come above what came, on one axis of time."""

from __future__ import annotations

from collections.abc import Sequence

from deploy.rehearsing import Outcome
from gnss.reports.drawing import Scale, drawing, figure, text, time_ticks, x_axis
from gnss.reports.markup import Markup, outside, tag
from gnss.reports.page import cells, page, section, table
from gnss.reports.words import Words
from gnss.time import iso_z
from sensors.detectors import LEVELS, Level
from streams.rehearsal_outcome import Pair, Story, Verdict

COLOURS: dict[Level, str] = {"blue": "#3a7bd5", "yellow": "#e0b400", "orange": "#e67700", "red": "#c92a2a"}
VERDICTS: dict[Verdict, str] = {
    "same": "the same",
    "changed": "changed",
    "only_came": "would not have come",
    "only_rehearsed": "did not come",
    "began_before": "began before",
}
MOST_DRAWN = 300
"""Rows of a drawing; the table has all."""
_WIDTH, _LEFT, _RIGHT, _TOP, _ROW = 1320.0, 330.0, 1310.0, 8.0, 40.0
_LEAST_WIDTH = 2.0


def to_html(outcome: Outcome) -> str:
    """Return the page; it needs nothing else."""
    begin, end = iso_z(outcome.start_us), iso_z(outcome.end_us)
    rules = outcome.rules or "the rules of today"
    heads = [
        (name, True)
        for name in ("", "subject", "rule", "came", "level", "would have come", "level", "difference")
    ]
    return page(
        f"Rehearsal {begin} to {end}",
        Words("en"),
        tag(
            "header",
            tag("h1", f"Rehearsal of {begin} to {end}"),
            tag("p", f"{summary(outcome.pairs)}, by ", outside(rules), class_="lead"),
            tag("p", f"{outcome.samples:,} samples were read, from {iso_z(outcome.read_from_us)} on."),
        ),
        section("When", _timeline(outcome), _key()),
        section("Alerts", table(heads, [_row(pair) for pair in outcome.pairs])),
        is_broad=True,
    )


def summary(pairs: Sequence[Pair]) -> str:
    """Return how many alerts there are of each kind, in words."""
    counts = {verdict: sum(pair.verdict == verdict for pair in pairs) for verdict in VERDICTS}
    told = [f"{n} {VERDICTS[verdict]}" for verdict, n in counts.items() if n]
    return ", ".join(told) or "no alert came, and none would have come"


def opened(story: Story | None) -> str:
    """Return when an alert opened; empty: there is none."""
    return "" if story is None else iso_z(story.opened_us)


def levels(story: Story | None) -> str:
    """Return the levels of an alert in their order: blue, red."""
    if story is None:
        return ""
    found = [step.level for step in story.steps]
    return ", ".join(one for one, before in zip(found, ["", *found], strict=False) if one != before)


def _row(pair: Pair) -> Markup:
    return cells(
        VERDICTS[pair.verdict],
        outside(pair.either.subject_id),
        outside(pair.either.rule),
        opened(pair.came),
        levels(pair.came),
        opened(pair.rehearsed),
        levels(pair.rehearsed),
        pair.difference,
        text=range(8),
    )


def _timeline(outcome: Outcome) -> Markup:
    lanes: dict[tuple[str, str], list[Pair]] = {}
    for pair in outcome.pairs:
        lanes.setdefault((pair.either.subject_id, pair.either.rule), []).append(pair)
    shown = list(lanes.items())[:MOST_DRAWN]
    across = Scale(outcome.start_us, outcome.end_us, _LEFT, _RIGHT)
    bottom = _TOP + max(len(shown), 1) * _ROW
    marks = time_ticks(outcome.start_us, outcome.end_us)
    rest = f" The first {MOST_DRAWN} of {len(lanes)} are drawn." if len(lanes) > MOST_DRAWN else ""
    return figure(
        "Alerts by subject and rule",
        f"Above what would have come, below what came (pale); a higher level is a higher bar.{rest}",
        drawing(
            _WIDTH,
            bottom + 20,
            "Alerts over time",
            x_axis(across, _TOP, bottom, [at for at, _ in marks], [label for _, label in marks]),
            text(_LEFT - 22, bottom + 13, "UTC", anchor="end"),
            *(
                part
                for place, (name, pairs) in enumerate(shown)
                for part in _lane(name, pairs, across, _TOP + place * _ROW, outcome)
            ),
        ),
    )


def _lane(
    name: tuple[str, str], pairs: Sequence[Pair], across: Scale, top: float, outcome: Outcome
) -> list[Markup]:
    subject, rule = name
    parts = [
        text(_LEFT - 8, top + 17, subject[:48], "strong", "end"),
        text(_LEFT - 8, top + 31, rule[:48], anchor="end"),
        tag("rect", x=_LEFT, y=top + 20, width=_RIGHT - _LEFT, height=0.7, class_="f-lane"),
    ]
    for pair in pairs:
        if pair.rehearsed is not None:
            parts += _bars(pair.rehearsed, across, top + 20, outcome, is_below=False)
        if pair.came is not None:
            parts += _bars(pair.came, across, top + 21, outcome, is_below=True)
    return parts


def _bars(story: Story, across: Scale, base: float, outcome: Outcome, *, is_below: bool) -> list[Markup]:
    """Return a bar for each time of one level, until the hazard was over."""
    over_us = outcome.end_us if story.over_us is None else story.over_us
    steps = [step for step in story.steps if step.at_us <= over_us and step.change not in {"ended", "closed"}]
    ends = [step.at_us for step in steps[1:]] + [over_us]
    bars = []
    for step, end_us in zip(steps, ends, strict=True):
        begin_us = max(step.at_us, outcome.start_us)
        if end_us < outcome.start_us:
            continue
        height = 4.0 * (1 + LEVELS.index(step.level))
        x0, x1 = across(begin_us), across(max(end_us, begin_us))
        told = (
            f"{'came' if is_below else 'would have come'}: {story.title}, {step.level} at {iso_z(step.at_us)}"
        )
        bars.append(
            tag(
                "rect",
                tag("title", told),
                x=x0,
                y=base if is_below else base - height,
                width=max(x1 - x0, _LEAST_WIDTH),
                height=height,
                fill=COLOURS[step.level],
                opacity="0.55" if is_below else None,
            )
        )
    return bars


def _key() -> Markup:
    samples = []
    for place, level in enumerate(LEVELS):
        height = 3.0 * (1 + place)
        bar = tag("rect", x=2, y=12 - height, width=18, height=height, fill=COLOURS[level])
        samples.append(tag("span", drawing(22, 12, level, bar), level))
    return tag("div", *samples, class_="key")
