"""What the server says when it cannot answer."""

from __future__ import annotations

import httpx
import msgspec

from dashboards.problems import Problem


class ApiError(RuntimeError):
    """A question that was not answered. The text says what to do."""

    def __init__(self, status: int, detail: str, retry_after_s: float | None) -> None:
        super().__init__(detail)
        self.status = status
        """Of HTTP."""
        self.retry_after_s = retry_after_s
        """Trying again helps after so long; None: not said."""


def check(answer: httpx.Response) -> None:
    """Raise ApiError unless the question was answered; of a stream nothing was read yet."""
    if answer.is_success:
        return
    body = answer.read()
    try:
        detail = msgspec.json.decode(body, type=Problem).detail
    except msgspec.MsgspecError:
        detail = f"{answer.url} answers {answer.status_code} {answer.reason_phrase}."
    after = answer.headers.get("retry-after", "")
    raise ApiError(answer.status_code, detail, float(after) if after.isdecimal() else None)
