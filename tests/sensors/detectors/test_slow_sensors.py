"""Cracks, tilt and pore pressure: rates behind the weather, levels, and faults of the instruments."""

import msgspec
import numpy as np
import pytest

from sensors.detectors import find_kind, make_detector
from sensors.detectors.bank import Bank
from sensors.detectors.finding import Subject
from tests.sensors.detectors.contract import (
    DAY,
    HOUR,
    START,
    Input,
    assert_cuts_do_not_matter,
    assert_ends_in_silence,
    assert_survives,
    every,
    find,
    rows,
)

CRACK, TILT, PORE = find_kind("crack"), find_kind("tilt"), find_kind("pore_pressure")


def of(kind, **more):
    return msgspec.convert(more, kind.parameters)


class Weather:
    """Ten days of samples at some pace."""

    def __init__(self, step_s=300.0, days=10, seed=1):
        self.random = np.random.default_rng(seed)
        self.n = int(days * 86_400 / step_s)
        self.time_us = every(step_s, self.n)
        self.hours = np.arange(self.n) * step_s / 3600
        self.heat = 15 + 8 * np.sin(2 * np.pi * self.hours / 24) + self.random.normal(0, 0.1, self.n)
        self.air = 1005 + 12 * np.sin(2 * np.pi * self.hours / 70)

    def noise(self, sigma):
        return self.random.normal(0, sigma, self.n)

    def after(self, hour):
        return np.maximum(self.hours - hour, 0.0)


def told(findings):
    return [(f.rule, f.phase, f.level) for f in findings]


@pytest.mark.parametrize("step_s", [3600.0, 300.0, 30.0])
def test_a_crack_that_breathes_with_the_day_says_nothing(step_s):
    w = Weather(step_s)
    width = 10 + 0.08 * w.heat + w.noise(0.02)
    assert find(CRACK, of(CRACK, temperature="t"), Input(w.time_us, w.heat, 1), Input(w.time_us, width)) == []
    assert find(CRACK, of(CRACK), Input(w.time_us, width)) == []


def test_the_coefficient_is_that_of_least_squares():
    w = Weather(900.0)
    width = 10 + 0.08 * w.heat + 0.002 * w.hours + w.noise(0.02)
    bank = Bank(CRACK)
    slot = bank.add(of(CRACK, temperature="t"), Subject("C", "mm"))
    list(bank.on_rows(rows([Input(w.time_us, w.heat, 1), Input(w.time_us, width)], slot)))
    end = w.time_us[-1] - 3 * HOUR
    before = (w.time_us >= end - DAY) & (w.time_us < end)
    design = np.column_stack([np.ones(before.sum()), w.hours[before], w.heat[before]])
    expected = np.linalg.lstsq(design, width[before], rcond=None)[0][2]
    assert bank.state[slot]["coefficient"] == pytest.approx(expected, rel=1e-6)
    assert expected == pytest.approx(0.08, rel=0.05)


@pytest.mark.parametrize(("rate", "level"), [(0.3, "blue"), (1.0, "yellow"), (5.0, "orange"), (30.0, "red")])
def test_a_crack_that_opens_is_told_by_its_rate_though_it_breathes(rate, level):
    w = Weather(300.0)
    width = 10 + 0.08 * w.heat + rate * (w.after(150) - w.after(162)) + w.noise(0.02)
    inputs = [Input(w.time_us, w.heat, 1), Input(w.time_us, width)]
    found = find(CRACK, of(CRACK, temperature="t"), *inputs)
    assert found[0].phase == "begin"
    assert found[-1].phase == "end"
    assert {f.rule for f in found} == {""}
    assert found[-1].level == level
    assert START + 150 * HOUR <= found[0].onset_us < START + 153 * HOUR
    assert found[0].at_us <= found[0].onset_us + HOUR
    worst = [f for f in found if f.phase != "end"][-1]
    assert worst.evidence["coefficient"] == pytest.approx(0.08, abs=0.02)
    assert START + 162 * HOUR < found[-1].at_us < START + 172 * HOUR


def test_the_width_itself_may_have_levels():
    w = Weather(900.0, days=20)
    width = 10 + 0.02 * w.hours + w.noise(0.01)
    given = of(CRACK, rate_per_h=(None,) * 4, level=(None, 12.0, 15.0, None), level_hysteresis=0.5)
    found = find(CRACK, given, Input(w.time_us, width))
    assert told(found) == [("", "begin", "yellow"), ("", "update", "orange")]
    assert found[0].onset_us == pytest.approx(START + 100 * HOUR, abs=2 * HOUR)
    assert "12" in found[0].title


@pytest.mark.parametrize("step_s", [3600.0, 300.0])
@pytest.mark.parametrize("jump", [3.0, -8.0])
def test_a_new_battery_moves_the_zero_and_not_the_crack(step_s, jump):
    w = Weather(step_s)
    width = 10 + w.noise(0.02) + jump * (w.hours > 120)
    found = find(CRACK, of(CRACK), Input(w.time_us, width))
    assert told(found) == [("crack_sensor", "begin", "blue"), ("crack_sensor", "end", "blue")]
    assert found[0].value == pytest.approx(jump, abs=0.1)
    # the watch goes on behind it
    opens = find(CRACK, of(CRACK), Input(w.time_us, width + 2.5 * w.after(130)))
    assert ("", "begin") in [(f.rule, f.phase) for f in opens]


def test_a_crack_that_jumps_and_goes_on_is_no_fault():
    w = Weather(900.0)
    width = 10 + w.noise(0.02) + 5.0 * (w.hours > 120) + 3.0 * w.after(120)
    found = find(CRACK, of(CRACK), Input(w.time_us, width))
    assert {f.rule for f in found} == {""}
    assert found[0].at_us < START + 122 * HOUR


def test_spikes_rails_and_a_stuck_meter_are_faults():
    w = Weather(300.0, days=16)
    width = 10 + 0.05 * w.heat + w.noise(0.02)
    width[2000:2010] = 7999.0
    width[2400] = 60.0
    width[3000:3600] = width[3000]
    usable_width = np.where(width == 7999.0, np.nan, width)
    found = find(
        CRACK, of(CRACK, temperature="t"), Input(w.time_us, w.heat, 1), Input(w.time_us, usable_width)
    )
    assert told(found) == [("crack_sensor", "begin", "blue"), ("crack_sensor", "end", "blue")] * 2
    assert "no usable value" in found[0].title
    assert "stands still" in found[2].title
    spikes = 10 + w.noise(0.02)
    for hour in range(100, 140, 2):
        spikes[hour * 12 : hour * 12 + 3] += 20.0
    found = find(CRACK, of(CRACK), Input(w.time_us, spikes))
    assert {f.rule for f in found} == {"crack_sensor"}


def test_a_coarse_meter_may_stand_still_for_days():
    w = Weather(900.0, days=20)
    width = np.round(10 + 0.001 * w.hours, 1)
    assert find(CRACK, of(CRACK), Input(w.time_us, width)) == []


def accelerations(pitch_deg, roll_deg, w):
    a = np.sin(np.radians(pitch_deg))
    b = np.sin(np.radians(roll_deg)) * np.ones(w.n)
    c = np.sqrt(1 - a**2 - b**2)
    return [Input(w.time_us, axis * 9.81 + w.noise(0.0005), role) for role, axis in enumerate((a, b, c))]


def test_three_axes_are_an_angle():
    w = Weather(900.0, days=4)
    inputs = accelerations(5 + 0.3 * w.after(60), 2.0, w)
    given = of(TILT, other_axis="y", third_axis="z")
    found = find(TILT, given, *inputs)
    assert told(found)[-1][2] == "yellow"
    x, y, z = (one.value for one in inputs)
    pitch = np.degrees(np.arctan2(x, np.sqrt(y**2 + z**2)))
    same = find(TILT, of(TILT), Input(w.time_us, pitch))
    assert [(f.phase, f.level, f.at_us) for f in same] == [(f.phase, f.level, f.at_us) for f in found]
    assert [f.value for f in same] == pytest.approx([f.value for f in found], abs=1e-3)
    assert find(TILT, given, *accelerations(np.full(w.n, 5.0), 2.0, w)) == []


def test_tilt_counts_in_both_directions():
    w = Weather(900.0, days=4)
    for sign in (1, -1):
        found = find(TILT, of(TILT), Input(w.time_us, sign * 0.3 * w.after(60) + w.noise(0.005)))
        assert found[-1].level == "yellow"
        assert abs(found[-1].value) > 0.1


def test_the_weight_of_the_air_is_no_pore_pressure():
    w = Weather(900.0)
    storm = w.air - 3.0 * np.clip(w.hours - 120, 0, 12)
    pressure = 150 + 0.1 * storm + w.noise(0.02)
    given = of(PORE, barometer="b", rate_per_h=(0.2, 1.0, 3.0, 10.0))
    barometer = Input(w.time_us, storm, 1)
    assert find(PORE, given, barometer, Input(w.time_us, pressure)) == []
    recovers = 150 + 0.1 * (w.air + 3.0 * np.clip(w.hours - 120, 0, 12))
    alone = find(PORE, of(PORE, rate_per_h=(0.2, 1.0, 3.0, 10.0)), Input(w.time_us, recovers + w.noise(0.02)))
    assert alone
    rises = find(PORE, given, barometer, Input(w.time_us, pressure + 2.0 * w.after(200)))
    assert rises[-1].level == "yellow"


def test_a_level_of_pore_pressure_is_over_the_reference_at_mean_air():
    w = Weather(900.0)
    pressure = 101.325 + 50 + w.after(120) * 0.1 + w.noise(0.02)
    given = of(PORE, barometer="b", rate_per_h=(None,) * 4, level=(None, 55.0, None, None))
    found = find(
        PORE, given, Input(w.time_us, np.full(w.n, 1013.25), 1), Input(w.time_us, pressure - 101.325)
    )
    assert told(found) == [("", "begin", "yellow")]
    assert found[0].onset_us == pytest.approx(START + 170 * HOUR, abs=2 * HOUR)
    assert found[0].value == pytest.approx(55, abs=0.2)


CASES = {
    "crack": (CRACK, of(CRACK, temperature="t"), 2),
    "tilt": (TILT, of(TILT, other_axis="y", third_axis="z", temperature="t"), 4),
    "pore": (PORE, of(PORE, barometer="b", level=(1.0, 2.0, 3.0, 4.0)), 2),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("seed", range(3))
def test_cuts_do_not_matter(name, seed):
    kind, given, _ = CASES[name]
    w = Weather(900.0, days=6, seed=seed)
    if name == "tilt":
        inputs = [*accelerations(5 + 0.8 * w.after(60), 1.0, w), Input(w.time_us, w.heat, 3)]
    else:
        inputs = [Input(w.time_us, 4 * w.after(60) + w.noise(0.05)), Input(w.time_us, w.heat, 1)]
    assert find(kind, given, *inputs)
    assert_cuts_do_not_matter(kind, given, inputs, seed)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("seed", range(6))
def test_absurd_input_is_survived(name, seed):
    kind, given, roles = CASES[name]
    assert_survives(kind, given, roles, 900.0, seed)


def test_what_began_ends_in_silence():
    w = Weather(900.0)
    assert_ends_in_silence(CRACK, of(CRACK), [Input(w.time_us, 4 * w.after(220) + w.noise(0.02))])


@pytest.mark.parametrize(
    ("name", "more", "words"),
    [
        ("crack", {"rate_per_h": [1, 0.5, None, None]}, "rate_per_h"),
        ("crack", {"rate_per_h": [None] * 4}, "rate_per_h or level"),
        ("crack", {"interval_s": 10.0}, "interval_s"),
        ("tilt", {"other_axis": "y"}, "third_axis"),
        ("pore_pressure", {"window_s": 0}, "window_s"),
    ],
)
def test_wrong_parameters_are_refused(name, more, words):
    with pytest.raises(ValueError, match=words):
        make_detector(name, more, Subject("Site", "mm"))
