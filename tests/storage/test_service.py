"""Sums of months are those of the rows: of stations, series, sessions, alerts, calls and deliveries."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sensors.model import Datastream, Promise, Station
from storage.service import CallHead, CallSaid, DeliverySums
from streams.call_records import CallReceipt, CallReceipts, Calls
from streams.records import AlertTransitions, KeptSessions, StationReports
from tests.storage.test_kept_sessions import kept
from tests.storage.test_rollups import DAY, HOUR, MINUTE, S, reports, roll, samples, times_of
from tests.storage.timescaledb import ALL_STORES
from tests.streams.calls import order

pytestmark = ALL_STORES
FROM_FIXTURES = settings(
    max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
fresh = itertools.count()


def of_stations(sent, start_us, end_us, missing=lambda _: False):
    """Return what the reports of a range come to, by plain Python."""
    found = {}
    for name, some in sent.items():
        within = [r for r in some if start_us <= r.epoch_us < end_us and not missing(r.epoch_us)]
        if within:
            seconds = {
                state: len({r.epoch_us // S for r in within if r.state == state})
                for state in ("good", "degraded", "bad", "unknown")
            }
            late = [r.latency_s for r in within if r.latency_s is not None]
            found[name] = (
                len(within), sum(r.epochs for r in within), sum(r.epochs_expected for r in within),
                *seconds.values(), len(late), pytest.approx(math.fsum(late)), sum(r.frames for r in within),
                sum(r.bad_frames for r in within),
            )  # fmt: skip
    return found


def of_store(summed):
    fields = list(summed.rows[0].__dataclass_fields__)[1:] if summed.rows else []
    return {row.station_id: tuple(getattr(row, name) for name in fields) for row in summed.rows}


def of_days(sent, start_us, end_us):
    days = defaultdict(lambda: [set(), 0, 0])
    for name, some in sent.items():
        for r in some:
            if start_us <= r.epoch_us < end_us:
                day = days[r.epoch_us // DAY * DAY]
                day[0].add(name)
                day[1] += r.epochs
                day[2] += r.epochs_expected
    return [(at, len(names), *rest) for at, (names, *rest) in sorted(days.items())]


@FROM_FIXTURES
@given(seed=st.integers(0, 2**32))
def test_sums_of_stations_are_those_of_their_reports(store, make, seed):
    """Of ranges from hours on; what is not summed up yet is left out whole, and told."""
    rng = np.random.default_rng(seed)
    number = next(fresh)
    base_us = 20_000 * DAY + number * 8 * DAY
    names = [f"S{number}A", f"S{number}B"]
    sent = {}
    for name in names:
        seconds = np.unique(times_of(rng, int(rng.integers(1, 150)), base_us, 4 * DAY) // S * S)
        sent[name] = reports(make, rng, name, seconds)
    store.commit([StationReports(reports=[r for some in sent.values() for r in some])], None, now_us=1)
    nothing = store.station_sums(base_us, base_us + 4 * DAY)
    assert nothing.rows == []
    assert 0 < nothing.left_us <= 4 * DAY
    roll(store)
    for begin_us, until_us in ((0, 4 * DAY), (16 * HOUR, 3 * DAY + 16 * HOUR), (5 * HOUR, 6 * HOUR)):
        asked = base_us + begin_us, base_us + until_us
        summed = store.station_sums(*asked)
        assert (of_store(summed), summed.left_us) == (of_stations(sent, *asked), 0)
        by_day = store.network_sums(*asked)
        told = [(row.day_us, row.stations, row.epochs, row.epochs_expected) for row in by_day.rows]
        assert (told, by_day.left_us) == (of_days(sent, *asked), 0)
    late_us = base_us + 2 * DAY + 17 * S
    late = make.report(names[0], late_us)
    store.commit([StationReports(reports=[late])], None, now_us=1)
    minute = late_us // MINUTE
    summed = store.station_sums(base_us, base_us + 4 * DAY)
    assert summed.left_us == MINUTE
    expected = of_stations(sent, base_us, base_us + 4 * DAY, missing=lambda us: us // MINUTE == minute)
    assert of_store(summed) == expected
    roll(store)
    sent[names[0]] = [r for r in sent[names[0]] if r.epoch_us != late_us] + [late]
    asked = base_us, base_us + 4 * DAY
    assert of_store(store.station_sums(*asked)) == of_stations(sent, *asked)


@FROM_FIXTURES
@given(seed=st.integers(0, 2**32))
def test_sums_of_series_are_those_of_their_samples(store, make, seed):
    rng = np.random.default_rng(seed)
    number = next(fresh)
    base_us = 30_000 * DAY + number * 8 * DAY
    names = [f"d{number}{letter}" for letter in "abc"]
    store.put_registry(
        datastreams=[
            Datastream(id=name, thing_id="t", property_id="p", name=name, unit="m",
                       promise=Promise(period_s=30.0) if name.endswith("a") else None)
            for name in names
        ]
    )  # fmt: skip
    batches = [
        samples(make, rng, name, times_of(rng, int(rng.integers(1, 200)), base_us, 3 * DAY))
        for name in names[:2]
    ]
    unregistered = samples(make, rng, f"d{number}x", [base_us])
    store.commit([*batches, unregistered], None, now_us=1)
    roll(store)
    for begin_us, until_us in ((0, 3 * DAY), (16 * HOUR, 2 * DAY + 16 * HOUR)):
        summed = store.series_sums(base_us + begin_us, base_us + until_us)
        assert summed.left_us == 0
        found = {row.datastream_id: row for row in summed.rows}
        assert set(names) <= set(found)
        assert unregistered.datastream_ids[0] not in found
        for name, batch in zip(names, [*batches, None], strict=True):
            row, flag, good = found[name], np.zeros(0), 0
            if batch is not None:
                within = (batch.time_us >= base_us + begin_us) & (batch.time_us < base_us + until_us)
                flag = batch.flag[within]
                good = int((np.isfinite(batch.value[within]) & (flag == 1)).sum())
            counts = [len(flag), good, *(int((flag == n).sum()) for n in (3, 4, 9))]
            assert [row.samples, row.good, row.suspect, row.failed, row.missing] == counts
            assert (row.property_id, row.period_s) == ("p", 30.0 if name.endswith("a") else 0.0)


SESSIONS = st.lists(
    st.tuples(
        st.sampled_from(["wuhan", "hubei:wuhan"]), st.sampled_from(["li", "wang", ""]),
        st.sampled_from(["NEAREST", "WUHN"]), st.integers(0, 100), st.integers(0, 100), st.integers(0, 2**41),
    ),
    max_size=20,
)  # fmt: skip


@settings(FROM_FIXTURES, max_examples=25)
@given(SESSIONS, st.integers(0, 60), st.integers(1, 60))
def test_sums_of_sessions_are_those_of_what_lies_in_the_range(store, rows, start, length):
    store.put_registry(stations=[Station(id="WUHN", name="Wuhan")])
    first = next(fresh) * 1000
    base_us = 40_000 * DAY + first * S
    sessions = [
        kept(number, base_us + (begun + lasted) * S, caster=caster, account=account, mountpoint=mountpoint,
             begun_us=base_us + begun * S, n_bytes=n_bytes, sentences=7, fixed=3, legs=[])
        for number, (caster, account, mountpoint, begun, lasted, n_bytes) in enumerate(rows, first)
    ]  # fmt: skip
    store.commit([KeptSessions(sessions=sessions)], None, now_us=1)
    start_us, end_us = base_us + start * S, base_us + (start + length) * S
    plain = defaultdict(lambda: [0, 0, 0.0, 0.0, 0, 0])
    for one in sessions:
        within_us = min(one.at_us, end_us) - max(one.begun_us, start_us)
        if within_us < 0 or one.begun_us >= end_us or (one.at_us == start_us and one.begun_us < start_us):
            continue
        lasted_us = one.at_us - one.begun_us
        told = plain[one.caster, one.account, one.mountpoint]
        for place, value in enumerate(
            (1, one.begun_us >= start_us, within_us * 1e-6,
             one.n_bytes * within_us / lasted_us if lasted_us else one.n_bytes, 7, 3)
        ):  # fmt: skip
            told[place] += value
    found = store.session_sums(start_us, end_us, limit=100)
    assert [row.seconds for row in found] == sorted((row.seconds for row in found), reverse=True)
    assert {(r.caster, r.account, r.mountpoint) for r in found} == set(plain)
    for row in found:
        expected = [pytest.approx(value) for value in plain[row.caster, row.account, row.mountpoint]]
        assert [row.sessions, row.begun, row.seconds, row.n_bytes, row.sentences, row.fixed] == expected
        assert row.is_station == (row.mountpoint == "WUHN")
    assert store.session_sums(start_us, end_us, limit=1) == found[:1]


def test_alerts_come_with_all_their_steps_and_without_evidence(store, make):
    opened = {"a": 10, "b": 10, "c": 30, "d": 40}
    steps = [
        make.transition(number, name, opened_at_us=at, at_us=at + number, evidence={"long": [1.5] * 100})
        for name, at in opened.items()
        for number in (1, 2)
    ]
    store.commit([AlertTransitions(transitions=steps)], None, now_us=1)

    def names(*asked, **more):
        return [[(s.alert_id, s.number) for s in some] for some in store.alert_steps(*asked, **more)]

    assert names(10, 40) == [[(name, 1), (name, 2)] for name in "abc"]
    assert names(11, 41) == [[("c", 1), ("c", 2)], [("d", 1), ("d", 2)]]
    assert names(10, 40, limit=2) == names(10, 40)[:2]
    assert names(10, 40, limit=2, after=(10, "b")) == [[("c", 1), ("c", 2)]]
    assert names(0, 10) == []
    ((one, _), *_) = store.alert_steps(0, 11)
    whole = msgspec.to_builtins(steps[0])
    assert msgspec.to_builtins(one) == {name: whole[name] for name in type(one).__struct_fields__}


def test_calls_come_with_what_was_said_and_not_with_whom_they_call(store):
    orders = [
        order(f"c{n}", at_us=n * S, channel=channel) for n, channel in enumerate(("sms", "voice", "sms"))
    ]
    said = [CallReceipt.of(orders[0], state, 20 * S) for state in ("accepted", "delivered")]
    store.commit([Calls(orders=orders, withdrawn=["c1"]), CallReceipts(receipts=said)], None, now_us=1)
    sms = CallHead(channel="sms", purpose="call", level="red")
    first = CallSaid(sms, False, frozenset({"accepted", "delivered"}))
    second = CallSaid(msgspec.structs.replace(sms, channel="voice"), True, frozenset())
    assert store.calls_said(0, 2 * S, limit=10) == [first, second]
    assert store.calls_said(0, 3 * S, limit=1) == [first]
    assert store.calls_said(2 * S, 9 * S, limit=10) == [CallSaid(sms, False, frozenset())]


def test_deliveries_are_counted_by_what_became_of_them(store, make):
    for name, at_us in (("a", 10 * S), ("b", 20 * S), ("c", 99 * S)):
        step = make.transition(1, name, at_us=at_us, opened_at_us=at_us)
        store.commit([AlertTransitions(transitions=[step])], None, now_us=at_us, webhook_ids=["duty"])
    store.postpone_delivery("duty", "b.1", next_attempt_us=21 * S, error="no")
    assert store.delivery_sums(0, 50 * S) == [DeliverySums("duty", "pending", 2, 1, None, None)]
    store.settle_delivery("duty", "a.1", delivered_at_us=12 * S)
    store.settle_delivery("duty", "b.1", delivered_at_us=26 * S)
    store.settle_delivery("duty", "c.1", delivered_at_us=None, error="no")
    (delivered,) = store.delivery_sums(0, 50 * S)
    assert (delivered.steps, delivered.delay_mean_s, delivered.delay_max_s) == (2, 4.0, 6.0)
    assert [row.state for row in store.delivery_sums(0, 100 * S)] == ["delivered", "given_up"]
