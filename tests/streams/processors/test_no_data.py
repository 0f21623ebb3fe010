import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensors.model import ObservedProperty, Promise
from streams.call_records import Presences, Resumed
from streams.definitions import DatastreamDefinition
from streams.pipeline import Pipeline
from streams.processor import Processor
from streams.processors.alert import Alert
from streams.processors.no_data import NoData
from streams.processors.presence import Presence
from streams.records import AlertTransitions, Changes, CommandOutcomes, Detections, SampleBatch
from tests.streams.processors.people import S, change, datastream

PROPERTIES = [
    ObservedProperty(
        id="crack_width", name="Crack", domain="slope", unit="mm", span=(0, 1), sampling_period_s=60
    )
]


def promised(identity, period_s=0.0, grace_s=30.0, gateway="", level="blue", thing="slope"):
    promise = Promise(grace_s=grace_s, period_s=period_s, level=level, gateway=gateway)
    return datastream(identity, thing, promise=promise)


def samples(*rows):
    """Return a batch of (datastream, received at, s)."""
    names = list(dict.fromkeys(name for name, _ in rows))
    at_us = np.array([round(at_s * S) for _, at_s in rows], np.int64)
    return SampleBatch(
        datastream_ids=names,
        series=np.array([names.index(name) for name, _ in rows], np.int32),
        time_us=at_us - 5,
        value=np.ones(len(rows)),
        received_at_us=at_us,
    )


def pipeline(*streams):
    return Pipeline([Presence(PROPERTIES, streams), NoData(PROPERTIES, streams), Alert(streams)])


def presences(outputs):
    return [
        (one.datastream_id, one.is_silent, one.at_us / S)
        for batch in outputs
        if isinstance(batch, Presences)
        for one in batch.presences
    ]


def findings(outputs):
    return [
        (one.subject_id, one.phase, one.detected_at_us / S)
        for batch in outputs
        if isinstance(batch, Detections)
        for one in batch.detections
    ]


def run(line, rows, until_s):
    made = line.run([samples(*rows)] if rows else [], round(until_s * S))
    assert not line.failures
    return made


def test_both_are_processors_and_refuse_what_they_do_not_read():
    for one in (Presence(PROPERTIES, []), NoData(PROPERTIES, [])):
        assert isinstance(one, Processor)
        assert list(one.on_end()) == []
        with pytest.raises(TypeError, match="does not read"):
            one.on_batch(CommandOutcomes(outcomes=[]))


def test_a_series_that_promised_a_period_and_says_nothing_is_an_alert_until_it_speaks():
    line = pipeline(promised("a", level="yellow"), datastream("free"))
    assert findings(run(line, [("a", 100), ("free", 100)], 190)) == []
    outputs = run(line, [], 190.1)
    assert presences(outputs) == [("a", True, 190)]
    assert findings(outputs) == [("a", "begin", 190)]
    (batch,) = [one for one in outputs if isinstance(one, AlertTransitions)]
    (opened,) = batch.transitions
    assert (opened.rule, opened.level, opened.state, opened.onset_us) == (
        "no_data",
        "yellow",
        "open",
        100 * S,
    )
    assert "No data from a for more than 90 s" in opened.title
    assert findings(run(line, [], 5000)) == []
    outputs = run(line, [("a", 5001)], 5001)
    assert findings(outputs) == [("a", "end", 5001)]
    assert findings(run(line, [("a", 5060)], 5060)) == []


def test_one_that_never_spoke_is_waited_for_from_the_begin():
    line = pipeline(promised("a"), promised("b"))
    assert findings(run(line, [("a", 1000)], 1000)) == []
    assert findings(run(line, [("a", 1089)], 1091)) == [("b", "begin", 1090)]


def test_while_nobody_listened_nobody_was_silent():
    line = pipeline(promised("a"), promised("b"))
    run(line, [("a", 100), ("b", 100)], 110)
    assert line.run([Resumed(now_us=9000 * S)], 9000 * S) == []
    assert findings(run(line, [("a", 9070)], 9079)) == []
    assert findings(run(line, [], 9081)) == [("b", "begin", 9080)]


def test_a_hundred_sensors_behind_one_silent_gateway_are_one_alarm():
    streams = [promised(f"s{i}", 60, 30, "lora") for i in range(100)]
    other = promised("elsewhere", 60, 30, "other")
    line = pipeline(*streams, other, promised("elsewhere2", 60, 30, "other"))
    everywhere = [("elsewhere", 60), ("elsewhere2", 60)]
    run(line, [*((f"s{i}", i * 0.6) for i in range(100)), *everywhere], 60)
    found, spoken = [], 60
    for now_s in range(61, 400):
        rows = [("elsewhere", now_s), ("elsewhere2", now_s)] if now_s % 30 == 0 else []
        outputs = run(line, rows, now_s)
        found += findings(outputs)
    assert found == [("lora", "begin", pytest.approx(59.4 + 90, abs=1e-6))]
    outputs = run(line, [("s5", 401)], 401)
    assert findings(outputs) == [("lora", "end", 401)]
    assert spoken
    # the others have time to follow, and one does not
    rows = [(f"s{i}", 420) for i in range(99)]
    assert findings(run(line, rows, 430)) == []
    found = []
    for now_s in range(431, 560):
        rows = [(f"s{i}", now_s) for i in range(99)] if now_s % 40 == 0 else []
        found += findings(run(line, [*rows, *(("elsewhere", now_s), ("elsewhere2", now_s))], now_s))
    assert found == [("s99", "begin", 401 + 100)]


def test_one_silent_sensor_behind_a_gateway_that_speaks_is_told_after_its_peers_had_time():
    line = pipeline(*(promised(f"s{i}", 60, 30, "lora") for i in range(3)))
    found = []
    for now_s in range(0, 400, 10):
        rows = [(f"s{i}", now_s) for i in range(3) if i or now_s < 50]
        found += findings(run(line, rows, now_s))
    assert found == [("s0", "begin", 40 + 90 + 100)]


def test_a_slow_series_does_not_keep_a_gateway_from_being_found():
    line = pipeline(
        promised("fast", 60, 30, "lora"),
        promised("quick", 50, 30, "lora"),
        promised("day", 86_400, 30, "lora"),
    )
    run(line, [("fast", 0), ("quick", 0), ("day", 0)], 1)
    assert findings(run(line, [], 300)) == [("lora", "begin", 90)]


def test_pausing_or_letting_go_of_a_promise_ends_its_alarm():
    line = pipeline(promised("a"))
    run(line, [("a", 0)], 100)
    after = DatastreamDefinition.of(datastream("a"))
    outputs = line.run([Changes(changes=[change("datastream", "a", after, at_us=150 * S)])], 150 * S)
    assert findings(outputs) == [("a", "end", 150)]
    assert findings(run(line, [], 9999)) == []


def test_pausing_one_of_a_silent_gateway_ends_nothing_and_pausing_all_does():
    line = pipeline(promised("a", 60, 30, "lora"), promised("b", 60, 30, "lora"))
    run(line, [("a", 0), ("b", 0)], 1)
    assert findings(run(line, [], 200)) == [("lora", "begin", 90)]
    after = DatastreamDefinition.of(datastream())
    found = [
        findings(
            line.run([Changes(changes=[change("datastream", name, after, i, at_us=at_s * S)])], at_s * S)
        )
        for i, (name, at_s) in enumerate((("a", 300), ("b", 400)), 1)
    ]
    assert found == [[], [("lora", "end", 400)]]


ROWS = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 200)), max_size=40)


@settings(max_examples=150, deadline=None)
@given(ROWS, st.data())
def test_neither_cuts_nor_restarts_change_what_is_found(gaps, data):
    streams = [promised(name, 20 + 30 * i, 15, "lora" if i < 3 else "") for i, name in enumerate("abcd")]
    rows, now_s = [], 0
    for name, gap_s in gaps:
        now_s += gap_s
        rows.append((name, now_s))

    def told(cuts, restarts):
        line, made, at = pipeline(*streams), [], 0
        for end in [*sorted(cuts), len(rows)]:
            if end > at:
                made += run(line, rows[at:end], rows[end - 1][1])
            if end in restarts:
                states = line.snapshots()
                line = pipeline(*streams)
                line.restore(states)
                assert line.snapshots() == states
            at = max(at, end)
        made += run(line, [], now_s + 10_000)
        # which comes first of two at the same time is the cut's
        return sorted(presences(made)), sorted(findings(made))

    cuts = data.draw(st.sets(st.integers(0, len(rows))))
    whole, pieces = told(range(len(rows)), ()), told(range(len(rows)), cuts)
    assert whole == pieces
    assert told(cuts, ())[0] == whole[0]
