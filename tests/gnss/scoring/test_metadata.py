"""What a file says of its station is judged as the live system judges it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from gnss.quality.period import StationPeriod
from gnss.quality.period_builder import About
from gnss.quality.registry import Registered
from gnss.rinex.observation import read_observations
from gnss.scoring import score_capture, score_epochs, score_file, score_rinex
from gnss.scoring.epochs import EpochScorer
from gnss.simulate import Fault, SimulatedStation
from sensors.model import Station
from streams.processors.score_stations import ScoreStations
from streams.records import RawBatch, RawChunk, StationReports

S = 1_000_000
T0_US = 1_760_000_040 * S
"""The begin of a minute."""
PLACE = (114.0, 30.5, 40.0)
ANTENNA, RECEIVER = "LEIAR25.R4 LEIT", "SEPT POLARX5"
HERE = Registered.at(*PLACE, antenna=ANTENNA, receiver=RECEIVER)
OF_METADATA = {"place", "place_changed", "station_id", "antenna", "receiver"}


def capture(seconds: int = 150, *faults: Fault) -> bytes:
    station = SimulatedStation(7, *PLACE, seed=1, faults=faults)
    return b"".join(b"".join(station.emit(T0_US + k * S).frames) for k in range(seconds))


def fault(kind: str, begin_s: int, end_s: int, magnitude: float = 0.0) -> Fault:
    return Fault(kind, T0_US + begin_s * S, T0_US + end_s * S, magnitude)  # type: ignore[arg-type]


def scored(data: bytes, registered: Registered | None = HERE) -> StationPeriod:
    return score_capture(data, date_us=T0_US, modified_us=T0_US, registered=registered)


def codes(period: StationPeriod) -> dict[str, float]:
    return {reason.code: reason.seconds for reason in period.reasons if reason.code in OF_METADATA}


def live(data: bytes, station: Station) -> Counter[str]:
    """Return the seconds with each reason about metadata, as the processor reports them."""
    seconds: Counter[str] = Counter()
    processor = ScoreStations([station])
    outputs = []
    for at in range(0, len(data), 4096):
        chunk = RawChunk(station_id=station.id, payload=data[at : at + 4096], reference_us=T0_US)
        outputs += processor.on_batch(RawBatch(chunks=[chunk]))
    outputs += processor.on_end()
    for out in outputs:
        if isinstance(out, StationReports):
            for report in out.reports:
                seconds.update({reason.code for reason in report.reasons} & OF_METADATA)
    return seconds


def test_a_file_of_the_registered_station_has_nothing_to_tell() -> None:
    period = scored(capture())
    assert codes(period) == {}
    assert period.problems == []
    assert codes(scored(capture(), None)) == {}


@pytest.mark.parametrize(
    ("faults", "registered", "expected"),
    [
        ([fault("moved_and_told", 70, 150, 0.5)], HERE, {"place_changed"}),
        ([fault("moved_and_told", 70, 150, 5.0)], HERE, {"place", "place_changed"}),
        ([fault("wrong_antenna", 0, 150)], HERE, {"antenna"}),
        ([fault("wrong_station_id", 70, 150, 9.0)], HERE, {"station_id"}),
        ([], replace(HERE, receiver="TRIMBLE ALLOY"), {"receiver"}),
        ([], Registered.at(114.0, 30.501, 40.0), {"place"}),
    ],
)
def test_it_is_judged_as_live(faults: list[Fault], registered: Registered, expected: set[str]) -> None:
    data = capture(180, *faults)
    latitude = 30.5 if registered.ecef_m == HERE.ecef_m else 30.501
    station = Station(
        id="A", name="A", longitude=114.0, latitude=latitude, height_m=40.0, antenna=registered.antenna,
        receiver=registered.receiver,
    )  # fmt: skip
    period = scored(data, registered)
    assert set(codes(period)) == expected
    assert codes(period) == dict(live(data, station))
    assert period.state_seconds["good"] < 150
    assert period.state_seconds["degraded"] + period.state_seconds["bad"] >= 30


def test_each_of_several_changes_in_a_piece_counts_from_its_own_time() -> None:
    """Of a piece of a file, which is read at once, the last change alone would be judged."""
    faults = [fault("moved_and_told", 50, 70, 5.0), fault("moved_and_told", 70, 240, 500.0)]
    period = scored(capture(240, *faults), HERE)
    states = period.minutes.state.tolist()
    assert states[1:] == [2, 3, 3]
    assert [float(points) for points in period.minutes.score[1:]] == [60.0, 30.0, 30.0]


def test_what_comes_too_late_to_be_judged_is_told_all_the_same() -> None:
    period = scored(capture(100, fault("moved_and_told", 75, 100, 5.0)))
    assert codes(period) == {}
    assert [text for text in period.problems if "from the registered one" in text]
    assert [text for text in period.problems if "from the one that it told before" in text]


def test_a_header_against_the_registry(data) -> None:
    content = (data / "rinex/GRAS00FRA_R_20223151700_15M_01S_MO.crx.gz").read_bytes()
    header = read_observations(content).header
    registered = Registered(None, header.antenna_type, header.receiver_type)
    assert codes(score_rinex(content, registered=registered)) == {}
    other = replace(registered, antenna="LEIAR25.R4 LEIT")
    period = score_file(content, modified_us=0, registered=other)
    assert set(codes(period)) == {"antenna"}
    assert codes(period)["antenna"] == pytest.approx(period.epochs, abs=31)
    assert period.state_seconds["good"] == 0


def test_a_registered_place_is_what_positions_are_held_against(data) -> None:
    rinex = read_observations((data / "rinex/GRAS00FRA_R_20223151700_15M_01S_MO.crx.gz").read_bytes())
    assert rinex.header.position_m is not None
    x_m, y_m, z_m = rinex.header.position_m
    registered = Registered((x_m, y_m, z_m + 1000.0))
    scorer = EpochScorer(1.0, None, rinex.header.position_m, registered=registered)
    assert np.allclose(scorer.table.memory.station["ecef_m"][scorer.row], registered.ecef_m)
    period = score_epochs(
        [rinex.epochs],
        about=About("A"),
        interval_s=1.0,
        place_m=rinex.header.position_m,
        registered=registered,
    )
    assert codes(period) == {}
