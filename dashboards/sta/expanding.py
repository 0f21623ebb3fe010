"""What links of many entities lead to: one question for each level, whatever their number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dashboards.problems import ProblemError
from dashboards.sensitivity import coarse_definition
from dashboards.sta.answer import identity_of, thing_id
from dashboards.sta.entities import ENTITIES
from dashboards.sta.options import Options
from storage.sql.sta.tables import TABLES
from storage.sta_indicators import source_of
from storage.sta_query import MOST_ROWS, SITE, EntityName, Question, Row, Source, TooManyError, Value
from storage.store import Store
from streams.records import Change


class Expanding:
    """Fetches what is to be expanded, for one request.

    Parameters
    ----------
    decimals
        Of degrees, in places of stations, for who may not change them; None: exact.
    """

    def __init__(self, store: Store, decimals: int | None) -> None:
        self._store = store
        self._decimals = decimals
        self._fetched = 0
        """Entities so far, of one answer."""

    def expand(self, entity: EntityName, rows: Sequence[Row], options: Options) -> None:
        """Fetch what links of all rows lead to, level by level."""
        self._fetched += len(rows)
        if self._fetched > MOST_ROWS:
            raise TooManyError
        for row in rows:
            row["expanded"] = {}
        for name, nested in options.expand.items():
            if rows:
                self._expand(entity, rows, name, nested)

    def _expand(self, entity: EntityName, rows: Sequence[Row], name: str, nested: Options) -> None:
        to = ENTITIES[entity].links[name].to
        found: list[Row]
        if (entity, name) == ("Datastreams", "Observations"):
            found = self._expand_series(rows, nested)
        elif entity in {"Observations", "FeaturesOfInterest"} or (entity, name) == (
            "HistoricalLocations", "Locations",
        ):  # fmt: skip
            found = self._expand_special(entity, rows, name, nested)
        else:
            found = self._expand_linked(entity, rows, name, nested)
        self.expand(to, found, nested)

    def _expand_series(self, rows: Sequence[Row], nested: Options) -> list[Row]:
        of_series = {(row["kind"], row["number"], row["indicator"]): row for row in rows}
        by_source: dict[Source, list[tuple[int, int]]] = {}
        for kind, number, indicator in of_series:
            by_source.setdefault(source_of(kind, indicator), []).append((number, indicator))
        found: list[Row] = []
        for row in rows:
            row["expanded"]["Observations"] = []
        for source, keys in by_source.items():
            question = Question(
                "Observations", nested.where, nested.order, nested.top, nested.skip, source=source,
                one_series=True, decimals=self._decimals,
            )  # fmt: skip
            found += self._store.sta_series(question, keys)
        for one in found:
            series = of_series[one["kind"], one["number"], one["indicator"]]
            one["datastream"] = series
            series["expanded"]["Observations"].append(one)
        return found

    def _expand_linked(
        self, entity: EntityName, rows: Sequence[Row], name: str, nested: Options
    ) -> list[Row]:
        link, to, is_many = TABLES[entity].links[name], *ENTITIES[entity].links[name]
        (_, (near, far)) = link.pairs
        found: list[Row] = []
        where, order = (nested.where, nested.order) if is_many else (None, ())
        question = Question(
            to, where, order, nested.top if is_many else 1, nested.skip if is_many else 0,
            decimals=self._decimals,
        )  # fmt: skip
        for kind in sorted({row["kind"] for row in rows}):
            keys: list[Value] = sorted({row[near] for row in rows if row["kind"] == kind and row[near]})
            some = self._store.sta_related(question, far, keys, kind) if keys else []
            of_key: dict[Any, list[Row]] = {}
            for one in some:
                of_key.setdefault(one[far], []).append(one)
            for row in rows:
                if row["kind"] == kind:
                    row["expanded"][name] = of_key.get(row[near], [])
            found += some
        return found

    def _expand_special(
        self, entity: EntityName, rows: Sequence[Row], name: str, nested: Options
    ) -> list[Row]:
        if nested.where is not None or nested.order or nested.skip or entity == "FeaturesOfInterest":
            raise ProblemError(
                400, f"{name} of {entity} cannot be expanded so: ask for {entity}('ID')/{name}."
            )
        places: list[Row | None]
        if entity == "Observations" and name == "FeatureOfInterest":
            places = self._features(rows)
        elif entity == "Observations":
            places = [dict(row["datastream"]) for row in rows]
        else:
            changes = {change.version: change for change in self._versions(rows)}
            places = [past_row(changes.get(row["version"]), self._decimals) for row in rows]
        for row, place in zip(rows, places, strict=True):
            row["expanded"][name] = [] if place is None else [place]
        return [place for place in places if place is not None]

    def _features(self, observations: Sequence[Row]) -> list[Row | None]:
        """Return where observations were made: their own place, or that of their thing."""
        keys = [(row["number"], row["time_us"]) for row in observations if not row["kind"]]
        own = self._store.sta_sample_places(keys) if keys else {}
        things: dict[tuple[int, str], Row] = {}
        for kind in sorted({row["kind"] for row in observations}):
            names: list[Value] = sorted(
                {row["datastream"]["thing_key"] for row in observations if row["kind"] == kind}
            )
            question = Question("FeaturesOfInterest", limit=1, decimals=self._decimals)
            for one in self._store.sta_related(question, "key", names, kind):
                things[kind, one["key"]] = one
        found: list[Row | None] = []
        for row in observations:
            place = None if row["kind"] else own.get((row["number"], row["time_us"]))
            if place is not None:
                found.append(feature_row(row, place))
            else:
                thing = things.get((row["kind"], row["datastream"]["thing_key"]))
                found.append(None if thing is None else dict(thing))
        return found

    def _versions(self, rows: Sequence[Row]) -> list[Change]:
        return self._store.sta_changes([row["version"] for row in rows])


def feature_row(observation: Row, place: tuple[float, float, float | None]) -> Row:
    """Return where a platform was at an observation, as a feature of interest."""
    identity = identity_of("Observations", observation)
    return {
        "kind": SITE,
        "key": identity,
        "id": identity,
        "name": f"Place of {identity}",
        "description": "Where the platform was",
        "longitude": place[0],
        "latitude": place[1],
        "height_m": place[2],
        "height_datum": "ellipsoidal",
        "observation": observation,
    }


def past_row(change: Change | None, decimals: int | None) -> Row | None:
    """Return the place that a change gave a thing, as a location."""
    if change is None or change.after is None:
        return None
    values = change.after
    if decimals is not None:
        values = coarse_definition(change.kind, values, decimals) or {}
    longitude, latitude = values.get("longitude"), values.get("latitude")
    if longitude is None or latitude is None:
        return None
    kind = int(change.kind == "station")
    name = values.get("name") or change.id
    return {
        "kind": kind,
        "key": change.id,
        "id": f"{thing_id(kind, change.id)}~{change.version}",
        "name": name,
        "description": values.get("description") or "",
        "longitude": longitude,
        "latitude": latitude,
        "height_m": values.get("height_m"),
        "height_datum": values.get("height_datum", "ellipsoidal"),
        "version": change.version,
    }
