"""Resource paths: from the part of an address behind the version to steps."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import get_args

from dashboards.problems import ProblemError
from dashboards.sta.entities import ENTITIES
from storage.sta_query import EntityName

ROOT = "/sta/v1.1"
MOST_STEPS = 8
_STEP = re.compile(r"(?:^|/)(\$?[A-Za-z@.]\w*(?:\.\w+)*)(?:\(('(?:[^']|'')*'|-?\d{1,18})\))?")
_NAMES: tuple[EntityName, ...] = get_args(EntityName)


@dataclass(frozen=True, slots=True)
class Step:
    """One entity type on the way, and the id of one of it."""

    link: str
    entity: EntityName
    is_many: bool
    identity: str | None


@dataclass(frozen=True, slots=True)
class Path:
    """Where an address leads."""

    steps: tuple[Step, ...]
    names: tuple[str, ...] = ()
    """A property, and names inside it."""
    ending: str = ""
    """$value, $ref or $count."""

    @property
    def entity(self) -> EntityName:
        """The type at its end."""
        return self.steps[-1].entity

    @property
    def is_list(self) -> bool:
        """Whether it leads to many."""
        return self.steps[-1].is_many and self.steps[-1].identity is None


def path_of(text: str) -> Path:
    """Return what an address says.

    Raises
    ------
    ProblemError
        404 there is nothing of that name.
    """
    steps: list[Step] = []
    names: list[str] = []
    ending = ""
    for name, identity in _pieces(text):
        if ending:
            raise _nowhere(text)
        if name in {"$value", "$ref", "$count"} and identity is None:
            ending = name
        elif names:
            names.append(name)
        elif not steps:
            if name not in _NAMES:
                raise ProblemError(404, f"There is no {name[:40]!r}; there are {', '.join(_NAMES)}.")
            entity = next(one for one in _NAMES if one == name)
            steps.append(Step(name, entity, True, identity))
        else:
            last = steps[-1]
            if last.is_many and last.identity is None:
                raise ProblemError(404, f"Say which of {last.link}: {last.link}('ID')/{name[:40]}.")
            kind = ENTITIES[last.entity]
            if name in kind.links:
                to, is_many = kind.links[name]
                if identity is not None and not is_many:
                    raise _nowhere(text)
                steps.append(Step(name, to, is_many, identity))
            elif identity is None and (name in kind.properties or name in {"id", "@iot.id"}):
                names.append("@iot.id" if name == "id" else name)
            else:
                known = ", ".join((*kind.properties, *kind.links))
                raise ProblemError(404, f"{last.entity} have no {name[:40]!r}; known: {known}.")
    if len(steps) > MOST_STEPS:
        raise ProblemError(404, f"An address has {MOST_STEPS} steps at most.")
    path = Path(tuple(steps), tuple(names), ending)
    fits = {"": True, "$value": bool(names), "$ref": not names, "$count": path.is_list and not names}
    if not fits[ending]:
        raise _nowhere(text)
    return path


def _pieces(text: str) -> list[tuple[str, str | None]]:
    text = text.strip("/")
    pieces: list[tuple[str, str | None]] = []
    place = 0
    while place < len(text):
        match = _STEP.match(text, place)
        if match is None or match.end() == place or (match.end() < len(text) and text[match.end()] != "/"):
            raise _nowhere(text)
        identity = match[2]
        if identity is not None and identity.startswith("'"):
            identity = identity[1:-1].replace("''", "'")
        pieces.append((match[1], identity))
        place = match.end()
    if not pieces:
        raise _nowhere(text)
    return pieces


def _nowhere(text: str) -> ProblemError:
    return ProblemError(
        404, f"{text[:80]!r} is no address here: write for instance Things('ID')/Datastreams."
    )
