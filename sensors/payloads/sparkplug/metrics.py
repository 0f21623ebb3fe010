"""Payloads and metrics of Sparkplug B (chapter 6 of the specification 3.0)."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from sensors.payloads import TooManyError, UnusableError, printable
from sensors.payloads.sparkplug.wire import read_fields, write_bytes, write_double, write_varint

_SIGNED_BITS = {1: 8, 2: 16, 3: 32, 4: 64}
"""By data type: Int8 to Int64."""
_NUMBERS = frozenset(range(1, 12))
"""Int8 to UInt64, Float, Double, Boolean."""
_TABLES = frozenset({16, 19})
"""DataSet and Template."""
_DOUBLE, _BOOLEAN = 10, 11
_UNIT = "engUnit"
"""What SCADA systems call the property that has a metric's unit."""

Kind = Literal["number", "other", "table"]


@dataclass(slots=True)
class Metric:
    """A metric of a payload."""

    name: str = ""
    alias: int | None = None
    time_ms: int | None = None
    datatype: int = 0
    """0: not told, since the birth told it."""
    is_null: bool = False
    unit: str = ""
    content: tuple[int, int | memoryview] | None = None
    """Number of the field that has the value, and what stands there."""

    def kind(self, datatype: int) -> Kind:
        """Return what its value is, given its data type."""
        number = self.content[0] if self.content else 0
        if datatype in _TABLES or number in {17, 18}:
            return "table"
        is_number = datatype in _NUMBERS if datatype else 10 <= number <= 14
        return "number" if is_number else "other"

    def value(self, datatype: int) -> float:
        """Return its number; NaN: null.

        Raises
        ------
        UnusableError
            It has none.
        """
        if self.is_null or self.content is None:
            return float("nan")
        number, content = self.content
        if not isinstance(content, int):
            raise UnusableError(f"metric {printable(self.name)} should be a number")
        if number == 12:
            return float(struct.unpack("<f", struct.pack("<I", content & 0xFFFF_FFFF))[0])
        if number == 13:
            return float(struct.unpack("<d", struct.pack("<Q", content))[0])
        bits = _SIGNED_BITS.get(datatype)
        if bits:  # some write -1 of Int8 with all 32 bits, some with eight
            content &= (1 << bits) - 1
            content -= (1 << bits) if content >> (bits - 1) else 0
        return float(content)


class Payload(NamedTuple):
    """What a message brings."""

    time_ms: int | None
    seq: int | None
    metrics: list[Metric]


def read_payload(data: bytes, most: int) -> Payload:
    """Return what stands in a message.

    Raises
    ------
    UnusableError
        The bytes are no payload of Sparkplug B.
    TooManyError
        It has more than `most` metrics.
    """
    time_ms, seq = None, None
    metrics: list[Metric] = []
    for number, content in read_fields(memoryview(data)):
        if isinstance(content, int):
            if number == 1:
                time_ms = content
            elif number == 3:
                seq = content
        elif number == 2:
            if len(metrics) >= most:
                raise TooManyError(f"more than {most} metrics in one message; send fewer, or raise max_rows")
            metrics.append(_metric(content))
    return Payload(time_ms, seq, metrics)


def write_payload(time_ms: int, values: Mapping[str, float | bool]) -> bytes:
    """Return a payload with metrics by name, as commands have them: booleans and doubles."""
    payload = write_varint(1, time_ms)
    for name, value in values.items():
        metric = write_bytes(1, name.encode()) + write_varint(3, time_ms)
        if isinstance(value, bool):
            metric += write_varint(4, _BOOLEAN) + write_varint(14, value)
        else:
            metric += write_varint(4, _DOUBLE) + write_double(13, value)
        payload += write_bytes(2, metric)
    return payload


def _metric(data: memoryview) -> Metric:
    metric = Metric()
    for number, content in read_fields(data):
        if 10 <= number <= 19:
            metric.content = (number, content)
        elif isinstance(content, int):
            if number == 2:
                metric.alias = content
            elif number == 3:
                metric.time_ms = content
            elif number == 4:
                metric.datatype = content
            elif number == 7:
                metric.is_null = bool(content)
        elif number == 1:
            metric.name = _text(content)
        elif number == 9:
            metric.unit = _unit(content)
    return metric


def _unit(properties: memoryview) -> str:
    """Return the unit among a metric's properties; empty: there is none."""
    keys, values = [], []
    for number, content in read_fields(properties):
        if number == 1 and not isinstance(content, int):
            keys.append(bytes(content))
        elif number == 2 and not isinstance(content, int):
            values.append(content)
    for key, value in zip(keys, values, strict=False):
        if key == _UNIT.encode():
            for number, content in read_fields(value):
                if number == 8 and not isinstance(content, int):
                    return _text(content)
    return ""


def _text(content: memoryview) -> str:
    try:
        return bytes(content).decode("utf-8")
    except UnicodeDecodeError:
        raise UnusableError("a name in the payload is not UTF-8") from None
