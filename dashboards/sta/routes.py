"""`/sta/v1.1`: OGC SensorThings 1.1 (18-088) over the store."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request, Response

from dashboards.access.permissions import Action
from dashboards.api.context import Context, ask, json_response
from dashboards.api.needs import needs
from dashboards.api.writes import may_write
from dashboards.fallback import database_needed
from dashboards.problems import ProblemError
from dashboards.sta import answer, options
from dashboards.sta.conformance import CLASSES, CREATED_BY_MQTT
from dashboards.sta.entities import ENTITIES
from dashboards.sta.options import Options
from dashboards.sta.path import ROOT, Path, path_of
from dashboards.sta.reading import Reading, Target, plain
from storage.sta_query import Counted, Row, StaPage

MOST_QUERY = 8_000
"""Characters of an address's options."""


def router(context: Context) -> APIRouter:
    """Return the routes that read."""
    needed = [needs(Action.READ), Depends(database_needed(context.fallback))]
    routes = APIRouter(prefix=ROOT, tags=["SensorThings"], dependencies=needed)

    @routes.get("", include_in_schema=False)
    @routes.get("/")
    def index(request: Request) -> Response:
        """What there is, and which requirement classes are met."""
        base = base_of(request, context)
        value = [{"name": name, "url": f"{base}/{name}"} for name in ENTITIES]
        met: dict[str, Any] = {"conformance": CLASSES}
        if context.observation_brokers:
            met["conformance"] = [*CLASSES, CREATED_BY_MQTT]
            met[CREATED_BY_MQTT] = {"endpoints": context.observation_brokers}
        return json_response({"value": value, "serverSettings": met})

    @routes.get("/{resource:path}")
    def read(request: Request, resource: str) -> Response:
        """An entity, a list of entities or a property, by its resource path and options."""
        path = path_of(resource)
        decimals = None if may_write(request, context) else context.station_decimals
        reading = Reading(context.store, decimals)
        return ask(lambda: _answered(request, context, reading, path))

    return routes


def base_of(request: Request, context: Context) -> str:
    """Return the address of the service's root."""
    outside = context.public_url.rstrip("/") or f"{request.url.scheme}://{request.url.netloc}"
    return f"{outside}{ROOT}"


def _answered(request: Request, context: Context, reading: Reading, path: Path) -> Response:
    if len(request.url.query) > MOST_QUERY:
        raise ProblemError(400, f"The options are longer than {MOST_QUERY} characters: ask for less.")
    asked = options.read(
        request.query_params.multi_items(), path.entity, context.clock_us(), is_list=path.is_list
    )
    base = base_of(request, context)
    at = reading.target(path)
    if isinstance(at, Target):
        if path.ending == "$count":
            return Response(str(reading.count(at, asked).number), media_type="text/plain")
        return _listed(request, reading, at, asked, path, base)
    if path.ending == "$ref":
        return json_response({"@iot.selfLink": answer.link(base, path.entity, _id(path, at))})
    if path.names:
        return _property(path, at)
    reading.expand(path.entity, [at], asked)
    return json_response(answer.entity(base, path.entity, at, asked))


def _listed(
    request: Request, reading: Reading, at: Target, asked: Options, path: Path, base: str
) -> Response:
    page = reading.page(at, asked)
    made: dict[str, Any] = {}
    if asked.is_counted:
        counted = reading.count(at, asked)
        made |= _count(counted)
    if page.end is not None:
        made["@iot.nextLink"] = _next_link(request, base, asked, page)
    if path.ending == "$ref":
        refs = (answer.link(base, at.entity, answer.identity_of(at.entity, row)) for row in page.rows)
        made["value"] = [{"@iot.selfLink": ref} for ref in refs]
    elif asked.is_array:
        made["value"] = answer.data_arrays(base, page.rows, asked)
    else:
        made["value"] = [answer.entity(base, at.entity, row, asked) for row in page.rows]
    return json_response(made)


def _count(counted: Counted) -> dict[str, Any]:
    made: dict[str, Any] = {"@iot.count": counted.number}
    if counted.is_estimate:
        made["@iot.countIsEstimate"] = True
    return made


def _next_link(request: Request, base: str, asked: Options, page: StaPage) -> str:
    assert page.end is not None
    given = {name: text for name, text in asked.given.items() if name not in {"$skip", "$skiptoken"}}
    given["$skiptoken"] = options.token_of(given.get("$orderby", ""), page.end)
    where = quote(request.scope["path"].removeprefix(ROOT), safe="/()'~:$,=@")
    return f"{base}{where}?{answer.query(given)}"


def _id(path: Path, row: Row) -> str:
    return answer.identity_of(path.entity, row)


def _property(path: Path, row: Row) -> Response:
    known = {"@iot.id": _id(path, row), **answer.properties_of(path.entity, row)}
    value = plain(known[path.names[0]])
    for name in path.names[1:]:
        if not isinstance(value, dict) or name not in value:
            raise ProblemError(404, f"There is no {name[:40]!r} in {path.names[0]}.")
        value = value[name]
    if path.ending != "$value":
        return json_response({path.names[-1]: value})
    if value is None:
        return Response(status_code=204)
    if isinstance(value, dict | list):
        return json_response(value)
    return Response(str(value), media_type="text/plain")
