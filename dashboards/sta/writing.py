"""Creates, changes and deletes: things and datastreams by commands, observations as all samples come."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from fastapi import Request
from starlette.concurrency import run_in_threadpool

from dashboards.api.changes import ask_for
from dashboards.api.context import Context
from dashboards.problems import ProblemError
from dashboards.sta import bodies
from dashboards.sta.answer import properties_of
from dashboards.sta.json_patch import patched
from dashboards.sta.path import Path
from dashboards.sta.reading import Reading, Target, plain
from dashboards.sta.samples import Sample, batch_of
from storage.sta_query import SITE, EntityName, Question, Row
from streams.bus import SampleSink
from streams.records import ChangeVerb, ObjectKind

log = structlog.get_logger()
STORE_S = 10.0
AHEAD_US = 86_400_000_000
EARLIEST_US = 946_684_800_000_000
"""2000-01-01: before it, and further ahead than a day, nothing was measured."""
MOST_CASCADED = 1_000
Key = tuple[ObjectKind, str]


class Writing:
    """Carries out one request that changes something. Whether it may was looked at before.

    Parameters
    ----------
    samples
        Takes observations; None: this process takes none.
    """

    def __init__(self, context: Context, request: Request, samples: SampleSink | None) -> None:
        self._context = context
        self._request = request
        self._samples = samples
        self._reading = Reading(context.store, None)

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
        if where == (None, "Things"):
            return "Things", await self._thing(body)
        if where in {(None, "Datastreams"), ("Things", "Datastreams")}:
            return "Datastreams", await self._datastream(body, parent)
        if where in {(None, "Observations"), ("Datastreams", "Observations")}:
            return "Observations", await self._observation(body, parent)
        if where in {(None, "Locations"), ("Things", "Locations")}:
            return "Locations", await self._location(body, parent)
        raise ProblemError(
            501,
            f"{path.entity} cannot be created here: sensors are described in their datastream, observed "
            "properties are those of the catalogue, features of interest come with things and observations.",
        )

    async def create_observations(self, body: Any) -> list[str]:
        """Create observations of data arrays; return their ids, in order."""
        if not isinstance(body, list):
            raise ProblemError(400, "CreateObservations takes a list of datastreams with their data arrays.")
        samples: list[Sample] = []
        for part in body:
            found = bodies.known(part, ("Datastream", "components", "dataArray"), "A data array")
            series = await self._series(bodies.linked(found.get("Datastream"), "Datastream"))
            components, rows = found.get("components"), found.get("dataArray")
            if not isinstance(components, list) or not isinstance(rows, list):
                raise ProblemError(
                    400, "A data array has components, a list of names, and dataArray, a list of rows."
                )
            for row in rows:
                if not isinstance(row, list) or len(row) != len(components):
                    raise ProblemError(400, f"Each row of a data array has {len(components)} values here.")
                values = {str(name): value for name, value in zip(components, row, strict=True)}
                samples.append((series, *self._sample(values)))
        await self._put(samples)
        return [f"{series}~{time_us}" for series, time_us, _, _ in samples]

    async def _thing(self, body: Any) -> str:
        values = bodies.thing(body)
        places, datastreams = _list(body, "Locations"), _list(body, "Datastreams")
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
        made: list[Key] = []
        try:
            await self._ask("put", ("thing", identity), {**values, **where})
            made.append(("thing", identity))
            for one in datastreams:
                series = await self._datastream(one, {"kind": SITE, "key": identity})
                made.append(("datastream", series))
        except BaseException:
            await self._undo(made)
            raise
        return identity

    async def _datastream(self, body: Any, parent: Row | None) -> str:
        if not isinstance(body, dict):
            raise ProblemError(400, "A datastream is an object.")
        catalogue = await run_in_threadpool(self._context.store.observed_properties)
        values = bodies.datastream(body, catalogue)
        if parent is None:
            parent = await self._entity("Things", bodies.linked(body.get("Thing"), "Thing"))
        if parent["kind"] != SITE:
            raise ProblemError(400, "Datastreams of a station are its indicators: create one at a site.")
        if "property" not in values or not values.get("name"):
            raise ProblemError(400, "A datastream has a name and an ObservedProperty.")
        usual = f"{parent['key']}.{values['property']}"
        if await run_in_threadpool(self._reading.by_id, "Datastreams", usual) is not None:
            usual = f"{usual}-{uuid.uuid4().hex[:8]}"
        identity = await self._new(body, "Datastreams", usual)
        observations = [self._sample(one) for one in _list(body, "Observations")]
        await self._ask("put", ("datastream", identity), {"thing": parent["key"], **values})
        if observations:
            try:
                await self._put([(identity, *one) for one in observations])
            except BaseException:
                await self._undo([("datastream", identity)])
                raise
        return identity

    async def _observation(self, body: Any, parent: Row | None) -> str:
        sample = self._sample(body)
        if parent is None:
            series = await self._series(bodies.linked(body.get("Datastream"), "Datastream"))
        else:
            series = self._series_of(parent)
        await self._put([(series, *sample)])
        return f"{series}~{sample[0]}"

    async def _location(self, body: Any, parent: Row | None) -> str:
        where = bodies.place(body)
        if parent is None:
            things = _list(body, "Things")
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
            for one in _list(body, "Locations"):
                values |= bodies.place(one)
        elif path.entity == "Locations" and "version" not in row:
            values = bodies.place(body)
        elif path.entity == "Datastreams" and row["kind"] == SITE:
            catalogue = await run_in_threadpool(self._context.store.observed_properties)
            values = {**usual, **bodies.datastream(body, catalogue)}
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
        if path.entity not in {"Things", "Datastreams"} or path.names or path.ending:
            raise ProblemError(405, f"{path.entity} cannot be deleted: delete their thing or datastream.")
        key = _key(path.entity, row)
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

    async def _ask(self, verb: ChangeVerb, key: Key, values: Mapping[str, Any]) -> None:
        await ask_for(self._context, self._request, verb, key, values, "")

    async def _undo(self, made: Sequence[Key]) -> None:
        """Take back what a deep insert made before it failed."""
        for key in reversed(made):
            try:
                await self._ask("delete", key, {})
            except ProblemError as error:
                log.warning("a part of what was to be created stays", key=key, error=error.detail)

    async def _row(self, path: Path) -> Row:
        at = await run_in_threadpool(self._reading.target, path)
        if isinstance(at, Target):
            raise ProblemError(405, f"Say which of {path.entity}: {path.entity}('ID').")
        return at

    async def _entity(self, entity: EntityName, identity: str) -> Row:
        row = await run_in_threadpool(self._reading.by_id, entity, identity)
        if row is None:
            raise ProblemError(400, f"There is no entity of {entity} with the id {identity[:80]!r}.")
        return row

    async def _new(self, body: Mapping[str, Any], entity: EntityName, usual: str) -> str:
        """Return the id of a new entity: the one that was sent, or the usual one."""
        if "@iot.id" not in body:
            return usual
        identity = bodies.linked(body, entity)
        if await run_in_threadpool(self._reading.by_id, entity, identity) is not None:
            raise ProblemError(
                409, f"There is {entity}({identity[:80]!r}) already: change it, or leave @iot.id out."
            )
        return identity

    async def _series(self, identity: str) -> str:
        return self._series_of(await self._entity("Datastreams", identity))

    def _series_of(self, row: Row) -> str:
        if row["kind"] != SITE:
            raise ProblemError(400, "Observations of a station are made of its stream: send it there.")
        identity: str = row["id"]
        return identity

    def _sample(self, body: Any) -> tuple[int, float, dict[str, Any] | None]:
        now_us = self._context.clock_us()
        sample = bodies.observation(body, now_us)
        if not EARLIEST_US <= sample[0] <= now_us + AHEAD_US:
            raise ProblemError(400, "phenomenonTime lies before 2000 or in the future: correct the clock.")
        return sample

    async def _put(self, samples: Sequence[Sample]) -> None:
        """Let samples go the way of all: return when they are stored."""
        if self._samples is None:
            raise ProblemError(501, "This process takes no observations: send them to one that gathers.")
        if not samples:
            return
        try:
            async with asyncio.timeout(STORE_S):
                await self._samples.put_samples(batch_of(samples, self._context.clock_us()))
        except Exception as error:
            log.warning("observations cannot be stored", error=repr(error))
            raise ProblemError(
                503,
                "Not confirmed in time: send it again, what has arrived counts once.",
                {"Retry-After": "5"},
            ) from error


def _list(body: Any, name: str) -> list[Any]:
    """Return the entities that a body has under a link; one alone is a list of it."""
    found = body.get(name, [])
    if isinstance(found, dict):
        return [found]
    if not isinstance(found, list):
        raise ProblemError(400, f"{name} is a list.")
    return found


def _key(entity: EntityName, row: Row) -> Key:
    if entity == "Datastreams":
        return "datastream", row["id"]
    return ("station" if row["kind"] != SITE else "thing"), row["key"]
