"""Reading stations from lists that others write: sourcetables, CSV, GeoJSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import msgspec

from deploy.refusal import Refusal
from gnss.ntrip import StrEntry, parse_sourcetable
from gnss.ntrip.selection import Selection, place_of
from streams.definitions import StationDefinition, check_id, check_name, check_push, definition

MOST_BYTES = 64_000_000
_TABLES = {"sources", "source_paused", "change_over"}
"""What no cell can hold: in a list a station has one source; those behind it stay as they are."""
_FIELDS = {one.name: one.type for one in msgspec.structs.fields(StationDefinition) if one.name not in _TABLES}
COLUMNS = ("id", *_FIELDS)
"""Of a CSV file and of a feature's properties: all but `id` and `source` may be left out."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A station as a list has it."""

    id: str
    values: dict[str, Any]
    """Of its definition; only what the list says."""


@dataclass(slots=True)
class Listing:
    """What a list has, and what of it cannot be taken."""

    stations: list[Listed] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    """A sentence each, which begins with the place in the list."""
    notes: list[str] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)

    def add(self, place: str, identity: str, values: dict[str, Any]) -> None:
        """Take a station, or say why not."""
        try:
            check_id("station", identity)
            if identity in self._seen:
                raise ValueError(f"there is another station {identity} above; give each its own id")
            if "source" not in values:
                raise ValueError(f"station {identity} has no source; write one, or give --caster URL")
            check_station(values)
        except ValueError as error:
            self.errors.append(f"{place}: {error}")
            return
        self._seen.add(identity)
        self.stations.append(Listed(identity, values))


def check_station(values: Mapping[str, Any]) -> None:
    """Refuse values that make no station.

    Raises
    ------
    ValueError
        One sentence says why.
    """
    made = definition("station", values)
    assert isinstance(made, StationDefinition)
    check_name(made.name)
    check_push(made)


def read_list(
    content: bytes, caster: str = "", selection: Selection | None = None, *, promises: bool = False
) -> Listing:
    """Return the stations of a list; its own look says what it is.

    Parameters
    ----------
    content
        The list.
    caster
        URL with credentials that goes before the mountpoint, or the id, of a station without a source.
    selection
        Which streams of a sourcetable are wanted; of other lists all are.
    promises
        As with `from_streams`.

    Raises
    ------
    Refusal
        It is none.
    """
    if len(content) > MOST_BYTES:
        raise Refusal(f"the list has more than {MOST_BYTES // 1_000_000} MB; divide it")
    if content.lstrip()[:1] == b"{":
        return _from_geojson(content, caster)
    if any(line.startswith((b"STR;", b"ENDSOURCETABLE")) for line in content.splitlines()):
        table = parse_sourcetable(content)
        return from_streams((selection or Selection()).select(table.streams), caster, promises=promises)
    return _from_csv(content, caster)


def from_streams(streams: list[StrEntry], caster: str, *, promises: bool = False) -> Listing:
    """Return the streams of a sourcetable as stations.

    Parameters
    ----------
    streams
        What is wanted of it.
    caster
        URL with credentials, that goes before the mountpoint.
    promises
        The messages that the table tells are held against the stream.
    """
    listing = Listing()
    for one in streams:
        values: dict[str, Any] = {}
        if caster:
            values["source"] = f"{caster.rstrip('/')}/{quote(one.mountpoint, safe='')}"
        if one.identifier and one.identifier != one.mountpoint:
            values["name"] = one.identifier
        if (at := place_of(one)) is not None:
            values["latitude"], values["longitude"] = at
        if promises and one.format_details:
            values["messages"] = one.format_details
        listing.add(f"mountpoint {one.mountpoint[:100]!r}", one.mountpoint, values)
    return listing


def _from_csv(content: bytes, caster: str) -> Listing:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refusal("the list is no UTF-8 text; save it as CSV in UTF-8") from error
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    listing = Listing()
    try:
        head = [name.strip() for name in next(rows, [])]
        _check_head(head)
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            place = f"line {rows.line_num}"
            if len(row) != len(head):
                text = f"it has {len(row)} cells and the header has {len(head)}; correct it"
                listing.errors.append(f"{place}: {text}")
                continue
            _take(listing, place, {n: c.strip() for n, c in zip(head, row, strict=True) if c.strip()}, caster)
    except csv.Error as error:
        raise Refusal(f"the list is no CSV at line {rows.line_num} ({error}); correct it") from error
    return listing


def _check_head(head: list[str]) -> None:
    unknown = [name for name in head if name not in COLUMNS]
    if "id" not in head or unknown or len(set(head)) != len(head):
        what = "names a column twice" if "id" in head else "has no id"
        if unknown:
            what = f"has {unknown[0][:40]!r}"
        raise Refusal(f"the header of the list {what}; write some of {','.join(COLUMNS)}")


def _from_geojson(content: bytes, caster: str) -> Listing:
    try:
        told = json.loads(content)
        features = told["features"]
        if not isinstance(features, list):
            raise TypeError
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Refusal("the list is no GeoJSON FeatureCollection; save it as one") from error
    listing, ignored = Listing(), dict[str, None]()
    for number, feature in enumerate(features, 1):
        place = f"feature {number}"
        try:
            properties = dict(feature.get("properties") or {})
            if "id" not in properties and feature.get("id") is not None:
                properties["id"] = feature["id"]
            properties |= dict(_position(feature.get("geometry")))
        except (AttributeError, TypeError, ValueError):
            listing.errors.append(f"{place}: it is no feature with a point; correct it")
            continue
        ignored |= dict.fromkeys(str(name)[:40] for name in properties if name not in COLUMNS)
        known = {n: v for n, v in properties.items() if n in COLUMNS and v is not None}
        _take(listing, place, known, caster)
    if ignored:
        listing.notes.append(f"properties that mean nothing here: {', '.join(sorted(ignored)[:20])}")
    return listing


def _position(geometry: Any) -> Iterator[tuple[str, float]]:
    if geometry is None:
        return
    if geometry["type"] != "Point":
        raise ValueError
    names = "longitude", "latitude", "height_m"
    yield from zip(names, (float(value) for value in geometry["coordinates"][:3]), strict=False)


def _take(listing: Listing, place: str, told: dict[str, Any], caster: str) -> None:
    identity = str(told.pop("id", ""))
    values: dict[str, Any] = {}
    for name, value in told.items():
        given = value.split() if name == "allow" and isinstance(value, str) else value
        try:
            values[name] = msgspec.convert(given, _FIELDS[name], strict=False)
        except msgspec.ValidationError as error:
            listing.errors.append(f"{place}: {name} {str(value)[:40]!r} does not serve ({error}); correct it")
            return
    if caster and "source" not in values:
        values["source"] = f"{caster.rstrip('/')}/{quote(identity, safe='')}"
    listing.add(place, identity, values)
