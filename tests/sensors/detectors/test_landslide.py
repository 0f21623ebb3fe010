"""Landslides: a slope on record that accelerated and did not fail, and simulated ones that do."""

import csv
from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest

from sensors.detectors import find_kind, make_detector
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
)

TANGENT, MULTIPLES = find_kind("tangent_angle"), find_kind("velocity_multiples")
V0_MM = {"ATU1": 18.7238, "ATU3": 27.8117, "MJ1": 20.5018}
RECORD = "landslide/ootang_daily_2016_2020_subset.csv"


def tangent(**more):
    return msgspec.convert({"v_eq_mm_d": 0.5, **more}, TANGENT.parameters)


def multiples(v0_mm=20.0, **more):
    return msgspec.convert({"v0_mm": v0_mm, **more}, MULTIPLES.parameters)


def ootang(data, column):
    with (data / RECORD).open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    days = [datetime.fromisoformat(row["date"]).replace(tzinfo=UTC) for row in rows]
    time_us = np.array([int(day.timestamp()) * 1_000_000 for day in days])
    return time_us, np.array([float(row[f"{column}_mm"]) for row in rows])


def first(findings):
    """Return the day on which each level was told first."""
    told = {}
    for f in findings:
        if f.phase != "end" and not f.rule:
            told.setdefault(f.level, datetime.fromtimestamp(f.at_us / 1e6, UTC).date().isoformat())
    return told


def failing(step_s, days=60.0, fails_d=50.0, begins_d=20.0, seed=1, wave_mm=1.0):
    """Return creep of 0.5 mm/d that fails by Voight's law, with a daily wave, up to the failure."""
    n = int(days * 86_400 / step_s)
    d = np.arange(n) * step_s / 86_400
    left = np.maximum(fails_d - d, 1e-3)
    y = 0.5 * d + 40 * np.where(d > begins_d, np.log((fails_d - begins_d) / left), 0.0)
    y += wave_mm * np.sin(2 * np.pi * d) + np.random.default_rng(seed).normal(0, 0.3, n)
    before = d < fails_d
    return every(step_s, n)[before], y[before]


# --- multiples of a stored constant ------------------------------------------------------------------


@pytest.mark.parametrize("column", V0_MM)
def test_the_constant_is_that_of_the_published_rule(data, column):
    _, y = ootang(data, column)
    moved = (y[30:] - y[:-30])[: 1168 - 30]
    kept = moved[moved <= np.quantile(moved, 0.9)]
    assert 1.5 * kept.mean() + 2 * kept.std(ddof=1) == pytest.approx(V0_MM[column], abs=1e-4)


def test_the_slope_on_record_is_told_on_the_right_days(data):
    told = {
        name: first(find(MULTIPLES, multiples(v0), Input(*ootang(data, name)))) for name, v0 in V0_MM.items()
    }
    assert told["ATU1"]["orange"] == "2017-09-13"
    assert told["ATU1"]["red"] == "2017-09-28"
    assert told["ATU3"]["orange"] == "2017-09-19"
    assert "red" not in told["ATU3"]
    assert set(told["MJ1"]) == {"yellow"}


def test_every_begin_and_end_is_where_a_plain_difference_has_it(data):
    time_us, y = ootang(data, "ATU1")
    found = [f for f in find(MULTIPLES, multiples(V0_MM["ATU1"]), Input(time_us, y)) if not f.rule]
    over = y[30:] - y[:-30] >= V0_MM["ATU1"]
    times = time_us[30:]
    open_from = None
    for f in found:
        if f.phase == "begin":
            assert over[times == f.at_us].all()
            since = times > (open_from or 0)
            assert not over[since & (times < f.at_us)].any()
        if f.phase == "end":
            open_from = f.at_us
            quiet = (times > f.at_us - 4 * DAY) & (times <= f.at_us)
            assert not over[quiet].any()
    assert len([f for f in found if f.phase == "begin"]) >= 3


@pytest.mark.parametrize("step_s", [86_400, 3600, 600])
def test_any_pace_and_gaps_tell_the_same(data, step_s):
    time_us, y = ootang(data, "ATU1")
    fine = np.arange(time_us[400], time_us[520], int(step_s * 1e6))
    keep = np.random.default_rng(2).random(len(fine)) < 0.7
    keep[: len(keep) // 2][(fine[: len(keep) // 2] // DAY) % 20 < 3] = False
    found = first(
        find(MULTIPLES, multiples(V0_MM["ATU1"]), Input(fine[keep], np.interp(fine, time_us, y)[keep]))
    )
    for level, day in (("orange", "2017-09-13"), ("red", "2017-09-28")):
        late = datetime.fromisoformat(found[level]) - datetime.fromisoformat(day)
        assert -1 <= late.days <= 2


@pytest.mark.parametrize("size_mm", [15.0, -200.0, 500.0])
def test_a_spike_is_none_and_a_new_zero_is_told_of_the_sensor(size_mm):
    time_us = every(86_400, 120)
    y = 0.1 * np.arange(120) + np.random.default_rng(1).normal(0, 0.2, 120)
    spiked = y.copy()
    spiked[60] += size_mm
    assert find(MULTIPLES, multiples(10.0), Input(time_us, spiked)) == []
    found = find(MULTIPLES, multiples(10.0), Input(time_us, y + size_mm * (np.arange(120) >= 60)))
    assert [(f.rule, f.phase) for f in found] == [
        ("velocity_multiples_sensor", "begin"), ("velocity_multiples_sensor", "end"),
    ]  # fmt: skip
    assert found[0].value == pytest.approx(size_mm, abs=1)


# --- tangent angle ------------------------------------------------------------------------------------


@pytest.mark.parametrize("step_s", [86_400, 21_600, 3600, 60])
@pytest.mark.parametrize("seed", [1, 2])
def test_uniform_creep_with_a_daily_wave_says_nothing(step_s, seed):
    n = int((90 if step_s > 60 else 30) * 86_400 / step_s)
    d = np.arange(n) * step_s / 86_400
    random = np.random.default_rng(seed)
    y = 0.5 * d + 2 * np.sin(2 * np.pi * d) + random.normal(0, 0.5, n)
    assert find(TANGENT, tangent(), Input(every(step_s, n), y)) == []


@pytest.mark.parametrize("step_s", [21_600, 3600, 600])
def test_a_failing_slope_rises_through_the_levels_and_its_failure_is_foretold(step_s):
    time_us, y = failing(step_s)
    found = find(TANGENT, tangent(), Input(time_us, y))
    hazard = [f for f in found if not f.rule]
    assert hazard[0].phase == "begin"
    assert hazard[0].level == "yellow"
    assert [f.level for f in hazard if f.level in {"orange", "red"}] == ["orange", "red"]
    assert START + 20 * DAY < hazard[0].onset_us < START + 30 * DAY
    assert hazard[-1].at_us < START + 49.5 * DAY
    foretold = [f for f in found if f.rule == "failure_time" and f.phase != "end"]
    assert foretold
    assert foretold[0].at_us < START + 49 * DAY
    last = foretold[-1].evidence
    assert last["earliest_us"] <= START + 51 * DAY
    assert last["latest_us"] >= START + 49.5 * DAY
    assert last["latest_us"] - last["earliest_us"] < 6 * DAY


def test_the_angle_is_that_of_the_paper():
    time_us = every(21_600, 240)
    d = np.arange(240) / 4
    y = np.where(d < 30, 0.5 * d, 15 + 4.0 * (d - 30))
    found = find(TANGENT, tangent(), Input(time_us, y))
    last = [f for f in found if f.phase != "end"][-1]
    assert last.level == "orange"
    assert 2.8 < last.evidence["velocity_mm_d"] < 4.01
    assert last.value == pytest.approx(np.degrees(np.arctan(last.evidence["velocity_mm_d"] / 0.5)), abs=0.01)


def test_a_slope_that_slows_down_is_not_foretold_to_fail():
    """Each velocity is 1/v = c + t: a rise after rain, which fades."""
    d = np.arange(0, 60, 1 / 24)
    fast = np.where(d > 30, np.minimum(d - 30, 2) / 2 * 20 * np.exp(-np.maximum(d - 32, 0) / 6), 0.0)
    y = np.cumsum(0.5 + fast) / 24 + np.random.default_rng(1).normal(0, 0.3, len(d))
    found = find(TANGENT, tangent(), Input(every(3600, len(d)), y))
    assert {f.level for f in found if not f.rule} >= {"orange"}
    late = [f for f in found if f.rule == "failure_time" and f.phase != "end" and f.at_us > START + 36 * DAY]
    assert late == []
    opened = [f.phase for f in found if f.rule == "failure_time"]
    assert opened.count("begin") == opened.count("end")


def test_short_windows_follow_a_failure_within_a_day():
    time_us, y = failing(300, days=20, fails_d=15.0, begins_d=14.0, wave_mm=0.3)
    given = tangent(shortest_s=7200.0, window_s=86_400.0, interval_s=600.0)
    found = [f for f in find(TANGENT, given, Input(time_us, y)) if not f.rule]
    assert found[0].at_us < START + 14.5 * DAY
    assert found[-1].level == "red"


@pytest.mark.parametrize(
    ("direction", "sign", "tells"), [("falling", -1, True), ("rising", -1, False), ("either", -1, True)]
)
def test_the_direction_is_the_sites(direction, sign, tells):
    time_us, y = failing(3600)
    found = find(TANGENT, tangent(direction=direction), Input(time_us, sign * y))
    assert any(not f.rule for f in found) == tells


@pytest.mark.parametrize(("kind", "given"), [(TANGENT, tangent()), (MULTIPLES, multiples(5.0))])
@pytest.mark.parametrize("seed", range(3))
def test_cuts_do_not_matter(kind, given, seed):
    time_us, y = failing(7200, seed=seed)
    keep = np.random.default_rng(seed).random(len(y)) < 0.8
    inputs = [Input(time_us[keep], y[keep])]
    assert len(find(kind, given, *inputs)) >= 2
    assert_cuts_do_not_matter(kind, given, inputs, seed)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (TANGENT, tangent(shortest_s=7200.0, window_s=86_400.0, interval_s=600.0, end_quiet_s=1.0, enough=1)),
        (MULTIPLES, multiples(1.0, span_s=86_400.0, interval_s=600.0, end_quiet_s=1.0)),
    ],
)
@pytest.mark.parametrize("seed", range(8))
def test_absurd_input_is_survived(kind, given, seed):
    assert_survives(kind, given, 1, 900.0, seed)


@pytest.mark.parametrize(("kind", "given"), [(TANGENT, tangent()), (MULTIPLES, multiples(5.0))])
def test_what_began_ends_in_silence(kind, given):
    time_us, y = failing(7200)
    assert_ends_in_silence(kind, given, [Input(time_us, y)])


def test_a_gap_makes_no_velocity():
    time_us, y = failing(3600, fails_d=100.0, begins_d=90.0)
    keep = (time_us < START + 20 * DAY) | (time_us > START + 30 * DAY)
    moved = y + 30.0 * (time_us > START + 25 * DAY)
    assert find(TANGENT, tangent(), Input(time_us[keep], moved[keep])) == []


@pytest.mark.parametrize(
    ("name", "more", "words"),
    [
        ("tangent_angle", {}, "v_eq_mm_d"),
        ("tangent_angle", {"v_eq_mm_d": 1.0, "angle_deg": [None, 50, 80, 90]}, "angle_deg"),
        ("tangent_angle", {"v_eq_mm_d": 1.0, "interval_s": 60.0}, "interval_s"),
        ("velocity_multiples", {"v0_mm": 0.0}, "v0_mm"),
        ("velocity_multiples", {"v0_mm": 1.0, "multiples": [None, 5, 1, 10]}, "multiples"),
    ],
)
def test_wrong_parameters_are_refused(name, more, words):
    with pytest.raises(ValueError, match=words):
        make_detector(name, more, Subject("Site", "mm"))


def test_hours_are_left_as_told():
    time_us, y = failing(3600)
    foretold = [f for f in find(TANGENT, tangent(), Input(time_us, y)) if f.rule == "failure_time"]
    for f in foretold:
        if f.phase != "end":
            at_us = f.at_us + f.evidence["hours_left"] * HOUR
            assert f.evidence["earliest_us"] <= at_us + HOUR
            assert at_us <= f.evidence["latest_us"] + HOUR
