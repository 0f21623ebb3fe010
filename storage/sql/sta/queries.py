"""Asks the database for SensorThings entities: a page of them, or those that many others are linked to."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar

import msgspec

from storage.sql.packing import unpack
from storage.sql.sensors import SensorQueries
from storage.sql.sta.compiling import Dialect, Statement, ends
from storage.sql.sta.tables import SOURCES, TABLES
from storage.sta_query import (
    MOST_COUNTED,
    MOST_ROWS,
    Counted,
    EntityName,
    Order,
    Question,
    Row,
    StaPage,
    TooManyError,
    Value,
)
from storage.sta_query import Column as StaColumn
from streams.records import Change

STATEMENT_S = 10.0
"""A question may take so long."""
TOO_LONG = (
    f"this takes longer than {STATEMENT_S:g} s: ask for less at once, for instance by a datastream and a time"
)
_NEWEST_FIRST = (Order(StaColumn("time_us", "time"), descending=True),)


class StaQueries(SensorQueries):
    """The SensorThings part of `storage.store.Store`."""

    _dialect: ClassVar[Dialect]

    @property
    @abstractmethod
    def _relations(self) -> Mapping[str, str]:
        """Return the relations of entities, by the names in `tables.py`."""

    @abstractmethod
    def _asking(self) -> AbstractContextManager[Any]:
        """Read from one consistent state, for `STATEMENT_S` at most.

        Raises
        ------
        TooLongError
            It took longer.
        UnanswerableError
            The database cannot answer.
        """

    def sta_page(self, question: Question) -> StaPage:
        """Return a page of entities."""
        with self._asking() as connection:
            return self._page_of(connection, question)

    def _page_of(self, connection: Any, question: Question) -> StaPage:
        statement = Statement(self._dialect, self._relations, question)
        keys = statement.keys_of(ends(question), question.entity, "t")
        where = self._conditions(statement, question)
        if question.after is not None:
            where.append(statement.behind(keys, question.after))
        limit, skip = statement.bind(question.limit + 1), statement.bind(question.skip)
        outputs = self._outputs(statement, question.entity)
        sql = (
            f"SELECT {', '.join([*outputs, *(key for key, _ in keys)])} "
            f"FROM {statement.relation(question.entity, 't')}{_where(where)} "
            f"ORDER BY {_order(keys)} LIMIT {limit} OFFSET {skip}"
        )
        found = connection.execute(sql, statement.values).fetchall()
        rows = self._rows(connection, question.entity, found[: question.limit])
        more = len(found) > question.limit and question.limit > 0
        return StaPage(rows, list(found[question.limit - 1][len(outputs) :]) if more else None)

    def sta_related(self, question: Question, column: str, keys: Sequence[Value], kind: int) -> list[Row]:
        """Return entities whose column is one of these keys: of each key so many as the limit says, in order.

        Parameters
        ----------
        kind
            Of sites or of stations; all are of one.
        """
        statement = Statement(self._dialect, self._relations, question)
        keyed = statement.keys_of(ends(question), question.entity, "t")
        where = self._conditions(statement, question)
        where += [f"t.kind = {int(kind)}", self._dialect.one_of(f"t.{column}", list(keys), statement)]
        outputs = self._outputs(statement, question.entity)
        names = ", ".join(f"c{number}" for number in range(len(outputs)))
        named = ", ".join(f"{output} AS c{number}" for number, output in enumerate(outputs))
        first, last = statement.bind(question.skip), statement.bind(question.skip + question.limit)
        sql = (
            f"SELECT {names} FROM (SELECT {named}, row_number() OVER "
            f"(PARTITION BY t.{column} ORDER BY {_order(keyed)}) AS place "
            f"FROM {statement.relation(question.entity, 't')}{_where(where)}) AS x "
            f"WHERE place > {first} AND place <= {last} ORDER BY place LIMIT {MOST_ROWS + 1}"
        )
        with self._asking() as connection:
            found = not_too_many(connection.execute(sql, statement.values).fetchall())
            return self._rows(connection, question.entity, found)

    def sta_series(self, question: Question, keys: Sequence[tuple[int, int]]) -> list[Row]:
        """Return observations of many datastreams of one source: of each so many as the limit says, in order.

        Parameters
        ----------
        keys
            Number and indicator of each datastream.
        """
        statement = Statement(self._dialect, self._relations, question)
        order = _order(statement.keys_of(ends(question), "Observations", "t"))
        where = ["t.number = p.number", "t.indicator = p.indicator"]
        newest = question.order == _NEWEST_FIRST and question.limit == 1 and not question.skip
        if newest and question.where is None:  # looked for from the time on that is known to be near its end
            where.append(f"t.time_us >= ({self._queries[f'{SOURCES[question.source]}_bound']})")
        where += self._conditions(statement, question)
        limit, skip = statement.bind(question.limit), statement.bind(question.skip)
        sql = self._dialect.newest_of_series(
            self._dialect.series(keys, statement),
            statement.relation("Observations", "t"),
            f"WHERE {' AND '.join(where)} ORDER BY {order} LIMIT {limit} OFFSET {skip}",
            order,
            ", ".join(self._outputs(statement, "Observations")),
        )
        with self._asking() as connection:
            asked = f"{sql} LIMIT {MOST_ROWS + 1}"
            found = not_too_many(connection.execute(asked, statement.values).fetchall())
            return self._rows(connection, "Observations", found)

    def sta_count(self, question: Question, number: int | None = None) -> Counted:
        """Return how many entities there are: exactly to a hundred thousand, more of observations about.

        Parameters
        ----------
        number
            Of the one datastream that the observations are of, if no more is asked of them.
        """
        statement = Statement(self._dialect, self._relations, question)
        where = self._conditions(statement, question)
        most = statement.bind(MOST_COUNTED + 1)
        sql = (
            f"SELECT count(*) FROM (SELECT 1 FROM {statement.relation(question.entity, 't')}{_where(where)} "
            f"LIMIT {most}) AS x"
        )
        with self._asking() as connection:
            (counted,) = connection.execute(sql, statement.values).fetchone()
            if counted <= MOST_COUNTED:
                return Counted(counted)
            if question.source == "samples" and (number is not None or question.where is None):
                name = "sta_samples_estimate" if number is None else "sta_series_estimate"
                asked = {} if number is None else {"number": number}
                (estimate,) = connection.execute(self._queries[name], asked).fetchone()
                counted = max(counted, estimate)
            return Counted(counted, is_estimate=True)

    def sta_sample_places(
        self, keys: Sequence[tuple[int, int]]
    ) -> dict[tuple[int, int], tuple[float, float, float | None]]:
        """Return where samples were taken, of those that tell: by number of the datastream, and time."""
        with self._reading() as connection:
            rows = connection.execute(self._queries["sta_places"], {"keys": json.dumps(keys)}).fetchall()
        return {(row[0], row[1]): (row[2], row[3], row[4]) for row in rows}

    def sta_changes(self, versions: Sequence[int]) -> list[Change]:
        """Return changes of sites and stations by their versions."""
        with self._reading() as connection:
            asked = {"versions": json.dumps(list(versions))}
            rows = connection.execute(self._queries["sta_changes"], asked).fetchall()
        return [unpack(row[0], Change) for row in rows]

    # --- inside ---------------------------------------------------------------------------------------

    def _conditions(self, statement: Statement, question: Question) -> list[str]:
        conditions = ["t.longitude IS NOT NULL"] if TABLES[question.entity].places_only else []
        if question.where is not None:
            conditions.append(statement.condition(question.where, question.entity, "t"))
        return conditions

    def _outputs(self, statement: Statement, entity: EntityName) -> list[str]:
        return [
            self._dialect.json_as_text.format("t.properties")
            if name == "properties"
            else statement.column(entity, name, "t")
            for name in TABLES[entity].columns
        ]

    def _rows(self, connection: Any, entity: EntityName, found: Sequence[tuple[Any, ...]]) -> list[Row]:
        names = TABLES[entity].columns
        rows = [dict(zip(names, row, strict=False)) for row in found]
        if entity == "Observations":
            self._name_flags(connection, rows)
        return rows

    def _name_flags(self, connection: Any, rows: Sequence[Row]) -> None:
        """Put the flags of tests by name in the place of what the rows have."""
        keys = sorted({row["tests"] for row in rows if row["tests"] is not None})
        tests: dict[int, list[str]] = {}
        if keys:
            asked = {"keys": json.dumps(keys)}
            for key, names in connection.execute(self._queries["sta_names"], asked).fetchall():
                tests[key] = msgspec.json.decode(names, type=list[str])
        for row in rows:
            names = tests.get(row["tests"], [])
            row["test_flags"] = self._flags(row["test_flags"], names) if names else {}


def not_too_many(found: list[Any]) -> list[Any]:
    """Return rows if one answer may have so many, else raise `TooManyError`."""
    if len(found) > MOST_ROWS:
        raise TooManyError
    return found


def _where(conditions: Sequence[str]) -> str:
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def _order(keys: Sequence[tuple[str, bool]]) -> str:
    return ", ".join(f"{key} DESC" if descending else key for key, descending in keys)
