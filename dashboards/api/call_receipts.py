"""Where gateways say what became of a message to one person; the address itself is what lets them in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import structlog
from fastapi import APIRouter, Request, Response

from connectors.channels import ReceiptReader
from connectors.channels.callback import PATH, ReceiptError
from connectors.channels.message import CallReceipt
from dashboards.access.permissions import Action
from dashboards.api.needs import needs
from dashboards.api.writes import bytes_of
from dashboards.problems import ProblemError

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Callbacks:
    """What gateways' calls need."""

    readers: Mapping[str, ReceiptReader]
    """Channels that take receipts, by name."""
    take: Callable[[CallReceipt], Awaitable[None]]
    """Notes a receipt; a TimeoutError says that the gateway is to try again."""


def router(callbacks: Callbacks) -> APIRouter:
    """Return the route."""
    routes = APIRouter(tags=["Calls"], dependencies=[needs(Action.OWN_PROOF)])

    @routes.post(PATH + "/{channel}/{call_id}", include_in_schema=False)
    async def receipt(channel: str, call_id: str, request: Request) -> Response:
        reader = callbacks.readers.get(channel)
        if reader is None:
            raise ProblemError(404, f"There is no channel {channel[:40]!r} that takes receipts.")
        body = await bytes_of(request)
        kind = request.headers.get("content-type", "")
        try:
            said = reader.receipt(call_id, dict(request.query_params), kind, body)
        except ReceiptError as error:
            log.warning("a receipt is refused", channel=channel, error=str(error))
            raise ProblemError(403, f"This is no receipt: {error}.") from None
        try:
            await callbacks.take(said)
        except TimeoutError:
            raise ProblemError(
                503, "The receipt could not be noted in time: send it again.", {"Retry-After": "5"}
            ) from None
        return Response(status_code=204)

    return routes
