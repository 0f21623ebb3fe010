"""Bottom pressure: the stations of NOAA on 2011-03-11, and stations that fail."""

import csv
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pytest

from sensors.detectors import Samples, Subject, find_kind, make_detector
from sensors.detectors.dart import BottomPressureParameters
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
QUAKE_US = int(datetime(2011, 3, 11, 5, 46, 24, tzinfo=UTC).timestamp()) * S
TSUNAMI, EVENT, SENSOR = "", "bottom_pressure_event", "bottom_pressure_sensor"
ANNOUNCED_MIN = {"21413": (70, 80), "52402": (210, 220)}
"""After the quake; at other stations within five minutes of the trigger."""


def detector(**parameters):
    return make_detector("bottom_pressure", parameters, Subject("Station", "m"))


def feed(watch, time_us, value):
    return watch.on_samples(Samples(time_us, value, np.isfinite(value), time_us))


def story(findings):
    return [(f.rule, f.phase) for f in findings]


def recording(data, name):
    """Oldest first; 9999 is no value."""
    rows = [line.split() for line in (data / "dart" / name).read_text().splitlines() if line[0] != "#"]
    time_us = [int(datetime(*map(int, row[:6]), tzinfo=UTC).timestamp()) * S for row in rows]
    value = np.array([float(row[7]) for row in rows])
    order = np.argsort(time_us, kind="stable")
    return np.array(time_us, np.int64)[order], np.where(value >= 9999, np.nan, value)[order]


def expected(data):
    with (data / "dart/EXPECTED_TRIGGERS.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 5
    return {row["file"]: float(row["first_exceedance_min_after_2011-03-11T05:46:24Z"]) for row in rows}


def test_stations_trigger_when_the_published_algorithm_does_and_tell_a_tsunami_by_its_period(data):
    for name, trigger_min in expected(data).items():
        time_us, value = recording(data, name)
        minutes_after = (time_us - QUAKE_US) / MINUTE
        found = feed(detector(), time_us, value)
        assert {f.rule for f in found} == {TSUNAMI, EVENT}, name  # and no sensor is blamed
        event = next(f for f in found if f.rule == EVENT)
        wave = next(f for f in found if f.rule == TSUNAMI)
        assert found[0] is event
        assert (event.phase, wave.phase, event.level) == ("begin", "begin", "blue")
        assert (event.onset_us - QUAKE_US) / MINUTE == pytest.approx(trigger_min, abs=0.051), name
        trigger = np.flatnonzero(minutes_after >= trigger_min - 0.051)[0]
        assert event.at_us in time_us[trigger - 1 : trigger + 2], name
        told_min = (wave.at_us - QUAKE_US) / MINUTE
        earliest, latest = ANNOUNCED_MIN.get(name[:5], (trigger_min, trigger_min + 5))
        assert earliest <= told_min <= latest, (name, told_min)
        assert [f.phase for f in found if f.rule == TSUNAMI].count("begin") == 1


def ocean(step_s=60.0, days=2.0, seed=1, range_m=1.0):
    gauge = Gauge("mixed", range_m, step_s, noise_m=0.001, seiche_m=0.0005, weather_m=0.05)
    time_us = sea.times(gauge, days)
    return time_us, sea.level(gauge, time_us, seed) + 4000


@pytest.mark.parametrize("step_s", [15, 60, 900])
@pytest.mark.parametrize("range_m", [0.2, 1.0, 3.0])
def test_a_quiet_ocean_says_nothing(step_s, range_m):
    time_us, value = ocean(step_s, 1.5 if step_s == 15 else 6.0, range_m=range_m)
    assert feed(detector(), time_us, value) == []


@pytest.mark.parametrize("period_min", [15, 30, 60])
@pytest.mark.parametrize("step_s", [15, 60])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_tsunami_is_told_within_minutes(period_min, step_s, sign):
    time_us, value = ocean(step_s)
    begin_us = int(time_us[0]) + 20 * HOUR
    value += sea.tsunami(time_us, begin_us, 0.3 * sign, period_min)
    found = feed(detector(), time_us, value)
    assert [f.rule for f in found][:2] == [EVENT, TSUNAMI]
    event, wave = found[:2]
    latest_us = begin_us + max(10, 1.6 * period_min) * MINUTE  # of short ones perhaps the second half-wave
    assert begin_us < event.onset_us <= event.at_us <= wave.at_us <= latest_us
    assert np.sign(wave.value) == sign
    assert "Tsunami" in wave.title
    assert "earthquake or a tsunami" in event.title
    assert story(found)[-2:] == [(TSUNAMI, "end"), (EVENT, "end")]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("step_s", [15, 60])
def test_seismic_waves_are_an_event_and_no_tsunami(seed, step_s):
    """A DART station sends samples of 15 s and means of four of them."""
    time_us, value = ocean(15.0, seed=seed)
    rng = np.random.default_rng(seed)
    since_s = np.maximum((time_us - time_us[0]) / S - 20 * 3600, 0)
    for _ in range(5):
        wave = np.sin(2 * np.pi * since_s / rng.uniform(15, 180) + rng.uniform(0, 6))
        value += 0.08 * wave * (since_s > 0) * np.exp(-since_s / 700)
    if step_s == 60:
        time_us, value = time_us[::4], value.reshape(-1, 4).mean(axis=1)
    found = feed(detector(), time_us, value)
    assert {f.rule for f in found} <= {EVENT}  # the mean of a minute may leave less than 30 mm
    assert found or step_s == 60


def as_sent(time_us, value, quake_us, shaken_us):
    """Quarters of an hour, then from 100 min before the earthquake on means of four; at first all samples."""
    second = (time_us - time_us[0]) // S
    mean = np.convolve(value, np.ones(4) / 4)[: len(value)]
    quarter = (second % 900 == 0) & (time_us < quake_us - 100 * MINUTE)
    at_first = (time_us >= shaken_us) & (time_us < shaken_us + 4 * MINUTE)
    minute = (second % 60 == 0) & (time_us >= quake_us - 100 * MINUTE)
    sent = quarter | at_first | minute
    return time_us[sent], np.round(np.where(quarter | at_first, value, mean), 3)[sent]


@pytest.mark.parametrize(
    ("arrives_min", "shaking_m", "lasts_s", "tsunami_m"),
    [
        (20, 1.0, 500, 1.0),
        (30, 0.5, 600, 0.6),
        (60, 0.3, 700, 0.3),
        (150, 0.12, 800, 0.15),
        (600, 0.03, 1000, 0.1),
    ],
)
@pytest.mark.parametrize("range_m", [0.5, 2.5])
@pytest.mark.parametrize("seed", range(2))
def test_earthquakes_at_other_distances(arrives_min, shaking_m, lasts_s, tsunami_m, range_m, seed):
    """Seismic waves are twenty times as fast as the tsunami, and near the earthquake still there with it."""
    time_us, value = ocean(15.0, 1.6, seed=seed, range_m=range_m)
    rng = np.random.default_rng(seed)
    quake_us = int(time_us[0]) + 20 * HOUR + int(rng.integers(0, 900)) * S
    shaken_us, wave_us = quake_us + arrives_min * MINUTE // 20, quake_us + arrives_min * MINUTE
    since_s = np.maximum((time_us - shaken_us) / S, 0)
    shaking = sum(np.sin(2 * np.pi * since_s / rng.uniform(15, 60) + rng.uniform(0, 6)) / 2 for _ in range(6))
    value += shaking_m * shaking * np.minimum(since_s / 30, 1) * np.exp(-since_s / lasts_s)
    value += sea.tsunami(time_us, wave_us, rng.choice([-1, 1]) * tsunami_m, rng.uniform(15, 30))
    found = feed(detector(), *as_sent(time_us, value, quake_us, shaken_us))
    assert {f.rule for f in found} == {TSUNAMI, EVENT}
    assert found[0].onset_us > quake_us
    told = [(f.at_us - wave_us) / MINUTE for f in found if f.rule == TSUNAMI and f.phase == "begin"]
    assert len(told) == 1
    assert 0 < told[0] <= 15


def test_rare_samples_tell_an_event_only():
    time_us, value = ocean(900.0, 6.0)
    value += sea.tsunami(time_us, int(time_us[200]), 0.5, 40)
    assert story(feed(detector(), time_us, value)) == [(EVENT, "begin"), (EVENT, "end")]


def test_the_evidence_can_be_checked_by_hand():
    time_us, value = ocean()
    value += sea.tsunami(time_us, int(time_us[1000]), 0.3, 20)
    event, wave = feed(detector(), time_us, value)[:2]
    for finding in (event, wave):
        prediction, samples = finding.evidence["prediction"], finding.evidence["samples"]
        tide = np.dot(prediction["weights"], prediction["mean"])
        assert samples["value"][-1] - tide == pytest.approx(samples["residual"][-1], abs=5e-4)
        window = finding.evidence["window"]
        near = np.abs(np.array(window["time_us"]) - prediction["time_us"][2]) <= 5 * MINUTE
        assert np.array(window["value"])[near].mean() == pytest.approx(prediction["mean"][2], abs=1e-4)
        assert finding.threshold == finding.evidence["threshold_m"] == 0.03
        assert np.diff(window["time_us"]).min() > 0
    assert abs(event.evidence["samples"]["residual"][-1]) >= 0.03


# --- sensors that fail ----------------------------------------------------------------------------


@pytest.mark.parametrize("step_s", [15, 60, 900])
@pytest.mark.parametrize("offset_m", [0.2, -0.4, 3.0, -2000.0])
def test_a_shifted_zero_is_the_sensors_fault(step_s, offset_m):
    time_us, value = ocean(step_s, 3.0)
    value[np.searchsorted(time_us, time_us[0] + 30 * HOUR) :] += offset_m
    found = feed(detector(), time_us, value)
    assert story(found) == [(SENSOR, "begin"), (SENSOR, "end")]
    assert found[0].value == pytest.approx(offset_m, abs=0.03)
    assert "check the sensor" in found[0].title


def test_a_tsunami_soon_after_a_shifted_zero_is_still_seen():
    time_us, value = ocean()
    value[1000:] += 0.4
    value += sea.tsunami(time_us, int(time_us[1030]), 0.2, 20)
    found = feed(detector(), time_us, value)
    assert story(found)[:3] == [(SENSOR, "begin"), (EVENT, "begin"), (TSUNAMI, "begin")]
    assert time_us[1030] < found[2].at_us < time_us[1042]


@pytest.mark.parametrize("step_s", [15, 60, 900])
def test_spikes_are_left_out_and_many_of_them_are_a_fault(step_s):
    time_us, value = ocean(step_s, 4.0)
    few = value.copy()
    few[len(few) // 2 :: max(len(few) // 10, 1)] += 1.0
    assert feed(detector(), time_us, few) == []
    many = value.copy()
    many[len(many) // 2 : len(many) // 2 + 60 : 6] -= 5.0
    rules = {f.rule for f in feed(detector(), time_us, many)}
    assert rules <= {SENSOR}
    assert step_s == 900 or rules


@pytest.mark.parametrize("step_s", [15, 60, 900])
def test_a_stuck_sensor_is_a_fault(step_s):
    time_us, value = ocean(step_s, 3.0)
    begin, end = np.searchsorted(time_us, time_us[0] + np.array([30, 40]) * HOUR)
    value[begin:end] = value[begin]
    found = feed(detector(), time_us, value)
    assert story(found) == [(SENSOR, "begin"), (SENSOR, "end")]
    assert found[0].onset_us == time_us[begin]
    assert found[0].at_us - found[0].onset_us == pytest.approx(3 * HOUR, abs=step_s * S)


@pytest.mark.parametrize("size_m", [0.1, 5.0])
@pytest.mark.parametrize("step_s", [15, 60])
@pytest.mark.parametrize("seed", range(3))
def test_a_noisy_sensor_is_a_fault_and_no_tsunami(size_m, step_s, seed):
    time_us, value = ocean(step_s)
    half = len(value) // 2
    value[half:] += np.random.default_rng(seed).normal(0, size_m, len(value) - half)
    found = feed(detector(), time_us, value)
    assert TSUNAMI not in {f.rule for f in found}
    assert (SENSOR, "begin") in story(found)


@pytest.mark.parametrize("seed", range(6))
def test_a_sensor_that_jumps_between_levels_is_no_tsunami(seed):
    time_us, value = ocean()
    rng = np.random.default_rng(seed)
    at = 1400
    while at < len(value):
        lasts = int(rng.integers(1, 40))
        value[at : at + lasts] += rng.choice([0.0, 0.2, -0.7, 4.0, 100.0])
        at += lasts
    found = feed(detector(), time_us, value)
    assert TSUNAMI not in {f.rule for f in found}
    assert SENSOR in {f.rule for f in found}


def test_missing_values_and_gaps_raise_nothing():
    time_us, value = ocean()
    value[700:900], value[1500:1530] = np.nan, np.nan
    value[2000] = 1e300
    assert feed(detector(), time_us, value) == []


def test_the_zero_may_move_in_a_long_gap():
    time_us, value = ocean()
    value[1500:] += 0.5
    keep = np.ones(len(value), bool)
    keep[1400:1500] = False
    assert feed(detector(), time_us[keep], value[keep]) == []


# --- the contract ---------------------------------------------------------------------------------


def everything(step_s=60.0):
    """A day and a half with spikes, a shift, seismic waves, a tsunami, a gap and noise."""
    time_us, value = ocean(step_s, 1.5)
    hours = (time_us - time_us[0]) / HOUR
    value[hours > 5] += 0.3
    value[np.searchsorted(hours, 8)] -= 2
    since_s = np.maximum(hours - 10, 0) * 3600
    value += 0.1 * np.sin(since_s / 13) * np.exp(-since_s / 600)
    value += sea.tsunami(time_us, int(time_us[0]) + 12 * HOUR, 0.4, 20)
    value[hours > 30] += np.random.default_rng(1).normal(0, 0.3, int((hours > 30).sum()))
    keep = (hours < 20) | (hours > 21)
    return Input(time_us[keep], value[keep])


@pytest.mark.parametrize("seed", range(6))
def test_cuts_restarts_and_neighbours_change_nothing(seed):
    kind = find_kind("bottom_pressure")
    assert_cuts_do_not_matter(kind, BottomPressureParameters(end_quiet_s=3600.0), [everything()], seed)


@pytest.mark.parametrize("seed", range(10))
def test_it_survives_what_is_absurd(seed):
    assert_survives(find_kind("bottom_pressure"), BottomPressureParameters(), 1, 60.0, seed)


def test_what_has_begun_ends_in_silence():
    time_us, value = ocean()
    value += sea.tsunami(time_us, int(time_us[-30]), 0.4, 20)
    assert_ends_in_silence(find_kind("bottom_pressure"), BottomPressureParameters(), [Input(time_us, value)])


def test_the_state_is_small():
    assert find_kind("bottom_pressure").state.itemsize <= 8192


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"max_gap_s": 7200.0}, "max_gap_s"),
        ({"yellow_m": 0.01}, "yellow_m"),
        ({"stuck_s": -1.0}, "above 0"),
        ({"treshold_m": 0.1}, "treshold_m"),
    ],
)
def test_wrong_parameters_are_refused(parameters, words):
    with pytest.raises(ValueError, match=words):
        detector(**parameters)


def test_levels_rise_once_each():
    time_us, value = ocean()
    value += sea.tsunami(time_us, int(time_us[1000]), 1.2, 30)
    waves = [f for f in feed(detector(), time_us, value) if f.rule == TSUNAMI]
    levels = [f.level for f in waves[:-1]]
    assert levels[-1] == "red"
    assert all(a != b for a, b in pairwise(levels))
    assert {f.onset_us for f in waves} == {waves[0].onset_us}
