"""From typed expressions to SQL: names come from our tables, every value becomes a bound parameter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from storage.sql.sta.tables import NULLABLE, SOURCES, TABLES
from storage.sta_query import (
    Call,
    Column,
    Constant,
    EntityName,
    Expression,
    Order,
    Question,
    UnanswerableError,
    Value,
    ValueType,
)

PLAIN = {
    "and": "({0} AND {1})",
    "all": "({0} AND {1})",
    "or": "({0} OR {1})",
    "eq": "{0} = {1}",
    "lt": "{0} < {1}",
    "le": "{0} <= {1}",
    "gt": "{0} > {1}",
    "ge": "{0} >= {1}",
    "add": "({0} + {1})",
    "sub": "({0} - {1})",
    "mul": "({0} * {1})",
    "negative": "(- {0})",
    "floor": "floor({0})",
    "round": "(sign({0}) * floor(abs({0}) + 0.5))",
    "concat": "({0} || {1})",
    "tolower": "lower({0})",
    "toupper": "upper({0})",
    "trim": "trim({0})",
    "length": "length({0})",
    "fractionalseconds": "(({0} - {0} / 1000000 * 1000000) / 1000000.0)",
}
"""What both databases write alike. Times are whole microseconds."""
_EMPTY: Mapping[ValueType, str] = {"text": "''", "number": "0", "time": "0"}


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a database writes what the two write differently."""

    parameter: str
    """Of a name."""
    functions: Mapping[str, str]
    constants: Mapping[ValueType, str]
    rounded: str
    """A number and its decimals."""
    json_as_text: str
    true: str
    false: str
    point: str
    """A condition of a point: its name, longitude, latitude, and the parameter of a geometry."""

    def of_json(self, kind: str, column: str, path: Sequence[str], statement: Statement) -> str:
        """Return a value inside a JSON value: `json_text`, `json_number` or `json_boolean`."""
        raise NotImplementedError

    def one_of(self, column: str, keys: Sequence[Value], statement: Statement) -> str:
        """Return the condition that a column has one of these values, which are of one type."""
        raise NotImplementedError

    def series(self, keys: Sequence[tuple[int, int]], statement: Statement) -> str:
        """Return a relation of pairs (number, indicator, place), in this order."""
        raise NotImplementedError

    def newest_of_series(self, series: str, inner: str, of_one: str, order: str, columns: str) -> str:
        """Return for each pair the rows that a question about it alone gives.

        Parameters
        ----------
        series
            What `series` returned.
        inner
            The relation of observations, with its alias.
        of_one
            Conditions, order and limit of the question about `p`.
        order
            Of the rows of one pair.
        columns
            That are wanted.
        """
        raise NotImplementedError


class Statement:
    """One statement that is being written, with its values."""

    def __init__(self, dialect: Dialect, relations: Mapping[str, str], question: Question) -> None:
        self.dialect = dialect
        self.values: dict[str, object] = {}
        self._relations = relations
        self._question = question
        self._aliases = 0

    def bind(self, value: object) -> str:
        """Return the parameter that stands for a value."""
        name = f"v{len(self.values)}"
        self.values[name] = value
        return self.dialect.parameter.format(name)

    def constant(self, constant: Constant) -> str:
        """Return a value as SQL."""
        if constant.value is None:
            return "NULL"
        if constant.type == "boolean":
            return self.dialect.true if constant.value else self.dialect.false
        value = float(constant.value) if constant.type == "number" else constant.value
        return self.dialect.constants.get(constant.type, "{0}").format(self.bind(value))

    def relation(self, entity: EntityName, alias: str) -> str:
        """Return the relation of an entity under an alias."""
        name = TABLES[entity].relation
        if entity == "Observations" and entity == self._question.entity and alias == "t":
            name = SOURCES[self._question.source]
        return f"({self._relations[name]}) AS {alias}"

    def column(self, entity: EntityName, name: str, alias: str) -> str:
        """Return a column; places of stations are as coarse as they must be."""
        decimals = self._question.decimals
        if name in {"longitude", "latitude", "height_m"} and decimals is not None:
            coarse = "NULL"
            if name != "height_m":
                coarse = self.dialect.rounded.format(f"{alias}.{name}", int(decimals))
            return f"CASE WHEN {alias}.kind = 1 THEN {coarse} ELSE {alias}.{name} END"
        assert name in TABLES[entity].columns
        return f"{alias}.{name}"

    def condition(self, expression: Expression, entity: EntityName, alias: str) -> str:
        """Return a condition on the entity of an alias.

        What links lead to holds if it holds of one of those that are there.
        """
        if isinstance(expression, Call) and expression.name in {"and", "or"}:
            parts = [self.condition(part, entity, alias) for part in expression.args]
            return PLAIN[expression.name].format(*parts)
        if isinstance(expression, Call) and expression.name == "not":
            inner = self.condition(expression.args[0], entity, alias)
            return f"(NOT coalesce({inner}, {self.dialect.false}))"
        scope: dict[tuple[str, ...], tuple[EntityName, str]] = {(): (entity, alias)}
        joins: list[str] = []
        conditions: list[str] = []
        for links in sorted({column.links for column in columns_of(expression)}):
            for depth in range(1, len(links) + 1):
                self._reach(links[:depth], scope, joins, conditions)
        what = self.value(expression, scope)
        if not joins:
            return f"({what})"
        return (
            f"EXISTS (SELECT 1 FROM {' CROSS JOIN '.join(joins)} WHERE {' AND '.join([*conditions, what])})"
        )

    def _reach(
        self,
        links: tuple[str, ...],
        scope: dict[tuple[str, ...], tuple[EntityName, str]],
        joins: list[str],
        conditions: list[str],
    ) -> None:
        """Put what a link leads to into the scope."""
        if links in scope:
            return
        entity, alias = scope[links[:-1]]
        link = TABLES[entity].links[links[-1]]
        if link.through:
            before = (*links[:-1], link.through)
            self._reach(before, scope, joins, conditions)
            entity, alias = scope[before]
        there = self._alias()
        joins.append(self.relation(link.to, there))
        conditions += [f"{there}.{far} = {alias}.{near}" for near, far in link.pairs]
        if TABLES[link.to].places_only:
            conditions.append(f"{there}.longitude IS NOT NULL")
        scope[links] = link.to, there

    def _alias(self) -> str:
        self._aliases += 1
        return f"a{self._aliases}"

    def value(self, expression: Expression, scope: Mapping[tuple[str, ...], tuple[EntityName, str]]) -> str:
        """Return an expression's value; columns that are not in the scope are looked up."""
        if isinstance(expression, Constant):
            return self.constant(expression)
        if isinstance(expression, Column):
            if expression.links in scope:
                return self.column(scope[expression.links][0], expression.name, scope[expression.links][1])
            return self._looked_up(expression, scope)
        name, args = expression.name, expression.args
        if name.startswith("json_"):
            column = args[0]
            assert isinstance(column, Column)
            return self.dialect.of_json(name, self.value(column, scope), column.path, self)
        if name.startswith(("geo.", "st_")):
            return self._of_point(name, args, scope)
        if name == "not":
            return f"(NOT coalesce({self.value(args[0], scope)}, {self.dialect.false}))"
        if name in {"eq", "ne"} and Constant(None, "null") in args:
            (other,) = [arg for arg in args if arg != Constant(None, "null")] or [args[0]]
            return f"{self.value(other, scope)} IS {'NOT ' if name == 'ne' else ''}NULL"
        form = self.dialect.functions.get(name) or PLAIN[name]
        return form.format(*(self.value(arg, scope) for arg in args))

    def _of_point(
        self,
        name: str,
        args: Sequence[Expression],
        scope: Mapping[tuple[str, ...], tuple[EntityName, str]],
    ) -> str:
        place, geometry = args
        assert isinstance(place, Column)
        assert isinstance(geometry, Constant)
        longitude, latitude = (
            self.value(Column(part, "number", place.links), scope) for part in ("longitude", "latitude")
        )
        function = "distance" if name == "geo.distance" else name.removeprefix("geo.").removeprefix("st_")
        return self.dialect.point.format(function, longitude, latitude, self.bind(geometry.value))

    def _looked_up(self, column: Column, scope: Mapping[tuple[str, ...], tuple[EntityName, str]]) -> str:
        known, joins, conditions = dict(scope), list[str](), list[str]()
        for depth in range(1, len(column.links) + 1):
            self._reach(column.links[:depth], known, joins, conditions)
        entity, alias = known[column.links]
        found = self.column(entity, column.name, alias)
        return f"(SELECT {found} FROM {' CROSS JOIN '.join(joins)} WHERE {' AND '.join(conditions)} LIMIT 1)"

    def keys_of(self, orders: Sequence[Order], entity: EntityName, alias: str) -> list[tuple[str, bool]]:
        """Return what rows are ordered by, and whether downwards: without a value is last."""
        keys = []
        for order in orders:
            value = self.value(order.by, {(): (entity, alias)})
            simple = isinstance(order.by, Column) and not order.by.links
            if not (simple and isinstance(order.by, Column) and order.by.name not in NULLABLE):
                keys.append((f"CASE WHEN {value} IS NULL THEN 1 ELSE 0 END", False))
                value = f"coalesce({value}, {_EMPTY.get(order.by.type, self.dialect.false)})"
            keys.append((value, order.descending))
        return keys

    def behind(self, keys: Sequence[tuple[str, bool]], end: Sequence[Value]) -> str:
        """Return the condition that a row comes after the one with these values of its keys."""
        if len(end) != len(keys):
            raise UnanswerableError("the page before is not one of this list: begin anew")
        whole = ""
        for (key, descending), value in reversed(list(zip(keys, end, strict=True))):
            bound = self.bind(value)
            beyond = "<" if descending else ">"
            if whole:
                whole = f"({key} {beyond}= {bound} AND ({key} {beyond} {bound} OR {whole}))"
            else:
                whole = f"{key} {beyond} {bound}"
        return whole


def columns_of(expression: Expression) -> Iterator[Column]:
    """Yield the columns of an expression."""
    if isinstance(expression, Column):
        yield expression
    elif isinstance(expression, Call):
        for arg in expression.args:
            yield from columns_of(arg)


def ends(question: Question) -> tuple[Order, ...]:
    """Return the order of a question with what makes it complete."""
    if question.entity == "Observations":
        names = ("time_us",) if question.one_series else ("number", "indicator", "time_us")
        type_: ValueType = "number"
    else:
        names, type_ = ("id",), "text"
    given = {order.by for order in question.order}
    more = [Order(Column(name, "time" if name == "time_us" else type_)) for name in names]
    return (*question.order, *(order for order in more if order.by not in given))
