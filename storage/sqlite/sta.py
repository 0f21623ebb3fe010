"""SensorThings questions as SQLite has them."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import msgspec

from storage.sql.sta.compiling import Dialect, Statement
from storage.sql.sta.queries import STATEMENT_S, TOO_LONG, StaQueries, not_too_many
from storage.sql.sta.tables import SOURCES, TABLES, filled_in
from storage.sqlite.database import QUERIES, RAW_QUERIES, SqliteDatabase
from storage.sqlite.geometry import about_point
from storage.sqlite.tables import without_arrivals
from storage.sta_query import (
    Question,
    Row,
    TooLongError,
    UnanswerableError,
    Value,
    both,
    equals,
)

_SECONDS = "({0} - (({0} % 1000000 + 1000000) % 1000000)) / 1000000"
_STEPS = 20_000
"""Of SQLite's machine between two looks at the clock."""


def _part(letter: str) -> str:
    return f"CAST(strftime('%{letter}', {_SECONDS}, 'unixepoch') AS INTEGER)"


class _SqliteDialect(Dialect):
    def of_json(self, kind: str, column: str, path: Sequence[str], statement: Statement) -> str:
        where = statement.bind("$" + "".join(f'."{step}"' for step in path))
        types = {
            "json_text": "'text'", "json_number": "'integer', 'real'", "json_boolean": "'true', 'false'",
        }[kind]  # fmt: skip
        found = f"json_extract({column}, {where})"
        return f"CASE WHEN json_type({column}, {where}) IN ({types}) THEN {found} END"

    def one_of(self, column: str, keys: Sequence[Value], statement: Statement) -> str:
        return f"{column} IN (SELECT value FROM json_each({statement.bind(_json(keys))}))"

    def series(self, keys: Sequence[tuple[int, int]], statement: Statement) -> str:
        return (
            "(SELECT json_extract(value, '$[0]') AS number, json_extract(value, '$[1]') AS indicator, "
            f"key AS place FROM json_each({statement.bind(_json(keys))})) AS p"
        )

    def newest_of_series(self, series: str, inner: str, of_one: str, order: str, columns: str) -> str:
        return (
            f"SELECT {columns} FROM {series} CROSS JOIN {inner} "
            "WHERE t.number = p.number AND t.indicator = p.indicator "
            f"AND t.time_us IN (SELECT t.time_us FROM {inner} {of_one}) ORDER BY p.place, {order}"
        )


DIALECT = _SqliteDialect(
    parameter=":{}",
    functions={
        "ne": "{0} IS NOT {1}",
        "div": "(CAST({0} AS REAL) / {1})",
        "mod": "({0} - {1} * trunc(CAST({0} AS REAL) / {1}))",
        "ceiling": "ceil({0})",
        "contains": "(instr({0}, {1}) > 0)",
        "startswith": "(substr({0}, 1, length({1})) = {1})",
        "endswith": "(length({1}) <= length({0}) AND substr({0}, length({0}) - length({1}) + 1) = {1})",
        "indexof": "(instr({0}, {1}) - 1)",
        "substring2": "substr({0}, max(CAST({1} AS INTEGER), 0) + 1)",
        "substring3": "substr({0}, max(CAST({1} AS INTEGER), 0) + 1, max(CAST({2} AS INTEGER), 0))",
        "year": _part("Y"),
        "month": _part("m"),
        "day": _part("d"),
        "hour": _part("H"),
        "minute": _part("M"),
        "second": _part("S"),
        "date": f"strftime('%Y-%m-%d', {_SECONDS}, 'unixepoch')",
        "time": (
            f"strftime('%H:%M:%S', {_SECONDS}, 'unixepoch') "
            "|| printf('.%06d', ({0} % 1000000 + 1000000) % 1000000)"
        ),
    },
    constants={},
    rounded="round({0}, {1})",
    json_as_text="{0}",
    true="1",
    false="0",
    point="about_point('{0}', {1}, {2}, {3})",
)


_NAMES = {*SOURCES.values(), *(table.relation for table in TABLES.values())}
RELATIONS = {name: filled_in(QUERIES[name], "%") for name in _NAMES}
PLAIN_RELATIONS = {name: filled_in(without_arrivals(RAW_QUERIES[name]), "%") for name in _NAMES}
"""While no rows wait."""


class SqliteStaQueries(StaQueries, SqliteDatabase):
    """The SensorThings part of the store."""

    _dialect = DIALECT

    @property
    def _relations(self) -> Mapping[str, str]:
        # What people may ask is too much to be sure of how SQLite goes about it with more than one table.
        return RELATIONS if self._rows_wait else PLAIN_RELATIONS

    def sta_series(self, question: Question, keys: Sequence[tuple[int, int]]) -> list[Row]:
        """Return observations of many datastreams (see `StaQueries.sta_series`).

        While rows wait, one datastream after the other: of all together SQLite would read the whole table.
        """
        if not self._rows_wait:
            return super().sta_series(question, keys)
        rows: list[Row] = []
        with self._asking() as connection:
            for number, indicator in keys:
                of_it = equals("number", "integer", number), equals("indicator", "integer", indicator)
                one = replace(question, where=both(question.where, *of_it))
                rows += self._page_of(connection, one).rows
                not_too_many(rows)
        return rows

    @contextmanager
    def _asking(self) -> Iterator[sqlite3.Connection]:
        with self._reading() as connection:
            assert isinstance(connection, sqlite3.Connection)
            end = time.monotonic() + STATEMENT_S
            connection.create_function("about_point", 4, about_point, deterministic=True)
            connection.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
            try:
                yield connection
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                    raise TooLongError(TOO_LONG) from error
                raise
            except OverflowError as error:
                raise UnanswerableError(f"this cannot be worked out ({error})") from error
            finally:
                connection.set_progress_handler(None, 0)


def _json(keys: Sequence[Any]) -> str:
    return msgspec.json.encode(keys).decode()
