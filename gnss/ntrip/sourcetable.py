"""The sourcetable: which streams (STR), casters (CAS) and networks (NET) there are.

One line an entry, fields apart by semicolons, `ENDSOURCETABLE` behind the last (RTCM 10410.1, chapter on
sourcetables). Tables in the field have fields too few, words in the place of numbers, and semicolons in
`misc`: reading takes all that and never fails.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

END = "ENDSOURCETABLE"
_KINDS = {"STR", "CAS", "NET"}


@dataclass(frozen=True, slots=True)
class StrEntry:
    """A stream."""

    mountpoint: str
    identifier: str = ""
    format: str = ""
    format_details: str = ""
    """Message types with their intervals in seconds: `1005(10),1077(1)`."""
    carrier: int = 0
    """0 none, 1 one frequency, 2 two or more."""
    nav_system: str = ""
    network: str = ""
    country: str = ""
    """ISO 3166, three letters."""
    latitude: float | None = None
    """Degrees."""
    longitude: float | None = None
    """Degrees; -180 to 180, or 0 to 360 in some tables."""
    nmea: bool = False
    """The caster needs the rover's position."""
    solution: int = 0
    """0 a single base, 1 a network."""
    generator: str = ""
    compression: str = "none"
    authentication: str = "N"
    """N none, B basic, D digest."""
    fee: bool = False
    bitrate: int | None = None
    """Bits per second."""
    misc: str = ""


@dataclass(frozen=True, slots=True)
class CasEntry:
    """A caster."""

    host: str
    port: int | None = None
    identifier: str = ""
    operator: str = ""
    nmea: bool = False
    country: str = ""
    latitude: float | None = None
    longitude: float | None = None
    fallback_host: str = ""
    fallback_port: int | None = None
    misc: str = ""


@dataclass(frozen=True, slots=True)
class NetEntry:
    """A network of stations."""

    identifier: str
    operator: str = ""
    authentication: str = "N"
    fee: bool = False
    web_network: str = ""
    web_streams: str = ""
    web_registration: str = ""
    misc: str = ""


Entry = StrEntry | CasEntry | NetEntry
_E = TypeVar("_E", StrEntry, CasEntry, NetEntry)


@dataclass(frozen=True, slots=True)
class Sourcetable:
    """A caster's table."""

    streams: list[StrEntry] = field(default_factory=list)
    casters: list[CasEntry] = field(default_factory=list)
    networks: list[NetEntry] = field(default_factory=list)
    complete: bool = True
    """The end line has been seen."""
    odd_lines: int = 0
    """Lines of other kinds, and those that name nothing."""


def parse_sourcetable(table: bytes) -> Sourcetable:
    """Read a table: UTF-8, else Latin-1. Lines of other kinds are left out."""
    try:
        text = table.decode("utf-8")
    except UnicodeDecodeError:
        text = table.decode("latin-1")
    streams: list[StrEntry] = []
    casters: list[CasEntry] = []
    networks: list[NetEntry] = []
    odd_lines = 0
    for raw in text.split("\n"):
        line = raw.strip("\r\x00 \t")
        kind, _, rest = line.partition(";")
        odd_lines += bool(line) and line != END and (kind not in _KINDS or not rest.partition(";")[0].strip())
        if kind == "STR":
            streams.append(_parse_entry(StrEntry, rest))
        elif kind == "CAS":
            casters.append(_parse_entry(CasEntry, rest))
        elif kind == "NET":
            networks.append(_parse_entry(NetEntry, rest))
        elif line == END:
            return Sourcetable(streams, casters, networks, odd_lines=odd_lines)
    return Sourcetable(streams, casters, networks, complete=False, odd_lines=odd_lines)


def format_sourcetable(table: Sourcetable) -> bytes:
    """Write a table with its end line; always whole, whatever `table.complete` says."""
    entries: list[Entry] = [*table.casters, *table.networks, *table.streams]
    lines = [format_entry(entry) for entry in entries]
    return "".join(f"{line}\r\n" for line in (*lines, END)).encode("utf-8")


def format_entry(entry: Entry) -> str:
    """Write one line. A semicolon in a text would shift the fields: it becomes a comma (not in `misc`)."""
    kind = {StrEntry: "STR", CasEntry: "CAS", NetEntry: "NET"}[type(entry)]
    values = [_format_value(f.name, getattr(entry, f.name)) for f in fields(entry)]
    return ";".join([kind, *values])


def _parse_entry(kind: type[_E], text: str) -> _E:
    columns = fields(kind)
    values: dict[str, Any] = {columns[0].name: ""}
    for column, raw in zip(columns, text.split(";", len(columns) - 1), strict=False):
        value = _parse_value(str(column.type), raw.strip())
        if value is not None:
            values[column.name] = value
    return kind(**values)


def _parse_value(kind: str, text: str) -> str | int | float | bool | None:
    if kind == "str":
        return text
    if kind == "bool":
        return text in {"1", "Y", "y"}
    try:
        number = float(text)
    except ValueError:
        return None
    if not math.isfinite(number) or abs(number) > 1e12:
        return None
    return number if kind.startswith("float") else int(number)


def _format_value(name: str, value: str | float | bool | None) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return ("Y" if value else "N") if name == "fee" else str(int(value))
    if isinstance(value, float):
        whole, _, decimals = f"{value:.6f}".partition(".")
        return f"{whole}.{decimals[:2]}{decimals[2:].rstrip('0')}"
    text = "".join(" " if character < " " or character == "\x7f" else character for character in str(value))
    return text.strip() if name == "misc" else text.replace(";", ",").strip()
