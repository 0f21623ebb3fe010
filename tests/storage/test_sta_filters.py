"""Filters of SensorThings in both databases against the same filters worked out over the rows in Python."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dashboards.sta.filters import filter_of
from sensors.model import Datastream, ObservedProperty, Thing
from storage.sta_query import Question
from tests.storage.conftest import T0

Row = dict[str, Any]
Twin = tuple[str, Callable[[Row], Any]]
"""A filter as text, and as a function of a row; None: no value."""

NAMES = ("Pier", "pier west", "O'Hara", "", "Ä b", "100%", "a_b")
DEPTHS = (None, 0, 7.5, -2, "deep", True)
VALUES = [None, -1.5, 0.0, 0.25, 1.0, 2.5, 7.0, 1e6]
US = 1_000_000


@pytest.fixture
def filled(store, make):
    """Seven sites, and one series with some values."""
    level = ObservedProperty(
        id="level", name="level", domain="ocean", unit="m", span=(-9, 9), sampling_period_s=60
    )
    things = [
        Thing(
            id=f"s{number}",
            name=name,
            longitude=number * 1.0,
            latitude=number / 2,
            properties={} if number >= len(DEPTHS) else {"depth": DEPTHS[number], "deep": {"er": name}},
        )
        for number, name in enumerate(NAMES)
    ]
    series = Datastream(id="s0.level", thing_id="s0", property_id="level", name="level", unit="m")
    store.put_registry(things=things, properties=[level], datastreams=[series])
    times = [T0 + number * 3_723_456_789 for number in range(len(VALUES))]
    values = [math.nan if value is None else value for value in VALUES]
    flags = [9 if value is None else number % 4 + 1 for number, value in enumerate(VALUES)]
    store.commit([make.samples("s0.level", times, values, flag=flags)], None, now_us=T0)
    rows = [
        {"time_us": time, "result": value, "flag": flag}
        for time, value, flag in zip(times, VALUES, flags, strict=True)
    ]
    sites = [
        {"id": f"s{n}", "name": name, "depth": DEPTHS[n] if n < len(DEPTHS) else None, "x": n, "y": n / 2}
        for n, name in enumerate(NAMES)
    ]
    return store, sites, rows


def lifted(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that has no value where one of its values is missing."""

    def lift(*values: Any) -> Any:
        return None if None in values else function(*values)

    return lift


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def number_of(row: Row, key: str) -> float | None:
    value = row[key]
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


CONSTANT = st.sampled_from([-2, 0, 0.25, 1, 2.5, 7, 7.5, 1e6])
WORD = st.sampled_from(["", "i", "pier", "Pier", "'", "%", "_", "O'Hara", "Ä", "deep"])
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: a == b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
}


def comparisons(left: st.SearchStrategy[Twin], right: st.SearchStrategy[Twin]) -> st.SearchStrategy[Twin]:
    def made(name: str, a: Twin, b: Twin) -> Twin:
        if name == "ne":
            return f"{a[0]} ne {b[0]}", lambda row: a[1](row) != b[1](row)
        return f"{a[0]} {name} {b[0]}", lambda row: lifted(COMPARE[name])(a[1](row), b[1](row))

    return st.builds(made, st.sampled_from([*COMPARE, "ne"]), left, right)


def logic(atoms: st.SearchStrategy[Twin]) -> st.SearchStrategy[Twin]:
    """Combine conditions as SQL does, but that what is not known is false in a `not`."""

    def both(a: Twin, b: Twin) -> Twin:
        return f"({a[0]} and {b[0]})", lambda row: bool(a[1](row)) and bool(b[1](row))

    def either(a: Twin, b: Twin) -> Twin:
        return f"({a[0]} or {b[0]})", lambda row: bool(a[1](row)) or bool(b[1](row))

    def negated(a: Twin) -> Twin:
        return f"not ({a[0]})", lambda row: not a[1](row)

    return st.recursive(
        atoms,
        lambda inner: (
            st.builds(both, inner, inner) | st.builds(either, inner, inner) | st.builds(negated, inner)
        ),
        max_leaves=5,
    )


def constants(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Twin]:
    return values.map(lambda v: (quoted(v) if isinstance(v, str) else repr(v), lambda row: v))


def arithmetic(leaves: st.SearchStrategy[Twin]) -> st.SearchStrategy[Twin]:
    operators: dict[str, Callable[[float, float], float | None]] = {
        "add": lambda a, b: a + b,
        "sub": lambda a, b: a - b,
        "mul": lambda a, b: a * b,
        "div": lambda a, b: None if b == 0 else a / b,
        "mod": lambda a, b: None if b == 0 else a - b * math.trunc(a / b),
    }

    def made(name: str, a: Twin, b: Twin) -> Twin:
        return f"({a[0]} {name} {b[0]})", lambda row: lifted(operators[name])(a[1](row), b[1](row))

    def rounded(name: str, a: Twin) -> Twin:
        functions = {
            "floor": math.floor,
            "ceiling": math.ceil,
            "round": lambda value: math.copysign(math.floor(abs(value) + 0.5), value),
        }
        return f"{name}({a[0]})", lambda row: lifted(functions[name])(a[1](row))

    return st.recursive(
        leaves,
        lambda inner: (
            st.builds(made, st.sampled_from([*operators]), inner, inner)
            | st.builds(rounded, st.sampled_from(["floor", "ceiling", "round"]), inner)
        ),
        max_leaves=3,
    )


RESULT: st.SearchStrategy[Twin] = st.just(("result", lambda row: row["result"]))
FLAG: st.SearchStrategy[Twin] = st.just(("resultQuality/qartod", lambda row: row["flag"]))
SECONDS = {"hour": 3600, "minute": 60, "second": 1}
CLOCK: st.SearchStrategy[Twin] = st.sampled_from(
    [
        (
            f"{name}(phenomenonTime)",
            lambda row, unit=unit: row["time_us"] // US // unit % (24 if unit == 3600 else 60),
        )
        for name, unit in SECONDS.items()
    ]
)
OBSERVATIONS = logic(
    comparisons(arithmetic(RESULT | FLAG | CLOCK | constants(CONSTANT)), arithmetic(constants(CONSTANT)))
)

NAME: st.SearchStrategy[Twin] = st.just(("name", lambda row: row["name"]))


def text_functions(leaves: st.SearchStrategy[Twin]) -> st.SearchStrategy[Twin]:
    def lower(text: str) -> str:
        return "".join(sign.lower() if sign.isascii() else sign for sign in text)

    def made(name: str, a: Twin) -> Twin:
        functions: dict[str, Callable[[str], str]] = {
            "tolower": lower,
            "toupper": lambda text: "".join(s.upper() if s.isascii() else s for s in text),
            "trim": lambda text: text.strip(" "),
        }
        return f"{name}({a[0]})", lambda row: functions[name](a[1](row))

    def cut(a: Twin, begin: int, length: int) -> Twin:
        return f"substring({a[0]},{begin},{length})", lambda row: a[1](row)[max(begin, 0) :][: max(length, 0)]

    def joined(a: Twin, b: Twin) -> Twin:
        return f"concat({a[0]},{b[0]})", lambda row: a[1](row) + b[1](row)

    small = st.integers(-1, 4)
    return st.recursive(
        leaves,
        lambda inner: (
            st.builds(made, st.sampled_from(["tolower", "toupper", "trim"]), inner)
            | st.builds(cut, inner, small, small)
            | st.builds(joined, inner, inner)
        ),
        max_leaves=3,
    )


TEXT = text_functions(NAME | constants(WORD))


def found_in(name: str, a: Twin, b: Twin) -> Twin:
    functions: dict[str, Callable[[str, str], Any]] = {
        "contains": lambda x, y: y in x,
        "startswith": lambda x, y: x.startswith(y),
        "endswith": lambda x, y: x.endswith(y),
    }
    return f"{name}({a[0]},{b[0]})", lambda row: functions[name](a[1](row), b[1](row))


def measured(name: str, a: Twin, limit: int) -> Twin:
    if name == "length":
        return f"length({a[0]}) gt {limit}", lambda row: len(a[1](row)) > limit
    return f"indexof({a[0]},'i') ge {limit}", lambda row: a[1](row).find("i") >= limit


def near(x: float, y: float, within: float) -> Twin:
    text = f"geo.distance(Locations/location, geography'POINT ({x} {y})') lt {within}"
    return text, lambda row: math.dist((row["x"], row["y"]), (x, y)) < within


def inside(x: int, width: int) -> Twin:
    right = x + width
    ring = f"{x} -9, {right} -9, {right} 9, {x} 9, {x} -9"
    return (
        f"st_within(Locations/location, geography'POLYGON (({ring}))')",
        lambda row: x < row["x"] < right and -9 < row["y"] < 9,
    )


THINGS = logic(
    comparisons(TEXT, TEXT)
    | comparisons(st.just(("properties/depth", lambda row: number_of(row, "depth"))), constants(CONSTANT))
    | st.builds(found_in, st.sampled_from(["contains", "startswith", "endswith"]), TEXT, TEXT)
    | st.builds(measured, st.sampled_from(["length", "indexof"]), TEXT, st.integers(-1, 5))
    | st.builds(near, st.sampled_from([0.0, 2.5]), st.sampled_from([0.0, 1.0]), st.sampled_from([0.5, 2.0]))
    | st.builds(inside, st.integers(-1, 4), st.integers(1, 4))
)
SOME = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@SOME
@given(OBSERVATIONS)
def test_observations(filled, twin):
    store, _, rows = filled
    text, function = twin
    page = store.sta_page(Question("Observations", filter_of(text, "Observations", T0)))
    assert [row["time_us"] for row in page.rows] == [row["time_us"] for row in rows if function(row)], text


@SOME
@given(THINGS)
def test_things(filled, twin):
    store, sites, _ = filled
    text, function = twin
    page = store.sta_page(Question("Things", filter_of(text, "Things", T0)))
    assert [row["id"] for row in page.rows] == [row["id"] for row in sites if function(row)], text
