"""What every store must do. A new store joins by a parameter of the fixture `open_store`."""

from __future__ import annotations

import json

import msgspec
import numpy as np
import pytest

from sensors.model import Datastream, ObservedProperty, Station, Thing
from storage.sta_query import Question, equals
from storage.store import Box, Counts
from streams.catalogue import PropertyDefinition
from streams.records import (
    AlertTransitions,
    Change,
    Changes,
    Command,
    CommandOutcome,
    CommandOutcomes,
    Commands,
    DatastreamDescription,
    Deliveries,
    DeliveryStep,
    Descriptions,
    Detection,
    Detections,
    FlaggedSamples,
    Gone,
    RawBatch,
    RawChunk,
    SourceChange,
    SourceChanges,
    StationDescription,
    StationFigures,
    StationReports,
    ThingDescription,
    Tick,
    WebhookOrder,
    WebhookStep,
)
from streams.sample_extras import Places, Waves
from tests.storage.test_rollups import roll
from tests.storage.timescaledb import ALL_STORES

pytestmark = ALL_STORES

S = 1_000_000
END = 2**62


def commit(store, *batches, **arguments):
    store.commit(batches, None, **({"now_us": 7} | arguments))


def everything(store):
    """Return all that can be asked, to compare two states of a store."""
    stations = store.stations(limit=1000).items
    streams = store.datastreams(limit=1000).items
    alerts = store.alerts(limit=1000).items
    return {
        "stations": stations,
        "reports": [store.station_reports(s.id, 0, END, limit=100_000).items for s in stations],
        "figures": [store.station_figures(s.id, 0, END, limit=100_000).items for s in stations],
        "datastreams": streams,
        "samples": [store.observations(d.id, 0, END, limit=100_000).items for d in streams],
        "alerts": [store.alert(a.alert_id) for a in alerts],
        "detections": store.detections(limit=1000).items,
        "commands": store.commands(limit=1000),
        "deliveries": store.due_deliveries(END),
        "counts": {**msgspec.structs.asdict(store.counts()), "database_bytes": None},
    }


@pytest.fixture
def registry(store):
    store.put_registry(
        stations=[Station(id=i, name=i.lower()) for i in ("A", "B", "C")],
        things=[Thing(id="gauge", name="Gauge", longitude=120.5, latitude=30.25)],
        properties=[
            ObservedProperty(
                id="level", name="Level", domain="ocean", unit="m", span=(-20, 20), sampling_period_s=60
            )
        ],
        datastreams=[
            Datastream(id=f"gauge/{i}", thing_id="gauge", property_id="level", name=i, unit="m")
            for i in ("level", "other")
        ],
    )


@pytest.fixture
def batches(make):
    detection = Detection(
        detector="tsunami",
        version="1",
        subject_id="gauge/level",
        phase="begin",
        level="orange",
        onset_us=make.t0,
        at_us=make.t0 + 5,
        detected_at_us=make.t0 + 6,
        title="Sea level",
        value=0.07,
        threshold=0.05,
        unit="m",
        evidence={"flags": [1, 1], "window": np.arange(3.0), "n": np.int64(3)},
    )
    command = Command(id="c1", kind="acknowledge_alert", target="a1", by="li", at_us=make.t0)
    reports = [
        make.report("A", make.t0 + k * S, state="bad" if k % 2 else "good", reasons=[make.reason()] * (k % 2))
        for k in range(10)
    ]
    return [
        RawBatch(chunks=[RawChunk(station_id="A", payload=b"x")]),
        Tick(now_us=3),
        StationReports(reports=reports, figures=[make.figures("A")]),
        make.samples("gauge/level", [make.t0 + k * S for k in range(20)], np.linspace(0, 1, 20)),
        Detections(detections=[detection]),
        AlertTransitions(transitions=[make.transition(1), make.transition(2)]),
        Commands(commands=[command]),
        CommandOutcomes(outcomes=[CommandOutcome(id="c1", ok=True, message="acknowledged")]),
    ]


def test_committing_twice_is_committing_once(store, registry, batches):
    commit(store, *batches, webhook_ids=["w"])
    once = everything(store)
    assert [len(x) for x in once["reports"]] == [10, 0, 0]
    assert [len(x) for x in once["figures"]] == [1, 0, 0]
    assert [len(x) for x in once["samples"]] == [20, 0]
    assert len(once["deliveries"]) == len(once["alerts"]) == len(once["commands"]) == 1
    assert once["detections"][0].evidence == {"flags": [1, 1], "window": [0.0, 1.0, 2.0], "n": 3}
    commit(store, *batches, webhook_ids=["w"])
    assert everything(store) == once


def test_a_restart_keeps_everything(open_store, batches):
    store = open_store()
    commit(store, *batches, webhook_ids=["w"])
    before = everything(store)
    assert everything(open_store()) == before


def test_an_error_keeps_nothing_of_the_call_and_the_store_goes_on(store, registry, batches, make):
    broken = AlertTransitions(transitions=[make.transition(1, evidence={"a": object()})])
    before = everything(store)
    with pytest.raises(TypeError):
        commit(store, StationReports(reports=[make.report("NEW")]), broken)
    assert everything(store) == before
    commit(store, StationReports(reports=[make.report("NEW")]), *batches)
    assert len(store.station_reports("NEW", 0, END).items) == 1


# --- stations ---------------------------------------------------------------------------------------


def test_a_report_comes_back_as_it_was(store, make):
    full = make.report(reasons=[make.reason("latency", 2.5), make.reason("slips", None)], state="degraded")
    bare = make.report(
        epoch_us=make.t0 + S,
        state="unknown",
        score=None,
        received_at_us=None,
        observations_expected=None,
        latency_s=None,
        jitter_s=None,
        cn0_dbhz=None,
        multipath_m=None,
    )
    commit(store, StationReports(reports=[full, bare]))
    assert store.station_reports("STR17", 0, END).items == [full, bare]
    assert store.station("STR17").report == bare


def test_a_report_with_absurd_figures_is_stored_with_what_is_sane(store, make):
    absurd = make.report(latency_s=float("inf"), cn0_dbhz=float("nan"), multipath_m=1e300)
    commit(store, StationReports(reports=[absurd]))
    (found,) = store.station_reports("STR17", 0, END).items
    assert found.latency_s is None
    assert found.cn0_dbhz is None
    assert found.multipath_m > 1e5, "the largest that its column holds"


def test_the_latest_report_is_the_one_of_the_highest_epoch(store, make):
    commit(store, StationReports(reports=[make.report(epoch_us=9 * S, score=9)]))
    commit(store, StationReports(reports=[make.report(epoch_us=5 * S, score=5)]))
    assert store.station("STR17").report.score == 9
    assert [r.score for r in store.station_reports("STR17", 0, END).items] == [5, 9]


def test_a_streamed_position_serves_until_one_is_registered(store, make):
    equator = (0.0, 6_378_137.0 + 100.0, 0.0)
    commit(store, StationReports(reports=[make.report("A", ecef_m=equator), make.report("A", 2**51)]))
    row = store.station("A")
    assert (row.longitude, row.latitude, row.height_m) == pytest.approx((90.0, 0.0, 100.0), abs=1e-6)
    assert row.position_source == "stream"
    store.put_registry(stations=[Station(id="A", name="Alpha", longitude=91.0, latitude=1.0)])
    row = store.station("A")
    assert (row.name, row.longitude, row.latitude, row.height_m) == ("Alpha", 91.0, 1.0, None)
    assert row.position_source == "registry"
    assert row.streamed.longitude == pytest.approx(90.0)
    assert row.report.epoch_us == 2**51


@pytest.mark.parametrize("ecef_m", [(0.0, 0.0, 0.0), (float("nan"), 0.0, 6.4e6), (1e300, 1e300, 1e300)])
def test_a_position_that_is_not_on_the_earth_is_none(store, make, ecef_m):
    commit(store, StationReports(reports=[make.report("A", ecef_m=ecef_m)]))
    assert store.station("A").streamed is None


def test_stations_come_in_pages_and_by_state(store, registry, make):
    commit(store, StationReports(reports=[make.report("B", state="bad"), make.report("A"), make.report("D")]))
    pages, after = [], None
    while True:
        page = store.stations(after=after, limit=2)
        pages.append([s.id for s in page.items])
        after = page.next
        if after is None:
            break
    assert pages == [["A", "B"], ["C", "D"]]
    assert [s.id for s in store.stations(state="good").items] == ["A", "D"]
    assert [s.id for s in store.stations(state="bad").items] == ["B"]
    assert [s.id for s in store.stations(state="unknown").items] == ["C"]
    assert store.station("nobody") is None


def test_reports_come_in_pages(store, make):
    commit(store, StationReports(reports=[make.report("A", k * S) for k in range(1, 6)]))
    first = store.station_reports("A", 0, 5 * S, limit=3)
    rest = store.station_reports("A", 0, 5 * S, limit=3, after=first.next)
    assert [r.epoch_us for r in first.items + rest.items] == [1 * S, 2 * S, 3 * S, 4 * S]
    assert rest.next is None


def test_figures_come_back_as_they_were(store, make):
    full = make.figures()
    bare = StationFigures(station_id="STR17", time_us=make.t0 + 60 * S)
    commit(store, StationReports(reports=[], figures=[bare, full]))
    assert store.station_figures("STR17", 0, END).items == [full, bare]
    assert store.station_figures("STR17", make.t0, make.t0 + 60 * S).items == [full]
    assert store.station("STR17").figures == bare
    assert [row.figures for row in store.stations().items] == [bare]
    again = make.figures(usable_share=0.5)
    commit(store, StationReports(reports=[], figures=[again]))
    assert store.station_figures("STR17", 0, END).items == [again, bare]
    assert store.station_figures("nobody", 0, END).items == []


@pytest.mark.parametrize(
    "changes",
    [
        {"usable_systems": "G\\x00\\Eé星"},
        {"usable_systems": "星" * 32},
        {
            "horizon_expected": 2**31 - 1,
            "mask_have": -(2**31),
            "expected_share": -3.2768,
            "clock_step_ms": 0.0,
        },
        {"time_us": -1, "clock_step_at_us": 2**62, "offset_m": (-2e6, 2e6, 0.0), "cn0_loss_db": 327.67},
        {
            "time_us": 0,
            "horizon_have": None,
            "offset_sd_m": None,
            "usable_share": None,
            "clock_step_ms": None,
        },
    ],
)
def test_the_newest_figures_are_those_that_are_stored(store, make, changes):
    made = make.figures(**changes)
    commit(store, StationReports(reports=[], figures=[made]))
    assert store.station_figures("STR17", -END, END).items == [made]
    assert store.station("STR17").figures == made


def test_figures_that_are_absurd_are_stored_with_what_is_sane(store, make):
    nan = float("nan")
    absurd = make.figures(expected_share=nan, roti_tecu_min=1e300, offset_m=(0.0, nan, 0.0))
    commit(store, StationReports(reports=[], figures=[absurd]))
    (found,) = store.station_figures("STR17", 0, END).items
    assert (found.expected_share, found.offset_m) == (None, None)
    assert found.roti_tecu_min > 1e5, "the largest that its column holds"
    assert found.offset_sd_m == absurd.offset_sd_m


def test_figures_come_in_pages_and_belong_to_their_station(store, make):
    figures = [make.figures(name, k * S) for k in range(1, 6) for name in "BA"]
    commit(store, StationReports(reports=[make.report("A"), make.report("C")], figures=figures))
    first = store.station_figures("A", 0, 5 * S, limit=3)
    rest = store.station_figures("A", 0, 5 * S, limit=3, after=first.next)
    assert first.items + rest.items == [make.figures("A", k * S) for k in range(1, 5)]
    assert rest.next is None
    with pytest.raises(ValueError, match="not one of this list"):
        store.station_figures("A", 0, END, after="reports")
    newest = {row.id: row.figures and row.figures.time_us for row in store.stations().items}
    assert newest == {"A": 5 * S, "B": 5 * S, "C": None}


# --- sensors ----------------------------------------------------------------------------------------


def test_the_highest_revision_of_a_sample_wins_whatever_the_order(store, make):
    t = [make.t0]
    first = make.samples("d", t, [1.0], revision=0)
    second = make.samples("d", t, [1.0], revision=1, flag=[4])
    for order in ([first, second], [second, first], [second, first, second]):
        commit(store, *order)
        (sample,) = store.observations("d", 0, END).items
        assert (sample.revision, sample.flag, sample.test_flags) == (1, 4, {"gross_range": 4, "spike": 4})


def test_revisions_within_one_batch(store, make):
    batch = FlaggedSamples(
        datastream_ids=["x", "y"],
        series=np.array([1, 0, 1, 1], np.int32),
        time_us=np.array([5, 5, 5, 4], np.int64),
        value=np.array([1.5, np.nan, 2.5, 3.5]),
        received_at_us=np.array([6, 6, 7, 8], np.int64),
        revision=np.array([1, 0, 0, 0], np.int32),
        tests=["spike"],
        flags=np.array([[3], [9], [2], [1]], np.uint8),
        flag=np.array([3, 9, 2, 1], np.uint8),
    )
    commit(store, batch)
    assert [(s.time_us, s.value, s.revision) for s in store.observations("y", 0, END).items] == [
        (4, 3.5, 0),
        (5, 1.5, 1),
    ]
    (missing,) = store.observations("x", 0, END).items
    assert (missing.value, missing.flag, missing.received_at_us) == (None, 9, 6)


@pytest.mark.parametrize("n_tests", [0, 1, 15, 16, 40])
def test_flags_of_any_number_of_tests(store, n_tests):
    rng = np.random.default_rng(n_tests)
    flags = rng.choice(np.array([1, 2, 3, 4, 9], np.uint8), (50, n_tests))
    names = [f"test {i}" for i in range(n_tests)]
    batch = FlaggedSamples(
        datastream_ids=["d"],
        series=np.zeros(50, np.int32),
        time_us=np.arange(50, dtype=np.int64),
        value=np.zeros(50),
        received_at_us=np.zeros(50, np.int64),
        revision=np.zeros(50, np.int32),
        tests=names,
        flags=flags,
        flag=np.ones(50, np.uint8),
    )
    commit(store, batch)
    found = [list(s.test_flags.items()) for s in store.observations("d", 0, END).items]
    assert found == [list(zip(names, row, strict=True)) for row in flags.tolist()]


def test_an_empty_batch_is_nothing(store, make):
    commit(store, make.samples("d", [], []), StationReports(reports=[]), AlertTransitions(transitions=[]))
    assert store.observations("d", 0, END).items == []


def test_things_and_datastreams(store, registry, make):
    commit(store, make.samples("gauge/level", [5, 9, 7], [1.0, 2.0, 3.0]), make.samples("wild", [1], [1.0]))
    assert store.things().items == [store.thing("gauge")]
    assert store.thing("nothing") is None
    assert [p.id for p in store.observed_properties()] == ["level"]
    assert [d.id for d in store.datastreams(thing_id="gauge").items] == ["gauge/level", "gauge/other"]
    assert store.datastreams(thing_id="nothing").items == []
    first = store.datastreams(limit=1)
    assert [d.id for d in first.items + store.datastreams(after=first.next).items] == [
        "gauge/level",
        "gauge/other",
    ]
    assert store.datastream("gauge/level").latest.value == 2.0
    assert store.datastream("gauge/other").latest is None
    assert store.datastream("wild") is None, "it is in no registry"


def test_the_newest_sample_stays_the_newest_when_older_ones_come(store, registry, make):
    commit(store, make.samples("gauge/level", [9], [9.0]))
    commit(store, make.samples("gauge/level", [5], [5.0], revision=3))
    assert store.datastream("gauge/level").latest.value == 9.0
    commit(store, make.samples("gauge/level", [9], [9.5], revision=1))
    assert store.datastream("gauge/level").latest.value == 9.5


def test_the_newest_sample_within_a_batch_is_that_of_the_highest_revision(store, registry, make):
    one = make.samples("gauge/level", [9, 9, 5], [9.5, 9.0, 5.0])
    commit(store, msgspec.structs.replace(one, revision=np.array([1, 0, 2], np.int32)))
    latest = store.datastream("gauge/level").latest
    assert (latest.value, latest.revision) == (9.5, 1)


def test_observations_come_in_pages(store, make):
    commit(store, make.samples("d", range(10), range(10)))
    found, after = [], None
    while True:
        page = store.observations("d", 2, 9, limit=3, after=after)
        found.append([o.time_us for o in page.items])
        after = page.next
        if after is None:
            break
    assert found == [[2, 3, 4], [5, 6, 7], [8]]


def test_values_at_times(store, make):
    commit(store, make.samples("d", [1, 2, 5], [0.5, float("nan"), 7.0]))
    commit(store, make.samples("e", [2], [4.0]))
    found = store.values_at({"nobody": [1], "d": [5, 1, 2, 3], "e": [2, 5]})
    assert found == {"d": {1: 0.5, 2: None, 5: 7.0}, "e": {2: 4.0}}
    assert store.values_at({"d": list(range(100_000))})["d"][5] == 7.0
    assert store.values_at({"nobody": [1], "d": []}) == {"d": {}}
    assert store.values_at({}) == {}


def test_late_repetition_does_not_make_a_live_detection_historic(store, batches):
    (live,) = next(b for b in batches if isinstance(b, Detections)).detections
    late = msgspec.structs.replace(live, historic=True, value=9.0)
    for detection, historic, value in ((late, True, 9.0), (live, False, 0.07), (late, False, 0.07)):
        commit(store, Detections(detections=[detection]))
        (kept,) = store.detections().items
        assert (kept.historic, kept.value) == (historic, value)


# --- alerts, deliveries, commands --------------------------------------------------------------------


def test_an_alert_and_its_history(store, make):
    opened, acknowledged = make.transition(1), make.transition(2)
    commit(store, AlertTransitions(transitions=[opened]))
    assert store.open_alerts() == [opened]
    commit(store, AlertTransitions(transitions=[acknowledged]))
    commit(store, AlertTransitions(transitions=[opened]))
    assert store.open_alerts() == [acknowledged], "an old transition that comes again changes nothing"
    closed = make.transition(3, state="closed", change="closed")
    commit(store, AlertTransitions(transitions=[closed]))
    assert store.open_alerts() == []
    assert store.alert("a1").alert == closed
    assert store.alert("a1").transitions == [opened, acknowledged, closed]
    assert store.alert("a2") is None


def test_alerts_newest_first_in_pages_and_by_state(store, make):
    opened = [5, 9, 9, 7]
    alerts = [make.transition(1, alert_id=f"a{i}", opened_at_us=us) for i, us in enumerate(opened)]
    commit(store, AlertTransitions(transitions=alerts))
    commit(store, AlertTransitions(transitions=[make.transition(2, alert_id="a3", opened_at_us=7)]))
    first = store.alerts(limit=2)
    assert [a.alert_id for a in first.items] == ["a2", "a1"]
    assert [a.alert_id for a in store.alerts(after=first.next).items] == ["a3", "a0"]
    assert [a.alert_id for a in store.alerts(state="acknowledged").items] == ["a3"]
    assert [a.alert_id for a in store.open_alerts()] == ["a2", "a1", "a3", "a0"]


def test_deliveries_go_out_in_order_for_each_alert_and_webhook(store, make):
    transitions = [make.transition(1), make.transition(2), make.transition(1, alert_id="b.1")]
    commit(store, AlertTransitions(transitions=transitions), webhook_ids=["w1", "w2"], now_us=100)
    assert store.due_deliveries(99) == []
    assert [d.message_id for d in store.due_deliveries(100, webhook_id="w2")] == ["a1.1", "b.1.1"]
    assert store.due_deliveries(100, webhook_id="w") == []
    assert {(d.webhook_id, d.message_id) for d in store.due_deliveries(100)} == {
        ("w1", "a1.1"),
        ("w2", "a1.1"),
        ("w1", "b.1.1"),
        ("w2", "b.1.1"),
    }
    store.postpone_delivery("w1", "a1.1", next_attempt_us=500, error="503")
    store.settle_delivery("w2", "a1.1", delivered_at_us=120)
    store.settle_delivery("w2", "b.1.1", delivered_at_us=None, error="410")
    assert {(d.webhook_id, d.message_id) for d in store.due_deliveries(200)} == {
        ("w2", "a1.2"),
        ("w1", "b.1.1"),
    }
    (again,) = [d for d in store.due_deliveries(500) if d.message_id == "a1.1"]
    assert again.attempts == 1
    assert again.transition == transitions[0]
    assert store.counts().deliveries_given_up == 1


def test_the_oldest_step_goes_out_first_whenever_it_was_tried(store, make):
    steps = [make.transition(1, alert_id=f"a{i}", at_us=10 + i) for i in range(3)]
    commit(store, AlertTransitions(transitions=steps), webhook_ids=["w"], now_us=20)
    store.postpone_delivery("w", "a0.1", next_attempt_us=50, error="503")
    assert [d.message_id for d in store.due_deliveries(60)] == ["a0.1", "a1.1", "a2.1"]


def test_refusals_are_counted_apart(store, make):
    commit(store, AlertTransitions(transitions=[make.transition(1)]), webhook_ids=["w"], now_us=1)
    store.postpone_delivery("w", "a1.1", next_attempt_us=2, error="away")
    store.postpone_delivery("w", "a1.1", next_attempt_us=3, error="500", refused=True)
    (one,) = store.due_deliveries(3)
    assert (one.attempts, one.refusals) == (2, 1)


def order(what, webhook_id="w", at_us=50, **more):
    one = WebhookOrder(id="o", webhook_id=webhook_id, what=what, at_us=at_us, **more)
    return Deliveries(steps=[], orders=[one])


def test_nothing_of_a_disabled_webhook_is_due_until_it_is_resumed(store, make):
    commit(store, AlertTransitions(transitions=[make.transition(1)]), webhook_ids=["v", "w"], now_us=1)
    store.disable_webhook("w", 40, "410")
    assert [d.webhook_id for d in store.due_deliveries(END)] == ["v"]
    by_name = {row.webhook_id: row for row in store.webhooks()}
    assert (by_name["w"].state, by_name["w"].since_us, by_name["w"].reason) == ("disabled", 40, "410")
    assert (by_name["v"].state, by_name["v"].pending) == ("active", 1)
    commit(store, order("resume", "v"), order("resume", "other"), webhook_ids=["v", "w"], now_us=50)
    assert len(store.due_deliveries(END)) == 1
    commit(store, order("resume"), webhook_ids=["v"], now_us=50)
    assert len(store.due_deliveries(END)) == 1, "another sender does it"
    commit(store, order("resume"), webhook_ids=["v", "w"], now_us=50)
    assert len(store.due_deliveries(END)) == 2
    assert {row.webhook_id: row.state for row in store.webhooks()}["w"] == "active"
    late = WebhookStep(webhook_id="w", state="disabled", at_us=3, reason="late")
    commit(store, Deliveries(steps=[], webhooks=[late]))
    assert len(store.due_deliveries(END)) == 2, "what is older changes nothing"


def test_what_a_person_asks_for_is_due_once_more(store, make):
    steps = [make.transition(1, alert_id=f"a{i}", at_us=10 * i) for i in range(4)] + [
        make.transition(2, alert_id="a1", at_us=35)
    ]
    commit(store, AlertTransitions(transitions=steps), webhook_ids=["v", "w"], now_us=40)

    def settle():
        for name in ("v", "w"):
            while due := [d for d in store.due_deliveries(END) if d.webhook_id == name]:
                for one in due:
                    given_up = one.message_id == "a2.1"
                    store.settle_delivery(name, one.message_id, delivered_at_us=None if given_up else 60)

    def due_after(**what):
        settle()
        commit(store, order("replay", **what), webhook_ids=["v", "w"], now_us=90)
        found = store.due_deliveries(90)
        assert {(d.webhook_id, d.attempts, d.refusals) for d in found} <= {("w", 0, 0)}
        assert store.due_deliveries(89) == []
        return [d.message_id for d in found]

    assert due_after(start_us=10, end_us=30) == ["a1.1", "a2.1"]
    assert due_after(alert_id="a1") == ["a1.1"], "its next step goes behind it"
    assert due_after(alert_id="a1", number=2) == ["a1.2"]
    assert due_after(start_us=1000) == []
    settle()
    rows = store.deliveries("w").items
    assert [(r.alert_id, r.number, r.state, r.attempts) for r in rows] == [
        ("a1", 2, "delivered", 1), ("a3", 1, "delivered", 1), ("a2", 1, "given_up", 1),
        ("a1", 1, "delivered", 1), ("a0", 1, "delivered", 1),
    ]  # fmt: skip
    page = store.deliveries("w", state="delivered", limit=3)
    assert [r.at_us for r in page.items] == [35, 30, 10]
    rest = store.deliveries("w", state="delivered", limit=3, after=page.next)
    assert ([r.at_us for r in rest.items], rest.next) == ([0], None)
    (row,) = [row for row in store.webhooks() if row.webhook_id == "w"]
    assert (row.pending, row.delivered, row.given_up, row.oldest_us, row.delivered_at_us) == (
        0,
        4,
        1,
        None,
        60,
    )


def test_a_step_that_is_told_again_replaces_what_was_settled(store):
    def put(state, **more):
        one = DeliveryStep(webhook_id="w", alert_id="a", number=1, state=state, next_attempt_us=5, **more)
        commit(store, Deliveries(steps=[one]))
        return store.deliveries("w").items[0].state

    assert put("given_up", attempts=9) == "given_up"
    assert put("delivered", attempts=1) == "given_up"
    assert put("delivered", attempts=1, again=True) == "delivered"


def test_a_transition_makes_a_delivery_once_and_history_calls_nobody(store, make):
    batch = AlertTransitions(transitions=[make.transition(1)])
    historic = AlertTransitions(transitions=[make.transition(1, alert_id="old", historic=True)])
    commit(store, batch, historic, webhook_ids=["w"])
    store.settle_delivery("w", "a1.1", delivered_at_us=1)
    commit(store, batch, historic, webhook_ids=["w", "later"])
    assert store.due_deliveries(END) == []
    assert store.counts().deliveries_pending == 0


def test_steps_of_deliveries_are_kept_in_any_order_and_as_often_as_they_come(store, make):
    def step(number, state="pending", attempts=0, at_us=5, error="", webhook_id="w"):
        return DeliveryStep(
            webhook_id=webhook_id, alert_id="a1", number=number, state=state, attempts=attempts,
            next_attempt_us=at_us, error=error,
        )  # fmt: skip

    commit(store, AlertTransitions(transitions=[make.transition(n) for n in (1, 2, 3)]))
    steps = [
        step(1), step(2), step(3), step(1, attempts=1, at_us=9, error="503"),
        step(1, "delivered", 2, 11), step(2, "given_up", 1, 12, "410"), step(3, webhook_id="v"),
    ]  # fmt: skip
    for some in ([steps[-3], *steps], steps[:4], steps):
        commit(store, Deliveries(steps=some))
    counts = store.counts()
    assert (counts.deliveries_pending, counts.deliveries_given_up) == (2, 1)
    assert {(d.webhook_id, d.message_id) for d in store.due_deliveries(5)} == {("w", "a1.3"), ("v", "a1.3")}
    commit(store, Deliveries(steps=[step(3, attempts=2, at_us=40), step(3), step(3, attempts=1, at_us=20)]))
    (late,) = [d for d in store.due_deliveries(END) if d.webhook_id == "w"]
    assert (late.message_id, late.attempts, late.next_attempt_us) == ("a1.3", 2, 40)


def test_settling_twice_keeps_the_first(store, make):
    commit(store, AlertTransitions(transitions=[make.transition(1)]), webhook_ids=["w"])
    store.settle_delivery("w", "a1.1", delivered_at_us=None, error="410")
    store.settle_delivery("w", "a1.1", delivered_at_us=5)
    assert store.counts().deliveries_given_up == 1
    with pytest.raises(ValueError, match="not the id of a webhook message"):
        store.settle_delivery("w", "a1", delivered_at_us=5)


def test_commands_are_audited_with_their_answers(store, make):
    commands = [Command(id=f"c{i}", kind="acknowledge_alert", target="a", by="li", at_us=i) for i in range(3)]
    commit(store, Commands(commands=commands[:2]))
    commit(store, CommandOutcomes(outcomes=[CommandOutcome(id="c0", ok=False, message="no such alert")]))
    # a bridge that begins anew asks its region once more, and gets another answer
    commit(store, CommandOutcomes(outcomes=[CommandOutcome(id="c0", ok=True, message="later")]))
    commit(store, Commands(commands=commands))
    commit(store, CommandOutcomes(outcomes=[CommandOutcome(id="c2", ok=True, message="done")]))
    assert [(row.command, row.ok, row.message) for row in store.commands()] == [
        (commands[2], True, "done"),
        (commands[1], None, ""),
        (commands[0], False, "no such alert"),
    ]
    assert len(store.commands(limit=1)) == 1


# --- state of the runtime, figures, limits ------------------------------------------------------------


def test_snapshots_replace_each_other_and_empty_the_journal(open_store):
    store = open_store()
    store.commit((), {"a": [b"1", b"2"], "b": [b"3"], "empty": []}, now_us=1, journal=[b"lost"])
    assert store.load_journal() == []
    store.commit((), None, now_us=1, journal=[b"x", b"y"])
    store.commit((), None, now_us=1, journal=[b"z"])
    store = open_store()
    assert store.load_snapshots() == {"a": [b"1", b"2"], "b": [b"3"]}
    assert store.load_journal() == [b"x", b"y", b"z"]
    store.commit((), {"a": [b"4"]}, now_us=2)
    assert store.load_snapshots() == {"a": [b"4"]}
    assert store.load_journal() == []


def test_offsets_are_kept_with_what_they_stand_for(open_store, make):
    store = open_store()
    assert store.consumed() == {}
    commit(store, make.samples("d", [1], [1.0]), consumed={"reports": {0: 5, 7: 9}, "samples": {0: 1}})
    commit(store, consumed={"reports": {0: 8}, "none": {}})
    commit(store, make.samples("d", [2], [1.0]))
    assert store.consumed() == {"reports": {0: 8, 7: 9}, "samples": {0: 1}}
    broken = AlertTransitions(transitions=[make.transition(1, evidence={"a": object()})])
    with pytest.raises(TypeError):
        commit(store, broken, consumed={"reports": {0: 99}})
    store = open_store()
    assert store.consumed() == {"reports": {0: 8, 7: 9}, "samples": {0: 1}}
    commit(store, consumed={"reports": {0: 2**62}, "samples": {0: 0}})
    assert store.consumed() == {"reports": {0: 2**62, 7: 9}, "samples": {0: 0}}, "also back to the begin"


def test_rows_of_one_commit_count_as_if_they_came_one_after_the_other(store, make):
    reports = [
        make.report("B", 2 * S, score=1),
        make.report("A", S, score=2),
        make.report("B", 2 * S, score=3),
    ]
    later = StationReports(reports=[make.report("A", S, score=4)], figures=[make.figures("A", S)])
    again = StationReports(reports=[], figures=[make.figures("A", S, usable_share=0.25)])
    samples = [make.samples("d", [5], [k], revision=r) for k, r in ((1.0, 0), (2.0, 1), (3.0, 1), (4.0, 0))]
    commit(store, StationReports(reports=reports), later, again, *samples)
    assert [r.score for r in store.station_reports("A", 0, END).items] == [4]
    assert [r.score for r in store.station_reports("B", 0, END).items] == [3]
    assert [row.report.score for row in store.stations().items] == [4, 3]
    assert [f.usable_share for f in store.station_figures("A", 0, END).items] == [0.25]
    assert [o.value for o in store.observations("d", 0, END).items] == [3.0]


def test_counts(store, registry, batches):
    commit(store, *batches, webhook_ids=["w"], journal=[b"j"])
    counts = store.counts()
    assert counts.database_bytes > 0
    assert counts == Counts(
        stations_by_state={"bad": 1, "unknown": 2},
        things=1,
        datastreams=2,
        alerts_open={"orange": 1},
        deliveries_pending=2,
        deliveries_given_up=0,
        journal_messages=1,
        database_bytes=counts.database_bytes,
    )


def test_foreign_cursors_and_limits_are_refused(store, registry):
    alien = store.stations(limit=1).next
    for cursor in ("", "x", "[]", "é", alien + "A", alien[:-2], "W10"):
        with pytest.raises(ValueError, match="not one of this list"):
            store.stations(after=cursor)
    with pytest.raises(ValueError, match="not one of this list"):
        store.alerts(after=alien)
    with pytest.raises(ValueError, match="not one of this list"):
        store.observations("gauge/level", 0, END, after=alien)
    for limit in (0, -1):
        with pytest.raises(ValueError, match="limit"):
            store.things(limit=limit)


# --- sources of stations ----------------------------------------------------------------------------------


def test_which_source_took_over_is_kept_for_a_year(store):
    def taken(station, at_s, why):
        return SourceChange(
            station_id=station, at_us=at_s * S, before="main", after="second", why=why, text="in words"
        )

    steps = ("A", 10, "stall"), ("A", 20, "better"), ("A", 20, "reference"), ("B", 5, "late")
    made = [taken(*step) for step in steps]
    commit(store, SourceChanges(changes=made))
    commit(store, SourceChanges(changes=made[:2]))  # once more
    page = store.source_changes("A", limit=2)
    assert page.items == [made[2], made[1]]
    rest = store.source_changes("A", limit=2, after=page.next)
    assert (rest.items, rest.next) == ([made[0]], None)
    assert store.source_changes("C").items == []
    with pytest.raises(ValueError, match="cursor"):
        store.source_changes("A", after="nonsense")
    later = taken("A", 366 * 86_400 + 15, "stall")
    commit(store, SourceChanges(changes=[later]))
    assert store.source_changes("A").items == [later, made[2], made[1]]
    assert store.source_changes("B").items == [made[3]]


# --- changes ----------------------------------------------------------------------------------------------


def change(version, kind, identity, after, verb="put", before=None):
    return Change(
        kind=kind, id=identity, version=version, verb=verb, before=before, after=after, by="Li",
        at_us=version * S, command_id=f"c{version}",
    )  # fmt: skip


STATION = {"source": "ntrip://user:secret@caster:2101/N", "name": "New", "longitude": 121.0, "latitude": 31.0}


def test_changes_are_kept_without_passwords_and_the_registry_follows_them(store, registry):
    account = {"password": "", "password_hash": "pbkdf2$1$salt$hash", "enabled": True}
    gauge = {"longitude": 1.0, "latitude": 2.0, "name": "Moved"}
    series = {"thing": "gauge", "property": "water_level", "name": "Second", "unit": "m"}
    made = [
        change(1, "station", "NEW", STATION),
        change(2, "account", "rover", account),
        change(3, "thing", "gauge", gauge, "patch"),
        change(4, "datastream", "gauge.second", series),
        change(5, "station", "A", None, "delete", before=STATION),
        change(6, "silence", "s1", {"end_us": 5, "rule": "x"}),
        change(7, "silence", "s1", None, "delete"),
    ]
    commit(store, Changes(changes=made))
    commit(store, Changes(changes=made[:2]))  # once more
    assert [s.id for s in store.stations().items] == ["B", "C", "NEW"]
    assert store.station("NEW").longitude == 121.0
    assert store.thing("gauge").name == "Moved"
    assert store.datastream("gauge.second").unit == "m"
    page = store.changes(limit=4)
    rest = store.changes(limit=4, after=page.next)
    assert [c.version for c in (*page.items, *rest.items)] == [7, 6, 5, 4, 3, 2, 1]
    assert rest.next is None
    assert "secret" not in str((page, rest))
    assert "hash" not in str(store.object("account", "rover").after)
    assert [c.version for c in store.changes(kind="station").items] == [5, 1]
    assert [c.version for c in store.changes(kind="silence", identity="s1").items] == [7, 6]
    assert [c.id for c in store.objects("account").items] == ["rover"]
    assert store.objects("silence").items == []
    assert store.object("silence", "s1").after is None
    assert store.object("silence", "s2") is None
    with pytest.raises(ValueError, match="cursor"):
        store.changes(after="nonsense")

    # the configuration is read again at a start: what was changed lies over it
    store.put_registry(
        stations=[Station(id="A", name="a"), Station(id="NEW", name="of the file")],
        things=[Thing(id="gauge", name="Gauge", longitude=120.5, latitude=30.25)],
    )
    assert [s.id for s in store.stations().items] == ["B", "C", "NEW"]
    assert (store.station("NEW").name, store.thing("gauge").name) == ("New", "Moved")
    commit(store, Changes(changes=[change(8, "station", "A", {**STATION, "name": "Back"}, "revert")]))
    assert [s.id for s in store.stations().items] == ["A", "B", "C", "NEW"]
    store.put_registry(stations=[Station(id="A", name="of the file")])
    assert store.station("A").name == "of the file"
    for version, (kind, name) in enumerate((("datastream", "gauge.second"), ("thing", "gauge")), 9):
        commit(store, Changes(changes=[change(version, kind, name, None, "delete")]))
    assert store.datastream("gauge.second") is None
    assert store.thing("gauge") is None


def test_pages_of_objects_and_commands_have_no_passwords(store):
    made = [change(k, "account", f"r{k}", {"password_hash": "x"}) for k in range(1, 6)]
    commit(store, Changes(changes=made))
    first = store.objects("account", limit=3)
    second = store.objects("account", limit=3, after=first.next)
    assert [c.id for c in (*first.items, *second.items)] == ["r1", "r2", "r3", "r4", "r5"]
    assert second.next is None
    asked = [
        Command(id="1", kind="put", target="station/A", by="Li", at_us=1, arguments=STATION),
        Command(id="2", kind="put", target="account/a", by="Li", at_us=2, arguments={"password": "secret"}),
    ]
    commit(store, Commands(commands=asked))
    kept = [row.command.arguments for row in store.commands()]
    assert kept == [{}, {**STATION, "source": "ntrip://user:***@caster:2101/N"}]


def test_an_alert_that_a_silence_covers_calls_nobody_until_it_ends(store, make):
    steps = [
        make.transition(number=1, silenced="s1"),
        make.transition(number=2, change="unsilenced", silenced=""),
    ]
    commit(store, AlertTransitions(transitions=steps[:1]), webhook_ids=["hook"])
    assert store.due_deliveries(END) == []
    commit(store, AlertTransitions(transitions=steps[1:]), webhook_ids=["hook"])
    assert [d.message_id for d in store.due_deliveries(END)] == [f"{steps[0].alert_id}.2"]


def described(identity="zhejiang:gauge", **changes):
    made = ThingDescription(id=identity, name="Theirs", longitude=121.0, latitude=29.0, height_m=3.5)
    return msgspec.structs.replace(made, **changes)


def gone(kind, name, *, is_deleted=True):
    return Descriptions(descriptions=[Gone(kind=kind, id=name, is_deleted=is_deleted)])


def test_what_a_region_describes_is_known_until_it_is_gone(store, make):
    commit(store, StationReports(reports=[make.report("zhejiang:HANG", ecef_m=None)]))
    commit(store, make.samples("zhejiang:gauge.level", [make.t0], [1.5]))
    assert store.datastream("zhejiang:gauge.level") is None
    level = DatastreamDescription(
        id="zhejiang:gauge.level",
        thing_id="zhejiang:gauge",
        property_id="water_level",
        name="Level",
        unit="m",
    )
    station = StationDescription(
        id="zhejiang:HANG", name="Hangzhou", longitude=120.12, latitude=30.54, height_m=0.0, antenna="TRM"
    )
    some = Descriptions(descriptions=[level, described(), station])
    for _ in range(2):
        commit(store, some)
        assert store.thing("zhejiang:gauge") == Thing(
            id="zhejiang:gauge", name="Theirs", longitude=121.0, latitude=29.0, height_m=3.5, height_datum=""
        )
        (row,) = store.datastreams(thing_id="zhejiang:gauge").items
        assert (row.name, row.unit, row.property_id, row.detectors) == ("Level", "m", "water_level", {})
        assert row.latest.value == 1.5
        (known,) = store.stations().items
        assert (known.name, known.longitude, known.position_source) == ("Hangzhou", 120.12, "registry")
        assert known.report is not None
    commit(store, Descriptions(descriptions=[described(name="Moved", longitude=122.0)]))
    assert store.thing("zhejiang:gauge").longitude == 122.0
    commit(
        store,
        gone("thing", "zhejiang:gauge"),
        gone("datastream", "zhejiang:gauge.level"),
        gone("station", "zhejiang:HANG", is_deleted=False),
    )
    assert store.thing("zhejiang:gauge") is None
    assert store.datastreams().items == []
    assert len(store.observations("zhejiang:gauge.level", 0, END).items) == 1
    (known,) = store.stations().items  # it is only not described any more
    assert (known.name, known.longitude) == ("zhejiang:HANG", None)
    commit(store, gone("station", "zhejiang:HANG"))
    assert store.stations().items == []
    commit(store, some)
    assert [one.name for one in store.stations().items] == ["Hangzhou"]


def test_what_is_described_here_lies_over_what_a_region_says(open_store):
    own = Thing(id="zhejiang:gauge", name="Ours", longitude=120.5, latitude=30.25)
    store = open_store()

    def name(identity="zhejiang:gauge"):
        return store.thing(identity).name

    store.put_registry(things=[own])
    commit(store, Descriptions(descriptions=[described(), described("zhejiang:other")]))
    assert (name(), name("zhejiang:other")) == ("Ours", "Theirs")
    commit(store, gone("thing", "zhejiang:gauge"))
    assert name() == "Ours"
    commit(store, Descriptions(descriptions=[described()]))
    store = open_store()
    store.put_registry(things=[own])
    assert name() == "Ours"
    store = open_store()
    store.put_registry()  # without it in the configuration
    assert (name(), name("zhejiang:other")) == ("Theirs", "Theirs")
    values = {"longitude": 1.0, "latitude": 2.0, "name": "By command"}
    commit(store, Changes(changes=[change(1, "thing", "zhejiang:gauge", values)]))
    commit(store, Descriptions(descriptions=[described(name="Theirs again")]))
    assert name() == "By command"
    store = open_store()
    store.put_registry()
    assert name() == "By command"
    commit(store, Changes(changes=[change(2, "thing", "zhejiang:gauge", None, "delete")]))
    assert name() == "Theirs again"
    store = open_store()
    store.put_registry()
    assert name() == "Theirs again"


# --- positions and waveforms -------------------------------------------------------------------------


def with_places(samples, longitude, latitude, height_m, rows=None):
    columns = [np.asarray(column, np.float64) for column in (longitude, latitude, height_m)]
    rows = np.arange(len(samples)) if rows is None else np.array(rows)
    places = Places(rows=rows, longitude=columns[0], latitude=columns[1], height_m=columns[2])
    return msgspec.structs.replace(samples, places=places)


def places_of(page):
    return [
        None if o.place is None else (o.place.longitude, o.place.latitude, o.place.height_m)
        for o in page.items
    ]


def test_samples_are_kept_with_their_places(store, make):
    one = make.samples("buoy", [1, 2, 3, 4], [1.0, 2.0, 3.0, 4.0])
    nan = float("nan")
    placed = with_places(one, [121.5, 500.0, nan, -1e300], [30.25, -91.0, 3.0, 0.0], [-12.5, 1e300, 1.0, 0.0])
    commit(store, placed, make.samples("gauge", [1], [5.0]))
    expected = [(121.5, 30.25, -12.5), (500.0, -91.0, None), None, None]
    assert places_of(store.observations("buoy", 0, 10)) == expected
    assert places_of(store.observations("gauge", 0, 10)) == [None]
    first = store.observations("buoy", 0, 10, limit=1)
    assert places_of(first) == expected[:1]
    assert places_of(store.observations("buoy", 0, 10, after=first.next)) == expected[1:]
    # A revision of the same sample has none, and takes none away; what comes again changes nothing.
    commit(store, make.samples("buoy", [1], [1.0], flag=[3], revision=1), placed)
    (revised, *_) = store.observations("buoy", 0, 10).items
    assert (revised.revision, revised.flag, revised.place.latitude) == (1, 3, 30.25)


def test_samples_of_a_part_of_the_map(store, make):
    longitude, latitude = [120.0, 121.0, 122.0, 179.5, -179.5, 121.0], [30.0, 31.0, 32.0, 5.0, 5.0, 60.0]
    commit(store, with_places(make.samples("buoy", range(6), range(6)), longitude, latitude, [0.0] * 6))

    def within(*sides, **more):
        return store.observations("buoy", 0, 100, box=Box(*sides), **more)

    assert [o.value for o in within(120, 30, 121, 31).items] == [0, 1]
    assert [o.value for o in within(120.5, -90, 121.5, 90).items] == [1, 5]
    assert [o.value for o in within(179, 0, -179, 10).items] == [3, 4]
    assert within(-10, -10, 10, 10).items == []
    page = within(-180, -90, 180, 90, limit=4)
    rest = within(-180, -90, 180, 90, after=page.next)
    assert [o.value for o in (*page.items, *rest.items)] == [0, 1, 2, 3, 4, 5]
    assert places_of(page)[1] == (121.0, 31.0, 0.0)
    assert store.observations("buoy", 2, 4, box=Box(-180, -90, 180, 90)).items == page.items[2:]


def with_waves(samples, waves, step_us=1e4):
    values = [np.asarray(one, np.float64) for one in waves]
    made = Waves(
        rows=np.arange(len(samples)), step_us=np.full(len(samples), step_us),
        ends=np.cumsum([len(one) for one in values]), value=np.concatenate(values),
    )  # fmt: skip
    return msgspec.structs.replace(samples, waves=made)


def test_waveforms_are_kept_value_by_value(store, make):
    random = np.random.default_rng(1)
    waves = [
        [1.0, -2.0, 2147483647.0], [0.5, float("nan"), 1e30], random.normal(0, 1, 1000),
        np.float32(random.normal(0, 1, 1000)), [2147483648.0],
    ]  # fmt: skip
    commit(store, with_waves(make.samples("z", [10, 20, 30, 40, 50], [1.0] * 5), waves))
    found = store.waveforms("z", 10, 50).items
    assert [one.time_us for one in found] == [10, 20, 30, 40]
    for one, wave in zip(found, waves, strict=False):
        assert one.step_us == 1e4
        assert one.values == [None if np.isnan(v) else v for v in np.asarray(wave, np.float64).tolist()]
    page = store.waveforms("z", 0, 100, limit=2)
    assert [one.time_us for one in store.waveforms("z", 0, 100, after=page.next).items] == [30, 40, 50]
    assert store.waveforms("nobody", 0, 100).items == []


def test_a_page_of_long_waveforms_is_cut(store, make):
    commit(store, with_waves(make.samples("z", range(6), [1.0] * 6), [np.arange(50_000)] * 6))
    times, after = [], None
    while True:
        page = store.waveforms("z", 0, 100, after=after)
        times.append([one.time_us for one in page.items])
        if (after := page.next) is None:
            break
    assert times == [[0, 1, 2, 3], [4, 5]]


def test_places_and_waveforms_go_with_their_samples(store, make):
    day = 86_400 * S
    times = [make.t0 // day * day, make.t0 // day * day + 40 * day]
    samples = with_waves(make.samples("z", times, [1.0, 2.0]), [[1.0], [2.0]])
    commit(store, with_places(samples, [1.0, 2.0], [3.0, 4.0], [5.0, 6.0]), now_us=times[1])
    roll(store)
    store.drop_expired(times[1] + 1, {"samples": 10 * 86_400})
    assert [one.time_us for one in store.waveforms("z", 0, END).items] == times[1:]
    assert [o.time_us for o in store.observations("z", 0, END, box=Box(-180, -90, 180, 90)).items] == times[
        1:
    ]


def test_samples_are_found_by_when_they_were_received(store, make):
    late = make.samples("b", [make.t0 - 60 * S], [5.0], revision=-1)
    late = msgspec.structs.replace(late, received_at_us=late.received_at_us + 3600 * S)
    commit(store, make.samples("a", [make.t0, make.t0 + 60 * S], [1.0, np.nan]), late)
    commit(store, make.samples("other", [make.t0], [9.0]))

    def asked(names, start_us, end_us, from_us, before_us, limit=100):
        found = store.received_samples(
            names, start_us, end_us, received_from_us=from_us, received_before_us=before_us, limit=limit
        )
        rows = zip(
            found.series.tolist(), found.time_us.tolist(), found.value.tolist(),
            found.received_at_us.tolist(), found.is_late.tolist(), strict=True,
        )  # fmt: skip
        return sorted((names[place], *rest) for place, *rest in rows)

    t0 = make.t0
    assert str(asked(["b", "unknown", "a"], 0, END, 0, END)) == str(
        [
            ("a", t0, 1.0, t0 + S, False),
            ("a", t0 + 60 * S, float("nan"), t0 + 61 * S, False),
            ("b", t0 - 60 * S, 5.0, t0 - 59 * S + 3600 * S, True),
        ]
    )
    assert [row[1] for row in asked(["a", "b"], t0, t0 + 60 * S, 0, END)] == [t0]
    assert [row[1] for row in asked(["a", "b"], 0, END, t0 + S, t0 + 61 * S)] == [t0]
    assert [row[0] for row in asked(["a", "b"], 0, END, t0 + 1000 * S, END)] == ["b"]
    assert len(asked(["a", "b"], 0, END, 0, END, limit=2)) == 2
    assert asked(["unknown"], 0, END, 0, END) == asked([], 0, END, 0, END) == []
    with pytest.raises(ValueError, match="limit"):
        asked(["a"], 0, END, 0, END, limit=0)


def test_commands_of_a_time_come_in_their_order(store):
    made = [
        Command(id=f"c{n}", kind="acknowledge_alert", target="a", by="li", at_us=at, arguments={})
        for n, at in enumerate((30, 10, 20))
    ]
    commit(
        store,
        Commands(commands=made),
        CommandOutcomes(outcomes=[CommandOutcome(id="c1", ok=True, message="done")]),
    )
    found = store.commands_between(10, 30)
    assert [(row.command.id, row.ok) for row in found] == [("c1", True), ("c2", None)]
    assert [row.command.id for row in store.commands_between(0, 100, limit=1)] == ["c1"]


def test_sensors_and_properties_that_commands_make_are_in_the_registry(store, registry):
    before = store.observed_properties()
    snow = {"name": "Snow depth", "unit": "cm", "span": [0.0, 600.0], "properties": {"kind": "new"}}
    radar = {"name": "Radar", "metadata": "model 5", "properties": {"serial": "17"}}
    made = [change(1, "property", "snow_depth", snow), change(2, "sensor", "radar", radar)]
    commit(store, Changes(changes=made))
    (added,) = (one for one in store.observed_properties() if one.id == "snow_depth")
    assert (added.name, added.span, added.properties) == ("Snow depth", (0.0, 600.0), {"kind": "new"})
    (sensor,) = store.sta_page(Question("Sensors", equals("id", "text", "radar"))).rows
    assert (sensor["name"], sensor["metadata"], json.loads(sensor["properties"])) == (
        "Radar", "model 5", {"serial": "17"},
    )  # fmt: skip
    gone = [
        change(3, "property", "snow_depth", None, "delete"),
        change(4, "sensor", "radar", None, "delete"),
    ]
    commit(store, Changes(changes=gone))
    assert store.observed_properties() == before
    assert store.sta_page(Question("Sensors", equals("id", "text", "radar"))).rows == []

    # what is reverted is as configured, at once and after a start
    level = before[0]
    values = {"name": "Other", "unit": "m", "span": [0.0, 1.0]}
    commit(store, Changes(changes=[change(5, "property", level.id, values, "patch")]))
    assert {one.name for one in store.observed_properties() if one.id == level.id} == {"Other"}
    base = msgspec.to_builtins(PropertyDefinition.of(level))
    commit(store, Changes(changes=[change(6, "property", level.id, base, "revert")]))
    assert store.observed_properties() == before
    store.put_registry(properties=[msgspec.structs.replace(level, name="Of the file")])
    assert {one.name for one in store.observed_properties() if one.id == level.id} == {"Of the file"}
