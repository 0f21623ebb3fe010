"""Fields of a message that hold others, as often as a counter, a flag or another value says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gnss.rtcm.fields import (
    BitReader,
    BitWriter,
    Field,
    MalformedError,
    Number,
    Values,
    read_all,
    write_all,
)


@dataclass(frozen=True, slots=True)
class Count(Field):
    """How often the `Repeat` of that name follows, less `offset`."""

    of: str
    width: int
    offset: int = 0

    def _read(self, bits: BitReader, values: Values, counts: dict[str, int]) -> None:
        del values
        counts[self.of] = bits.take(self.width) + self.offset

    def _write(self, bits: BitWriter, values: Mapping[str, Any]) -> None:
        count = len(_elements(values, self.of))
        if not 0 <= count - self.offset < 1 << self.width:
            raise ValueError(
                f"{count} {self.of} do not fit: give {self.offset} to {(1 << self.width) - 1 + self.offset}"
            )
        bits.put(count - self.offset, self.width)


@dataclass(frozen=True, slots=True)
class Repeat(Field):
    """A row of fields, again and again: as often as a `Count` said before, or always `times`."""

    of: str
    fields: tuple[Field, ...]
    times: int | None = None

    def _names(self) -> tuple[str, ...]:
        return (self.of,)

    def _read(self, bits: BitReader, values: Values, counts: dict[str, int]) -> None:
        times = counts[self.of] if self.times is None else self.times
        values[self.of] = [read_all(self.fields, bits) for _ in range(times)]

    def _write(self, bits: BitWriter, values: Mapping[str, Any]) -> None:
        elements = _elements(values, self.of)
        if self.times is not None and len(elements) != self.times:
            raise ValueError(f"{len(elements)} {self.of} do not fit: give {self.times}")
        for element in elements:
            write_all(self.fields, bits, element)


def repeated(of: str, counter_width: int, *fields: Field) -> tuple[Count, Repeat]:
    """Return a counter with what it counts right behind it."""
    return Count(of, counter_width), Repeat(of, fields)


@dataclass(frozen=True, slots=True)
class Array(Field):
    """As many equal numbers as follows from the values before."""

    number: Number
    times: Callable[[Mapping[str, Any]], int]
    """Raises MalformedError when these make no sense."""

    def _names(self) -> tuple[str, ...]:
        return (self.number.name,)

    def _read(self, bits: BitReader, values: Values, counts: dict[str, int]) -> None:
        del counts
        number = self.number
        values[number.name] = [number.value(bits.take(number.width)) for _ in range(self.times(values))]

    def _write(self, bits: BitWriter, values: Mapping[str, Any]) -> None:
        name = self.number.name
        elements = _elements(values, name)
        try:
            times = self.times(values)
        except MalformedError as error:
            raise ValueError(str(error)) from error
        if len(elements) != times:
            raise ValueError(f"{len(elements)} {name} do not fit: give {times}")
        for element in elements:
            bits.put(self.number.sent(element), self.number.width)


@dataclass(frozen=True, slots=True)
class Flags(Field):
    """A bit for each of the `Flagged` fields of these names: 1 when it follows."""

    of: tuple[str, ...]

    def _read(self, bits: BitReader, values: Values, counts: dict[str, int]) -> None:
        del values
        for name in self.of:
            counts[name] = bits.take(1)

    def _write(self, bits: BitWriter, values: Mapping[str, Any]) -> None:
        for name in self.of:
            bits.put(int(values[name] is not None), 1)


@dataclass(frozen=True, slots=True)
class Flagged(Field):
    """A number that follows when its flag in `Flags` is set; else it is None."""

    number: Number

    def _names(self) -> tuple[str, ...]:
        return (self.number.name,)

    def _read(self, bits: BitReader, values: Values, counts: dict[str, int]) -> None:
        if counts[self.number.name]:
            self.number._read(bits, values, counts)
        else:
            values[self.number.name] = None

    def _write(self, bits: BitWriter, values: Mapping[str, Any]) -> None:
        if values[self.number.name] is not None:
            self.number._write(bits, values)


def _elements(values: Mapping[str, Any], name: str) -> list[Any]:
    elements = values[name]
    if not isinstance(elements, list):
        raise ValueError(f"{name} must be a list, not {elements!r}")
    return elements
