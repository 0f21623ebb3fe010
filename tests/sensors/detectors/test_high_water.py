"""A site's own warning levels."""

import numpy as np
import pytest

from sensors.detectors import Samples, Subject, find_kind, make_detector
from sensors.detectors.high_water import HighWaterParameters
from tests.sensors import sea
from tests.sensors.detectors.contract import (
    Input,
    assert_cuts_do_not_matter,
    assert_ends_in_silence,
    assert_survives,
)
from tests.sensors.sea import Gauge

S = 1_000_000
MINUTE = 60 * S
HOUR = 60 * MINUTE
START = 1_700_000_000 * S
LEVELS = {"blue_m": 4.0, "yellow_m": 4.5, "red_m": 5.5}
PARAMETERS = HighWaterParameters(blue_m=4.0, yellow_m=4.5, red_m=5.5)
SENSOR = "high_water_sensor"


def detector(**parameters):
    return make_detector("high_water", LEVELS | parameters, Subject("Gauge", "m"))


def feed(watch, time_us, value):
    return watch.on_samples(Samples(time_us, value, np.isfinite(value), time_us))


def story(findings):
    return [(f.rule, f.phase, f.level) for f in findings]


def flood(peak_m, step_s=60, hours=20.0, seed=1):
    """A rise and fall of a few hours on 3 m."""
    time_us = START + np.arange(0, int(hours * 3600), step_s) * S
    at_h = (time_us - START) / HOUR
    noise = np.random.default_rng(seed).normal(0, 0.01, len(time_us))
    return time_us, 3 + (peak_m - 3) * np.exp(-(((at_h - 10) / 3) ** 2)) + noise


@pytest.mark.parametrize("step_s", [10, 60, 360])
@pytest.mark.parametrize(
    ("peak_m", "levels"),
    [(3.9, []), (4.3, ["blue"]), (5.0, ["blue", "yellow"]), (6.0, ["blue", "yellow", "red"])],
)
def test_a_flood_reaches_levels_and_ends_once(peak_m, levels, step_s):
    time_us, value = flood(peak_m, step_s)
    found = feed(detector(), time_us, value)
    assert [f.level for f in found if f.phase != "end"] == levels
    assert [f.phase for f in found] == ["begin", *["update"] * (len(levels) - 1), "end"][: len(found)]
    if levels:
        begin, end = found[0], found[-1]
        crossed_us = time_us[np.argmax(value >= 4.0)]
        assert crossed_us <= begin.onset_us <= crossed_us + 10 * MINUTE
        assert 300 * S <= begin.at_us - begin.onset_us <= 720 * S
        below_us = time_us[np.flatnonzero(value >= 3.9)[-1]]
        assert below_us + 55 * MINUTE < end.at_us < below_us + 75 * MINUTE
        assert end.evidence["highest_m"] == pytest.approx(peak_m, abs=0.03)


def test_a_level_that_is_hardly_crossed_does_not_flicker():
    time_us = START + np.arange(0, 3000) * MINUTE
    value = 4.0 + 0.05 * np.sin(np.arange(3000) / 9) + np.random.default_rng(1).normal(0, 0.02, 3000)
    assert story(feed(detector(), time_us, value)) == [("", "begin", "blue")]


def test_spikes_waves_and_missing_values_are_no_high_water():
    time_us, value = flood(3.5)
    value[::31] += 3.0
    value[200:230] = np.nan
    value[600:602] += 2.0
    assert feed(detector(), time_us, value) == []


@pytest.mark.parametrize("step_s", [60, 360])
def test_a_shifted_zero_is_the_gauges_fault_until_it_jumps_back(step_s):
    time_us, value = flood(4.2, step_s)
    hours = (time_us - START) / HOUR
    value[(hours > 2) & (hours < 16)] += 2.0
    found = feed(detector(), time_us, value)
    assert story(found) == [
        (SENSOR, "begin", "blue"),
        ("", "begin", "blue"),
        ("", "end", "blue"),
        (SENSOR, "end", "blue"),
    ]
    assert found[0].value == pytest.approx(2.0, abs=0.1)
    assert found[2].evidence["highest_m"] == pytest.approx(4.2, abs=0.1)


def test_a_bore_that_goes_on_to_rise_is_high_water():
    time_us, value = flood(3.0)
    minutes = np.maximum(np.arange(len(value)) - 300, 0)
    value += (minutes > 0) * (1.2 + 0.02 * np.minimum(minutes, 60))
    found = feed(detector(), time_us, value)
    assert story(found)[0] == ("", "begin", "blue")
    assert found[0].at_us < time_us[330]


@pytest.mark.parametrize("range_m", [1.0, 8.0])
def test_a_large_tide_has_no_steps(range_m):
    gauge = Gauge("semidiurnal", range_m, 360.0)
    time_us = sea.times(gauge, 30)
    assert feed(detector(blue_m=20.0, yellow_m=21.0, red_m=22.0), time_us, sea.level(gauge, time_us, 1)) == []


def test_holding_begins_anew_after_a_gap():
    time_us = START + np.arange(0, 600) * MINUTE
    value = np.full(600, 4.2)
    keep = np.ones(600, bool)
    keep[4:70] = False
    (begin,) = feed(detector(), time_us[keep], value[keep])
    assert begin.onset_us >= time_us[70]


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"blue_m": None, "yellow_m": None, "red_m": None}, "one of blue_m"),
        ({"blue_m": 5.0}, "blue_m <= yellow_m"),
        ({"hold_s": 0.0}, "above 0"),
        ({"hysteresis_m": -0.1}, "negative"),
    ],
)
def test_wrong_parameters_are_refused(parameters, words):
    with pytest.raises(ValueError, match=words):
        detector(**parameters)


def everything():
    time_us, value = flood(6.0)
    value[::50] += 3
    value[900:] += 1.5
    keep = np.ones(len(value), bool)
    keep[640:720] = False
    return [Input(time_us[keep], value[keep])]


@pytest.mark.parametrize("seed", range(6))
def test_cuts_restarts_and_neighbours_change_nothing(seed):
    assert_cuts_do_not_matter(find_kind("high_water"), PARAMETERS, everything(), seed)


@pytest.mark.parametrize("seed", range(10))
def test_it_survives_what_is_absurd(seed):
    assert_survives(find_kind("high_water"), PARAMETERS, 1, 60.0, seed)


def test_what_has_begun_ends_in_silence():
    time_us, value = flood(5.0, hours=10.0)
    assert_ends_in_silence(find_kind("high_water"), PARAMETERS, [Input(time_us, value)])
