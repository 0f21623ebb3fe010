"""`$batch`: several requests in one, as JSON (OData JSON Format 4.01, section 19), carried out in order."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import msgspec
from fastapi import Request
from starlette.types import ASGIApp, Message

from dashboards.problems import ProblemError
from dashboards.sta.path import ROOT

MOST_REQUESTS = 100
MOST_ANSWER_BYTES = 16_000_000
"""Of all answers together."""
METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE")
_OF_ITSELF = frozenset(
    {b"content-type", b"content-length", b"content-encoding", b"transfer-encoding", b"expect", b"connection"}
)
"""Headers of the batch alone; all others its requests have, too: they are asked by the same."""


async def answers_of(request: Request, app: ASGIApp, body: Any) -> list[dict[str, Any]]:
    """Return the answers to the requests of a batch, each carried out as if it came alone.

    Raises
    ------
    ProblemError
        400 it is no batch; 413 there are too many requests, or the answers are too large.
    """
    requests = body.get("requests") if isinstance(body, dict) else None
    if not isinstance(requests, list):
        raise ProblemError(400, 'A batch is {"requests": [{"id": "1", "method": "get", "url": "Things"}]}.')
    if len(requests) > MOST_REQUESTS:
        raise ProblemError(413, f"A batch has {MOST_REQUESTS} requests at most.")
    made: dict[str, str] = {}
    answers: list[dict[str, Any]] = []
    size = 0
    for one in requests:
        identity, method, url, content = _looked_at(one, made)
        status, headers, answer = await _asked(request, app, method, url, content)
        size += len(answer)
        if size > MOST_ANSWER_BYTES:
            raise ProblemError(413, "The answers are too large together: ask for less in one batch.")
        told: dict[str, Any] = {"id": identity, "status": status}
        if location := headers.get("location"):
            told["location"] = location
            made[identity] = location.partition(f"{ROOT}/")[2]
        if answer:
            is_json = "json" in headers.get("content-type", "")
            told["body"] = msgspec.Raw(answer) if is_json else answer.decode(errors="replace")
        answers.append(told)
    return answers


def _looked_at(one: Any, made: dict[str, str]) -> tuple[str, str, str, Any]:
    """Return id, method, address and body of a request; `$id` stands for what an earlier one made."""
    if not isinstance(one, dict) or not all(
        isinstance(one.get(name), str) for name in ("id", "method", "url")
    ):
        raise ProblemError(400, "Each request of a batch has an id, a method and a url.")
    if "atomicityGroup" in one:
        raise ProblemError(501, "Requests of a batch are carried out one by one: leave atomicityGroup out.")
    method = one["method"].upper()
    url = one["url"].partition(ROOT)[2] or one["url"]
    if method not in METHODS or "$batch" in unquote(url):
        raise ProblemError(400, f"A request of a batch is one of {', '.join(METHODS)}, and no batch.")
    url = url.lstrip("/")
    first, slash, rest = url.partition("/")
    if first.startswith("$") and first[1:] in made:
        url = made[first[1:]] + slash + rest
    return one["id"], method, url, _with_ids(one.get("body"), made)


def _with_ids(body: Any, made: dict[str, str]) -> Any:
    """Return a body in which links to `$id` have the id of what that request made."""
    if isinstance(body, list):
        return [_with_ids(part, made) for part in body]
    if not isinstance(body, dict):
        return body
    found = {name: _with_ids(value, made) for name, value in body.items()}
    link = found.get("@iot.id")
    if isinstance(link, str) and link.startswith("$") and link[1:] in made:
        found["@iot.id"] = unquote(made[link[1:]].partition("('")[2].removesuffix("')")).replace("''", "'")
    return found


async def _asked(
    request: Request, app: ASGIApp, method: str, url: str, content: Any
) -> tuple[int, dict[str, str], bytes]:
    path, _, query = url.partition("?")
    body = b"" if content is None else msgspec.json.encode(content)
    headers = [(name, value) for name, value in request.scope["headers"] if name not in _OF_ITSELF]
    headers += [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    plain = f"{ROOT}/{unquote(path)}"
    scope = {
        **{
            name: request.scope[name]
            for name in ("type", "http_version", "scheme", "server", "client", "asgi")
        },
        "root_path": "",
        "method": method,
        "path": plain,
        "raw_path": plain.encode(),
        "query_string": query.encode(),
        "headers": headers,
    }
    status, answer_headers, pieces = 500, dict[str, str](), list[bytes]()

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
            answer_headers.update((name.decode(), value.decode()) for name, value in message["headers"])
        elif message["type"] == "http.response.body":
            pieces.append(message.get("body", b""))

    await app(scope, receive, send)
    return status, answer_headers, b"".join(pieces)
