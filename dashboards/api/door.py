"""Before every request: who asks too often waits. Behind it: a session that is used goes on."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboards.access.access import Access, Who, too_often
from dashboards.access.addresses import address_of
from dashboards.access.cookies import NAME
from dashboards.api.needs import SAFE
from dashboards.problems import problem_response

UNCOUNTED = ("/assets/", "/healthz", "/readyz", "/api/v1/samples/")
"""Begins of paths: files of the page, looks at this program's health, and sensors, which have own rates."""


class Door:
    """Counts requests by address; renews cookies, and keeps what is told to one from caches."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve (ASGI)."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        if not scope["path"].startswith(UNCOUNTED):
            is_write = scope.get("method", "GET") not in SAFE
            if wait_s := self._access.wait_s(address_of(connection), is_write=is_write):
                error = too_often(wait_s)
                answer = problem_response(
                    error.status, error.detail, instance=scope["path"], headers=error.headers
                )
                await answer(scope, receive, send)
                return

        async def renewing(message: Message) -> None:
            who: Who | None = scope.get("state", {}).get("who")
            if message["type"] == "http.response.start" and who is not None:
                cookie = self._access.renewal_of(who)
                headers = MutableHeaders(scope=message)
                if who.how != "nobody":  # no cache between may show it to others
                    headers.setdefault("cache-control", "no-store")
                if cookie is not None and "set-cookie" not in headers:
                    headers.append("set-cookie", cookie_header(connection, self._access, cookie))
            await send(message)

        await self._app(scope, receive, renewing)


def cookie_header(connection: HTTPConnection, access: Access, cookie: str) -> str:
    """Return the header that sets the session's cookie; an empty one ends it."""
    is_secure = access.rules.is_secure or connection.url.scheme in {"https", "wss"}
    age_s = int(access.rules.session_longest_s) if cookie else 0
    secure = "; Secure" if is_secure else ""
    return f"{NAME}={cookie}; Path=/; Max-Age={age_s}; HttpOnly; SameSite=Strict{secure}"
