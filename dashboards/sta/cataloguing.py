"""Sensors and observed properties: by themselves, or where a datastream names or describes them."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool

from dashboards.problems import ProblemError
from dashboards.sta import bodies
from dashboards.sta.asking import Asking, Key
from sensors.model import ObservedProperty
from storage.sta_query import SITE
from streams.catalogue import SensorDefinition

MOST_OF_A_NAME = 40
MOST_NAMED = 100
"""Properties, in one sentence."""
_NO_WORD = re.compile(r"\W+")


class Cataloguing(Asking):
    """Creates what datastreams link to, for one request."""

    async def _sensor(self, body: Any) -> str:
        values = bodies.sensor(body)
        if not values.get("name"):
            raise ProblemError(400, "A sensor has a name.")
        identity = await self._new(body, "Sensors", f"sensor-{uuid.uuid4().hex[:12]}")
        await self._ask("put", ("sensor", identity), values)
        return identity

    async def _property(self, body: Any, unit: str = "") -> str:
        """Add an entry to the catalogue.

        Parameters
        ----------
        unit
            Of what is measured, where the body says none.
        """
        values = bodies.observed_property(body)
        if not values.get("name"):
            raise ProblemError(400, "An observed property has a name.")
        usual = _NO_WORD.sub("_", values["name"].casefold()).strip("_")[:MOST_OF_A_NAME]
        if not usual or await self._find("ObservedProperties", usual) is not None:
            usual = f"{usual or 'property'}-{uuid.uuid4().hex[:8]}"
        identity = await self._new(body, "ObservedProperties", usual)
        if unit:
            values = {"unit": unit, **values}
        await self._ask("put", ("property", identity), values)
        return identity

    async def _linked(self, body: Any, made: list[Key]) -> dict[str, Any]:
        """Return what a datastream's links to its sensor and property are in its definition.

        What is described inside it is made: a property, if it is none of the catalogue's; a sensor that
        several datastreams link to becomes one by itself. `made` gets what can be taken back.
        """
        values: dict[str, Any] = {}
        if "ObservedProperty" in body:
            values["property"] = await self._property_of(body, made)
        sensor = body.get("Sensor")
        if isinstance(sensor, dict) and "@iot.id" in sensor and len(sensor) == 1:
            values["sensor_id"] = await self._sensor_of(bodies.linked(sensor, "Sensor"), made)
        elif sensor is not None:
            values |= {"sensor": bodies.sensor(sensor), "sensor_id": ""}
        return values

    async def _property_of(self, body: Mapping[str, Any], made: list[Key]) -> str:
        meant = body["ObservedProperty"]
        if isinstance(meant, dict) and "@iot.id" in meant and len(meant) == 1:
            return bodies.linked(meant, "ObservedProperty")
        found = bodies.observed_property(meant)
        catalogue = await run_in_threadpool(self._context.store.observed_properties)
        if "@iot.id" not in meant and (known := _known(found, catalogue)):
            return known
        if not found.get("definition"):
            there = ", ".join(one.id for one in catalogue[:MOST_NAMED])
            raise ProblemError(
                400,
                f"The catalogue has no property {found.get('name', '')[:40]!r}; it has {there}. "
                "Give a definition to add one.",
            )
        identity = await self._property(meant, bodies.unit_of(body))
        made.append(("property", identity))
        return identity

    async def _sensor_of(self, identity: str, made: list[Key]) -> str:
        row = await self._entity("Sensors", identity)
        if row["kind"] != SITE:
            raise ProblemError(400, "This is a station's receiver: create a sensor for the datastream.")
        if not await self._is_by_itself(identity):
            await self._ask("put", ("sensor", identity), await self._told_of(identity))
            made.append(("sensor", identity))
        return identity

    async def _told_of(self, datastream_id: str) -> dict[str, Any]:
        """Return what a datastream says of the sensor that is its own, as that of a sensor by itself."""
        found = await run_in_threadpool(self._context.store.datastream, datastream_id)
        if found is None:
            raise ProblemError(400, f"There is no sensor {datastream_id[:80]!r} any more: look again.")
        return msgspec.to_builtins(SensorDefinition.of(datastream_id, found.sensor))  # type: ignore[no-any-return]

    async def _is_by_itself(self, sensor_id: str) -> bool:
        """Return whether a sensor is an object; else it is what the datastream of that id says of its own."""
        change = await run_in_threadpool(self._context.store.object, "sensor", sensor_id)
        return change is not None and change.after is not None


def _known(found: Mapping[str, Any], catalogue: list[ObservedProperty]) -> str:
    """Return the property of the catalogue that is meant by a name or a definition; empty: none."""
    name = str(found.get("name", "")).strip().casefold()
    for one in catalogue:
        if name in {one.id.casefold(), one.name.casefold()} or (
            one.definition and one.definition == found.get("definition")
        ):
            return one.id
    return ""
