import csv
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnss.quality.period import Latencies, ReasonFigures, SignalFigures
from gnss.quality.score import Limit, default_limits
from gnss.reports import to_csv, to_json
from tests.gnss.reports.hostile import TEXTS
from tests.gnss.reports.invented import BEGIN_US, MINUTE_US, elevation, empty, station

KEYS = [
    "schema", "station_id", "begin", "end", "duration_s", "interval_s", "source", "verdict", "checked",
    "score", "state_seconds", "state_share", "epochs", "epochs_expected", "epochs_share", "usable_epochs",
    "late_epochs", "out_of_order_epochs", "mask_deg", "total", "systems", "signals", "elevation", "latency",
    "frames", "bad_frames", "bad_frames_share", "messages", "gaps", "gaps_seconds", "longest_gap_seconds",
    "clock_jumps", "position", "reasons", "metadata", "problems", "minutes", "sky",
]  # fmt: skip


def two_signals(**changes):
    columns = {
        "system": [5, 0], "signal": [30, 2], "observations": [1000, 3000], "expected": [1200, 3200],
        "have": [900, 2900], "expected_mask": [1000, 0], "have_mask": [880, 0], "lock_slips": [3, 0],
        "phase_slips": [1, 0], "interruptions": [2, 7], "multipath_squares": [90.0, 480.0],
        "multipath_count": [1000, 3000], "cn0_sum": [45_000.0, 120_000.0],
        "cn0_squares": [2_029_000.0, 4_800_000.0], "cn0_count": [1000, 3000],
    }  # fmt: skip
    columns |= changes
    floats = {"multipath_squares", "cn0_sum", "cn0_squares"}
    small = {"system", "signal"}
    return SignalFigures(
        **{
            name: np.array(v, np.float64 if name in floats else np.uint8 if name in small else np.int64)
            for name, v in columns.items()
        }
    )


def test_figures_follow_from_sums():
    told = json.loads(to_json(empty(signals=two_signals(), epochs=10, epochs_expected=16)))
    gps, beidou = told["signals"]
    assert (gps["system"], gps["signal"], gps["band"]) == ("G", "1C", "L1")
    assert (beidou["system"], beidou["signal"], beidou["band"]) == ("C", "1D", "L1")
    assert beidou["share"] == 0.75
    assert beidou["share_above_mask"] == 0.88
    assert beidou["slips_per_1000_observations"] == 4.0
    assert beidou["observations_per_slip"] == 250.0
    assert beidou["multipath_rms_m"] == pytest.approx(0.3)
    assert beidou["cn0_mean_dbhz"] == 45.0
    assert beidou["cn0_sd_dbhz"] == pytest.approx(2.0)
    assert gps["share_above_mask"] is None
    assert gps["slips_per_1000_observations"] == 0.0
    assert gps["observations_per_slip"] is None
    assert gps["cn0_sd_dbhz"] == 0.0
    assert [one["system"] for one in told["systems"]] == ["G", "C"]
    assert told["systems"][1] == beidou | {"signal": None, "band": None}
    total = told["total"]
    assert total["observations"] == 4000
    assert total["share"] == 3800 / 4400
    assert total["share_above_mask"] == 0.88
    assert total["observations_per_slip"] == 1000.0
    assert total["multipath_rms_m"] == pytest.approx(math.sqrt(570 / 4000))
    assert total["cn0_mean_dbhz"] == 41.25
    assert told["epochs_share"] == 0.625


@pytest.mark.parametrize("period", [empty(), station(), station(minutes=1)])
def test_keys_are_stable(period):
    told = json.loads(to_json(period))
    assert list(told) == KEYS
    assert told["schema"] == "groundswell/station-report/1"


def test_what_is_not_known_is_null():
    told = json.loads(to_json(empty(latency=Latencies(1, 0.5, math.nan, math.inf, 0.5, 0.0))))
    for name in ("score", "epochs_share", "bad_frames_share", "longest_gap_seconds", "position"):
        assert told[name] is None, name
    assert told["total"]["share"] is None
    assert told["total"]["cn0_sd_dbhz"] is None
    assert told["state_share"] == {"bad": None, "degraded": None, "unknown": None, "good": None}
    assert told["latency"] == {
        "count": 1, "median_s": 0.5, "p95_s": None, "p99_s": None, "max_s": 0.5, "jitter_s": 0.0,
        "exact": True,
    }  # fmt: skip
    assert told["verdict"] == {"state": "unknown", "because": [], "came": False}
    minutes = json.loads(to_json(station()))["minutes"]
    assert minutes["multipath_m"][15 * 60 + 40] is None
    assert minutes["time"][61] == "2026-09-01T01:01:00Z"
    assert minutes["state"][15 * 60 + 40] == "bad"


def test_bins_of_elevation_tell_their_borders():
    bins = json.loads(to_json(empty(elevation=elevation(100, 1.0))))["elevation"]
    (one,) = [b for b in bins if (b["system"], b["band"], b["from_deg"]) == ("R", "L2", 30.0)]
    figures = elevation(100, 1.0)
    assert one["to_deg"] == 40.0
    assert one["cn0_mean_dbhz"] == pytest.approx(figures.cn0_sum[1, 1, 3] / figures.cn0_count[1, 1, 3])
    assert one["multipath_rms_m"] == pytest.approx(
        math.sqrt(figures.multipath_squares[1, 1, 3] / figures.multipath_count[1, 1, 3])
    )


@pytest.mark.parametrize(
    ("changes", "state", "because"),
    [
        ({"epochs": 100, "epochs_expected": 100}, "good", []),
        ({"epochs": 95, "epochs_expected": 100}, "degraded", ["epochs"]),
        ({"epochs": 96, "epochs_expected": 100}, "good", []),
        ({"epochs": 79, "epochs_expected": 100}, "bad", ["epochs"]),
        ({"epochs": 5, "state_seconds": {"good": 97.0, "bad": 3.0}}, "good", []),
        ({"epochs": 5, "state_seconds": {"good": 90.0, "bad": 10.0}}, "degraded", ["time_good"]),
        ({"epochs": 5, "state_seconds": {"good": 10.0, "degraded": 90.0}}, "degraded", ["time_good"]),
        ({"epochs": 5, "state_seconds": {"good": 70.0, "bad": 30.0}}, "bad", ["time_good"]),
        ({"epochs": 5, "state_seconds": {"good": 70.0, "unknown": 9e9}}, "good", []),
        ({"epochs": 5, "state_seconds": {"unknown": 70.0}}, "unknown", []),
        ({"epochs": 5, "usable_epochs": {"G": 5, "E": 0}}, "good", []),
        ({"epochs": 5, "usable_epochs": {"G": 4, "E": 0}}, "degraded", ["usable"]),
        ({"epochs": 5, "frames": 89, "bad_frames": 11}, "bad", ["frame_errors"]),
        ({"epochs": 5, "latency": Latencies(5, 2.5, 3.0, 3.0, 3.0, 1.0)}, "degraded", ["latency"]),
        ({"epochs": 5, "signals": two_signals(have_mask=[600, 0])}, "bad", ["expected"]),
        ({"epochs": 0, "epochs_expected": 9, "state_seconds": {"bad": 9.0}}, "bad", ["time_good", "epochs"]),
        ({"epochs": 0}, "unknown", []),
    ],
)
def test_the_worst_figure_decides(changes, state, because):
    verdict = json.loads(to_json(empty(**changes)))["verdict"]
    assert (verdict["state"], verdict["because"]) == (state, because)


def test_limits_can_be_given():
    limits = default_limits() | {"latency": Limit(0.1, 0.2, 0.3)}
    told = json.loads(to_json(station(faults=False), limits))
    assert told["verdict"]["because"] == ["latency"]
    assert json.loads(to_json(station(faults=False)))["verdict"]["state"] == "good"


def test_tables_have_the_numbers_of_the_json():
    period = station(minutes=200)
    told, tables = json.loads(to_json(period)), to_csv(period)
    assert set(tables) == {"signals", "minutes", "gaps", "reasons", "sky"}
    for name in ("signals", "gaps", "reasons"):
        rows = list(csv.DictReader(tables[name].splitlines()))
        assert len(rows) == len(told[name])
        for row, expected in zip(rows, told[name], strict=True):
            assert row == {key: "" if value is None else str(value) for key, value in expected.items()}
    for name in ("minutes", "sky"):
        rows = list(csv.DictReader(tables[name].splitlines()))
        columns = {key: values for key, values in told[name].items() if isinstance(values, list)}
        assert list(rows[0]) == list(columns)
        for key, values in columns.items():
            assert [row[key] for row in rows] == ["" if value is None else str(value) for value in values]


@pytest.mark.parametrize("text", TEXTS)
def test_texts_from_outside_stay_texts(text):
    reason = ReasonFigures(text, 1.0, BEGIN_US, BEGIN_US, text, text)
    period = empty(text, source=text, reasons=[reason], metadata={text: text}, problems=[text])
    told = json.loads(to_json(period))
    harmless = text.isprintable() and "\u202e" not in text
    if harmless:
        assert told["station_id"] == told["source"] == told["reasons"][0]["check"] == text
        assert told["metadata"] == {text: text}
    assert not any(ord(c) < 32 and c not in "\t\r\n" for c in told["station_id"])
    tables = to_csv(period)
    ((code, *_, shown, check, _, _),) = list(csv.reader(tables["reasons"].splitlines(keepends=True)))[1:]
    assert code == shown == check
    assert not shown.startswith(("=", "+", "-", "@"))
    if harmless:
        assert shown.removeprefix("'") == text


@given(st.text(max_size=30))
def test_any_text_can_be_told(text):
    period = empty(text, problems=[text], end_us=BEGIN_US + MINUTE_US)
    told = json.loads(to_json(period))
    assert told["problems"] == [told["station_id"]]
    assert len(told["station_id"]) == len(text)


def test_times_that_no_calendar_has_do_no_harm():
    told = json.loads(to_json(replace(empty(), gaps=[(0, 2**62)])))
    assert told["gaps"][0]["end"] == f"{2**62 / 1e6:.3f} s"
