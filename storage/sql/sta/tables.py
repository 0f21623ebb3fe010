"""The eight entity types as tables: columns, and links as columns that are equal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from storage import sta_indicators
from storage.sta_query import EntityName, Source

Pairs = tuple[tuple[str, str], ...]
"""Columns here and there that are equal."""


@dataclass(frozen=True, slots=True)
class Link:
    """A way from one entity to others."""

    to: EntityName
    pairs: Pairs
    through: str = ""
    """A link that is gone first; the pairs begin where it leads."""


@dataclass(frozen=True, slots=True)
class Table:
    """One entity type."""

    relation: str
    """Name of the query that it is made of; of observations each source has its own."""
    columns: tuple[str, ...]
    links: Mapping[str, Link] = field(default_factory=dict)
    places_only: bool = False
    """Rows without a place are left out."""


_KEY: Pairs = (("kind", "kind"), ("key", "key"))
_THING: Pairs = (("kind", "kind"), ("key", "thing_key"))
_SERIES: Pairs = (("kind", "kind"), ("number", "number"), ("indicator", "indicator"))
_PLACE = ("kind", "key", "id", "name", "description", "longitude", "latitude", "height_m", "height_datum")


def _back(pairs: Pairs) -> Pairs:
    return tuple((there, here) for here, there in pairs)


TABLES: dict[EntityName, Table] = {
    "Things": Table(
        "sta_things",
        ("kind", "key", "id", "name", "description", "properties"),
        {
            "Datastreams": Link("Datastreams", _THING),
            "Locations": Link("Locations", _KEY),
            "HistoricalLocations": Link("HistoricalLocations", _KEY),
        },
    ),
    "Locations": Table(
        "sta_things",
        _PLACE,
        {
            "Things": Link("Things", _KEY),
            "HistoricalLocations": Link("HistoricalLocations", _KEY),
        },
        places_only=True,
    ),
    "HistoricalLocations": Table(
        "sta_histories",
        ("kind", "key", "id", "version", "at_us"),
        {
            "Thing": Link("Things", _KEY),
            "Locations": Link("Locations", _KEY),
        },
    ),
    "Datastreams": Table(
        "sta_datastreams",
        (
            "kind", "number", "indicator", "id", "name", "description", "unit", "properties", "property_key",
            "thing_key", "sensor_key",
        ),
        {
            "Thing": Link("Things", _back(_THING)),
            "Sensor": Link("Sensors", (("kind", "kind"), ("sensor_key", "key"))),
            "ObservedProperty": Link("ObservedProperties", (("kind", "kind"), ("property_key", "key"))),
            "Observations": Link("Observations", _SERIES),
        },
    ),
    "Sensors": Table(
        "sta_sensors",
        ("kind", "key", "id", "name", "description", "metadata", "encoding", "properties"),
        {"Datastreams": Link("Datastreams", (("kind", "kind"), ("key", "sensor_key")))},
    ),
    "ObservedProperties": Table(
        "sta_properties",
        ("kind", "key", "id", "name", "definition", "description", "properties"),
        {"Datastreams": Link("Datastreams", (("kind", "kind"), ("key", "property_key")))},
    ),
    "Observations": Table(
        "sta_samples",
        (
            "kind", "number", "indicator", "time_us", "received_at_us", "result", "flag", "tests",
            "test_flags", "revision",
        ),
        {
            "Datastream": Link("Datastreams", _SERIES),
            "FeatureOfInterest": Link(
                "FeaturesOfInterest", (("kind", "kind"), ("thing_key", "key")), through="Datastream"
            ),
        },
    ),
    "FeaturesOfInterest": Table(
        "sta_things",
        _PLACE,
        {
            "Datastreams": Link("Datastreams", _THING),
            "Observations": Link("Observations", _SERIES, through="Datastreams"),
        },
        places_only=True,
    ),
}  # fmt: skip
SOURCES: dict[Source, str] = {
    "samples": "sta_samples", "reports": "sta_reports", "figures": "sta_figures",
}  # fmt: skip
NULLABLE = {"result", "properties", "longitude", "latitude", "height_m", "description", "definition"}
"""Columns in which a value may be missing."""


def filled_in(query: str, percent: str) -> str:
    """Return a relation with the indicators of stations in their places.

    Parameters
    ----------
    percent
        How the database's driver wants a percent sign.
    """
    parts = {
        "{indicators}": sta_indicators.table(),
        "{report}": sta_indicators.result("reports"),
        "{figure}": sta_indicators.result("figures"),
        "{reports}": sta_indicators.numbers("reports"),
        "{figures}": sta_indicators.numbers("figures"),
    }
    for name, part in parts.items():
        query = query.replace(name, part.replace("%", percent))
    return query
