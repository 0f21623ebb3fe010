"""The API's description: schemas are made from the structures that are sent."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from dashboards import access_answers, answers, call_answers, page_answers, rehearsals
from dashboards.catalogue import iso19115
from dashboards.problems import MEDIA_TYPE, Problem
from streams.answer_statistics import AnswerFigures
from streams.call_definitions import GroupDefinition, PersonDefinition, PlanDefinition, RosterDefinition
from streams.catalogue import PropertyDefinition, SensorDefinition
from streams.definitions import (
    DatastreamDefinition,
    PrivacyDefinition,
    RuleDefinition,
    SightingDefinition,
    StationDefinition,
    ThingDefinition,
)
from streams.network_definition import NetworkDefinition

_TYPES = (
    answers.StationAnswer,
    answers.StationFigures,
    answers.QualityAnswer,
    answers.DatastreamAnswer,
    answers.ObservationAnswer,
    answers.ObservationWindowAnswer,
    answers.WaveformAnswer,
    answers.AlertAnswer,
    answers.SessionAnswer,
    answers.SessionCounts,
    answers.SessionChanges,
    answers.KeptSessionAnswer,
    answers.PrivacyAnswer,
    answers.StreamAnswer,
    answers.SourceBody,
    answers.SourceChangeAnswer,
    answers.HealthAnswer,
    answers.Acknowledgement,
    answers.CommentBody,
    answers.SilenceBody,
    answers.AccountBody,
    answers.DeviceCommandBody,
    answers.WebhookAnswer,
    answers.DeliveryAnswer,
    answers.ReplayBody,
    answers.OutcomeAnswer,
    answers.ChangeAnswer,
    answers.CommandAnswer,
    StationDefinition,
    ThingDefinition,
    DatastreamDefinition,
    RuleDefinition,
    PrivacyDefinition,
    PersonDefinition,
    RosterDefinition,
    GroupDefinition,
    PlanDefinition,
    NetworkDefinition,
    SightingDefinition,
    PropertyDefinition,
    SensorDefinition,
    AnswerFigures,
    call_answers.AlertCalls,
    call_answers.DutyAnswer,
    call_answers.LowerBody,
    call_answers.DecisionBody,
    call_answers.ReceiptBody,
    answers.ThingAnswer,
    access_answers.SignInBody,
    access_answers.WhoAnswer,
    access_answers.TokenBody,
    access_answers.TokenAnswer,
    access_answers.NewTokenAnswer,
    page_answers.TrendAnswer,
    rehearsals.RehearsalBody,
    rehearsals.RehearsalAnswer,
    page_answers.SkyAnswer,
    page_answers.ChainAnswer,
    page_answers.PartAnswer,
    page_answers.PausedAnswer,
    iso19115.CatalogueAnswer,
    iso19115.MetadataRecord,
    iso19115.RevisionsAnswer,
    Problem,
)
_TEMPLATE = "#/components/schemas/{name}"


def one(answer: type) -> dict[int | str, dict[str, Any]]:
    """Describe a route that answers with one of these."""
    return _responses({"$ref": _TEMPLATE.format(name=answer.__name__)})


def many(*kinds: type) -> dict[int | str, dict[str, Any]]:
    """Describe a route that answers with a page of these."""
    items = [{"$ref": _TEMPLATE.format(name=kind.__name__)} for kind in kinds]
    item = items[0] if len(items) == 1 else {"anyOf": items}
    page = {
        "type": "object",
        "required": ["items", "next"],
        "properties": {
            "items": {"type": "array", "items": item},
            "next": {"type": ["string", "null"], "description": "Give back as `after` for the next page."},
        },
    }
    return _responses(page)


def files(*media: str) -> dict[int | str, dict[str, Any]]:
    """Describe a route that answers with a file of one of these media types."""
    answers_of = _responses({})
    answers_of[200]["content"] = {name: {} for name in media}
    return answers_of


def body(kind: type) -> dict[str, Any]:
    """Describe a route that takes one of these."""
    schema = {"$ref": _TEMPLATE.format(name=kind.__name__)}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def install(app: FastAPI) -> None:
    """Let the app describe itself with these schemas."""

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            description = get_openapi(
                title=app.title, version=app.version, description=app.description, routes=app.routes
            )
            _, schemas = msgspec.json.schema_components(_TYPES, ref_template=_TEMPLATE)
            description["components"] = {
                "schemas": schemas,
                "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            }
            for operations in description["paths"].values():
                for operation in operations.values():
                    operation["responses"].pop("422", None)  # FastAPI's own form, which is not used
            app.openapi_schema = description
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign]


def _responses(schema: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    problem = {MEDIA_TYPE: {"schema": {"$ref": _TEMPLATE.format(name="Problem")}}}
    return {
        200: {"description": "OK", "content": {"application/json": {"schema": schema}}},
        "4XX": {"description": "The request cannot be answered", "content": problem},
    }
