"""Routes about the program itself: incoming streams, health, metrics."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Depends, Response
from starlette.concurrency import run_in_threadpool

from dashboards import answers, present
from dashboards.access.permissions import Action
from dashboards.api import schemas
from dashboards.api.context import PREFIX, Context, ListAnswer, json_response, known_parameters_only
from dashboards.api.needs import needs
from dashboards.metrics import CONTENT_TYPE
from dashboards.problems import ProblemError

READY_TIMEOUT_S = 3.0


def streams_router(context: Context) -> APIRouter:
    """Return the routes below `/api/v1`."""
    needed = [needs(Action.READ), Depends(known_parameters_only)]
    routes = APIRouter(prefix=PREFIX, tags=["Operations"], dependencies=needed)

    @routes.get("/streams", responses=schemas.many(answers.StreamAnswer))
    async def streams() -> Response:
        """Every incoming stream: what it is doing, since when, what went wrong."""
        return json_response(ListAnswer(items=[present.stream(state) for state in context.every_stream()]))

    return routes


def health_router(context: Context) -> APIRouter:
    """Return the routes at the root."""
    routes = APIRouter(tags=["Operations"])
    open_to_all = [needs(Action.OPEN)]

    @routes.get("/healthz", responses=schemas.one(answers.HealthAnswer), dependencies=open_to_all)
    async def healthz() -> Response:
        """The program answers."""
        return json_response(answers.HealthAnswer(status="ok", version=context.version))

    @routes.get("/readyz", responses=schemas.one(answers.HealthAnswer), dependencies=open_to_all)
    async def readyz() -> Response:
        """The store answers and data are flowing through; 503 when not."""
        if trouble := context.alive():
            raise ProblemError(503, trouble)
        fallback = context.fallback
        if fallback is not None and fallback.away():
            if not fallback.memory.complete:
                raise ProblemError(503, "The database does not answer, and alerts are still being read.")
            return json_response(answers.HealthAnswer(status="without database", version=context.version))
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                await run_in_threadpool(context.store.counts)
        except TimeoutError:
            raise ProblemError(503, "The store does not answer: see the log.") from None
        except Exception as error:
            raise ProblemError(
                503, f"The store does not answer ({type(error).__name__}): see the log."
            ) from error
        return json_response(answers.HealthAnswer(status="ok", version=context.version))

    @routes.get(
        "/metrics",
        responses={200: {"content": {"text/plain": {}}}},
        dependencies=[needs(Action.METRICS, "Reading figures")],
    )
    def metrics() -> Response:
        """Figures for Prometheus."""
        return Response(context.metrics.render(), media_type=CONTENT_TYPE)

    return routes
