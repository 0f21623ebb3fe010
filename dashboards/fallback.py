"""What the API does while the database is away: alerts come from memory, all else is refused at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from anyio import to_thread
from starlette.concurrency import run_in_threadpool

from dashboards.alert_memory import AlertMemory
from dashboards.problems import ProblemError
from storage.store import StorageError

T = TypeVar("T")

STORE_S = 3.0
"""So long an answer is waited for, where memory has one too."""
RETRY_S = 5
HEADERS = {"answered-from": "memory"}
"""Of an answer that is not the database's."""


@dataclass(frozen=True, slots=True)
class Fallback:
    """What there is besides the database."""

    memory: AlertMemory
    away: Callable[[], str]
    """Returns in a sentence that the database does not answer, or an empty text."""


class AwayError(RuntimeError):
    """The database does not answer. Trying again helps once it is back."""


async def from_store(fallback: Fallback | None, call: Callable[[], T]) -> T:
    """Ask the store in a thread.

    Raises
    ------
    AwayError
        It does not answer, and there is a fallback.
    """
    if fallback is None:
        return await run_in_threadpool(call)
    if reason := fallback.away():
        raise AwayError(reason)
    try:
        async with asyncio.timeout(STORE_S):
            return await to_thread.run_sync(call, abandon_on_cancel=True)
    except (StorageError, TimeoutError) as error:
        raise AwayError(str(error)) from error


def database_needed(fallback: Fallback | None) -> Callable[[], Awaitable[None]]:
    """Return a dependency for routes that have no answer without the database."""

    async def check() -> None:
        if fallback is not None and fallback.away():
            raise away_problem()

    return check


def away_problem() -> ProblemError:
    """Return the refusal of what only the database can answer."""
    return ProblemError(
        503,
        "The database does not answer: try again in a while. Alerts and the live page go on.",
        {"Retry-After": str(RETRY_S)},
    )
