"""What people send to create and change entities, as values of definitions.

Properties that cannot be kept are refused by name: nothing that was sent is passed over in silence, but for
annotations and what the server itself says of an entity.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from dashboards.problems import ProblemError
from dashboards.sta.answer import GEOJSON, MEASUREMENT
from dashboards.sta.filters import time_us

Body = Mapping[str, Any]
SAID_BY_US = {"observedArea", "phenomenonTime", "resultTime"}
"""Of datastreams: what follows from their observations."""
JUDGING = ("domain", "unit", "span", "user_span", "sampling_period_s", "tests")
"""Of observed properties: how samples are judged unless their datastream says otherwise."""


def known(body: Any, names: Sequence[str], what: str) -> dict[str, Any]:
    """Return the entries of a body that are not annotations.

    Raises
    ------
    ProblemError
        400 it is no object, or has an entry that cannot be kept.
    """
    if not isinstance(body, dict):
        raise ProblemError(400, f"{what} is an object, not {type(body).__name__}.")
    found = {name: value for name, value in body.items() if "@iot." not in name}
    for name in found:
        if name not in names:
            raise ProblemError(
                400, f"{what} has no {name[:40]!r} that can be kept; known: {', '.join(names)}."
            )
    return found


def thing(body: Body) -> dict[str, Any]:
    """Return what a body says of a thing itself."""
    found = known(body, ("name", "description", "properties", "Locations", "Datastreams"), "A thing")
    made: dict[str, Any] = _texts(found, ("name", "description"))
    if "properties" in found:
        made["properties"] = _properties(found["properties"], but=("kind",))
    return made


def place(body: Body) -> dict[str, Any]:
    """Return the place that a location is, as values of a thing."""
    names = ("name", "description", "encodingType", "location", "properties", "Things")
    found = known(body, names, "A location")
    if found.get("encodingType", GEOJSON) not in {GEOJSON, "application/vnd.geo+json"}:
        raise ProblemError(400, f"encodingType of a location is {GEOJSON}.")
    values: dict[str, Any] = {}
    properties = found.get("properties") or {}
    for name, value in _properties(properties).items():
        if name not in {"height_m", "height_datum"}:
            raise ProblemError(
                400, "properties of a location are height_m and height_datum; put others in the thing."
            )
        values[name] = value
    if "location" in found:
        values |= point(found["location"])
    return values


def point(geometry: Any) -> dict[str, Any]:
    """Return a GeoJSON point, or a feature that is one, as longitude, latitude, and height where it has one.

    Raises
    ------
    ProblemError
        400 it is none.
    """
    if isinstance(geometry, dict) and geometry.get("type") == "Feature":
        geometry = geometry.get("geometry")
    found = (
        geometry.get("coordinates")
        if isinstance(geometry, dict) and geometry.get("type") == "Point"
        else None
    )
    if (
        not isinstance(found, list)
        or len(found) not in {2, 3}
        or not all(type(part) in {int, float} and math.isfinite(part) for part in found)
        or abs(found[0]) > 180
        or abs(found[1]) > 90
    ):
        raise ProblemError(
            400, 'A place is a GeoJSON point: {"type": "Point", "coordinates": [121.5, 31.2]}.'
        )
    values: dict[str, Any] = {"longitude": float(found[0]), "latitude": float(found[1])}
    if len(found) == 3:
        values |= {"height_m": float(found[2]), "height_datum": "ellipsoidal"}
    return values


def datastream(body: Body) -> dict[str, Any]:
    """Return what a body says of a datastream itself; what it links to is left to who makes that."""
    names = (
        "name", "description", "observationType", "unitOfMeasurement", "properties", "Thing", "Sensor",
        "ObservedProperty", "Observations",
    )  # fmt: skip
    body = {name: value for name, value in body.items() if name not in SAID_BY_US}
    found = known(body, names, "A datastream")
    if found.get("observationType", MEASUREMENT) != MEASUREMENT:
        raise ProblemError(400, f"observationType is {MEASUREMENT}: results are numbers.")
    made: dict[str, Any] = _texts(found, ("name", "description"))
    if "properties" in found:
        made["properties"] = _properties(found["properties"])
    if "unitOfMeasurement" in found:
        made["unit"] = unit_of(found)
    return made


def unit_of(body: Body) -> str:
    """Return the unit of a datastream that a body names; empty: none."""
    if "unitOfMeasurement" not in body:
        return ""
    unit = known(body["unitOfMeasurement"], ("name", "symbol", "definition"), "A unit")
    symbol: str = _texts(unit, ("symbol",)).get("symbol") or _texts(unit, ("name",)).get("name", "")
    return symbol


def sensor(body: Any) -> dict[str, Any]:
    """Return what a body says of a sensor."""
    found = known(body, ("name", "description", "encodingType", "metadata", "properties"), "A sensor")
    made = _texts(found, ("name", "description", "metadata"))
    if "encodingType" in found:
        made["encoding"] = _texts(found, ("encodingType",))["encodingType"]
    if "properties" in found:
        made["properties"] = _properties(found["properties"])
    return made


def observed_property(body: Any) -> dict[str, Any]:
    """Return what a body says of an observed property; how it is judged stands in its properties."""
    found = known(body, ("name", "definition", "description", "properties"), "An observed property")
    made = _texts(found, ("name", "definition", "description"))
    if "properties" in found:
        said = _properties(found["properties"])
        made |= {name: said.pop(name) for name in JUDGING if name in said}
        made["properties"] = said
    return made


def linked(body: Any, what: str) -> str:
    """Return the id that a link names.

    Raises
    ------
    ProblemError
        400 it is no link.
    """
    identity = body.get("@iot.id") if isinstance(body, dict) else None
    if not isinstance(identity, str | int) or isinstance(identity, bool):
        raise ProblemError(400, f'{what} is a link: {{"@iot.id": "ID"}}.')
    return str(identity)


def observation(body: Any, now_us: int, thing: str) -> tuple[int, float, dict[str, Any] | None]:
    """Return time, value (NaN: none) and place (None: that of the thing) of an observation.

    Parameters
    ----------
    thing
        Where its datastream belongs: a feature with this id is the thing's place.
    """
    names = ("phenomenonTime", "resultTime", "result", "Datastream", "FeatureOfInterest", "parameters")
    found = known(body, names, "An observation")
    if found.get("parameters"):
        raise ProblemError(400, "parameters of an observation cannot be kept: leave them out.")
    if "result" not in found:
        raise ProblemError(400, "An observation has a result: a number, or null where there is none.")
    value = found["result"]
    if value is not None and (type(value) not in {int, float} or not math.isfinite(value)):
        raise ProblemError(400, "result is a number, or null where there is none.")
    at_us = now_us
    if found.get("phenomenonTime") is not None:
        text = found["phenomenonTime"]
        if not isinstance(text, str) or "/" in text:
            raise ProblemError(400, "phenomenonTime is an instant: 2026-01-01T00:00:00Z.")
        at_us = time_us(text)
    where = found.get("FeatureOfInterest")
    if isinstance(where, dict) and "feature" in where:
        return at_us, _number(value), point(where["feature"])
    if where is not None and linked(where, "FeatureOfInterest") != thing:
        raise ProblemError(
            400, "FeatureOfInterest is described by its feature, or left out: the thing's place."
        )
    return at_us, _number(value), None


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _texts(found: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    made = {}
    for name in names:
        if name in found:
            if not isinstance(found[name], str):
                raise ProblemError(400, f"{name} is a text.")
            made[name] = found[name]
    return made


def _properties(found: Any, but: Sequence[str] = ()) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise ProblemError(400, "properties is an object.")
    return {name: value for name, value in found.items() if name not in but}
