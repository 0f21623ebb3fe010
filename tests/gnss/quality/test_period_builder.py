"""Minutes, hours and days of stations against a slow count of the same judgements."""

import dataclasses
import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnss.epoch_columns import NO_TIME_US
from gnss.quality.judgements import (
    CLOCK_STEP,
    HELD_BAD,
    I_LATENCY,
    I_OUTAGE,
    I_REGISTRY,
    INDICATORS,
    JUDGEMENT,
    NO_MULTIPATH,
    NOT_LIVE,
    NOT_WARM,
    STATES,
)
from gnss.quality.latency_bins import BINS, MIDDLES_S, bin_of, percentiles_s
from gnss.quality.memory import K_CN0_SQUARES, K_CN0_SUM, K_HAVE, K_OBSERVATIONS
from gnss.quality.period_builder import About, PeriodBuilder
from gnss.quality.score import Finding, Thresholds
from gnss.quality.table import QualityTable
from gnss.quality.verdict import findings

SECOND_US, MINUTE_US = 1_000_000, 60_000_000
T0_US = 1_700_000_040_000_000 // MINUTE_US * MINUTE_US


def rows(n):
    made = np.zeros(n, JUDGEMENT)
    made["received_at_us"] = NO_TIME_US
    for name in ("latency_s", "cn0_dbhz", "multipath_m", "roti_tecu_min", "offset_m", "offset_sd_m"):
        made[name] = np.nan
    made["values"] = made["points"] = made["thresholds"] = np.nan
    for name in ("sky_expected", "mask_expected", "observations_expected"):
        made[name] = -1
    made["score"], made["unusual"], made["band"] = -1, -1, -1
    return made


def a_second(station, i, *, epoch=True, at_us=None):
    """A judgement that differs from second to second."""
    (one,) = rows(1)
    one["station"] = station
    one["time_us"] = T0_US + i * SECOND_US if at_us is None else at_us
    one["state"] = 1 + (i // 7 + station) % 3
    one["score"] = 90 - 10 * one["state"] - i % 5
    one["frames"], one["bad_frames"] = 5 + station, i % 11 == 0
    one["epochs_expected"] = 1
    if epoch:
        one["epochs"], one["observations"], one["observations_expected"] = 1, 40 + i % 3, 44
        one["satellites"], one["usable_systems"] = 12 + i % 4, 0b100001 if i % 2 else 1
        one["slips"] = i % 13 == 0
        one["cn0_dbhz"], one["multipath_m"] = 44.0 + i % 4, 0.3 + 0.01 * (i % 9)
        one["latency_s"] = 0.2 + 0.37 * (i * 7919 % 101) / 101 + (3.0 if i % 50 == 0 else 0.0)
        one["roti_tecu_min"] = 0.1 * (i % 6)
    if i % 17 < 3:
        one["points"][I_LATENCY], one["values"][I_LATENCY] = 60.0 - i % 17, 3.0 + i % 17
        one["thresholds"][I_LATENCY] = 2.0
    return one


def a_table(n=1, interval_s=1.0):
    table = QualityTable()
    for _ in range(n):
        table.add(interval_s)
    return table


def periods(table, judgements, cuts=(), **options):
    builder = PeriodBuilder(table, **options)
    for part in np.split(judgements, list(cuts)):
        builder.add(part)
    return builder.take({s: About(f"S{s}") for s in range(int(table.memory.station["used"].sum()))})


def same(one, other):
    """Whether two periods are equal, arrays and NaN too."""
    if dataclasses.is_dataclass(one):
        fields = dataclasses.fields(one)
        return type(one) is type(other) and all(
            same(getattr(one, f.name), getattr(other, f.name)) for f in fields
        )
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    return one == other


def in_order(stations, seconds, missing=()):
    made = [a_second(s, i, epoch=(s, i) not in missing) for i in range(seconds) for s in range(stations)]
    return np.array(made, JUDGEMENT)


def test_a_period_holds_what_a_slow_count_finds():
    seconds = 200
    missing = {(1, i) for i in (30, *range(58, 64))}
    judgements = in_order(2, seconds, missing)
    for s, period in enumerate(periods(a_table(2), judgements)):
        own = judgements[judgements["station"] == s]
        came = own[own["epochs"] == 1]
        assert (period.epochs, period.epochs_expected) == (len(came), seconds)
        assert (period.begin_us, period.end_us) == (T0_US, T0_US + seconds * SECOND_US)
        assert period.frames == own["frames"].sum()
        assert period.bad_frames == own["bad_frames"].sum()
        assert period.usable_epochs == {
            "G": len(came),
            "C": int(np.count_nonzero(came["usable_systems"] & 32)),
        }
        for number, state in enumerate(STATES):
            assert period.state_seconds[state] == np.count_nonzero(own["state"] == number)
        assert period.score == pytest.approx(own["score"].mean())
        assert (period.late_epochs, period.out_of_order_epochs) == (0, 0)
        minutes = period.minutes
        assert minutes.time_us.tolist() == [T0_US + k * MINUTE_US for k in range(4)]
        for k in range(4):
            part = own[60 * k : 60 * (k + 1)]
            some = part[part["epochs"] == 1]
            assert minutes.epochs[k] == len(some)
            assert minutes.epochs_expected[k] == len(part)
            assert minutes.state[k] == part["state"].max()
            assert minutes.score[k] == part["score"].min()
            assert minutes.observations_share[k] == pytest.approx(
                some["observations"].sum() / (44 * len(some))
            )
            assert minutes.satellites[k] == pytest.approx(some["satellites"].mean())
            assert minutes.cn0_dbhz[k] == pytest.approx(some["cn0_dbhz"].mean(), abs=1e-4)
            assert minutes.multipath_m[k] == pytest.approx(some["multipath_m"][-1])
            assert minutes.slips[k] == some["slips"].sum()
            assert minutes.latency_s[k] == pytest.approx(statistics.median(some["latency_s"]), abs=1e-6)
            assert minutes.roti_tecu_min[k] == pytest.approx(some["roti_tecu_min"].mean(), abs=1e-6)
        reason = next(r for r in period.reasons if r.code == "latency")
        low = own[~np.isnan(own["points"][:, I_LATENCY])]
        assert reason.seconds == len(low)
        assert (reason.first_us, reason.last_us) == (low["time_us"][0], low["time_us"][-1])
        assert (reason.worst_value, reason.threshold) == (low["values"][:, I_LATENCY].max(), 2.0)
        assert "Epochs arrive" in reason.text
        assert reason.check
    # a single missing second is counted, and no gap of its own
    assert period.gaps == [(T0_US + 58 * SECOND_US, T0_US + 64 * SECOND_US)]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_cut_of_the_input_changes_nothing(data):
    draw = data.draw
    judgements = in_order(3, 150, {(0, 20), *((1, i) for i in range(50, 75))})
    order = np.arange(len(judgements))
    if draw(st.booleans()):  # disorder within a station too
        seed = draw(st.integers(0, 1000))
        order = np.random.default_rng(seed).permutation(order)
    judgements = judgements[order]
    judgements["clock_step_ms"][::37] = 1.0
    judgements["remarks"][5::37] = CLOCK_STEP
    cuts = sorted(draw(st.lists(st.integers(0, len(judgements)), max_size=12)))
    whole, parts = periods(a_table(3), judgements), periods(a_table(3), judgements, cuts)
    assert same(whole, parts)
    # what belongs to one station does not depend on the others
    for s in range(3):
        alone = periods(a_table(3), judgements[judgements["station"] == s])
        assert same(whole[s], alone[s])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 300), st.integers(0, 300))
def test_a_snapshot_changes_nothing(first, second):
    judgements = in_order(2, 150, {(1, i) for i in range(70, 90)})
    table = a_table(2)
    builder = PeriodBuilder(table)
    before = 0
    for cut in sorted((first, second)):
        builder.add(judgements[before:cut])
        saved = [builder.snapshot(s) for s in range(2)]
        builder = PeriodBuilder(table)
        builder.add(judgements[:7])  # what was there is replaced
        for s in (1, 0):
            builder.restore(s, saved[s])
        before = cut
    builder.add(judgements[before:])
    made = builder.take({s: About(f"S{s}") for s in range(2)})
    assert same(made, periods(a_table(2), judgements))


def test_parts_of_a_period_add_up_to_the_whole():
    judgements = in_order(2, 240, {(0, i) for i in range(100, 140)})
    builder = PeriodBuilder(a_table(2))
    parts = []
    for k in range(2):
        builder.add(judgements[240 * k : 240 * (k + 1)])
        begin_us, end_us = (T0_US + (120 * (k + j)) * SECOND_US for j in (0, 1))
        parts.append(builder.take({0: About("S0"), 1: About("S1")}, begin_us, end_us))
    for s, whole in enumerate(periods(a_table(2), judgements)):
        some = [part[s] for part in parts]
        assert sum(p.epochs for p in some) == whole.epochs
        assert sum(p.epochs_expected for p in some) == whole.epochs_expected == 240
        for state in STATES:
            assert sum(p.state_seconds[state] for p in some) == whole.state_seconds[state]
        joined = np.concatenate([p.minutes.epochs for p in some])
        assert joined.tolist() == whole.minutes.epochs.tolist()
        seconds = {p.code: p.seconds for p in whole.reasons}
        assert {c: sum(r.seconds for p in some for r in p.reasons if r.code == c) for c in seconds} == seconds
    # the gap over the border is told in both, cut there
    assert [p[0].gaps for p in parts] == [
        [(T0_US + 100 * SECOND_US, T0_US + 120 * SECOND_US)],
        [(T0_US + 120 * SECOND_US, T0_US + 140 * SECOND_US)],
    ]


def test_a_long_outage_counts_with_all_its_seconds_though_few_slots_are_judged():
    at_s = [*range(10), *range(10, 610), *range(660, 3600, 60), 3600]
    judgements = rows(len(at_s))
    judgements["time_us"] = T0_US + np.array(at_s) * SECOND_US
    judgements["epochs"] = [1] * 10 + [0] * (len(at_s) - 11) + [1]
    judgements["state"] = [1] * 10 + [3] * (len(at_s) - 10)
    (period,) = periods(a_table(), judgements)
    assert (period.epochs, period.epochs_expected) == (11, 3601)
    assert period.state_seconds == {"unknown": 0.0, "good": 10.0, "degraded": 0.0, "bad": 3591.0}
    assert period.gaps == [(T0_US + 10 * SECOND_US, T0_US + 3600 * SECOND_US)]
    assert period.minutes.epochs_expected.sum() == 3601


def test_late_epochs_belong_to_their_own_minute_and_count_once():
    """A backlog of two minutes comes after its seconds were judged as missed."""
    due = [a_second(0, i, epoch=i < 60) for i in range(200)]
    backlog = [a_second(0, i) for i in range(60, 200)]
    after = [a_second(0, i) for i in range(200, 240)]
    (period,) = periods(a_table(), np.array([*due, *backlog, *after], JUDGEMENT))
    assert (period.epochs, period.epochs_expected) == (240, 240)
    assert (period.late_epochs, period.out_of_order_epochs) == (140, 0)
    assert period.minutes.epochs.tolist() == [60, 60, 60, 60]
    assert period.minutes.epochs_expected.tolist() == [60, 60, 60, 60]
    assert sum(period.state_seconds.values()) == 240
    assert period.gaps == []


def test_an_epoch_out_of_order_is_counted_and_takes_no_time():
    order = [*range(30), 32, 31, 33, 34]
    judgements = np.array([a_second(0, i) for i in order], JUDGEMENT)
    (period,) = periods(a_table(), judgements)
    assert period.out_of_order_epochs == 1
    assert sum(period.state_seconds.values()) == 35
    assert (period.epochs, period.epochs_expected) == (34, 35)


def test_an_older_recording_behind_a_newer_one_is_counted_too():
    newer = [a_second(0, i) for i in range(100)]
    older = [a_second(0, i - 86_400) for i in range(50)]
    (period,) = periods(a_table(), np.array([*newer, *older], JUDGEMENT))
    assert (period.epochs, period.epochs_expected, period.out_of_order_epochs) == (150, 150, 1)
    assert sum(period.state_seconds.values()) == 150
    assert period.gaps == []
    assert (period.begin_us, period.end_us) == (T0_US - 86_400 * SECOND_US, T0_US + 100 * SECOND_US)
    assert np.all(np.diff(period.minutes.time_us) > 0)


@pytest.mark.parametrize("interval_s", [0.1, 0.2, 15.0, 30.0])
def test_expected_epochs_follow_the_interval_with_jitter(interval_s):
    n = 400
    jitter_us = np.random.default_rng(5).uniform(-0.3, 0.3, n) * interval_s * 1e6
    judgements = rows(n)
    judgements["time_us"] = T0_US + np.round(np.arange(n) * interval_s * 1e6 + jitter_us).astype(np.int64)
    judgements["time_us"][0] = T0_US
    judgements["epochs"] = 1
    (period,) = periods(a_table(interval_s=interval_s), judgements)
    assert (period.epochs, period.epochs_expected) == (n, n)
    assert period.gaps == []
    assert sum(period.state_seconds.values()) == pytest.approx(n * interval_s, abs=0.5 * interval_s)


def test_steps_of_the_clock_are_told_and_worded_with_their_own_size():
    judgements = in_order(1, 130)
    for i, ms in ((10, 1.0), (100, -2.0)):
        judgements["clock_step_ms"][i] = ms
    judgements["remarks"][10:70] = CLOCK_STEP
    (period,) = periods(a_table(), judgements)
    assert period.clock_jumps == [(T0_US + 10 * SECOND_US, 1.0), (T0_US + 100 * SECOND_US, -2.0)]
    reason = next(r for r in period.reasons if r.code == "clock_step")
    assert (reason.seconds, reason.worst_value) == (60.0, 1.0)
    assert "+1 ms" in reason.text


def test_every_finding_of_a_verdict_is_a_reason_and_no_other():
    """The kernel's codes are those of `verdict.findings`."""
    random = np.random.default_rng(2)
    for _ in range(300):
        judgements = rows(1)
        judgements["time_us"], judgements["epochs"] = T0_US, 1
        judgements["points"] = np.where(random.random(len(INDICATORS)) < 0.2, 10.0, 90.0)
        judgements["values"], judgements["thresholds"] = 1.0, 0.5
        judgements["band"], judgements["unusual"] = 0, 0
        judgements["remarks"] = random.integers(0, 512)
        (period,) = periods(a_table(), judgements)
        (found,) = findings(judgements, Thresholds(), np.zeros(1))
        expected = {f.code for f in found}
        assert {r.code for r in period.reasons} == expected
        assert all(r.text for r in period.reasons)


def test_findings_of_the_registry_have_its_seconds():
    def registry(s, time_us):
        antenna = Finding("antenna", "The stream tells another antenna.", check="The entry.")
        place = Finding("place", "Another place.", 12.0, 3.0)
        return (antenna,) if time_us < T0_US + 60 * SECOND_US else (antenna, place)

    judgements = in_order(1, 150)
    judgements["points"][:, I_REGISTRY] = np.where(np.arange(150) < 100, 60.0, 100.0)
    (period,) = periods(a_table(), judgements, registry=registry)
    seconds = {r.code: r.seconds for r in period.reasons if r.code in {"antenna", "place", "registry"}}
    # the place is told from the second minute on
    assert seconds["antenna"] == 100.0
    assert seconds["place"] == 40.0
    assert "registry" not in seconds


def test_words_are_made_once_a_minute_and_code(monkeypatch):
    worded = []

    def counted(judgements, *others):
        worded.extend(judgements)
        return findings(judgements, *others)

    monkeypatch.setattr("gnss.quality.period_builder.findings", counted)
    judgements = in_order(1, 600)
    judgements["remarks"] = NOT_LIVE | NO_MULTIPATH | HELD_BAD
    judgements["points"][::3, I_OUTAGE] = 20.0
    periods(a_table(), judgements)
    assert 10 <= len(worded) <= 4 * 10


def test_positions_have_mean_and_spread():
    judgements = in_order(1, 600)
    east = np.where(np.arange(600) < 300, 1.0, 3.0)
    judgements["offset_m"] = np.stack([east, np.zeros(600), np.full(600, -2.0)], axis=1)
    judgements["offset_sd_m"] = 0.5
    (period,) = periods(a_table(), judgements)
    position = period.position
    assert position.count == 20  # one each half minute
    assert (position.east_m, position.north_m, position.up_m) == (2.0, 0.0, -2.0)
    assert position.east_sd_m == pytest.approx(math.sqrt(1.0 + 0.25))
    assert position.up_sd_m == pytest.approx(0.5)


def test_what_is_kept_is_bounded_and_what_is_left_out_is_said():
    judgements = np.array([a_second(0, 60 * i) for i in range(100)], JUDGEMENT)
    judgements["clock_step_ms"] = 1.0
    (period,) = periods(a_table(), judgements, most_minutes=20, most_events=30)
    assert len(period.minutes.time_us) == 20
    assert len(period.gaps) + len(period.clock_jumps) <= 30
    assert "left out" in period.problems[0]
    assert period.epochs == 100


def test_the_tables_sums_are_taken_once():
    table = a_table()
    memory = table.memory
    memory.kind_of[0, 2 * 33 + 22] = 3
    memory.kinds[0, 3, [K_OBSERVATIONS, K_HAVE, K_CN0_SUM, K_CN0_SQUARES]] = 10, 8, 440.0, 19_400.0
    memory.elevation[0, 2, 1, 4] = 44.0, 1.0, 0.25, 1.0
    builder = PeriodBuilder(table)
    builder.add(in_order(1, 10))
    (first,) = builder.take({0: About("A")})
    signals = first.signals
    assert (signals.system.tolist(), signals.signal.tolist()) == ([2], [22])
    assert (signals.observations.tolist(), signals.have.tolist()) == ([10], [8])
    assert (signals.cn0_sum.tolist(), signals.cn0_squares.tolist()) == ([440.0], [19_400.0])
    assert first.elevation.cn0_count[2, 1, 4] == 1
    assert first.elevation.multipath_squares[2, 1, 4] == 0.25
    (second,) = builder.take({0: About("A")})
    assert len(second.signals.system) == 0
    assert second.elevation.cn0_count.sum() == 0
    assert (second.epochs, second.score, second.reasons, second.latency) == (0, None, [], None)


def test_a_removed_station_leaves_nothing_and_tables_grow():
    table = a_table()
    builder = PeriodBuilder(table)
    builder.add(in_order(1, 100))
    builder.remove(0)
    rows_of = [table.add(1.0) for _ in range(40)]
    late = in_order(1, 10)
    late["station"] = rows_of[-1]
    builder.add(late)
    gone, there = builder.take({0: About("A"), rows_of[-1]: About("B")})
    assert (gone.epochs, len(gone.minutes.time_us), there.epochs) == (0, 0, 10)


@given(
    st.lists(st.floats(-100.0, 5000.0), min_size=1, max_size=400), st.sampled_from([0.05, 0.5, 0.95, 0.99])
)
@settings(deadline=None)
def test_percentiles_of_latency_are_right_to_a_hundredth_or_ten_milliseconds(latencies, share):
    counts = np.bincount([bin_of(v) for v in latencies], minlength=BINS).astype(np.int32)
    (found,) = percentiles_s(counts, (share,))
    exact = sorted(latencies)[max(math.ceil(share * len(latencies)), 1) - 1]
    assert abs(found - exact) <= max(0.0100001, 0.0101 * abs(exact))


def test_absurd_latencies_stay_in_the_bins():
    for latency_s in (-1e12, -1.0, -0.0, 0.0, 1.0, 86_400.0, 1e12):
        assert 0 <= bin_of(latency_s) < BINS
    assert np.all(np.diff(MIDDLES_S) > 0)


def test_the_median_of_a_minute_holds_with_many_epochs():
    n = 1500  # 25 Hz
    judgements = rows(n)
    judgements["time_us"] = T0_US + np.arange(n) * 40_000
    judgements["epochs"] = 1
    latencies = np.random.default_rng(3).gamma(4.0, 0.1, n)
    judgements["latency_s"] = latencies
    (period,) = periods(a_table(interval_s=0.04), judgements)
    assert period.minutes.latency_s[0] == pytest.approx(np.median(latencies), rel=0.25)
    assert period.latency.count == n
    assert period.latency.max_s == latencies.max()
    assert period.latency.median_s == pytest.approx(np.median(latencies), abs=0.011)
    assert period.latency.p99_s == pytest.approx(np.quantile(latencies, 0.99), rel=0.03)


def test_before_the_first_verdict_the_state_is_unknown():
    judgements = rows(5)
    judgements["time_us"] = T0_US + np.arange(5) * SECOND_US
    judgements["epochs"], judgements["remarks"] = 1, NOT_WARM
    (period,) = periods(a_table(), judgements)
    assert period.state_seconds["unknown"] == 5.0
    assert period.score is None
    assert np.isnan(period.minutes.score[0])
    assert [r.code for r in period.reasons] == ["warm_up"]


def test_a_gap_that_goes_on_counts_from_the_first_missed_slot_when_nothing_ever_came():
    judgements = np.array([a_second(0, i, epoch=False) for i in range(90)], JUDGEMENT)
    builder = PeriodBuilder(a_table())
    builder.add(judgements)
    (period,) = builder.take({0: About("A")}, T0_US, T0_US + 90 * SECOND_US)
    assert (period.epochs, period.epochs_expected) == (0, 90)
    assert period.gaps == [(T0_US, T0_US + 90 * SECOND_US)]
    assert np.isnan(period.minutes.satellites).all()
    assert period.minutes.epochs_expected.tolist() == [60, 30]
