"""The registry of a configuration, and the processors that are made from it."""

import pytest

from deploy.demo_world import Plan, sensors, things
from deploy.partitioning import pipeline
from deploy.refusal import Refusal
from deploy.registry import Registry, catalogue
from deploy.settings import DatastreamSettings, NetworkSettings, Settings, StationSettings, ThingSettings
from streams.kafka.tasks import CORRELATE, SENSE
from streams.network_definition import NetworkDefinition


def settings(**datastream):
    stream = DatastreamSettings(**{"property": "water_level", **datastream})
    return Settings(thing=[ThingSettings(id="harbour", longitude=121.9, latitude=30.8, datastream=[stream])])


def test_units_come_from_the_catalogue_unless_they_are_given():
    units = {p.id: p.unit for p in catalogue()}
    assert Registry.of(settings()).datastreams[0].unit == units["water_level"]
    assert Registry.of(settings(unit="cm")).datastreams[0].unit == "cm"


def test_a_station_is_known_by_its_id_when_it_has_no_name():
    registry = Registry.of(
        Settings(station=[StationSettings(id="A", source="tcp://h:1", longitude=1, latitude=2)])
    )
    (station,) = registry.stations
    assert (station.name, station.longitude, station.latitude) == ("A", 1, 2)


def test_the_catalogue_names_each_property_once():
    ids = [p.id for p in catalogue()]
    assert len(ids) == len(set(ids)) > 4
    assert {"water_level", "rain", "displacement", "tilt", "ground_temperature"} <= set(ids)


def test_a_property_that_the_catalogue_does_not_have():
    with pytest.raises(Refusal, match=r"no property 'water_levl'.* it has .*water_level"):
        Registry.of(settings(property="water_levl"))


@pytest.mark.parametrize(
    ("datastream", "words"),
    [
        ({"detectors": {"see_level": {}}}, "no detector 'see_level'; choose one of .*sea_level"),
        ({"detectors": {"sea_level": {"colour": 1}}}, "colour.*correct that parameter"),
        ({"detectors": {"sea_level": {"min_duration_s": -4.0}}}, "sea_level.*correct that parameter"),
        ({"detectors": {"sea_level": {"min_duration_s": "long"}}}, "sea_level.*correct that parameter"),
        ({"tests": {"spyke": {"suspect": 1.0}}}, "datastream harbour.water_level.*correct that parameter"),
        ({"tests": {"spike": {"suspect": -1.0}}}, "datastream harbour.water_level.*correct that parameter"),
        ({"tests": {"spike": {"suspect": "x"}}}, "datastream harbour.water_level.*correct that parameter"),
    ],
)
def test_parameters_that_make_no_sense(datastream, words):
    with pytest.raises(Refusal, match=words):
        pipeline(Registry.of(settings(**datastream)))


def with_network(**network):
    made = settings()
    other = ThingSettings(
        id="cape", longitude=122.0, latitude=30.8, datastream=[DatastreamSettings(property="water_level")]
    )
    one = {"id": "coast", "kind": "confirmation", "members": ["harbour.water_level", "cape.water_level"]}
    return Settings(thing=[*made.thing, other], network=[NetworkSettings(**{**one, **network})])


def test_a_network_is_part_of_the_registry_and_its_processors_are_in_both_modes():
    registry = Registry.of(with_network())
    known = registry.base["network", "coast"]
    assert isinstance(known, NetworkDefinition)
    assert known.members == ["harbour.water_level", "cape.water_level"]
    together = [one.name for one in pipeline(registry).processors]
    assert together.index("tell") < together.index("correlate") < together.index("fuse")
    divided = [[one.name for one in pipeline(registry, [group]).processors] for group in (SENSE, CORRELATE)]
    assert divided[0][-2:] == ["tell", "fuse"]
    assert divided[1] == ["correlate"]


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ({"kind": "weather"}, "network coast: there is no kind of network 'weather'"),
        ({"members": ["harbour.water_level", "harbour.tide"]}, "its member 'harbour.tide' is no datastream"),
        ({"members": ["harbour.water_level"] * 2}, "named twice"),
        ({"parameters": {"leest": 2}}, "leest.*correct that parameter"),
        ({"id": "north coast"}, "network id"),
    ],
)
def test_networks_that_make_no_sense(network, words):
    with pytest.raises(Refusal, match=words):
        Registry.of(with_network(**network))


def test_what_the_demonstration_sends_is_what_its_registry_knows():
    registry = Registry.of(Settings(thing=things(4.0)))
    assert sorted(d.id for d in registry.datastreams) == sorted(s.datastream_id for s in sensors(0, Plan()))
    assert "detect" in {one.name for one in pipeline(registry).processors}
