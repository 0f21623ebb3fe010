"""Who may change something, and how a change must be sent."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
from typing import TypeVar

import msgspec
from fastapi import Request

from dashboards.api.context import Context
from dashboards.problems import ProblemError

T = TypeVar("T")

MAX_BODY_BYTES = 65_536
BODY_S = 10.0


def check_writer(request: Request, context: Context, what: str = "Changing something") -> None:
    """Refuse a request that may not change anything.

    A foreign web page can send forms but neither JSON nor a token, and its empty requests tell their origin;
    one that points its own name at this machine (DNS rebinding) shows that name in the Host header.

    Parameters
    ----------
    what
        That is asked for, as the begin of a sentence.

    Raises
    ------
    ProblemError
        401 without the token, 403 when writing is closed or from a foreign page, 415 without JSON.
    """
    if not (_is_json(request) or _is_empty_and_not_foreign(request)):
        raise ProblemError(415, "Send the body as JSON, with the header Content-Type: application/json.")
    if context.write_token:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(
            token.strip().encode(), context.write_token.encode()
        ):
            raise ProblemError(
                401,
                f"{what} needs the write token: send Authorization: Bearer TOKEN.",
                {"WWW-Authenticate": "Bearer"},
            )
        return
    if not context.open_writes:
        raise ProblemError(
            403,
            "Changes are closed: this server is reachable from other machines and has no write_token; "
            "set [server] write_token in its configuration.",
        )
    if not _is_local_name(request.url.hostname or ""):
        raise ProblemError(
            403,
            "Changes without a token are taken at localhost or an IP address only; "
            "set [server] write_token to use a name.",
        )


def may_write(request: Request, context: Context) -> bool:
    """Return whether a request could change something, and so may be shown more."""
    try:
        check_writer(request, context)
    except ProblemError:
        return False
    return True


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


def _is_json(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


def _is_empty_and_not_foreign(request: Request) -> bool:
    headers = request.headers
    if "transfer-encoding" in headers or headers.get("content-length", "0") != "0":
        return False
    origin = headers.get("origin")
    return origin is None or origin == f"{request.url.scheme}://{headers.get('host', '')}"


def _is_local_name(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
