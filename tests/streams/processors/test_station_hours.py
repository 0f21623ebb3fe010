"""Hours of stations against sums of the same stations' reports, and a count of what was decoded."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np
import pytest

from gnss.assembly.table import Chunk, EpochTable
from gnss.epoch_columns import NO_TIME_US
from gnss.quality import closed_period
from gnss.quality.period_codec import unpack_period
from gnss.reports import combine
from gnss.rtcm.station import METADATA_MESSAGES
from gnss.simulate import Fault, SimulatedStation
from sensors.model import Station
from streams.processors.score_stations import ScoreStations
from streams.processors.station_hours import HOUR_US, MOST_AT_ONCE, StationHours
from streams.records import RawBatch, RawChunk, StationPeriods, StationReports
from tests.gnss.reports.same import assert_same

SECOND_US = 1_000_000
FULL_US = 1_760_000_400 * SECOND_US
BEGIN_US = FULL_US - 45 * SECOND_US
STR17_US = 1_554_595_200 * SECOND_US


def chunks_of(station_id, seconds, *, seed=1, faults=(), begin_us=BEGIN_US, is_live=True):
    station = SimulatedStation(seed, 114.0, 30.5, 40.0, seed, faults)
    made = []
    for i in range(seconds):
        emission = station.emit(begin_us + i * SECOND_US)
        if emission.frames:
            at_us = emission.epoch_us + round(emission.delay_s * SECOND_US)
            made.append(
                RawChunk(
                    station_id=station_id,
                    payload=b"".join(emission.frames),
                    received_at_us=at_us if is_live else None,
                    reference_us=emission.epoch_us,
                )
            )
    return sorted(made, key=lambda c: c.received_at_us or 0)


def merged(*streams):
    return sorted((c for stream in streams for c in stream), key=lambda c: c.received_at_us or 0)


class Run:
    """A processor with all that came out of it."""

    def __init__(self):
        self.processor, self.now_us = ScoreStations([Station(id="A", name="A")]), 0
        self.reports, self.periods, self.most = defaultdict(list), defaultdict(list), 0

    def take(self, outputs):
        for output in outputs:
            if isinstance(output, StationReports):
                for report in output.reports:
                    self.reports[report.station_id].append(report)
            elif isinstance(output, StationPeriods):
                self.most = max(self.most, len(output.periods))
                for record in output.periods:
                    period = unpack_period(record.period)
                    assert (record.station_id, record.begin_us, record.end_us) == (
                        period.station_id, period.begin_us, period.end_us,
                    )  # fmt: skip
                    self.periods[record.station_id].append(period)

    def feed(self, chunks, size=1):
        for at in range(0, len(chunks), size):
            batch = chunks[at : at + size]
            self.now_us = max(self.now_us, *(c.received_at_us or 0 for c in batch))
            self.take(self.processor.on_batch(RawBatch(chunks=list(batch))))
            if self.now_us:
                self.take(self.processor.on_time(self.now_us))
        return self

    def restart(self):
        saved = list(self.processor.snapshot())
        self.processor = ScoreStations([Station(id="A", name="A")])
        self.processor.restore(saved)

    def end(self):
        self.take(self.processor.on_end())
        return self


@pytest.fixture(scope="module")
def troubled():
    faults = (
        Fault("outage", FULL_US - 9 * SECOND_US, FULL_US + 6 * SECOND_US),  # over the full hour
        Fault("slips", FULL_US + 20 * SECOND_US, FULL_US + 25 * SECOND_US, 2.0),
    )
    late = (Fault("latency", FULL_US - 3 * SECOND_US, FULL_US + 99 * SECOND_US, 6.5),)
    return merged(
        chunks_of("A", 96, seed=1, faults=faults),
        chunks_of("B", 90, seed=2, faults=late),
        chunks_of("C", 96, seed=3),
    )


@pytest.fixture(scope="module")
def hours(troubled):
    return Run().feed(troubled).end()


def test_each_hour_of_each_station_comes_once(hours):
    assert set(hours.periods) == {"A", "B", "C"}
    for station, (first, second) in hours.periods.items():
        assert (first.begin_us, first.end_us) == (BEGIN_US, FULL_US)
        newest_us = max(report.epoch_us for report in hours.reports[station])
        assert (second.begin_us, second.end_us) == (FULL_US, newest_us + SECOND_US)


def test_an_hour_has_the_sums_of_its_reports(hours):
    for station, periods in hours.periods.items():
        running_us, own = 0, ([], [])
        for report in hours.reports[station]:  # late ones belong to the hour that runs
            running_us = max(running_us, report.epoch_us)
            own[running_us >= FULL_US].append(report)
        for period, reports in zip(periods, own, strict=True):
            assert period.epochs == sum(r.epochs for r in reports)
            assert period.frames == sum(r.frames for r in reports)
            assert period.bad_frames == sum(r.bad_frames for r in reports)
            assert period.minutes.slips.sum() == sum(r.slips for r in reports)
            assert period.minutes.epochs.sum() == period.epochs
        seconds = [(p.end_us - p.begin_us) // SECOND_US for p in periods]
        assert [p.epochs_expected for p in periods] == seconds
        assert [sum(p.state_seconds.values()) for p in periods] == seconds
        longest = max((r.latency_s for r in hours.reports[station] if r.latency_s is not None), default=0.0)
        assert max(p.latency.max_s for p in periods) == longest
    late = hours.periods["B"]
    assert late[1].late_epochs > 0
    assert sum(p.epochs for p in late) == 90
    assert [p.gaps for p in hours.periods["A"]] == [
        [(FULL_US - 9 * SECOND_US, FULL_US)],
        [(FULL_US, FULL_US + 6 * SECOND_US)],
    ]


def test_observations_by_signal_are_those_of_the_hours_epochs(troubled, hours):
    """The table sums them up as it judges: they are cut before the first epoch of an hour."""
    for number, station in enumerate("ABC"):
        counted, running_us = (Counter(), Counter()), 0
        table = EpochTable()
        own = [c for c in troubled if c.station_id == station]
        parts = [table.feed([Chunk(number, c.payload, c.received_at_us, None)]) for c in own] + [
            table.finish()
        ]
        reported = {r.epoch_us for r in hours.reports[station] if r.epochs}
        for part in parts:
            e, o = part.epochs, part.epochs.observations
            for time_us, first, count in zip(e.time_us.tolist(), e.first, e.count, strict=True):
                assert time_us in reported
                running_us = max(running_us, time_us)
                rows = slice(int(first), int(first + count))
                kinds = zip(o.system[rows].tolist(), o.signal[rows].tolist(), strict=True)
                counted[running_us >= FULL_US].update(kinds)
        if station == "B":  # the hour ended while its epochs were late: by seconds that were missed
            counted = (counted[0] + counted[1],)
        found = [
            Counter(
                dict(
                    zip(
                        zip(p.signals.system.tolist(), p.signals.signal.tolist(), strict=True),
                        p.signals.observations.tolist(),
                        strict=True,
                    )
                )
            )
            for p in hours.periods[station]
        ]
        assert (tuple(found) if station != "B" else (found[0] + found[1],)) == counted


@pytest.mark.parametrize("size", [2, 17, 10_000])
def test_the_cut_of_the_input_changes_nothing(troubled, hours, size):
    other = Run().feed(troubled, size).end()
    for station, periods in hours.periods.items():
        assert_same(periods, other.periods[station])


def test_snapshot_and_restore_change_nothing(troubled, hours):
    other = Run()
    for at in range(0, len(troubled), 9):
        other.feed(troubled[at : at + 9], 9)
        other.restart()
    other.end()
    for station, periods in hours.periods.items():
        assert_same(periods, other.periods[station])


def test_two_hours_together_are_the_time_without_the_full_hour(troubled, hours, monkeypatch):
    monkeypatch.setattr("streams.processors.station_hours.HOUR_US", 24 * HOUR_US)
    whole = Run().feed(troubled).end()
    for station, periods in hours.periods.items():
        (one,) = whole.periods[station]
        both = combine(periods)
        # percentiles are means of parts; words are the newest ones; a slip's minute is cut in two
        left_out = ("latency", "reasons", "minutes", "score", "late_epochs", "elevation")
        if station == "B":  # what was missing when the hour ended came later
            assert (both.gaps, one.gaps) == ([(FULL_US - 3 * SECOND_US, FULL_US)], [])
            left_out += ("gaps",)
        assert_same(both, one, left_out=left_out)
        for name in ("cn0_sum", "cn0_count", "multipath_squares", "multipath_count"):  # single precision
            pair = getattr(both.elevation, name), getattr(one.elevation, name)
            np.testing.assert_allclose(*pair, rtol=1e-5)
        assert both.score == pytest.approx(one.score)
        assert {r.code: r.seconds for r in both.reasons} == {r.code: r.seconds for r in one.reasons}


def test_satellites_are_marked_once_in_five_minutes():
    """Ephemerides come in the first minute; the next five minutes begin with the hour."""
    run = Run().feed(chunks_of("A", 90)).end()
    first, second = run.periods["A"]
    assert len(second.sky.time_us) > 5
    assert set(second.sky.time_us.tolist()) == {FULL_US}
    seen = ~np.isnan(second.sky.cn0_dbhz)
    assert seen.sum() > 5
    assert len(set(zip(second.sky.system, second.sky.satellite, strict=True))) == len(second.sky.time_us)
    assert set(first.sky.time_us.tolist()) <= {FULL_US - 300 * SECOND_US}


# --- replays, without receiving times ------------------------------------------------------------------


def replayed(payload, size, *, reference_us=STR17_US):
    run = Run()
    pieces = range(0, len(payload), size)
    run.feed(
        [
            RawChunk(
                station_id="R",
                payload=payload[at : at + size],
                reference_us=reference_us,
                end_of_stream=at + size >= len(payload),
            )
            for at in pieces
        ]
    )
    return run


def test_a_recording_gives_its_hours_at_its_end_whatever_its_pieces(data):
    """It begins before a full hour and goes over it."""
    payload = (data / "rtcm3/swift/week-rollover-STR17.rtcm3").read_bytes()
    whole = replayed(payload, 10_000_000)
    periods = whole.periods["R"]
    assert len(periods) == 2
    assert [p.end_us % HOUR_US == 0 for p in periods] == [True, False]
    assert sum(p.epochs for p in periods) == len(whole.reports["R"]) == 1126
    assert periods[0].end_us == periods[1].begin_us
    assert periods[1].metadata["reference station"]
    for size in (65_536, 1_777):
        other = replayed(payload, size)
        assert_same(periods, other.periods["R"])
        assert not other.end().periods["R"][2:], "nothing comes twice"


def test_ten_minutes_give_one_record_at_their_end():
    chunks = chunks_of("R", 60, begin_us=FULL_US + 600 * SECOND_US, is_live=False)
    run = replayed(b"".join(c.payload for c in chunks), 4_096, reference_us=FULL_US)
    (period,) = run.periods["R"]
    begin_us = FULL_US + 600 * SECOND_US
    assert (period.begin_us, period.end_us) == (begin_us, begin_us + 60 * SECOND_US)
    assert (period.epochs, period.epochs_expected) == (60, 60)
    assert period.latency is None


def test_a_hole_of_hours_gives_an_hour_each_and_no_second_is_lost():
    head = chunks_of("R", 45, is_live=False)
    tail = chunks_of("R", 30, begin_us=FULL_US + 3 * HOUR_US + 10 * SECOND_US, is_live=False)
    payload = b"".join(c.payload for c in (*head, *tail))
    periods = replayed(payload, 999, reference_us=FULL_US).periods["R"]
    assert [p.begin_us for p in periods] == [
        BEGIN_US,
        *(FULL_US + k * HOUR_US for k in range(4)),
    ]
    assert [p.epochs for p in periods] == [45, 0, 0, 0, 30]
    assert sum(p.epochs_expected for p in periods) == 3 * 3600 + 85
    for before, after in pairwise(periods):
        assert before.end_us == after.begin_us
    joined = combine(periods)
    assert joined.gaps == [(FULL_US, FULL_US + 3 * HOUR_US + 10 * SECOND_US)]
    assert sum(joined.state_seconds.values()) == pytest.approx(3 * 3600 + 85)


def test_an_older_recording_begins_a_record_of_its_own():
    newer = chunks_of("R", 40, begin_us=FULL_US, is_live=False)
    older = chunks_of("R", 40, begin_us=FULL_US - 24 * HOUR_US, is_live=False)
    run = Run().feed(newer)
    table_periods = run.periods["R"]
    run.feed(
        [
            RawChunk(station_id="R", payload=b"", reference_us=FULL_US, end_of_stream=True),
            *older,
        ]
    ).end()
    assert [p.begin_us for p in table_periods] == [FULL_US, FULL_US - 24 * HOUR_US]
    assert [p.epochs for p in table_periods] == [40, 40]


# --- many stations, and faults ----------------------------------------------------------------------------


def test_hours_of_many_stations_come_out_in_parts():
    one = chunks_of("S", 2, begin_us=FULL_US - SECOND_US)
    crowd = [
        RawChunk(station_id=f"S{k}", payload=c.payload, received_at_us=c.received_at_us)
        for c in one
        for k in range(3 * MOST_AT_ONCE)
    ]
    run = Run()
    run.take(run.processor.on_batch(RawBatch(chunks=crowd)))
    run.take(run.processor.on_time(FULL_US + 2 * SECOND_US))
    assert run.most == MOST_AT_ONCE
    for k in range(3):
        run.take(run.processor.on_time(FULL_US + (3 + k) * SECOND_US))
    assert run.most == MOST_AT_ONCE
    assert len(run.periods) == 3 * MOST_AT_ONCE
    assert all(len(periods) == 1 and periods[0].epochs == 1 for periods in run.periods.values())


def test_hours_that_wait_survive_a_restart():
    chunks = chunks_of("A", 50)
    run = Run().feed(chunks[:44])
    run.processor._hours.records = lambda **_: []  # nothing comes out meanwhile
    run.processor.on_batch(RawBatch(chunks=chunks[44:]))
    del run.processor._hours.records
    run.restart()
    run.end()
    assert [p.epochs for p in run.periods["A"]] == [45, 5]


def test_an_hour_that_cannot_be_made_is_counted_and_harms_no_other(monkeypatch):
    original = closed_period.minute_figures
    calls = []

    def broken(rows):
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("broken")
        return original(rows)

    monkeypatch.setattr(closed_period, "minute_figures", broken)
    run = Run().feed(merged(chunks_of("A", 50), chunks_of("B", 50, seed=2))).end()
    assert sum(map(len, run.periods.values())) == 3
    assert run.processor.counts()["failures"] == 1


def test_a_station_that_broke_gives_what_it_had(monkeypatch):
    original = EpochTable.feed_columns

    def feed_columns(self, stations, payloads, *times):
        if b"poison" in payloads:
            raise RuntimeError("broken")
        return original(self, stations, payloads, *times)

    monkeypatch.setattr(EpochTable, "feed_columns", feed_columns)
    chunks = chunks_of("A", 40)
    poison = RawChunk(station_id="A", payload=b"poison", received_at_us=chunks[19].received_at_us)
    run = Run().feed([*chunks[:20], poison, *chunks[20:]]).end()
    assert run.periods["A"][0].epochs in (19, 20)
    assert sum(p.epochs for p in run.periods["A"]) >= 39


def test_what_is_remembered_of_a_stream_is_bounded():
    table = EpochTable(METADATA_MESSAGES)
    assert table is not None
    run = Run().feed(chunks_of("A", 5))
    hours = run.processor._hours
    assert isinstance(hours, StationHours)
    metadata = run.processor._by_id["A"].facts.metadata
    for k in range(100):
        hours.tell(0, metadata, NO_TIME_US + k)
    assert len(hours._told[0]) <= 16
