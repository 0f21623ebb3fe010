"""The choice of a base against a plain search over all of them."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from connectors.caster.roaming.choice import BAD, FINE, GONE, SILENT, UNSTEADY, Preference, Rules, choose
from connectors.caster.roaming.near import MOST_CELLS, Near, point_km

RULES = Rules(radius_km=100.0, hysteresis_km=2.0, hysteresis_share=0.1, hold_s=30.0)
coordinates = st.tuples(st.floats(-3.0, 3.0), st.floats(-3.0, 3.0))
bases = st.lists(
    st.tuples(coordinates, st.sampled_from([FINE, UNSTEADY, BAD, SILENT]), st.floats(0, 50)), max_size=12
)
ORIGINS = [(114.0, 30.0), (179.9, 52.0), (-60.0, -89.0), (10.0, 89.5), (0.0, 0.0)]


def line_km(a, b):
    return math.dist(a, b)


def searched(found, places, grades, penalties, rover, present, held_s):
    """Say whether a choice is right, by the rules as they are written."""
    apart = [line_km(place, rover) for place in places]
    open_to = [i for i in range(len(places)) if apart[i] <= 100.0 and grades[i] < SILENT]
    best = min(open_to, key=lambda i: (grades[i], apart[i] + penalties[i]), default=None)
    if present == -1 or present >= len(places):
        return found.row == (-1 if best is None else best)
    if apart[present] > 102.0:
        return found.row == (-1 if best is None else best)
    if best is None or best == present:
        return found.row == present
    if grades[best] < grades[present]:
        return found.row == best
    saved = apart[present] + penalties[present] - apart[best] - penalties[best]
    needed = max(2.0, 0.1 * apart[present])
    if abs(saved - needed) < 1e-9:
        return True
    is_worth_it = saved > needed and held_s >= 30.0 and grades[best] == grades[present]
    return found.row == (best if is_worth_it else present)


@given(bases, coordinates, st.sampled_from(ORIGINS), st.integers(-1, 13), st.floats(0, 60))
def test_the_choice_is_that_of_a_plain_search(bases, rover, origin, present, held_s):
    def place(at):
        return point_km(origin[0] + at[0], max(-90.0, min(90.0, origin[1] + at[1])))

    places = np.array([place(at) for at, _, _ in bases]).reshape(-1, 3)
    grades = [grade for _, grade, _ in bases]
    penalties = [penalty for _, _, penalty in bases]
    preference = Preference(np.array(grades, np.int8), np.array(penalties))
    here = place(rover)
    found = choose(RULES, preference, places, Near(places, 100.0), here, present, held_s)
    assert searched(found, places.tolist(), grades, penalties, here.tolist(), present, held_s)
    assert (found.reason is None) == (found.row == present)
    if found.row >= 0:
        assert found.distance_km == line_km(places[found.row], here) or math.isclose(
            found.distance_km, line_km(places[found.row], here), rel_tol=1e-12
        )


def test_each_change_has_its_reason():
    places = np.array([point_km(114.0, 30.0), point_km(114.2, 30.0), point_km(118.0, 30.0)])
    near, here = Near(places, 100.0), point_km(114.19, 30.0)

    def reason(*grades, present=0, held_s=60.0, at=here, penalties=(0.0, 0.0, 0.0)):
        preference = Preference(np.array(grades, np.int8), np.array(penalties))
        return choose(RULES, preference, places, near, at, present, held_s).reason

    assert reason(FINE, FINE, FINE, present=-1) == "first"
    assert reason(FINE, FINE, FINE) == "nearer"
    assert reason(FINE, FINE, FINE, held_s=29.0) is None
    assert reason(BAD, FINE, FINE, held_s=0.0) == "bad"
    assert reason(SILENT, BAD, FINE, held_s=0.0) == "silent"
    assert reason(UNSTEADY, FINE, FINE, held_s=0.0) == "unsteady"
    assert reason(SILENT, SILENT, FINE, held_s=0.0) is None
    assert reason(FINE, FINE, FINE, present=2, held_s=0.0) == "far"
    assert reason(FINE, FINE, FINE, present=7, held_s=0.0) == "gone"
    assert reason(FINE, FINE, FINE, present=1, penalties=(0.0, 30.0, 0.0)) == "better"
    far_away = point_km(0.0, 0.0)
    assert reason(FINE, FINE, FINE, at=far_away) == "far"
    assert reason(FINE, FINE, FINE, present=-1, at=far_away) is None
    assert GONE > SILENT


def test_a_network_of_cells_forgets_nothing_and_remembers_no_more_than_it_may():
    random = np.random.default_rng(1)
    places = np.array([point_km(lon, lat) for lon, lat in random.uniform((73, 18), (135, 54), (400, 2))])
    near = Near(places, 100.0)
    for lon, lat in random.uniform((73, 18), (135, 54), (300, 2)):
        here = point_km(lon, lat)
        within = np.flatnonzero(np.linalg.norm(places - here, axis=1) <= 100.0)
        assert set(within.tolist()) <= set(near.rows(here).tolist())
    near = Near(places[:1], 100.0)
    for i in range(MOST_CELLS + 10):
        near.rows(np.array([50.0 * i, 0.0, 0.0]))
    assert len(near._cells) <= MOST_CELLS
