"""Figures of stations once a minute: from judgements, and from simulated bytes against the reports."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from gnss.quality.judgements import I_EXPECTED, I_TEMPLATE, I_USABLE, JUDGEMENT, NOT_KNOWN
from gnss.simulate import Fault, SimulatedStation
from sensors.model import Station
from streams import codec
from streams.processors.score_stations import ScoreStations
from streams.processors.station_figures import FigureMaker
from streams.records import RawBatch, RawChunk, Record, StationFigures, StationReport, StationReports

S = 1_000_000
T0_US = 1_760_000_040 * S
"""The begin of a minute."""
PLACE = (114.0, 30.5, 40.0)


def judgements(*rows: dict[str, object]) -> np.ndarray:
    """Return judgements of epochs of which nothing is known, but for what rows say."""
    out = np.zeros(len(rows), JUDGEMENT)
    out["epochs"] = 1
    for name in ("sky_expected", "mask_expected"):
        out[name] = NOT_KNOWN
    for name in ("values", "roti_tecu_min", "offset_m", "offset_sd_m"):
        out[name] = np.nan
    for k, row in enumerate(rows):
        for name, value in row.items():
            out[name][k] = value
    return out


def made(maker: FigureMaker, *rows: dict[str, object]) -> list[tuple[str, float]]:
    """Return stations and times in s of the figures of judgements."""
    figures = maker.make(judgements(*rows), "ABCDEFGHIJKLMNOPQRSTUVWXYZ".__getitem__)
    return [(one.station_id, (one.time_us - T0_US) / S) for one in figures]


def at(second: float, station: int = 0, **others: object) -> dict[str, object]:
    return {"time_us": T0_US + round(second * S), "station": station, **others}


def test_the_first_epoch_of_each_minute_has_figures() -> None:
    maker = FigureMaker()
    maker.begin(0)
    maker.begin(1)
    assert made(maker, at(5), at(6), at(7, 1), at(59), at(60), at(60, 1), at(61)) == [
        ("A", 5), ("B", 7), ("A", 60), ("B", 60),
    ]  # fmt: skip
    assert made(maker, at(120, epochs=0), at(119)) == []  # a missed slot, and a late epoch
    assert made(maker, at(121)) == [("A", 121)]
    assert made(maker, at(119)) == []
    assert made(maker, at(-86_400)) == [("A", -86_400)]  # another recording


def test_rows_are_found_and_given_to_others() -> None:
    maker = FigureMaker()
    maker.begin(25)
    assert made(maker, at(0, 25, clock_step_ms=1.0)) == [("Z", 0)]
    saved = maker.saved(25)
    maker.begin(25)
    assert maker.saved(25) == FigureMaker().saved(0)
    assert made(maker, at(0, 25)) == [("Z", 0)]
    maker.begin(2, saved)
    assert maker.saved(2) == saved
    assert made(maker, at(1, 2)) == []


def test_what_is_not_known_is_none() -> None:
    maker = FigureMaker()
    maker.begin(0)
    (one,) = maker.make(judgements(at(0)), lambda _: "A")
    assert one == StationFigures(station_id="A", time_us=T0_US)


def test_what_is_known_is_told() -> None:
    maker = FigureMaker()
    maker.begin(0)
    values = np.full(JUDGEMENT["values"].shape, np.nan)
    values[[I_EXPECTED, I_USABLE, I_TEMPLATE]] = 0.75, 0.5, 1.5
    known = at(
        60, sky_expected=200, sky_have=150, mask_expected=100, mask_have=90, values=values,
        usable_systems=0b101, window_observations=6000, window_slips=3, roti_tecu_min=0.25,
        offset_m=(0.5, -0.25, 1.0), offset_sd_m=(1.0, 2.0, 3.0),
    )  # fmt: skip
    steps = at(2, clock_step_ms=1.0), at(50, clock_step_ms=-1.0)
    first, one = maker.make(judgements(at(0), *steps, known), lambda _: "A")
    assert first.clock_step_ms is None
    assert one == StationFigures(
        station_id="A", time_us=T0_US + 60 * S, horizon_expected=200, horizon_have=150, mask_expected=100,
        mask_have=90, expected_share=0.75, usable_share=0.5, usable_systems="GE", slips_a_thousand=0.5,
        cn0_loss_db=1.5, roti_tecu_min=0.25, clock_step_ms=-1.0, clock_step_at_us=T0_US + 50 * S,
        offset_m=(0.5, -0.25, 1.0), offset_sd_m=(1.0, 2.0, 3.0),
    )  # fmt: skip


# --- from bytes -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chunks() -> list[RawChunk]:
    """Four minutes of two stations; A slips, and its clock steps."""
    faults = [
        Fault("slips", T0_US + 100 * S, T0_US + 130 * S, 5.0),
        Fault("clock_jump", T0_US + 150 * S, T0_US + 151 * S, 1.0),
    ]
    stations = {
        "A": SimulatedStation(1, *PLACE, seed=1, faults=faults),
        "B": SimulatedStation(2, 115.0, 31.0, 50.0, seed=2),
    }
    made = []
    for second in range(240):
        for name, station in stations.items():
            emission = station.emit(T0_US + second * S)
            received_us = emission.epoch_us + round(emission.delay_s * S)
            payload = b"".join(emission.frames)
            made.append(RawChunk(station_id=name, payload=payload, received_at_us=received_us))
    return sorted(made, key=lambda chunk: chunk.received_at_us or 0)


def run(
    chunks: Sequence[RawChunk], a_batch: int, restart: bool = False
) -> tuple[list[StationReport], dict[str, list[StationFigures]]]:
    longitude, latitude, height_m = PLACE
    registry = [Station(id="A", name="A", longitude=longitude, latitude=latitude, height_m=height_m)]
    processor = ScoreStations(registry)
    outputs: list[Record] = []
    for begin in range(0, len(chunks), a_batch):
        outputs += processor.on_batch(RawBatch(chunks=list(chunks[begin : begin + a_batch])))
        if restart:
            saved = list(processor.snapshot())
            processor = ScoreStations(registry)
            processor.restore(saved)
    outputs += processor.on_end()
    batches = [out for out in outputs if isinstance(out, StationReports)]
    figures: dict[str, list[StationFigures]] = {}
    for one in (one for batch in batches for one in batch.figures):
        figures.setdefault(one.station_id, []).append(one)
    return [report for batch in batches for report in batch.reports], figures


def test_figures_of_simulated_stations(chunks: list[RawChunk]) -> None:
    reports, figures = run(chunks, 40)
    assert {name: [(f.time_us - T0_US) // S for f in own] for name, own in figures.items()} == {
        "A": [0, 60, 120, 180],
        "B": [0, 60, 120, 180],
    }
    own = [report for report in reports if report.station_id == "A" and report.epochs]
    for one in figures["A"]:
        window = [r for r in own if one.time_us - 60 * S < r.epoch_us <= one.time_us]
        slips, observations = sum(r.slips for r in window), sum(r.observations for r in window)
        assert one.slips_a_thousand == pytest.approx(1000 * slips / observations, rel=1e-6)
    quiet, slipping = figures["A"][1], figures["A"][2]
    assert quiet.slips_a_thousand == 0
    assert slipping.slips_a_thousand is not None
    assert slipping.slips_a_thousand > 0
    assert [one.clock_step_ms for one in figures["A"]] == [None, None, None, 1.0]
    assert figures["A"][3].clock_step_at_us == T0_US + 150 * S
    assert [one.clock_step_ms for one in figures["B"]] == [None] * 4
    last = figures["A"][-1]
    assert last.usable_share == 1.0
    assert set(last.usable_systems) >= set("GREC")
    assert last.expected_share is not None
    assert last.expected_share > 0.98
    assert last.horizon_expected is not None
    assert last.mask_expected is not None
    assert last.mask_have is not None
    assert 100 < last.mask_have <= last.mask_expected < last.horizon_expected
    assert figures["A"][1].roti_tecu_min is None  # rates of three minutes are needed
    assert last.roti_tecu_min is not None
    assert 0 < last.roti_tecu_min < 0.2


def test_the_cut_of_the_input_and_restarts_change_nothing(chunks: list[RawChunk]) -> None:
    _, figures = run(chunks, 40)
    assert run(chunks, 7)[1] == figures
    assert run(chunks, len(chunks))[1] == figures
    assert run(chunks, 100, restart=True)[1] == figures


def test_figures_travel(chunks: list[RawChunk]) -> None:
    reports, figures = run(chunks[:40], 40)
    batch = StationReports(reports=reports, figures=figures["A"])
    assert codec.decode(codec.encode(batch)) == batch
    assert codec.decode(codec.encode(StationReports(reports=reports))) == StationReports(reports=reports)
