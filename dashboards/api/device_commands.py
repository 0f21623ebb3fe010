"""The route by which people and programs tell devices what to do."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter, Depends, Request, Response

from dashboards import answers
from dashboards.access.permissions import Action
from dashboards.api import schemas
from dashboards.api.changes import TOKEN, By
from dashboards.api.commanding import commanded
from dashboards.api.context import PREFIX, Context, json_response, known_parameters_only
from dashboards.api.needs import needs
from dashboards.api.writes import read_body
from dashboards.problems import ProblemError
from streams.definitions import check_id


def router(context: Context) -> APIRouter:
    """Return the route."""
    routes = APIRouter(prefix=PREFIX, tags=["Devices"], dependencies=[Depends(known_parameters_only)])

    @routes.post(
        "/things/{thing_id}/commands",
        responses=schemas.one(answers.OutcomeAnswer),
        openapi_extra={**schemas.body(answers.DeviceCommandBody), **TOKEN},
        dependencies=[needs(Action.CHANGE, "A command to devices")],
    )
    async def command(thing_id: str, request: Request, by: By = "") -> Response:
        """Publish a command to the devices of a site. The answer says that it is published, not done."""
        wanted = await read_body(request, answers.DeviceCommandBody)
        try:
            check_id("thing", thing_id)
        except ValueError as error:
            raise ProblemError(422, f"{str(error)[:1].upper()}{str(error)[1:]}.") from None
        said = await commanded(
            context,
            request,
            "device_command",
            thing_id,
            msgspec.structs.asdict(wanted),
            by,
            identity=thing_id,
            look_at="/api/v1/commands, and whether a gatherer has this site in [[mqtt.devices]]",
        )
        return json_response(said)

    return routes
