"""JSON payloads, mapped by configuration: where in a message the series, the time and the values stand.

A path is a row of keys and list indices with dots between them (`data.0.level`); a key that holds dots
itself is found as well. Nothing that a device sends raises an exception: what cannot be used becomes an error
that names the topic and the field.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Literal

import msgspec

from sensors.payloads import Decoded, Rows, check_filter, printable, register

MAX_BYTES = 1_000_000
MAX_SAMPLES = 10_000
MAX_AHEAD_US = 86_400_000_000
EARLIEST_US = -2_208_988_800_000_000
"""1900-01-01: whatever is older has a wrong time."""

TimeFormat = Literal["iso8601", "epoch_s", "epoch_ms", "epoch_us"]
_US_PER = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ZONE = re.compile(r"(?:UTC|Z|([+-])(\d{2}):?(\d{2}))")
_PLACE = re.compile(r"\{([^{}]+)\}")
_ID = re.compile(r"[^\s\x00-\x1f\x7f]{1,200}")
_MISSING_TEXTS = frozenset({"", "nan", "null", "none", "na", "n/a"})


class JsonMapping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the messages of some topics are read."""

    topic: str
    """MQTT topic filter: `+` stands for one level, `#` at the end for all that follow."""
    datastream: str = ""
    """Datastream id. `{1}` is a level of the topic, counted from 0; `{name}` a field of the sample, or of
    the message."""
    value: str = ""
    """Path of the value; empty: the sample itself is the value."""
    values: dict[str, str] = msgspec.field(default_factory=dict)
    """Several values in one sample: path of each, and its datastream id. Instead of the two above."""
    samples: str | None = None
    """Path of a list of samples; None: the message is one sample; empty: the message is the list."""
    time: str = ""
    """Path of the time in the sample, or in the message; empty: the receiving time."""
    time_format: TimeFormat = "iso8601"
    zone: str = ""
    """Offset for times that tell none, for instance `+08:00` or `UTC`. Without it they are refused."""
    missing: list[float | str] = msgspec.field(default_factory=list)
    """What the device writes for no value, for instance -9999. null and "NaN" always mean it."""
    scale: float = 1.0
    offset: float = 0.0
    """The value is `number * scale + offset`."""

    def __post_init__(self) -> None:
        """Refuse a mapping that cannot work."""
        if bool(self.datastream) == bool(self.values):
            raise ValueError("a mapping needs either datastream and value, or values")
        check_filter(self.topic)
        if self.zone and not _ZONE.fullmatch(self.zone):
            raise ValueError(f"zone {self.zone!r} is not understood; write UTC or an offset as +08:00")
        if not (math.isfinite(self.scale) and math.isfinite(self.offset)) or self.scale == 0:
            raise ValueError("scale and offset must be finite, scale not 0")

    @property
    def tells_time(self) -> bool:
        """Whether samples carry their time."""
        return bool(self.time)

    def decode(self, topic: str, payload: bytes, received_at_us: int) -> Decoded:
        """Return the samples of one message.

        Parameters
        ----------
        topic, payload
            Of the message; at most `MAX_BYTES` and `MAX_SAMPLES` samples are taken.
        received_at_us
            When the message came, microseconds of UTC since 1970. Times more than a day later are refused.
        """
        rows = Rows(topic)
        try:
            message = _parse(payload)
            samples = _samples(self, message)
        except _UnusableError as error:
            rows.refuse(str(error))
            return rows.decoded(received_at_us)
        levels = topic.split("/")
        pairs = self.values or {self.value: self.datastream}
        for number, sample in enumerate(samples):
            where = f"sample {number}: " if self.samples is not None else ""
            try:
                time_us = _time_us(self, sample, message, received_at_us)
            except _UnusableError as error:
                rows.refuse(where + str(error))
                continue
            for path, template in pairs.items():
                try:
                    value = _value(self, sample, path)
                    name = _datastream(template, levels, sample, message)
                except _UnusableError as error:
                    rows.refuse(where + str(error))
                else:
                    rows.add(name, time_us, value)
        return rows.decoded(received_at_us)


class _UnusableError(Exception):
    """Something in the message; the text says what."""


def _parse(payload: bytes) -> Any:
    if len(payload) > MAX_BYTES:
        raise _UnusableError(f"the payload has {len(payload)} bytes, at most {MAX_BYTES} are read; send less")
    try:
        return msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        # Devices write NaN without quotes, which JSON does not know but this parser takes.
        return json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise _UnusableError(f"the payload is not JSON ({printable(str(error))})") from error


def _samples(mapping: JsonMapping, message: Any) -> Sequence[Any]:
    if mapping.samples is None:
        return [message]
    samples = _find(message, mapping.samples)
    if not isinstance(samples, list):
        raise _UnusableError(f"field {mapping.samples or '(message)'} should be a list of samples")
    if len(samples) > MAX_SAMPLES:
        raise _UnusableError(
            f"{len(samples)} samples in one message, at most {MAX_SAMPLES} are read; send fewer"
        )
    return samples


_ABSENT = object()


def _find(node: Any, path: str) -> Any:
    """Return what stands at the path, or `_ABSENT`."""
    if not path:
        return node
    if isinstance(node, dict) and path in node:
        return node[path]
    for key in path.split("."):
        if isinstance(node, dict) and key in node:
            node = node[key]
        elif isinstance(node, list) and key.isascii() and key.isdigit() and int(key[:9]) < len(node):
            node = node[int(key[:9])]
        else:
            return _ABSENT
    return node


def _value(mapping: JsonMapping, sample: Any, path: str) -> float:
    raw = _find(sample, path)
    name = path or "(sample)"
    if raw is _ABSENT:
        raise _UnusableError(f"field {name} is not there")
    if raw is None or (isinstance(raw, str) and raw.strip().lower() in _MISSING_TEXTS):
        return math.nan
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        raise _UnusableError(f"field {name} should be a number")
    if raw in mapping.missing:
        return math.nan
    try:
        number = float(raw)
    except (ValueError, OverflowError):
        raise _UnusableError(f"field {name} should be a number, not {printable(str(raw)[:80])}") from None
    if number in mapping.missing:
        return math.nan
    result = number * mapping.scale + mapping.offset
    return result if math.isfinite(result) else math.nan


def _datastream(template: str, levels: list[str], sample: Any, message: Any) -> str:
    def place(match: re.Match[str]) -> str:
        name = match[1]
        if name.isascii() and name.isdigit():
            if int(name[:9]) >= len(levels):
                raise _UnusableError(
                    f"the datastream asks for level {name[:9]} of the topic, which has fewer"
                )
            return levels[int(name[:9])]
        found = _first(sample, message, name)
        if isinstance(found, bool) or not isinstance(found, str | int):
            raise _UnusableError(f"field {name} should be a name, since the datastream is called after it")
        return str(found) if isinstance(found, str) or abs(found) < 10**18 else ""

    name = _PLACE.sub(place, template)
    if not _ID.fullmatch(name):
        raise _UnusableError(f"{printable(name)} cannot be a datastream: 1 to 200 characters without spaces")
    return name


def _first(sample: Any, message: Any, path: str) -> Any:
    found = _find(sample, path)
    return _find(message, path) if found is _ABSENT else found


def _time_us(mapping: JsonMapping, sample: Any, message: Any, received_at_us: int) -> int:
    if not mapping.time:
        return received_at_us
    raw = _first(sample, message, mapping.time)
    if raw is _ABSENT or raw is None:
        raise _UnusableError(
            f"field {mapping.time} is not there, and without a time a sample is worth nothing"
        )
    time_us = _iso_us(mapping, raw) if mapping.time_format == "iso8601" else _epoch_us(mapping, raw)
    if time_us > received_at_us + MAX_AHEAD_US:
        raise _UnusableError(
            f"field {mapping.time} lies more than a day ahead; check the device's clock and zone"
        )
    if time_us < EARLIEST_US:
        raise _UnusableError(f"field {mapping.time} lies before 1900; check time_format")
    return time_us


def _epoch_us(mapping: JsonMapping, raw: Any) -> int:
    factor = _US_PER[mapping.time_format]
    if isinstance(raw, str):
        try:
            raw = int(raw) if raw.strip().lstrip("-").isdigit() else float(raw)
        except ValueError:
            raw = None
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not abs(raw) < 2**62:
        raise _UnusableError(
            f"field {mapping.time} should be a number, since its time_format is {mapping.time_format}"
        )
    return raw * factor if isinstance(raw, int) else round(raw * factor)


def _iso_us(mapping: JsonMapping, raw: Any) -> int:
    if not isinstance(raw, str):
        raise _UnusableError(
            f"field {mapping.time} should be text as 2026-01-31T12:00:00Z; or set time_format"
        )
    try:
        time = datetime.fromisoformat(raw.strip())
        if time.tzinfo is None:
            if not mapping.zone:
                raise _UnusableError(
                    f"field {mapping.time} tells no zone; set zone in the mapping, for instance +08:00"
                )
            time = time.replace(tzinfo=_zone(mapping.zone))
        return (time - _EPOCH) // timedelta(microseconds=1)
    except (ValueError, OverflowError):
        raise _UnusableError(f"field {mapping.time} is not an ISO 8601 time: {printable(raw)}") from None


def _zone(text: str) -> timezone:
    match = _ZONE.fullmatch(text)
    if match is None or match[1] is None:
        return UTC
    minutes = int(match[2]) * 60 + int(match[3])
    return timezone(timedelta(minutes=minutes if match[1] == "+" else -minutes))


register("json", JsonMapping)
