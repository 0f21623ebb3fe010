"""The processor against its contract, on real captures and on simulated stations with planted faults."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from gnss.assembly.table import EpochTable
from gnss.quality.score import Thresholds
from gnss.simulate import Fault, SimulatedStation
from sensors.model import Station
from streams.processor import Processor
from streams.processors.score_stations import ScoreStations
from streams.records import (
    EphemerisMessages,
    NetworkShare,
    RawBatch,
    RawChunk,
    Record,
    StationPeriods,
    StationReport,
    StationReports,
)

SECOND_US = 1_000_000
T0_US = 1_760_000_000 * SECOND_US
STR17_US = 1_554_595_200 * SECOND_US


def reports_of(outputs: Sequence[Record]) -> list[StationReport]:
    reports: list[StationReport] = []
    for output in outputs:
        assert isinstance(output, StationReports | StationPeriods | EphemerisMessages | NetworkShare)
        if isinstance(output, StationReports):
            reports += output.reports
    return reports


def by_station(reports: Sequence[StationReport]) -> dict[str, list[StationReport]]:
    grouped: dict[str, list[StationReport]] = {}
    for report in reports:
        grouped.setdefault(report.station_id, []).append(report)
    return grouped


def codes(report: StationReport) -> list[str]:
    return [reason.code for reason in report.reasons]


def live_chunks(
    station_id: str, seconds: int, *, seed: int = 1, faults: Sequence[Fault] = ()
) -> list[RawChunk]:
    station = SimulatedStation(seed, 114.0, 30.5, 40.0, seed, faults)
    chunks = []
    for i in range(seconds):
        emission = station.emit(T0_US + i * SECOND_US)
        if emission.frames:
            received_us = emission.epoch_us + round(emission.delay_s * SECOND_US)
            payload = b"".join(emission.frames)
            chunks.append(RawChunk(station_id=station_id, payload=payload, received_at_us=received_us))
    return sorted(chunks, key=lambda c: c.received_at_us or 0)


def fault(kind: Any, begin_s: int, end_s: int, magnitude: float = 0.0) -> Fault:
    return Fault(kind, T0_US + begin_s * SECOND_US, T0_US + end_s * SECOND_US, magnitude)


def merged(*streams: Sequence[RawChunk]) -> list[RawChunk]:
    return sorted((c for stream in streams for c in stream), key=lambda c: c.received_at_us or 0)


def run_live(processor: ScoreStations, chunks: Sequence[RawChunk], a_batch: int = 1) -> list[StationReport]:
    """Carry chunks as the runtime does: a batch, then the time of its newest chunk."""
    reports: list[StationReport] = []
    now_us = 0
    for begin in range(0, len(chunks), a_batch):
        batch = list(chunks[begin : begin + a_batch])
        now_us = max(now_us, *(c.received_at_us or 0 for c in batch))
        reports += reports_of(processor.on_batch(RawBatch(chunks=batch)))
        reports += reports_of(processor.on_time(now_us))
    return reports


def pieces(payload: bytes, size: int, station_id: str = "STR17") -> Iterator[RawChunk]:
    for begin in range(0, len(payload), size):
        yield RawChunk(
            station_id=station_id,
            payload=payload[begin : begin + size],
            reference_us=STR17_US,
            end_of_stream=begin + size >= len(payload),
        )


def replay(payload: bytes, size: int = 65_536) -> list[StationReport]:
    processor = ScoreStations()
    reports = []
    for chunk in pieces(payload, size):
        reports += reports_of(processor.on_batch(RawBatch(chunks=[chunk])))
    return reports + reports_of(processor.on_end())


def test_it_is_a_processor() -> None:
    assert isinstance(ScoreStations(), Processor)


# --- recordings -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "epochs"), [("STR17", 1126), ("STR24", 1134)])
def test_a_real_station_gets_sensible_figures(data: Any, name: str, epochs: int) -> None:
    payload = (data / f"rtcm3/swift/week-rollover-{name}.rtcm3").read_bytes()
    reports = replay(payload)
    assert len(reports) == epochs
    assert all(b.epoch_us - a.epoch_us == SECOND_US for a, b in pairwise(reports))
    assert {r.state for r in reports[:30]} == {"unknown"}
    assert {r.state for r in reports[30:]} == {"good"}
    assert all(r.latency_s is None and r.jitter_s is None and r.received_at_us is None for r in reports)
    assert codes(reports[-1]) == ["latency_unknown"]
    assert 38 < np.mean([r.cn0_dbhz or 0 for r in reports]) < 45
    multipath = [r.multipath_m for r in reports[60:]]
    assert all(m is not None and 0.1 < m < 0.6 for m in multipath)
    assert sum(r.slips for r in reports) < 0.003 * sum(r.observations for r in reports)
    share = sum(r.observations for r in reports[1:]) / sum(r.observations_expected or 0 for r in reports[1:])
    assert 0.98 < share <= 1.0
    assert sum(r.bad_frames for r in reports) == 0
    assert any(r.ecef_m is not None for r in reports)


def test_a_recording_without_its_closing_messages_keeps_its_epochs(data: Any) -> None:
    reports = replay((data / "rtcm3/asv/fw206mrtk_rtcm").read_bytes())
    assert sum(r.epochs for r in reports) == 700


def test_the_cut_of_a_replay_changes_nothing(data: Any) -> None:
    payload = (data / "rtcm3/swift/week-rollover-STR17.rtcm3").read_bytes()[:300_000]
    whole = replay(payload, 10_000_000)
    assert len(whole) > 100
    assert replay(payload, 1_777) == whole
    assert replay(payload, 131) == whole


def test_a_hole_in_a_recording_is_reported(data: Any) -> None:
    payload = (data / "rtcm3/swift/week-rollover-STR17.rtcm3").read_bytes()
    hole = payload[:200_000] + payload[240_000:300_000]
    reports = replay(hole)
    missed = [r for r in reports if not r.epochs]
    assert 15 <= len(missed) <= 25
    assert missed[-1].state == "bad"
    assert "outage" in codes(missed[-1])
    assert all(b.epoch_us - a.epoch_us == SECOND_US for a, b in pairwise(reports))


def test_a_recording_without_observations_is_unknown(data: Any) -> None:
    (report,) = replay((data / "rtcm3/swift/test_gal_eph.rtcm").read_bytes())
    assert (report.state, report.score, report.epochs) == ("unknown", None, 0)
    assert "no_observations" in codes(report)


# --- live stations with planted faults -------------------------------------------------------------


def test_a_clean_live_station_is_good() -> None:
    reports = run_live(ScoreStations([Station(id="A", name="A")]), live_chunks("A", 75))
    assert [r.epoch_us for r in reports] == [T0_US + i * SECOND_US for i in range(75)]
    assert {r.state for r in reports[30:]} == {"good"}
    assert 0.1 < (reports[-1].latency_s or 0) < 0.4
    assert reports[-1].jitter_s is not None
    assert codes(reports[-1]) == []
    assert sum(r.frames for r in reports) > 75 * 5
    assert {i % 10 for i, r in enumerate(reports) if r.ecef_m} == {0}


@pytest.mark.parametrize(
    ("planted", "code", "state"),
    [
        (fault("jamming", 50, 60, 12.0), "interference", "bad"),
        (fault("slips", 50, 60, 3.0), "slips", "bad"),
        (fault("latency", 50, 60, 2.6), "latency", "degraded"),
        (fault("corruption", 50, 60, 0.3), "frame_errors", "degraded"),
        (fault("loss", 45, 60, 0.6), "epochs", "bad"),
        (fault("multipath", 40, 75, 2.5), "multipath", "bad"),
    ],
)
def test_a_planted_fault_is_named(planted: Fault, code: str, state: str) -> None:
    reports = run_live(ScoreStations(), live_chunks("A", 75, faults=[planted]))
    before = [r for r in reports if T0_US + 30 * SECOND_US <= r.epoch_us < planted.begin_us]
    assert {r.state for r in before} == {"good"}
    guilty = [r for r in reports if code in codes(r)]
    assert guilty
    worst = {"good": 0, "degraded": 1, "bad": 2, "unknown": -1}
    assert max(worst[r.state] for r in guilty) >= worst[state]
    reason = next(x for x in guilty[-1].reasons if x.code == code)
    assert reason.text
    assert reason.check
    assert reason.value is not None
    assert reason.threshold is not None


def test_an_outage_is_reported_each_second_and_healed_after_the_hold() -> None:
    chunks = live_chunks("A", 230, faults=[fault("outage", 40, 60)])
    processor, reports, now_us = ScoreStations(), [], T0_US
    for chunk in chunks:
        assert chunk.received_at_us is not None
        while now_us + 200_000 < chunk.received_at_us:
            now_us += 200_000
            reports += reports_of(processor.on_time(now_us))
        reports += reports_of(processor.on_batch(RawBatch(chunks=[chunk])))
        now_us = chunk.received_at_us
    seconds = [(r.epoch_us - T0_US) / SECOND_US for r in reports]
    assert seconds == list(range(230))
    assert [r.epochs for r in reports] == [int(not 40 <= s < 60) for s in seconds]
    assert [r.state for r in reports[40:60]] == ["good"] * 2 + ["degraded"] * 7 + ["bad"] * 11
    assert {r.state for r in reports[60:120]} == {"bad"}, "better only after a hold time"
    assert reports[-1].state == "good"


def test_a_station_that_stays_away_is_bad_by_the_time_alone() -> None:
    processor = ScoreStations()
    run_live(processor, live_chunks("A", 40))
    (report,) = reports_of(processor.on_time(T0_US + 41_900_000))
    assert (report.epochs, report.received_at_us) == (0, None)
    late = reports_of(processor.on_time(T0_US + 60 * SECOND_US))
    assert len(late) == 18
    assert late[-1].state == "bad"


# --- the contract ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def troubled() -> list[RawChunk]:
    return merged(
        live_chunks("A", 60, seed=1, faults=[fault("outage", 35, 44), fault("slips", 50, 55, 2.0)]),
        live_chunks(
            "B", 60, seed=2, faults=[fault("corruption", 30, 40, 0.2), fault("latency", 45, 50, 3.2)]
        ),
        live_chunks("C", 60, seed=3),
    )


def test_the_cut_into_batches_changes_nothing(troubled: list[RawChunk]) -> None:
    one = by_station(run_live(ScoreStations(), troubled, 1))
    assert {len(reports) >= 60 for reports in one.values()} == {True}
    for size in (2, 17, len(troubled)):
        assert by_station(run_live(ScoreStations(), troubled, size)) == one


@pytest.fixture(scope="module")
def gappy() -> list[RawChunk]:
    """Many stations that miss something at the same time, at the turns of minutes, too."""
    begin = 60 - T0_US // SECOND_US % 60
    faults = [
        [fault("outage", begin + 2 + k % 5, begin + 7 + k % 3), fault("outage", begin + 58, begin + 64)]
        + [fault("outage", begin + 20 + 6 * i, begin + 22 + 6 * i) for i in range(k % 4)]
        for k in range(12)
    ]
    streams = [live_chunks(f"S{k}", begin + 100, seed=k, faults=some) for k, some in enumerate(faults)]
    return merged(*streams)


def test_the_cut_of_streams_with_gaps_changes_nothing_of_any_station(gappy: list[RawChunk]) -> None:
    whole = ScoreStations()
    expected = by_station(run_live(whole, gappy, 1))
    assert sum(report.epochs == 0 for reports in expected.values() for report in reports) > 100
    for size in (7, 60, len(gappy)):
        processor = ScoreStations()
        assert by_station(run_live(processor, gappy, size)) == expected
        assert sorted(processor.snapshot()) == sorted(whole.snapshot())


def test_stations_that_come_back_together_are_judged_together(
    gappy: list[RawChunk], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One after the other, a country that was away is more work than there is time for."""
    calls: list[int] = []
    feed = EpochTable.feed_columns

    def counted(table: EpochTable, stations: list[int], *columns: Any) -> Any:
        calls.append(len(stations))
        return feed(table, stations, *columns)

    monkeypatch.setattr(EpochTable, "feed_columns", counted)
    seconds = Counter(chunk.received_at_us // SECOND_US for chunk in gappy if chunk.received_at_us)
    processor, begin = ScoreStations(), 0
    for _, n in sorted(seconds.items()):
        calls.clear()
        processor.on_batch(RawBatch(chunks=gappy[begin : begin + n]))
        begin += n
        assert len(calls) <= 3  # stations have two chunks in a second at most, and minutes turn
    assert begin == len(gappy)


def test_more_ticks_change_nothing(troubled: list[RawChunk]) -> None:
    processor, reports, now_us = ScoreStations(), [], T0_US
    for chunk in troubled:
        assert chunk.received_at_us is not None
        while now_us + 50_000 <= chunk.received_at_us:
            now_us += 50_000
            reports += reports_of(processor.on_time(now_us))
        reports += reports_of(processor.on_batch(RawBatch(chunks=[chunk])))
    reports += reports_of(processor.on_time(troubled[-1].received_at_us or 0))
    assert by_station(reports) == by_station(run_live(ScoreStations(), troubled))


def test_snapshot_and_restore_change_nothing(troubled: list[RawChunk]) -> None:
    expected = run_live(ScoreStations(), troubled, 3)
    processor, reports = ScoreStations(), []
    for begin in range(0, len(troubled), 3):
        reports += run_live(processor, troubled[begin : begin + 3])
        chunks = list(processor.snapshot())
        assert max(map(len, chunks)) <= 512_000
        processor = ScoreStations()
        processor.restore(chunks)
    assert by_station(reports) == by_station(expected)


def test_snapshot_in_the_middle_of_a_frame_changes_nothing(data: Any) -> None:
    payload = (data / "rtcm3/swift/week-rollover-STR17.rtcm3").read_bytes()[:150_000]
    processor, reports = ScoreStations(), []
    for chunk in pieces(payload, 4_999):
        reports += reports_of(processor.on_batch(RawBatch(chunks=[chunk])))
        chunks = list(processor.snapshot())
        processor = ScoreStations()
        processor.restore(chunks)
    assert reports == replay(payload)


def test_one_station_that_breaks_the_program_does_not_harm_the_others(
    monkeypatch: pytest.MonkeyPatch, troubled: list[RawChunk]
) -> None:
    original = EpochTable.feed_columns

    def feed_columns(self: Any, stations: Any, payloads: Any, *times: Any) -> Any:
        if b"poison" in payloads:
            raise RuntimeError("broken")
        return original(self, stations, payloads, *times)

    monkeypatch.setattr(EpochTable, "feed_columns", feed_columns)
    at_us = T0_US + 45 * SECOND_US
    poison = RawChunk(station_id="B", payload=b"poison", received_at_us=at_us)
    processor = ScoreStations()
    reports = by_station(run_live(processor, merged(troubled, [poison])))
    undisturbed = by_station(run_live(ScoreStations(), troubled))
    assert reports["A"] == undisturbed["A"]
    assert reports["C"] == undisturbed["C"]
    assert processor.counts()["failures"] == 1
    (error,) = [r for r in reports["B"] if codes(r) == ["error"]]
    assert (error.state, error.score) == ("unknown", None)
    assert "broken" in error.reasons[0].text
    assert Counter(r.epochs for r in reports["B"] if r.epoch_us > at_us)[1] > 10, "it goes on"


def test_noise_is_unknown_and_never_good() -> None:
    random = np.random.default_rng(5)
    chunks = [
        RawChunk(station_id="N", payload=random.bytes(2000), received_at_us=T0_US + i * SECOND_US)
        for i in range(40)
    ]
    reports = run_live(ScoreStations(), chunks)
    assert len(reports) > 30
    assert {r.state for r in reports} == {"unknown"}


def test_a_flood_of_epochs_is_judged_in_part_and_counted() -> None:
    calm = live_chunks("CALM", 60, seed=2)
    chunks = live_chunks("FLOOD", 60)
    received_us = T0_US + 70 * SECOND_US
    flood = [RawChunk(station_id="FLOOD", payload=c.payload, received_at_us=received_us) for c in chunks]
    processor = ScoreStations([], Thresholds(most_epochs_at_once=10.0))
    reports = by_station(run_live(processor, merged(calm, flood)))
    assert sum(r.epochs for r in reports["CALM"]) == 60
    assert sum(r.epochs for r in reports["FLOOD"]) == 10
    assert processor.counts()["surplus_epochs"] == 50
    later = [c for c in live_chunks("FLOOD", 100) if (c.received_at_us or 0) > received_us + SECOND_US]
    assert sum(r.epochs for r in run_live(processor, later)) == len(later)
