"""Blooms: what algae do to oxygen, pH and turbidity, and what only looks like algae."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensors.detectors.algal_bloom import KIND, AlgalBloomParameters
from tests.sensors.detectors.contract import (
    DAY,
    Input,
    assert_cuts_do_not_matter,
    assert_ends_in_silence,
    assert_survives,
    every,
    find,
    story,
)

HALF_HOUR_S = 1800.0
ALL = AlgalBloomParameters(oxygen="do", ph="ph", turbidity="ntu")


def lake(days, seed=0, bloom=None, flood=None):
    """Return chlorophyll, oxygen, pH and turbidity; a bloom of 60 ug/L, or a flood of turbid water."""
    n = days * 48
    random = np.random.default_rng(seed)
    at = np.arange(n) / 48
    sun = np.sin(2 * np.pi * (at - 0.3))
    algae = (
        np.zeros(n)
        if bloom is None
        else np.interp(at, [bloom, bloom + 6, bloom + 14, bloom + 18], [0, 1, 1, 0])
    )
    turbid = (
        np.zeros(n)
        if flood is None
        else np.interp(at, [flood, flood + 0.2, flood + 2, flood + 5], [0, 1, 1, 0])
    )
    chlorophyll = 5 + 60 * algae + 25 * turbid + random.normal(0, 0.8, n)
    oxygen = 9 + (0.8 + 4.0 * algae) * sun + random.normal(0, 0.1, n)
    ph = 8.0 + 0.9 * algae + 0.1 * sun - 0.2 * turbid + random.normal(0, 0.03, n)
    turbidity = 4 + 8 * algae + 300 * turbid + random.gamma(2.0, 0.4, n)
    times = every(HALF_HOUR_S, n)
    columns = (chlorophyll, oxygen, ph, turbidity)
    return [Input(times, column, role) for role, column in enumerate(columns)]


def test_a_bloom_is_told_within_some_days_and_ends():
    inputs = lake(60, bloom=20)
    found = find(KIND, ALL, *inputs)
    assert found[0].phase == "begin"
    assert found[-1].phase == "end"
    assert [f.level for f in found][-1] == "orange"
    assert found[0].at_us - inputs[0].time_us[20 * 48] < 6 * DAY
    assert found[0].evidence["voices"]["oxygen"] >= 4
    assert found[0].evidence["inputs"] == ["do", "ph", "ntu"]


def test_turbid_floods_are_no_blooms():
    for seed in range(10):
        assert find(KIND, ALL, *lake(60, seed, flood=30)) == []


def test_ten_years_of_ordinary_lakes_call_nobody():
    for seed in range(10):
        assert find(KIND, ALL, *lake(365, seed)) == []


def test_chlorophyll_alone_is_yellow_at_most():
    found = find(KIND, AlgalBloomParameters(), lake(60, bloom=20)[0])
    assert {f.level for f in found} <= {"blue", "yellow"}
    assert story(found)[0] == ("begin", "blue")


def test_a_dead_oxygen_sensor_hides_no_bloom():
    inputs = lake(60, bloom=20)
    without = [inputs[0], inputs[2], inputs[3]]
    assert find(KIND, ALL, *without)[0].phase == "begin"


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_it_keeps_the_contract(seed):
    inputs = lake(40, seed, bloom=8)
    assert_cuts_do_not_matter(KIND, ALL, inputs, seed)
    assert_survives(KIND, ALL, 4, 20_000, seed)


def test_silence_ends_it():
    assert_ends_in_silence(
        KIND,
        ALL,
        [one._replace(time_us=one.time_us[:1500], value=one.value[:1500]) for one in lake(60, bloom=20)],
    )


@pytest.mark.parametrize("wrong", [{"ph_rise": 0.0}, {"chlorophyll_ug_l": (5.0, 1.0, None, None)}])
def test_parameters_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match="must"):
        AlgalBloomParameters(**wrong)
