"""Fields of a message: one table of them reads it and writes it.

A table is a row of fields in the order in which they are sent, most significant bit first; texts are in
`gnss.rtcm.texts`, fields that hold others in `gnss.rtcm.groups`. They read and write values by name:

- `Unsigned`, `Signed`, `SignMagnitude`: an int where the step is whole, else a float; None when the sender
  does not tell it.
- `Coded`: the entry of a list of numbers.
- `Text`, `Utf8`: a str, exactly as it was sent. It is foreign: see `gnss.rtcm.texts.printable`.
- `Repeat`: a list of dicts, one for each repetition; `Array`: a list of plain numbers; `Flagged`: a number
  or None.
- `Reserved`, `Count`, `Flags`: nothing of their own.

Reading never goes beyond the message and takes at least a bit a step, so that it ends.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

Values: TypeAlias = dict[str, Any]
"""What a message says, by name: int, float, str, None, a list of numbers, or a list of such dicts."""


class MalformedError(Exception):
    """What was sent cannot be read; the text says why."""


class BitReader:
    """Takes fields from a message, from its first bit on."""

    def __init__(self, payload: bytes) -> None:
        self._bits = int.from_bytes(payload, "big")
        self._size = len(payload) * 8
        self.at = 0
        """Bits that were taken."""

    def take(self, width: int) -> int:
        """Return the next bits as an unsigned number.

        Raises
        ------
        MalformedError
            There are not so many.
        """
        self.at += width
        if self.at > self._size:
            raise MalformedError("too short")
        return self._bits >> (self._size - self.at) & ((1 << width) - 1)


class BitWriter:
    """Puts fields one behind the other."""

    def __init__(self) -> None:
        self._bits = 0
        self._size = 0

    def put(self, value: int, width: int) -> None:
        """Append an unsigned number that fits the width."""
        self._bits = self._bits << width | value
        self._size += width

    def payload(self) -> bytes:
        """Return all of it, with zero bits up to a whole byte."""
        size = (self._size + 7) // 8
        return (self._bits << (size * 8 - self._size)).to_bytes(size, "big")


class Field:
    """A part of a table. `read_all` and `write_all` use it."""

    __slots__ = ()

    def _names(self) -> tuple[str, ...]:
        """Return the names of the values that it reads and writes."""
        return ()

    def _read(self, bits: BitReader, values: Values, counts: dict[str, int]) -> None:
        """Take its bits and add its values; `counts` holds what counters and flags said before."""
        raise NotImplementedError

    def _write(self, bits: BitWriter, values: Mapping[str, Any]) -> None:
        """Put its values, which are all there."""
        raise NotImplementedError


def read_all(fields: Iterable[Field], bits: BitReader) -> Values:
    """Return the values of a row of fields.

    Raises
    ------
    MalformedError
        The message ends before, or contradicts itself.
    """
    values: Values = {}
    counts: dict[str, int] = {}
    for part in fields:
        part._read(bits, values, counts)
    return values


def write_all(fields: Iterable[Field], bits: BitWriter, values: Mapping[str, Any]) -> None:
    """Put the values of a row of fields.

    Raises
    ------
    ValueError
        A value is missing, unknown, or does not fit.
    """
    parts = tuple(fields)
    if not isinstance(values, Mapping):
        raise ValueError(f"give values by name, not {values!r}")
    names = {name for part in parts for name in part._names()}
    if names != values.keys():
        absent, unknown = sorted(names - values.keys()), sorted(values.keys() - names)
        raise ValueError(f"give exactly its values: missing are {absent}, unknown are {unknown}")
    for part in parts:
        part._write(bits, values)


@dataclass(frozen=True, slots=True)
class Number(Field):
    """A number of `step` units a bit, from `offset` on; `missing`: the sent bits that stand for no value."""

    name: str
    width: int
    step: Fraction | int = 1
    offset: int = 0
    missing: int | None = None

    def _names(self) -> tuple[str, ...]:
        return (self.name,)

    def _read(self, bits: BitReader, values: Values, counts: dict[str, int]) -> None:
        del counts
        values[self.name] = self.value(bits.take(self.width))

    def _write(self, bits: BitWriter, values: Mapping[str, Any]) -> None:
        bits.put(self.sent(values[self.name]), self.width)

    def value(self, sent: int) -> int | float | None:
        """Return what the bits say."""
        if sent == self.missing:
            return None
        number = self._from_bits(sent) * self.step.numerator
        if self.step.denominator == 1:
            return number + self.offset
        return (number + self.offset * self.step.denominator) / self.step.denominator

    def sent(self, value: Any) -> int:
        """Return the bits that say a value, rounded to the step."""
        if value is None and self.missing is not None:
            return self.missing
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"{self.name} must be a finite number, not {value!r}")
        steps = round((value - self.offset) * self.step.denominator / self.step.numerator)
        low, high = self._limits()
        if not low <= steps <= high:
            raise ValueError(
                f"{self.name} {value} does not fit: give {self.value(self._to_bits(low))} "
                f"to {self.value(self._to_bits(high))}"
            )
        sent = self._to_bits(steps)
        if sent == self.missing:
            raise ValueError(f"{self.name} {value} would stand for no value: give None, or another one")
        return sent

    def _from_bits(self, sent: int) -> int:
        return sent

    def _to_bits(self, steps: int) -> int:
        return steps

    def _limits(self) -> tuple[int, int]:
        return 0, (1 << self.width) - 1


@dataclass(frozen=True, slots=True)
class Unsigned(Number):
    """A number from 0 on."""


@dataclass(frozen=True, slots=True)
class Signed(Number):
    """A number in two's complement."""

    def _from_bits(self, sent: int) -> int:
        return sent - (sent >> (self.width - 1) << self.width)

    def _to_bits(self, steps: int) -> int:
        return steps % (1 << self.width)

    def _limits(self) -> tuple[int, int]:
        half = 1 << (self.width - 1)
        return -half, half - 1


@dataclass(frozen=True, slots=True)
class SignMagnitude(Number):
    """A number with its sign in the first bit, as GLONASS sends them; minus zero reads as 0."""

    def _from_bits(self, sent: int) -> int:
        half = 1 << (self.width - 1)
        return half - sent if sent & half else sent

    def _to_bits(self, steps: int) -> int:
        return (1 << (self.width - 1)) - steps if steps < 0 else steps

    def _limits(self) -> tuple[int, int]:
        largest = (1 << (self.width - 1)) - 1
        return -largest, largest


@dataclass(frozen=True, slots=True)
class Coded(Field):
    """An index into a list of 2 to the power of `width` different numbers."""

    name: str
    width: int
    table: tuple[float | None, ...]

    def _names(self) -> tuple[str, ...]:
        return (self.name,)

    def _read(self, bits: BitReader, values: Values, counts: dict[str, int]) -> None:
        del counts
        values[self.name] = self.table[bits.take(self.width)]

    def _write(self, bits: BitWriter, values: Mapping[str, Any]) -> None:
        value = values[self.name]
        if value not in self.table:
            raise ValueError(f"{self.name} {value!r} has no code: give one of {self.table}")
        bits.put(self.table.index(value), self.width)


@dataclass(frozen=True, slots=True)
class Reserved(Field):
    """Bits that are sent as they are here, and read without a look."""

    width: int
    sent: int = 0

    def _read(self, bits: BitReader, values: Values, counts: dict[str, int]) -> None:
        del values, counts
        bits.take(self.width)

    def _write(self, bits: BitWriter, values: Mapping[str, Any]) -> None:
        del values
        bits.put(self.sent, self.width)
