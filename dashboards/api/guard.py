"""Around every answer: security headers, a count by route, and a problem document when the program fails."""

from __future__ import annotations

import traceback

import anyio.to_thread
import structlog
from prometheus_client import Counter
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboards.problems import problem_response

log = structlog.get_logger()

SECURITY_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


READERS = 4
"""Requests that read the store at one time. More would not be quicker, and would hold the interpreter so much
that stations' bytes are read seconds late."""


class Guard:
    """Adds the headers as an answer begins."""

    def __init__(self, app: ASGIApp, requests: Counter) -> None:
        self._app = app
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        anyio.to_thread.current_default_thread_limiter().total_tokens = READERS
        started = False

        async def guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)  # a route may have a stricter or fitting policy
                route = getattr(scope.get("route"), "path", "other")
                self._requests.labels(route, message["status"]).inc()
            await send(message)

        try:
            await self._app(scope, receive, guarded)
        except ClientDisconnect:
            return  # in the middle of its request: nobody is there to be answered
        except Exception as error:
            if started:
                raise
            where = traceback.format_exc(limit=-8)
            log.error("a request failed", path=scope["path"], error=repr(error), where=where)
            detail = "The program failed on this request; its log says why."
            await problem_response(500, detail, instance=scope["path"])(scope, receive, guarded)
