"""The eight entity types of OGC 18-088 (SensorThings 1.1): their properties, links and ids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from storage.sta_indicators import NUMBERS
from storage.sta_query import (
    SITE,
    STATION,
    STATION_PREFIX,
    Call,
    Column,
    Constant,
    EntityName,
    Expression,
    ValueType,
    equals,
    same,
)


class Navigation(NamedTuple):
    """Where a link leads, and whether to many."""

    to: EntityName
    is_many: bool


@dataclass(frozen=True, slots=True)
class EntityType:
    """One entity type as people see it."""

    properties: tuple[str, ...]
    """As they are sent."""
    columns: dict[str, tuple[str, ValueType]]
    """What filters and orders may name, and the columns that it is."""
    links: dict[str, Navigation]


_TEXTS: dict[str, tuple[str, ValueType]] = {name: (name, "text") for name in ("id", "name", "description")}
_JSON: tuple[str, ValueType] = ("properties", "json")

ENTITIES: dict[EntityName, EntityType] = {
    "Things": EntityType(
        ("name", "description", "properties"),
        {**_TEXTS, "properties": _JSON},
        {
            "Datastreams": Navigation("Datastreams", True),
            "Locations": Navigation("Locations", True),
            "HistoricalLocations": Navigation("HistoricalLocations", True),
        },
    ),
    "Locations": EntityType(
        ("name", "description", "encodingType", "location", "properties"),
        {**_TEXTS, "location": ("location", "geometry")},
        {
            "Things": Navigation("Things", True),
            "HistoricalLocations": Navigation("HistoricalLocations", True),
        },
    ),
    "HistoricalLocations": EntityType(
        ("time",),
        {"id": ("id", "text"), "time": ("at_us", "time")},
        {"Thing": Navigation("Things", False), "Locations": Navigation("Locations", True)},
    ),
    "Datastreams": EntityType(
        ("name", "description", "observationType", "unitOfMeasurement", "properties"),
        {
            **_TEXTS,
            "unitOfMeasurement/name": ("unit", "text"),
            "unitOfMeasurement/symbol": ("unit", "text"),
            "properties": _JSON,
        },
        {
            "Thing": Navigation("Things", False),
            "Sensor": Navigation("Sensors", False),
            "ObservedProperty": Navigation("ObservedProperties", False),
            "Observations": Navigation("Observations", True),
        },
    ),
    "Sensors": EntityType(
        ("name", "description", "encodingType", "metadata", "properties"),
        {**_TEXTS, "metadata": ("metadata", "text"), "properties": _JSON},
        {"Datastreams": Navigation("Datastreams", True)},
    ),
    "ObservedProperties": EntityType(
        ("name", "definition", "description", "properties"),
        {**_TEXTS, "definition": ("definition", "text"), "properties": _JSON},
        {"Datastreams": Navigation("Datastreams", True)},
    ),
    "Observations": EntityType(
        ("phenomenonTime", "resultTime", "result", "resultQuality", "parameters"),
        {
            "id": ("id", "text"),
            "phenomenonTime": ("time_us", "time"),
            "resultTime": ("received_at_us", "time"),
            "result": ("result", "number"),
            "resultQuality/qartod": ("flag", "number"),
            "parameters/revision": ("revision", "number"),
        },
        {
            "Datastream": Navigation("Datastreams", False),
            "FeatureOfInterest": Navigation("FeaturesOfInterest", False),
        },
    ),
    "FeaturesOfInterest": EntityType(
        ("name", "description", "encodingType", "feature", "properties"),
        {**_TEXTS, "feature": ("location", "geometry")},
        {"Observations": Navigation("Observations", True)},
    ),
}

NEVER = Constant(False, "boolean")
"""The condition that nothing meets."""
_LAST_US = 2**62


def by_id(entity: EntityName, identity: str, links: tuple[str, ...] = ()) -> Expression:
    """Return the condition that an entity has an id; `NEVER` where none can have it.

    Ids are those of things, stations, datastreams and properties. What is a station's begins with `station~`;
    an observation's is that of its datastream and its time in microseconds, a historical location's that of
    its thing and the version of the change.
    """
    if entity == "Observations":
        series, _, time = identity.rpartition("~")
        if not series or not is_number(time):
            return NEVER
        at = equals("time_us", "integer", int(time), links)
        return same(by_id("Datastreams", series, (*links, "Datastream")), at)
    kind, key = thing_of(identity)
    of_kind = equals("kind", "integer", kind, links)
    if entity == "HistoricalLocations":
        key, _, version = key.rpartition("~")
        if not key or not is_number(version):
            return NEVER
        at = equals("version", "integer", int(version), links)
        return same(of_kind, at, equals("key", "text", key, links))
    if entity == "Datastreams" and kind == SITE:
        return same(of_kind, equals("id", "text", identity, links))
    if entity == "Datastreams":
        key, _, indicator = key.rpartition("~")
        if indicator not in NUMBERS:
            return NEVER
        of_indicator = equals("indicator", "integer", NUMBERS[indicator], links)
        return same(of_kind, of_indicator, equals("thing_key", "text", key, links))
    return same(of_kind, equals("key", "text", key, links))


def thing_of(identity: str) -> tuple[int, str]:
    """Return the kind of a thing and its key, from an id."""
    if identity.startswith(STATION_PREFIX):
        return STATION, identity.removeprefix(STATION_PREFIX)
    return SITE, identity


def is_number(text: str) -> bool:
    """Return whether a text is a number that the database can hold."""
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) < 19 and abs(int(text)) < _LAST_US


def with_id(expression: Expression, entity_of: dict[tuple[str, ...], EntityName]) -> Expression:
    """Return a comparison of an id with a value as the one that is quick; others as they are."""
    if isinstance(expression, Call) and expression.name in {"eq", "ne"}:
        left, right = expression.args
        if isinstance(left, Constant):
            left, right = right, left
        if isinstance(left, Column) and left.name == "id" and isinstance(right, Constant):
            found = by_id(entity_of[left.links], str(right.value), left.links)
            return found if expression.name == "eq" else Call("not", (found,), "boolean")
    return expression
