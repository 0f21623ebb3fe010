"""JSON payloads, mapped by configuration: where in a message the series, the time and the values stand.

A path is a row of keys and list indices with dots between them (`data.0.level`); a key that holds dots
itself is found as well. Nothing that a device sends raises an exception: what cannot be used becomes an error
that names the topic and the field.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from functools import cached_property
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from sensors.payloads import Rows, check_filter, printable, register
from sensors.payloads.paths import ABSENT, Finder, Namer, UnusableError, checked, finder, namer

MAX_BYTES = 1_000_000
MAX_ROWS = 20_000
"""A number is two bytes of JSON, and a row costs some microseconds of everybody's time."""
MOST_ROWS = 500_000
MAX_AHEAD_US = 86_400_000_000
EARLIEST_US = -2_208_988_800_000_000
"""1900-01-01: whatever is older has a wrong time."""

TimeFormat = Literal["iso8601", "epoch_s", "epoch_ms", "epoch_us"]
_NUMBERS = (int, float)
"""Types of JSON's numbers; a bool is none."""
_US_PER = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ZONE = re.compile(r"(?:UTC|Z|([+-])(\d{2}):?(\d{2}))")
_MISSING_TEXTS = frozenset({"", "nan", "null", "none", "na", "n/a"})


class JsonMapping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
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
    max_rows: Annotated[int, msgspec.Meta(ge=1, le=MOST_ROWS)] = MAX_ROWS
    """Values of one message. One with more is refused as a whole."""

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

    def decode(self, topic: str, payload: bytes, received_at_us: int) -> Rows:
        """Return the samples of one message.

        Parameters
        ----------
        topic, payload
            Of the message; of more than `MAX_BYTES` or `max_rows` values nothing is taken.
        received_at_us
            When the message came, microseconds of UTC since 1970. Times more than a day later are refused.
        """
        rows, levels = Rows(topic), topic.split("/")
        list_samples, find_time, columns = self._plan
        try:
            message = _parse(payload)
            samples = list_samples(message)
            if (count := len(samples) * len(columns)) > self.max_rows:
                raise UnusableError(
                    f"{count} values in one message, at most {self.max_rows} are read; "
                    "send fewer, or raise max_rows of the mapping"
                )
        except UnusableError as error:
            rows.refuse(str(error))
            return rows
        for number, sample in enumerate(samples):
            try:
                time_us = received_at_us
                if find_time is not None:
                    raw = find_time(sample)
                    if raw is ABSENT:
                        raw = find_time(message)
                    time_us = _time_us(self, raw, received_at_us)
            except UnusableError as error:
                rows.refuse(self._place(number) + str(error))
                continue
            for path, find_value, name_of in columns:
                try:
                    value = _value(self, find_value(sample), path)
                    name = checked(name_of(levels, sample, message))
                except UnusableError as error:
                    rows.refuse(self._place(number) + str(error))
                else:
                    rows.add(name, time_us, value)
        return rows

    def _place(self, number: int) -> str:
        return f"sample {number}: " if self.samples is not None else ""

    @cached_property
    def _plan(self) -> _Plan:
        """What the paths and templates mean, taken apart once."""
        pairs = self.values or {self.value: self.datastream}
        return _Plan(
            samples=_lister(self.samples),
            find_time=finder(self.time) if self.time else None,
            columns=[(path, finder(path), namer(template)) for path, template in pairs.items()],
        )


class _Plan(NamedTuple):
    samples: Callable[[Any], Sequence[Any]]
    find_time: Finder | None
    columns: list[tuple[str, Finder, Namer]]


def _parse(payload: bytes) -> Any:
    if len(payload) > MAX_BYTES:
        raise UnusableError(f"the payload has {len(payload)} bytes, at most {MAX_BYTES} are read; send less")
    try:
        return msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        # Devices write NaN without quotes, which JSON does not know but this parser takes.
        return json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise UnusableError(f"the payload is not JSON ({printable(str(error))})") from error


def _lister(path: str | None) -> Callable[[Any], Sequence[Any]]:
    if path is None:
        return lambda message: [message]
    find = finder(path)

    def samples(message: Any) -> Sequence[Any]:
        found = find(message)
        if not isinstance(found, list):
            raise UnusableError(f"field {path or '(message)'} should be a list of samples")
        return found

    return samples


def _value(mapping: JsonMapping, raw: Any, path: str) -> float:
    number = raw if type(raw) is float else _number(mapping, raw, path or "(sample)")
    if number in mapping.missing:
        return math.nan
    result = number * mapping.scale + mapping.offset
    return result if math.isfinite(result) else math.nan


def _number(mapping: JsonMapping, raw: Any, name: str) -> float:
    if raw is ABSENT:
        raise UnusableError(f"field {name} is not there")
    if raw is None or (isinstance(raw, str) and raw.strip().lower() in _MISSING_TEXTS):
        return math.nan
    if type(raw) not in _NUMBERS and not isinstance(raw, str):
        raise UnusableError(f"field {name} should be a number")
    if raw in mapping.missing:
        return math.nan
    try:
        return float(raw)
    except (ValueError, OverflowError):
        raise UnusableError(f"field {name} should be a number, not {printable(str(raw)[:80])}") from None


def _time_us(mapping: JsonMapping, raw: Any, received_at_us: int) -> int:
    if raw is ABSENT or raw is None:
        raise UnusableError(
            f"field {mapping.time} is not there, and without a time a sample is worth nothing"
        )
    time_us = _iso_us(mapping, raw) if mapping.time_format == "iso8601" else _epoch_us(mapping, raw)
    if time_us > received_at_us + MAX_AHEAD_US:
        raise UnusableError(
            f"field {mapping.time} lies more than a day ahead; check the device's clock and zone"
        )
    if time_us < EARLIEST_US:
        raise UnusableError(f"field {mapping.time} lies before 1900; check time_format")
    return time_us


def _epoch_us(mapping: JsonMapping, raw: Any) -> int:
    factor = _US_PER[mapping.time_format]
    if isinstance(raw, str):
        try:
            raw = int(raw) if raw.strip().lstrip("-").isdigit() else float(raw)
        except ValueError:
            raw = None
    if type(raw) not in _NUMBERS or not abs(raw) < 2**62:
        raise UnusableError(
            f"field {mapping.time} should be a number, since its time_format is {mapping.time_format}"
        )
    return raw * factor if isinstance(raw, int) else round(raw * factor)


def _iso_us(mapping: JsonMapping, raw: Any) -> int:
    if not isinstance(raw, str):
        raise UnusableError(
            f"field {mapping.time} should be text as 2026-01-31T12:00:00Z; or set time_format"
        )
    try:
        time = datetime.fromisoformat(raw.strip())
        if time.tzinfo is None:
            if not mapping.zone:
                raise UnusableError(
                    f"field {mapping.time} tells no zone; set zone in the mapping, for instance +08:00"
                )
            time = time.replace(tzinfo=_zone(mapping.zone))
        return (time - _EPOCH) // timedelta(microseconds=1)
    except (ValueError, OverflowError):
        raise UnusableError(f"field {mapping.time} is not an ISO 8601 time: {printable(raw)}") from None


def _zone(text: str) -> timezone:
    match = _ZONE.fullmatch(text)
    if match is None or match[1] is None:
        return UTC
    minutes = int(match[2]) * 60 + int(match[3])
    return timezone(timedelta(minutes=minutes if match[1] == "+" else -minutes))


register("json", JsonMapping)
