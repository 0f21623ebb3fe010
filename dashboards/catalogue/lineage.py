"""How data came to be: the quality tests and limits in force, and since when, as the audit has it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from dashboards.catalogue.datasets import NETWORK, DataSet
from dashboards.catalogue.holdings import objects
from gnss.quality.score import default_limits
from sensors.model import Datastream, ObservedProperty
from sensors.quality import every_test
from sensors.quality_tests import quality_tests
from storage.pages import every
from storage.store import Store
from streams.definitions import RuleDefinition, definition
from streams.records import Change, ObjectKind

MOST_CHANGES = 20_000
"""Of each kind, that are looked through; older ones are left out."""
MOST_EDITIONS = 1_000
"""That are told, the newest of them."""
PAGE = 1_000
SHOWN: Mapping[ObjectKind, frozenset[str]] = {
    "property": frozenset({"tests", "span", "user_span", "unit", "sampling_period_s", "definition"}),
    "datastream": frozenset({"tests", "detectors", "property", "unit", "thing"}),
    "rule": frozenset({"parameters", "off"}),
    "network": frozenset({"kind", "members", "parameters"}),
    "station": frozenset({"antenna", "receiver", "interval_s", "messages", "format"}),
}
"""Values that make another edition of the data, by kind of what was changed. No place of a station is one."""
_OF_KIND: Mapping[str, tuple[ObjectKind, ...]] = {
    "observations": ("property", "datastream", "rule"),
    "network": ("network", "property", "datastream", "rule"),
    "quality": ("station",), "figures": ("station",), "hours": ("station",), "raw": ("station",),
    "alerts": ("datastream", "rule", "network"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Step:
    """A test, or a limit, that all rows or those of one series went through."""

    name: str
    text: str
    parameters: Mapping[str, Any]
    series: str = ""
    """Empty: all of the data set."""
    since_us: int | None = None
    """When a command put it so; None: it came with the program or the configuration."""


@dataclass(frozen=True, slots=True)
class Edition:
    """What was changed of how data are made."""

    version: int
    """Of the change; versions count up over all changes."""
    at_us: int
    kind: ObjectKind
    id: str
    verb: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    """The values that differ."""


def property_steps(observed: ObservedProperty, editions: Sequence[Edition] = ()) -> list[Step]:
    """Return the tests of a property in the order in which they are made."""
    since_us = [one.at_us for one in editions if (one.kind, one.id) == ("property", observed.id)]
    try:
        return list(_steps(quality_tests(observed).tests, "", since_us[-1] if since_us else None))
    except ValueError as error:  # stored by another version of the program
        return [Step("unknown", str(error), {})]


def series_steps(
    observed: ObservedProperty, rows: Iterable[Datastream], editions: Sequence[Edition]
) -> Iterator[Step]:
    """Yield tests of series that deviate from those of their property."""
    since_us = {
        one.id: one.at_us
        for one in editions
        if one.kind == "datastream" and "tests" in {*one.before, *one.after}
    }
    for row in rows:
        if not row.tests:
            continue
        at_us = since_us.get(row.id)
        try:
            usual, own = quality_tests(observed).tests, quality_tests(observed, row).tests
        except ValueError as error:
            yield Step("unknown", str(error), {}, row.id, at_us)
            continue
        yield from _steps(
            {name: test for name, test in own.items() if usual.get(name) != test}, row.id, at_us
        )
        yield from (Step(name, "left out", {"off": True}, row.id, at_us) for name in usual if name not in own)


def detector_steps(store: Store, rows: Iterable[Datastream], editions: Sequence[Edition]) -> Iterator[Step]:
    """Yield the detectors of series with the limits in force."""
    rules = {
        change.id: change
        for change in objects(store, "rule")
        if change.after is not None and change.verb != "revert"
    }
    since_us = {one.id: one.at_us for one in editions if "detectors" in {*one.before, *one.after}}
    for row in rows:
        for name, given in row.detectors.items():
            rule = rules.get(f"{row.id}/{name}")
            if rule is None:
                yield Step(name, "detector", given, row.id, since_us.get(row.id))
                continue
            limits = definition("rule", rule.after or {})
            assert isinstance(limits, RuleDefinition)
            parameters = {"off": True} if limits.off else limits.parameters
            yield Step(name, "detector", parameters, row.id, rule.at_us)


def station_steps() -> list[Step]:
    """Return the limits of verdicts on stations."""
    return [
        Step(name, "degraded and bad from these values on", msgspec.to_builtins(limit))
        for name, limit in default_limits().items()
    ]


def editions(store: Store, of: DataSet) -> tuple[list[Edition], bool]:
    """Return what was changed, oldest first, and whether older changes are left out."""
    names = frozenset(one.id for one in of.members)
    network = of.id.removeprefix(NETWORK) if of.kind == "network" else ""
    found: list[Edition] = []
    is_cut = False
    for kind in _OF_KIND[of.kind]:
        for seen, change in enumerate(_changes(store, kind), 1):
            if _concerns(change, of, names, network) and (one := _edition(change)) is not None:
                found.append(one)
            if seen == MOST_CHANGES:
                is_cut = True
                break
    found.sort(key=lambda one: one.version)
    return found[-MOST_EDITIONS:], is_cut or len(found) > MOST_EDITIONS


def _steps(tests: Mapping[str, Any], series: str, since_us: int | None = None) -> Iterator[Step]:
    order = {test.name: test for test in every_test()}
    for name in sorted(tests, key=lambda name: order[name].order):
        text = (order[name].configured.__doc__ or "").strip().partition("\n")[0]
        yield Step(name, text, msgspec.to_builtins(tests[name]), series, since_us)


def _changes(store: Store, kind: ObjectKind) -> Iterator[Change]:
    return every(lambda after: store.changes(kind=kind, after=after, limit=PAGE))


def _concerns(change: Change, of: DataSet, names: frozenset[str], network: str) -> bool:
    if of.kind == "alerts":
        return True
    if change.kind == "property":
        return change.id in of.properties
    if change.kind == "network":
        return change.id == network
    if change.kind == "rule":
        return change.id.rpartition("/")[0] in names
    if change.id in names:
        return True
    observed = {(values or {}).get("property") for values in (change.before, change.after)}
    return of.kind == "observations" and not observed.isdisjoint(of.properties)


def _edition(change: Change) -> Edition | None:
    before, after = change.before or {}, change.after or {}
    names = [
        name
        for name in sorted(SHOWN[change.kind])
        if before.get(name) != after.get(name) and (name in before or name in after)
    ]
    if not names and (change.before is None) == (change.after is None):
        return None
    return Edition(
        change.version,
        change.at_us,
        change.kind,
        change.id,
        change.verb,
        {name: before[name] for name in names if name in before},
        {name: after[name] for name in names if name in after},
    )
