"""Wire formats: one file a format. A file here that calls `register` is found; nothing else is edited.

A format brings a mapping: what a configuration says about the messages of some topics, and how they are read.
Nothing that a device sends raises an exception: what cannot be used becomes an error that names the topic,
and what was used in another way than it was sent is counted by name (`Note`).
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Table
from dataclasses import dataclass, field
from importlib import import_module
from itertools import islice
from math import isnan
from operator import lt
from pkgutil import iter_modules
from typing import Any, Literal, Protocol, Self, runtime_checkable

import msgspec

MAX_ERRORS = 20
DEFAULT_FORMAT = "json"
MAX_ROWS = 20_000
"""A number is two bytes of JSON, and a row costs some microseconds of everybody's time."""

Note = Literal[
    "gateway_time", "received_time", "converted", "flagged", "repeated", "reordered", "lost", "silent"
]
"""What was done to samples or messages that were used:

`gateway_time`, `received_time`
    The device's time cannot be, so the gateway's, or that of the arrival, counts.
`converted`
    The value came in another unit.
`flagged`
    The device marked the value as bad: there is none.
`repeated`
    The message has the same sample twice; one is left out.
`reordered`
    The message has a later sample of the datastream before it.
`lost`
    By its number a message before this one did not come.
`silent`
    The message carries no samples by its nature: a heartbeat, an answer to a command.
"""


_INSTEAD = {"gateway_time": "the gateway's time", "received_time": "the time of arrival"}


class UnusableError(Exception):
    """Something in the message; the text says what."""


class TooManyError(Exception):
    """The message has more rows than are read, so none is taken."""


@dataclass(slots=True)
class Rows:
    """Collects the rows and the errors of one message: row i stands at place i of each column."""

    topic: str
    most: int = MAX_ROWS
    """Rows that one message may have."""
    datastream_ids: list[str] = field(default_factory=list)
    time_us: array[int] = field(default_factory=lambda: array("q"))
    value: array[float] = field(default_factory=lambda: array("d"))
    """NaN: no value."""
    bad_samples: int = 0
    """All of them; 1 as well for a message that could not be read at all."""
    notes: Counter[str] = field(default_factory=Counter)
    last_note: str = ""
    """The newest note in words."""
    from_arrival: bool = False
    """Some times are that of the arrival: nothing else tells when the samples were taken."""
    _errors: list[str] = field(default_factory=list)
    _doubts: dict[int, tuple[Note, str]] = field(default_factory=dict)
    """Rows with a time that is not the device's: which one it is, and why."""

    def __len__(self) -> int:
        return len(self.value)

    def add(
        self, datastream_id: str, time_us: int, value: float, doubt: tuple[Note, str] | None = None
    ) -> None:
        """Take a sample.

        `doubt` says that the time is another one than the device's, and why: such a sample is taken where it
        is the only one of its datastream in the message, else nothing tells how old it is.

        Raises
        ------
        TooManyError
            There are `most` already.
        """
        if len(self.value) >= self.most:
            raise TooManyError(f"more than {self.most} values in one message; send fewer, or raise max_rows")
        if doubt is not None:
            self._doubts[len(self.value)] = doubt
        self.datastream_ids.append(datastream_id)
        self.time_us.append(time_us)
        self.value.append(value)

    def refuse(self, text: str) -> None:
        """Count a sample, or a whole message, that cannot be used."""
        self.bad_samples += 1
        if self.bad_samples <= MAX_ERRORS:
            self._errors.append(f"topic {printable(self.topic)}: {text}")

    def note(self, what: Note, text: str, count: int = 1) -> None:
        """Count what was done to samples or a message that is used."""
        self.notes[what] += count
        self.last_note = f"topic {printable(self.topic)}: {text}"

    def clear(self) -> None:
        """Give up the rows."""
        self.datastream_ids.clear()
        self.time_us = array("q")
        self.value = array("d")
        self._doubts = {}

    def settle(self) -> None:
        """Decide on doubtful times, leave out what is there twice, and put each datastream in order of time.

        Loggers send their memory newest first, and gateways what they are not sure of twice. Judged as they
        came, all but one of the samples would be late.
        """
        if self._doubts:
            self._decide()
        if self._is_in_order():
            return
        once: dict[tuple[int, str, float | None], tuple[int, str, float]] = {}
        for row in zip(self.time_us, self.datastream_ids, self.value, strict=True):
            once.setdefault((row[0], row[1], None if isnan(row[2]) else row[2]), row)
        if (repeated := len(self.value) - len(once)) > 0:
            self.note("repeated", f"{repeated} samples are there twice", repeated)
        ordered = sorted(once.values(), key=lambda row: row[0])
        if (behind := _behind(once.values())) > 0:
            self.note("reordered", f"{behind} samples stand behind later ones of their datastream", behind)
        self.clear()
        for time_us, name, value in ordered:
            self.add(name, time_us, value)

    def _is_in_order(self) -> bool:
        """Return whether the samples of each datastream stand one after the other in time."""
        names = set(self.datastream_ids)
        if len(names) == len(self.datastream_ids):
            return True
        if len(names) == 1:
            return all(map(lt, self.time_us, islice(self.time_us, 1, None)))
        newest: dict[str, int] = {}
        for name, time_us in zip(self.datastream_ids, self.time_us, strict=True):
            if time_us <= newest.get(name, time_us - 1):
                return False
            newest[name] = time_us
        return True

    def _decide(self) -> None:
        """Take rows with a doubtful time where they are alone in their datastream, else refuse them."""
        counts, doubts = Counter(self.datastream_ids), self._doubts
        rows = [*zip(self.datastream_ids, self.time_us, self.value, strict=True)]
        self.clear()
        for place, (name, time_us, value) in enumerate(rows):
            if place in doubts:
                what, text = doubts[place]
                if counts[name] > 1:
                    self.refuse(f"{text}; it is one of several samples, so nothing tells how old it is")
                    continue
                self.note(what, f"{text}; {_INSTEAD[what]} counts")
                self.from_arrival |= what == "received_time"
            self.add(name, time_us, value)

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


def _behind(rows: Iterable[tuple[int, str, float]]) -> int:
    """Return how many rows come after a later one of their datastream."""
    newest: dict[str, int] = {}
    late = 0
    for time_us, name, _ in rows:
        known = newest.setdefault(name, time_us)
        late += time_us < known
        newest[name] = max(known, time_us)
    return late


def printable(text: str) -> str:
    """Return foreign text, short and safe to print."""
    return ascii(text[:60])[1:-1] + ("..." if len(text) > 60 else "")
