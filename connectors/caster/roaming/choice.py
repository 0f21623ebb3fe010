"""Which base a rover gets: the cheapest of the best grade, and not another one each moment. No I/O.

Cost is distance in km and what a kind of mountpoint adds to it. A grade is worth more than any distance: a
base of a worse grade is taken only where there is no other within the radius, and left as soon as there is.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from connectors.caster.roaming.near import Near

Km = Annotated[float, msgspec.Meta(gt=0, le=2000)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=3600)]

FINE, UNSTEADY, BAD, SILENT, GONE = range(5)
"""Grades. Unsteady: it was silent a short while ago. Gone: no base any more."""
Reason = Literal["first", "nearer", "better", "unsteady", "bad", "silent", "gone", "far"]
_REASONS: dict[int, Reason] = {UNSTEADY: "unsteady", BAD: "bad", SILENT: "silent", GONE: "gone"}


class Rules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How willingly rovers are led to another base."""

    radius_km: Km = 100.0
    """No base is taken that is further away; one is left where it is `hysteresis_km` beyond that."""
    hysteresis_km: Annotated[float, msgspec.Meta(ge=0, le=500)] = 2.0
    """Another base must be cheaper by so much ..."""
    hysteresis_share: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.1
    """... and by this share of the distance to the present one."""
    hold_s: Seconds = 30.0
    """A base is kept for so long, unless its grade is worse than another's or it is too far."""


class Preference(NamedTuple):
    """What a kind of mountpoint thinks of each base; shape (n,) each."""

    grade: NDArray[np.int8]
    penalty_km: NDArray[np.float64]


class Choice(NamedTuple):
    """The base that a rover is to have."""

    row: int
    """-1: none."""
    reason: Reason | None
    """Why it is another one than before; None: it is the same."""
    distance_km: float
    """To it; infinite: none."""


def choose(
    rules: Rules,
    preference: Preference,
    places_km: NDArray[np.float64],
    near: Near,
    place_km: NDArray[np.float64],
    present: int,
    held_s: float,
) -> Choice:
    """Return which base a rover is to have.

    Parameters
    ----------
    places_km
        Of all bases, shape (n, 3).
    near
        Finds those within `rules.radius_km`.
    place_km
        Of the rover, shape (3,).
    present
        Row of the base that it has; -1: none; n or more: it is no base any more.
    held_s
        How long it has had it.
    """
    rows = near.rows(place_km)
    apart_km = np.sqrt(((places_km[rows] - place_km) ** 2).sum(axis=1))
    grade = preference.grade[rows]
    worth = np.where((apart_km <= rules.radius_km) & (grade < SILENT), grade, GONE)
    best, best_km, best_grade, best_cost = -1, math.inf, GONE, math.inf
    if len(rows) and (best_grade := int(worth.min())) < GONE:
        cost_km = np.where(worth == best_grade, apart_km + preference.penalty_km[rows], math.inf)
        at = int(cost_km.argmin())
        best, best_km, best_cost = int(rows[at]), float(apart_km[at]), float(cost_km[at])
    if present < 0:
        return Choice(best, "first" if best >= 0 else None, best_km)
    if present >= len(places_km):
        return Choice(best, "gone", best_km)
    if best == present:
        return Choice(present, None, best_km)
    present_km = float(np.linalg.norm(places_km[present] - place_km))
    if present_km > rules.radius_km + rules.hysteresis_km:
        return Choice(best, "far", best_km)
    stay = Choice(present, None, present_km)
    if best < 0:
        return stay
    present_grade = int(preference.grade[present])
    if best_grade < present_grade:
        return Choice(best, _REASONS[present_grade], best_km)
    saved_km = present_km + float(preference.penalty_km[present]) - best_cost
    needed_km = max(rules.hysteresis_km, rules.hysteresis_share * present_km)
    if best_grade > present_grade or held_s < rules.hold_s or saved_km <= needed_km:
        return stay
    return Choice(best, "nearer" if best_km < present_km else "better", best_km)
