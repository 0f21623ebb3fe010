"""Mountpoints whose kind is a grade and a penalty for each base. No I/O."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from connectors.caster.mountpoints import Asking, Led
from connectors.caster.roaming.choice import (
    BAD,
    FINE,
    GONE,
    SILENT,
    UNSTEADY,
    Choice,
    Preference,
    Rules,
    choose,
)
from connectors.caster.roaming.near import Near
from connectors.caster.roaming.network import Columns


class ByCost:
    """Implements `Mountpoint` by what a kind thinks of each base.

    Parameters
    ----------
    rules
        How willingly rovers change.
    preference
        Grades and penalties of the network as it is.
    """

    def __init__(self, rules: Rules, preference: Callable[[Columns], Preference]) -> None:
        self._rules = rules
        self._prefer = preference
        self._network: Columns | None = None
        self._preference = Preference(np.empty(0, np.int8), np.empty(0))
        self._near = Near(np.empty((0, 3)), rules.radius_km)

    def look(self, network: Columns) -> frozenset[str]:
        """Take the network as it is now; return the bases that got worse."""
        before, self._network = self._network, network
        old, self._preference = self._preference, self._prefer(network)
        if before is not None and before.places_km is network.places_km:
            worse = np.flatnonzero(self._preference.grade > old.grade)
            return frozenset(network.ids[row] for row in worse.tolist())
        self._near = Near(network.places_km, self._rules.radius_km)
        if before is None:
            return frozenset()
        grades = dict(zip(network.ids, self._preference.grade.tolist(), strict=True))
        was = zip(before.ids, old.grade.tolist(), strict=True)
        return frozenset(name for name, grade in was if grades.get(name, GONE) > grade)

    def lead(self, asking: Asking) -> Led:
        """Say which base a rover is to have, by the last look."""
        network = self._network
        if network is None:
            return Led(asking.base, None, np.inf)
        present = network.rows.get(asking.base, len(network.ids)) if asking.base else -1
        found: Choice = choose(
            self._rules,
            self._preference,
            network.places_km,
            self._near,
            asking.place_km,
            present,
            asking.held_s,
        )
        base = network.ids[found.row] if found.row >= 0 else ""
        return Led(base, found.reason, found.distance_km)

    def reaches(self, place_km: NDArray[np.float64]) -> bool:
        """Whether any base is near enough to a place, sending or not."""
        if self._network is None:
            return True
        apart_km = self._network.places_km[self._near.rows(place_km)] - place_km
        return bool((np.linalg.norm(apart_km, axis=1) <= self._rules.radius_km).any())


def grade_by_sending(network: Columns, *, bad: NDArray[np.bool_] | None = None) -> NDArray[np.int8]:
    """Return the grades by what the caster itself sees, and by who is said to be bad."""
    grade = np.where(network.steady, FINE, UNSTEADY)
    if bad is not None:
        grade = np.where(bad, BAD, grade)
    return np.where(network.sends, grade, SILENT).astype(np.int8)
