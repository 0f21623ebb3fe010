"""A command of a person or program, sent and answered."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from fastapi import Request

from dashboards.access.addresses import address_of
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
    """Send a command and return what became of it. Whether the asker may was looked at before.

    Parameters
    ----------
    kind, target, arguments
        Of the `Command`.
    by
        Who asks, as `by_of` takes it.
    identity
        Of what the answer is about.
    look_at
        Where a person sees whether it took effect.

    Raises
    ------
    ProblemError
        409 it is refused, 422 the name does not serve, 503 nobody confirms it.
    """
    command = Command(
        id=uuid.uuid4().hex,
        kind=kind,
        target=target,
        by=by_of(context, request, by),
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


def by_of(context: Context, request: Request, given: str) -> str:
    """Return who is recorded: who is known, by account or token; else who says that they are.

    Parameters
    ----------
    given
        A name; empty: the address that asks is recorded. It counts where nobody is known by name: with the
        write token, and where everybody may do everything.

    Raises
    ------
    ProblemError
        422 the name is too long.
    """
    name = given.strip()
    if len(name) > MAX_NAME:
        raise ProblemError(422, f"by: write a name of at most {MAX_NAME} characters.")
    return (
        context.access.who(request).name or name or f"unnamed, from {address_of(request) or 'this machine'}"
    )
