"""Which series can raise an alert, whatever is changed."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from sensors.detectors import Subject, inputs_of, read_parameters
from sensors.model import Datastream
from streams.alerting_series import AlertingSeries
from streams.definitions import DatastreamDefinition, Definition, RuleDefinition
from streams.objects import Objects, sensors_base, watched
from streams.records import Change, Changes, ChangeVerb, ObjectKind

NAMES = ["a.air", "a.rain", "a.level", "a.depth"]
WET = {"rain": "a.rain"}
HIGH = {"yellow_m": 3.0}


def series(name: str, **detectors: dict[str, Any]) -> Datastream:
    return Datastream(id=name, thing_id="a", property_id="x", name=name, unit="m", detectors=dict(detectors))


BASE = [
    series("a.air", freeze_thaw=WET),
    series("a.rain"),
    series("a.level", high_water=HIGH),
    series("a.depth"),
]


def change(
    version: int, kind: ObjectKind, identity: str, after: Definition | None, verb: ChangeVerb = "put"
) -> Changes:
    values = None if after is None else msgspec.to_builtins(after)
    one = Change(
        kind=kind, id=identity, version=version, verb=verb, before=None, after=values, by="Li", at_us=0,
        command_id=str(version),
    )  # fmt: skip
    return Changes(changes=[one])


def alerting(one: AlertingSeries) -> list[str]:
    return [name for name in NAMES if one.has_any_of([name])]


def test_a_detector_s_inputs_can_raise_an_alert_as_its_own_series() -> None:
    one = AlertingSeries(BASE)
    assert alerting(one) == ["a.air", "a.rain", "a.level"]
    assert one.has_any_of(["b.x", "a.depth", "a.rain"])
    assert not one.has_any_of(["b.x", "a.depth"])
    assert not one.has_any_of([])


def test_it_follows_rules_and_changes_of_series() -> None:
    one = AlertingSeries(BASE)
    one.take(change(1, "rule", "a.air/freeze_thaw", RuleDefinition(off=True)))
    assert alerting(one) == ["a.level"]
    one.take(change(2, "rule", "a.depth/high_water", RuleDefinition(parameters=HIGH)))
    assert alerting(one) == ["a.level", "a.depth"]
    paused = msgspec.structs.replace(DatastreamDefinition.of(BASE[2]), paused=True)
    one.take(change(3, "datastream", "a.level", paused))
    assert alerting(one) == ["a.depth"]
    one.take(change(4, "datastream", "a.level", None, "revert"))
    one.take(change(5, "datastream", "a.depth", None, "delete"))
    assert alerting(one) == ["a.level"]


def test_a_detector_that_a_newer_program_knows_counts_for_its_own_series() -> None:
    assert alerting(AlertingSeries([series("a.depth", of_tomorrow={})])) == ["a.depth"]


RULES = ("a.air/freeze_thaw", "a.level/high_water", "a.depth/high_water", "a.depth/freeze_thaw")
PARAMETERS = {"freeze_thaw": (WET, {"snow_depth": "a.depth"}), "high_water": (HIGH,)}


@st.composite
def changed(draw: st.DrawFn, version: int) -> Changes:
    if draw(st.booleans()):
        rule = draw(st.sampled_from(RULES))
        parameters = draw(st.sampled_from(PARAMETERS[rule.partition("/")[2]]))
        verb = draw(st.sampled_from(["put", "delete"]))
        after = RuleDefinition(off=draw(st.booleans()), parameters=parameters) if verb == "put" else None
        return change(version, "rule", rule, after, verb)  # type: ignore[arg-type]
    base = draw(st.sampled_from(BASE))
    after_that = msgspec.structs.replace(DatastreamDefinition.of(base), paused=draw(st.booleans()))
    verb = draw(st.sampled_from(["put", "delete", "revert"]))
    return change(version, "datastream", base.id, after_that if verb == "put" else None, verb)  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_step_by_step_it_is_what_it_would_be_made_anew(data: st.DataObject) -> None:
    one, objects = AlertingSeries(BASE), Objects(sensors_base(BASE), ("datastream", "rule"))
    for version in range(1, data.draw(st.integers(1, 8)) + 1):
        some = data.draw(changed(version))
        one.take(some)
        objects.take(some)
        expected = set()
        for name in NAMES:
            if (found := watched(objects, name)) is not None:
                for detector, parameters in found.detectors.items():
                    read = read_parameters(detector, parameters, Subject(name, "m"))
                    expected |= {name, *inputs_of(detector, read)}
        assert alerting(one) == [name for name in NAMES if name in expected]
        assert len(one) == len(expected)
