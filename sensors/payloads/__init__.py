"""Wire formats: one file a format. A file here that calls `register` is found; nothing else is edited.

A format brings a mapping: what a configuration says about the messages of some topics, and how they are read.
Nothing that a device sends raises an exception: what cannot be used becomes an error that names the topic,
and what was used in another way than it was sent is counted by name (`Note`).
"""

from __future__ import annotations

from collections.abc import Mapping as Table
from collections.abc import Sequence
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Protocol, Self, runtime_checkable

import msgspec

from sensors.payloads.rows import (
    MAX_ERRORS,
    MAX_ROWS,
    Note,
    Place,
    Reply,
    Rows,
    TooManyError,
    UnusableError,
    Wave,
    printable,
)

__all__ = [
    "DEFAULT_FORMAT",
    "MAX_ERRORS",
    "MAX_ROWS",
    "Mapping",
    "Measuring",
    "Note",
    "Place",
    "Remembering",
    "Reply",
    "Rows",
    "TooManyError",
    "UnusableError",
    "Wave",
    "check_filter",
    "configured",
    "expecting",
    "first_match",
    "matches",
    "opened",
    "printable",
    "register",
]

DEFAULT_FORMAT = "json"


@runtime_checkable
class Mapping(Protocol):
    """How the messages of some topics are read."""

    @property
    def topic(self) -> str:
        """MQTT topic filter: `+` stands for one level, `#` at the end for all that follow."""
        ...

    @property
    def tells_time(self) -> bool:
        """Whether samples carry their time; else the receiving time is theirs."""
        ...

    def decode(self, topic: str, payload: bytes, received_at_us: int) -> Rows:
        """Return the samples of one message of a topic that `topic` stands for."""
        ...


@runtime_checkable
class Remembering(Mapping, Protocol):
    """A format whose messages are not understood alone; its mapping begins a memory for each connection."""

    def open(self) -> Mapping:
        """Return a reader with an empty memory, which is bounded; it takes one message at a time."""
        ...


@runtime_checkable
class Measuring(Mapping, Protocol):
    """A format whose messages may tell a unit."""

    def expecting(self, units: Table[str, str]) -> Self:
        """Return the mapping with the units that datastreams have, by id; what it says itself holds."""
        ...


_mappings: dict[str, type[msgspec.Struct]] = {}


def register(name: str, mapping: type[msgspec.Struct]) -> None:
    """Make a format known: `format = name` in a configuration's mapping means this struct.

    Raises
    ------
    ValueError
        The name is taken.
    """
    if name in _mappings:
        raise ValueError(f"two wire formats are called {name!r}")
    _mappings[name] = mapping


def configured(kind: type, entry: Any) -> Mapping:
    """Return the mapping of a configuration's entry; a `dec_hook` of msgspec.

    Raises
    ------
    ValueError
        There is no such format, or the entry does not fit it.
    """
    if kind is not Mapping:
        raise NotImplementedError
    if not isinstance(entry, Table):
        raise ValueError("a mapping is a table of keys and values")
    for module in iter_modules(__path__, f"{__name__}."):
        import_module(module.name)
    rest = dict(entry)
    name = rest.pop("format", DEFAULT_FORMAT)
    if name not in _mappings:
        raise ValueError(f"there is no format {name!r}, only {', '.join(sorted(_mappings))}")
    try:
        mapping = msgspec.convert(rest, _mappings[name])
    except msgspec.ValidationError as error:  # said again, so that msgspec adds the place of this entry
        message, _, place = str(error).partition(" - at `$.")
        raise ValueError(f"{place.rstrip('`')}: {message}" if place else message) from error
    assert isinstance(mapping, Mapping), f"the mapping of {name} lacks something"
    return mapping


def check_filter(topic_filter: str) -> None:
    """Raise ValueError when no MQTT topic filter can be so."""
    levels = topic_filter.split("/")
    if not topic_filter or "#" in levels[:-1] or any(len(x) > 1 and set(x) & set("+#") for x in levels):
        raise ValueError(f"topic {topic_filter!r}: + and # stand for whole levels, # only for the last")


def matches(topic_filter: str, topic: str) -> bool:
    """Return whether the topic is one of those that the filter stands for (MQTT 5, section 4.7)."""
    wanted, levels = topic_filter.split("/"), topic.split("/")
    if wanted[-1] == "#":
        wanted = wanted[:-1]
        levels = levels[: len(wanted)]
    return len(wanted) == len(levels) and all(w in {"+", x} for w, x in zip(wanted, levels, strict=True))


def first_match(mappings: Sequence[Mapping], topic: str) -> Mapping | None:
    """Return the first mapping that reads the topic."""
    return next((mapping for mapping in mappings if matches(mapping.topic, topic)), None)


def opened(mappings: Sequence[Mapping]) -> list[Mapping]:
    """Return what reads the messages of one connection: the mappings, those with a memory begun anew."""
    return [mapping.open() if isinstance(mapping, Remembering) else mapping for mapping in mappings]


def expecting(mappings: Sequence[Mapping], units: Table[str, str]) -> list[Mapping]:
    """Return the mappings, told what unit each datastream has."""
    return [mapping.expecting(units) if isinstance(mapping, Measuring) else mapping for mapping in mappings]
