"""Guards of routes, and the body of a change."""

from __future__ import annotations

import asyncio
from typing import TypeVar

import msgspec
from fastapi import Request
from starlette.requests import HTTPConnection

from dashboards.access.permissions import Action
from dashboards.api.context import Context
from dashboards.api.needs import SAFE, action_of, check
from dashboards.problems import ProblemError

T = TypeVar("T")

MAX_BODY_BYTES = 65_536
BODY_S = 10.0


def check_writer(
    request: HTTPConnection, context: Context, what: str = "Changing something", action: Action | None = None
) -> None:
    """Refuse a request that may not do what its route names (`dashboards.api.needs`).

    Parameters
    ----------
    what
        That is asked for, as the begin of a sentence.
    action
        Another one than the route names. Without either it is to change something, or to read what is
        sensitive.

    Raises
    ------
    ProblemError
        401 nobody is known, 403 who is known may not, or a foreign page asks; 415 without JSON.
    """
    named = action or action_of(request.scope.get("route"))
    if named is None:
        named = Action.SENSITIVE if request.scope.get("method", "GET") in SAFE else Action.CHANGE
    check(request, context.access, named, what)


def may(request: HTTPConnection, context: Context, action: Action) -> bool:
    """Return whether who asks may do an action, and so is shown what belongs to it."""
    return context.access.may(request, action)


def may_write(request: HTTPConnection, context: Context) -> bool:
    """Return whether who asks is shown what is sensitive."""
    return may(request, context, Action.SENSITIVE)


async def read_body(request: Request, kind: type[T]) -> T:
    """Return the decoded body of at most 64 kB; none is an empty object.

    Raises
    ------
    ProblemError
        408 too slow, 413 too large, 400 not JSON, 422 not what is asked for.
    """
    body = await bytes_of(request)
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except msgspec.ValidationError as error:
        raise ProblemError(422, f"{error}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProblemError(400, f"The body is not JSON: {error}.") from None


async def bytes_of(request: Request) -> bytes:
    """Return the body of at most 64 kB.

    Raises
    ------
    ProblemError
        408 too slow, 413 too large.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for piece in request.stream():
                body += piece
                if len(body) > MAX_BODY_BYTES:
                    raise ProblemError(413, f"The body is larger than {MAX_BODY_BYTES} bytes: send less.")
    except TimeoutError:
        raise ProblemError(408, f"The body did not come within {BODY_S:g} s: send it at once.") from None
    return bytes(body)
