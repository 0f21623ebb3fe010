"""Answers to what went wrong, after RFC 9457 (application/problem+json): never a traceback."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from storage.raw_reader import ArchiveAwayError
from storage.store import StorageError

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A problem document. `detail` says in one sentence what is wrong and what to do."""

    type: str
    title: str
    status: int
    detail: str
    instance: str = ""
    errors: list[dict[str, str]] = msgspec.field(default_factory=list)
    """Which parameter is wrong, and how."""


class ProblemError(Exception):
    """Raised where a request cannot be answered; becomes a problem document."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})


def problem_response(
    status: int,
    detail: str,
    *,
    instance: str = "",
    errors: list[dict[str, str]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a problem document as an answer."""
    title = HTTPStatus(status).phrase
    body = Problem(
        type="about:blank", title=title, status=status, detail=detail, instance=instance, errors=errors or []
    )
    return Response(msgspec.json.encode(body), status, dict(headers or {}), MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Answer what the app refuses with a problem document (what it fails on: `dashboards.api.guard`)."""

    @app.exception_handler(ProblemError)
    async def on_problem(request: Request, error: ProblemError) -> Response:
        return problem_response(error.status, error.detail, instance=request.url.path, headers=error.headers)

    @app.exception_handler(StorageError)
    async def on_storage(request: Request, error: StorageError) -> Response:
        log.error("the store did not answer", path=request.url.path, error=str(error))
        detail = "The database does not answer: try again in a while."
        return problem_response(503, detail, instance=request.url.path, headers={"Retry-After": "5"})

    @app.exception_handler(ArchiveAwayError)
    async def on_archive(request: Request, error: ArchiveAwayError) -> Response:
        log.error("raw data cannot be had", path=request.url.path, error=str(error))
        detail = "The archive of raw data does not answer: try again in a while."
        return problem_response(503, detail, instance=request.url.path, headers={"Retry-After": "5"})

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> Response:
        errors = [_in_words(entry) for entry in error.errors()[:20]]
        detail = "; ".join(f"{e['parameter']}: {e['message']}" for e in errors)
        return problem_response(422, f"{detail}.", instance=request.url.path, errors=errors)

    @app.exception_handler(HTTPException)
    async def on_http(request: Request, error: HTTPException) -> Response:
        detail = {
            404: "There is nothing at this address; /docs lists what there is.",
            405: f"{request.method} is not possible here; /docs lists what is.",
        }.get(error.status_code, f"{error.detail}.")
        return problem_response(error.status_code, detail, instance=request.url.path, headers=error.headers)


def _in_words(entry: dict[str, Any]) -> dict[str, str]:
    place = ".".join(str(part) for part in entry["loc"] if part not in {"query", "path", "body"})
    return {"parameter": place or str(entry["loc"][0]), "message": str(entry["msg"])}
