"""SL 651-2014, the frames of China's hydrological stations: reports and answers, on their way up.

Read are the functions 30 to 35, 37 to 3A and 44 in both codings, several frames in a payload, hexadecimal
text for bytes, and messages in many packets (SYN). A heartbeat (2F) and answers to other commands carry no
samples. Pictures (36) and batches of velocities (FD) are refused. The standard was read in a transcript;
frames of two provinces' stations are in the test.
"""

from __future__ import annotations

import math
from functools import cached_property, partial

import msgspec

from sensors.payloads import Rows, UnusableError, register
from sensors.payloads.mapping import MAX_BYTES, FormatMapping, Reader
from sensors.payloads.parts import Parts
from sensors.payloads.paths import Namer, checked, namer
from sensors.payloads.sl651.bodies import HourTime, Report, Sample
from sensors.payloads.sl651.frames import Frame, read_frames
from sensors.payloads.times import Clock, check_zone, zone_of

HEARTBEAT, TEST, PICTURE = 0x2F, 0x30, 0x36
_SAMPLES = frozenset({0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x37, 0x38, 0x39, 0x3A, 0x44})


class Sl651Mapping(FormatMapping, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """How the messages of some topics are read."""

    datastream: str = "{station}.{element}"
    """Datastream id: `{station}` is the address (ten digits), `{code}` its last eight, `{element}` the
    identifier (Z, PJ, VT, DRP; FF11 for a maker's own), `{1}` a level of the topic, counted from 0."""
    values: dict[str, str] = msgspec.field(default_factory=dict)
    """Datastream id of each element that is wanted; others are left out. Instead of the one above."""
    zone: str = "+08:00"
    """Of the stations' times: the standard has Beijing's."""
    hour: HourTime = "auto"
    """What the observation time of an hour's groups is: that of the first, as the standard has it, or of the
    last; auto: of the last, where the first would lie less than their span before they were sent."""
    test_reports: bool = False
    """Take test reports (30), too, which the standard keeps apart."""
    missing: list[float] = msgspec.field(default_factory=list)
    """What stations send for no value, beside FF and AA."""

    def __post_init__(self) -> None:
        """Refuse a mapping that cannot work."""
        super().__post_init__()
        if not self.zone:
            raise ValueError("zone must be an offset as +08:00")
        check_zone(self.zone)

    def open(self) -> Reader:
        """Return a reader that puts packets of one message together."""
        return Reader(self, partial(self.read_with, Parts()))

    def read(self, rows: Rows, payload: bytes, clock: Clock) -> None:
        """Add the samples of a message, without a memory for packets of the next one."""
        self.read_with(Parts(), rows, payload, clock)

    def read_with(self, parts: Parts, rows: Rows, payload: bytes, clock: Clock) -> None:
        """Add the samples of a message; packets that are not whole wait in `parts`."""
        for frame in read_frames(_bytes(payload)):
            if isinstance(frame, str):
                rows.refuse(frame)
                continue
            try:
                self._take(rows, frame, parts, clock)
            except UnusableError as error:
                rows.refuse(str(error))
        if lost := parts.take_lost():
            rows.refuse(f"{lost} messages in many packets never became whole")

    def _take(self, rows: Rows, frame: Frame, parts: Parts, clock: Clock) -> None:
        place = f"station {frame.station}, function {frame.function:02X}: "
        if frame.is_down:
            raise UnusableError(f"{place}this goes from the centre to the station")
        if frame.function == PICTURE:
            raise UnusableError(f"{place}pictures are not read")
        if frame.function not in _SAMPLES or (frame.function == TEST and not self.test_reports):
            rows.note("silent", f"{place}no samples are taken of it")
            return
        body: bytes | None = frame.body
        if frame.total:
            if not 1 <= frame.number <= frame.total:
                raise UnusableError(f"{place}packet {frame.number} of {frame.total} cannot be")
            key = (frame.station, frame.function, frame.is_ascii)
            body = parts.add(key, frame.total, frame.number, frame.body, clock.received_at_us)
        if body is None:
            return
        if len(body) > MAX_BYTES:
            raise UnusableError(f"{place}its packets have {len(body)} bytes, at most {MAX_BYTES} are read")
        report = Report(frame.station, zone_of(self.zone), self.hour, rows.most)
        try:
            _read_body(report, body, is_ascii=frame.is_ascii)
        except UnusableError as error:
            rows.refuse(place + str(error))
        for text in report.errors:
            rows.refuse(place + text)
        for sample in report.samples:
            try:
                self._add(rows, sample, clock)
            except UnusableError as error:
                rows.refuse(place + str(error))

    def _add(self, rows: Rows, sample: Sample, clock: Clock) -> None:
        name_of = self._namers.get(sample.element, None if self.values else self._namer)
        if name_of is None:
            return
        time_us, doubt = clock.choose(sample.time_us, "the observation time")
        fields = {"station": sample.station, "code": sample.station[-8:], "element": sample.element}
        name = checked(name_of(rows.topic.split("/"), fields, fields))
        value = math.nan if sample.value in self.missing else sample.value
        value = self.in_unit(rows, name, value, sample.unit, sample.element)
        rows.add(name, time_us, value, doubt)

    @cached_property
    def _namer(self) -> Namer:
        return namer(self.datastream)

    @cached_property
    def _namers(self) -> dict[str, Namer]:
        return {element: namer(text) for element, text in self.values.items()}


def _read_body(report: Report, body: bytes, *, is_ascii: bool) -> None:
    if not is_ascii:
        report.read_hex(body)
        return
    try:
        text = body.decode("ascii")
    except UnicodeDecodeError:
        raise UnusableError("the body should be ASCII") from None
    report.sent_us = report.time_of(text[4:16])
    report.read_text(text[16:])


def _bytes(payload: bytes) -> bytes:
    """Return the bytes of a payload, which some gateways send as hexadecimal text."""
    if payload[:4].upper() != b"7E7E":
        return payload
    try:
        return bytes.fromhex(payload.decode("ascii"))
    except (ValueError, UnicodeDecodeError):
        raise UnusableError("the payload begins as hexadecimal text, and is none") from None


register("sl651", Sl651Mapping)
