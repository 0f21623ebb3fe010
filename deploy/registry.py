"""What a configuration defines, checked against the catalogue and the detectors."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

import msgspec

from deploy.refusal import Refusal
from deploy.settings import NetworkSettings, Settings
from sensors.catalogue import parse_catalogue
from sensors.model import Datastream, ObservedProperty, Station, Thing
from streams.definition import Definition
from streams.definitions import (
    PRIVACY_ID,
    AccountDefinition,
    DatastreamDefinition,
    StationDefinition,
    ThingDefinition,
    check_id,
)
from streams.network_definition import NetworkDefinition
from streams.objects import Base, Key, catalogue_base


@dataclass(frozen=True, slots=True)
class Registry:
    """Stations, things, properties and datastreams of this process."""

    stations: list[Station]
    things: list[Thing]
    properties: list[ObservedProperty]
    datastreams: list[Datastream]
    base: Base
    """All of it, and the caster's accounts, as commands change them."""

    @classmethod
    def of(cls, settings: Settings) -> Registry:
        """Return the registry of a configuration.

        Raises
        ------
        Refusal
            A property that the catalogue does not have.
        """
        properties = catalogue()
        units = {p.id: p.unit for p in properties}
        datastreams = []
        for thing in settings.thing:
            for stream in thing.datastreams():
                if stream.property_id not in units:
                    raise Refusal(
                        f"datastream {stream.id}: the catalogue has no property {stream.property_id!r}; "
                        f"it has {', '.join(sorted(units))}"
                    )
                unit = stream.unit or units[stream.property_id]
                datastreams.append(msgspec.structs.replace(stream, unit=unit))
        return cls(
            [s.station(s.id) for s in settings.station],
            [t.thing(t.id) for t in settings.thing],
            properties,
            datastreams,
            catalogue_base(properties) | _base(settings, datastreams),
        )


def _base(settings: Settings, datastreams: list[Datastream]) -> dict[Key, Definition]:
    base: dict[Key, Definition] = {}
    for station in settings.station:
        base["station", station.id] = _plain(StationDefinition, station)
    for thing in settings.thing:
        base["thing", thing.id] = _plain(ThingDefinition, thing)
    for datastream in datastreams:
        base["datastream", datastream.id] = DatastreamDefinition.of(datastream)
    for name, password in settings.caster.users.items():
        base["account", name] = AccountDefinition(password=password)
    for network in settings.network:
        base["network", network.id] = _network(network, datastreams)
    base["privacy", PRIVACY_ID] = settings.caster.privacy
    return base


def _network(settings: NetworkSettings, datastreams: list[Datastream]) -> Definition:
    """Return a network that makes sense.

    Raises
    ------
    Refusal
        It does not.
    """
    known = {one.id for one in datastreams}
    try:
        check_id("network", settings.id)
        settings.check()
        for member in settings.members:
            if member not in known:
                raise ValueError(f"its member {member!r} is no datastream; name one of those there are")
    except ValueError as error:
        raise Refusal(f"network {settings.id}: {error}") from error
    return _plain(NetworkDefinition, settings)


def _plain(kind: type[Definition], section: Definition) -> Definition:
    """Return a section of the file without what only the file has."""
    return kind(**{name: getattr(section, name) for name in kind.__struct_fields__})


def catalogue() -> list[ObservedProperty]:
    """Read the catalogue that comes with the program."""
    found: list[ObservedProperty] = []
    for entry in sorted(resources.files("sensors.catalogue").iterdir(), key=lambda e: e.name):
        if entry.name.endswith(".toml"):
            found.extend(parse_catalogue(entry.read_text(encoding="utf-8")))
    return found
