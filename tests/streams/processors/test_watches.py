"""Detectors of several kinds over many series: inputs of the same site, late samples, changes, failures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sensors.detectors
from sensors.detectors import Finding, Subject, register_kind
from sensors.detectors.bank import Kind, OneSeries
from sensors.detectors.finding import Samples
from sensors.model import Datastream, ObservedProperty
from streams.definitions import DatastreamDefinition, Definition, RuleDefinition, ThingDefinition
from streams.objects import sensors_base
from streams.processors.control import Control
from streams.processors.detect import Detect
from streams.records import (
    Change,
    Changes,
    ChangeVerb,
    Command,
    CommandOutcomes,
    Commands,
    Detection,
    Detections,
    FlaggedSamples,
    ObjectKind,
    Record,
)

S = 1_000_000
START = 1_700_000_000 * S
LATENESS_S = 10.0


class Above(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    limit: float = 1.0
    offset: str = ""


LIMITS = np.dtype([("limit", "f8")])
STATE = np.dtype([("since_us", "i8"), ("received_at_us", "i8"), ("n", "i8"), ("offset", "f8")])
BAD_KERNEL, BAD_WORDS, BAD_TIME = 666.0, 667.0, 668.0


def take(
    limits: Any, state: Any, slot: Any, role: Any, time_us: Any, value: Any, usable: Any,
    received_at_us: Any, begin: int, crossings: Any,
) -> tuple[int, int]:  # fmt: skip
    for i in range(begin, len(slot)):
        s = state[slot[i]]
        s["received_at_us"] = received_at_us[i]
        if value[i] == BAD_KERNEL:
            raise ZeroDivisionError("oh")
        if not usable[i]:
            continue
        if role[i] == 1:
            s["offset"] = value[i]
            continue
        s["n"] += 1
        over = value[i] - s["offset"] > limits[slot[i]]["limit"]
        if over == bool(s["since_us"]):
            continue
        onset_us = time_us[i] if over else s["since_us"]
        crossings[0] = (slot[i], i, 0 if over else 1, 0, onset_us, time_us[i], value[i], 0.0, 0.0)
        s["since_us"] = onset_us if over else 0
        return i + 1, 1
    return len(slot), 0


def tick(limits: Any, state: Any, live: Any, now_us: int, begin: int, crossings: Any) -> tuple[int, int]:
    for slot in range(begin, len(live)):
        s = state[slot]
        if live[slot] and s["offset"] == BAD_TIME:
            raise KeyError("no")
        if live[slot] and s["since_us"] and now_us - s["received_at_us"] > 100 * S:
            crossings[0] = (slot, -1, 1, 0, s["since_us"], now_us, 0.0, 0.0, 0.0)
            s["since_us"] = 0
            return slot + 1, 1
    return len(live), 0


def tell(parameters: Above, state: Any, crossing: Any, subject: Subject) -> Finding:
    if crossing["value"] == BAD_WORDS:
        raise ValueError("no words")
    return Finding(
        phase="end" if crossing["code"] else "begin",
        level="blue",
        onset_us=int(crossing["onset_us"]),
        at_us=int(crossing["at_us"]),
        title=f"{subject.name} over {parameters.limit}",
        value=float(crossing["value"]),
        threshold=parameters.limit,
        evidence={"samples": int(state["n"]), "offset": float(state["offset"])},
    )


def settle(parameters: Above, limits: Any) -> None:
    limits["limit"] = parameters.limit


def inputs(parameters: Above) -> tuple[str, ...]:
    return (parameters.offset,) if parameters.offset else ()


KINDS = {
    name: Kind(name, "1", Above, LIMITS, STATE, settle, take, tick, tell, inputs)
    for name in ("over", "above")
}


@pytest.fixture(autouse=True, scope="module")
def kinds() -> Iterator[None]:
    sensors.detectors.detector_names()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sensors.detectors, "_kinds", dict(sensors.detectors._kinds))
        for kind in KINDS.values():
            register_kind(kind)
        yield


def series(name: str, **detectors: dict[str, Any]) -> Datastream:
    site = name.partition(".")[0]
    return Datastream(
        id=name, thing_id=site, property_id="level", name=name, unit="m", detectors=dict(detectors)
    )


BASE = [
    series("a.x", over={"limit": 0.5, "offset": "a.z"}, above={"limit": 1.0}),
    series("a.y", above={"limit": 0.5, "offset": "a.x"}),
    series("a.z"),
    series("b.x", over={"limit": 0.2}),
]
NAMES = [one.id for one in BASE]
SAMPLES = st.lists(
    st.tuples(
        st.integers(0, 3), st.sampled_from([1, 1, 1, 2, 0, -3, -15, -30]), st.floats(-2, 2), st.booleans()
    ),
    max_size=40,
)  # fmt: skip


def batch(samples: Sequence[tuple[int, int, float]], begin: int = 0) -> FlaggedSamples:
    """Return samples: series, time in s and value; each is received a second after the one before."""
    n = len(samples)
    named, times, values = zip(*samples, strict=True) if samples else ((), (), ())
    return FlaggedSamples(
        datastream_ids=NAMES,
        series=np.array(named, np.int32),
        time_us=START + np.array(times, np.int64) * S,
        value=np.array(values, np.float64),
        received_at_us=START + (1000 + begin + np.arange(n)) * S,
        revision=np.zeros(n, np.int32),
        tests=["gross_range"],
        flags=np.ones((n, 1), np.uint8),
        flag=np.ones(n, np.uint8),
    )


def timed(drawn: Sequence[tuple[int, int, float, bool]]) -> list[tuple[int, int, float]]:
    """Let the time go on by steps; some are late."""
    newest, made = 0, []
    for which, step, value, missing in drawn:
        made.append((which, newest + step, float("nan") if missing and value > 1.5 else value))
        newest = max(newest, newest + step)
    return made


def told(outputs: Sequence[Record]) -> list[Detection]:
    return [one for output in outputs if isinstance(output, Detections) for one in output.detections]


def fresh() -> Detect:
    return Detect(BASE, [], LATENESS_S)


def reference(samples: Sequence[tuple[int, int, float]]) -> list[tuple[Any, ...]]:
    """Do the same with one detector object a series, sample by sample."""
    one_by_one: dict[tuple[str, str, bool], OneSeries[Above]] = {}
    newest: dict[tuple[str, bool], int] = {}
    found = []
    whole = batch(samples)
    for i, (which, time_s, _) in enumerate(samples):
        name = NAMES[which]
        historic = False
        if (name, False) in newest and time_s <= newest[name, False]:
            if time_s >= newest[name, False] - LATENESS_S or time_s <= newest.get((name, True), -(10**9)):
                continue
            historic = True
        newest[name, historic] = time_s
        columns = (whole.time_us, whole.value, np.isfinite(whole.value), whole.received_at_us)
        row = Samples(*(column[i : i + 1] for column in columns))
        for subject in sorted(BASE, key=lambda one: one.id):
            for kind, values in sorted(subject.detectors.items()):
                parameters = msgspec.convert(values, Above)
                key = (subject.id, kind, historic)
                if name not in (subject.id, parameters.offset):
                    continue
                if key not in one_by_one:
                    one_by_one[key] = OneSeries(KINDS[kind], parameters, Subject(subject.name, "m"))
                findings = one_by_one[key].on_samples(row, role=int(name != subject.id))
                found += [(*key, one.phase, one.onset_us, one.at_us, one.evidence) for one in findings]
    return found


def short(detections: Sequence[Detection]) -> list[tuple[Any, ...]]:
    return [
        (d.subject_id, d.detector, d.historic, d.phase, d.onset_us, d.at_us, d.evidence) for d in detections
    ]


@settings(max_examples=80, deadline=None)
@given(SAMPLES)
def test_banks_find_what_one_detector_a_series_finds(drawn: list[tuple[int, int, float, bool]]) -> None:
    samples = timed(drawn)
    assert short(told(fresh().on_batch(batch(samples)))) == reference(samples)


def change(
    version: int, kind: ObjectKind, identity: str, after: Definition | None, verb: ChangeVerb = "put"
) -> Changes:
    values = None if after is None else msgspec.to_builtins(after)
    one = Change(
        kind=kind, id=identity, version=version, verb=verb, before=None, after=values, by="Li", at_us=0,
        command_id=str(version),
    )  # fmt: skip
    return Changes(changes=[one])


def paused(name: str) -> DatastreamDefinition:
    base = next(one for one in BASE if one.id == name)
    return msgspec.structs.replace(DatastreamDefinition.of(base), paused=True)


STEPS: tuple[tuple[ObjectKind, str, Definition | None, ChangeVerb], ...] = (
    ("rule", "a.x/over", RuleDefinition(parameters={"limit": -0.5, "offset": "a.z"}), "put"),
    ("rule", "a.x/over", RuleDefinition(parameters={"limit": 0.5, "offset": "a.y"}), "put"),
    ("rule", "a.x/over", RuleDefinition(parameters={"limit": 0.5}), "put"),
    ("rule", "a.x/above", RuleDefinition(off=True), "put"),
    ("rule", "b.x/above", RuleDefinition(parameters={}), "put"),
    ("rule", "b.x/over", RuleDefinition(off=True), "put"),
    ("rule", "a.y/above", None, "delete"),
    ("datastream", "a.z", paused("a.z"), "put"),
    ("datastream", "a.z", None, "revert"),
    ("datastream", "a.x", paused("a.x"), "put"),
    ("datastream", "a.x", None, "revert"),
    ("datastream", "b.x", None, "delete"),
    ("datastream", "b.x", None, "revert"),
)


def step(version: int, number: int) -> Changes:
    kind, name, after, verb = STEPS[number]
    if verb == "revert":
        after = DatastreamDefinition.of(next(one for one in BASE if one.id == name))
    return change(version, kind, name, after, verb)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(SAMPLES, st.integers(0, len(STEPS) - 1)), min_size=1, max_size=5), st.data())
def test_neither_cuts_nor_restarts_matter_whatever_is_changed_between(
    life: list[tuple[list[tuple[int, int, float, bool]], int]], data: st.DataObject
) -> None:
    whole, cut = fresh(), fresh()
    at = 0
    for version, (drawn, number) in enumerate(life, start=1):
        samples = [(which, at + time_s, value) for which, time_s, value in timed(drawn)]
        expected = told(whole.on_batch(batch(samples, at)))
        found, begin = [], 0
        while begin < len(samples):
            end = data.draw(st.integers(begin + 1, len(samples)))
            found += told(cut.on_batch(batch(samples[begin:end], at + begin)))
            begin = end
            if data.draw(st.booleans()):
                state, cut = list(cut.snapshot()), fresh()
                cut.restore(state)
        assert found == expected
        one = step(version, number)
        assert told(cut.on_batch(one)) == told(whole.on_batch(one))
        if data.draw(st.booleans()):
            assert told(cut.on_batch(one)) == []
            state, cut = list(cut.snapshot()), fresh()
            cut.restore(state)
        at += 50
        later = START + (1000 + at + data.draw(st.integers(0, 200))) * S
        assert told(cut.on_time(later)) == told(whole.on_time(later))
    assert not whole.failures
    assert not cut.failures


def test_what_another_input_told_outlasts_a_restart() -> None:
    whole, cut = fresh(), fresh()
    for one in (whole, cut):
        one.on_batch(step(1, 1))
        one.on_batch(batch([(1, 1, 1.0)]))
        one.on_batch(step(2, 0))
    state, cut = list(cut.snapshot()), fresh()
    cut.restore(state)
    assert told(cut.on_batch(batch([(0, 2, 0.0)], 1))) == told(whole.on_batch(batch([(0, 2, 0.0)], 1))) == []


# --- what feeds a detector --------------------------------------------------------------------------------


def test_an_input_counts_and_one_that_is_paused_does_not() -> None:
    detect = fresh()
    detect.on_batch(batch([(2, 1, 1.0)]))
    assert told(detect.on_batch(batch([(0, 2, 0.9)]))) == [], "0.9 is 0.1 less the offset of 1.0 and 0.5"
    detect.on_batch(change(1, "datastream", "a.z", paused("a.z")))
    detect.on_batch(batch([(2, 3, -9.0)]))
    assert told(detect.on_batch(batch([(0, 4, 0.9)]))) == []
    detect.on_batch(step(2, 8))
    detect.on_batch(batch([(2, 5, -9.0)]))
    (begin,) = [one for one in told(detect.on_batch(batch([(0, 6, 0.9)]))) if one.detector == "over"]
    assert begin.evidence["offset"] == -9.0


@pytest.mark.parametrize(
    ("offset", "words"),
    [
        ("b.x", "'b.x' is no datastream of thing a; name another datastream of a"),
        ("a.none", "'a.none' is no datastream of thing a"),
        ("a.q", "'a.q' is its own series"),
    ],
)
def test_an_input_of_another_site_is_refused(offset: str, words: str) -> None:
    wrong = series("a.q", over={"offset": offset})
    with pytest.raises(ValueError, match=words):
        Detect([*BASE, wrong], [])
    control = controlled([*BASE, series("a.q")])
    answer = asked(control, "put", "rule/a.q/over", parameters={"offset": offset})
    assert not answer.ok
    assert words.partition(";")[0] in answer.message
    detectors = {"over": {"offset": offset}}
    answer = asked(control, "patch", "datastream/a.q", detectors=detectors)
    assert not answer.ok
    assert asked(control, "put", "rule/a.q/over", parameters={"offset": "a.z"}).ok


def controlled(datastreams: Sequence[Datastream]) -> Control:
    level = ObservedProperty(
        id="level", name="L", domain="coast", unit="m", span=(-9, 9), sampling_period_s=1
    )
    base: dict[Any, Any] = dict(sensors_base(datastreams))
    for thing in ("a", "b"):
        base["thing", thing] = ThingDefinition(name=thing, longitude=0.0, latitude=0.0)
    return Control(base, [level])


def asked(control: Control, kind: str, target: str, **arguments: Any) -> Any:
    command = Command(id=f"{kind}{target}", kind=kind, target=target, by="Li", at_us=1, arguments=arguments)
    outputs = control.on_batch(Commands(commands=[command]))
    return next(o.outcomes[0] for o in outputs if isinstance(o, CommandOutcomes))


def test_what_feeds_a_detector_is_not_deleted() -> None:
    control = controlled(BASE)
    answer = asked(control, "delete", "datastream/a.z")
    assert not answer.ok
    assert "detector over of a.x needs it; change that detector first" in answer.message
    assert asked(control, "put", "rule/a.x/over", off=True).ok
    assert asked(control, "delete", "datastream/a.z").ok


def test_a_new_datastream_is_named_so_that_it_comes_to_the_partition_of_its_site() -> None:
    control = controlled(BASE)
    answer = asked(control, "put", "datastream/a.new.raw", thing="a", property="level")
    assert not answer.ok
    assert "has no other behind: a.level" in answer.message
    assert asked(control, "put", "datastream/a.new", thing="a", property="level").ok


# --- failures ---------------------------------------------------------------------------------------------


def test_words_that_cannot_be_said_let_one_series_begin_anew() -> None:
    detect = fresh()
    found = told(detect.on_batch(batch([(3, 1, BAD_WORDS), (1, 1, 3.0), (3, 2, 0.5), (3, 3, 0.1)])))
    assert [(d.subject_id, d.phase) for d in found] == [("a.y", "begin"), ("b.x", "begin"), ("b.x", "end")]
    assert found[1].evidence["samples"] == 1, "it begins anew"
    assert detect.failures == {"b.x over": 1}
    assert "no words" in detect.last_failure


def test_a_kernel_that_fails_on_one_series_harms_the_others_of_its_kind_once_at_most() -> None:
    detect = fresh()
    detect.on_batch(batch([(0, 1, BAD_KERNEL), (3, 1, 1.0)]))
    found = told(detect.on_batch(batch([(0, 2, BAD_KERNEL), (3, 2, 1.0), (3, 3, 0.1), (0, 3, 3.0)])))
    assert [(d.subject_id, d.phase) for d in found] == [("b.x", "begin"), ("b.x", "end")]
    assert detect.failures["b.x over"] == 1
    assert detect.failures["a.x over"] == 2
    assert detect.failures["a.y above"] == 2, "a.x is an input of it"


def test_a_kernel_that_fails_in_time_names_the_series() -> None:
    detect = fresh()
    detect.on_batch(batch([(2, 1, BAD_TIME), (3, 1, 1.0)]))
    (end,) = told(detect.on_time(START + 5000 * S))
    assert (end.subject_id, end.phase) == ("b.x", "end")
    assert detect.failures == {"a.x over": 1}
    assert told(detect.on_time(START + 6000 * S)) == []
    assert detect.failures == {"a.x over": 1}
