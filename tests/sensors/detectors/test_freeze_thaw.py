"""Thaw with water, and neither alone."""

import msgspec
import numpy as np
import pytest

from sensors.detectors import find_kind, make_detector
from sensors.detectors.finding import Subject
from tests.sensors.detectors.contract import (
    HOUR,
    START,
    Input,
    assert_cuts_do_not_matter,
    assert_ends_in_silence,
    assert_survives,
    every,
    find,
)

KIND = find_kind("freeze_thaw")
HOURS = np.arange(480)
TIMES = every(3600, 480)
COLD = -5 + 3 * np.sin(2 * np.pi * HOURS / 24)
THAWS = COLD + 12 * (HOURS > 240)
DRY = np.zeros(480)
SHOWER = np.where((HOURS > 260) & (HOURS <= 270), 3.0, 0.0)
MELTS = np.clip(40 - 0.5 * (HOURS - 250), 0, 40)


def given(**more):
    return msgspec.convert({"rain": "r", **more}, KIND.parameters)


def told(findings):
    return [(f.rule, f.phase, f.level) for f in findings]


def test_rain_on_thawing_ground_is_told():
    found = find(KIND, given(), Input(TIMES, THAWS), Input(TIMES, SHOWER, 1))
    assert told(found) == [
        ("", "begin", "blue"), ("", "update", "yellow"), ("", "update", "orange"), ("", "end", "orange"),
    ]  # fmt: skip
    assert found[0].onset_us == START + 261 * HOUR
    assert found[2].evidence["thawed_us"] == pytest.approx(START + 241 * HOUR, abs=2 * HOUR)
    assert found[-1].evidence["largest"] == pytest.approx(30.0)


@pytest.mark.parametrize(
    ("temperature", "rain"),
    [
        (THAWS, DRY),
        (COLD, SHOWER),
        (COLD + 12, SHOWER),
        (THAWS, np.roll(SHOWER, 60)),
        (THAWS, np.roll(SHOWER, -120)),
    ],
)
def test_thaw_or_water_alone_or_too_far_apart_say_nothing(temperature, rain):
    assert find(KIND, given(), Input(TIMES, temperature), Input(TIMES, rain, 1)) == []


def test_snow_that_melts_is_water_and_snow_that_is_blown_away_is_not():
    melts = given(rain="", snow_depth="s")
    random = np.random.default_rng(1)
    depth = MELTS + random.normal(0, 0.4, 480)
    found = find(KIND, melts, Input(TIMES, THAWS), Input(TIMES, depth, 1))
    assert found[-2].level == "red"
    # from hour 250 to 289, 48 h behind the thaw: 19.5 cm of 0.3
    assert found[-1].evidence["largest"] == pytest.approx(58.5, abs=8)
    blown = np.clip(40 - 0.5 * (HOURS - 150), 0, 40)
    assert find(KIND, melts, Input(TIMES, THAWS), Input(TIMES, blown, 1)) == []
    still = 40 + random.normal(0, 0.4, 480)
    assert find(KIND, melts, Input(TIMES, THAWS), Input(TIMES, still, 1)) == []


def test_rain_and_snow_have_roles_in_their_order():
    both = given(snow_depth="s")
    assert KIND.inputs(both) == ("r", "s")
    found = find(KIND, both, Input(TIMES, THAWS), Input(TIMES, DRY, 1), Input(TIMES, MELTS, 2))
    assert found[-2].level == "red"


def test_the_edge_does_not_flap():
    around = 0.3 * np.sin(HOURS)
    assert find(KIND, given(), Input(TIMES, around), Input(TIMES, SHOWER, 1)) == []


def test_a_thermometer_that_jumps_is_a_fault():
    found = find(
        KIND,
        given(),
        Input(TIMES, COLD + np.random.default_rng(1).normal(0, 0.1, 480) + 30 * (HOURS > 240)),
        Input(TIMES, SHOWER, 1),
    )
    assert found[0].rule == "freeze_thaw_sensor"
    assert all(f.rule for f in found)


@pytest.mark.parametrize("seed", range(4))
def test_cuts_do_not_matter(seed):
    inputs = [Input(TIMES, THAWS), Input(TIMES, SHOWER, 1), Input(TIMES, MELTS, 2)]
    assert_cuts_do_not_matter(KIND, given(snow_depth="s"), inputs, seed)


@pytest.mark.parametrize("seed", range(6))
def test_absurd_input_is_survived(seed):
    assert_survives(KIND, given(snow_depth="s"), 3, 3600.0, seed)


def test_what_began_ends_in_silence():
    inputs = [Input(TIMES[:268], THAWS[:268]), Input(TIMES[:268], SHOWER[:268], 1)]
    assert_ends_in_silence(KIND, given(), inputs)


@pytest.mark.parametrize(
    ("more", "words"), [({}, "rain or snow_depth"), ({"rain": "r", "window_s": 1e9}, "window_s")]
)
def test_wrong_parameters_are_refused(more, words):
    with pytest.raises(ValueError, match=words):
        make_detector("freeze_thaw", more, Subject("Site", "Cel"))
