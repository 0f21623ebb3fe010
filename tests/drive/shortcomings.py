"""What a drive was promised to be, and was not."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from tests.connectors.roaming.road import longest_difference
from tests.drive.drive import NEAR_M, SETTLE_S, VERDICT_S, Driven

GAP_S, AGE_S = 1.5, 2.0
ASKED_S = 9
"""A rover is asked each 5 s, and the new base begins with its next epoch, the third at worst; a second is for
the border itself: great circles are of a sphere."""
GGA_S = 1.1
"""rtkrcv tells its place so often, in real time."""
LEFT_S = VERDICT_S + 4
"""So long it has the bad base: until the verdict, a tick, and until the next one's first new epoch."""
FIRST_S = 30
"""Of the stream: until then it has its first base, at a pace of 10."""


def shortcomings(driven: Driven) -> list[str]:
    """Return sentences about everything that was not as promised."""
    return [*_of_bases(driven), *_of_epochs(driven), *_of_solutions(driven)]


def _of_bases(driven: Driven) -> Iterator[str]:
    had, right = [one.base for one in driven.seconds], driven.plan.right_bases()
    slack_s = ASKED_S + GGA_S * driven.plan.pace
    first_s = next((s for s, base in enumerate(had) if base), len(had))
    if first_s > FIRST_S:
        yield f"it had no base until second {first_s}"
    wrong_s = longest_difference(had, right, first_s)
    if wrong_s > slack_s:
        yield f"it had a wrong base for {wrong_s} s"
    if len(driven.bad_seconds) > LEFT_S:
        yield f"it had a bad base for {len(driven.bad_seconds)} s"
    changes = [one.to for one in driven.hand_overs]
    wanted = [base for base, _ in itertools.groupby(right)]
    if changes != wanted:
        yield f"it had the bases {changes} and not {wanted}"


def _of_epochs(driven: Driven) -> Iterator[str]:
    for (base, a), (_, b) in itertools.pairwise(driven.epochs):
        if b != a + 1:
            yield f"behind the epoch {a} of {base} came {b}"
    for (a_s, b_s), (base, second) in zip(
        itertools.pairwise(driven.arrivals_s), driven.epochs[1:], strict=True
    ):
        if b_s - a_s > GAP_S:
            yield f"it waited {b_s - a_s:.2f} s for the epoch {second} of {base}"
    bases = [base for base, _ in driven.epochs]
    new = [b for a, b in itertools.pairwise(["", *bases]) if a != b]
    told = [base for base, _ in itertools.groupby(base for number, base in driven.messages if number == 1006)]
    if told != new:
        yield f"it had epochs of {new} and places of {told}"
    begun = ""
    for number, base in driven.messages:
        if 1071 <= number <= 1137:
            if base != begun:
                yield f"{base} has not told its place before its epochs"
                begun = base
        elif number == 1006:
            begun = base


def _of_solutions(driven: Driven) -> Iterator[str]:
    began = False
    for second, one in enumerate(driven.seconds):
        began = began or (one.solution is not None and one.solution.quality != 5)
        if one.solution is None and began:
            yield f"there is no solution at second {second}"
        elif one.solution is not None and began and one.solution.age_s > AGE_S:
            yield f"at second {second} the corrections were {one.solution.age_s} s old"
    for change in driven.hand_overs:
        if change.off_m is None:
            yield f"from {SETTLE_S} s after it got {change.to} nobody knows where it was"
        elif change.off_m > NEAR_M:
            yield f"from {SETTLE_S} s after it got {change.to} it was up to {change.off_m} m off"
