"""Rain: sums against brute force, curves as published, three kinds of input, gauges that are wrong."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensors.detectors import LEVELS
from sensors.detectors.bank import Bank
from sensors.detectors.finding import Subject
from sensors.detectors.rainfall import KIND, Accumulation, RainfallParameters
from sensors.intensity_duration import CURVES, IntensityDuration
from sensors.rain_kernel import NM
from tests.sensors.detectors.contract import (
    DAY,
    HOUR,
    START,
    Input,
    S,
    assert_cuts_do_not_matter,
    assert_ends_in_silence,
    assert_survives,
    every,
    find,
    rows,
    story,
)

PERIOD_S = 300.0
COUNTY = (
    Accumulation(hours=1, levels_mm=(35, 45, 60, 80)),
    Accumulation(hours=3, levels_mm=(55, 75, 100, 120)),
    Accumulation(hours=6, levels_mm=(70, 95, 120, 150)),
    Accumulation(hours=24, levels_mm=(100, 130, 160, 200)),
)
"""A county's table, as an example."""
TABLE = RainfallParameters(table=COUNTY, curve="")
BEGIN_US = START - START % DAY


def storm(n, at, mm_h, hours, seed=0):
    """Rain in tips of 0.2 mm, with the scatter of a real one."""
    random = np.random.default_rng(seed)
    rain = np.zeros(n)
    length = round(hours * 3600 / PERIOD_S)
    mean = mm_h * PERIOD_S / 3600
    length = min(length, n - at)
    rain[at : at + length] = np.round(random.gamma(4.0, mean / 4.0, length) / 0.2) * 0.2
    return rain


def climate(days, seed):
    """Ordinary rain: an event of some hours each third day, 3 mm/h at the mean."""
    random = np.random.default_rng(seed)
    rain = np.zeros(days * 288)
    for day in np.flatnonzero(random.random(days) < 0.33):
        length = int(random.gamma(2.0, 24)) + 6
        at = day * 288 + int(random.integers(0, 288))
        part = random.gamma(0.8, random.gamma(1.5, 0.12), len(rain[at : at + length]))
        rain[at : at + length] = np.round(part / 0.2) * 0.2
    return rain


def state_after(parameters, times, value):
    bank = Bank(KIND)
    slot = bank.add(parameters, Subject("x", "mm"))
    list(bank.on_rows(rows([Input(times, value)])))
    return bank.state[slot]


@pytest.mark.parametrize("seed", range(5))
def test_sums_and_antecedent_rain_are_those_of_brute_force(seed):
    rain = climate(40, seed)
    times = every(PERIOD_S, len(rain), BEGIN_US + round(PERIOD_S * S))
    state = state_after(TABLE, times, rain)
    for k, row in enumerate(COUNTY):
        within = times > times[-1] - round(row.hours * HOUR)
        assert state["sum"][k] / NM == pytest.approx(rain[within].sum(), abs=1e-6)
    days_ago = (times[-1] - 1) // DAY - (times - 1) // DAY
    effective = sum(rain[days_ago == i].sum() * 0.84**i for i in range(41))
    assert (state["before"] + state["today"]) / NM == pytest.approx(effective, rel=1e-9)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("mm_h", "hours"), [(20, 1.5), (45, 1.5), (50, 1.5), (70, 2), (20, 12), (90, 1)])
def test_a_storm_reaches_the_levels_of_the_table(mm_h, hours, seed):
    rain = storm(1200, 200, mm_h, hours, seed)
    found = find(KIND, TABLE, Input(every(PERIOD_S, 1200, BEGIN_US), rain))
    expected = -1
    for row in COUNTY:
        most = np.convolve(rain, np.ones(round(row.hours * 12))).max() + 1e-9
        expected = max(expected, int(np.searchsorted(row.levels_mm, most, side="right")) - 1)
    reached = [LEVELS.index(f.level) for f in found if f.phase != "end"]
    assert max(reached, default=-1) == expected
    if found:
        assert [f.phase for f in found if f.phase != "update"] == ["begin", "end"]
        assert found[0].evidence["samples"]["value"][-1] > 0


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("caine_1980", lambda d: 14.82 * d**-0.39),
        ("guzzetti_2008", lambda d: 2.20 * d**-0.44),
        ("cadses_2007", lambda d: 9.40 * d**-0.56),
        ("aleotti_2004", lambda d: 19.0 * d**-0.50),
    ],
)
@pytest.mark.parametrize("hours", [5.0, 12.0, 24.0])
def test_steady_rain_crosses_a_published_curve_at_its_intensity(name, formula, hours):
    assert CURVES[name].rain_mm(hours) / hours == pytest.approx(formula(hours))
    for share, above in ((0.97, False), (1.03, True)):
        n = round(hours * 3600 / PERIOD_S)
        # Two amounts in turn, so that it does not look like a gauge that repeats itself.
        rain = np.tile([0.9, 1.1], n)[:n] * share * formula(hours) * PERIOD_S / 3600
        parameters = RainfallParameters(curve=name, curve_level="orange")
        found = find(KIND, parameters, Input(every(PERIOD_S, n), rain))
        assert [f.level for f in found] == (["orange"] if above else [])


def test_antecedent_rain_counts_days_after():
    parameters = RainfallParameters(curve="", antecedent_levels_mm=(100, 150, 200, None))
    rain = np.zeros(288 * 6)
    for day in range(5):
        rain[288 * day + 100 : 288 * day + 148] = np.tile([0.8, 1.0], 24)
    found = find(KIND, parameters, Input(every(PERIOD_S, len(rain), BEGIN_US), rain))
    # 43.2 mm a day: 43.2, 79.5, 110.0 -> the third day.
    assert found[0].phase == "begin"
    assert (found[0].at_us - BEGIN_US) // DAY == 2
    assert "effective rain" in found[0].title


@pytest.mark.parametrize("kind", ["total", "tips"])
def test_counters_say_the_same_as_intervals(kind):
    rain = storm(1000, 300, 50, 2)
    total = np.cumsum(np.append(0.0, rain[1:])) / (0.2 if kind == "tips" else 1.0)
    total = np.round(total, 6) + 12_345.0
    reset = total.copy()
    reset[310:] -= reset[309]  # somebody emptied it
    times = every(PERIOD_S, 1000)
    expected = find(KIND, TABLE, Input(times, rain))
    for counter in (total, reset):
        parameters = RainfallParameters(table=COUNTY, curve="", input=kind)
        found = find(KIND, parameters, Input(times, counter))
        assert [(f.phase, f.level, f.at_us) for f in found] == [(f.phase, f.level, f.at_us) for f in expected]
    over = (total * 1.0) % 12_400.0
    parameters = RainfallParameters(table=COUNTY, curve="", input=kind, rollover=12_400.0)
    found = find(KIND, parameters, Input(times, over))
    assert story(found) == story(expected)


def test_a_counter_that_falls_to_zero_for_a_moment_is_a_problem_of_the_gauge():
    total = np.full(600, 5000.0)
    total[300] = 0.0
    found = find(
        KIND, RainfallParameters(table=COUNTY, curve="", input="total"), Input(every(300, 600), total)
    )
    assert {f.rule for f in found} == {"rainfall_sensor"}
    assert "check it" in found[0].title


def test_a_total_that_was_away_for_an_hour_brings_its_rain():
    rain = storm(600, 300, 90, 1)
    total = np.cumsum(rain)
    keep = (np.arange(600) < 299) | (np.arange(600) > 311)
    parameters = RainfallParameters(table=COUNTY, curve="", input="total", least_wet_samples=1)
    found = find(KIND, parameters, Input(every(PERIOD_S, 600, BEGIN_US)[keep], total[keep]))
    # It is spread over the 14 intervals from the last sample before to the first after.
    assert found[0].phase == "begin"
    assert found[0].evidence["accumulations_mm"]["1 h"] == pytest.approx(rain.sum() * 12 / 14, abs=0.01)
    assert found[0].evidence["event_mm"] == pytest.approx(rain.sum())


def test_rain_of_ten_days_away_is_not_that_of_a_day():
    total = np.append(np.zeros(50), np.full(20, 240.0))
    times = np.append(every(PERIOD_S, 50, BEGIN_US), every(PERIOD_S, 20, BEGIN_US + 10 * DAY))
    parameters = RainfallParameters(table=COUNTY, curve="", input="total", least_wet_samples=1)
    assert find(KIND, parameters, Input(times, total)) == []
    state = state_after(parameters, times, total)
    gap_d = (times[50] - times[49]) / DAY
    assert int(state["sum"][3]) / NM == pytest.approx(240 / gap_d, rel=0.1)
    days = [240 / gap_d * 0.84**i for i in range(1, 11)]
    assert (state["before"] + state["today"]) / NM == pytest.approx(sum(days), rel=0.05)


@pytest.mark.parametrize("value", [60.0, 200.0, 5000.0])
def test_spikes_are_no_rain(value):
    rain = np.zeros(2000)
    rain[500::400] = value
    found = find(KIND, TABLE, Input(every(PERIOD_S, 2000), rain))
    assert [f for f in found if not f.rule] == []


@pytest.mark.parametrize("value", [1.0, 4.0, 12.0])
def test_a_stuck_gauge_is_told_and_is_no_rain(value):
    rain = np.zeros(2000)
    rain[500:900] = value
    found = find(KIND, TABLE, Input(every(PERIOD_S, 2000), rain))
    assert story(found) == [("begin", "blue", "rainfall_sensor"), ("end", "blue", "rainfall_sensor")]


def test_ten_years_of_ordinary_rain_call_nobody():
    for seed in range(10):
        rain = climate(365, seed)
        assert 200 < rain.sum() < 3000
        found = find(KIND, TABLE, Input(every(PERIOD_S, len(rain)), rain))
        assert found == []


def test_two_storms_ten_hours_apart_are_two_events():
    rain = storm(800, 100, 50, 1.5) + storm(800, 280, 50, 1.5, 2)
    found = find(KIND, TABLE, Input(every(PERIOD_S, 800), rain))
    assert [f.phase for f in found if f.phase in ("begin", "end")] == ["begin", "end", "begin", "end"]


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_it_keeps_the_contract(seed):
    random = np.random.default_rng(seed)
    rain = storm(500, 100, random.uniform(10, 120), random.uniform(0.5, 10), seed)
    keep = random.random(500) > 0.03
    parameters = RainfallParameters(table=COUNTY, antecedent_levels_mm=(50, 100, 200, 300))
    inputs = [Input(every(PERIOD_S, 500)[keep], rain[keep])]
    assert_cuts_do_not_matter(KIND, parameters, inputs, seed)
    assert_survives(KIND, parameters, 1, PERIOD_S, seed)
    total = RainfallParameters(table=COUNTY, input="tips", rollover=100.0)
    assert_survives(KIND, total, 1, PERIOD_S, seed)


def test_silence_ends_it():
    assert_ends_in_silence(KIND, TABLE, [Input(every(PERIOD_S, 60), storm(60, 30, 60, 3))])


@pytest.mark.parametrize(
    "wrong",
    [{"curve": "cain"}, {"curve": ""}, {"curve": "own"}, {"tip_mm": 0.0}, {"end_share": 2.0},
     {"table": (Accumulation(hours=48, levels_mm=(1, 2, 3, 4)),)},
     {"table": (Accumulation(hours=1, levels_mm=(4, 2, 3, 4)),)}],
)  # fmt: skip
def test_parameters_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match=r"must"):
        RainfallParameters(**wrong)
    with pytest.raises(ValueError, match="must"):
        IntensityDuration(a=1.0, b=1.5, shortest_h=1.0, longest_h=2.0)
