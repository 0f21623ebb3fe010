"""HJ 212-2017, the packets of China's automatic monitors of water and air, on their way up.

Read are real-time values (CN 2011), and minimum, mean, maximum and total of minutes, hours and days (2051,
2061, 2031), with several packets in a payload and messages split over packets. Times are Beijing's.

The mark of a value (its Flag) decides: N, working as it should, and T, above what the instrument measures,
are taken; stopped (F), in maintenance (M), entered by hand (S), faulty (D), in calibration (C) and cut off
from the logger (B) mean that there is no value.

HJ 212-2025 holds from 2026 on. Its text was not at hand. From programs that follow it: the frame, the
checksum and these commands are the same, Flag says version 2 (8 or 9), lengths count bytes of UTF-8, 2013
brings values as they were measured, and the data area of 2000 to 2999 is to be encrypted with SM4 where it
crosses the internet. Encrypted data areas are refused here, as are marks that 2017 does not have.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, partial

import msgspec

from sensors.payloads import Rows, UnusableError, printable, register
from sensors.payloads.hj212.packets import Packet, read_packets
from sensors.payloads.mapping import FormatMapping, Reader
from sensors.payloads.numbers import read_number
from sensors.payloads.paths import Namer, checked, namer
from sensors.payloads.times import Chosen, Clock, check_zone, read_time

PERIODS = {"2011": "", "2013": "", "2051": "Minute", "2061": "Hour", "2031": "Day"}
"""What each command brings values of."""
STATISTICS = frozenset({"Rtd", "Min", "Avg", "Max", "Cou"})
MARKS = "NFMSDCTB"
_TIME_FORMAT = "%Y%m%d%H%M%S"
_REMEMBERED = 1_000
"""Messages split over packets whose time is remembered."""
_LONGEST_TEXT = 64


class Hj212Mapping(FormatMapping, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """How the messages of some topics are read."""

    datastream: str = "{mn}.{code}.{field}"
    """Datastream id: `{mn}` is the device, `{code}` the factor (w01018), `{field}` Rtd, or MinuteAvg,
    HourMax, DayCou, `{st}` the system, `{1}` a level of the topic, counted from 0."""
    values: dict[str, str] = msgspec.field(default_factory=dict)
    """Datastream id of each value that is wanted, by `code-field`; others are left out."""
    valid_marks: str = "NT"
    """Marks of values that are taken; those of others count as missing."""
    zone: str = "+08:00"
    """Of the devices' times."""
    missing: list[float | str] = msgspec.field(default_factory=list)
    """What devices send for no value, for instance 999.99."""

    def __post_init__(self) -> None:
        """Refuse a mapping that cannot work."""
        super().__post_init__()
        if not self.zone:
            raise ValueError("zone must be an offset as +08:00")
        check_zone(self.zone)

    def open(self) -> Reader:
        """Return a reader that remembers the time of messages split over packets."""
        return Reader(self, partial(self.read_with, {}))

    def read(self, rows: Rows, payload: bytes, clock: Clock) -> None:
        """Add the samples of a message, without a memory for packets of the next one."""
        self.read_with({}, rows, payload, clock)

    def read_with(self, times: dict[str, str], rows: Rows, payload: bytes, clock: Clock) -> None:
        """Add the samples of a message; `times` are those of messages that are split over packets."""
        for packet in read_packets(payload):
            if isinstance(packet, str):
                rows.refuse(packet)
                continue
            try:
                self._take(rows, packet, times, clock)
            except UnusableError as error:
                rows.refuse(str(error))

    def _take(self, rows: Rows, packet: Packet, times: dict[str, str], clock: Clock) -> None:
        device = packet.fields.get("MN", "")
        place = f"device {printable(device)}, {printable(packet.command)}: "
        period = PERIODS.get(packet.command)
        if period is None:
            rows.note("silent", f"{place}no samples are taken of it")
            return
        for items in _records(packet, place):
            raw = items.pop(("", "DataTime"), "")
            if packet.is_split:
                key = f"{device} {packet.command} {packet.fields.get('QN', '')}"
                raw = _remembered(times, key, raw)
            self._add(rows, packet, items, raw, period, place, clock)

    def _add(
        self,
        rows: Rows,
        packet: Packet,
        items: dict[tuple[str, str], str],
        raw: str,
        period: str,
        place: str,
        clock: Clock,
    ) -> None:
        """Add the samples of one time, which is `raw` where they have none of their own."""
        levels, head = rows.topic.split("/"), packet.fields
        for (code, statistic), text in items.items():
            if statistic not in STATISTICS:
                continue
            name_of = self._namers.get(f"{code}-{period}{statistic}", self._otherwise)
            if name_of is None:
                continue
            field = period + statistic
            fields = {"mn": head.get("MN", ""), "code": code, "field": field, "st": head.get("ST", "")}
            try:
                name = checked(name_of(levels, fields, fields))
                time_us, doubt = self._time(items.get((code, "SampleTime")) or raw, clock)
                rows.add(name, time_us, self._value(rows, items, code, statistic, text), doubt)
            except UnusableError as error:
                rows.refuse(place + str(error))

    def _time(self, raw: str, clock: Clock) -> Chosen:
        if not raw:
            raise UnusableError("there is no DataTime, and without a time a sample is worth nothing")
        return clock.choose(read_time(raw, _TIME_FORMAT, self.zone, "DataTime"), "DataTime")

    def _value(
        self, rows: Rows, items: dict[tuple[str, str], str], code: str, statistic: str, text: str
    ) -> float:
        value = read_number(text, f"{printable(code)}-{statistic}", self.missing)
        mark = items.get((code, "Flag")) or "N"
        if mark in {*self.valid_marks}:
            return value
        known = "" if mark in {*MARKS} else ", which is not known"
        rows.note("flagged", f"{printable(code)} is marked {printable(mark)}{known}, and counts as missing")
        return float("nan")

    @cached_property
    def _otherwise(self) -> Namer | None:
        return None if self.values else namer(self.datastream)

    @cached_property
    def _namers(self) -> dict[str, Namer]:
        return {key: namer(text) for key, text in self.values.items()}


def _records(packet: Packet, place: str) -> Iterator[dict[tuple[str, str], str]]:
    """Return the values of a data area by code and field (no code: ""), anew from each DataTime on."""
    items: dict[tuple[str, str], str] = {}
    for item in _split(packet.data):
        name, equals, value = item.partition("=")
        if not equals:
            what = "encrypted" if packet.version == "HJ 212-2025" else "not as the standard has them"
            raise UnusableError(f"{place}the data are {what}, and are not read")
        code, dash, field = name.strip().rpartition("-")
        key = (code if dash else "", field)
        if key == ("", "DataTime") and key in items:
            yield items
            items = {}
        items[key] = value.strip()
    yield items


def _split(data: str) -> Iterator[str]:
    return (item for group in data.split(";") for item in group.split(",") if item.strip())


def _remembered(times: dict[str, str], key: str, raw: str) -> str:
    """Return a packet's time, or that of another packet of its message; bounded."""
    key = key[: 2 * _LONGEST_TEXT]
    if raw:
        times.pop(key, None)
        times[key] = raw[:_LONGEST_TEXT]
        if len(times) > _REMEMBERED:
            del times[next(iter(times))]
        return raw
    return times.get(key, "")


register("hj212", Hj212Mapping)
