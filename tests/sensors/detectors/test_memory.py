"""After how long what a detector has seen counts no more."""

import pytest

from sensors.detectors import Subject, memory_s, read_parameters
from sensors.detectors.bank import longest_s

DAY = 86_400.0
NEEDED = {
    "rainfall": {"table": [{"hours": 24.0, "levels_mm": [50.0, None, None, None]}]},
    "tangent_angle": {"v_eq_mm_d": 1.0},
    "velocity_multiples": {"v0_mm": 5.0},
}


def remembered(name, **more):
    return memory_s(name, read_parameters(name, {**NEEDED.get(name, {}), **more}, Subject("x", "m")))


@pytest.mark.parametrize(
    ("name", "more", "least", "most"),
    [
        ("sea_level", {}, 0.25 * DAY, 3 * DAY),
        ("tangent_angle", {}, 14 * DAY, 40 * DAY),
        ("velocity_multiples", {}, 30 * DAY, 90 * DAY),
        ("crack", {}, DAY, 5 * DAY),
        ("rainfall", {}, DAY, 3 * DAY),
        ("rainfall", {"antecedent_levels_mm": [50.0, None, None, None]}, 20 * DAY, 40 * DAY),
        (
            "rainfall",
            {"antecedent_levels_mm": [50.0, None, None, None], "antecedent_keep": 0.0},
            DAY,
            3 * DAY,
        ),
        ("ground_temperature", {"standard_curve_cel": [15.0] * 12}, 3 * 365 * DAY, 4 * 365 * DAY),
    ],
)
def test_it_spans_the_windows_and_is_not_endless(name, more, least, most):
    assert least <= remembered(name, **more) <= most


def test_speeds_are_no_times():
    class Wind(type(read_parameters("crack", {}, Subject("x", "mm"))), frozen=True, kw_only=True):
        wind_m_s: float = 1e9
        flow_m3_s: float = 1e9
        per_s: float = 1e9

    assert longest_s(Wind()) == 2 * DAY


def test_detectors_of_all_kinds_say_it():
    told = {
        name: remembered(name)
        for name in {*NEEDED, "crack", "bottom_pressure", "shaking", "pore_pressure", "tilt"}
    }
    assert min(told.values()) > 0, told
