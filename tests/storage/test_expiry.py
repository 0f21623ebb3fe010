"""What has been kept long enough goes, and nothing that is still needed."""

from __future__ import annotations

import msgspec
import pytest

from storage.rows import StoredTimes
from streams.call_records import CallReceipt, CallReceipts, Calls
from streams.records import (
    AlertTransitions,
    Detection,
    Detections,
    StationPeriodRecord,
    StationPeriods,
    StationReports,
)
from tests.storage.test_rollups import DAY, HOUR, LATER, ask, roll
from tests.storage.timescaledb import ALL_STORES
from tests.streams.calls import answer, order

pytestmark = ALL_STORES

S = 1_000_000
END = 2**62
DAY_S = 86_400
BEGIN = 20_000 * DAY


def fill(store, make, days=6):
    """Store a report and a sample each half day."""
    times = [BEGIN + k * 12 * HOUR for k in range(2 * days)]
    for t in times:
        batches = [StationReports(reports=[make.report("A", t)], figures=[make.figures("A", t)])]
        store.commit([*batches, make.samples("d", [t], [1.0])], None, now_us=t)
    return times


def test_rollups_stand_for_what_has_gone(store, make):
    times = fill(store, make)
    now_us = BEGIN + 6 * DAY
    days = store.station_quality("A", BEGIN, now_us, DAY_S)
    minutes = store.station_quality("A", BEGIN, now_us, 60)[:0] or [
        w for t in times for w in store.station_quality("A", t, t + HOUR, 60)
    ]
    sums = store.observation_windows("d", BEGIN, now_us, DAY_S, ["sum", "last"])
    retention = {"station_epochs": 2 * DAY_S, "samples": 2 * DAY_S, "station_minutes": 3 * DAY_S}
    store.drop_expired(now_us, retention)
    assert len(store.station_reports("A", 0, END).items) == 12, "nothing is summed up yet"
    roll(store)
    store.drop_expired(now_us, retention)
    assert [r.epoch_us for r in store.station_reports("A", 0, END).items] == times[8:]
    assert [o.time_us for o in store.observations("d", 0, END).items] == times[8:]
    assert store.station_quality("A", BEGIN, now_us, DAY_S) == days
    assert store.observation_windows("d", BEGIN, now_us, DAY_S, ["sum", "last"]) == sums
    assert [w for t in times for w in store.station_quality("A", t, t + HOUR, 60)] == minutes[6:]
    assert len(store.station_figures("A", 0, END).items) == 12, "kept for ever: not named"


def test_what_comes_late_does_not_spoil_what_it_was_part_of(store, make):
    fill(store, make)
    now_us = BEGIN + 6 * DAY
    roll(store)
    store.drop_expired(now_us, {"station_epochs": 2 * DAY_S})
    before = store.station_quality("A", BEGIN, now_us, DAY_S)
    late = [make.report("A", BEGIN + 5 * S), make.report("A", BEGIN + 5 * DAY + 5 * S)]
    store.commit([StationReports(reports=late)], None, now_us=now_us)
    after = store.station_quality("A", BEGIN, now_us, DAY_S)
    assert [w.reports for w in after] == [2, 2, 2, 2, 2, 3]
    roll(store)
    assert store.station_quality("A", BEGIN, now_us, DAY_S) == after
    assert after[:5] == before[:5]
    assert store.rollup_health().frozen == 1
    # a mark over a long time, part of which has gone
    spread = [make.report("A", BEGIN + k * HOUR + 7 * S) for k in range(144)]
    store.commit([StationReports(reports=spread)], None, now_us=now_us)
    expected = store.station_quality("A", BEGIN, now_us, DAY_S)
    roll(store)
    assert store.station_quality("A", BEGIN, now_us, DAY_S) == expected
    assert [w.reports for w in expected] == [2, 2, 2, 2, 26, 27]


def test_a_clock_that_is_wrong_drops_nothing_and_freezes_no_sums(store, make):
    store.drop_expired(LATER, {"station_epochs": DAY_S})
    assert store.stored_times() == StoredTimes(None, None), "an empty store has nothing that is too old"
    times = fill(store, make)
    # one station's own clock is no better
    astray = msgspec.structs.replace(make.report("B", BEGIN + 90 * DAY), received_at_us=times[-1] + S)
    store.commit([StationReports(reports=[astray])], None, now_us=times[-1])
    store.tidy()
    roll(store)
    retention = dict.fromkeys(("station_epochs", "samples", "station_minutes"), 7 * DAY_S)
    store.drop_expired(BEGIN + 200 * DAY, retention)
    assert [r.epoch_us for r in store.station_reports("A", 0, END).items] == times
    assert [o.time_us for o in store.observations("d", 0, END).items] == times
    told = store.stored_times()
    assert told.newest_us == times[-1] + S
    assert told.floor_us is not None
    assert told.floor_us <= BEGIN
    store.drop_expired(BEGIN + 200 * DAY, {"station_epochs": 1})
    assert store.stored_times().floor_us == BEGIN + 5 * DAY, "no row that comes in order is behind it"
    store.commit([StationReports(reports=[make.report("A", times[-1] + 5 * S)])], None, now_us=times[-1])
    roll(store)
    assert store.rollup_health().frozen == 0


def test_many_rows_go_in_steps(store, make):
    some = [make.report("A", BEGIN + k * S) for k in range(5_500)]
    store.commit([StationReports(reports=some)], None, now_us=BEGIN)
    hour = StationPeriodRecord(station_id="A", begin_us=BEGIN, end_us=BEGIN + HOUR, period=b"x")
    store.commit([StationPeriods(periods=[hour])], None, now_us=BEGIN)
    roll(store)
    now_us = BEGIN + 40 * DAY
    store.commit([StationReports(reports=[make.report("B", now_us)])], None, now_us=now_us)
    store.tidy()
    store.drop_expired(now_us, {"station_epochs": DAY_S, "station_periods": DAY_S})
    assert store.station_reports("A", 0, END).items == []
    assert sum(w.reports for w in store.station_quality("A", BEGIN, BEGIN + 2 * HOUR, 60)) == 5_500


def test_alerts_that_are_over_go_with_all_that_is_theirs(store, make):
    closed = [make.transition(1, "old"), make.transition(2, "old", state="closed", change="closed")]
    others = [make.transition(1, "open"), make.transition(1, "due")]
    others.append(make.transition(2, "due", state="closed", change="closed"))
    found = Detection(
        detector="d",
        version="1",
        value=1.0,
        threshold=0.5,
        unit="m",
        subject_id="s",
        onset_us=make.t0,
        at_us=make.t0,
        phase="onset",
        level="orange",
        title="t",
        detected_at_us=make.t0,
        evidence={},
    )
    store.commit(
        [AlertTransitions(transitions=[*closed, *others]), Detections(detections=[found])],
        None,
        now_us=1,
        webhook_ids=["w"],
    )
    calls = [order("c1", alert_id="old", also=["open"]), order("c2", alert_id="open")]
    said = CallReceipts(receipts=[CallReceipt.of(one, "accepted", 5) for one in calls])
    ended = [answer(alert_id="old"), answer(alert_id="open")]
    store.commit([Calls(orders=calls, answers=ended), said], None, now_us=1)
    for message in ("old.1", "old.2"):
        store.settle_delivery("w", message, delivered_at_us=2)
    assert store.drop_expired(make.t0 + DAY - DAY // 2, {"alerts": DAY_S}) == {"alerts": 0, "detections": 0}
    assert store.drop_expired(make.t0 + 300 * DAY, {"alerts": DAY_S}) == {"alerts": 0, "detections": 0}
    newer = StationReports(reports=[make.report("A", make.t0 + 3 * DAY)])
    store.commit([newer], None, now_us=1)
    store.tidy()
    dropped = store.drop_expired(make.t0 + 3 * DAY, {"alerts": DAY_S})
    assert dropped == {"alerts": 1, "detections": 1}
    assert store.alert("old") is None
    assert {a.alert_id for a in store.alerts().items} == {"open", "due"}, "due: somebody is still to be told"
    assert ask(store, "SELECT count(*) FROM deliveries WHERE alert_id = 'old'") == [(0,)]
    assert store.detections().items == []
    assert (store.call("c1"), store.alert_calls("old"), store.alert_answers("old")) == (None, [], [])
    assert [row.order.call_id for row in store.alert_calls("open")] == ["c2"]
    assert len(store.alert_answers("open")) == 1
    assert ask(store, "SELECT call_id FROM call_receipts") == [("c2",)]


def test_what_cannot_expire_is_refused(store):
    with pytest.raises(
        ValueError, match="'stations' is no table whose rows expire: name one of station_epochs"
    ):
        store.drop_expired(LATER, {"stations": 1})
    with pytest.raises(ValueError, match="positive"):
        store.drop_expired(LATER, {"samples": 0})
