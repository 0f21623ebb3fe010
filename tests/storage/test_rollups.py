"""What is summed up beforehand answers as the rows do, whatever came when."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.sql.levels import END_US
from streams.records import StationReports

S = 1_000_000
MINUTE, HOUR, DAY = 60 * S, 3600 * S, 86_400 * S
LATER = 10**15
"""So long after a commit everything is due."""
FROM_FIXTURES = settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
AGGREGATES = ("mean", "min", "max", "sum", "count", "last")
fresh = itertools.count()


def roll(store, now_us=None, most=10**6):
    """Run steps until nothing is due, or so many; return how many there were. Without a time, all is due."""
    for steps in range(most):
        if not store.roll_up(LATER + next(fresh) * 2 * DAY if now_us is None else now_us):
            return steps
    return most


def ask(store, sql):
    """Look into the tables."""
    with store._reading() as connection:
        return connection.execute(sql, {}).fetchall()


def reports(make, rng, station_id, times):
    return [
        make.report(
            station_id,
            int(t),
            state=str(rng.choice(["good", "degraded", "bad", "unknown"])),
            score=None if rng.random() < 0.2 else int(rng.integers(0, 101)),
            reasons=[make.reason(code) for code in ("a", "b", "c") if rng.random() < 0.3],
            epochs_expected=int(rng.integers(0, 2)),
            observations=int(rng.integers(0, 200)),
            observations_expected=None if rng.random() < 0.3 else 200,
            latency_s=None if rng.random() < 0.3 else int(rng.integers(-50, 40_000)) / 10_000,
            jitter_s=None if rng.random() < 0.3 else int(rng.integers(0, 50)) / 10_000,
            cn0_dbhz=None if rng.random() < 0.3 else int(rng.integers(3000, 5000)) / 100,
            multipath_m=None if rng.random() < 0.3 else int(rng.integers(0, 9999)) / 10_000,
            slips=int(rng.integers(0, 3)),
        )
        for t in times
    ]


def samples(make, rng, name, times, revision=0):
    n = len(times)
    values = np.where(rng.random(n) < 0.1, np.nan, rng.integers(-1000, 1000, n).astype(float))
    flags = rng.choice([1, 1, 1, 2, 3, 4, 9], n)
    return make.samples(name, times, values, flag=flags, revision=revision)


def times_of(rng, n, begin_us, span_us):
    """Return times that crowd into a few minutes of a long span, as a sender that comes and goes."""
    places = begin_us + rng.integers(0, span_us, max(1, n // 20))
    return np.unique(rng.choice(places, n) + rng.integers(0, 3 * MINUTE, n) // 500_000 * 500_000)


QUESTIONS = [
    (0, 4 * DAY, 86_400),
    (5 * HOUR + 17 * S, 3 * DAY - 7, 3600),
    (DAY - 31 * MINUTE - 250_000, DAY + 17 * HOUR + 250_001, 60),
    (13 * S, 3 * DAY, 7200),
    (7 * S + 3, 4 * DAY - 1, 14_400),
    (3, 10 * HOUR, 45),
]


def all_windows(store, base_us, station, series):
    found = []
    for start_us, end_us, window_s in QUESTIONS:
        asked = (base_us + start_us, base_us + end_us, window_s)
        found.append(store.station_quality(station, *asked))
        found += [
            store.observation_windows(series, *asked, AGGREGATES, only_good=good) for good in (True, False)
        ]
    return found


@FROM_FIXTURES
@given(seed=st.integers(0, 2**32), data=st.data())
def test_windows_from_rollups_are_those_from_rows(store, make, seed, data):
    """Rows in time, late, repeated and revised, with steps of rolling up in between."""
    rng = np.random.default_rng(seed)
    number = next(fresh)
    station, series = f"R{number}", f"r{number}"
    base_us = 20_000 * DAY + number * 8 * DAY
    sent = []
    for _ in range(data.draw(st.integers(1, 4))):
        if sent and data.draw(st.booleans()):
            times = rng.choice(sent, max(1, len(sent) // 3), replace=False)  # again, with other figures
        else:
            times = times_of(rng, data.draw(st.integers(1, 200)), base_us, 4 * DAY)
        sent = sorted({*sent, *times.tolist()})
        revision = data.draw(st.integers(0, 2))
        batches = [
            StationReports(reports=reports(make, rng, station, times)),
            samples(make, rng, series, times, revision),
        ]
        store.commit(batches, None, now_us=0)
        roll(store, most=data.draw(st.integers(0, 40)))
    before = all_windows(store, base_us, station, series)
    roll(store)
    assert ask(store, "SELECT count(*) FROM rollup_marks") == [(0,)]
    assert all_windows(store, base_us, station, series) == before
    assert before[0]


def test_what_is_not_believed_is_read_from_below(store, make):
    """After rolling up, rows that come late show at once; a lie in the rollup shows where it is used."""
    day = 20_000 * DAY
    some = [make.report("A", day + k * 10 * MINUTE) for k in range(144 * 2)]
    store.commit([StationReports(reports=some)], None, now_us=0)
    roll(store)
    with store._keeping() as connection:
        for table, lie in (("minutes", 1000), ("hours", 100_000), ("days", 10_000_000)):
            connection.execute(f"UPDATE station_{table} SET slips = {lie}", {})

    def slips(start_us, end_us, window_s):
        return [w.slips for w in store.station_quality("A", day + start_us, day + end_us, window_s)]

    assert slips(0, 2 * DAY, 86_400) == [10_000_000] * 2
    assert slips(0, 2 * DAY, 43_200) == [1_200_000] * 4
    assert slips(0, HOUR, 60) == [1000] * 6
    assert slips(0, HOUR, 45) == [1] * 6
    # an hour less ten seconds: its last minute is cut, and read from the rows
    assert slips(0, 2 * HOUR - 10 * S, 3600) == [100_000, 6000]
    late = make.report("A", day + 5 * S)
    store.commit([StationReports(reports=[late])], None, now_us=0)
    assert slips(0, 2 * HOUR, 3600) == [2 + 5 * 1000, 100_000]
    assert slips(0, 2 * DAY, 86_400) == [2 + 5 * 1000 + 23 * 100_000, 10_000_000]
    store.roll_up(LATER)
    assert slips(0, 2 * HOUR, 3600) == [2 + 5 * 1000, 100_000], "the minute is right, its hour is not yet"
    roll(store)
    assert slips(0, 2 * HOUR, 3600) == [2 + 5 * 1000, 100_000]
    assert slips(0, 2 * DAY, 86_400) == [2 + 5 * 1000 + 23 * 100_000, 10_000_000]


def test_a_mark_is_due_when_its_time_is_over(store, make):
    now_us = 20_000 * DAY
    store.commit([StationReports(reports=[make.report("A", now_us)])], None, now_us=now_us)
    assert not store.roll_up(now_us + 70 * S)
    assert store.rollup_health().marks == 1
    assert store.rollup_health().oldest_us == now_us
    assert roll(store, now_us + 80 * S) == 1
    assert store.rollup_health().oldest_us is None, "no minute waits"
    assert roll(store, now_us + HOUR) == 0
    assert roll(store, now_us + 2 * HOUR) == 1
    assert roll(store, now_us + 40 * HOUR) == 1
    assert store.rollup_health().marks == 0
    # a clock that was wrong: what is marked far ahead of now is due as well
    store.commit([StationReports(reports=[make.report("A", now_us)])], None, now_us=now_us + 100 * DAY)
    assert store.roll_up(now_us)


def test_a_network_is_one_mark_a_minute_and_is_made_in_steps(store, make):
    day = 20_000 * DAY
    names = [f"N{k:04d}" for k in range(1, 321)]
    for second in range(3):
        some = [make.report(name, day + second * S) for name in names]
        store.commit([StationReports(reports=some)], None, now_us=day)
    expected = {name: store.station_quality(name, day, day + MINUTE, 60) for name in names[::40]}
    store._step_buckets = 100
    steps = roll(store, most=2)
    assert ask(store, "SELECT keys FROM rollup_marks WHERE level = 0") == [(None,)]
    for name, windows in expected.items():
        assert store.station_quality(name, day, day + MINUTE, 60) == windows
    # a late row in the middle of the work is not lost
    store.commit([StationReports(reports=[make.report(names[0], day + 30 * S)])], None, now_us=day)
    assert store.station_quality(names[0], day, day + MINUTE, 60)[0].reports == 4
    steps += roll(store)
    assert steps < 100
    assert ask(store, "SELECT count(*), sum(reports) FROM station_minutes") == [(320, 961)]
    assert ask(store, "SELECT count(*), sum(reports) FROM station_days") == [(320, 961)]
    assert store.station_quality(names[0], day, day + DAY, 86_400)[0].reports == 4


def test_wrong_clocks_make_no_marks_without_end(store, make):
    rng = np.random.default_rng(3)
    times = np.unique(rng.integers(0, END_US, 104) // S * S)
    outside = [END_US]
    batch = make.samples("d", [*times.tolist(), *outside], np.arange(len(times) + 1.0))
    store.commit([batch, StationReports(reports=[make.report("A", int(t)) for t in times])], None, now_us=0)
    assert ask(store, "SELECT count(*) FROM rollup_marks") == [(2,)]
    asked = ("d", 0, END_US + MINUTE, 400 * 86_400, AGGREGATES)
    before = store.observation_windows(*asked)
    quality = store.station_quality("A", 0, END_US, 400 * 86_400)
    roll(store)
    assert ask(store, "SELECT count(*) FROM rollup_marks") == [(0,)]
    assert store.observation_windows(*asked) == before
    assert store.station_quality("A", 0, END_US, 400 * 86_400) == quality
    assert sum(w.flags[1] for w in before) == len(times) + 1


def test_numbers_without_bounds_do_not_stop_the_work(store, make):
    day = 20_000 * DAY
    values = [1.7e308, 1.7e308, -1.7e308, float("inf"), float("-inf"), 5.0]
    store.commit([make.samples("d", [day + k for k in range(6)], values)], None, now_us=0)
    huge = [
        make.report("A", day + k * S, slips=2**31 - 1, multipath_m=1e300, latency_s=1e300) for k in range(9)
    ]
    store.commit([StationReports(reports=huge)], None, now_us=0)
    before = store.observation_windows("d", day, day + DAY, 86_400, AGGREGATES)
    quality = store.station_quality("A", day, day + DAY, 86_400)
    assert roll(store) > 0
    assert store.observation_windows("d", day, day + DAY, 86_400, AGGREGATES) == before
    assert store.station_quality("A", day, day + DAY, 86_400) == quality
    (window,) = before
    assert (window.values["min"], window.values["count"], window.values["last"]) == (float("-inf"), 6, 5.0)


def test_marks_outlive_the_process(open_store, make):
    day = 20_000 * DAY
    store = open_store()
    store.commit([StationReports(reports=[make.report("A", day + k * S) for k in range(90)])], None, now_us=0)
    roll(store, most=1)
    store = open_store()
    assert [w.reports for w in store.station_quality("A", day, day + HOUR, 60)] == [60, 30]
    roll(store)
    assert ask(store, "SELECT reports FROM station_minutes ORDER BY begin_us") == [(60,), (30,)]
    assert ask(store, "SELECT reports FROM station_hours") == [(90,)]


def test_states_of_the_network_are_those_of_its_stations(store, make):
    rng = np.random.default_rng(4)
    for name in ("A", "B", "C"):
        times = np.arange(DAY, DAY + 3 * HOUR, 30 * S)
        store.commit([StationReports(reports=reports(make, rng, name, times))], None, now_us=DAY)
    roll(store)
    told = store.network_states(DAY + 10 * S, DAY + 4 * HOUR)
    assert [one.start_us for one in told] == [DAY, DAY + HOUR, DAY + 2 * HOUR]
    for one in told:
        alone = [store.station_quality(name, one.start_us, one.start_us + HOUR, 3600)[0] for name in "ABC"]
        for state in ("good", "degraded", "bad", "unknown"):
            seconds = sum(window.seconds_by_state.get(state, 0) for window in alone)
            assert getattr(one, f"{state}_s") == seconds
    (day,) = store.network_states(DAY, 2 * DAY, by_day=True)
    assert day.good_s == sum(one.good_s for one in told)
