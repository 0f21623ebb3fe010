"""What changes do to those who judge: from the place in line where they come, whatever is cut or restored."""

from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensors.catalogue import parse_catalogue
from sensors.model import Datastream, Thing
from sensors.simulate import TideGauge, Tsunami
from streams.definitions import DatastreamDefinition, RuleDefinition, SilenceDefinition, values_of
from streams.deliveries import items
from streams.pipeline import Pipeline
from streams.processors.alert import Alert
from streams.processors.detect import Detect
from streams.processors.quality_control import QualityControl
from streams.records import (
    AlertTransitions,
    Change,
    Changes,
    Command,
    Commands,
    Detection,
    Detections,
    FlaggedSamples,
    SampleBatch,
)

S = 1_000_000
MINUTE = 60 * S
START = 1_700_000_000 * S
THING = Thing(id="gauge", name="Tide gauge", longitude=0.0, latitude=0.0)
CATALOGUE = parse_catalogue(files("sensors.catalogue").joinpath("ocean.toml").read_text(encoding="utf-8"))


def level(name="gauge.level", **more):
    return Datastream(
        id=name, thing_id="gauge", property_id="water_level", name=name, unit="m",
        detectors={"sea_level": {}}, **more,
    )  # fmt: skip


BASE = [level(), level("gauge.other")]


def change(version, kind, identity, after, verb="put", at_us=0):
    return Change(
        kind=kind, id=identity, version=version, verb=verb, before=None, by="Li", at_us=at_us,
        after=None if after is None else values_of(after), command_id=f"c{version}",
    )  # fmt: skip


def changed(*changes):
    return Changes(changes=list(changes))


def batch(name, times, values):
    times = np.asarray(times, np.int64)
    return SampleBatch(
        datastream_ids=[name],
        series=np.zeros(len(times), np.int32),
        time_us=times,
        value=np.asarray(values, float),
        received_at_us=times + 2 * S,
    )


def sense():
    return Pipeline([QualityControl(CATALOGUE, BASE), Detect(BASE, [THING])])


def rows(outputs):
    return [
        (o.datastream_ids[o.series[i]], int(o.time_us[i]), int(o.revision[i]), *o.flags[i].tolist())
        for o in outputs
        if isinstance(o, FlaggedSamples)
        for i in range(len(o))
    ]


def detections(outputs):
    return [d for o in outputs if isinstance(o, Detections) for d in o.detections]


def paused(name="gauge.level", version=1, **more):
    definition = DatastreamDefinition(thing="gauge", property="water_level", paused=True, **more)
    return change(version, "datastream", name, definition)


def test_a_paused_series_is_kept_unjudged_and_its_neighbour_notices_nothing():
    line = sense()
    times = START + np.arange(4) * MINUTE
    line.run([batch("gauge.level", times[:2], [0.1, 99.0])], None)
    line.run([batch("gauge.other", times[:2], [0.1, 0.2])], None)
    line.run([changed(paused())], None)
    assert rows(line.run([batch("gauge.level", times[2:3], [0.1])], None)) == [
        ("gauge.level", int(times[2]), 0, 2, 2, 2, 2)
    ]
    undisturbed = sense()
    undisturbed.run([batch("gauge.other", times[:2], [0.1, 0.2])], None)
    late = batch("gauge.other", times[2:], [0.3, 0.4])
    assert rows(line.run([late], None)) == rows(undisturbed.run([late], None))
    assert line.processors[0].counts()["unknown_samples"] == 1
    line.run([changed(change(2, "datastream", "gauge.level", None, "revert"))], None)
    assert rows(line.run([batch("gauge.level", times[3:], [0.1])], None))[-1][3] == 1


def test_other_tests_hold_from_their_place_on_and_an_older_change_never_comes_back():
    line = sense()
    narrow = DatastreamDefinition(
        thing="gauge",
        property="water_level",
        tests={"gross_range": {"span": [-1.0, 1.0], "user_span": [-1, 1]}},
    )
    newer = change(2, "datastream", "gauge.level", narrow)
    times = START + np.arange(3) * MINUTE
    assert rows(line.run([batch("gauge.level", times[:1], [1.5])], None))[0][3] == 1
    line.run([changed(newer)], None)
    line.run([changed(paused(version=1))], None)
    assert rows(line.run([batch("gauge.level", times[1:2], [1.5])], None))[-1][3] == 4
    with pytest.raises(TypeError, match="quality-control does not read"):
        line.processors[0].on_batch(Detections(detections=[]))


GAUGE = TideGauge(1, Tsunami(START + 240 * MINUTE, 0.6, 1500, decay_s=3000))


def tide(begin, end):
    times = START + np.arange(begin, end) * MINUTE
    return times, np.array([GAUGE.value(int(t)) for t in times])


def begun_line():
    line = sense()
    found = detections(line.run([batch("gauge.level", *tide(0, 300))], None))
    assert (found[0].phase, found[0].detector) == ("begin", "sea_level")
    return line, found[0]


@pytest.mark.parametrize(
    "gone",
    [
        paused(),
        change(1, "datastream", "gauge.level", None, "delete"),
        change(1, "rule", "gauge.level/sea_level", RuleDefinition(off=True)),
    ],
)
def test_what_nobody_watches_any_more_is_ended(gone):
    line, begin = begun_line()
    (end,) = detections(line.run([changed(gone)], None))
    assert (end.phase, end.onset_us, end.detector) == ("end", begin.onset_us, "sea_level")
    assert end.evidence["why"]
    assert detections(line.run([changed(gone)], None)) == [], "once"


def test_other_limits_keep_what_was_seen():
    line, begin = begun_line()
    rule = change(1, "rule", "gauge.level/sea_level", RuleDefinition(parameters={"end_quiet_s": 600.0}))
    restored = sense()
    restored.restore(line.snapshots())
    assert detections(line.run([changed(rule)], None)) == []
    assert detections(restored.run([changed(rule)], None)) == []
    again = sense()
    again.restore(restored.snapshots())
    rest = batch("gauge.level", *tide(300, 600))
    found = detections(line.run([rest], None))
    assert ("end", begin.onset_us) in [(d.phase, d.onset_us) for d in found]
    assert detections(again.run([rest], None)) == found
    unchanged, _ = begun_line()
    assert detections(unchanged.run([rest], None)) != found, "the new limit ends it sooner"


STEPS = (
    paused(version=1),
    change(2, "rule", "gauge.level/sea_level", RuleDefinition(off=True)),
    change(3, "datastream", "gauge.new", DatastreamDefinition(thing="gauge", property="water_level")),
    change(4, "datastream", "gauge.level", None, "revert"),
    change(5, "rule", "gauge.other/sea_level", RuleDefinition(parameters={})),
    change(6, "datastream", "gauge.other", None, "delete"),
    change(7, "rule", "gauge.level/sea_level", None, "delete"),
)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, len(STEPS) - 1), max_size=6), st.data())
def test_restarts_and_repetitions_change_nothing_of_what_is_judged(order, data):
    whole, disturbed = sense(), sense()
    times, values = tide(100, 600)
    at = 0
    names = ("gauge.level", "gauge.other", "gauge.new")
    for step in [*order, None]:
        size = data.draw(st.integers(1, 80))
        for name in names:
            one = batch(name, times[at : at + size], values[at : at + size])
            now_us = int(one.received_at_us[-1]) if len(one) else None
            expected = whole.run([one], now_us)
            found = disturbed.run([one], now_us)
            assert rows(found) == rows(expected)
            assert detections(found) == detections(expected)
        at += size
        if step is not None:
            one = changed(STEPS[step])
            assert detections(disturbed.run([one], None)) == detections(whole.run([one], None))
            if data.draw(st.booleans()):
                assert detections(disturbed.run([one], None)) == []
        if data.draw(st.booleans()):
            state = disturbed.snapshots()
            disturbed = sense()
            disturbed.restore(state)
    assert not whole.failures
    assert not disturbed.failures


# --- silences ---------------------------------------------------------------------------------------------


def detection(at_us, phase="begin", subject="gauge.level", onset_us=1, rule="sea_level", **more):
    return Detection(
        detector=rule, version="1", subject_id=subject, phase=phase, level=more.pop("level", "blue"),
        onset_us=onset_us, at_us=at_us, detected_at_us=at_us, title="High", value=1.0, threshold=0.5,
        unit="m", evidence={}, **more,
    )  # fmt: skip


def silence(version=1, begin_us=0, end_us=100, at_us=0, name="s1", **matchers):
    definition = SilenceDefinition(begin_us=begin_us, end_us=end_us, **(matchers or {"site": "gauge"}))
    return changed(change(version, "silence", name, definition, at_us=at_us))


def told(outputs):
    return [t for o in outputs if isinstance(o, AlertTransitions) for t in o.transitions]


def short(steps):
    return [(t.onset_us, t.number, t.change, t.at_us, t.silenced) for t in steps]


@pytest.mark.parametrize(
    ("matchers", "covers"),
    [
        ({"site": "gauge"}, True),
        ({"site": "slope"}, False),
        ({"property": "water_level"}, True),
        ({"property": "tilt"}, False),
        ({"rule": "sea_level"}, True),
        ({"rule": "surge"}, False),
        ({"datastream": "gauge.level"}, True),
        ({"datastream": "gauge.other"}, False),
        ({"station": "gauge.level"}, True),
        ({"site": "gauge", "rule": "surge"}, False),
        ({"site": "gauge", "rule": "sea_level", "property": "water_level"}, True),
    ],
)
def test_an_alert_that_a_silence_covers_says_so(matchers, covers):
    alert = Alert(BASE)
    assert told(alert.on_batch(silence(**matchers))) == []
    (step,) = told(alert.on_batch(Detections(detections=[detection(10)])))
    assert step.silenced == ("s1" if covers else "")
    (historic,) = told(alert.on_batch(Detections(detections=[detection(11, onset_us=2, historic=True)])))
    assert historic.silenced == ""


def test_when_a_silence_ends_who_was_not_called_is_called():
    alert = Alert(BASE)
    alert.on_batch(Detections(detections=[detection(10)]))
    steps = told(alert.on_batch(silence(begin_us=0, end_us=100, at_us=20)))
    assert short(steps) == [(1, 2, "silenced", 20, "s1")]
    steps = told(
        alert.on_batch(Detections(detections=[detection(30, onset_us=2), detection(40, onset_us=3)]))
    )
    assert [step.silenced for step in steps] == ["s1", "s1"]
    asked = Command(id="c", kind="acknowledge_alert", target=steps[1].alert_id, by="Li", at_us=50)
    told(alert.on_batch(Commands(commands=[asked])))
    assert told(alert.on_time(99)) == []
    assert short(told(alert.on_time(150))) == [
        (1, 3, "unsilenced", 100, ""),
        (2, 2, "unsilenced", 100, ""),
    ], "the one that somebody has in hand calls nobody"
    assert told(alert.on_time(151)) == []


def test_webhooks_are_told_of_no_step_that_a_silence_covers():
    alert = Alert(BASE)
    alert.on_batch(silence(begin_us=0, end_us=100))
    (covered,) = alert.on_batch(Detections(detections=[detection(10)]))
    (after,) = alert.on_time(100)
    assert items(7, covered) == []
    assert [item.transition.change for item in items(8, after)] == ["unsilenced"]


def test_a_silence_that_is_deleted_ends_at_once_and_one_of_two_covers_on():
    alert = Alert(BASE)
    alert.on_batch(silence())
    alert.on_batch(silence(2, name="s2", rule="sea_level"))
    alert.on_batch(Detections(detections=[detection(10)]))
    assert told(alert.on_batch(changed(change(3, "silence", "s1", None, "delete", at_us=11)))) == []
    steps = told(alert.on_batch(changed(change(4, "silence", "s2", None, "delete", at_us=12))))
    assert short(steps) == [(1, 2, "unsilenced", 12, "")]


@st.composite
def lives(draw):
    """Give a life of alerts and silences: each with its time, in order."""
    made, at_us = [], 0
    for version in range(1, draw(st.integers(2, 12))):
        at_us += draw(st.integers(1, 30))
        kind = draw(st.sampled_from(["begin", "end", "silence", "delete", "time"]))
        onset_us = draw(st.integers(1, 2))
        if kind in ("begin", "end"):
            made.append((at_us, Detections(detections=[detection(at_us, kind, onset_us=onset_us)])))
        elif kind == "silence":
            begin_us = at_us + draw(st.integers(-20, 20))
            end_us = max(begin_us, 0) + draw(st.integers(1, 40))
            name = draw(st.sampled_from(["s1", "s2"]))
            made.append((at_us, silence(version, max(begin_us, 0), end_us, at_us, name)))
        elif kind == "delete":
            made.append((at_us, changed(change(version, "silence", "s1", None, "delete", at_us=at_us))))
        else:
            made.append((at_us, None))
    return made


@settings(max_examples=60, deadline=None)
@given(lives(), st.data())
def test_silences_do_not_depend_on_how_time_is_cut_nor_on_restarts(life, data):
    fine, coarse = Alert(BASE), Alert(BASE)
    expected, found, before_us = [], [], 0
    for at_us, one in [*life, (500, None)]:
        for between_us in range(before_us + 1, at_us + 1):
            expected += told(fine.on_time(between_us))
        before_us = at_us
        if one is None:
            found += told(coarse.on_time(at_us))
        else:
            expected += told(fine.on_batch(one))
            found += told(coarse.on_batch(one))
        if data.draw(st.booleans()):
            state, coarse = list(coarse.snapshot()), Alert(BASE)
            coarse.restore(state)
    assert short(found) == short(expected)
