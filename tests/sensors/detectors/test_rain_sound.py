"""Rain from sound: the table, the wind, and microphones that are dead."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensors.detectors.bank import Bank
from sensors.detectors.finding import Subject
from sensors.detectors.rain_sound import KIND, RainSoundParameters, intensity_mm_h
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

TABLE = ((40.0, 1.0), (60.0, 10.0), (80.0, 100.0))
PLAIN = RainSoundParameters(calibration=TABLE, silent_db=10.0)
WINDY = RainSoundParameters(calibration=TABLE, wind="wind")


def sound(n, mm_h=None, seed=0):
    """A level each 20 s: 25 dB of background, and the rain's with 3 dB of scatter."""
    random = np.random.default_rng(seed)
    level = 25 + random.normal(0, 2, n)
    if mm_h is not None:
        heard = 40 + 20 * np.log10(np.maximum(mm_h, 1e-6)) + random.normal(0, 3, n)
        level = np.where(mm_h > 0, np.maximum(level, heard), level)
    return level


def shower(n, at, mm_h, minutes):
    rain = np.zeros(n)
    rain[at : at + minutes * 3] = mm_h
    return rain


def test_the_table_is_straight_in_decibels_and_logarithms():
    bank = Bank(KIND)
    slot = bank.add(PLAIN, Subject("x", "dB"))
    for db in (40.0, 45.0, 60.0, 75.0, 80.0):
        assert intensity_mm_h(bank.limits[slot], db) == pytest.approx(10 ** ((db - 40) / 20))
    assert intensity_mm_h(bank.limits[slot], 39.9) == 0
    assert intensity_mm_h(bank.limits[slot], 99.0) == pytest.approx(100.0)


@pytest.mark.parametrize(("mm_h", "level"), [(10, None), (25, "yellow"), (55, "orange")])
def test_rain_is_heard_within_ten_minutes(mm_h, level):
    found = find(KIND, PLAIN, Input(every(20, 2000), sound(2000, shower(2000, 900, mm_h, 40))))
    assert [f.level for f in found if f.phase != "end"][-1:] == ([] if level is None else [level])
    if found:
        assert found[0].at_us - every(20, 2000)[900] < 14 * 60 * S
        assert found[-1].phase == "end"
        assert found[0].evidence["intensity_mm_h"] > 20


def test_an_hour_of_lesser_rain_adds_up():
    parameters = RainSoundParameters(calibration=TABLE, intensities_mm_h=(None, None, None, 90.0))
    found = find(KIND, parameters, Input(every(20, 2000), sound(2000, shower(2000, 900, 30, 90))))
    assert "in an hour" in found[0].title
    assert found[0].at_us - every(20, 2000)[900] == pytest.approx(0.7 * HOUR, rel=0.25)


def test_wind_is_not_rain():
    times = every(20, 2000)
    gale = (np.arange(2000) > 900) & (np.arange(2000) < 1300)
    level = np.where(gale, 78.0, 25.0) + np.random.default_rng(0).normal(0, 3, 2000)
    wind = np.where(gale, 15.0, 2.0)
    assert find(KIND, WINDY, Input(times, level), Input(times - S, wind, 1)) == []
    assert story(find(KIND, PLAIN, Input(times, level)))[0][0] == "begin"
    # Without word from the anemometer nothing is said either.
    assert find(KIND, WINDY, Input(times, level), Input(times[:3], wind[:3], 1)) == []


@pytest.mark.parametrize(("value", "words"), [(85.0, "always hears the same"), (3.0, "hears nothing")])
def test_a_dead_microphone_is_told(value, words):
    level = sound(2000)
    level[900:1400] = value
    if value < 10:
        level[900:1400] += np.random.default_rng(0).normal(0, 0.5, 500)
    found = find(KIND, PLAIN, Input(every(20, 2000), level))
    faults = [f for f in found if f.rule]
    assert words in faults[0].title
    assert [f.phase for f in faults] == ["begin", "end"]


def test_a_month_of_quiet_nights_and_drizzle_calls_nobody():
    for seed in range(4):
        n = 30 * 4320
        drizzle = np.where(np.random.default_rng(seed).random(n // 180 + 1).repeat(180)[:n] < 0.1, 4.0, 0.0)
        assert find(KIND, PLAIN, Input(every(20, n), sound(n, drizzle, seed))) == []


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_it_keeps_the_contract(seed):
    random = np.random.default_rng(seed)
    times = every(20, 900)
    level = sound(900, shower(900, 200, random.uniform(10, 90), 60), seed)
    inputs = [Input(times, level), Input(times[::10], random.gamma(2.0, 2.5, 90), 1)]
    assert_cuts_do_not_matter(KIND, WINDY, inputs, seed)
    assert_survives(KIND, WINDY, 2, 20, seed)


def test_silence_ends_it():
    assert_ends_in_silence(KIND, PLAIN, [Input(every(20, 300), sound(300, shower(300, 100, 50, 60)))])


@pytest.mark.parametrize(
    "wrong", [{"calibration": ((1.0, 1.0),)}, {"calibration": ((1.0, 2.0), (2.0, 1.0))}, {"wind_m_s": 0.0}]
)
def test_parameters_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match="must"):
        RainSoundParameters(**{"calibration": TABLE, **wrong})
