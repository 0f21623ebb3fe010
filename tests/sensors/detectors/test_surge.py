"""Storm surges over a tide of known constants."""

import numpy as np
import pytest

from sensors.detectors import Samples, Subject, find_kind, make_detector
from sensors.detectors.surge import StormSurgeParameters
from sensors.tides import Harmonic, tide
from tests.sensors import sea
from tests.sensors.detectors.contract import (
    Input,
    assert_cuts_do_not_matter,
    assert_ends_in_silence,
    assert_survives,
)

S = 1_000_000
MINUTE = 60 * S
HOUR = 60 * MINUTE
START = 1_700_000_000 * S // HOUR * HOUR
CONSTANTS = (
    Harmonic("M2", 1.1, 120.0),
    Harmonic("S2", 0.4, 160.0),
    Harmonic("K1", 0.3, 20.0),
    Harmonic("O1", 0.2, 300.0),
    Harmonic("M4", 0.08, 40.0),
)
GIVEN = {
    "constituents": [
        {"name": h.name, "amplitude_m": h.amplitude_m, "phase_deg": h.phase_deg} for h in CONSTANTS
    ],
    "mean_level_m": 2.5,
}
SURGE, SKEW, SENSOR = "", "skew_surge", "storm_surge_sensor"
PARAMETERS = StormSurgeParameters(constituents=CONSTANTS, mean_level_m=2.5)


def detector(**parameters):
    return make_detector("storm_surge", GIVEN | parameters, Subject("Gauge", "m"))


def feed(watch, time_us, value):
    return watch.on_samples(Samples(time_us, value, np.isfinite(value), time_us))


def story(findings):
    return [(f.rule, f.phase, f.level) for f in findings]


def gauge(days=6.0, step_s=60, seed=1):
    time_us = START + np.arange(0, int(days * 86_400), step_s) * S
    noise = np.random.default_rng(seed).normal(0, 0.01, len(time_us))
    return time_us, 2.5 + tide(time_us, CONSTANTS) + noise


def storm(time_us, peak_m, at_h=60.0, lasts_h=10.0):
    hours = (time_us - START) / HOUR
    return peak_m * np.exp(-(((hours - at_h) / lasts_h) ** 2))


@pytest.mark.parametrize("step_s", [6, 60, 360, 1800])
def test_a_tide_without_wind_says_nothing(step_s):
    time_us, value = gauge(30.0 if step_s > 60 else 4.0, step_s)
    assert feed(detector(), time_us, value) == []


@pytest.mark.parametrize(
    ("peak_m", "levels"),
    [(0.45, []), (0.7, ["blue"]), (1.3, ["blue", "yellow"]), (2.4, ["blue", "yellow", "orange", "red"])],
)
def test_a_storm_is_one_surge_whose_level_rises(peak_m, levels):
    time_us, value = gauge()
    found = [f for f in feed(detector(), time_us, value + storm(time_us, peak_m)) if f.rule == SURGE]
    assert [f.level for f in found if f.phase != "end"] == levels
    assert [f.phase for f in found] == ["begin", *["update"] * (len(levels) - 1), "end"][: len(found)]
    if levels:
        begin, end = found[0], found[-1]
        reached_us = time_us[np.argmax(storm(time_us, peak_m) >= 0.5)]
        assert reached_us < begin.at_us < reached_us + 2.5 * HOUR
        assert end.evidence["largest_surge_m"] == pytest.approx(peak_m, abs=0.05 + 0.02 * peak_m)


def test_the_surge_is_the_mean_of_what_the_tide_leaves():
    time_us, value = gauge()
    value += storm(time_us, 1.3)
    begin = next(f for f in feed(detector(), time_us, value) if f.rule == SURGE)
    residual = value - 2.5 - tide(time_us, CONSTANTS)
    # the newest block of ten minutes is over when the next one begins
    last_us = begin.at_us // (10 * MINUTE) * 10 * MINUTE
    inside = (time_us >= last_us - 3 * HOUR) & (time_us < last_us)
    assert begin.value == pytest.approx(residual[inside].mean(), abs=0.005)
    assert begin.evidence["samples"]["residual"][-1] == pytest.approx(
        np.median(residual[inside][-10:]), abs=1e-3
    )


def test_the_skew_surge_is_the_high_waters_difference_however_the_surge_is_timed():
    time_us, value = gauge()
    surge = storm(time_us, 0.9)
    found = [f for f in feed(detector(), time_us, value + surge) if f.rule == SKEW]
    assert [f.phase for f in found] == ["begin", "end"]
    begin = found[0]
    high_us = begin.evidence["high_water"]["time_us"]
    predicted = 2.5 + tide(time_us, CONSTANTS)
    near = np.abs(time_us - high_us) <= 3 * HOUR
    assert predicted[near].max() == pytest.approx(begin.evidence["high_water"]["predicted_m"], abs=1e-3)
    assert begin.value == pytest.approx((predicted + surge)[near].max() - predicted[near].max(), abs=0.03)
    assert begin.onset_us == high_us


@pytest.mark.parametrize("period_min", [5, 15, 40])
def test_a_tsunami_is_no_surge(period_min):
    time_us, value = gauge()
    value += sea.tsunami(time_us, START + 50 * HOUR, 1.0, period_min)
    assert not [f for f in feed(detector(), time_us, value) if f.rule == SURGE]


def test_spikes_gaps_and_missing_values_are_no_surge():
    time_us, value = gauge()
    value[::97] += 6.0
    value[3000:3300] = np.nan
    assert feed(detector(), time_us, value) == []
    keep = np.ones(len(value), bool)
    keep[5000:5200] = False
    assert feed(detector(), time_us[keep], value[keep]) == []


@pytest.mark.parametrize("step_s", [60, 360])
@pytest.mark.parametrize("offset_m", [0.6, -1.0, 5.0])
def test_a_shifted_zero_is_the_gauges_fault_and_a_surge_behind_it_is_still_seen(offset_m, step_s):
    time_us, value = gauge(step_s=step_s)
    value[time_us >= START + 24 * HOUR] += offset_m
    assert story(feed(detector(), time_us, value)) == [(SENSOR, "begin", "blue"), (SENSOR, "end", "blue")]
    found = feed(detector(), time_us, value + storm(time_us, 0.8, 80))
    surge = [f for f in found if f.rule == SURGE]
    assert [f.phase for f in surge] == ["begin", "end"]
    assert surge[-1].evidence["largest_surge_m"] == pytest.approx(0.8, abs=0.08)


@pytest.mark.parametrize("hour", [50, 53, 56])
def test_a_stuck_gauge_is_no_surge(hour):
    time_us, value = gauge()
    stuck = (time_us >= START + hour * HOUR) & (time_us < START + (hour + 20) * HOUR)
    value[stuck] = value[stuck][0]
    found = feed(detector(), time_us, value)
    assert {f.rule for f in found} == {SENSOR}
    assert found[0].at_us < START + (hour + 4) * HOUR


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"constituents": [{"name": "M9", "amplitude_m": 1.0, "phase_deg": 0.0}]}, "no constituent"),
        ({"constituents": [GIVEN["constituents"][0]] * 2}, "twice"),
        ({"hysteresis_m": 0.6}, "hysteresis_m"),
        ({"red_m": 0.1}, "red_m"),
        ({"smooth_s": 60.0}, "smooth_s"),
        ({"max_gap_s": 0.0}, "above 0"),
    ],
)
def test_wrong_parameters_are_refused(parameters, words):
    with pytest.raises(ValueError, match=words):
        detector(**parameters)


def test_constants_must_be_given():
    with pytest.raises(ValueError, match="constituents"):
        make_detector("storm_surge", {}, Subject("Gauge", "m"))


def everything():
    time_us, value = gauge(5.0)
    value += storm(time_us, 1.3, 50.0)
    value[time_us >= START + 80 * HOUR] += 0.7
    value[::301] -= 3
    value[6500:6800] = value[6500]
    return [Input(time_us, value)]


@pytest.mark.parametrize("seed", range(6))
def test_cuts_restarts_and_neighbours_change_nothing(seed):
    assert_cuts_do_not_matter(find_kind("storm_surge"), PARAMETERS, everything(), seed)


@pytest.mark.parametrize("seed", range(10))
def test_it_survives_what_is_absurd(seed):
    assert_survives(find_kind("storm_surge"), PARAMETERS, 1, 60.0, seed)


def test_what_has_begun_ends_in_silence():
    time_us, value = gauge()
    value += storm(time_us, 1.3, 144)
    assert_ends_in_silence(find_kind("storm_surge"), PARAMETERS, [Input(time_us, value)])


def test_the_state_is_small():
    assert find_kind("storm_surge").state.itemsize <= 4096
