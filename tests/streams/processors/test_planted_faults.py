"""A simulated station with one fault at a time: each is found and named; a clean one has no false reason."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

import pytest

from gnss.simulate import Fault, FaultKind, SimulatedSky, SimulatedStation
from sensors.model import Station
from streams.processors.score_stations import ScoreStations
from streams.records import RawBatch, RawChunk, StationReport, StationReports

SECOND_US = 1_000_000
T0_US = 1_790_000_100_000_000 // (30 * SECOND_US) * 30 * SECOND_US
PLACE = (121.2, 31.1, 20.0)
BEGIN_S = 240
INTERVAL_S = int(os.environ.get("GROUNDSWELL_CLEAN_INTERVAL_S", "30"))
"""Of the clean day; 1 takes two minutes."""


@pytest.fixture(scope="module")
def sky() -> SimulatedSky:
    return SimulatedSky()


def judged(sky: SimulatedSky, faults: list[Fault], seconds: int, step_s: int = 1) -> Iterator[StationReport]:
    simulated = SimulatedStation(1, *PLACE, seed=3, faults=faults, sky=sky)
    longitude, latitude, height_m = PLACE
    station = Station(
        id="A", name="A", longitude=longitude, latitude=latitude, height_m=height_m, interval_s=float(step_s)
    )
    processor = ScoreStations([station])
    for second in range(0, seconds, step_s):
        t_us = T0_US + second * SECOND_US
        emission = simulated.emit(t_us)
        outputs = []
        if emission.frames:
            received_us = t_us + round(emission.delay_s * 1e6)
            chunk = RawChunk(station_id="A", payload=b"".join(emission.frames), received_at_us=received_us)
            outputs += processor.on_batch(RawBatch(chunks=[chunk]))
        else:
            outputs += processor.on_time(t_us + 400_000)
        for out in outputs:
            if isinstance(out, StationReports):
                yield from out.reports


def test_a_clean_station_stays_good_for_a_day(sky: SimulatedSky) -> None:
    states: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    least = 100
    for report in judged(sky, [], 86_400, INTERVAL_S):
        if report.state != "unknown":
            states[report.state] += 1
            least = min(least, report.score or 0)
        reasons.update(reason.code for reason in report.reasons)
        assert report.slips == 0
    assert set(states) == {"good"}
    assert states["good"] >= 86_400 // INTERVAL_S - 60
    assert set(reasons) <= {"warm_up", "multipath_unknown"}, reasons
    assert least >= 70


@pytest.mark.parametrize(
    ("kind", "magnitude", "code", "within_s"),
    [
        ("clock_jump", 1.0, "clock_step", 2),
        ("clock_jump_of_ranges", 1.0, "clock_step", 2),
        ("multipath", 1.0, "multipath", 90),
        ("jamming", 10.0, "interference", 3),
        ("loss", 0.05, "epochs", 300),
        ("latency", 3.0, "latency", 10),
        ("moved", 20.0, "position", 400),
        ("moved_and_told", 1.0, "place_changed", 90),
        ("corruption", 0.1, "frame_errors", 60),
        ("slips", 2.0, "slips", 60),
    ],
)
def test_a_fault_is_found_and_named(
    sky: SimulatedSky, kind: FaultKind, magnitude: float, code: str, within_s: int
) -> None:
    begin_us = T0_US + BEGIN_S * SECOND_US
    fault = Fault(kind, begin_us, begin_us + 3600 * SECOND_US, magnitude)
    first_us, before = None, Counter[str]()
    for report in judged(sky, [fault], BEGIN_S + within_s + 10):
        codes = [reason.code for reason in report.reasons]
        if report.epoch_us < begin_us:
            before.update(codes)
        elif code in codes:
            first_us = report.epoch_us
            break
    assert set(before) <= {"warm_up", "multipath_unknown"}
    assert first_us is not None, f"{code} was not found"
    assert first_us - begin_us <= within_s * SECOND_US


def test_one_silent_cycle_of_one_signal_is_one_slip(sky: SimulatedSky) -> None:
    begin_us = T0_US + BEGIN_S * SECOND_US
    fault = Fault("slip", begin_us, begin_us + SECOND_US, 1.0)
    slips = {r.epoch_us: r.slips for r in judged(sky, [fault], BEGIN_S + 60) if r.slips}
    assert slips == {begin_us: 1}


def test_the_band_that_is_jammed_is_named(sky: SimulatedSky) -> None:
    begin_us = T0_US + 120 * SECOND_US
    for carrier_hz, band in ((1575.42e6, "L1"), (1176.45e6, "L5")):
        fault = Fault("jamming", begin_us, begin_us + 60 * SECOND_US, 10.0, carrier_hz=carrier_hz)
        report = list(judged(sky, [fault], 125))[-1]
        assert report.reasons[0].code == "interference"
        assert f"in the {band} band" in report.reasons[0].text
