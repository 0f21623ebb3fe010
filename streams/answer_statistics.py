"""How quickly people answer: times to answer, and how many came within their deadlines. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import Literal

import msgspec

from streams.call_records import CallAnswer

By = Literal["all", "level", "person", "site"]
_KEYS: dict[By, Callable[[CallAnswer], str]] = {
    "all": lambda _: "",
    "level": lambda one: one.level,
    "person": lambda one: one.person,
    "site": lambda one: one.site,
}


class AnswerFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Of those who were called and had to answer."""

    of: str
    """The level, person or site; empty: of all."""
    called: int
    answered: int
    """Who acknowledged, confirmed or declined; a refusal is an answer, too."""
    unreachable: int
    in_time: int
    """Who answered before the next one was called."""
    in_time_share: float
    """Of all that were called, 0 to 1."""
    median_s: float | None
    """From the call to the answer, of those who answered."""
    p90_s: float | None
    """Nine of ten answered within this time (nearest rank)."""
    p95_s: float | None
    """Nineteen of twenty did."""


def figures(answers: Iterable[CallAnswer], by: By) -> list[AnswerFigures]:
    """Return the figures of each level, person or site, by name."""
    groups: dict[str, list[CallAnswer]] = {}
    for one in answers:
        groups.setdefault(_KEYS[by](one), []).append(one)
    return [_of(name, groups[name]) for name in sorted(groups)]


def _of(name: str, answers: Sequence[CallAnswer]) -> AnswerFigures:
    answered = [one for one in answers if one.answer != "unreachable"]
    times_s = sorted((one.at_us - one.called_us) * 1e-6 for one in answered)
    in_time = sum(one.at_us <= one.deadline_us for one in answered)
    return AnswerFigures(
        of=name,
        called=len(answers),
        answered=len(answered),
        unreachable=len(answers) - len(answered),
        in_time=in_time,
        in_time_share=round(in_time / len(answers), 4),
        median_s=round(median(times_s), 3) if times_s else None,
        p90_s=_ranked(times_s, 90),
        p95_s=_ranked(times_s, 95),
    )


def _ranked(ordered_s: Sequence[float], percent: int) -> float | None:
    """Return the least of the times of which so many are not above (nearest rank)."""
    rank = -(-percent * len(ordered_s) // 100)
    return round(ordered_s[rank - 1], 3) if ordered_s else None
