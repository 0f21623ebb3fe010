"""Messages without observations and ephemerides: one table of fields a message, read and written by it.

A file here that calls `register` is found; nothing else is edited:

    register(Table(1013, "system parameters", (Unsigned("reference_station", 12), ...)))

A number may have several tables: layouts of one message that were on air side by side. The first whose
length is that of the message is taken.

Layouts: RTCM 10403.3 and IGS SSR v1.00 as open implementations publish and agree on them; where these differ,
the file of the message says what is assumed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from gnss.rtcm.fields import (
    BitReader,
    BitWriter,
    Field,
    MalformedError,
    Values,
    read_all,
    write_all,
)
from gnss.rtcm.framing import MAX_PAYLOAD_BYTES, NO_MESSAGE
from gnss.rtcm.texts import printable

NUMBER_BITS = 12
MAX_LINE = 240


@dataclass(frozen=True, slots=True)
class Message:
    """A message that was read, or is to be written."""

    number: int
    """DF002."""
    subtype: int | None
    """Of a message that has one (4076); else None."""
    name: str
    values: Values
    """By name, in the order in which they are sent; units stand in the names."""


@dataclass(frozen=True, slots=True)
class Opaque:
    """A message that was not read."""

    number: int
    """-1 when the payload is shorter than a number."""
    subtype: int | None
    reason: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Table:
    """A message, or one of its layouts."""

    number: int
    name: str
    fields: tuple[Field, ...]
    """Behind the number."""
    subtype: int | None = None
    subtype_at: tuple[int, int] = (15, 8)
    """First bit and width of the subtype; one place for all tables of a number."""
    exact: bool = False
    """It must fill the message but for the last byte: else another layout would be read as nonsense."""
    line: Callable[[Values], str] | None = None
    """What a person wants to know, in one line; without it the station and the lengths of the lists."""


_tables: dict[tuple[int, int | None], tuple[Table, ...]] = {}


def register(*tables: Table) -> None:
    """Make messages known."""
    for table in tables:
        key = table.number, table.subtype
        _tables[key] = (*_tables.get(key, ()), table)


def tables() -> tuple[Table, ...]:
    """Return all tables, by number and subtype."""
    return tuple(table for key in sorted(_tables, key=str) for table in _tables[key])


def decode(payload: bytes) -> Message | Opaque:
    """Return what a message says, given its bytes from the number on; never an exception.

    What follows behind the last field is left out, since later versions of a message may be longer; not so
    where only the length tells the layout (`Table.exact`).
    """
    bits = BitReader(payload)
    try:
        number = bits.take(NUMBER_BITS)
    except MalformedError as error:
        return Opaque(NO_MESSAGE, None, str(error), payload)
    if len(payload) > MAX_PAYLOAD_BYTES:
        return Opaque(number, None, f"longer than {MAX_PAYLOAD_BYTES} bytes", payload)
    try:
        subtype = _subtype(number, bits)
    except MalformedError as error:
        return Opaque(number, None, str(error), payload)
    layouts = _tables.get((number, subtype), ())
    if not layouts:
        known = any(key[0] == number for key in _tables)
        return Opaque(number, subtype, "subtype not read here" if known else "not read here", payload)
    reasons: list[str] = []
    fallback = None
    for table in layouts:
        bits.at = NUMBER_BITS
        try:
            values = read_all(table.fields, bits)
        except MalformedError as error:
            reasons.append(str(error))
            continue
        message = Message(number, subtype, table.name, values)
        if (bits.at + 7) // 8 == len(payload):
            return message
        if table.exact:
            reasons.append("longer than its layout")
        elif fallback is None:
            fallback = message
    return fallback or Opaque(number, subtype, reasons[0], payload)


def encode(message: Message) -> bytes:
    """Return the payload of a message (`gnss.rtcm.framing.build_frame` frames it).

    Numbers are rounded to what the message can say; the name is not looked at. Among several layouts that is
    taken which has the values' names.

    Raises
    ------
    ValueError
        There is no such message, a value is missing, unknown or does not fit, or all is longer than a frame.
    """
    layouts = _tables.get((message.number, message.subtype), ())
    label = _label(message.number, message.subtype)
    if not layouts:
        raise ValueError(f"there is no table of {label}: add a file to gnss/rtcm/messages")
    errors: list[str] = []
    for table in layouts:
        bits = BitWriter()
        bits.put(table.number, NUMBER_BITS)
        try:
            write_all(table.fields, bits, message.values)
        except ValueError as error:
            errors.append(str(error))
            continue
        payload = bits.payload()
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise ValueError(f"{label} has {len(payload)} bytes, too many: spread it over several messages")
        return payload
    raise ValueError(f"a {label} cannot be sent: {errors[0]}")


def message(number: int, values: Mapping[str, Any], subtype: int | None = None) -> Message:
    """Return a message to be written, with the name of its table.

    Raises
    ------
    ValueError
        There is no such message.
    """
    layouts = _tables.get((number, subtype), ())
    if not layouts:
        raise ValueError(f"there is no table of {_label(number, subtype)}: add a file to gnss/rtcm/messages")
    return Message(number, subtype, layouts[0].name, dict(values))


def describe(payload: bytes) -> str:
    """Return one line for a person: what a message is, and what matters of it. Safe to print, never long."""
    read = decode(payload)
    if isinstance(read, Opaque):
        return f"{_label(read.number, read.subtype)} {read.reason}, {len(payload)} bytes"
    line = _tables[read.number, read.subtype][0].line or _plain
    text = f"{_label(read.number, read.subtype)} {read.name}, {line(read.values)}".rstrip(", ")
    return "".join(c for c in text if c.isprintable())[:MAX_LINE]


def told(label: str, text: str) -> str:
    """Return a label with foreign text behind it, or that there is none: a part of a line."""
    return f"{label} {' '.join(printable(text).split()) or 'not told'}"


def _plain(values: Values) -> str:
    parts = [f"station {values['reference_station']}"] if "reference_station" in values else []
    if "update_interval_s" in values:
        parts.append(f"provider {values['provider']}, every {values['update_interval_s']} s")
    for name, value in values.items():
        if isinstance(value, list):
            parts.append(f"{len(value)} {name.removesuffix('s') if len(value) == 1 else name}")
    return ", ".join(parts)


def _label(number: int, subtype: int | None) -> str:
    if number == NO_MESSAGE:
        return "no message:"
    return f"{number}" if subtype is None else f"{number}.{subtype:03d}"


@cache
def _subtype_at(number: int) -> tuple[int, int] | None:
    return next((x.subtype_at for x in tables() if x.number == number and x.subtype is not None), None)


def _subtype(number: int, bits: BitReader) -> int | None:
    place = _subtype_at(number)
    if place is None:
        return None
    at, width = place
    bits.take(at - bits.at)
    return bits.take(width)


for _module in iter_modules(__path__, f"{__name__}."):
    import_module(_module.name)
