"""The route of push: events by channel, over HTTP and over a WebSocket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request, Response, WebSocket
from starlette.websockets import WebSocketDisconnect

from dashboards.access.addresses import address_of
from dashboards.access.permissions import Action
from dashboards.api.context import PREFIX, Context, known_parameters_only
from dashboards.api.event_stream import EventStream, serve, too_many
from dashboards.api.needs import needs, until_refused
from dashboards.live import ViewerLimitError
from dashboards.problems import ProblemError
from dashboards.push.channels import channels_of
from dashboards.push.cursor import Cursor, cursor_of
from dashboards.push.hub import PushHub
from dashboards.push.viewer import Reason, Viewer

RETRY = b"retry: 2000\n\n"
"""Milliseconds after which a browser comes back."""
MOST_MESSAGES = 100
"""Of a viewer, who has nothing to say."""
GOING_AWAY, NOT_ALLOWED, TRY_LATER = 1001, 1008, 1013
_WHY: Mapping[Reason, str] = {
    "slow": "you are too slow",
    "no_room": "too much waits for all who watch: come back later",
    "failed": "what you missed cannot be told now: come back later",
}

_Channels = Annotated[
    list[str],
    Query(
        description="network, region:ID, station:ID, thing:ID, property:ID or level:NAME; several with "
        "commas, one that has a comma in quotes."
    ),
]
_After = Annotated[
    str | None, Query(description="The id of the last event that was told, here or at another server.")
]
_LastEventId = Annotated[str | None, Header(description="The same, as browsers send it; it wins.")]


def router(context: Context, hub: PushHub) -> APIRouter:
    """Return the routes."""
    needed = [needs(Action.READ), Depends(known_parameters_only)]
    routes = APIRouter(prefix=PREFIX, tags=["Live"], dependencies=needed)
    is_public = context.access.rules.is_public

    @routes.get("/push", responses={200: {"content": {"text/event-stream": {}}}})
    async def push(
        request: Request,
        channel: _Channels = [],  # noqa: B006 - a default that nobody changes
        after: _After = None,
        last_event_id: _LastEventId = None,
    ) -> Response:
        """Server-sent events of some channels: `begin`, then `update` with what came, at most twice a second.

        Who comes back with the id of an event goes on behind it; `gap` says that this is not possible any
        more, and which time to ask for. `alive` comes where there is nothing to tell for 15 s. It ends
        within two seconds when its reader may not read any more.
        """
        enter = partial(
            hub.viewer, _asked(channel), "stream", _told(last_event_id or after), address_of(request)
        )
        refused = None if is_public else partial(until_refused, request, Action.READ)
        return EventStream(enter, _first, refused)

    @routes.websocket("/push")
    async def push_socket(socket: WebSocket, channel: _Channels = [], after: _After = None) -> None:  # noqa: B006
        """Send the same as messages of a WebSocket."""
        channels, cursor = _asked(channel), _told(after)
        refused = None if is_public else partial(until_refused, socket, Action.READ)
        try:
            with hub.viewer(channels, "socket", cursor, address_of(socket)) as viewer:
                await socket.accept()
                await serve(viewer, _send(socket, viewer, hub), _left(socket), refused)
        except ViewerLimitError as error:
            raise too_many(error) from None
        except WebSocketDisconnect:
            return

    return routes


async def _first() -> bytes:
    return RETRY


async def _send(socket: WebSocket, viewer: Viewer, hub: PushHub) -> None:
    async for event in viewer:
        await socket.send_text(event.decode())
    if hub.closed:
        await socket.close(GOING_AWAY, "the server is stopping")
    elif viewer.dropped is not None:
        await socket.close(TRY_LATER, _WHY[viewer.dropped])
    else:
        await socket.close(NOT_ALLOWED, "you may not read this any more")


async def _left(socket: WebSocket) -> None:
    """Return when a viewer has left, or says too much."""
    for _ in range(MOST_MESSAGES):
        if (await socket.receive())["type"] == "websocket.disconnect":
            return


def _asked(texts: Sequence[str]) -> tuple[str, ...]:
    try:
        return channels_of(texts)
    except ValueError as error:
        raise ProblemError(400, f"channel: {error}.") from None


def _told(text: str | None) -> Cursor | None:
    if not text:
        return None
    try:
        return cursor_of(text)
    except ValueError:
        raise ProblemError(
            400, "after is no id of an event: give the id of one that was told, or leave it out."
        ) from None
