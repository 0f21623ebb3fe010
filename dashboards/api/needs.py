"""What a route needs: each names one action, and none is reached without it.

`Needs` is a dependency: `routes.get(..., dependencies=[Depends(Needs(Action.READ))])`, or of a whole router.
A route that names none is shown to who may read, and changes nothing unless an administrator asks; a test
says which they are.
"""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

from fastapi import Depends
from fastapi.dependencies.models import Dependant
from starlette.requests import HTTPConnection

from dashboards.access.access import Access
from dashboards.access.permissions import Action
from dashboards.problems import ProblemError

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
CSRF_HEADER = "x-groundswell"
"""A cookie alone changes nothing: a foreign page can let a browser send one, but not this header."""
LOOK_S = 1.0


class Needs:
    """Lets a request go on if who asks may do an action.

    Parameters
    ----------
    what
        That is asked for, as the begin of a sentence.
    page
        Who is unknown is led to the sign-in.
    """

    def __init__(self, action: Action, what: str = "This", *, page: bool = False) -> None:
        self.action = action
        self._what = what
        self._page = page

    async def __call__(self, connection: HTTPConnection) -> None:
        """Look (FastAPI).

        Raises
        ------
        ProblemError
            401, 403, 415, 429 or 503; 303 of a page.
        """
        if self.action in {Action.OPEN, Action.OWN_PROOF}:
            return  # not even a look at who asks, which might be refused
        access = access_of(connection)
        try:
            check(connection, access, self.action, self._what)
        except ProblemError as error:
            if self._page and error.status == 401:
                path = quote(connection.url.path, safe="")
                raise ProblemError(303, "Sign in first.", {"Location": f"/sign-in?next={path}"}) from None
            raise


def needs(action: Action, what: str = "This", *, page: bool = False) -> Any:
    """Return the dependency with which a route names its action."""
    return Depends(Needs(action, what, page=page))


class NamedOrClosed:
    """Of the whole app: a route that names no action is closed to all who do not manage it, or read."""

    async def __call__(self, connection: HTTPConnection) -> None:
        """Look (FastAPI)."""
        route = connection.scope.get("route")
        if action_of(route) is None:
            method = connection.scope.get("method", "GET")
            action = Action.READ if method in SAFE else Action.MANAGE
            check(connection, access_of(connection), action, "This")


def action_of(route: object) -> Action | None:
    """Return the action that a route names; the last one, where its router names one, too."""
    dependant: Dependant | None = getattr(route, "dependant", None)
    if dependant is None:
        return None
    named = [one.call.action for one in dependant.dependencies if isinstance(one.call, Needs)]
    return named[-1] if named else None


def access_of(connection: HTTPConnection) -> Access:
    """Return the access of the app that is asked."""
    access: Access = connection.app.state.access
    return access


def check(connection: HTTPConnection, access: Access, action: Action, what: str) -> None:
    """Refuse a request that may not do an action, or could have been sent by a foreign page.

    A foreign page can send forms but neither JSON nor a token, and its empty requests tell their origin.

    Raises
    ------
    ProblemError
        401, 403, 415, 429 or 503.
    """
    if action is Action.METRICS and access.shows_figures(connection):
        return
    is_socket = connection.scope["type"] == "websocket"
    is_write = connection.scope.get("method", "GET") not in SAFE
    if is_write:
        check_form(connection)
    access.check(connection, action, what)
    if access.who(connection).how == "session" and (is_write or is_socket):
        check_not_foreign(connection, is_socket=is_socket)
    access.count(connection, is_write=is_write)


def check_form(connection: HTTPConnection) -> None:
    """Refuse what a foreign page's form could send: neither JSON, nor empty and from here.

    Raises
    ------
    ProblemError
        415
    """
    kind = connection.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not _is_empty_and_not_foreign(connection):
        raise ProblemError(415, "Send the body as JSON, with the header Content-Type: application/json.")


def check_not_foreign(connection: HTTPConnection, *, is_socket: bool = False) -> None:
    """Refuse a request with a cookie that a foreign page could have sent.

    Raises
    ------
    ProblemError
        403
    """
    if connection.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise ProblemError(403, "This comes from a foreign page: use the page of this server.")
    if is_socket:  # a browser's socket has no headers of the page's own, but always its origin
        origin = connection.headers.get("origin", "").partition("://")[2]
        if origin != connection.headers.get("host", ""):
            raise ProblemError(403, "This comes from a foreign page: use the page of this server.")
    elif not connection.headers.get(CSRF_HEADER):
        raise ProblemError(
            403, "A change by a signed-in page needs the header X-Groundswell: send it, with any value."
        )


async def until_refused(connection: HTTPConnection, action: Action) -> None:
    """Return when who asked may not any more: for answers without end."""
    access = access_of(connection)
    while True:
        await asyncio.sleep(LOOK_S)
        try:
            connection.scope.get("state", {})["who"] = access.look(connection)
        except ProblemError:
            return
        if not access.may(connection, action):
            return


def _is_empty_and_not_foreign(connection: HTTPConnection) -> bool:
    headers = connection.headers
    if "transfer-encoding" in headers or headers.get("content-length", "0") != "0":
        return False
    origin = headers.get("origin")
    return origin is None or origin == f"{connection.url.scheme}://{headers.get('host', '')}"
