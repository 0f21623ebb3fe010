"""Routes that change stations, sensors, accounts and more, and tell what was changed by whom."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Coroutine, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from dashboards import answers
from dashboards.access.permissions import SECRET_KINDS, Action, changing, reading
from dashboards.api import schemas
from dashboards.api.commanding import commanded
from dashboards.api.context import (
    MAX_LIMIT,
    PREFIX,
    Context,
    ListAnswer,
    ask,
    found,
    json_response,
    known_parameters_only,
)
from dashboards.api.needs import needs
from dashboards.api.writes import check_writer, may, may_write, read_body
from dashboards.call_answers import without_addresses
from dashboards.fallback import database_needed
from dashboards.present import time_of
from dashboards.problems import ProblemError
from dashboards.sensitivity import coarse_definition
from storage.rows import CommandRow
from streams.call_definitions import GroupDefinition, PersonDefinition, PlanDefinition, RosterDefinition
from streams.catalogue import PropertyDefinition, SensorDefinition
from streams.definition import Definition
from streams.definitions import (
    DatastreamDefinition,
    PrivacyDefinition,
    RuleDefinition,
    SightingDefinition,
    SilenceDefinition,
    StationDefinition,
    ThingDefinition,
    check_id,
    definition,
    values_of,
)
from streams.network_definition import NetworkDefinition
from streams.passwords import hashed
from streams.records import Change, ChangeVerb, ObjectKind

T = TypeVar("T")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
By = Annotated[str, Query(description="Who makes the change, for the audit.")]
Kind = Annotated[ObjectKind | None, Query(description="Only of this kind.")]
After = Annotated[str | None, Query(description="`next` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]
Route = Callable[..., Coroutine[Any, Any, Response]]

_PATHS: dict[ObjectKind, str] = {
    "station": "/stations/{station_id}",
    "thing": "/things/{thing_id}",
    "datastream": "/datastreams/{datastream_id}",
    "rule": "/rules/{datastream_id}/{detector}",
    "silence": "/silences/{silence_id}",
    "account": "/accounts/{name}",
    "privacy": "/privacy/{name}",
    "person": "/persons/{person_id}",
    "roster": "/rosters/{roster_id}",
    "group": "/groups/{group_id}",
    "plan": "/plans/{plan_id}",
    "network": "/networks/{network_id}",
    "sighting": "/sightings/{sighting_id}",
    "property": "/properties/{property_id}",
    "sensor": "/sensors/{sensor_id}",
}
_BODIES: dict[ObjectKind, type] = {
    "station": StationDefinition,
    "thing": ThingDefinition,
    "datastream": DatastreamDefinition,
    "rule": RuleDefinition,
    "silence": answers.SilenceBody,
    "account": answers.AccountBody,
    "privacy": PrivacyDefinition,
    "person": PersonDefinition,
    "roster": RosterDefinition,
    "group": GroupDefinition,
    "plan": PlanDefinition,
    "network": NetworkDefinition,
    "sighting": SightingDefinition,
    "property": PropertyDefinition,
    "sensor": SensorDefinition,
}
_LISTED: tuple[ObjectKind, ...] = (
    "silence", "account", "rule", "person", "roster", "group", "plan", "network", "sighting", "property",
    "sensor",
)  # fmt: skip
"""Of which those that commands made can be read."""
TOKEN: dict[str, Any] = {"security": [{"token": []}, {}]}


def router(context: Context) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix=PREFIX, tags=["Changes"], dependencies=[Depends(known_parameters_only)])
    store, needed = context.store, [Depends(database_needed(context.fallback))]

    @routes.get(
        "/changes", responses=schemas.many(answers.ChangeAnswer), dependencies=[*needed, needs(Action.READ)]
    )
    def changes(
        request: Request,
        kind: Kind = None,
        identity: Annotated[str | None, Query(alias="id", description="Only of this object.")] = None,
        after: After = None,
        limit: Limit = 100,
    ) -> Response:
        """What commands changed, the newest first: who, when, and what was before and after.

        Changes of accounts and tokens are told to who manages them, and left out for others.
        """
        if kind is not None and reading(kind) is not Action.READ:
            check_writer(request, context, f"Reading changes of kind {kind}", reading(kind))
        page = ask(lambda: store.changes(kind=kind, identity=identity, after=after, limit=limit))
        decimals = None if may_write(request, context) else context.station_decimals
        manages = may(request, context, Action.MANAGE)
        items = [shown_change(one, decimals) for one in page.items if manages or one.kind not in SECRET_KINDS]
        return json_response(ListAnswer(items=items, next=page.next))

    @routes.get(
        "/commands",
        responses=schemas.many(answers.CommandAnswer),
        dependencies=[*needed, needs(Action.READ)],
    )
    def commands(request: Request, limit: Limit = 100) -> Response:
        """What was asked for, the refused and unanswered included, the newest first.

        What concerns accounts and tokens is told to who manages them, and left out for others.
        """
        rows: Iterable[CommandRow] = store.commands(limit)
        if not may(request, context, Action.MANAGE):
            rows = (row for row in rows if row.command.target.partition("/")[0] not in SECRET_KINDS)
        return json_response(ListAnswer(items=[_shown_command(row) for row in rows]))

    @routes.post(
        "/changes/{kind}/{identity:path}/revert",
        responses=schemas.one(answers.OutcomeAnswer),
        openapi_extra=TOKEN,
        dependencies=[needs(Action.CHANGE, "Changing something")],
    )
    async def revert(kind: ObjectKind, identity: str, request: Request, by: By = "") -> Response:
        """Let what the configuration says hold again."""
        check_writer(request, context, f"Changing kind {kind}", changing(kind))
        return json_response(await ask_for(context, request, "revert", (kind, identity), {}, by))

    @routes.post(
        "/silences",
        responses=schemas.one(answers.OutcomeAnswer),
        openapi_extra={**schemas.body(answers.SilenceBody), **TOKEN},
        dependencies=[needs(Action.ANSWER, "Silencing alerts")],
    )
    async def silence(request: Request, by: By = "") -> Response:
        """Silence alerts for a while; the answer has the id by which it can be ended."""
        made = _made(await read_body(request, answers.SilenceBody), context)
        key: tuple[ObjectKind, str] = ("silence", uuid.uuid4().hex)
        return json_response(await ask_for(context, request, "put", key, values_of(made), by))

    for kind in _LISTED:
        _add_reading(routes, context, kind)
    for kind in _BODIES:
        _add_writing(routes, context, kind)
    return routes


def _identity(request: Request) -> str:
    return "/".join(request.path_params.values())


def _described(kind: ObjectKind, **more: Any) -> dict[str, Any]:
    """Describe the parts of the path, which are read as they stand."""
    names = re.findall(r"{(\w+)}", _PATHS[kind])
    parts = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
    return {"parameters": parts, **more}


def _add_reading(routes: APIRouter, context: Context, kind: ObjectKind) -> None:
    def every(request: Request, after: After = None, limit: Limit = 100) -> Response:
        page = ask(lambda: context.store.objects(kind, after=after, limit=limit))
        decimals = None if may_write(request, context) else context.station_decimals
        items = [shown_change(one, decimals) for one in page.items]
        return json_response(ListAnswer(items=items, next=page.next))

    def one(request: Request) -> Response:
        identity = _identity(request)
        change = found(context.store.object(kind, identity), kind, identity)
        decimals = None if may_write(request, context) else context.station_decimals
        return json_response(shown_change(change, decimals))

    path = _PATHS[kind].partition("/{")[0]
    needed = [Depends(database_needed(context.fallback)), needs(reading(kind), f"Reading {path[1:]}")]
    text = "Those that commands made, by id, each with its newest change."
    many, single = schemas.many(answers.ChangeAnswer), schemas.one(answers.ChangeAnswer)
    routes.get(path, responses=many, name=path[1:], description=text, dependencies=needed)(every)
    extra = _described(kind)
    routes.get(_PATHS[kind], responses=single, name=kind, openapi_extra=extra, dependencies=needed)(one)


def _add_writing(routes: APIRouter, context: Context, kind: ObjectKind) -> None:
    """Add PUT, PATCH and DELETE of a kind."""

    async def put(request: Request, by: By = "") -> Response:
        body: object = await read_body(request, _BODIES[kind])
        made = await run_in_threadpool(_made, body, context)  # a password takes a while
        key = (kind, _identity(request))
        return json_response(await ask_for(context, request, "put", key, values_of(made), by))

    async def patch(request: Request, by: By = "") -> Response:
        values = await run_in_threadpool(_partial, kind, await read_body(request, dict[str, Any]))
        key = (kind, _identity(request))
        return json_response(await ask_for(context, request, "patch", key, values, by))

    async def delete(request: Request, by: By = "") -> Response:
        key = (kind, _identity(request))
        return json_response(await ask_for(context, request, "delete", key, {}, by))

    answer = schemas.one(answers.OutcomeAnswer)
    body = _described(kind, **schemas.body(_BODIES[kind]), **TOKEN)
    values = {"requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}}}
    some = _described(kind, **values, **TOKEN)
    described: tuple[tuple[str, Route, dict[str, Any], str], ...] = (
        ("PUT", put, body, f"Add a {kind}, or put another in its place."),
        ("PATCH", patch, some, f"Change those values of a {kind} that are given."),
        (
            "DELETE",
            delete,
            _described(kind, **TOKEN),
            f"Take a {kind} out of use; what is stored of it stays.",
        ),
    )
    for method, route, extra, text in described:
        routes.add_api_route(
            _PATHS[kind],
            route,
            methods=[method],
            name=f"{method.lower()}_{kind}",
            description=text,
            responses=answer,
            openapi_extra=extra,
            dependencies=[needs(changing(kind), f"Changing a {kind}")],
        )


async def ask_for(
    context: Context,
    request: Request,
    verb: ChangeVerb,
    key: tuple[ObjectKind, str],
    values: Mapping[str, Any],
    by: str,
) -> answers.OutcomeAnswer:
    """Ask for a change; return the answer when it is in force. Whether the asker may was looked at before.

    Raises
    ------
    ProblemError
        409 it is refused, 422 the name or the id does not serve, 503 nobody confirms it.
    """
    checked(lambda: check_id(*key))
    return await commanded(
        context, request, verb, "/".join(key), values, by, identity=key[1], look_at="/api/v1/changes"
    )


def _made(body: object, context: Context) -> Definition:
    """Return what a body asks for, checked."""
    if isinstance(body, answers.SilenceBody):
        values = msgspec.structs.asdict(body)
        start, end = values.pop("start"), values.pop("end")
        begin_us = context.clock_us() if start is None else _us(start)
        made: Definition = SilenceDefinition(begin_us=begin_us, end_us=_us(end), **values)
    elif isinstance(body, answers.AccountBody):
        if not body.password:
            raise ProblemError(422, "password: write one.")
        values = {"password_hash": hashed(body.password, uuid.uuid4().hex), **_account_values(body)}
        made = checked(lambda: definition("account", values))
    else:
        assert isinstance(body, Definition)
        made = body
    checked(made.check)
    return made


def checked(look: Callable[[], T]) -> T:
    """Return what a look gives; what it does not like is told."""
    try:
        return look()
    except ValueError as error:
        raise ProblemError(422, f"{str(error)[:1].upper()}{str(error)[1:]}.") from None


def _account_values(body: answers.AccountBody) -> dict[str, Any]:
    """Return what a body says of an account beside its password, as a definition has it."""
    values: dict[str, Any] = msgspec.to_builtins(body, builtin_types=(datetime,))
    del values["password"]
    return _in_us(values)


def _in_us(values: dict[str, Any]) -> dict[str, Any]:
    """Return values of an account with times as a definition has them."""
    for name in ("valid_from", "valid_until"):
        if name in values:
            time = values.pop(name)
            values[f"{name}_us"] = None if time is None else _us(time)
    return values


def _partial(kind: ObjectKind, values: dict[str, Any]) -> dict[str, Any]:
    """Return some values of a body as those of a definition; what they make is looked at where it is made."""
    given = some_of(_BODIES[kind], values)
    for name, target in (("start", "begin_us"), ("end", "end_us")) if kind == "silence" else ():
        if given.get(name) is not None:
            given[target] = _us(given[name])
        given.pop(name, None)
    if kind == "account":
        if "password" in given:
            given["password_hash"] = hashed(given.pop("password"), uuid.uuid4().hex)
        given = _in_us(given)
    plain: dict[str, Any] = msgspec.to_builtins(given)
    return plain


def some_of(body: type, values: dict[str, Any]) -> dict[str, Any]:
    """Return some values of a body, each as the body has it.

    Raises
    ------
    ProblemError
        422 with what does not serve.
    """
    known = {field.name: field.type for field in msgspec.structs.fields(body)}
    given: dict[str, Any] = {}
    for name, value in values.items():
        if name not in known:
            raise ProblemError(422, f"There is no {name[:40]!r} here; known: {', '.join(sorted(known))}.")
        try:
            given[name] = msgspec.convert(value, known[name])
        except msgspec.ValidationError as error:
            raise ProblemError(422, f"{name}: {error}.") from None
    return given


def shown_change(change: Change, decimals: int | None) -> answers.ChangeAnswer:
    """Return a change as it is sent.

    Parameters
    ----------
    decimals
        Of stations' places, in degrees, for who may not change them, and so gets nobody's address either;
        None: all is told.
    """
    before, after = change.before, change.after
    if decimals is not None:
        before = coarse_definition(change.kind, without_addresses(change.kind, before), decimals)
        after = coarse_definition(change.kind, without_addresses(change.kind, after), decimals)
    return answers.ChangeAnswer(
        kind=change.kind,
        id=change.id,
        version=change.version,
        verb=change.verb,
        by=change.by,
        at=time_of(change.at_us),
        before=before,
        after=after,
        command_id=change.command_id,
    )


def _shown_command(row: CommandRow) -> answers.CommandAnswer:
    command = row.command
    return answers.CommandAnswer(
        id=command.id,
        kind=command.kind,
        target=command.target,
        by=command.by,
        at=time_of(command.at_us),
        ok=row.ok,
        message=row.message,
    )


def _us(time: datetime) -> int:
    return (time - _EPOCH) // timedelta(microseconds=1)
