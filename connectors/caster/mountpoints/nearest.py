"""`nearest`: the nearest base that sends. What is said of its quality does not count."""

from __future__ import annotations

import numpy as np

from connectors.caster.mountpoints import register
from connectors.caster.roaming.by_cost import ByCost, grade_by_sending
from connectors.caster.roaming.choice import Preference, Rules
from connectors.caster.roaming.network import Columns


def preference(network: Columns) -> Preference:
    """Return the grades, and no penalties."""
    return Preference(grade_by_sending(network), np.zeros(len(network.ids)))


def _make(rules: Rules) -> ByCost:
    return ByCost(rules, preference)


register("nearest", _make)
