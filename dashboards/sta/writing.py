"""Creates, changes and deletes: entities by commands, observations as all samples come."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool

from dashboards.problems import ProblemError
from dashboards.sta import bodies
from dashboards.sta.answer import properties_of
from dashboards.sta.asking import Key, listed
from dashboards.sta.cataloguing import Cataloguing
from dashboards.sta.json_patch import patched
from dashboards.sta.observing import Observing
from dashboards.sta.path import Path
from dashboards.sta.reading import plain
from storage.sta_query import SITE, EntityName, Question, Row

MOST_CASCADED = 1_000
DELETABLE = ("Things", "Datastreams", "Sensors", "ObservedProperties")


class Writing(Observing, Cataloguing):
    """Carries out one request that changes something. Whether it may was looked at before."""

    # --- create ---------------------------------------------------------------------------------------

    async def create(self, path: Path, body: Any) -> tuple[EntityName, str]:
        """Create an entity in a list; return its type and id.

        Raises
        ------
        ProblemError
            400 what was sent does not serve, 404 the list is not there, 409 it is refused.
        """
        parent: Row | None = None
        if not path.is_list or path.names or path.ending:
            raise ProblemError(
                405, "Entities are created in a list: POST to Things or Things('ID')/Datastreams."
            )
        if len(path.steps) > 1:
            parent = await self._row(Path(path.steps[:-1]))
        where = (path.steps[-2].entity if parent is not None else None, path.entity)
        made: list[Key] = []
        try:
            return path.entity, await self._created(where, body, parent, made)
        except BaseException:
            await self._undo(made)
            raise

    async def _created(
        self, where: tuple[EntityName | None, EntityName], body: Any, parent: Row | None, made: list[Key]
    ) -> str:
        """Create an entity and return its id; `made` gets what can be taken back."""
        if where == (None, "Things"):
            return await self._thing(body, made)
        if where in {(None, "Datastreams"), ("Things", "Datastreams")}:
            return await self._datastream(body, parent, made)
        if where in {(None, "Observations"), ("Datastreams", "Observations")}:
            return await self._observation(body, parent)
        if where in {(None, "Locations"), ("Things", "Locations")}:
            return await self._location(body, parent)
        if where == (None, "Sensors"):
            return await self._sensor(body)
        if where == (None, "ObservedProperties"):
            return await self._property(body)
        raise ProblemError(
            501,
            f"{where[1]} cannot be created here: features of interest come with things and observations, "
            "historical locations when a thing is moved.",
        )

    async def _thing(self, body: Any, made: list[Key]) -> str:
        values = bodies.thing(body)
        places, datastreams = listed(body, "Locations"), listed(body, "Datastreams")
        if not values.get("name"):
            raise ProblemError(400, "A thing has a name.")
        if len(places) != 1:
            raise ProblemError(
                400, "A thing is created with its place: one entity in Locations, a GeoJSON point."
            )
        where = bodies.place(places[0])
        if "longitude" not in where:
            raise ProblemError(400, "A location has a location: a GeoJSON point.")
        identity = await self._new(body, "Things", f"thing-{uuid.uuid4().hex[:12]}")
        await self._ask("put", ("thing", identity), {**values, **where})
        made.append(("thing", identity))
        for one in datastreams:
            await self._datastream(one, {"kind": SITE, "key": identity}, made)
        return identity

    async def _datastream(self, body: Any, parent: Row | None, made: list[Key]) -> str:
        if not isinstance(body, dict):
            raise ProblemError(400, "A datastream is an object.")
        values = bodies.datastream(body)
        if parent is None:
            parent = await self._entity("Things", bodies.linked(body.get("Thing"), "Thing"))
        if parent["kind"] != SITE:
            raise ProblemError(400, "Datastreams of a station are its indicators: create one at a site.")
        if "ObservedProperty" not in body or not values.get("name"):
            raise ProblemError(400, "A datastream has a name and an ObservedProperty.")
        observations = [self._sample(one, parent["key"]) for one in listed(body, "Observations")]
        values |= await self._linked(body, made)
        usual = f"{parent['key']}.{values['property']}"
        if await run_in_threadpool(self._reading.by_id, "Datastreams", usual) is not None:
            usual = f"{usual}-{uuid.uuid4().hex[:8]}"
        identity = await self._new(body, "Datastreams", usual)
        await self._ask("put", ("datastream", identity), {"thing": parent["key"], **values})
        made.append(("datastream", identity))
        await self._put([(identity, *one) for one in observations])
        return identity

    async def _location(self, body: Any, parent: Row | None) -> str:
        where = bodies.place(body)
        if parent is None:
            things = listed(body, "Things")
            if len(things) != 1:
                raise ProblemError(
                    400,
                    "A location is that of one thing: name it in Things, or POST to Things('ID')/Locations.",
                )
            parent = await self._entity("Things", bodies.linked(things[0], "Things"))
        if "longitude" not in where:
            raise ProblemError(400, "A location has a location: a GeoJSON point.")
        await self._ask("patch", _key("Things", parent), where)
        identity: str = parent["id"]
        return identity

    # --- change and delete ----------------------------------------------------------------------------

    async def change(self, path: Path, body: Any, *, is_whole: bool) -> None:
        """Change an entity by a part of it, by a JSON patch (a list), or by a whole one.

        Raises
        ------
        ProblemError
            400 what was sent does not serve, 404 there is none, 405 it cannot be changed, 409 it is refused.
        """
        row = await self._row(path)
        if path.names or path.ending:
            raise ProblemError(405, "Entities are changed as such: leave the name of the property out.")
        if isinstance(body, list):
            before = {name: plain(value) for name, value in properties_of(path.entity, row).items()}
            body = {name: value for name, value in patched(before, body).items() if before.get(name) != value}
        if not isinstance(body, dict):
            raise ProblemError(400, "What is to be changed is an object, or a JSON patch.")
        usual: dict[str, Any] = {"description": "", "properties": {}} if is_whole else {}
        if path.entity == "Things":
            values = bodies.thing(body)
            if row["kind"] == SITE:
                values = {**usual, **values}
            elif values.keys() - {"name"}:
                raise ProblemError(400, "Of a station the name and the place can be changed here.")
            for one in listed(body, "Locations"):
                values |= bodies.place(one)
        elif path.entity == "Locations" and "version" not in row:
            values = bodies.place(body)
        elif path.entity == "Datastreams" and row["kind"] == SITE:
            await self._change_datastream(row, body, usual)
            return
        elif path.entity == "Sensors" and row["kind"] == SITE:
            await self._change_sensor(row, body, usual)
            return
        elif path.entity == "ObservedProperties" and row["kind"] == SITE:
            values = {**usual, **bodies.observed_property(body)}
        else:
            raise ProblemError(405, f"{path.entity} of this kind cannot be changed.")
        if not values:
            return
        await self._ask("patch", _key(path.entity, row), values)

    async def delete(self, path: Path) -> None:
        """Take an entity out of use, a thing with its datastreams. What is stored of them stays.

        Raises
        ------
        ProblemError
            404 there is none, 405 it cannot be deleted, 409 something needs it.
        """
        row = await self._row(path)
        if path.entity not in DELETABLE or path.names or path.ending:
            raise ProblemError(405, f"{path.entity} cannot be deleted: delete their thing or datastream.")
        if path.entity in {"Sensors", "ObservedProperties"} and row["kind"] != SITE:
            raise ProblemError(405, f"{path.entity} of stations go with them.")
        key = _key(path.entity, row)
        if key[0] == "sensor" and not await self._is_by_itself(key[1]):
            raise ProblemError(405, "Its datastream describes it: delete that, or link it to another sensor.")
        if key[0] == "datastream" and row["kind"] != SITE:
            raise ProblemError(405, "Indicators of a station go with it.")
        if key[0] == "thing":
            question = Question("Datastreams", limit=MOST_CASCADED)
            for one in await run_in_threadpool(
                self._context.store.sta_related, question, "thing_key", [key[1]], SITE
            ):
                await self._ask("delete", ("datastream", one["id"]), {})
        await self._ask("delete", key, {})

    # --- inside ---------------------------------------------------------------------------------------

    async def _change_datastream(self, row: Row, body: Mapping[str, Any], usual: Mapping[str, Any]) -> None:
        values = {**usual, **bodies.datastream(body)}
        made: list[Key] = []
        try:
            values |= await self._linked(body, made)
            if "sensor" in values and await self._is_by_itself(row["id"]):
                raise ProblemError(400, "Others have its sensor, too: change that, or link to another one.")
            await self._ask("patch", _key("Datastreams", row), values)
        except BaseException:
            await self._undo(made)
            raise

    async def _change_sensor(self, row: Row, body: Mapping[str, Any], usual: Mapping[str, Any]) -> None:
        values = {**usual, **bodies.sensor(body)}
        key = _key("Sensors", row)
        if not await self._is_by_itself(key[1]):
            key, values = ("datastream", key[1]), {"sensor": {**await self._told_of(key[1]), **values}}
        await self._ask("patch", key, values)


def _key(entity: EntityName, row: Row) -> Key:
    if entity == "Datastreams":
        return "datastream", row["id"]
    if entity == "ObservedProperties":
        return "property", row["key"]
    if entity == "Sensors":
        return "sensor", row["key"]
    return ("station" if row["kind"] != SITE else "thing"), row["key"]
