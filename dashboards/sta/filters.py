"""`$filter` and `$orderby`: from text to typed expressions, or to a sentence that says what is wrong.

The text is read by `odata_query`; names, types and sizes are looked at here, before any database is asked.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from odata_query import ast
from odata_query.exceptions import ODataException
from odata_query.grammar import ODataLexer, ODataParser

from dashboards.problems import ProblemError
from dashboards.sta.entities import ENTITIES, with_id
from dashboards.sta.geometry import checked_wkt
from storage.sta_query import Call, Column, Constant, EntityName, Expression, Order, ValueType
from streams.records import EARLIEST_US, LATEST_US

MOST_CHARACTERS = 4_000
MOST_NODES = 200
MOST_LINKS = 5
"""Of a path."""
MOST_JOINS = 12
"""Links of all paths."""
_STRING = re.compile(r"('(?:[^']|'')*')")
_COMPARISONS = {
    ast.Eq: "eq", ast.NotEq: "ne", ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge",
}  # fmt: skip
_ARITHMETIC = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Mod: "mod"}
_OF_GEOMETRY: Mapping[tuple[str, ...], Expression] = {
    ("type",): Constant("Point", "text"),
    ("geometry", "type"): Constant(None, "null"),
}
"""What GeoJSON has inside: QGIS asks for its kind, of a feature too. All places here are points."""
_MIRRORED = {"st_within": "st_contains", "st_contains": "st_within"}
_Signature = tuple[tuple[ValueType, ...], ValueType]
FUNCTIONS: Mapping[str, _Signature] = {
    **dict.fromkeys(("contains", "startswith", "endswith"), (("text", "text"), "boolean")),
    "length": (("text",), "number"),
    "indexof": (("text", "text"), "number"),
    "concat": (("text", "text"), "text"),
    **dict.fromkeys(("tolower", "toupper", "trim"), (("text",), "text")),
    **dict.fromkeys(("year", "month", "day", "hour", "minute", "second"), (("time",), "number")),
    "fractionalseconds": (("time",), "number"),
    **dict.fromkeys(("date", "time"), (("time",), "text")),
    **dict.fromkeys(("round", "floor", "ceiling"), (("number",), "number")),
    "geo.distance": (("geometry", "geometry"), "number"),
    **dict.fromkeys(
        (
            "geo.intersects", "st_equals", "st_disjoint", "st_touches", "st_within", "st_overlaps",
            "st_crosses", "st_intersects", "st_contains",
        ),
        (("geometry", "geometry"), "boolean"),
    ),
}  # fmt: skip
_MORE = ("substringof", "substring", "now", "mindatetime", "maxdatetime", "totaloffsetminutes")
_WORDS: Mapping[ValueType, str] = {
    "text": "a text", "number": "a number", "time": "a time", "boolean": "a condition",
    "integer": "a number", "geometry": "a place", "json": "a value of properties", "null": "null",
}  # fmt: skip


def filter_of(text: str, entity: EntityName, now_us: int) -> Expression:
    """Return the condition that a `$filter` is.

    Raises
    ------
    ProblemError
        400 with what is wrong.
    """
    made = _Reader(entity, now_us).expression(_parsed(text, "$filter"))
    return _wanted(made, "boolean", "$filter")


def order_of(text: str, entity: EntityName, now_us: int) -> tuple[Order, ...]:
    """Return the order that an `$orderby` is.

    Raises
    ------
    ProblemError
        400 with what is wrong.
    """
    orders = []
    for part in split(text, ","):
        words = part.split()
        direction = words[-1].lower() if len(words) > 1 else ""
        plain = part.strip()[: -len(direction)] if direction in {"asc", "desc"} else part
        made = _Reader(entity, now_us).expression(_parsed(plain.strip(), "$orderby"))
        if made.type == "json":
            made = Call("json_text", (made,), "text")
        if made.type in {"geometry", "null", "boolean"} or isinstance(made, Constant):
            raise ProblemError(400, "$orderby: order by a text, a number or a time.")
        orders.append(Order(made, direction == "desc"))
    if len(orders) > MOST_LINKS:
        raise ProblemError(400, f"$orderby: order by {MOST_LINKS} things at most.")
    return tuple(orders)


def split(text: str, at: str) -> list[str]:
    """Return the parts of a text between signs that stand outside quotes and parentheses."""
    parts, depth, quoted, begin = [], 0, False, 0
    for place, sign in enumerate(text):
        if sign == "'":
            quoted = not quoted
        elif not quoted and sign in "()":
            depth += 1 if sign == "(" else -1
        elif sign == at and not quoted and depth == 0:
            parts.append(text[begin:place])
            begin = place + 1
    return [*parts, text[begin:]]


def _parsed(text: str, option: str) -> Any:
    if len(text) > MOST_CHARACTERS:
        raise ProblemError(400, f"{option} is longer than {MOST_CHARACTERS} characters: ask for less.")
    plain = "".join(
        part if part.startswith("'") else part.replace("@iot.id", "id") for part in _STRING.split(text)
    )
    parser: Any = ODataParser()
    parser._function_call = ast.Call  # which functions there are is told by us, for all at once
    try:
        tree = parser.parse(ODataLexer().tokenize(plain.strip()))
    except ODataException as error:
        token = getattr(error, "token", None)
        place = getattr(token, "index", None)
        where = "at its end" if place is None else f"at {plain[place : place + 20]!r}"
        raise ProblemError(
            400,
            f"{option} cannot be read {where}; write for instance: result gt 5 and name eq 'a'."
            " In an address + is written %2B.",
        ) from None
    except (RecursionError, ValueError, TypeError, AttributeError, NotImplementedError):
        tree = None
    if tree is None:
        raise ProblemError(400, f"{option} cannot be read: write for instance name eq 'a'.")
    return tree


class _Reader:
    """Makes a typed expression of a tree."""

    def __init__(self, entity: EntityName, now_us: int) -> None:
        self._entity = entity
        self._now_us = now_us
        self._nodes = 0
        self._links: dict[tuple[str, ...], EntityName] = {(): entity}

    def expression(self, node: Any) -> Expression:
        """Return a node as an expression."""
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise ProblemError(400, f"The expression has more than {MOST_NODES} parts: ask for less at once.")
        makers: dict[type, Callable[[Any], Expression]] = {
            ast.Identifier: self._column,
            ast.Attribute: self._column,
            ast.Compare: self._comparison,
            ast.BoolOp: self._logic,
            ast.UnaryOp: self._unary,
            ast.BinOp: self._arithmetic,
            ast.Call: self._call,
        }
        return makers.get(type(node), _constant)(node)

    def _column(self, node: Any) -> Expression:
        steps = _steps(node)
        entity, links = self._entity, 0
        while links < len(steps) - 1 and steps[links] in ENTITIES[entity].links:
            entity = ENTITIES[entity].links[steps[links]].to
            links += 1
            self._links[tuple(steps[:links])] = entity
        if links > MOST_LINKS or len(self._links) > MOST_JOINS:
            raise ProblemError(
                400, f"A path goes over {MOST_LINKS} links at most, all over {MOST_JOINS - 1}."
            )
        known, rest = ENTITIES[entity].columns, steps[links:]
        path = tuple(steps[:links])
        for name in ("/".join(rest), rest[0]):
            if name in known:
                column, type_ = known[name]
                inside = () if name == "/".join(rest) else tuple(rest[1:])
                if type_ == "geometry" and inside in _OF_GEOMETRY:
                    return _OF_GEOMETRY[inside]
                if (type_ == "json") == bool(inside):
                    return Column(column, type_, path, inside)
        names = [f"{name}/..." if kind == "json" else name for name, (_, kind) in known.items()]
        raise ProblemError(
            400,
            f"{entity} have no {'/'.join(rest)[:60]!r} that can be asked for; known: {', '.join(names)}; "
            f"links: {', '.join(ENTITIES[entity].links)}.",
        )

    def _comparison(self, node: Any) -> Expression:
        if isinstance(node.comparator, ast.In):
            return self._one_of(node)
        left, right = _alike(self.expression(node.left), self.expression(node.right))
        name = _COMPARISONS[type(node.comparator)]
        types = {left.type, right.type}
        if "null" in types and name not in {"eq", "ne"}:
            raise ProblemError(400, "null is compared with eq and ne only.")
        if len(types - {"null"}) > 1 or "geometry" in types:
            raise ProblemError(400, f"{_WORDS[left.type]} cannot be compared with {_WORDS[right.type]}.")
        return with_id(Call(name, (left, right), "boolean"), self._links)

    def _one_of(self, node: Any) -> Expression:
        whole: Expression | None = None
        for value in node.right.val:
            one = self._comparison(ast.Compare(ast.Eq(), node.left, value))
            whole = one if whole is None else Call("or", (whole, one), "boolean")
        if whole is None:
            raise ProblemError(400, "in needs values: write for instance name in ('a', 'b').")
        return whole

    def _logic(self, node: Any) -> Expression:
        name = "and" if isinstance(node.op, ast.And) else "or"
        sides = (self.expression(node.left), self.expression(node.right))
        return Call(name, (_wanted(sides[0], "boolean", name), _wanted(sides[1], "boolean", name)), "boolean")

    def _unary(self, node: Any) -> Expression:
        inner = self.expression(node.operand)
        if isinstance(node.op, ast.Not):
            return Call("not", (_wanted(inner, "boolean", "not"),), "boolean")
        return Call("negative", (_wanted(inner, "number", "-"),), "number")

    def _arithmetic(self, node: Any) -> Expression:
        name = _ARITHMETIC[type(node.op)]
        left, right = (_wanted(self.expression(side), "number", name) for side in (node.left, node.right))
        return Call(name, (left, right), "number")

    def _call(self, node: Any) -> Expression:
        name = node.func.full_name()
        args = [self.expression(arg) for arg in node.args]
        if name == "substringof" and len(args) == 2:
            name, args = "contains", args[::-1]
        if name == "totaloffsetminutes" and len(args) == 1:
            return Constant(0, "number")  # all times are sent in UTC
        if not args and name in {"now", "mindatetime", "maxdatetime"}:
            at_us = {"now": self._now_us, "mindatetime": EARLIEST_US, "maxdatetime": LATEST_US}[name]
            return Constant(at_us, "time")
        if name == "substring" and len(args) in {2, 3}:
            typed = [_wanted(args[0], "text", name), *(_wanted(arg, "number", name) for arg in args[1:])]
            return Call(f"substring{len(args)}", tuple(typed), "text")
        if name not in FUNCTIONS:
            known = ", ".join(sorted({*FUNCTIONS, *_MORE}))
            raise ProblemError(
                400, f"There is no function {name[:40]!r} with {len(args)} values; known: {known}."
            )
        wanted, type_ = FUNCTIONS[name]
        if len(args) != len(wanted):
            raise ProblemError(400, f"{name} takes {len(wanted)} values, not {len(args)}.")
        typed = [_wanted(arg, kind, name) for arg, kind in zip(args, wanted, strict=True)]
        if "geometry" in wanted:
            return _of_place(name, typed)
        return Call(name, tuple(typed), type_)


def _of_place(name: str, args: list[Expression]) -> Expression:
    if isinstance(args[0], Constant):
        args.reverse()
        name = _MIRRORED.get(name, name)
    if not isinstance(args[0], Column) or not isinstance(args[1], Constant):
        raise ProblemError(
            400,
            f"{name} takes a place and a geography, as in {name}(location, geography'POINT (1 2)').",
        )
    return Call(name, tuple(args), FUNCTIONS[name][1])


def _steps(node: Any) -> list[str]:
    steps: list[str] = []
    while isinstance(node, ast.Attribute):
        steps.append(node.attr)
        node = node.owner
    if not isinstance(node, ast.Identifier):
        raise ProblemError(400, "A path is made of names: Datastream/Thing/name.")
    return [".".join((*node.namespace, node.name)), *reversed(steps)]


def _constant(node: Any) -> Expression:
    if isinstance(node, ast.Null):
        return Constant(None, "null")
    if isinstance(node, ast.Boolean):
        return Constant(node.val.lower() == "true", "boolean")
    if isinstance(node, ast.Integer | ast.Float):
        value = float(node.val)
        if not math.isfinite(value):
            raise ProblemError(400, f"{node.val[:40]} is too large a number.")
        return Constant(value, "number")
    if isinstance(node, ast.Geography):
        return Constant(checked_wkt(node.val), "geometry")
    if isinstance(node, ast.DateTime):
        return Constant(time_us(node.val), "time")
    if isinstance(node, ast.Time):
        clock, _, part = node.val.partition(".")
        return Constant(f"{clock if clock.count(':') == 2 else clock + ':00'}.{part[:6]:0<6}", "text")
    if isinstance(node, ast.String | ast.Date | ast.GUID):
        return Constant(node.val, "text")
    raise ProblemError(400, f"A {type(node).__name__} cannot stand here.")


def time_us(text: str) -> int:
    """Return a time of ISO 8601 in microseconds; without an offset it is UTC.

    Raises
    ------
    ProblemError
        400 it is none, or too far away.
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ProblemError(
            400, f"{text[:40]!r} is no time: write for instance 2026-01-01T00:00:00Z."
        ) from None
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    found = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    if not EARLIEST_US <= found <= LATEST_US:
        raise ProblemError(400, f"{text[:40]!r} is too far away: times go from 1900 to 2200.")
    return found


def _alike(left: Expression, right: Expression) -> tuple[Expression, Expression]:
    """Return both sides of a comparison with the types that they have beside each other."""
    pair = [left, right]
    for here, there in ((0, 1), (1, 0)):
        this, other = pair[here], pair[there]
        if this.type == "json":
            kind: ValueType = other.type if other.type in {"number", "boolean"} else "text"
            pair[here] = Call(f"json_{kind}", (this,), kind)
        elif this.type == "time" and isinstance(other, Constant) and other.type == "text":
            pair[there] = Constant(time_us(str(other.value)), "time")
    return pair[0], pair[1]


def _wanted(made: Expression, type_: ValueType, where: str) -> Expression:
    if made.type == "json" and type_ in {"text", "number", "boolean"}:
        return Call(f"json_{type_}", (made,), type_)
    if made.type != type_:
        raise ProblemError(400, f"{where} takes {_WORDS[type_]}, not {_WORDS[made.type]}.")
    return made
