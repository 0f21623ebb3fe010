"""Rehearsals that a server makes and keeps: what is asked for, what is told of each, and who makes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Protocol

import msgspec

from dashboards.answers import Answer, Time

RehearsalState = Literal["running", "done", "failed", "cancelled"]
_Line = Annotated[str, msgspec.Meta(max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]


class RehearsalBody(Answer, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A stored time that is to be run once more."""

    start: Time
    end: Time
    """Not in it."""
    name: _Line = ""
    """For people; empty: the time."""
    sites: Annotated[Sequence[_Line], msgspec.Meta(max_length=100)] = ()
    """Only these; none: all."""
    rules: Annotated[str, msgspec.Meta(max_length=60_000)] = ""
    """TOML, as a file of rules has it; empty: the rules of today."""
    as_measured: bool = False
    """As if each sample had come when it was measured."""
    by: str = ""
    """A name; without one the address that asked is recorded."""


class RehearsalAnswer(Answer, frozen=True, kw_only=True):
    """A rehearsal that is made, or was."""

    id: str
    name: str
    by: str
    at: Time
    """When it was begun."""
    state: RehearsalState
    progress: float
    """0 to 1."""
    start: Time
    end: Time
    sites: list[str]
    other_rules: bool
    """Not those of today."""
    as_measured: bool
    counts: dict[str, int]
    """Alerts by verdict, once it is done."""
    message: str
    """Why it failed."""


class RefusedError(RuntimeError):
    """It cannot be begun now, in a sentence for people."""


class RehearsalDesk(Protocol):
    """Makes rehearsals one at a time, beside everything else, and keeps what came of them."""

    def listed(self) -> list[RehearsalAnswer]:
        """Return all of them, the newest first."""
        ...

    def result(self, rehearsal_id: str) -> bytes | None:
        """Return what came of one, as `groundswell replay-event --json` writes it; None: nothing is kept."""
        ...

    async def begin(self, wanted: RehearsalBody, name: str, by: str) -> RehearsalAnswer:
        """Begin one.

        Raises
        ------
        RefusedError
            Another one is made.
        """
        ...

    async def cancel(self, rehearsal_id: str) -> bool:
        """End one that is made; False: it is not."""
        ...

    async def forget(self, rehearsal_id: str) -> bool:
        """End one if it is made, and keep nothing of it; False: there is none."""
        ...
