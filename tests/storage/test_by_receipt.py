"""Stored samples in the order of their receipt, in pieces of any size, held against sorting all of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage import held_samples
from storage.by_receipt import AHEAD_US, LOOK_BACK_US, ByReceipt
from storage.held_samples import HeldSamples
from storage.rows import Page, ReceivedSamples, Waveform

S = 1_000_000
HOUR = 3600 * S
T0 = 1_700_000_000 * S
NAMES = ("a", "b", "c")


class Rows:
    """A store that has these rows: series, time, receipt, whether it came late."""

    def __init__(self, rows):
        self.rows = sorted(rows)
        self.most = 0
        self.waves = {}

    def waveforms(self, name, start_us, end_us, *, limit, after=None):
        assert after is None
        found = [one for one in self.waves.get(name, ()) if start_us <= one.time_us < end_us]
        return Page(found[:limit])

    def received_samples(self, names, start_us, end_us, *, received_from_us, received_before_us, limit):
        found = [
            row
            for row in self.rows
            if start_us <= row[1] < end_us and received_from_us <= row[2] < received_before_us
        ][:limit]
        self.most = max(self.most, len(found))
        series, time_us, received_us, late = zip(*found, strict=True) if found else [()] * 4
        return ReceivedSamples(
            np.array(series, np.int32), np.array(time_us, np.int64), np.arange(len(found), dtype=np.float64),
            np.array(received_us, np.int64), np.array(late, np.bool_),
        )  # fmt: skip


times = st.integers(-10, 40).map(lambda quarter: T0 + quarter * HOUR // 4)
delays = st.sampled_from((0, 1, 2 * S, 1000 * S, 5 * HOUR, 24 * HOUR, -200 * S))
rows = st.lists(
    st.tuples(st.integers(0, 2), times, delays, st.booleans()), max_size=60, unique_by=lambda row: row[:2]
).map(lambda many: [(series, at, at + delay, late) for series, at, delay, late in many])


def given_out(reader):
    """Return rows as they came out; each piece keeps its promise."""
    found, until_us = [], reader.begin_us
    for arrival in reader.arrivals():
        batch = arrival.samples
        assert arrival.until_us >= until_us
        assert (batch.received_at_us <= arrival.until_us).all()
        assert (batch.received_at_us >= until_us).all() or not len(batch)
        found += zip(
            batch.series.tolist(), batch.time_us.tolist(), batch.received_at_us.tolist(), strict=True
        )
        until_us = arrival.until_us
    assert until_us == reader.end_us
    return found


@given(rows, st.integers(3, 30), st.sampled_from((0, 5, 100)))
def test_they_come_in_the_order_of_their_receipt(many, most_rows, most_held):
    store = Rows(many)
    begin, end = T0, T0 + 8 * HOUR
    expected = sorted(
        (received, late, at, series) for series, at, received, late in many if begin <= received < end
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(held_samples, "PIECE_ROWS", 4)
        patch.setattr("storage.by_receipt.HeldSamples", lambda: HeldSamples(most_held))
        found = given_out(ByReceipt(store, NAMES, begin, end, most_rows=most_rows))
    assert found == [(series, at, received) for received, _, at, series in expected]
    assert store.most <= most_rows + 1


@given(rows, st.integers(3, 30))
def test_or_as_if_they_had_come_when_they_were_measured(many, most_rows):
    begin, end = T0, T0 + 8 * HOUR
    reader = ByReceipt(Rows(many), NAMES, begin, end, is_in_time=True, most_rows=most_rows)
    expected = sorted((at, series) for series, at, _, _ in many if begin <= at < end)
    assert given_out(reader) == [(series, at, at) for at, series in expected]


def test_what_came_more_than_a_week_late_is_passed_over_and_a_clock_far_ahead_comes_last():
    old, late = T0 - LOOK_BACK_US - 1, T0 - LOOK_BACK_US
    ahead = T0 + 2 * HOUR + AHEAD_US
    many = [
        (0, old, T0 + S, True),
        (0, late, T0 + S, True),
        (1, ahead, T0, False),
        (2, T0 + HOUR, T0 + HOUR, False),
    ]
    reader = ByReceipt(Rows(many), NAMES, T0, T0 + 3 * HOUR)
    found = [
        (series, received)
        for arrival in reader.arrivals()
        for series, received in zip(
            arrival.samples.series.tolist(), arrival.samples.received_at_us.tolist(), strict=True
        )
    ]
    assert sorted(found) == [(0, T0 + S), (1, T0), (2, T0 + HOUR)]


def test_waveforms_come_with_their_samples(monkeypatch):
    monkeypatch.setattr("storage.by_receipt.ROWS_WITH_WAVES", 2)
    store = Rows([(place, T0 + n * S, T0 + n * S + 5, False) for n in range(5) for place in (0, 1)])
    store.waves["b"] = [Waveform(time_us=T0 + n * S, step_us=1e4, values=[n + 0.5, None]) for n in (0, 3, 4)]
    reader = ByReceipt(store, NAMES, T0, T0 + HOUR)
    found = [
        (int(batch.series[row]), int(batch.time_us[row] - T0) // S, float(batch.waves.value[2 * place]))
        for batch in (arrival.samples for arrival in reader.arrivals())
        if batch.waves is not None
        for place, row in enumerate(batch.waves.rows.tolist())
    ]
    assert found == [(1, 0, 0.5), (1, 3, 3.5), (1, 4, 4.5)]
