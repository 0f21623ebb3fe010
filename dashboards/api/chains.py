"""Routes about how samples of a datastream are judged: its tests and detectors, and those there are."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Literal, get_args, get_origin

import msgspec
from fastapi import APIRouter, Depends, Response

from dashboards.access.permissions import Action
from dashboards.api import schemas
from dashboards.api.context import PREFIX, Context, ListAnswer, found, json_response, known_parameters_only
from dashboards.api.needs import needs
from dashboards.fallback import database_needed
from dashboards.page_answers import (
    ChainAnswer,
    DetectorAnswer,
    ParameterAnswer,
    PartAnswer,
    PausedAnswer,
    TestAnswer,
    ValueType,
)
from sensors.detectors import detector_names, find_kind
from sensors.model import Datastream
from sensors.quality import every_test
from sensors.quality_tests import QualityTests, quality_tests
from storage.pages import every
from storage.store import Store
from streams.definitions import RuleDefinition, definition
from streams.records import ObjectKind

PAGE = 1_000


def router(context: Context) -> APIRouter:
    """Return the routes."""
    needed = [needs(Action.READ), Depends(known_parameters_only), Depends(database_needed(context.fallback))]
    routes = APIRouter(prefix=PREFIX, tags=["Sensors"], dependencies=needed)
    store = context.store

    @routes.get("/chain-parts", responses=schemas.many(PartAnswer))
    def parts() -> Response:
        """Every quality test and detector, with its parameters."""
        return json_response(ListAnswer(items=list(_parts())))

    @routes.get("/datastreams/{datastream_id}/chain", responses=schemas.one(ChainAnswer))
    def chain(datastream_id: str) -> Response:
        """The tests and detectors of a datastream as they are in force."""
        return json_response(
            _chain(store, found(store.datastream(datastream_id), "datastream", datastream_id))
        )

    @routes.get("/paused", responses=schemas.many(PausedAnswer))
    def paused() -> Response:
        """Stations and datastreams that commands paused."""
        kinds: tuple[Literal["station", "datastream"], ...] = ("station", "datastream")
        items = [
            PausedAnswer(kind=kind, id=identity)
            for kind in kinds
            for identity, values in _objects(store, kind)
            if values.get("paused")
        ]
        return json_response(ListAnswer(items=items))

    return routes


def _objects(store: Store, kind: ObjectKind) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what commands made of a kind."""
    for change in every(lambda after: store.objects(kind, after=after, limit=PAGE)):
        if change.after is not None:
            yield change.id, change.after


def _chain(store: Store, row: Datastream) -> ChainAnswer:
    observed = {one.id: one for one in store.observed_properties()}.get(row.property_id)
    tests = QualityTests() if observed is None else quality_tests(observed, row)
    catalogue = {} if observed is None else {"gross_range": {}, **observed.tests}
    order = {test.name: test.order for test in every_test()}
    changed = store.object("datastream", row.id)
    rules = {name: rule for name in row.detectors if (rule := _rule(store, f"{row.id}/{name}")) is not None}
    return ChainAnswer(
        id=row.id,
        paused=bool(changed and changed.after and changed.after.get("paused")),
        own_tests=row.tests,
        tests=[
            TestAnswer(
                name=name,
                source="datastream" if name in row.tests else "property",
                parameters=msgspec.to_builtins(tests.tests[name]),
            )
            for name in sorted(tests.tests, key=lambda name: order[name])
        ],
        off=[name for name in catalogue if name not in tests.tests],
        detectors=[_detector(name, given, rules.get(name)) for name, given in row.detectors.items()],
        network=[name for name, values in _objects(store, "network") if row.id in values.get("members", ())],
    )


def _rule(store: Store, identity: str) -> RuleDefinition | None:
    change = store.object("rule", identity)
    if change is None or change.after is None or change.verb == "revert":
        return None
    made = definition("rule", change.after)
    assert isinstance(made, RuleDefinition)
    return made


def _detector(name: str, given: Mapping[str, Any], rule: RuleDefinition | None) -> DetectorAnswer:
    values = dict(given if rule is None else rule.parameters)
    usual = {one.name: one.default for one in _parameters(find_kind(name).parameters) if not one.required}
    return DetectorAnswer(
        name=name,
        is_off=rule is not None and rule.off,
        is_ruled=rule is not None,
        configured=dict(given),
        given=values,
        parameters={**usual, **values},
    )


@cache
def _parts() -> tuple[PartAnswer, ...]:
    tests = [(test.name, "test", test.configured) for test in sorted(every_test(), key=lambda one: one.order)]
    detectors = [(name, "detector", find_kind(name).parameters) for name in detector_names()]
    made: list[PartAnswer] = []
    for name, kind, parameters in (*tests, *detectors):
        assert kind in {"test", "detector"}
        text = (parameters.__doc__ or "").strip().partition("\n")[0]
        made.append(
            PartAnswer(
                kind="test" if kind == "test" else "detector",
                name=name,
                text=text,
                parameters=list(_parameters(parameters)),
            )
        )
    return tuple(made)


def _parameters(parameters: type[msgspec.Struct]) -> Iterator[ParameterAnswer]:
    for field in msgspec.structs.fields(parameters):
        default: Any = field.default
        if field.default_factory is not msgspec.NODEFAULT:
            default = field.default_factory()
        kind, choices, may_be_null = _type(field.type)
        yield ParameterAnswer(
            name=field.encode_name,
            type=kind,
            choices=choices,
            required=field.required,
            may_be_null=may_be_null,
            default=None if default is msgspec.NODEFAULT else msgspec.to_builtins(default),
        )


_PLAIN: Mapping[Any, ValueType] = {
    float: "number",
    int: "integer",
    str: "text",
    bool: "boolean",
}


def _type(
    hint: Any,
) -> tuple[ValueType, list[str], bool]:
    """Return how a person writes a value of a type, the values to choose from, and whether it may be none."""
    if get_origin(hint) is typing.Annotated:
        return _type(get_args(hint)[0])
    if get_origin(hint) in {typing.Union, types.UnionType}:
        inner = [one for one in get_args(hint) if one is not types.NoneType]
        kind, choices, _ = _type(inner[0]) if len(inner) == 1 else ("json", [], False)
        return kind, choices, len(inner) < len(get_args(hint))
    if get_origin(hint) is Literal:
        return "choice", [str(one) for one in get_args(hint)], False
    return _PLAIN.get(hint, "json"), [], False
