"""What all that writes has in common: commands, and entities that they are about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from fastapi import Request
from starlette.concurrency import run_in_threadpool

from dashboards.api.changes import ask_for
from dashboards.api.context import Context
from dashboards.problems import ProblemError
from dashboards.sta import bodies
from dashboards.sta.path import Path
from dashboards.sta.reading import Reading, Target
from storage.sta_query import EntityName, Row
from streams.records import ChangeVerb, ObjectKind

log = structlog.get_logger()

Key = tuple[ObjectKind, str]


class Asking:
    """Asks for changes, for one request. Whether it may was looked at before."""

    def __init__(self, context: Context, request: Request) -> None:
        self._context = context
        self._request = request
        self._reading = Reading(context.store, None)

    async def _ask(self, verb: ChangeVerb, key: Key, values: Mapping[str, Any]) -> None:
        await ask_for(self._context, self._request, verb, key, values, "")

    async def _undo(self, made: Sequence[Key]) -> None:
        """Take back what a deep insert made before it failed."""
        for key in reversed(made):
            try:
                await self._ask("delete", key, {})
            except ProblemError as error:
                log.warning("a part of what was to be created stays", key=key, error=error.detail)

    async def _row(self, path: Path) -> Row:
        at = await run_in_threadpool(self._reading.target, path)
        if isinstance(at, Target):
            raise ProblemError(405, f"Say which of {path.entity}: {path.entity}('ID').")
        return at

    async def _entity(self, entity: EntityName, identity: str) -> Row:
        row = await self._find(entity, identity)
        if row is None:
            raise ProblemError(400, f"There is no entity of {entity} with the id {identity[:80]!r}.")
        return row

    async def _find(self, entity: EntityName, identity: str) -> Row | None:
        return await run_in_threadpool(self._reading.by_id, entity, identity)

    async def _new(self, body: Mapping[str, Any], entity: EntityName, usual: str) -> str:
        """Return the id of a new entity: the one that was sent, or the usual one."""
        if "@iot.id" not in body:
            return usual
        identity = bodies.linked(body, entity)
        if await self._find(entity, identity) is not None:
            raise ProblemError(
                409, f"There is {entity}({identity[:80]!r}) already: change it, or leave @iot.id out."
            )
        return identity


def listed(body: Any, name: str) -> list[Any]:
    """Return the entities that a body has under a link; one alone is a list of it."""
    found = body.get(name, [])
    if isinstance(found, dict):
        return [found]
    if not isinstance(found, list):
        raise ProblemError(400, f"{name} is a list.")
    return found
