"""Questions in the words of OGC SensorThings, typed: what `storage.sql.sta` makes SQL of.

Who asks has looked at names and types; nothing in here is SQL, and every value becomes a bound parameter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

EntityName = Literal[
    "Things", "Locations", "HistoricalLocations", "Datastreams", "Sensors",
    "ObservedProperties", "Observations", "FeaturesOfInterest",
]  # fmt: skip
ValueType = Literal["text", "number", "integer", "time", "boolean", "geometry", "json", "null"]
Value = str | float | int | bool | None
Source = Literal["samples", "reports", "figures"]
"""Where observations come from: samples of sensors, reports of stations each second, figures each minute."""

SITE, STATION = 0, 1
"""Kinds of things."""
STATION_PREFIX = "station~"
"""Begins the ids of what belongs to stations; no id of a site or datastream has the sign."""
MOST_COUNTED = 100_000
"""Rows are counted one by one up to here."""
MOST_ROWS = 50_000
"""Of one answer."""


class UnanswerableError(ValueError):
    """A question that the database cannot answer, whatever its state: a number too large, a bad shape."""


class TooManyError(UnanswerableError):
    """The answer has more entities than one may have."""

    def __init__(self) -> None:
        super().__init__(f"this is more than {MOST_ROWS} entities in one answer: lower $top, or ask for less")


class TooLongError(UnanswerableError):
    """The answer took longer than one may."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the entity that is asked for, or of one that links lead to."""

    name: str
    type: ValueType
    links: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    """Inside a JSON value."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A value. Times are microseconds of UTC; geometries are WKT."""

    value: Value
    type: ValueType


@dataclass(frozen=True, slots=True)
class Call:
    """An operator or a function of other expressions.

    `all` is an `and` whose parts hold of the same entities that links lead to.
    """

    name: str
    args: tuple[Expression, ...]
    type: ValueType


Expression = Column | Constant | Call


@dataclass(frozen=True, slots=True)
class Order:
    """One part of an order; what has no value comes last."""

    by: Expression
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """A list of entities."""

    entity: EntityName
    where: Expression | None = None
    order: tuple[Order, ...] = ()
    limit: int = 100
    skip: int = 0
    after: Sequence[Value] | None = None
    """Where the page before ended: its `StaPage.end`."""
    source: Source = "samples"
    """Of observations."""
    one_series: bool = False
    """All observations are of one datastream."""
    decimals: int | None = None
    """Of degrees, in stations' places; None: exact."""


Row = dict[str, Any]
"""What a query returns of an entity, by column."""


@dataclass(frozen=True, slots=True)
class StaPage:
    """A page of entities; `end` continues it, None: nothing follows."""

    rows: list[Row]
    end: list[Value] | None


@dataclass(frozen=True, slots=True)
class Counted:
    """How many there are."""

    number: int
    is_estimate: bool = False


def both(*conditions: Expression | None) -> Expression | None:
    """Return what holds where all of these do."""
    return _joined("and", [one for one in conditions if one is not None])


def same(*conditions: Expression) -> Expression:
    """Return what holds where all of these do, of the same entities."""
    whole = _joined("all", conditions)
    assert whole is not None
    return whole


def _joined(name: str, conditions: Sequence[Expression]) -> Expression | None:
    whole: Expression | None = None
    for one in conditions:
        whole = one if whole is None else Call(name, (whole, one), "boolean")
    return whole


def equals(name: str, type_: ValueType, value: Value, links: tuple[str, ...] = ()) -> Expression:
    """Return the condition that a column has a value."""
    return Call("eq", (Column(name, type_, links), Constant(value, type_)), "boolean")
