"""Goes along a resource path and fetches what is asked for: one question for each level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from dashboards.problems import ProblemError
from dashboards.sta.answer import identity_of
from dashboards.sta.entities import ENTITIES, NEVER, by_id, is_number, thing_of
from dashboards.sta.expanding import Expanding, feature_row, past_row
from dashboards.sta.options import Options
from dashboards.sta.path import Path, Step
from storage.sql.sta.tables import TABLES
from storage.sta_indicators import source_of
from storage.sta_query import (
    Counted,
    EntityName,
    Expression,
    Question,
    Row,
    Source,
    StaPage,
    Value,
    ValueType,
    both,
    equals,
)
from storage.store import Store

_INTEGERS = {"kind", "number", "indicator", "version"}


@dataclass(frozen=True, slots=True)
class Target:
    """A list of entities: its condition, or its rows where they are known already."""

    entity: EntityName
    where: Expression | None = None
    source: Source = "samples"
    datastream: Row | None = None
    """Of all observations."""
    rows: list[Row] | None = None


class Reading(Expanding):
    """Fetches entities of a store, for one request.

    Parameters
    ----------
    decimals
        Of degrees, in places of stations, for who may not change them; None: exact.
    """

    def __init__(self, store: Store, decimals: int | None) -> None:
        super().__init__(store, decimals)

    def target(self, path: Path) -> Target | Row:
        """Return the list or the entity that a path leads to.

        Raises
        ------
        ProblemError
            404 something on the way is not there.
        """
        first, *more = path.steps
        at: Target | Row = Target(first.entity)
        if first.identity is not None:
            at = self._found(self.by_id(first.entity, first.identity), first)
        before = first
        for step in more:
            assert isinstance(at, dict)
            there = self.along(before.entity, at, step.link)
            if step.is_many and step.identity is None:
                at = there
            else:
                at = self._found(self._one_of(there, step), step)
            before = step
        return at

    def page(self, target: Target, options: Options) -> StaPage:
        """Return a page of a list, with what is to be expanded."""
        if target.rows is not None:
            page = StaPage(target.rows[options.skip :][: options.top], None)
        else:
            page = self._store.sta_page(self._question(target, options))
        self._complete(target.entity, page.rows, target.datastream)
        self.expand(target.entity, page.rows, options)
        return page

    def count(self, target: Target, options: Options) -> Counted:
        """Return how many entities a list has."""
        if target.rows is not None:
            return Counted(len(target.rows))
        number = None
        if target.datastream is not None and options.where is None:
            number = target.datastream["number"]
        return self._store.sta_count(self._question(target, options), number)

    def by_id(self, entity: EntityName, identity: str) -> Row | None:
        """Return an entity, None where there is none."""
        kind, key = thing_of(identity)
        before, _, last = key.rpartition("~")
        if entity == "Observations":
            series, _, time = identity.rpartition("~")
            datastream = self.by_id("Datastreams", series) if is_number(time) else None
            return None if datastream is None else self._observation(datastream, int(time))
        if before and is_number(last) and entity == "Locations":
            return self._past_place(kind, before, int(last))
        if before and is_number(last) and entity == "FeaturesOfInterest":
            observation = self.by_id("Observations", identity)
            return None if observation is None else self._own_place(observation)
        condition = by_id(entity, identity)
        return None if condition is NEVER else self._one(entity, condition)

    def along(self, entity: EntityName, row: Row, name: str) -> Target:
        """Return where a link of an entity leads."""
        to = ENTITIES[entity].links[name].to
        if (entity, name) == ("Datastreams", "Observations"):
            return self._series(row)
        if entity == "Observations":
            found = row["datastream"] if name == "Datastream" else self._feature(row)
            return Target(to, rows=[] if found is None else [found])
        if entity == "FeaturesOfInterest":
            if "observation" in row:
                return Target(to, datastream=row["observation"]["datastream"], rows=[row["observation"]])
            of_thing = both(
                equals("kind", "integer", row["kind"], ("Datastream",)),
                equals("thing_key", "text", row["key"], ("Datastream",)),
            )
            return Target(to, of_thing, source="reports" if row["kind"] else "samples")
        if (entity, name) == ("HistoricalLocations", "Locations"):
            place = self._past_place(row["kind"], row["key"], row["version"])
            return Target(to, rows=[] if place is None else [place])
        where = both(
            *(equals(far, _type(far), row[near], ()) for near, far in TABLES[entity].links[name].pairs)
        )
        if "version" in row and to == "HistoricalLocations":
            where = both(where, equals("version", "integer", row["version"]))
        return Target(to, where)

    # --- inside ---------------------------------------------------------------------------------------

    def _question(self, target: Target, options: Options) -> Question:
        return Question(
            target.entity,
            both(target.where, options.where),
            options.order,
            options.top,
            options.skip,
            options.after,
            target.source,
            target.datastream is not None,
            self._decimals,
        )

    def _one(self, entity: EntityName, where: Expression, source: Source = "samples") -> Row | None:
        question = Question(entity, where, limit=1, source=source, decimals=self._decimals)
        rows = self._store.sta_page(question).rows
        return rows[0] if rows else None

    def _one_of(self, target: Target, step: Step) -> Row | None:
        """Return the one entity of a list that a step means: the one with its id, or the only one."""
        rows = target.rows
        if rows is None and target.datastream is not None and step.identity is not None:
            found = self.by_id("Observations", step.identity)
            rows = [found] if found is not None and found["datastream"] == target.datastream else []
        elif rows is None:
            where = None if step.identity is None else by_id(step.entity, step.identity)
            question = Question(
                step.entity, both(target.where, where), limit=1, source=target.source, decimals=self._decimals
            )
            rows = self._store.sta_page(question).rows
            self._complete(target.entity, rows, target.datastream)
        fitting = (row for row in rows if step.identity in {None, identity_of(step.entity, row)})
        return next(fitting, None)

    def _found(self, row: Row | None, step: Step) -> Row:
        if row is None:
            which = "here" if step.identity is None else f"with the id {step.identity[:80]!r}"
            raise ProblemError(404, f"There is no entity of {step.entity} {which}.")
        return row

    def _complete(self, entity: EntityName, rows: Sequence[Row], datastream: Row | None) -> None:
        """Let each observation know its datastream."""
        if entity != "Observations":
            return
        if datastream is None:
            known: dict[tuple[int, int, int], Row] = {}
            for kind in sorted({row["kind"] for row in rows if "datastream" not in row}):
                numbers: list[Value] = sorted({row["number"] for row in rows if row["kind"] == kind})
                question = Question("Datastreams", limit=100, decimals=self._decimals)
                for one in self._store.sta_related(question, "number", numbers, kind):
                    known[kind, one["number"], one["indicator"]] = one
            for row in rows:
                if "datastream" not in row:
                    row["datastream"] = known[row["kind"], row["number"], row["indicator"]]
        else:
            for row in rows:
                row["datastream"] = datastream

    def _series(self, datastream: Row) -> Target:
        where = both(
            equals("number", "integer", datastream["number"]),
            equals("indicator", "integer", datastream["indicator"]),
        )
        source = source_of(datastream["kind"], datastream["indicator"])
        return Target("Observations", where, source, datastream)

    def _observation(self, datastream: Row, time_us: int) -> Row | None:
        series = self._series(datastream)
        where = both(series.where, equals("time_us", "integer", time_us))
        assert where is not None
        row = self._one("Observations", where, series.source)
        if row is not None:
            row["datastream"] = datastream
        return row

    def _own_place(self, observation: Row) -> Row | None:
        key = (observation["number"], observation["time_us"])
        place = None if observation["kind"] else self._store.sta_sample_places([key]).get(key)
        return None if place is None else feature_row(observation, place)

    def _feature(self, observation: Row) -> Row | None:
        return self._features([observation])[0]

    def _past_place(self, kind: int, key: str, version: int) -> Row | None:
        wanted = "station" if kind else "thing"
        for change in self._store.sta_changes([version]):
            if change.kind == wanted and change.id == key:
                return past_row(change, self._decimals)
        return None


def _type(column: str) -> ValueType:
    return "integer" if column in _INTEGERS else "text"


def plain(value: Any) -> Any:
    """Return a value that may be JSON already, as Python has it."""
    return msgspec.json.decode(value) if isinstance(value, msgspec.Raw) else value
