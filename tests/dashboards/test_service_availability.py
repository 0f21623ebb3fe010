"""When nothing was judged, from windows of a few stations, against plain minutes."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from dashboards.service import availability
from dashboards.service.availability import HOUR_US, MINUTE_US, outages, witnesses
from storage.rows import QualityWindow
from storage.service import StationSums

BEGIN_US = 20_000 * 24 * HOUR_US
HOURS = 6


def window(start_us, reports, expected=0):
    return QualityWindow(
        start_us=start_us, reports=reports, epochs=0, epochs_expected=expected, completeness=None,
        observations=0, observations_expected=None, latency_mean_s=None, latency_median_s=None,
        latency_p95_s=None,
        latency_max_s=None, jitter_s=None, cn0_dbhz=None, slips=0, multipath_m=None, frames=0, bad_frames=0,
        score_min=None, score_mean=None, state="good", seconds_by_state={}, reasons={},
    )  # fmt: skip


def windows_of(judged):
    """Return windows as a store has them, of stations and the minutes in which they were judged."""

    def ask(ids, begin_us, end_us, length_s):
        length_us = length_s * 1_000_000
        for name in ids:
            for at_us in range(begin_us // length_us * length_us, end_us, length_us):
                minutes = range(max(at_us, begin_us), min(at_us + length_us, end_us), MINUTE_US)
                if some := sum(one in judged[name] for one in minutes):
                    yield name, window(at_us, 60 * some)

    return ask


MINUTES = st.lists(st.tuples(st.integers(0, HOURS * 60 - 1), st.integers(1, 90)), max_size=6).map(
    lambda spans: {BEGIN_US + m * MINUTE_US for low, n in spans for m in range(low, min(low + n, HOURS * 60))}
)


@given(MINUTES, MINUTES, MINUTES, st.integers(0, 59), st.integers(1, HOURS * 60 - 60))
def test_outages_are_the_minutes_in_which_no_witness_was_judged(missing, of_a, of_b, first, length):
    """Two witnesses of which each is missing at times of its own, too."""
    every = {BEGIN_US + m * MINUTE_US for m in range(HOURS * 60)}
    judged = {"A": every - missing - of_a, "B": every - missing - (of_b - of_a)}
    begin_us = BEGIN_US + first * MINUTE_US
    end_us = begin_us + length * MINUTE_US
    judged_s, spans, is_coarse = outages(windows_of(judged), ["A", "B"], {}, begin_us, end_us)
    asked = range(begin_us, end_us, MINUTE_US)
    assert [at for low, high in spans for at in range(low, high, MINUTE_US)] == [
        at for at in asked if at in missing
    ]
    assert all(a[1] < b[0] for a, b in itertools.pairwise(spans))
    assert judged_s == 60 * sum(at not in missing for at in asked)
    assert not is_coarse


def test_beyond_so_many_hours_whole_ones_are_told(monkeypatch):
    monkeypatch.setattr(availability, "MOST_HOURS", 1)
    every = {BEGIN_US + m * MINUTE_US for m in range(HOURS * 60)}
    missing = {BEGIN_US + 5 * MINUTE_US, BEGIN_US + HOUR_US + 5 * MINUTE_US}
    ask = windows_of({"A": every - missing})
    judged_s, spans, is_coarse = outages(ask, ["A"], {}, BEGIN_US, BEGIN_US + 3 * HOUR_US)
    assert spans == [
        (BEGIN_US + 5 * MINUTE_US, BEGIN_US + 6 * MINUTE_US),
        (BEGIN_US + HOUR_US, BEGIN_US + 2 * HOUR_US),
    ]
    assert (judged_s, is_coarse) == (3 * 3600 - 120, True)


def test_stations_with_long_intervals_are_witnesses_too():
    def sums(name, reports, expected=0):
        return StationSums(name, reports, 0, expected, 0, 0, 0, 0, 0, 0.0, 0, 0)

    rows = [sums(f"S{n}", 100 + n) for n in range(10)] + [sums("slow", 30, 40)]
    found = witnesses(rows, {"slow": 30.0})
    assert found[:2] == ["slow", "S9"]
    assert len(found) == availability.WITNESSES

    def half_minutes(ids, begin_us, end_us, length_s):
        return [("slow", window(BEGIN_US, 0, length_s // 30))]

    told = outages(half_minutes, ["slow"], {"slow": 30.0}, BEGIN_US, BEGIN_US + HOUR_US)
    assert told == (3600.0, [], False)
