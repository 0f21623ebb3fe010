from __future__ import annotations

from dataclasses import replace

from gnss.quality.registry import CHANGE_TOLD_US, Registered, Told, findings
from gnss.rtcm.station import StationMetadata, StationPosition

ECEF_M = (-2_850_000.0, 4_650_000.0, 3_290_000.0)
S = 1_000_000


def told(**fields: object) -> Told:
    place = StationPosition(7, ECEF_M, 0.0)
    known = StationMetadata(7, "LEIAR25.R4      LEIT", "1", "TRIMBLE ALLOY", position=place)
    return Told(replace(known, **fields))  # type: ignore[arg-type]


def place(east_m: float) -> StationPosition:
    return StationPosition(7, (ECEF_M[0] + east_m, *ECEF_M[1:]), 0.0)


def codes(one: Told, registered: Registered, now_us: int = 0) -> list[str]:
    return [f.code for f in findings(one, registered, now_us)[0]]


def test_what_agrees_is_no_finding() -> None:
    registered = Registered(ECEF_M, "leiar25.r4 leit", "TRIMBLE ALLOY")
    assert findings(told(), registered, 0) == ((), 100.0)
    assert (
        findings(told(antenna_descriptor="TRM59800.00 NONE"), Registered(antenna="TRM59800.00"), 0)[1] == 100
    )
    assert findings(Told(StationMetadata()), registered, 0) == ((), 100.0)
    assert findings(told(), Registered(), 0) == ((), 100.0)


def test_frames_differ_by_decimetres_and_that_is_no_move() -> None:
    assert codes(told(position=place(0.7)), Registered(ECEF_M)) == []
    found, points = findings(told(position=place(5.0)), Registered(ECEF_M), 0)
    assert (found[0].code, points) == ("place", 60.0)
    assert "5.0 m" in found[0].text
    assert findings(told(position=place(50.0)), Registered(ECEF_M), 0)[1] == 30.0


def test_another_antenna_or_receiver_is_named() -> None:
    registered = Registered(None, "TRM59800.00 SCIS", "SEPT POLARX5")
    assert codes(told(), registered) == ["antenna", "receiver"]


def test_a_place_told_anew_stands_for_an_hour() -> None:
    one = told()
    same = one.after(one.metadata, 5 * S)
    assert codes(same, Registered(), 6 * S) == []
    moved = one.after(replace(one.metadata, position=place(0.05)), 5 * S)
    assert codes(moved, Registered(), 6 * S) == ["place_changed"]
    assert codes(moved, Registered(), 5 * S + CHANGE_TOLD_US) == []


def test_another_reference_station_id_is_named() -> None:
    other = told().after(StationMetadata(reference_station=9), 5 * S)
    assert codes(other, Registered(), 6 * S) == ["station_id"]
