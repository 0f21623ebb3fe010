"""Ground temperature: imbalance, slope against SciPy, curve, reference, and sensors that jump."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensors.detectors.bank import Bank
from sensors.detectors.finding import Subject
from sensors.detectors.ground_temperature import KIND, GroundTemperatureParameters
from sensors.ground_kernel import YEAR_US
from tests.sensors.detectors.contract import (
    DAY,
    START,
    Input,
    assert_cuts_do_not_matter,
    assert_ends_in_silence,
    assert_survives,
    every,
    find,
    rows,
    story,
)

BEGIN = START - START % YEAR_US
SIX_HOURS_S = 21_600.0


def temperature(times, slope=0.0, swing=1.5, noise=0.1, seed=0):
    """15 degrees, the year's wave, a slope from the first day on."""
    years = (times - times[0]) / YEAR_US
    wave = swing * np.sin(2 * np.pi * times / YEAR_US - 1.2)
    return 15 + wave + slope * years + np.random.default_rng(seed).normal(0, noise, len(times))


def six_hours(years, begin_us=BEGIN):
    return every(SIX_HOURS_S, round(years * 365.25 * 4), begin_us)


@pytest.mark.parametrize("slope", [0.0, 0.2, -0.7])
def test_the_slope_is_that_of_theil_and_sen_within_seasons(slope):
    times = six_hours(6.1)
    value = temperature(times, slope)
    bank = Bank(KIND)
    place = bank.add(GroundTemperatureParameters(), Subject("x", "Cel"))
    list(bank.on_rows(rows([Input(times, value)])))
    days = times // DAY
    daily = {d: np.median(value[days == d]) for d in np.unique(days)[:-1]}
    season = {d: d * DAY * 4 // YEAR_US for d in daily}
    known = Counter(season.values())
    del known[max(known)]  # not over
    medians = {q: np.median([daily[d] for d in daily if season[d] == q]) for q in known if known[q] > 30}
    same = [(a, b) for a, b in combinations(sorted(medians), 2) if (b - a) % 4 == 0]
    slopes = [(medians[b] - medians[a]) * 4 / (b - a) for a, b in same]
    assert len(slopes) > 20
    assert float(bank.state[place]["slope"]) == pytest.approx(np.median(slopes), abs=1e-5)
    assert float(bank.state[place]["slope"]) == pytest.approx(slope, abs=0.03)


@pytest.mark.parametrize(("slope", "level"), [(0.45, "yellow"), (-0.9, "orange")])
def test_a_field_that_warms_or_cools_is_told_after_three_years(slope, level):
    times = six_hours(5)
    found = find(KIND, GroundTemperatureParameters(), Input(times, temperature(times, slope)))
    assert found[-1].level == level
    assert ("warms" if slope > 0 else "cools") in found[0].title
    assert found[0].at_us - BEGIN < 3.1 * YEAR_US
    assert len(found[0].evidence["season_medians"]["value"]) >= 8


def heat(times, kw_winter, kw_summer):
    """Totals of heat rejected (in summer) and extracted (in winter)."""
    summer = np.sin(2 * np.pi * times / YEAR_US) > 0
    hours = SIX_HOURS_S / 3600
    return np.cumsum(summer * kw_summer * hours), np.cumsum(~summer * kw_winter * hours)


@pytest.mark.parametrize(
    ("winter", "summer", "level"), [(100, 95, None), (100, 85, "yellow"), (70, 100, "orange")]
)
def test_an_imbalance_of_twelve_months_is_told(winter, summer, level):
    times = six_hours(2.5)
    rejected, extracted = heat(times, winter, summer)
    # A meter that is set to 0, and one that shows 0 for a moment.
    rejected[1000:] -= rejected[1000]
    extracted[1500] = 0.0
    parameters = GroundTemperatureParameters(heat_rejected="in", heat_extracted="out")
    inputs = [Input(times, temperature(times)), Input(times, rejected, 1), Input(times, extracted, 2)]
    found = find(KIND, parameters, *inputs)
    assert [f.level for f in found] == ([] if level is None else [level])
    if level is not None:
        assert found[0].value == pytest.approx((summer - winter) / max(summer, winter), abs=0.02)
        assert 1.0 * YEAR_US < found[0].at_us - BEGIN < 1.25 * YEAR_US


def test_a_deviation_from_the_standard_curve_is_told():
    times = six_hours(1.5)
    middle = (np.arange(12) + 0.5) / 12 * YEAR_US
    standard = tuple((15 + 1.5 * np.sin(2 * np.pi * middle / YEAR_US - 1.2)).tolist())
    parameters = GroundTemperatureParameters(standard_curve_cel=standard)
    quiet = temperature(times)
    assert find(KIND, parameters, Input(times, quiet)) == []
    warm = quiet + np.interp(np.arange(len(times)), [700, 800, 1200, 1300], [0, 2.2, 2.2, 0])
    found = find(KIND, parameters, Input(times, warm))
    assert story(found) == [("begin", "yellow"), ("end", "yellow")]
    assert found[0].at_us - times[700] < 40 * DAY


def test_the_reference_borehole_takes_the_climate_out():
    times = six_hours(4)
    climate = 1.2 * (times - times[0]) / YEAR_US
    parameters = GroundTemperatureParameters(reference="far", slopes_cel_per_year=(None,) * 4)
    quiet = [
        Input(times, temperature(times) + climate),
        Input(times, temperature(times, seed=1) + climate, 1),
    ]
    assert find(KIND, parameters, *quiet) == []
    field = [quiet[0]._replace(value=quiet[0].value + climate), quiet[1]]
    found = find(KIND, parameters, *field)
    assert story(found) == [("begin", "yellow")]
    assert "against the reference" in found[0].title


def test_ten_years_of_ordinary_ground_call_nobody():
    for seed in range(10):
        times = six_hours(10)
        noise = np.random.default_rng(seed).normal(0, 0.1, 11)
        years = np.interp(times, BEGIN + np.arange(11) * YEAR_US, noise)
        value = temperature(times, 0.05, seed=seed) + years
        value[::997] += 20.0
        assert find(KIND, GroundTemperatureParameters(), Input(times, value)) == []


def test_a_jump_is_a_problem_of_the_sensor():
    times = six_hours(4)
    value = temperature(times)
    value[3000:] += 6.0
    found = find(KIND, GroundTemperatureParameters(), Input(times, value))
    sensor = "ground_temperature_sensor"
    assert story(found) == [("begin", "blue", sensor), ("end", "blue", sensor)]
    assert found[0].at_us - times[3000] < 4 * DAY


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_it_keeps_the_contract(seed):
    random = np.random.default_rng(seed)
    times = every(86_400 / 2, 2800, BEGIN)
    value = temperature(times, random.normal(0, 1.0), seed=seed)
    rejected, extracted = heat(times, 100, random.uniform(50, 150))
    parameters = GroundTemperatureParameters(heat_rejected="in", heat_extracted="out", reference="far")
    inputs = [
        Input(times, value), Input(times, rejected, 1), Input(times, extracted, 2),
        Input(times[::3], temperature(times[::3], seed=seed + 1), 3),
    ]  # fmt: skip
    assert_cuts_do_not_matter(KIND, parameters, inputs, seed)
    assert_survives(KIND, parameters, 4, 86_400, seed)


def test_silence_ends_it():
    times = six_hours(4)
    assert_ends_in_silence(KIND, GroundTemperatureParameters(), [Input(times, temperature(times, 1.0))])


@pytest.mark.parametrize(
    "wrong",
    [{"standard_curve_cel": (1.0,)}, {"heat_rejected": "x"}, {"step_cel": 0.0}, {"imbalances": (1.0,)}],
)
def test_parameters_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match="must"):
        GroundTemperatureParameters(**wrong)
