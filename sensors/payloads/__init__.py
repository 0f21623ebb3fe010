"""Wire formats: one file a format. A file here that calls `register` is found; nothing else is edited.

A format brings a mapping: what a configuration says about the messages of some topics, and how they are read.
Nothing that a device sends raises an exception: what cannot be used becomes an error that names the topic.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping as Table
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Protocol, runtime_checkable

import msgspec

MAX_ERRORS = 20
DEFAULT_FORMAT = "json"


@dataclass(slots=True)
class Rows:
    """Collects the rows and the errors of one message: row i stands at place i of each column."""

    topic: str
    datastream_ids: list[str] = field(default_factory=list)
    time_us: array[int] = field(default_factory=lambda: array("q"))
    value: array[float] = field(default_factory=lambda: array("d"))
    """NaN: no value."""
    bad_samples: int = 0
    """All of them; 1 as well for a message that could not be read at all."""
    _errors: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.value)

    def add(self, datastream_id: str, time_us: int, value: float) -> None:
        """Take a sample."""
        self.datastream_ids.append(datastream_id)
        self.time_us.append(time_us)
        self.value.append(value)

    def refuse(self, text: str) -> None:
        """Count a sample, or a whole message, that cannot be used."""
        self.bad_samples += 1
        if self.bad_samples <= MAX_ERRORS:
            self._errors.append(f"topic {printable(self.topic)}: {text}")

    @property
    def errors(self) -> list[str]:
        """What could not be used, and why; at most `MAX_ERRORS` and one line that counts the rest."""
        if self.bad_samples <= MAX_ERRORS:
            return self._errors
        rest = f"topic {printable(self.topic)}: {self.bad_samples - MAX_ERRORS} more samples are unusable"
        return [*self._errors, rest]


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


def printable(text: str) -> str:
    """Return foreign text, short and safe to print."""
    return ascii(text[:60])[1:-1] + ("..." if len(text) > 60 else "")
