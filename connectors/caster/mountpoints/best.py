"""`best`: the base with the least cost of distance and quality.

cost = distance in km + `KM_A_POINT` for each point that the score lacks of 100. A base on the border to
degraded (70 points) so costs as much as a perfect one 15 km further away, one on the border to bad (40
points) as much as one 30 km further away. That is a convention, chosen so that among stations 50 km apart a
degraded base is left for its neighbour by a rover in between, and not by one beside it. A station that nobody
has judged costs as much as one without any points: it is left for a judged one that is no more than
`UNKNOWN_KM` further away, and while verdicts are missing for all of them, distance alone decides. A bad one
is taken only where there is no other.
"""

from __future__ import annotations

import numpy as np

from connectors.caster.mountpoints import register
from connectors.caster.roaming.by_cost import ByCost, grade_by_sending
from connectors.caster.roaming.choice import Preference, Rules
from connectors.caster.roaming.network import Columns
from gnss.quality.judgements import BAD, UNKNOWN

KM_A_POINT = 0.5
UNKNOWN_KM = 100 * KM_A_POINT


def preference(network: Columns) -> Preference:
    """Return grades and penalties by state and score."""
    penalty_km = np.where(network.state == UNKNOWN, UNKNOWN_KM, KM_A_POINT * (100.0 - network.score))
    return Preference(grade_by_sending(network, bad=network.state == BAD), penalty_km)


def _make(rules: Rules) -> ByCost:
    return ByCost(rules, preference)


register("best", _make)
