"""Answers that are sent only if they are not what the client has already."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from fastapi import Request, Response


def unless_known(request: Request, body: bytes, kind: str, headers: Mapping[str, str]) -> Response:
    """Return a body, or 304 when the client has it already (RFC 9110, 13.1.2)."""
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {**headers, "etag": tag, "cache-control": "no-cache"}
    known = [one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")]
    if tag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=kind)
