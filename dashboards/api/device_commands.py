"""The route by which people and programs tell devices what to do."""

from __future__ import annotations

import uuid

import msgspec
from fastapi import APIRouter, Depends, Request, Response

from dashboards import answers
from dashboards.api import schemas
from dashboards.api.changes import TOKEN, By
from dashboards.api.commanding import MAX_NAME
from dashboards.api.context import PREFIX, Context, json_response, known_parameters_only
from dashboards.api.writes import check_writer, read_body
from dashboards.problems import ProblemError
from streams.definitions import check_id
from streams.records import Command


def router(context: Context) -> APIRouter:
    """Return the route."""
    routes = APIRouter(prefix=PREFIX, tags=["Devices"], dependencies=[Depends(known_parameters_only)])

    @routes.post(
        "/things/{thing_id}/commands",
        responses=schemas.one(answers.OutcomeAnswer),
        openapi_extra={**schemas.body(answers.DeviceCommandBody), **TOKEN},
    )
    async def command(thing_id: str, request: Request, by: By = "") -> Response:
        """Publish a command to the devices of a site. The answer says that it is published, not done."""
        check_writer(request, context, "A command to devices")
        wanted = await read_body(request, answers.DeviceCommandBody)
        name = by.strip()
        if len(name) > MAX_NAME:
            raise ProblemError(422, f"by: write a name of at most {MAX_NAME} characters.")
        try:
            check_id("thing", thing_id)
        except ValueError as error:
            raise ProblemError(422, f"{str(error)[:1].upper()}{str(error)[1:]}.") from None
        asked = Command(
            id=uuid.uuid4().hex,
            kind="device_command",
            target=thing_id,
            by=name or f"unnamed, from {request.client.host if request.client else 'this machine'}",
            at_us=context.clock_us(),
            arguments=msgspec.structs.asdict(wanted),
        )
        try:
            outcome = await context.commands.command(asked)
        except TimeoutError:
            text = "Nobody has confirmed it in time, and it may still go out: look at /api/v1/commands, and"
            raise ProblemError(
                503, f"{text} whether a gatherer has this site in [[mqtt.devices]].", {"Retry-After": "5"}
            ) from None
        if not outcome.ok:
            raise ProblemError(409, outcome.message)
        said = answers.OutcomeAnswer(command_id=asked.id, id=thing_id, message=outcome.message)
        return json_response(said)

    return routes
