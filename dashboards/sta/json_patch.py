"""JSON Patch (RFC 6902) of a small document: add, replace, remove and test, in objects."""

from __future__ import annotations

import copy
from typing import Any

from dashboards.problems import ProblemError

MOST_STEPS = 100


def patched(document: dict[str, Any], operations: Any) -> dict[str, Any]:
    """Return a document as some operations make it.

    Raises
    ------
    ProblemError
        400 they are no operations, or one does not fit; 409 a test fails.
    """
    if not isinstance(operations, list) or len(operations) > MOST_STEPS:
        raise ProblemError(400, f"A JSON patch is a list of {MOST_STEPS} operations at most.")
    made = copy.deepcopy(document)
    for one in operations:
        if (
            not isinstance(one, dict)
            or not isinstance(one.get("path"), str)
            or not one["path"].startswith("/")
        ):
            raise ProblemError(400, 'An operation is {"op": "replace", "path": "/name", "value": "..."}.')
        *steps, last = [step.replace("~1", "/").replace("~0", "~") for step in one["path"][1:].split("/")]
        _apply(made, steps, last, one)
    return made


def _apply(made: dict[str, Any], steps: list[str], last: str, one: dict[str, Any]) -> None:
    at: Any = made
    for step in steps:
        at = at.get(step) if isinstance(at, dict) else None
    if not isinstance(at, dict):
        raise ProblemError(400, f"There is nothing at {one['path'][:80]!r}.")
    name = one.get("op")
    if name not in {"add", "replace", "remove", "test"}:
        raise ProblemError(400, "op is add, replace, remove or test.")
    if name != "remove" and "value" not in one:
        raise ProblemError(400, f"{name} needs a value.")
    if name != "add" and last not in at:
        raise ProblemError(400, f"There is nothing at {one['path'][:80]!r}.")
    if name == "test":
        if at[last] != one["value"]:
            raise ProblemError(409, f"{one['path'][:80]!r} has another value: read it again.")
    elif name == "remove":
        del at[last]
    else:
        at[last] = one["value"]
