"""Sensor Measurement Lists (SenML, RFC 8428) in JSON and in CBOR.

A pack is a list of records; base fields count for the record that has them and for those behind it. Times
below 2**28 s are relative to now, which is when the pack arrived. Values are numbers, and booleans as 1 and
0; text and data are no measurements and are refused. `{name}` and `{unit}` of a record make the datastream's
id: a moving device sends its place under the name of its measurement, told apart by the units lon and lat
(section 5.1.3).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal, NamedTuple

import cbor2
import msgspec

from sensors.payloads import Place, Rows, TooManyError, UnusableError, printable, register
from sensors.payloads.mapping import FormatMapping
from sensors.payloads.numbers import MISSING_TEXTS
from sensors.payloads.paths import Namer, checked, namer, part_of_id
from sensors.payloads.times import Clock

VERSION = 10
"""Of packs that this program understands (RFC 9100: higher ones need features by number)."""
ABSOLUTE_S = 2**28
"""Times from here on are since 1970 (section 4.5.3)."""
_LABELS = {-1: "bver", -2: "bn", -3: "bt", -4: "bu", -5: "bv", -6: "bs"} | dict(
    enumerate(("n", "u", "v", "vs", "vb", "s", "t", "ut", "vd"))
)
"""What CBOR has numbers for (table 6)."""
_AXES = {"lon": 1, "lat": 2}
_BASE = frozenset({"bver", "bn", "bt", "bu", "bv", "bs"})
_MOST_LEVELS = 16
"""A pack needs three."""


class Record(NamedTuple):
    """A record with the base fields put in (section 4.6)."""

    name: str
    base_name: str
    unit: str
    value: float | None
    """None: it has a sum only. NaN: text that means no value."""
    sum: float | None
    """The values over time, in the unit times seconds."""
    time_s: float
    """As the pack says it: relative to now, below `ABSOLUTE_S`."""


class SenmlMapping(FormatMapping, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """How the messages of some topics are read."""

    datastream: str = "{name}"
    """Datastream id: `{name}` (with a dot for each slash) and `{unit}` of the record, `{1}` a level of the
    topic, counted from 0."""
    names: dict[str, str] = msgspec.field(default_factory=dict)
    """Datastreams of names that `datastream` does not suit; empty: the name is left out."""
    sums: str = ""
    """Datastream id of sums, written like `datastream`; empty: a record with nothing else is refused."""
    encoding: Literal["auto", "json", "cbor"] = "auto"
    positions: bool = False
    """Records in the units lon and lat are no samples but tell where the device was: for the records of the
    same base name and time (section 5.1.3). So is one in metres called `altitude`, behind its base name."""

    def read(self, rows: Rows, payload: bytes, clock: Clock) -> None:
        """Add the samples of a pack."""
        records = _parsed(payload, self.encoding)
        if len(records) > self.max_rows:
            raise TooManyError(f"{len(records)} records in one message; send fewer, or raise max_rows")
        levels, now_s = rows.topic.split("/"), clock.received_at_us / 1e6
        all_found = [*resolved(records)] if self.positions else resolved(records)
        places = _places(all_found) if isinstance(all_found, list) else {}
        for number, found in enumerate(all_found):
            try:
                if isinstance(found, str):
                    raise UnusableError(found)
                if not (self.positions and _axis(found)):
                    place = places.get((found.base_name, found.time_s))
                    self._add(rows, found, levels, clock, now_s, place)
            except UnusableError as error:
                rows.refuse(f"record {number}: {error}")

    def _add(
        self,
        rows: Rows,
        record: Record,
        levels: list[str],
        clock: Clock,
        now_s: float,
        place: Place | None,
    ) -> None:
        template = self._namers.get(record.name, self._namer)
        if template is None:
            return
        if record.value is None and self._sums is None:
            raise UnusableError(
                f"{printable(record.name)} has a sum only; set sums in the mapping to keep it"
            )
        if record.time_s < ABSOLUTE_S:
            rows.from_arrival = True
            time_s = now_s + record.time_s
        else:
            time_s = record.time_s
        if not abs(time_s) < 1e12:
            raise UnusableError(f"the time of {printable(record.name)} is too far from now")
        time_us, doubt = clock.choose(round(time_s * 1e6), f"the time of {printable(record.name)}")
        fields = {"name": part_of_id(record.name), "unit": record.unit}
        for value, name_of in ((record.value, template), (record.sum, self._sums)):
            if value is None or name_of is None:
                continue
            name = checked(name_of(levels, fields, fields))
            unit = record.unit if name_of is template else ""
            number = self.in_unit(rows, name, value, unit, printable(record.name))
            rows.add(name, time_us, number if math.isfinite(number) else math.nan, doubt, place)

    @cached_property
    def _namer(self) -> Namer:
        return namer(self.datastream)

    @cached_property
    def _namers(self) -> Mapping[str, Namer | None]:
        return {name: namer(text) if text else None for name, text in self.names.items()}

    @cached_property
    def _sums(self) -> Namer | None:
        return namer(self.sums) if self.sums else None


def _axis(record: Record) -> int:
    """Return which part of a position a record is: 1 longitude, 2 latitude, 3 height; 0: none."""
    if record.unit in _AXES:
        return _AXES[record.unit]
    return 3 if record.unit == "m" and record.name == f"{record.base_name}altitude" else 0


def _places(records: Iterable[Record | str]) -> dict[tuple[str, float], Place]:
    """Return where devices were, by base name and time."""
    found: dict[tuple[str, float], list[float]] = {}
    for record in records:
        if not isinstance(record, str) and record.value is not None and (axis := _axis(record)):
            found.setdefault((record.base_name, record.time_s), [math.nan] * 3)[axis - 1] = record.value
    return {key: Place(*parts) for key, parts in found.items() if not all(map(math.isnan, parts[:2]))}


def resolved(records: list[Any]) -> Iterator[Record | str]:
    """Return each record with the base fields before it put in; a text says why one cannot be used.

    Raises
    ------
    UnusableError
        The pack as a whole cannot be: it needs a newer program, or a base field is not what it should be.
    """
    base_name, base_unit, base_time, base_value = "", "", 0.0, 0.0
    base_sum: float | None = None
    for record in records:
        if not isinstance(record, dict):
            raise UnusableError("a pack should be a list of records")
        if unknown := [key for key in record if isinstance(key, str) and key.endswith("_")]:
            raise UnusableError(f"the pack has {printable(unknown[0])}, which must be understood and is not")
        if (version := record.get("bver", VERSION)) != VERSION and not (
            isinstance(version, int) and version <= VERSION
        ):
            raise UnusableError(f"the pack has version {printable(str(version))}, at most {VERSION} is read")
        base_name = _text(record, "bn", base_name)
        base_unit = _text(record, "bu", base_unit)
        base_time = _number(record, "bt", base_time)
        base_value = _number(record, "bv", base_value)
        if "bs" in record:
            base_sum = _number(record, "bs", 0.0)
        if _BASE.issuperset(record):
            continue
        try:
            yield _resolved(record, base_name, base_unit, base_time, base_value, base_sum)
        except UnusableError as error:
            yield str(error)


def _resolved(
    record: dict[str, Any],
    base_name: str,
    base_unit: str,
    base_time: float,
    base_value: float,
    base_sum: float | None,
) -> Record:
    name = base_name + _text(record, "n", "")
    value: float | None = None
    if "v" in record:
        value = base_value + _number(record, "v", 0.0)
    elif "vb" in record:
        if not isinstance(record["vb"], bool):
            raise UnusableError("vb should be true or false")
        value = float(record["vb"])
    elif "vs" in record:
        text = record["vs"]
        if not isinstance(text, str) or text.strip().lower() not in MISSING_TEXTS:
            raise UnusableError(f"{printable(name)} has text, which is no measurement")
        value = math.nan
    elif "vd" in record:
        raise UnusableError(f"{printable(name)} has data, which are no measurement")
    total = None
    if "s" in record or base_sum is not None:
        total = (base_sum or 0.0) + _number(record, "s", 0.0)
    if value is None and "s" not in record:
        raise UnusableError(f"{printable(name)} has no value")
    unit = _text(record, "u", base_unit)
    return Record(name, base_name, unit, value, total, base_time + _number(record, "t", 0.0))


def _text(record: dict[str, Any], label: str, default: str) -> str:
    found = record.get(label, default)
    if not isinstance(found, str):
        raise UnusableError(f"{label} should be text")
    return found


def _number(record: dict[str, Any], label: str, default: float) -> float:
    found = record.get(label, default)
    if isinstance(found, bool) or not isinstance(found, int | float | Decimal):
        raise UnusableError(f"{label} should be a number")
    try:
        return float(found)
    except OverflowError:
        raise UnusableError(f"{label} is too large") from None


def _parsed(payload: bytes, encoding: str) -> list[Any]:
    # A list in CBOR begins with 0x80 to 0x9f, which no JSON does.
    if encoding == "cbor" or (encoding == "auto" and payload[:1] >= b"\x80"):
        found = _cbor(payload)
    else:
        try:
            found = msgspec.json.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise UnusableError(f"the payload is not JSON ({printable(str(error))})") from error
    if not isinstance(found, list):
        raise UnusableError("a pack should be a list of records")
    return found


def _cbor(payload: bytes) -> Any:
    try:
        found = cbor2.loads(payload, max_depth=_MOST_LEVELS)
    except (cbor2.CBORError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        raise UnusableError(f"the payload is not CBOR ({printable(str(error))})") from error
    if not isinstance(found, list):
        return found
    return [
        {_LABELS.get(key, key) if type(key) is int else key: value for key, value in record.items()}
        if isinstance(record, dict)
        else record
        for record in found
    ]


register("senml", SenmlMapping)
