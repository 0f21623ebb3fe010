"""What is read of one message: samples, what cannot be used, and what was used in another way than sent."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from math import isnan
from operator import lt
from typing import Literal, NamedTuple

MAX_ERRORS = 20
LONGEST_WAVE, LONGEST_STEP_US = 50_000, 3_600_000_000.0
"""Values of a waveform, and from one to the next."""
MAX_ROWS = 20_000
"""A number is two bytes of JSON, and a row costs some microseconds of everybody's time."""

Note = Literal[
    "gateway_time", "received_time", "converted", "flagged", "repeated", "reordered", "lost", "silent",
    "asked", "unplaced",
]  # fmt: skip
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
`asked`
    The sender was asked for what this program lacks (`Rows.replies`); counted by who asks.
`unplaced`
    The position that came with the sample cannot be read; it counts without one.
"""


_INSTEAD = {"gateway_time": "the gateway's time", "received_time": "the time of arrival"}


class Place(NamedTuple):
    """Where a sample was taken."""

    longitude: float
    """Degrees; NaN: unknown, as the others."""
    latitude: float
    height_m: float = math.nan


class Wave(NamedTuple):
    """A waveform: what one sample holds whose value is an array."""

    step_us: float
    values: list[float]
    """NaN: missing."""

    def farthest(self) -> float:
        """Return the value that is farthest from zero; NaN: there is none."""
        return max((value for value in self.values if not isnan(value)), key=abs, default=math.nan)


class Reply(NamedTuple):
    """A message that a reader wants to be published, at the broker that its own came from."""

    topic: str
    payload: bytes


class UnusableError(Exception):
    """Something in the message; the text says what."""


class TooManyError(Exception):
    """The message has more rows than are read, so none is taken."""


class _Row(NamedTuple):
    time_us: int
    name: str
    value: float
    place: Place | None = None
    wave: Wave | None = None


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
    places: dict[int, Place] = field(default_factory=dict)
    """Of those rows that tell one."""
    waves: dict[int, Wave] = field(default_factory=dict)
    """Of those rows that are waveforms."""
    bad_samples: int = 0
    """All of them; 1 as well for a message that could not be read at all."""
    notes: Counter[str] = field(default_factory=Counter)
    last_note: str = ""
    """The newest note in words."""
    from_arrival: bool = False
    """Some times are that of the arrival: nothing else tells when the samples were taken."""
    replies: list[Reply] = field(default_factory=list)
    """What the sender is to be asked for, where there is a way to it."""
    _in_waves: int = 0
    """Values of waveforms besides their rows' own."""
    _errors: list[str] = field(default_factory=list)
    _doubts: dict[int, tuple[Note, str]] = field(default_factory=dict)
    """Rows with a time that is not the device's: which one it is, and why."""

    def __len__(self) -> int:
        return len(self.value)

    def add(
        self,
        datastream_id: str,
        time_us: int,
        value: float,
        doubt: tuple[Note, str] | None = None,
        place: Place | None = None,
    ) -> None:
        """Take a sample.

        `doubt` says that the time is another one than the device's, and why: such a sample is taken where it
        is the only one of its datastream in the message, else nothing tells how old it is.

        Raises
        ------
        TooManyError
            There are `most` already.
        """
        if len(self.value) + self._in_waves >= self.most:
            raise TooManyError(f"more than {self.most} values in one message; send fewer, or raise max_rows")
        if doubt is not None:
            self._doubts[len(self.value)] = doubt
        if place is not None:
            self.places[len(self.value)] = place
        self.datastream_ids.append(datastream_id)
        self.time_us.append(time_us)
        self.value.append(value)

    def extend(self, datastream_ids: Sequence[str], time_us: Sequence[int], value: Sequence[float]) -> None:
        """Take samples of which nothing but this is known.

        Raises
        ------
        TooManyError
            There would be more than `most`; none is taken.
        """
        if len(self.value) + self._in_waves + len(value) > self.most:
            raise TooManyError(f"more than {self.most} values in one message; send fewer, or raise max_rows")
        self.datastream_ids += datastream_ids
        self.time_us.extend(time_us)
        self.value.extend(value)

    def add_wave(
        self,
        datastream_id: str,
        time_us: int,
        wave: Wave,
        doubt: tuple[Note, str] | None = None,
        place: Place | None = None,
    ) -> None:
        """Take a waveform as one sample, whose value is the one that is farthest from zero.

        Raises
        ------
        TooManyError
            There are `most` values already.
        UnusableError
            It has no values, or too many, or a step that cannot be.
        """
        if not (1 <= wave.step_us <= LONGEST_STEP_US and 1 <= len(wave.values) <= LONGEST_WAVE):
            raise UnusableError(
                f"a waveform has 1 to {LONGEST_WAVE} values, at most an hour apart; this one has "
                f"{len(wave.values)}, {wave.step_us / 1e6:g} s apart"
            )
        self._in_waves += len(wave.values) - 1
        self.waves[len(self.value)] = wave
        self.add(datastream_id, time_us, wave.farthest(), doubt, place)

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
        self.places, self.waves, self._doubts = {}, {}, {}
        self._in_waves = 0

    def settle(self) -> None:
        """Decide on doubtful times, leave out what is there twice, and put each datastream in order of time.

        Loggers send their memory newest first, and gateways what they are not sure of twice. Judged as they
        came, all but one of the samples would be late.
        """
        if self._doubts:
            self._decide()
        if self._is_in_order():
            return
        once: dict[tuple[int, str, float | None], _Row] = {}
        for row in self._rows():
            once.setdefault((row.time_us, row.name, None if isnan(row.value) else row.value), row)
        if (repeated := len(self.value) - len(once)) > 0:
            self.note("repeated", f"{repeated} samples are there twice", repeated)
        ordered = sorted(once.values(), key=lambda row: row.time_us)
        if (behind := _behind(once.values())) > 0:
            self.note("reordered", f"{behind} samples stand behind later ones of their datastream", behind)
        self.clear()
        for row in ordered:
            self._add_again(row)

    def _rows(self) -> list[_Row]:
        """Return all rows, each with what belongs to it."""
        columns = zip(self.time_us, self.datastream_ids, self.value, strict=True)
        if not (self.places or self.waves):
            return [_Row(*row) for row in columns]
        return [
            _Row(*row, self.places.get(place), self.waves.get(place)) for place, row in enumerate(columns)
        ]

    def _add_again(self, row: _Row) -> None:
        if row.wave is None:
            self.add(row.name, row.time_us, row.value, None, row.place)
        else:
            self.add_wave(row.name, row.time_us, row.wave, None, row.place)

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
        rows = self._rows()
        self.clear()
        for number, row in enumerate(rows):
            if number in doubts:
                what, text = doubts[number]
                if counts[row.name] > 1:
                    self.refuse(f"{text}; it is one of several samples, so nothing tells how old it is")
                    continue
                self.note(what, f"{text}; {_INSTEAD[what]} counts")
                self.from_arrival |= what == "received_time"
            self._add_again(row)

    @property
    def errors(self) -> list[str]:
        """What could not be used, and why; at most `MAX_ERRORS` and one line that counts the rest."""
        if self.bad_samples <= MAX_ERRORS:
            return self._errors
        rest = f"topic {printable(self.topic)}: {self.bad_samples - MAX_ERRORS} more samples are unusable"
        return [*self._errors, rest]


def _behind(rows: Iterable[_Row]) -> int:
    """Return how many rows come after a later one of their datastream."""
    newest: dict[str, int] = {}
    late = 0
    for row in rows:
        known = newest.setdefault(row.name, row.time_us)
        late += row.time_us < known
        newest[row.name] = max(known, row.time_us)
    return late


def printable(text: str) -> str:
    """Return foreign text, short and safe to print."""
    return ascii(text[:60])[1:-1] + ("..." if len(text) > 60 else "")
