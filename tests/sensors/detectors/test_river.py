"""Rivers: levels, rises, the two steps, shifted datums, and how soon and how often it calls."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensors.detectors.river import KIND, RiverParameters
from sensors.rating import Piece, Rating
from tests.sensors.detectors.contract import (
    HOUR,
    Input,
    S,
    assert_cuts_do_not_matter,
    assert_ends_in_silence,
    assert_survives,
    every,
    find,
    story,
)

MINUTE = 60 * S
LEVELS = RiverParameters(levels_m=(2.0, 2.5, 3.0, 3.5), rises=())


def stage(n, period_s=60.0, seed=0):
    """A quiet river: 1 m, a slow wave, 5 mm of noise."""
    hours = np.arange(n) * period_s / 3600
    return 1.0 + 0.2 * np.sin(2 * np.pi * hours / 50) + np.random.default_rng(seed).normal(0, 0.005, n)


def flood(n, at, rise_m, rise_min, fall_min=600.0):
    """Rises as a ramp and falls exponentially; minutes."""
    after = np.arange(n) - at
    up = np.clip(after / rise_min, 0, 1)
    return rise_m * up * np.exp(-np.maximum(after - rise_min, 0) / fall_min)


def test_a_flood_climbs_the_levels_and_ends_below_the_hysteresis():
    n = 4000
    water = stage(n) + flood(n, 1000, 2.0, 300)
    times = every(60, n)
    found = find(KIND, LEVELS, Input(times, water))
    assert story(found) == [("begin", "blue"), ("update", "yellow"), ("update", "orange"), ("end", "orange")]
    begin, end = found[0], found[-1]
    first = int(np.argmax(water >= 2.0))
    assert times[first] <= begin.onset_us <= times[first + 4]
    assert begin.at_us - times[first] <= 5 * MINUTE
    below = np.flatnonzero(water >= 1.9).max()
    assert end.at_us == pytest.approx(times[below] + HOUR, abs=5 * MINUTE)
    assert begin.evidence["samples"]["value"][-1] == pytest.approx(2.0, abs=0.05)


@pytest.mark.parametrize(("rise_m", "rise_min", "window"), [(0.8, 10, 5), (0.7, 20, 15), (1.8, 90, 60)])
def test_a_quick_rise_is_told_far_below_any_level(rise_m, rise_min, window):
    water = stage(900) + flood(900, 500, rise_m, rise_min)
    found = find(KIND, RiverParameters(), Input(every(60, 900), water))
    assert story(found)[0] == ("begin", "yellow")
    assert f"in {window} min" in found[0].title
    assert found[0].value < 1.2 + rise_m
    assert found[0].at_us - every(60, 900)[500] <= (rise_min + 5) * MINUTE


def test_prepare_comes_before_move_by_the_lead_time():
    parameters = RiverParameters(move_m=3.0, prepare_m=2.8, lead_s=1800, rises=())
    water = stage(1200) + flood(1200, 600, 3.0, 90)
    times = every(60, 1200)
    found = find(KIND, parameters, Input(times, water))
    assert story(found)[:2] == [("begin", "orange"), ("update", "red")]
    assert "prepare to move" in found[0].title
    assert found[1].title.endswith("move at once")
    reached = times[int(np.argmax(water >= 3.0))]
    assert 0.6 * 1800 * S < reached - found[0].at_us < 1.4 * 1800 * S
    assert 0 <= found[1].at_us - reached <= 3 * MINUTE


def test_levels_may_be_given_as_discharge():
    rating = Rating(pieces=(Piece(from_m=0.0, a=10.0, b=2.0, h0_m=0.0),))
    parameters = RiverParameters(rating=rating, discharge_levels_m3_s=(None, 40.0, 90.0, None), rises=())
    found = find(KIND, parameters, Input(every(60, 2000), stage(2000) + flood(2000, 500, 1.5, 300)))
    assert story(found)[0] == ("begin", "yellow")
    assert found[0].threshold == pytest.approx(2.0, abs=1e-3)
    assert found[0].evidence["discharge_m3_s"] == pytest.approx(10 * found[0].value ** 2, rel=1e-3)


@pytest.mark.parametrize("period_s", [60.0, 300.0, 900.0])
def test_a_year_of_quiet_rivers_calls_nobody(period_s):
    n = int(365 * 86400 / period_s)
    water = stage(n, period_s, 3)
    water[:: n // 40] += 2.5  # spikes
    assert find(KIND, LEVELS, Input(every(period_s, n), water)) == []
    assert find(KIND, RiverParameters(move_m=3.0), Input(every(period_s, n), water)) == []


@pytest.mark.parametrize("jump_m", [1.7, -0.8])
def test_a_shifted_datum_is_a_problem_of_the_gauge(jump_m):
    water = stage(2000)
    water[700:1500] = 1.1 + jump_m + np.random.default_rng(1).normal(0, 0.002, 800)
    water[:700] = 1.1
    water[1500:] = 1.1
    found = find(KIND, LEVELS, Input(every(60, 2000), water))
    assert story(found) == [("begin", "blue", "river_sensor"), ("end", "blue", "river_sensor")]
    assert found[0].value == pytest.approx(jump_m, abs=0.02)
    assert found[0].onset_us == every(60, 2000)[700]


def test_a_flood_after_a_shifted_datum_is_seen_against_the_old_one():
    water = stage(3000) + flood(3000, 1500, 1.5, 200)
    water[700:] += 1.7
    parameters = RiverParameters(levels_m=(2.0, 2.5, 3.0, 3.5), rises=(), still_m=0.1)
    found = find(KIND, parameters, Input(every(60, 3000), water))
    hazard = [f for f in found if not f.rule]
    assert hazard[0].level == "blue"
    assert hazard[0].value == pytest.approx(2.0, abs=0.05)


def test_a_wall_of_water_is_a_flood():
    # 1.5 m from one sample to the next, and it moves as water does.
    water = stage(900) + np.where(np.arange(900) >= 500, 1.5, 0.0) + flood(900, 500, 0.5, 20)
    found = find(KIND, LEVELS, Input(every(60, 900), water))
    assert story(found)[0] == ("begin", "yellow")
    assert found[0].at_us - every(60, 900)[500] <= 3 * MINUTE


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_it_keeps_the_contract(seed):
    random = np.random.default_rng(seed)
    n = 600
    water = stage(n, seed=seed) + flood(n, 150, random.uniform(0.5, 3), random.uniform(1, 100), 60)
    times = every(60, n)[random.random(n) > 0.02]
    parameters = RiverParameters(levels_m=(1.5, 2.0, 2.5, 3.0), move_m=2.8, hold_s=600)
    assert_cuts_do_not_matter(KIND, parameters, [Input(times, water[: len(times)])], seed)
    assert_survives(KIND, parameters, 1, 60, seed)


def test_silence_ends_it():
    assert_ends_in_silence(KIND, LEVELS, [Input(every(60, 200), stage(200) + 1.5)])


@pytest.mark.parametrize(
    "wrong",
    [{"levels_m": (3.0, 2.0, None, None)}, {"levels_m": (1.0,)}, {"prepare_m": 3.0, "move_m": 2.0},
     {"discharge_levels_m3_s": (1.0, None, None, None)}, {"still_m": 1.0}],
)  # fmt: skip
def test_parameters_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match=r"must|need"):
        RiverParameters(**wrong)
