"""Kinds of quantities and sensors that are added while the program runs."""

import msgspec
import pytest

from streams.catalogue import PropertyDefinition
from streams.definitions import DatastreamDefinition, definition, values_of
from streams.objects import Objects, catalogue_base, observed_property
from streams.processors.control import Control
from streams.processors.no_data import NoData
from streams.processors.presence import Presence
from streams.processors.quality_control import QualityControl
from streams.records import Change, Changes
from tests.streams.processors.test_control import BASE, CATALOGUE, ask, command, control
from tests.streams.processors.test_quality_control import batch, rows_of

SNOW = {
    "name": "Snow depth",
    "definition": "https://example.org/snow",
    "unit": "cm",
    "span": [0, 600],
    "user_span": [0, 400],
    "sampling_period_s": 600,
    "tests": {"spike": {"suspect": 10, "fail": 30}},
}
SERIES = {"thing": "gauge", "property": "snow_depth"}
SENSOR = {"name": "Radar", "metadata": "model 5", "properties": {"serial": "17"}}


def refused(processor, verb, target, values=None, *, at_us):
    (), (outcome,) = ask(processor, command(verb, target, values, name=f"r{at_us}", at_us=at_us))
    return outcome.message


def test_each_entry_of_the_catalogue_is_a_definition_and_back():
    for key, made in catalogue_base(CATALOGUE).items():
        read = definition("property", values_of(made))
        assert read == made
        assert read.observed(key[1]) in CATALOGUE


def test_a_property_is_there_before_its_series_and_as_long_as_it_has_one():
    processor = control()
    assert "no property 'snow_depth'" in refused(processor, "put", "datastream/gauge.snow", SERIES, at_us=1)
    (added, series), outcomes = ask(
        processor,
        command("put", "property/snow_depth", SNOW, "c2", 2),
        command("put", "datastream/gauge.snow", SERIES, "c3", 3),
    )
    assert all(one.ok for one in outcomes)
    assert (added.kind, added.before, added.after["unit"]) == ("property", None, "cm")
    assert series.after["unit"] == "cm"
    assert "datastream gauge.snow has it" in refused(processor, "delete", "property/snow_depth", at_us=4)
    changes, _ = ask(
        processor,
        command("delete", "datastream/gauge.snow", name="c5", at_us=5),
        command("delete", "property/snow_depth", name="c6", at_us=6),
    )
    assert [one.after for one in changes] == [None, None]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({**SNOW, "span": [5, 5]}, "a lower and a higher number"),
        ({**SNOW, "tests": {"spikes": {}}}, "no test 'spikes'"),
        ({**SNOW, "sampling_period_s": 0}, "sampling_period_s"),
        ({**SNOW, "name": ""}, "name"),
        ({**SNOW, "colour": "white"}, "colour"),
    ],
)
def test_a_property_that_makes_no_sense_is_refused(values, says):
    assert says in refused(control(), "put", "property/snow_depth", values, at_us=1)
    assert "does not serve" in refused(control(), "put", "property/snow.depth", SNOW, at_us=1)


def test_what_comes_with_the_program_can_be_changed_and_reverted_and_stays():
    processor = control()
    (change,), _ = ask(processor, command("patch", "property/water_level", {"span": [-12, 22]}, at_us=1))
    assert (change.before["span"], change.after["span"]) == ([-15.0, 25.0], [-12.0, 22.0])
    assert "comes with the program" in refused(processor, "delete", "property/water_level", at_us=2)
    tests = {"gross_range": {"user_span": [-11, 1]}}
    ask(processor, command("patch", "datastream/gauge.level", {"tests": tests}, "c3", 3))
    says = refused(processor, "patch", "property/water_level", {"span": [-10, 22]}, at_us=4)
    assert "datastream gauge.level" in says  # what is credible there would lie outside
    (change,), _ = ask(processor, command("revert", "property/water_level", name="c5", at_us=5))
    assert change.after["span"] == [-15.0, 25.0]


def test_what_is_reverted_has_to_fit_what_it_comes_back_to():
    own = DatastreamDefinition(
        thing="gauge", property="water_level", tests={"gross_range": {"user_span": [-9, 9]}}
    )
    processor = Control(BASE | {("datastream", "gauge.own"): own}, CATALOGUE)
    changes, _ = ask(
        processor,
        command("patch", "datastream/gauge.own", {"tests": {}}, "c1", 1),
        command("patch", "property/water_level", {"span": [-2, 2], "user_span": [-1, 1]}, "c2", 2),
    )
    assert len(changes) == 2
    assert "gross_range" in refused(processor, "revert", "datastream/gauge.own", at_us=3)
    changes, _ = ask(
        processor,
        command("revert", "property/water_level", name="c4", at_us=4),
        command("revert", "datastream/gauge.own", name="c5", at_us=5),
    )
    assert len(changes) == 2


def test_a_sensor_may_have_several_series_and_stays_as_long_as_it_has_one():
    processor = control()
    link = {"sensor_id": "radar"}
    assert "no sensor 'radar'" in refused(processor, "patch", "datastream/gauge.level", link, at_us=1)
    changes, _ = ask(
        processor,
        command("put", "sensor/radar", SENSOR, "c2", 2),
        command("patch", "datastream/gauge.level", link, "c3", 3),
    )
    assert [one.after.get("sensor_id", "") for one in changes] == ["", "radar"]
    assert "datastream gauge.level has it" in refused(processor, "delete", "sensor/radar", at_us=4)
    assert "name" in refused(processor, "put", "sensor/nameless", {"metadata": "x"}, at_us=5)


def changed(*objects):
    """Return changes of objects, in order: kind, id, definition."""
    made = [
        Change(
            kind=kind, id=identity, version=number, verb="put", before=None, by="Li", at_us=number,
            after=None if after is None else values_of(definition(kind, after)), command_id=f"c{number}",
        )
        for number, (kind, identity, after) in enumerate(objects, 1)
    ]  # fmt: skip
    return Changes(changes=made)


def flags(outputs):
    return [row[-1] for row in rows_of(outputs)]


BOUNDED = {**SNOW, "tests": {}}
ADDED = (("property", "snow_depth", BOUNDED), ("datastream", "gauge.snow", {**SERIES, "unit": "cm"}))


def test_samples_are_judged_as_their_property_has_it_from_its_place_in_the_line_on():
    def judged(value, minute):
        (row,) = rows_of(processor.on_batch(batch([("gauge.snow", minute, value)])))
        return row[-1]

    processor = QualityControl(CATALOGUE, [])
    assert judged(500.0, 0) == 2  # nobody knows it
    processor.on_batch(changed(*ADDED))
    assert judged(500.0, 1) == 3
    assert judged(700.0, 2) == 4
    wider = {**BOUNDED, "span": [0, 800], "user_span": [0, 750]}
    change = changed(*ADDED, ("property", "snow_depth", wider))
    restored = QualityControl(CATALOGUE, [])
    restored.restore(processor.snapshot())
    for one in (processor, restored):
        one.on_batch(change)
    assert judged(700.0, 3) == 1
    processor = restored
    assert judged(700.0, 3) == 1


def test_a_series_waits_for_its_property_where_clocks_brought_it_first():
    processor = QualityControl(CATALOGUE, [])
    processor.on_batch(changed(*reversed(ADDED)))
    assert flags(processor.on_batch(batch([("gauge.snow", 0, 700.0)]))) == [4]
    alone = QualityControl(CATALOGUE, [])
    alone.on_batch(changed(ADDED[1]))
    assert flags(alone.on_batch(batch([("gauge.snow", 0, 700.0)]))) == [2]


def test_how_long_a_series_may_be_silent_follows_its_property():
    promise = {"grace_s": 60.0}
    series = ("datastream", "gauge.snow", {**SERIES, "unit": "cm", "promise": promise})
    presence, no_data = Presence(CATALOGUE, []), NoData(CATALOGUE, [])
    for number, period_s in ((1, 600.0), (2, 60.0)):
        changes = changed(("property", "snow_depth", {**SNOW, "sampling_period_s": period_s}), series)
        newer = [msgspec.structs.replace(one, version=10 * number + one.version) for one in changes.changes]
        for one in (presence, no_data):
            one.on_batch(Changes(changes=newer))
        assert presence._within_us.tolist() == [round((period_s + 60.0) * 1e6)]


def test_what_nobody_says_of_a_property_is_wide_open():
    objects = Objects({("property", "mood"): PropertyDefinition(name="Mood")}, ("property",))
    observed = observed_property(objects, "mood")
    assert (observed.unit, observed.domain) == ("1", "other")
    processor = QualityControl([observed], [])
    processor.on_batch(changed(("datastream", "t.mood", {"thing": "t", "property": "mood"})))
    assert flags(processor.on_batch(batch([("t.mood", 0, -1e9), ("t.mood", 1, 1e9)]))) == [1, 1]
