"""SensorThings questions as PostgreSQL and PostGIS have them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import psycopg

from storage.postgres.database import QUERIES, Session
from storage.postgres.errors import first_line
from storage.postgres.sensors import PostgresSensorQueries
from storage.sql.sta.compiling import Dialect, Statement
from storage.sql.sta.queries import STATEMENT_S, TOO_LONG, StaQueries
from storage.sql.sta.tables import SOURCES, TABLES, filled_in
from storage.sta_query import TooLongError, UnanswerableError, Value

_UNANSWERABLE = (
    psycopg.DataError, psycopg.errors.InternalError_, psycopg.errors.UndefinedFunction,
    psycopg.errors.DatatypeMismatch,
)  # fmt: skip
"""A number that no column holds, a geometry that is none, and values of another type in a link to a page."""
_AT = "(timestamp '1970-01-01' + {0} * interval '1 microsecond')"


def _part(name: str) -> str:
    return f"extract({name} FROM {_AT})::double precision"


class _PostgresDialect(Dialect):
    def of_json(self, kind: str, column: str, path: Sequence[str], statement: Statement) -> str:
        steps = ", ".join(statement.bind(step) for step in path)
        found = f"({column} #> ARRAY[{steps}]::text[])"
        if kind == "json_text":
            return (
                f"CASE WHEN jsonb_typeof({found}) = 'string' "
                f"THEN ({found} #>> '{{}}'::text[]) COLLATE \"C\" END"
            )
        type_, cast = ("number", "double precision") if kind == "json_number" else ("boolean", "boolean")
        return f"CASE WHEN jsonb_typeof({found}) = '{type_}' THEN ({found} #>> '{{}}'::text[])::{cast} END"

    def one_of(self, column: str, keys: Sequence[Value], statement: Statement) -> str:
        return f"{column} = ANY({statement.bind(list(keys))})"

    def series(self, keys: Sequence[tuple[int, int]], statement: Statement) -> str:
        numbers = statement.bind([number for number, _ in keys])
        indicators = statement.bind([indicator for _, indicator in keys])
        return (
            f"unnest({numbers}::integer[], {indicators}::integer[]) "
            "WITH ORDINALITY AS p (number, indicator, place)"
        )

    def newest_of_series(self, series: str, inner: str, of_one: str, order: str, columns: str) -> str:
        return (
            f"SELECT {columns} FROM {series} CROSS JOIN LATERAL (SELECT t.* FROM {inner} {of_one}) AS t "
            f"ORDER BY p.place, {order}"
        )


DIALECT = _PostgresDialect(
    parameter="%({})s",
    functions={
        "ne": "{0} IS DISTINCT FROM {1}",
        "div": "({0}::double precision / nullif({1}::double precision, 0))",
        "mod": "({0} - {1} * trunc({0}::double precision / nullif({1}::double precision, 0)))",
        "ceiling": "ceil({0})",
        "contains": "(strpos({0}, {1}) > 0)",
        "startswith": "starts_with({0}, {1})",
        "endswith": "(right({0}, length({1})) = {1})",
        "indexof": "(strpos({0}, {1}) - 1)",
        "substring2": "substr({0}, greatest(({1})::integer, 0) + 1)",
        "substring3": "substr({0}, greatest(({1})::integer, 0) + 1, greatest(({2})::integer, 0))",
        "year": _part("year"),
        "month": _part("month"),
        "day": _part("day"),
        "hour": _part("hour"),
        "minute": _part("minute"),
        "second": f"floor({_part('second')})",
        "fractionalseconds": "((mod({0}, 1000000))::double precision / 1000000)",
        "date": f"to_char({_AT}, 'YYYY-MM-DD') COLLATE \"C\"",
        "time": f"to_char({_AT}, 'HH24:MI:SS.US') COLLATE \"C\"",
    },
    constants={
        "text": '({0}::text COLLATE "C")',
        "number": "{0}::double precision",
        "integer": "{0}::bigint",
        "time": "{0}::bigint",
    },
    rounded="round(({0})::numeric, {1})::double precision",
    json_as_text="({0})::text",
    true="true",
    false="false",
    point="ST_{0}(ST_MakePoint({1}, {2}), ST_GeomFromText({3}))",
)


_RELATIONS = {
    name: filled_in(QUERIES[name], "%%")
    for name in {*SOURCES.values(), *(table.relation for table in TABLES.values())}
}


class PostgresStaQueries(PostgresSensorQueries, StaQueries):
    """The SensorThings part of the store."""

    _dialect = DIALECT

    @property
    def _relations(self) -> Mapping[str, str]:
        return _RELATIONS

    @contextmanager
    def _asking(self) -> Iterator[Session]:
        with self._reading() as session:
            assert isinstance(session, Session)
            session.execute(f"SET LOCAL statement_timeout = {round(STATEMENT_S * 1000)}")
            try:
                yield session
            except psycopg.errors.QueryCanceled as error:
                raise TooLongError(TOO_LONG) from error
            except _UNANSWERABLE as error:
                raise UnanswerableError(f"this cannot be worked out ({first_line(error)})") from error
