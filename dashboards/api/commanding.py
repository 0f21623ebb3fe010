"""A command of a person or program, sent and answered."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from fastapi import Request

from dashboards.answers import OutcomeAnswer
from dashboards.api.context import Context
from dashboards.problems import ProblemError
from streams.records import Command

MAX_NAME = 100


async def commanded(
    context: Context,
    request: Request,
    kind: Any,
    target: str,
    arguments: Mapping[str, Any],
    by: str,
    *,
    identity: str,
    look_at: str,
) -> OutcomeAnswer:
    """Send a command and return what became of it. Whether the writer may was looked at before.

    Parameters
    ----------
    kind, target, arguments
        Of the `Command`.
    by
        Who asks; empty: the address that asks is recorded.
    identity
        Of what the answer is about.
    look_at
        Where a person sees whether it took effect.

    Raises
    ------
    ProblemError
        409 it is refused, 422 the name does not serve, 503 nobody confirms it.
    """
    name = by.strip()
    if len(name) > MAX_NAME:
        raise ProblemError(422, f"by: write a name of at most {MAX_NAME} characters.")
    command = Command(
        id=uuid.uuid4().hex,
        kind=kind,
        target=target,
        by=name or f"unnamed, from {request.client.host if request.client else 'this machine'}",
        at_us=context.clock_us(),
        arguments=dict(arguments),
    )
    try:
        outcome = await context.commands.command(command)
    except TimeoutError:
        raise ProblemError(
            503,
            f"The change was not confirmed in time and may still take effect: look at {look_at}.",
            {"Retry-After": "5"},
        ) from None
    if not outcome.ok:
        raise ProblemError(409, outcome.message)
    return OutcomeAnswer(command_id=command.id, id=identity, message=outcome.message)
