"""Steps and creep of GNSS stations: the Gorkha earthquake, new antennas, and what is planted."""

from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest

from sensors.detectors import find_kind, make_detector
from sensors.detectors.finding import Subject
from tests.sensors.detectors.contract import (
    DAY,
    START,
    Input,
    assert_cuts_do_not_matter,
    assert_ends_in_silence,
    assert_survives,
    every,
    find,
)

KIND = find_kind("displacement")
NEPAL = "gnss/{}.icd.final_igs08.pos.neu"


def given(**more):
    return msgspec.convert({"north": "n", "up": "u", **more}, KIND.parameters)


def enu(time_us, east, north, up):
    return [Input(time_us, value, role) for role, value in enumerate((east, north, up))]


def us(year, day):
    return int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000 + round((day - 1) * DAY)


def nepal(data, name):
    lines = (data / NEPAL.format(name)).read_text(encoding="utf-8").splitlines()
    rows = np.array(
        [[float(v) for v in line.split()] for line in lines if not line.startswith("*") and "#" not in line]
    )
    time_us = np.array([us(int(year), day + 0.5) for year, day in rows[:, 1:3]])
    return time_us, 1e3 * rows[:, 4], 1e3 * rows[:, 3], 1e3 * rows[:, 5]


def noise(n, seed=1, hor=2.0, up=5.0):
    random = np.random.default_rng(seed)
    return [random.normal(0, sigma, n) for sigma in (hor, hor, up)]


def steps(findings, rule=""):
    return [f for f in findings if f.rule == rule and f.phase != "end"]


@pytest.mark.parametrize(("name", "step"), [("KKN4", (-442, -1845, 1268)), ("SNDL", (49, -224, 35))])
def test_the_earthquake_moved_two_stations(data, name, step):
    findings = find(KIND, given(), *enu(*nepal(data, name)))
    first = findings[0]
    assert (first.phase, first.rule) == ("begin", "")
    assert us(2015, 115) <= first.onset_us < us(2015, 117)
    assert first.at_us - first.onset_us <= 5 * DAY
    assert list(first.evidence["step_mm"].values()) == pytest.approx(step, abs=15)
    before_us, after_us = first.evidence["between_us"]
    assert before_us < us(2015, 116)
    assert after_us == first.onset_us
    assert all(f.rule != "displacement_sensor" for f in findings)


@pytest.mark.parametrize("name", ["LHAZ", "LCK4", "TPLJ"])
def test_the_others_did_not_move(data, name):
    assert find(KIND, given(), *enu(*nepal(data, name))) == []


def test_new_antennas_are_no_landslide(data):
    lines = (data / "gnss/MSFX_GOM20_neu_cm.col").read_text(encoding="utf-8").splitlines()[1:]
    rows = np.array([[float(v) for v in line.split()] for line in lines if line.strip()])
    time_us = us(2013, 1) + np.round((rows[:, 0] - 2013) * 365.25).astype(np.int64) * DAY
    new = np.append(True, np.diff(time_us) > 0)
    found = find(KIND, given(), *enu(time_us[new], *(10 * rows[new, c] for c in (2, 1, 3))))
    assert {f.rule for f in found} == {"displacement_sensor"}
    antennas = steps(found, "displacement_sensor")
    assert len(antennas) == 4
    # one came over some days, of which the first count as before
    assert all(55 <= abs(f.value) <= 78 for f in antennas)
    largest = [f for f in antennas if us(2017, 300) < f.onset_us < us(2018, 1)]
    assert [f.evidence["is_gap"] for f in largest] == [True]
    before_us, after_us = largest[0].evidence["between_us"]
    assert after_us - before_us > 25 * DAY
    assert largest[0].value > 70


@pytest.mark.parametrize(
    ("moved", "rule"),
    [((30, 0, 0), ""), ((0, -25, 10), ""), ((20, -12, 60), ""), ((0, 0, 70), "displacement_sensor")],
)
@pytest.mark.parametrize("per_day", [1, 24, 2880])
def test_a_step_is_found_at_any_pace_and_told_apart(moved, rule, per_day):
    days = 60 if per_day < 2880 else 18
    n = days * per_day
    at = n * 3 // 4
    made = [m + by * (np.arange(n) >= at) for m, by in zip(noise(n), moved, strict=True)]
    time_us = every(86_400 / per_day, n)
    found = find(KIND, given(), *enu(time_us, *made))
    assert [(f.rule, f.phase) for f in found][:1] == [(rule, "begin")]
    assert {f.rule for f in found} == {rule}
    first = found[0]
    block_s = max(86_400 / per_day, 21_600)
    assert time_us[at] - block_s * 1e6 <= first.onset_us <= time_us[at] + 1.5e6 * block_s
    assert first.at_us - time_us[at] <= 6.1e6 * block_s
    assert list(first.evidence["step_mm"].values()) == pytest.approx(moved, abs=12)
    json = msgspec.json.encode(first)
    assert b"samples" in json
    assert len(json) < 10_000


def test_where_the_ground_sinks_a_step_of_the_height_is_a_movement():
    made = noise(60)
    made[2][45:] -= 70
    found = find(KIND, given(sinks=True), *enu(every(86_400, 60), *made))
    assert [(f.rule, f.phase, f.level) for f in found] == [("", "begin", "yellow"), ("", "end", "yellow")]


def test_several_steps_are_one_event_that_gets_worse():
    made = noise(80)
    for at in (40, 46, 52):
        made[0][at:] += 45
    found = find(KIND, given(), *enu(every(86_400, 80), *made))
    assert [(f.phase, f.level) for f in found if not f.rule] == [
        ("begin", "yellow"), ("update", "yellow"), ("update", "orange"), ("end", "orange"),
    ]  # fmt: skip
    assert found[-1].evidence["largest"] == pytest.approx(135, abs=10)


def test_a_slope_that_moves_on_through_a_gap_has_not_stepped():
    n = 120
    days = np.arange(n, dtype=float)
    keep = (days < 50) | (days > 85)
    made = noise(n)
    made[0] += 0.8 * days
    time_us = every(86_400, n)[keep]
    assert steps(find(KIND, given(), *enu(time_us, *(m[keep] for m in made)))) == []


@pytest.mark.parametrize(("speed", "level"), [(2.0, "blue"), (12.0, "yellow"), (60.0, "orange")])
def test_creep_is_told_with_its_speed(speed, level):
    n = 140
    made = noise(n)
    made[1] += speed * np.maximum(np.arange(n) - 70, 0)
    found = find(KIND, given(), *enu(every(86_400, n), *made))
    creep = steps(found, "displacement_creep")
    assert creep[-1].level == level
    assert creep[0].at_us < START + 90 * DAY
    assert not steps(found, "displacement_sensor")
    assert 0.9 * creep[-1].threshold < creep[-1].evidence["velocity_mm_d"][1] < 1.5 * speed


def test_the_filter_finds_the_velocity_of_a_least_squares_line():
    n = 200
    made = noise(n)
    for c, v in enumerate((2.0, -3.0, 4.0)):
        made[c] += v * np.arange(n)
    from sensors.detectors.bank import Bank
    from tests.sensors.detectors.contract import rows

    bank = Bank(KIND)
    slot = bank.add(given(), Subject("Site", "mm"))
    list(bank.on_rows(rows(enu(every(86_400, n), *made), slot)))
    last = [np.polyfit(np.arange(40), m[-40:], 1)[0] for m in made]
    assert bank.state[slot]["filter"]["v"] == pytest.approx(last, abs=0.6)
    sigma = np.sqrt(bank.state[slot]["filter"]["vv"])
    assert (np.abs(bank.state[slot]["filter"]["v"] - [2.0, -3.0, 4.0]) < 4 * sigma).all()


@pytest.mark.parametrize("spikes", [1, 2, 4])
def test_wild_solutions_are_no_step(spikes):
    made = noise(80)
    for c in range(3):
        made[c][50 : 50 + spikes] += 400
    assert find(KIND, given(), *enu(every(86_400, 80), *made)) == []


def test_a_solution_that_repeats_and_a_component_that_fails_are_faults_of_the_sensor():
    made = noise(100)
    for m in made:
        m[50:70] = m[50]
    made[2][80:90] = np.nan
    found = find(KIND, given(), *enu(every(86_400, 100), *made))
    assert [(f.rule, f.phase) for f in found] == [
        ("displacement_sensor", "begin"), ("displacement_sensor", "end"),
    ] * 2  # fmt: skip
    assert "repeats" in found[0].title
    assert "component" in found[2].title


@pytest.mark.parametrize("seed", range(6))
def test_cuts_do_not_matter(seed):
    n = 90
    made = noise(n, seed)
    made[seed % 3][45:] += 80
    made[0] += np.maximum(np.arange(n) - 60, 0) * 3
    inputs = enu(every(86_400, n), *made)
    assert len(find(KIND, given(), *inputs)) >= 2
    assert_cuts_do_not_matter(KIND, given(), inputs, seed)


@pytest.mark.parametrize("seed", range(8))
def test_absurd_input_is_survived(seed):
    assert_survives(KIND, given(interval_s=3600.0), 3, 3600.0, seed)


def test_what_began_ends_in_silence():
    made = noise(50)
    made[0][45:] += 90
    assert_ends_in_silence(KIND, given(), enu(every(86_400, 50), *made))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"floor_mm": [0, 1, 1]}, "floor_mm"),
        ({"step_mm": [5, 4, 6, 7]}, "step_mm"),
        ({"q_mm2_d3": 0}, "q_mm2_d3"),
    ],
)
def test_wrong_parameters_are_refused(more, words):
    with pytest.raises(ValueError, match=words):
        make_detector("displacement", {"north": "n", "up": "u", **more}, Subject("Site", "mm"))
