"""Eight stations along a road of 200 km, and which of them a rover should have: worked out by great circles
and by a rule of its own, not by the program's way.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

KM_A_DEGREE = 111.195
LATITUDE = 30.5
ROAD_KM = 200.0

Place = tuple[float, float]
"""Longitude and latitude in degrees."""


def place(east_km: float, north_km: float) -> Place:
    latitude = LATITUDE + north_km / KM_A_DEGREE
    return 114.0 + east_km / KM_A_DEGREE / math.cos(math.radians(LATITUDE)), latitude


def haversine_km(a: Place, b: Place) -> float:
    (lon1, lat1), (lon2, lat2) = ([math.radians(v) for v in one] for one in (a, b))
    half = math.sin((lat2 - lat1) / 2) ** 2
    half += math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2 * 6371.0 * math.asin(math.sqrt(half))


STATIONS = {
    f"S{n}": place(12.5 + 25.0 * n, north)
    for n, north in enumerate((4.0, -6.0, 2.0, 9.0, -3.0, 5.0, -8.0, 1.0))
}


def expected(
    route: Sequence[Place],
    cost: Callable[[str, Place, int], float],
    usable: Callable[[str, int], bool],
) -> list[str]:
    """Return the right base at each second: the cheapest, or the one before while that costs little more.

    Parameters
    ----------
    route
        A place each second.
    cost
        Of a station for a place at a second, in km.
    usable
        Whether anybody should have a station at a second at all.
    """
    right: list[str] = []
    base, since = "", -1000
    for second, here in enumerate(route):
        costs = {name: cost(name, here, second) for name in STATIONS if usable(name, second)}
        cheapest = min(costs, key=lambda name: costs[name])
        must = base not in costs
        saves = not must and costs[base] - costs[cheapest] > max(
            2.0, 0.1 * haversine_km(here, STATIONS[base])
        )
        if must or (saves and second - since >= 30):
            base, since = cheapest, second
        right.append(base)
    return right


def longest_difference(had: Sequence[str], right: Sequence[str], from_second: int = 3) -> int:
    """Return for how many seconds at most a rover had another base than the right one."""
    runs = itertools.groupby(zip(had[from_second:], right[from_second:], strict=True), lambda p: p[0] != p[1])
    return max((len(list(run)) for differs, run in runs if differs), default=0)
