"""Oxygen: a river's year, nights without oxygen, and sensors that fail."""

import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensors.detectors.dissolved_oxygen import KIND, DissolvedOxygenParameters
from tests.sensors.detectors.contract import (
    HOUR,
    START,
    Input,
    assert_cuts_do_not_matter,
    assert_ends_in_silence,
    assert_survives,
    every,
    find,
    story,
)

QUARTER_S = 900.0


def oxygen(n, seed=0, mean=9.0, swing=1.5):
    """A day's wave, weather over days, and noise of 0.05 mg/L."""
    hours = np.arange(n) / 4
    random = np.random.default_rng(seed)
    weather = np.interp(
        np.arange(n), np.arange(0, n + 400, 400), random.normal(0, 0.6, n // 400 + 2)[: (n + 799) // 400]
    )
    return mean + swing * np.sin(2 * np.pi * hours / 24) + weather + random.normal(0, 0.05, n)


def logan(data, name):
    with gzip.open(data / f"waterquality/{name}", "rt") as file:
        header = file.readline().strip().split(",")
        at = header.index("do")
        lines = [line.split(",") for line in file if line.strip()]
    times = np.array([line[0].replace(" ", "T") for line in lines], "datetime64[us]").astype(np.int64)
    value = np.array([np.nan if line[at] == "NULL" else float(line[at]) for line in lines])
    label = np.array([line[at + 2] not in {"NULL", ""} or line[at + 1] == "NULL" for line in lines])
    value[(value < 0) | (value > 20)] = np.nan  # outside of the instrument's span
    order = np.argsort(times, kind="stable")
    return times[order], value[order], label[order]


@pytest.mark.parametrize("name", ["LRO_MainStreet2019.csv.gz", "LRO_TonyGrove2014.csv.gz"])
def test_a_mountain_river_never_runs_out_of_oxygen(data, name):
    times, value, label = logan(data, name)
    found = find(KIND, DissolvedOxygenParameters(), Input(times, value))
    assert [f for f in found if not f.rule] == []
    # Where the sensor is blamed, technicians labelled the time, or took the values out.
    blames = [f for f in found if f.phase == "begin"]
    for blamed in blames:
        near = np.abs(times - blamed.onset_us) < 24 * HOUR
        assert label[near].any()


def test_a_summer_night_without_oxygen_is_told():
    n = 20 * 96
    value = oxygen(n, mean=6.5, swing=1.0) - np.interp(np.arange(n), [900, 1300, 1500], [0, 5.0, 0])
    times = every(QUARTER_S, n)
    found = find(KIND, DissolvedOxygenParameters(), Input(times, value))
    levels = [f.level for f in found if f.phase != "end"]
    assert levels[0] == "blue"
    assert levels[-1] in {"orange", "red"}
    assert found[-1].phase == "end"
    first = times[np.flatnonzero(value <= 3.0)[0]]
    yellow = next(f for f in found if f.level == "yellow")
    assert yellow.at_us - first < 2 * HOUR


def test_a_swing_of_eutrophic_water_is_told_within_a_day():
    n = 12 * 96
    value = oxygen(n, mean=11.0, swing=0.7)
    value += np.where(np.arange(n) > 480, 4.0 * np.sin(2 * np.pi * np.arange(n) / 96), 0.0)
    found = find(KIND, DissolvedOxygenParameters(), Input(every(QUARTER_S, n), value))
    assert story(found)[0] == ("begin", "yellow")
    assert "swings" in found[0].title
    assert found[0].at_us - every(QUARTER_S, n)[480] < 26 * HOUR


@pytest.mark.parametrize("rail", [0.0, 0.02, 1.0, 16.0])
def test_a_rail_is_a_problem_of_the_sensor(rail):
    value = oxygen(2000)
    value[700:760] = rail
    value[1200] = rail  # a spike
    found = find(KIND, DissolvedOxygenParameters(), Input(every(QUARTER_S, 2000), value))
    sensor = "dissolved_oxygen_sensor"
    assert story(found) == [("begin", "blue", sensor), ("end", "blue", sensor)]


def test_a_stuck_sensor_is_told():
    value = oxygen(2000)
    value[700:900] = 4.9 if value[699] < 7 else value[699]
    found = find(KIND, DissolvedOxygenParameters(), Input(every(QUARTER_S, 2000), value))
    assert [f.rule for f in found] == ["dissolved_oxygen_sensor"] * 2
    assert "does not move" in found[0].title


def test_ten_years_of_ordinary_water_call_nobody():
    for seed in range(10):
        value = oxygen(365 * 96, seed)
        assert find(KIND, DissolvedOxygenParameters(), Input(every(QUARTER_S, len(value)), value)) == []


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_it_keeps_the_contract(seed):
    random = np.random.default_rng(seed)
    value = oxygen(600, seed, random.uniform(1, 9), random.uniform(0.2, 6))
    value[200:230] = random.uniform(-3, 12)
    keep = random.random(600) > 0.02
    inputs = [Input(every(QUARTER_S, 600, START)[keep], value[keep])]
    assert_cuts_do_not_matter(KIND, DissolvedOxygenParameters(), inputs, seed)
    assert_survives(KIND, DissolvedOxygenParameters(), 1, QUARTER_S, seed)


def test_silence_ends_it():
    value = oxygen(50, mean=2.5, swing=0.1)
    assert_ends_in_silence(KIND, DissolvedOxygenParameters(), [Input(every(QUARTER_S, 50), value)])


@pytest.mark.parametrize("wrong", [{"low_mg_l": (1.0, 2.0, 3.0, 4.0)}, {"jump_mg_l": 0.0}])
def test_parameters_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match="must"):
        DissolvedOxygenParameters(**wrong)
