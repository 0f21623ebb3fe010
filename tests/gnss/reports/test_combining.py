from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnss.quality.period import Latencies, MinuteFigures, PositionFigures, ReasonFigures, SignalFigures
from gnss.reports import combine
from gnss.time import DAY_US
from tests.gnss.reports.invented import BEGIN_US, MINUTE_US, empty, station
from tests.gnss.reports.same import assert_same

HOUR_US = 60 * MINUTE_US


def cut(period, borders_us):
    """The same period in pieces: rows where they belong, sums shared out at random."""
    rng = np.random.default_rng(1)
    edges = [period.begin_us, *borders_us, period.end_us]
    n = len(edges) - 1
    minute_of = np.searchsorted(borders_us, period.minutes.time_us, side="right")
    sky_of = np.searchsorted(borders_us, period.sky.time_us, side="right")
    some = period.signals
    shares = {
        f.name: rng.multinomial(getattr(some, f.name).astype(np.int64), np.full(n, 1 / n)).T
        for f in fields(SignalFigures)
        if f.name.endswith("count") or getattr(some, f.name).dtype == np.int64
    }
    pieces = []
    for k in range(n):
        rows, tracks = minute_of == k, sky_of == k
        minutes = MinuteFigures(
            **{f.name: getattr(period.minutes, f.name)[rows] for f in fields(MinuteFigures)}
        )
        parts = {name: shares[name][k].astype(getattr(some, name).dtype) for name in shares}
        for name in ("multipath_squares", "cn0_sum", "cn0_squares"):
            parts[name] = getattr(some, name) / n
        pieces.append(
            replace(
                period,
                begin_us=edges[k],
                end_us=edges[k + 1],
                epochs=int(minutes.epochs.sum()),
                epochs_expected=int(minutes.epochs_expected.sum()),
                usable_epochs={letter: c // n + (k < c % n) for letter, c in period.usable_epochs.items()},
                state_seconds={
                    name: 60.0 * float((minutes.state == number).sum())
                    for number, name in enumerate(("unknown", "good", "degraded", "bad"))
                },
                signals=replace(some, **parts),
                elevation=replace(
                    period.elevation,
                    **{f.name: getattr(period.elevation, f.name) / n for f in fields(period.elevation)},
                ),
                minutes=minutes,
                sky=replace(
                    period.sky, **{f.name: getattr(period.sky, f.name)[tracks] for f in fields(period.sky)}
                ),
                late_epochs=period.late_epochs if k == 0 else 0,
                out_of_order_epochs=period.out_of_order_epochs if k == 1 else 0,
                frames=period.frames // n + (k < period.frames % n),
                bad_frames=period.bad_frames if k == 0 else 0,
                messages={m: c // n + (k < c % n) for m, c in period.messages.items()},
                gaps=[
                    (max(begin, edges[k]), min(end, edges[k + 1]))
                    for begin, end in period.gaps
                    if begin < edges[k + 1] and end > edges[k]
                ],
                clock_jumps=[jump for jump in period.clock_jumps if edges[k] <= jump[0] < edges[k + 1]],
                reasons=[replace(reason, seconds=reason.seconds / n) for reason in period.reasons],
                position=replace(
                    period.position, count=period.position.count // n + (k < period.position.count % n)
                ),
                latency=None,
            )
        )
    return pieces


def in_order_of_time(sky):
    order = np.lexsort((sky.satellite, sky.system, sky.time_us))
    return replace(sky, **{f.name: getattr(sky, f.name)[order] for f in fields(sky)})


@given(borders=st.sets(st.integers(1, 24 * 60 - 1), min_size=1, max_size=6))
@settings(max_examples=20, deadline=None)
def test_a_day_in_pieces_is_the_day(borders):
    # the gap from 15:31 to 15:54 is cut by some of them
    day = station()
    day = replace(day, sky=in_order_of_time(day.sky))
    whole = combine(cut(day, [BEGIN_US + minute * MINUTE_US for minute in sorted(borders)]))
    assert_same(whole, replace(day, latency=None), left_out=("latency",))


@given(
    hours=st.lists(st.integers(1, 30), min_size=3, max_size=5), where=st.integers(1, 3), holes=st.booleans()
)
@settings(max_examples=15, deadline=None)
def test_combining_is_associative(hours, where, holes):
    parts, begin_us = [], BEGIN_US
    for seed, count in enumerate(hours):
        parts.append(station(begin_us=begin_us, minutes=60 * count, seed=seed, source=f"file {seed % 2}"))
        begin_us = parts[-1].end_us + (HOUR_US if holes and seed == 1 else 0)
    where = min(where, len(parts) - 1)
    at_once = combine(parts)
    assert_same(combine([combine(parts[:where]), *parts[where:]]), at_once)
    assert_same(combine([*parts[:where], combine(parts[where:])]), at_once)
    assert_same(combine(parts[::-1]), at_once)


def test_days_become_hours_and_the_sky_of_the_last_day():
    days = [station(begin_us=BEGIN_US + d * DAY_US, seed=d) for d in range(3)]
    month = combine(days)
    assert month.rows_s == 3600
    assert len(month.minutes.time_us) == 72
    nine = days[1].minutes
    rows = slice(9 * 60, 10 * 60)
    hour = 24 + 9
    epochs = nine.epochs[rows].astype(float)
    assert month.minutes.time_us[hour] == days[1].begin_us + 9 * HOUR_US
    assert month.minutes.state[hour] == nine.state[rows].max()
    assert month.minutes.score[hour] == nine.score[rows].min()
    assert month.minutes.epochs[hour] == epochs.sum()
    assert month.minutes.slips[hour] == nine.slips[rows].sum()
    np.testing.assert_allclose(
        month.minutes.multipath_m[hour], np.sqrt(np.average(nine.multipath_m[rows] ** 2, weights=epochs))
    )
    np.testing.assert_allclose(month.minutes.cn0_dbhz[hour], np.average(nine.cn0_dbhz[rows], weights=epochs))
    np.testing.assert_allclose(month.minutes.latency_s[hour], np.median(nine.latency_s[rows]))
    assert month.sky.time_us.min() == days[2].begin_us
    assert combine(days[:2]).rows_s == 60


def test_what_an_hour_half_knew_is_the_mean_of_what_it_knew():
    day = station()
    share = day.minutes.observations_share
    assert np.isnan(share[15 * 60 + 35])
    hours = combine([day, *(station(begin_us=BEGIN_US + d * DAY_US) for d in (1, 2))]).minutes
    np.testing.assert_allclose(hours.observations_share[15], np.nanmean(share[15 * 60 : 16 * 60]))
    assert hours.epochs[15] < hours.epochs_expected[15] == 120


def test_a_gap_across_a_border_is_one_gap():
    first = empty(end_us=BEGIN_US + HOUR_US, gaps=[(BEGIN_US + 50 * MINUTE_US, BEGIN_US + HOUR_US)])
    second = empty(
        begin_us=BEGIN_US + HOUR_US,
        end_us=BEGIN_US + 2 * HOUR_US,
        gaps=[
            (BEGIN_US + HOUR_US, BEGIN_US + 70 * MINUTE_US),
            (BEGIN_US + 80 * MINUTE_US, BEGIN_US + 81 * MINUTE_US),
        ],
    )
    assert combine([second, first]).gaps == [
        (BEGIN_US + 50 * MINUTE_US, BEGIN_US + 70 * MINUTE_US),
        (BEGIN_US + 80 * MINUTE_US, BEGIN_US + 81 * MINUTE_US),
    ]


def test_time_that_no_period_covers_is_unknown_and_told():
    first = empty(end_us=BEGIN_US + HOUR_US, state_seconds={"good": 3600.0})
    third = empty(
        begin_us=BEGIN_US + 2 * HOUR_US, end_us=BEGIN_US + 3 * HOUR_US, state_seconds={"bad": 3600.0}
    )
    both = combine([first, third])
    assert both.state_seconds == {"good": 3600.0, "bad": 3600.0, "unknown": 3600.0}
    assert both.gaps == []
    assert both.problems == ["Nothing is known from 2026-09-01T01:00:00Z to 2026-09-01T02:00:00Z."]


def test_latencies_say_what_is_exact():
    first = empty(end_us=BEGIN_US + HOUR_US, latency=Latencies(100, 1.0, 2.0, 3.0, 9.0, 0.5))
    second = empty(begin_us=BEGIN_US + HOUR_US, latency=Latencies(300, 2.0, 4.0, 5.0, 6.0, 1.5))
    nothing = empty(begin_us=BEGIN_US + DAY_US, end_us=BEGIN_US + 2 * DAY_US)
    assert combine([first, second]).latency == Latencies(400, 1.75, 3.5, 4.5, 9.0, 1.25, exact=False)
    second_only = combine([second, nothing]).latency
    assert second_only == second.latency
    assert (
        combine([nothing, replace(nothing, begin_us=nothing.end_us, end_us=nothing.end_us + 1)]).latency
        is None
    )


def test_positions_are_those_of_all_epochs():
    rng = np.random.default_rng(5)
    samples = [rng.normal(loc, 1.0 + loc, (n, 3)) for loc, n in ((0.0, 400), (1.5, 100))]
    parts = [
        PositionFigures(len(s), *s.mean(axis=0).tolist(), *s.std(axis=0).tolist(), "registry")
        for s in samples
    ]
    first = empty(end_us=BEGIN_US + HOUR_US, position=parts[0])
    second = empty(begin_us=BEGIN_US + HOUR_US, position=parts[1])
    both = combine([first, second]).position
    every = np.concatenate(samples)
    np.testing.assert_allclose([both.east_m, both.north_m, both.up_m], every.mean(axis=0))
    np.testing.assert_allclose([both.east_sd_m, both.north_sd_m, both.up_sd_m], every.std(axis=0))
    other = replace(second, position=replace(parts[1], reference="mean position"))
    assert combine([first, other]).position.count == 100


def test_reasons_keep_the_worst_value_in_their_own_direction():
    def period(begin_us, *reasons):
        return empty(begin_us=begin_us, end_us=begin_us + HOUR_US, reasons=list(reasons))

    weak = ReasonFigures("cn0", 60.0, BEGIN_US, BEGIN_US + 1, "first", "look", 31.0, 33.0)
    weaker = ReasonFigures(
        "cn0", 30.0, BEGIN_US + HOUR_US, BEGIN_US + HOUR_US + 5, "second", "look again", 27.0, 28.0
    )
    late = ReasonFigures("latency", 500.0, BEGIN_US, BEGIN_US + 1, "late", "link", 7.0, 5.0)
    less_late = ReasonFigures("latency", 1.0, BEGIN_US, BEGIN_US + 1, "late", "link", 3.0, 2.0)
    both = combine([period(BEGIN_US, weak, less_late), period(BEGIN_US + HOUR_US, weaker, late)])
    assert both.reasons == [
        ReasonFigures("latency", 501.0, BEGIN_US, BEGIN_US + 1, "late", "link", 7.0, 5.0),
        ReasonFigures("cn0", 90.0, BEGIN_US, BEGIN_US + HOUR_US + 5, "second", "look again", 27.0, 28.0),
    ]


def test_metadata_and_sources_that_change_stand_one_after_the_other():
    periods = [
        empty(
            begin_us=BEGIN_US + n * HOUR_US,
            end_us=BEGIN_US + (n + 1) * HOUR_US,
            metadata={"antenna": antenna, "receiver": "R"},
            source=source,
        )
        for n, (antenna, source) in enumerate(
            [("A", "a.rnx"), ("A", "b.rnx"), ("B", "a.rnx"), ("A", "c.rnx")]
        )
    ]
    both = combine(periods)
    assert both.metadata == {"antenna": "A → B → A", "receiver": "R"}
    assert both.source == "a.rnx; b.rnx; c.rnx"


def test_the_score_is_weighted_by_judged_time():
    first = empty(end_us=BEGIN_US + HOUR_US, score=90.0, state_seconds={"good": 3000.0, "unknown": 600.0})
    second = empty(begin_us=BEGIN_US + HOUR_US, score=30.0, state_seconds={"bad": 1000.0})
    assert combine([first, second]).score == pytest.approx(75.0)
    assert combine([replace(first, score=None), replace(second, score=None)]).score is None


@pytest.mark.parametrize(
    ("periods", "told"),
    [
        ([], "no period"),
        ([empty("A"), empty("B")], "several stations"),
        ([empty(), empty(begin_us=BEGIN_US + HOUR_US)], "leave one of them out"),
    ],
)
def test_what_cannot_be_combined_is_told(periods, told):
    with pytest.raises(ValueError, match=told):
        combine(periods)
