"""What may stand behind the question mark, at the top and inside `$expand`."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from dashboards.problems import ProblemError
from dashboards.sta.entities import ENTITIES
from dashboards.sta.filters import filter_of, order_of, split
from storage.sta_query import EntityName, Expression, Order, Value

DEFAULT_TOP = 100
MOST_TOP = 10_000
MOST_SKIPPED = 1_000_000
MOST_EXPANSIONS = 12
DEEPEST = 4
"""Of expansions in each other."""
_NESTED = ("$filter", "$expand", "$select", "$orderby", "$top", "$skip")
OF_ONE = ("$expand", "$select")
"""What may be asked of one entity rather than of a list."""
KNOWN = (*_NESTED, "$count", "$resultFormat", "$skiptoken")


@dataclass(slots=True)
class Options:
    """Options of one list."""

    where: Expression | None = None
    order: tuple[Order, ...] = ()
    top: int = DEFAULT_TOP
    skip: int = 0
    after: list[Value] | None = None
    is_counted: bool = False
    is_array: bool = False
    select: tuple[str, ...] | None = None
    expand: dict[str, Options] = field(default_factory=dict)
    given: dict[str, str] = field(default_factory=dict)
    """As they were written, for links to the next page."""


def read(
    pairs: Iterable[tuple[str, str]], entity: EntityName, now_us: int, *, is_list: bool = True
) -> Options:
    """Return the options of a request for a list, or for one entity.

    Raises
    ------
    ProblemError
        400 one of them is not known, stands twice, or is wrong.
    """
    reader = _Reader(now_us)
    return reader.options(list(pairs), entity, KNOWN if is_list else OF_ONE, 0)


def token_of(order: str, end: list[Value]) -> str:
    """Return the `$skiptoken` that goes on behind a row with these values of its order."""
    return base64.urlsafe_b64encode(msgspec.json.encode([order, *end])).decode().rstrip("=")


class _Reader:
    def __init__(self, now_us: int) -> None:
        self._now_us = now_us
        self._expansions = 0

    def options(
        self, pairs: list[tuple[str, str]], entity: EntityName, known: tuple[str, ...], depth: int
    ) -> Options:
        made = Options()
        for name, text in pairs:
            if name not in known:
                raise ProblemError(
                    400, f"The option {name[:40]!r} is not known here; known: {', '.join(known)}."
                )
            if name in made.given:
                raise ProblemError(400, f"{name} stands twice: write it once.")
            made.given[name] = text
        given = made.given
        if "$filter" in given:
            made.where = filter_of(given["$filter"], entity, self._now_us)
        if "$orderby" in given:
            made.order = order_of(given["$orderby"], entity, self._now_us)
        made.top = min(_number("$top", given.get("$top", str(DEFAULT_TOP))), MOST_TOP)
        made.skip = _number("$skip", given.get("$skip", "0"))
        if made.skip > MOST_SKIPPED:
            raise ProblemError(400, f"$skip is {MOST_SKIPPED} at most: follow @iot.nextLink instead.")
        made.is_counted = _choice("$count", given.get("$count", "false"), ("true", "false")) == "true"
        if "$resultFormat" in given:
            _choice("$resultFormat", given["$resultFormat"], ("dataArray",))
            if entity != "Observations" or "$expand" in given:
                raise ProblemError(400, "$resultFormat=dataArray is for Observations, without $expand.")
            made.is_array = True
        if "$skiptoken" in given:
            made.after = _end(given["$skiptoken"], given.get("$orderby", ""))
        if "$select" in given:
            made.select = _selected(given["$select"], entity)
        for item in split(given["$expand"], ",") if "$expand" in given else ():
            self._expand(made, item.strip(), entity, depth)
        return made

    def _expand(self, made: Options, item: str, entity: EntityName, depth: int) -> None:
        self._expansions += 1
        if self._expansions > MOST_EXPANSIONS or depth >= DEEPEST:
            raise ProblemError(
                400, f"$expand holds {MOST_EXPANSIONS} expansions at most, {DEEPEST} inside each other."
            )
        path, bracket, inside = item.partition("(")
        name, slash, more = path.strip().partition("/")
        links = ENTITIES[entity].links
        if name not in links:
            raise ProblemError(
                400, f"{entity} have no link {name[:40]!r} to expand; known: {', '.join(links)}."
            )
        if bracket and not inside.endswith(")"):
            raise ProblemError(400, f"$expand: a parenthesis of {name} is not closed.")
        to = links[name].to
        if slash:
            nested = made.expand.setdefault(name, Options())
            self._expand(nested, more + bracket + inside, to, depth + 1)
            return
        pairs = []
        for option in split(inside[:-1], ";") if bracket else ():
            key, _, text = option.strip().partition("=")
            pairs.append((key, text))
        options = self.options(pairs, to, _NESTED if links[name].is_many else OF_ONE, depth + 1)
        if name in made.expand:
            options.expand = {**made.expand[name].expand, **options.expand}
        made.expand[name] = options


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise ProblemError(400, f"{name} is a number from 0 on, not {text[:20]!r}.")
    return int(text)


def _choice(name: str, text: str, known: tuple[str, ...]) -> str:
    if text not in known:
        raise ProblemError(400, f"{name} is {' or '.join(known)}, not {text[:20]!r}.")
    return text


def _selected(text: str, entity: EntityName) -> tuple[str, ...]:
    kind = ENTITIES[entity]
    known = ("id", *kind.properties, *kind.links)
    names = tuple({"@iot.id": "id"}.get(name.strip(), name.strip()) for name in text.split(","))
    for name in names:
        if name not in known:
            raise ProblemError(400, f"{entity} have no {name[:40]!r} to select; known: {', '.join(known)}.")
    return names


def _end(token: str, order: str) -> list[Value]:
    try:
        padded = token.encode("ascii") + b"=" * (-len(token) % 4)
        found = msgspec.json.decode(
            base64.b64decode(padded, altchars=b"-_", validate=True), type=list[str | float | int | bool]
        )
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        found = []
    if not found or found[0] != order:
        raise ProblemError(400, "$skiptoken is not of this list: follow @iot.nextLink as it is.")
    if any(isinstance(value, int) and abs(value) >= 2**63 for value in found):
        raise ProblemError(400, "$skiptoken is not of this list: follow @iot.nextLink as it is.")
    return list(found[1:])
