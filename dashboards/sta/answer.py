"""Entities as JSON of SensorThings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from dashboards.sta.entities import ENTITIES
from dashboards.sta.options import Options
from storage.sta_query import STATION_PREFIX, EntityName, Row

GEOJSON = "application/geo+json"
MEASUREMENT = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement"
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - what is added to it is UTC, and written with a Z
_STATES = {1: "good", 2: "unknown", 3: "degraded", 4: "bad"}
_NOTHING = msgspec.Raw(b"{}")


def time_text(time_us: int) -> str:
    """Return a time in ISO 8601, UTC."""
    return f"{(_EPOCH + timedelta(microseconds=time_us)).isoformat()}Z"


@lru_cache(50_000)
def _quoted(identity: str) -> str:
    return quote(identity.replace("'", "''"), safe="~:'")


def link(base: str, entity: EntityName, identity: str) -> str:
    """Return the address of an entity."""
    return f"{base}/{entity}('{_quoted(identity)}')"


def identity_of(entity: EntityName, row: Row) -> str:
    """Return the id of an entity."""
    if entity == "Observations":
        return f"{row['datastream']['id']}~{row['time_us']}"
    found: str = row["id"]
    return found


def _properties(row: Row) -> msgspec.Raw:
    text = row["properties"]
    return _NOTHING if text is None else msgspec.Raw(text.encode())


def _thing(row: Row) -> dict[str, Any]:
    return {"name": row["name"], "description": row["description"] or "", "properties": _properties(row)}


def _place(row: Row, name: str) -> dict[str, Any]:
    properties = {}
    if row["height_m"] is not None:
        properties = {"height_m": row["height_m"], "height_datum": row["height_datum"]}
    return {
        "name": row["name"],
        "description": row["description"] or "",
        "encodingType": GEOJSON,
        name: {"type": "Point", "coordinates": [row["longitude"], row["latitude"]]},
        "properties": properties,
    }


def _historical(row: Row) -> dict[str, Any]:
    return {"time": time_text(row["at_us"])}


def _datastream(row: Row) -> dict[str, Any]:
    unit = row["unit"]
    return {
        "name": row["name"],
        "description": row["description"] or "",
        "observationType": MEASUREMENT,
        "unitOfMeasurement": {
            "name": unit, "symbol": unit, "definition": f"urn:ogc:def:uom:UCUM::{unit}",
        },
        "properties": _properties(row),
    }  # fmt: skip


def _sensor(row: Row) -> dict[str, Any]:
    return {
        "name": row["name"],
        "description": row["description"] or "",
        "encodingType": row["encoding"],
        "metadata": row["metadata"] or "",
        "properties": _properties(row),
    }


def _property(row: Row) -> dict[str, Any]:
    return {
        "name": row["name"],
        "definition": row["definition"] or f"urn:groundswell:property:{row['id']}",
        "description": row["description"] or "",
        "properties": _properties(row),
    }


def _observation(row: Row) -> dict[str, Any]:
    flag = row["flag"]
    quality: dict[str, Any] = {"qartod": flag}
    if row["kind"]:
        quality["state"] = _STATES[flag]
    else:
        quality["tests"] = row["test_flags"]
    return {
        "phenomenonTime": time_text(row["time_us"]),
        "resultTime": time_text(row["received_at_us"]),
        "result": row["result"],
        "resultQuality": quality,
        "parameters": {"revision": row["revision"]},
    }


_MAKERS: Mapping[EntityName, Callable[[Row], dict[str, Any]]] = {
    "Things": _thing,
    "Locations": lambda row: _place(row, "location"),
    "HistoricalLocations": _historical,
    "Datastreams": _datastream,
    "Sensors": _sensor,
    "ObservedProperties": _property,
    "Observations": _observation,
    "FeaturesOfInterest": lambda row: _place(row, "feature"),
}


def properties_of(entity: EntityName, row: Row) -> dict[str, Any]:
    """Return the properties of an entity."""
    return _MAKERS[entity](row)


def entity(base: str, kind: EntityName, row: Row, options: Options) -> dict[str, Any]:
    """Return an entity with what it was asked with; `row["expanded"]` holds what its links lead to."""
    identity = identity_of(kind, row)
    here = link(base, kind, identity)
    select, expand = options.select, options.expand
    made: dict[str, Any] = {}
    if select is None:
        made = {"@iot.id": identity, "@iot.selfLink": here}
    elif "id" in select:
        made = {"@iot.id": identity}
    properties = _MAKERS[kind](row)
    made |= (
        properties if select is None else {name: properties[name] for name in select if name in properties}
    )
    for name, (to, is_many) in ENTITIES[kind].links.items():
        if name in expand:
            nested = expand[name]
            rows = row["expanded"].get(name, [])
            if is_many:
                made[name] = [entity(base, to, one, nested) for one in rows]
                if nested.top and len(rows) >= nested.top:
                    made[f"{name}@iot.nextLink"] = f"{here}/{name}?{_next(nested)}"
            elif rows:
                made[name] = entity(base, to, rows[0], nested)
        elif select is None or name in select:
            made[f"{name}@iot.navigationLink"] = f"{here}/{name}"
    return made


def _next(nested: Options) -> str:
    given = {**nested.given, "$skip": str(nested.skip + nested.top)}
    return query(given)


def query(given: Mapping[str, str]) -> str:
    """Return options as they stand in an address."""
    return urlencode(given, quote_via=quote, safe="$,()'=/;:")


def data_arrays(base: str, rows: list[Row], options: Options) -> list[dict[str, Any]]:
    """Return observations as arrays, one for each datastream, without the names of each value."""
    names = options.select or ("id", *ENTITIES["Observations"].properties)
    known = ("id", *ENTITIES["Observations"].properties)
    components = [name for name in names if name in known]
    arrays: dict[str, dict[str, Any]] = {}
    for row in rows:
        series = row["datastream"]["id"]
        if series not in arrays:
            arrays[series] = {
                "Datastream@iot.navigationLink": link(base, "Datastreams", series),
                "components": components,
                "dataArray@iot.count": 0,
                "dataArray": [],
            }
        values = {"id": identity_of("Observations", row), **_observation(row)}
        arrays[series]["dataArray"].append([values[name] for name in components])
        arrays[series]["dataArray@iot.count"] += 1
    return list(arrays.values())


def thing_id(kind: int, key: str) -> str:
    """Return the id of a thing."""
    return f"{STATION_PREFIX}{key}" if kind else key
