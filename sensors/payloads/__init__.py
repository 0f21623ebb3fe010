"""Wire formats: one file a format. A file here that calls `register` is found; nothing else is edited.

A format brings a mapping: what a configuration says about the messages of some topics, and how they are read.
Nothing that a device sends raises an exception: what cannot be used becomes an error that names the topic.
"""

from __future__ import annotations

from collections.abc import Mapping as Table
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Protocol, runtime_checkable

import msgspec
import numpy as np
from numpy.typing import NDArray

MAX_ERRORS = 20
DEFAULT_FORMAT = "json"


@dataclass(slots=True)
class Decoded:
    """Samples as columns, shape (n,): row i belongs to `datastream_ids[series[i]]`. NaN: no value."""

    datastream_ids: list[str]
    series: NDArray[np.int32]
    time_us: NDArray[np.int64]
    value: NDArray[np.float64]
    received_at_us: NDArray[np.int64]
    errors: list[str] = field(default_factory=list)
    """What could not be used, and why; at most `MAX_ERRORS` and one line that counts the rest."""
    bad_samples: int = 0
    """All of them; 1 as well for a message that could not be read at all."""

    def __len__(self) -> int:
        return len(self.series)


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

    def decode(self, topic: str, payload: bytes, received_at_us: int) -> Decoded:
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


class Rows:
    """Collects the rows and the errors of one message."""

    def __init__(self, topic: str) -> None:
        self._topic = printable(topic)
        self._ids: dict[str, int] = {}
        self._series: list[int] = []
        self._time_us: list[int] = []
        self._value: list[float] = []
        self._errors: list[str] = []
        self._bad = 0

    def add(self, datastream_id: str, time_us: int, value: float) -> None:
        """Take a sample."""
        self._series.append(self._ids.setdefault(datastream_id, len(self._ids)))
        self._time_us.append(time_us)
        self._value.append(value)

    def refuse(self, text: str) -> None:
        """Count a sample, or a whole message, that cannot be used."""
        self._bad += 1
        if self._bad <= MAX_ERRORS:
            self._errors.append(f"topic {self._topic}: {text}")

    def decoded(self, received_at_us: int) -> Decoded:
        """Return all of it."""
        if self._bad > MAX_ERRORS:
            self._errors.append(f"topic {self._topic}: {self._bad - MAX_ERRORS} more samples are unusable")
        return Decoded(
            datastream_ids=list(self._ids),
            series=np.array(self._series, np.int32),
            time_us=np.array(self._time_us, np.int64),
            value=np.array(self._value, np.float64),
            received_at_us=np.full(len(self._series), received_at_us, np.int64),
            errors=self._errors,
            bad_samples=self._bad,
        )


def printable(text: str) -> str:
    """Return foreign text, short and safe to print."""
    return ascii(text[:60])[1:-1] + ("..." if len(text) > 60 else "")
