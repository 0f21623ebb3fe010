"""What a region tells: under its name what is shared, nothing that is not, no place finer than allowed."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnss.geodesy import geodetic_to_ecef
from gnss.quality.period_codec import PeriodError, pack_period, unpack_period
from streams.records import (
    AlertTransition,
    AlertTransitions,
    Command,
    CommandOutcome,
    CommandOutcomes,
    Commands,
    Detection,
    Detections,
    FlaggedSamples,
    RawBatch,
    RawChunk,
    StationFigures,
    StationPeriodRecord,
    StationPeriods,
    StationReport,
    StationReports,
    Tick,
)
from streams.regions import DownRules, UpRules
from streams.sharing import Downward, Upward, coarse_place, for_below
from tests.gnss.reports.invented import station as invented
from tests.gnss.reports.same import assert_same

EVERYTHING = UpRules(reports="exact", periods="exact", raw="exact")
NOTHING = UpRules(
    reports="none", figures="none", periods="none", samples="none", detections="none", alerts="none"
)
"""But answers to the parent's own questions."""


def place(longitude: float, latitude: float, height_m: float) -> tuple[float, float, float]:
    x, y, z = geodetic_to_ecef(longitude, latitude, height_m)
    return float(x), float(y), float(z)


def report(name: str = "STAT00CHN") -> StationReport:
    return StationReport(
        station_id=name, epoch_us=1, received_at_us=2, state="good", score=99, reasons=[], epochs=1,
        epochs_expected=1, observations=9, observations_expected=10, satellites=8, latency_s=0.1,
        jitter_s=0.0, cn0_dbhz=45.0, slips=0, multipath_m=0.2, frames=3, bad_frames=0,
        ecef_m=place(120.123456, 30.654321, 43.21),
    )  # fmt: skip


def detection() -> Detection:
    return Detection(
        detector="sea_level", version="1", subject_id="gauge.water_level", phase="begin", level="orange",
        onset_us=1, at_us=2, detected_at_us=3, title="Rising", value=1.0, threshold=0.5, unit="m",
        evidence={"residual": [0.5]},
    )  # fmt: skip


def transition() -> AlertTransition:
    return AlertTransition(
        alert_id="abc", number=1, state="open", level="orange", rule="sea_level",
        subject_id="gauge.water_level", title="Rising", onset_us=1, opened_at_us=3, at_us=3, change="opened",
        evidence={"residual": [0.5]},
    )  # fmt: skip


def samples() -> FlaggedSamples:
    return FlaggedSamples(
        datastream_ids=["gauge.water_level", "slope/1"], series=np.array([0, 1, 0], np.int32),
        time_us=np.arange(3), value=np.ones(3), received_at_us=np.arange(3), revision=np.zeros(3, np.int32),
        tests=["spike"], flags=np.ones((3, 1), np.uint8), flag=np.ones(3, np.uint8),
    )  # fmt: skip


def hour(payload: bytes | None = None) -> StationPeriods:
    period = invented("STAT00CHN")
    record = StationPeriodRecord(
        station_id="STAT00CHN",
        begin_us=period.begin_us,
        end_us=period.end_us,
        period=pack_period(period) if payload is None else payload,
    )
    return StationPeriods(periods=[record])


def raw() -> RawBatch:
    return RawBatch(chunks=[RawChunk(station_id="STAT00CHN", payload=b"\xd3")])


def figures() -> StationFigures:
    return StationFigures(station_id="STAT00CHN", time_us=1, slips_a_thousand=2.0)


PLACES = st.tuples(st.floats(-180, 180), st.floats(-89.99, 89.99), st.floats(-400, 8000))


@given(PLACES)
def test_a_coarse_place_is_near_on_a_grid_and_stays_when_coarsened_again(at):
    coarse = coarse_place(place(*at))
    assert coarse is not None
    assert math.dist(coarse, place(*at)) < 800  # half a step in each direction
    again = coarse_place(coarse)
    assert again is not None
    assert math.dist(again, coarse) < 1e-3


@given(PLACES, st.tuples(st.floats(-0.0049, 0.0049), st.floats(-0.0049, 0.0049), st.floats(-49, 49)))
def test_all_places_of_a_field_of_the_grid_are_told_alike(at, off):
    centre = round(at[0], 2), round(at[1], 2), round(at[2], -2)
    one = coarse_place(place(centre[0] + off[0], centre[1] + off[1], centre[2] + off[2]))
    other = coarse_place(place(*centre))
    assert one is not None
    assert other is not None
    assert math.dist(one, other) < 1e-3


@pytest.mark.parametrize("nowhere", [None, (0.0, 0.0, 0.0), (math.nan, 1.0, 2.0), (math.inf, 0.0, 0.0)])
def test_a_place_that_is_none_stays_unknown(nowhere):
    assert coarse_place(nowhere) is None


def test_everything_is_told_under_the_name_of_the_region():
    up = Upward("hangzhou", EVERYTHING)
    told = up(StationReports(reports=[report()], figures=[figures()]))
    assert isinstance(told, StationReports)
    assert told.reports[0].station_id == told.figures[0].station_id == "hangzhou:STAT00CHN"
    assert told.reports[0].ecef_m == report().ecef_m
    found = up(Detections(detections=[detection()]))
    assert isinstance(found, Detections)
    assert found.detections[0].subject_id == "hangzhou:gauge.water_level"
    assert found.detections[0].evidence == {"residual": [0.5]}
    alerts = up(AlertTransitions(transitions=[transition()]))
    assert isinstance(alerts, AlertTransitions)
    assert alerts.transitions[0].alert_id == "hangzhou:abc"
    assert alerts.transitions[0].subject_id == "hangzhou:gauge.water_level"
    flagged = up(samples())
    assert isinstance(flagged, FlaggedSamples)
    assert flagged.datastream_ids == ["hangzhou:gauge.water_level", "hangzhou:slope/1"]
    assert flagged.series.tolist() == [0, 1, 0]
    bytes_ = up(raw())
    assert isinstance(bytes_, RawBatch)
    assert bytes_.chunks[0].station_id == "hangzhou:STAT00CHN"
    hours = up(hour())
    assert isinstance(hours, StationPeriods)
    assert hours.periods[0].station_id == "hangzhou:STAT00CHN"
    period = unpack_period(hours.periods[0].period)
    assert period.station_id == "hangzhou:STAT00CHN"
    assert_same(period, invented("STAT00CHN"), left_out=("station_id",))
    assert up(Tick(now_us=1)) is None
    assert not up.withheld


def test_what_is_not_to_be_told_stays_and_is_counted():
    up = Upward("hangzhou", NOTHING)
    batches = (
        StationReports(reports=[report(), report("B")], figures=[figures()]), hour(), samples(),
        Detections(detections=[detection()]), AlertTransitions(transitions=[transition()]), raw(),
    )  # fmt: skip
    assert [up(batch) for batch in batches] == [None] * len(batches)
    assert up.withheld == {
        "reports": 2, "figures": 1, "periods": 1, "samples": 3, "detections": 1, "alerts": 1, "raw": 1,
    }  # fmt: skip


def test_without_further_rules_no_place_and_no_bytes_leave_a_region():
    up = Upward("hangzhou", UpRules())
    told = up(StationReports(reports=[report()]))
    assert isinstance(told, StationReports)
    coarse = told.reports[0].ecef_m
    assert coarse is not None
    assert 50 < math.dist(coarse, report().ecef_m or ()) < 1000
    assert up(raw()) is None
    hours = up(hour())
    assert isinstance(hours, StationPeriods)
    period, before = unpack_period(hours.periods[0].period), invented("STAT00CHN")
    assert "position" not in period.metadata
    assert set(period.metadata) < set(before.metadata)
    assert len(period.sky.time_us) == len(before.sky.time_us) > 0
    for name in ("azimuth_deg", "elevation_deg"):
        told_deg, exact_deg = getattr(period.sky, name), getattr(before.sky, name)
        assert np.array_equal(told_deg, np.round(told_deg))
        assert np.abs(told_deg - exact_deg).max() <= 0.5
    assert_same(period, before, left_out=("station_id", "metadata", "sky"))


def test_a_coarsened_alert_and_detection_keep_their_evidence_at_home():
    up = Upward("hangzhou", UpRules(alerts="coarsened", detections="coarsened"))
    alerts = up(AlertTransitions(transitions=[transition()]))
    found = up(Detections(detections=[detection()]))
    assert isinstance(alerts, AlertTransitions)
    assert isinstance(found, Detections)
    assert alerts.transitions[0].evidence == found.detections[0].evidence == {}
    assert alerts.transitions[0].title == "Rising"


def test_a_damaged_hour_is_an_error_that_names_itself():
    with pytest.raises(PeriodError):
        Upward("hangzhou", EVERYTHING)(hour(b"\x07"))


def command(target: str, name: str = "c1", **changes: Any) -> Command:
    made = Command(id=name, kind="acknowledge_alert", target=target, by="duty", at_us=1)
    return msgspec.structs.replace(made, **changes)


def test_a_command_goes_down_the_tree_step_by_step_and_its_answer_comes_up_again():
    to_zhejiang, to_hangzhou = (Downward(name, DownRules(), lambda: 1) for name in ("zhejiang", "hangzhou"))
    lowered = command("zhejiang:hangzhou:abc", "c3", kind="lower_alert")
    commented = command("zhejiang:hangzhou:abc", "c2", kind="comment_alert", arguments={"comment": "seen"})
    asked = Commands(commands=[command("abc"), commented, command("beijing:abc"), lowered])
    first = to_zhejiang(asked)
    assert isinstance(first, Commands)
    assert [one.target for one in first.commands] == ["hangzhou:abc"]
    second = to_hangzhou(first)
    assert isinstance(second, Commands)
    assert [one.target for one in second.commands] == ["abc"]
    assert Downward("beijing", DownRules(), lambda: 1)(first) is None

    own = CommandOutcome(id="asked in hangzhou", ok=True, message="")
    answer = CommandOutcome(id=second.commands[0].id, ok=True, message="done")
    up = Upward("hangzhou", NOTHING)(CommandOutcomes(outcomes=[own, answer]))
    assert isinstance(up, CommandOutcomes)
    top = Upward("zhejiang", NOTHING)(up)
    assert top == CommandOutcomes(outcomes=[CommandOutcome(id="c2", ok=True, message="done")])
    assert Upward("zhejiang", NOTHING)(CommandOutcomes(outcomes=[own])) is None


def test_regions_below_are_told_of_their_alerts_alone():
    secret = Command(
        id="c3", kind="put", target="station/zhejiang:A", by="it", at_us=1, arguments={"password": "p"}
    )
    theirs = command("zhejiang:hangzhou:abc", "c2", kind="comment_alert")
    assert for_below(Commands(commands=[command("abc"), theirs, secret])) == Commands(commands=[theirs])
    assert for_below(Commands(commands=[command("abc"), secret])) is None
    assert for_below(CommandOutcomes(outcomes=[])) is None


def test_a_region_may_take_no_commands():
    down = Downward("zhejiang", DownRules(acknowledgements=False), lambda: 1)
    assert down(Commands(commands=[command("zhejiang:abc"), command("abc")])) is None
    assert down.withheld == {"commands": 1}


def test_a_parents_clock_is_not_believed_far_ahead():
    down = Downward("zhejiang", DownRules(), lambda: 5_000_000)
    late, fast = (
        msgspec.structs.replace(command("zhejiang:abc", str(at_us)), at_us=at_us)
        for at_us in (65_000_000, 65_000_001)
    )
    taken = down(Commands(commands=[late, fast]))
    assert isinstance(taken, Commands)
    assert [one.at_us for one in taken.commands] == [65_000_000, 65_000_000]
