"""Recordings: ioos_qc beside on every series of its project, and samples that people labelled."""

import csv
import gzip
import warnings
from datetime import datetime
from importlib.resources import files

import numpy as np
import pytest
from ioos_qc import qartod as ioos

from sensors.catalogue import parse_catalogue
from sensors.model import Datastream
from sensors.qartod import Qartod
from sensors.quality_tests import quality_tests
from tests.sensors.judging import (
    NAN,
    S,
    engine,
    final,
    flags_of,
    in_cuts,
    together,
    with_partners,
)


def table(path, skip=0):
    with gzip.open(path, "rt") as file:
        for _ in range(skip):
            next(file)
        return list(csv.DictReader(file))


def kotzebue(data):
    rows = table(data / "qartod/water_level_example_kotzebue.csv.gz")
    seconds = np.array([int(row["timestamp"]) for row in rows])
    return seconds, np.array([float(row["sea_surface_height_above_sea_level"] or NAN) for row in rows])


def salinity(data):
    with gzip.open(data / "qartod/attenuated_salinity_example.csv.gz", "rt") as file:
        rows = [line.split(",") for line in file if line.startswith("'2")]
    at = [datetime.fromisoformat(time.strip("'") + "+00:00") for time, _ in rows]
    return np.array([int(time.timestamp()) for time in at]), np.array([float(value) for _, value in rows])


def hourly(data):
    rows = table(data / "qartod/20363_1000427.csv.gz")
    return np.array([int(row["time_epoch"]) for row in rows]), np.array([float(row["value"]) for row in rows])


LIMITS = {
    # gross and user span; spike; rate a second; flat line in s, with tolerance; attenuated in s, with limits
    kotzebue: ((-10, 10), (-2, 3), (0.8, 3.0), 0.001, (10_800, 21_600, 0.001), (43_200, 0.5, 0.1)),
    salinity: ((0, 42), (2, 30), (2.0, 5.0), 0.05, (300, 900, 0.02), (7_200, 0.5, 0.1)),
    hourly: ((0, 2000), (1, 1500), (100.0, 500.0), 0.1, (3_600, 7_200, 0.1), (86_400, 5.0, 1.0)),
}


@pytest.mark.parametrize("recording", LIMITS)
@pytest.mark.parametrize("check_type", ["std", "range"])
def test_every_flag_of_ioos_qc(data, recording, check_type):
    seconds, values = recording(data)
    gross, user, spike, rate, flat, (period_s, suspect, fail) = LIMITS[recording]
    interval_s = float(np.median(np.diff(seconds)).astype(int))
    method = "average" if check_type == "std" else "differential"
    tests = {
        "series": {"behaviour": "ioos_qc"},
        "gross_range": {"span": gross, "user_span": user},
        "spike": {"suspect": spike[0], "fail": spike[1], "method": method},
        "rate_of_change": {"limit": rate},
        "flat_line": {
            "suspect_count": int(flat[0] / interval_s),
            "fail_count": int(flat[1] / interval_s),
            "tolerance": flat[2],
        },
        "attenuated_signal": {
            "suspect": suspect,
            "fail": fail,
            "period_s": period_s,
            "check_type": check_type,
        },
        "climatology": {
            "bins": [
                {"period": "month", "tspan": (1, 6), "vspan": user, "fspan": gross},
                {"period": "quarter", "tspan": (4, 4), "vspan": (float(np.median(values)), 1e6)},
            ]
        },
        "gap": {"interval_s": 3600.0},
    }
    at = seconds.astype("datetime64[s]")
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # of pandas, which ioos_qc asks for parts of dates
        beside = {
            "gross_range": ioos.gross_range_test(values, gross, user),
            "spike": ioos.spike_test(values, *spike, method=method),
            "rate_of_change": ioos.rate_of_change_test(values, at, rate),
            "flat_line": ioos.flat_line_test(values, at, *flat),
            "attenuated_signal": ioos.attenuated_signal_test(
                values, at, suspect, fail, test_period=period_s, check_type=check_type
            ),
            "climatology": ioos.climatology_test(
                tests["climatology"]["bins"], values, at, np.full(len(values), NAN)
            ),
            "gap": ioos.time_gap_test(at, 1),
        }
    # The window of a period holds more samples than it should where some come early.
    q = engine(tests, period_s=min(interval_s, float(np.diff(seconds).min())))
    judged = in_cuts(q, together(seconds * S, values), [1, 2, 777, len(values) // 2])
    for test, flags in beside.items():
        ours = flags_of(test, *judged)
        different = [i for i, (a, b) in enumerate(zip(ours, flags.tolist(), strict=True)) if a != b]
        assert not different, (test, different[:10])


def test_the_flags_that_ioos_qc_has_published_for_kotzebue(data):
    rows = table(data / "qartod/water_level_kotzebue_expected_flags_ioos_qc_3.0.0.csv.gz")
    seconds = np.array([int(datetime.fromisoformat(row["time"]).timestamp()) for row in rows])
    values = np.array([float(row["value"] or NAN) for row in rows])
    tests = {
        "series": {"behaviour": "ioos_qc"},
        "gross_range": {"span": (-10, 10), "user_span": (-2, 3)},
        "spike": {"suspect": 0.8, "fail": 3.0},
        "rate_of_change": {"limit": 0.001},
        "flat_line": {"suspect_count": 3, "fail_count": 6, "tolerance": 0.001},
    }
    judged = in_cuts(engine(tests, period_s=3600.0), together(seconds * S, values), [1, 500, 501])
    for test in ("gross_range", "spike", "rate_of_change", "flat_line"):
        assert flags_of(test, *judged) == [int(row[test]) for row in rows], test


def test_positions_of_a_moored_instrument(data):
    rows = table(data / "qartod/20363_1000427.csv.gz")[:5000]
    longitude, latitude = (np.array([float(row[name]) for row in rows]) for name in ("longitude", "latitude"))
    seconds = np.array([int(row["time_epoch"]) for row in rows])
    location = {"longitude": "lon", "latitude": "lat", "range_max_m": 500}
    tests = {"series": {"behaviour": "ioos_qc"}, "location": location}
    q = with_partners(tests, ["lon", "lat"], 100.0)
    made = together(seconds * S, np.ones(len(rows)), longitude, latitude, order=[1, 2, 0])
    judged = in_cuts(q, made, [1, 2, 5000])
    beside = ioos.location_test(longitude, latitude, 500, range_method="wgs84")
    assert flags_of("location", *judged) == beside.tolist()


# --- labelled by people ---------------------------------------------------------------------------


def shipped(property_id):
    for file in files("sensors.catalogue").iterdir():
        if file.name.endswith(".toml"):
            for observed in parse_catalogue(file.read_text(encoding="utf-8")):
                if observed.id == property_id:
                    return observed
    raise KeyError(property_id)


def judged_as(property_id, tests, seconds, values, period_s):
    series = Datastream(id="a", thing_id="t", property_id=property_id, name="A", unit="", tests=tests)
    q = Qartod(["a"], [quality_tests(shipped(property_id), series)], [period_s])
    return final(*in_cuts(q, together(seconds * S, values), []))


def found_and_right(kept, bad):
    """Recall and precision of flags 3, 4 and 9."""
    flagged = np.array([kept[key][2] in {3, 4, 9} for key in sorted(kept)])
    return (flagged & bad).sum() / bad.sum(), (flagged & bad).sum() / flagged.sum()


def test_a_water_level_that_people_labelled(data):
    """The limits are the catalogue's; the user span is that of the history, as the manual asks for."""
    path = data / "tidegauge/NOS_8764227_water_level_labelled.npz"
    rows = np.load(path, allow_pickle=True)["water_level"]
    seconds, values, bad = rows[:, 0].astype(np.int64), rows[:, 1].astype(float), rows[:, 2].astype(bool)
    history = values[: 30 * 240][~bad[: 30 * 240]]  # the good samples of the first month
    low, high = history.min() - 0.25, history.max() + 0.25
    # a tide stands still for some minutes, never for an hour
    tests = {
        "gross_range": {"user_span": [float(low), float(high)]},
        "flat_line": {"suspect_count": 10, "fail_count": 20},
    }
    recall, precision = found_and_right(judged_as("water_level", tests, seconds, values, 360.0), bad)
    print(f"water level: recall {recall:.3f}, precision {precision:.3f}")
    assert recall >= 0.70
    assert precision >= 0.95


STILL = {"flat_line": {"suspect_count": 48, "fail_count": 96}}
"""A river that freezes stays at one temperature, and one at low water at one level, for half a day."""
STAGE = STILL | {"gross_range": {"user_span": [0.0, 5.0]}}
LOGAN = [
    # file, column, property, tests, floors of recall and precision
    ("LRO_MainStreet2019", "temp", "water_temperature", STILL, 0.65, 0.95),
    ("LRO_MainStreet2019", "cond", "specific_conductance", {}, 0.90, 0.85),
    ("LRO_MainStreet2019", "ph", "ph", {}, 0.88, 0.63),
    ("LRO_MainStreet2019", "do", "dissolved_oxygen", {}, 0.16, 0.97),
    ("LRO_MainStreet2019", "turb", "turbidity", {}, 0.18, 0.92),
    ("LRO_MainStreet2019", "stage", "water_level", STAGE, 0.004, 0.40),
    ("LRO_TonyGrove2014", "temp", "water_temperature", STILL, 0.95, 0.15),
]


@pytest.mark.parametrize(
    ("name", "column", "property_id", "tests", "least_recall", "least_precision"),
    LOGAN,
    ids=[f"{row[0][4:]}-{row[1]}" for row in LOGAN],
)
def test_a_river_that_technicians_labelled(
    data, name, column, property_id, tests, least_recall, least_precision
):
    """Catalogue settings alone. Drift, which is labelled too, is nothing that these tests look for."""
    rows = table(data / f"waterquality/{name}.csv.gz")
    seconds = np.array([int(datetime.fromisoformat(row["datetime"] + "+00:00").timestamp()) for row in rows])
    values = np.array([float(row[column]) for row in rows])
    values[values == -9999] = NAN
    values /= 100 if column == "stage" else 1
    bad = np.array([row[f"{column}_qual"] not in {"NULL", ""} for row in rows])
    recall, precision = found_and_right(judged_as(property_id, tests, seconds, values, 900.0), bad)
    print(f"{name} {column}: recall {recall:.3f}, precision {precision:.3f} of {bad.sum()}")
    assert recall >= least_recall
    assert precision >= least_precision
