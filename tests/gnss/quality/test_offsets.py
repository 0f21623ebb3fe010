"""Mean and spread of offsets, against sums that are written out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnss.geodesy import ecef_to_enu, geodetic_to_ecef
from gnss.quality.offsets import EAST, EAST_M2, UP, UP_M2, WEIGHT, east_north_up, update_offsets

FINITE = st.floats(-2.0, 2.0)


@settings(deadline=None)
@given(st.lists(st.tuples(FINITE, FINITE, FINITE, st.floats(0.0, 60.0)), min_size=1, max_size=60))
def test_mean_and_variance_are_those_of_faded_weights(rows: list[tuple[float, float, float, float]]) -> None:
    state = np.zeros(8)
    for east, north, up, dt_s in rows:
        # within the limit below which nothing is wild
        assert update_offsets(state, east, north, up, dt_s, 900.0)
    values = np.array(rows)
    age_s = np.cumsum(values[::-1, 3])[::-1] - values[:, 3]
    weights = np.exp(-age_s / 900.0)
    mean = np.average(values[:, :3], axis=0, weights=weights)
    variance = np.average((values[:, :3] - mean) ** 2, axis=0, weights=weights)
    assert state[WEIGHT] == pytest.approx(weights.sum())
    assert state[EAST : UP + 1] == pytest.approx(mean, abs=1e-9)
    assert state[EAST_M2 : UP_M2 + 1] == pytest.approx(variance, abs=1e-9)


def settled() -> np.ndarray:
    state, rng = np.zeros(8), np.random.default_rng(1)
    for _ in range(90):
        update_offsets(state, *rng.normal(0.0, 0.3, 3), 10.0, 900.0)
    return state


@pytest.mark.parametrize("axis", range(3))
def test_one_wild_position_is_left_out(axis: int) -> None:
    state, wild = settled(), np.zeros(3)
    wild[axis] = -50.0
    before = state.copy()
    assert not update_offsets(state, *wild, 10.0, 900.0)
    assert state[EAST : UP_M2 + 1] == pytest.approx(before[EAST : UP_M2 + 1])
    assert update_offsets(state, 0.0, 0.0, 0.0, 10.0, 900.0)
    assert not update_offsets(state, *wild, 10.0, 900.0)


def test_an_antenna_that_moved_is_believed() -> None:
    state = settled()
    taken = [update_offsets(state, 30.0, 0.0, 0.0, 10.0, 900.0) for _ in range(20)]
    assert taken == [False, False] + [True] * 18
    assert state[EAST] > 3.0
    for _ in range(700):
        update_offsets(state, 30.0, 0.0, 0.0, 10.0, 900.0)
    assert state[EAST] == pytest.approx(30.0, abs=0.05)
    assert np.sqrt(state[EAST_M2]) < 1.0


@settings(deadline=None)
@given(st.lists(st.tuples(*[st.floats()] * 5), max_size=30))
def test_nonsense_never_gets_in(rows: list[tuple[float, float, float, float, float]]) -> None:
    state = settled()
    for row in rows:
        update_offsets(state, *row)
    assert np.isfinite(state).all()
    assert (state[EAST_M2 : UP_M2 + 1] >= 0.0).all()


@settings(deadline=None)
@given(
    st.floats(-180, 180), st.floats(-90, 90), st.floats(-500, 9000), st.tuples(*[st.floats(-1e3, 1e3)] * 3)
)
def test_offsets_are_those_of_the_geodetic_horizon(
    longitude: float, latitude: float, height_m: float, delta_m: tuple[float, float, float]
) -> None:
    reference = np.array(geodetic_to_ecef(longitude, latitude, height_m))
    place = reference + np.array(delta_m)
    enu = east_north_up(place, reference)
    assert np.linalg.norm(enu) == pytest.approx(np.linalg.norm(place - reference), abs=1e-6)
    if abs(latitude) < 89.999:
        assert np.array(enu) == pytest.approx(ecef_to_enu(place, reference), abs=0.03)
