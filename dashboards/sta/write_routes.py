"""POST, PATCH, PUT and DELETE under `/sta/v1.1`, and several requests in one."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import APIRouter, Depends, Request, Response

from dashboards.access.permissions import Action
from dashboards.api.context import Context, json_response
from dashboards.api.needs import check_form, needs
from dashboards.api.writes import bytes_of, check_writer
from dashboards.fallback import database_needed
from dashboards.problems import ProblemError
from dashboards.sta import answer
from dashboards.sta.batch import answers_of
from dashboards.sta.path import ROOT, path_of
from dashboards.sta.routes import base_of
from dashboards.sta.writing import Writing
from streams.bus import SampleSink

JSON_PATCH = b"application/json-patch+json"


def router(context: Context, samples: SampleSink | None) -> APIRouter:
    """Return the routes that write.

    Parameters
    ----------
    samples
        Takes observations; None: this process takes none.
    """
    routes = APIRouter(
        prefix=ROOT, tags=["SensorThings"], dependencies=[Depends(database_needed(context.fallback))]
    )

    change = needs(Action.CHANGE, "Changing something")
    proven = needs(Action.OWN_PROOF)

    @routes.post("/CreateObservations", dependencies=[change])
    async def create_observations(request: Request) -> Response:
        """Observations of several datastreams as data arrays; the answer has the address of each."""
        body = await _body(request)
        base = base_of(request, context)
        ids = await Writing(context, request, samples).create_observations(body)
        return json_response([answer.link(base, "Observations", one) for one in ids], 201)

    @routes.post("/$batch", dependencies=[proven])  # each of its requests is looked at by itself
    async def batch(request: Request) -> Response:
        """Several requests in one, as JSON, each with the rights of this one."""
        check_form(request)
        return json_response({"responses": await answers_of(request, request.app, await _body(request))})

    @routes.post("/{resource:path}", dependencies=[change])
    async def create(request: Request, resource: str) -> Response:
        """An entity in a list, with those inside it."""
        path, body = path_of(resource), await _body(request)
        entity, identity = await Writing(context, request, samples).create(path, body)
        here = answer.link(base_of(request, context), entity, identity)
        return json_response({"@iot.id": identity, "@iot.selfLink": here}, 201, {"Location": here})

    async def changed(request: Request, resource: str) -> Response:
        """Change an entity: PATCH with some of its values or a JSON patch, PUT with all."""
        request = _as_json(request)
        check_writer(request, context, action=Action.CHANGE)
        path, body = path_of(resource), await _body(request)
        await Writing(context, request, samples).change(path, body, is_whole=request.method == "PUT")
        return Response(status_code=200)

    for method in ("PATCH", "PUT"):  # a JSON patch is of another type than the guard of a route knows
        name = f"{method.lower()}_sta"
        routes.add_api_route("/{resource:path}", changed, methods=[method], name=name, dependencies=[proven])

    @routes.delete("/{resource:path}", dependencies=[change])
    async def delete(request: Request, resource: str) -> Response:
        """Take a thing or a datastream out of use; what is stored of it stays."""
        await Writing(context, request, samples).delete(path_of(resource))
        return Response(status_code=200)

    return routes


def _as_json(request: Request) -> Request:
    """Return a request with a JSON patch as one with JSON: neither can be sent by a foreign page's form."""
    headers = [
        (name, b"application/json")
        if name == b"content-type" and value.partition(b";")[0].strip().lower() == JSON_PATCH
        else (name, value)
        for name, value in request.scope["headers"]
    ]
    return Request({**request.scope, "headers": headers}, request.receive)


async def _body(request: Request) -> Any:
    body = await bytes_of(request)
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProblemError(400, f"The body is not JSON: {error}.") from None
