"""Bodies of SL 651-2014's frames: what a station reports, as samples (6.6).

A value counts for the observation time before it, and the station before it. BCD numbers are negative when
their first byte is FF; all bytes FF, or AA as some devices have it, mean that there is none. The twelve
groups of an hour begin at the observation time (6.6.4.7). Some stations give the hour's end instead: where
the groups would end after they were sent, they are taken to end there (`hour = "auto"`).
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Literal

from sensors.payloads import TooManyError, UnusableError, printable
from sensors.payloads.sl651.elements import BY_GUIDE, BY_NAME, RAIN_GROUPS, Element

HourTime = Literal["auto", "first", "last"]
_GROUP_US = 300_000_000
_SLACK_US = 300_000_000
"""A station's clock may be so much behind the one that it observes by."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STEP = re.compile(r"DR([DHN])(\d\d)")
_NUMBER = re.compile(r"[+-]?[0-9]{1,12}(\.[0-9]{0,9})?|M")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,7}")
_STEP_US = {"D": 86_400_000_000, "H": 3_600_000_000, "N": 60_000_000}


@dataclass(frozen=True, slots=True)
class Sample:
    """A value of an element at a station."""

    station: str
    element: str
    time_us: int
    value: float
    """NaN: none."""
    unit: str


@dataclass(slots=True)
class Report:
    """What a body says, until it is read to its end."""

    station: str
    zone: tzinfo
    hour: HourTime
    most: int
    """Samples that it may have."""
    sent_us: int = 0
    observed_us: int | None = None
    samples: list[Sample] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def read_hex(self, body: bytes) -> None:
        """Read a body of HEX/BCD.

        Raises
        ------
        UnusableError
            What follows cannot be understood; what was read before it stays.
        """
        self.sent_us = self.time_of(_digits(body[2:8], "the time of sending"))
        at, step_us = 8, 0
        while at < len(body):
            guide, mark = body[at], body[at + 1 : at + 2]
            if guide in {0xF0, 0xF1} and mark == bytes([guide]):
                raw = _taken(body, at + 2, 5)
                if guide == 0xF0:
                    self.observed_us = self.time_of(_digits(raw, "the observation time"))
                    at += 7
                else:
                    self.station = raw.hex().upper()
                    at += 7 if body[at + 7 : at + 9] == b"\xf0\xf0" else 8  # a class of station follows
            elif guide == 0xF2 and mark == b"\xf2":
                self.read_text(_text(body[at + 2 :]))
                return
            elif (guide == 0xF3 and mark == b"\xf3") or guide == 0xFD:
                raise UnusableError("pictures and batches of velocities are not read")
            elif guide == 0x04 and mark == b"\x18":
                step_us, at = _step_us(_taken(body, at + 2, 3)), at + 5
            elif step_us:
                self._series(body, at, step_us)
                return
            else:
                at = self._element(body, at)

    def read_text(self, text: str) -> None:
        """Read groups of an identifier and a value with a space between them: ASCII, and manual entries.

        Raises
        ------
        UnusableError
            What follows cannot be understood; what was read before it stays.
        """
        words = deque(text.split())
        while words:
            word = words.popleft()
            if word == "TT":
                self.observed_us = self.time_of(_next(words, word))
            elif word == "ST":
                self.station = _next(words, word).upper()
                if words and len(words[0]) == 1 and not (len(words) > 1 and _NUMBER.fullmatch(words[1])):
                    words.popleft()  # the station's class: some are called as an element is
            elif word == "PIC":
                raise UnusableError("pictures are not read")
            elif (step := _STEP.fullmatch(word)) and step[2] != "00":
                self._text_series(words, int(step[2]) * _STEP_US[step[1]])
                return
            elif step or word == "RGZS":
                continue  # what follows says it itself
            elif _NAME.fullmatch(word):
                self._text_value(word, _next(words, word))
            else:
                raise UnusableError(f"{printable(word)} is no identifier")

    def _text_value(self, name: str, word: str) -> None:
        element = BY_NAME.get(name)
        if element is not None and element.guide >= RAIN_GROUPS:
            try:
                self._hour(element, bytes.fromhex(word))
            except ValueError:
                raise UnusableError(f"{name} should be hexadecimal, not {printable(word)}") from None
            return
        try:
            self._add(name, self._at_us, _number(word, name), element)
        except UnusableError as error:
            self.errors.append(str(error))

    def _text_series(self, words: Iterable[str], step_us: int) -> None:
        names: list[str] = []
        values: list[str] = []
        for word in words:
            if not values and word in BY_NAME:
                names.append(word)
            else:
                values.append(word)
        if not names or len(values) % len(names):
            raise UnusableError("the values of a series do not fit its identifiers")
        for place, word in enumerate(values):
            row, column = divmod(place, len(names))
            value = _number(word, names[column])
            self._add(names[column], self._at_us + row * step_us, value, BY_NAME[names[column]])

    def _element(self, body: bytes, at: int) -> int:
        """Read an element; return where the next one begins."""
        name, element, definition, at = _identifier(body, at)
        if element is not None and element.guide >= RAIN_GROUPS:
            width = 1 if element.guide == RAIN_GROUPS else 2
            size = definition >> 3
            if definition & 7 or size % width or not size:  # a province writes 5C, and sends twelve
                size = 12 * width
            self._hour(element, _taken(body, at, size))
            return at + size
        raw = _taken(body, at, definition >> 3)
        try:
            self._add(name, self._at_us, _value(name, raw, definition & 7), element)
        except UnusableError as error:
            self.errors.append(str(error))
        return at + len(raw)

    def _series(self, body: bytes, at: int, step_us: int) -> None:
        name, element, definition, at = _identifier(body, at)
        size = definition >> 3
        if not size or (len(body) - at) % size:
            raise UnusableError(f"the values of a series of {name} do not fit its length")
        for row, begin in enumerate(range(at, len(body), size)):
            value = _value(name, body[begin : begin + size], definition & 7)
            self._add(name, self._at_us + row * step_us, value, element)

    def _hour(self, element: Element, raw: bytes) -> None:
        width, scale = (1, 10) if element.guide == RAIN_GROUPS else (2, 100)
        if not raw or len(raw) % width:
            raise UnusableError(f"the groups of {element.name} are cut")
        groups = [int.from_bytes(raw[i : i + width], "big") for i in range(0, len(raw), width)]
        span_us = (len(groups) - 1) * _GROUP_US
        begin_us = self._at_us
        late = begin_us + span_us > self.sent_us + _SLACK_US
        if self.hour == "last" or (self.hour == "auto" and late):
            begin_us -= span_us
        none = 256**width - 1
        for place, group in enumerate(groups):
            value = math.nan if group == none else group / scale
            self._add(element.name, begin_us + place * _GROUP_US, value, element)

    def _add(self, name: str, time_us: int, value: float, element: Element | None) -> None:
        if len(self.samples) >= self.most:
            raise TooManyError(f"more than {self.most} values in one message; send fewer, or raise max_rows")
        unit = "" if element is None else element.unit
        self.samples.append(Sample(self.station, name, time_us, value, unit))

    @property
    def _at_us(self) -> int:
        return self.sent_us if self.observed_us is None else self.observed_us

    def time_of(self, digits: str) -> int:
        """Return a time from its digits: two of the year, month, day, hour, minute, and perhaps second."""
        try:
            if len(digits) not in {10, 12} or not (digits.isascii() and digits.isdecimal()):
                raise ValueError
            parts = [int(digits[i : i + 2]) for i in range(0, len(digits), 2)]
            year, month, day, hour, minute, second = (*parts, 0)[:6]
            time = datetime(2000 + year, month, day, hour, minute, second, tzinfo=self.zone)
        except ValueError:
            raise UnusableError(f"{printable(digits)} is no time") from None
        return (time - _EPOCH) // timedelta(microseconds=1)


def _identifier(body: bytes, at: int) -> tuple[str, Element | None, int, int]:
    """Return an element's name, what is known of it, its definition, and where its value begins."""
    guide = body[at]
    if guide == 0xFF:
        raw = _taken(body, at, 3)
        return f"FF{raw[1]:02X}", None, raw[2], at + 3
    element = BY_GUIDE.get(guide)
    return (element.name if element else f"{guide:02X}"), element, _taken(body, at, 2)[1], at + 2


def _taken(body: bytes, at: int, size: int) -> bytes:
    raw = body[at : at + size]
    if len(raw) < size:
        raise UnusableError("the body ends within a value")
    return raw


def _value(name: str, raw: bytes, decimals: int) -> float:
    if not raw or raw.count(0xFF) == len(raw) or raw.count(0xAA) == len(raw):
        return math.nan
    if name == "ZT":  # bits (table 58)
        return float(int.from_bytes(raw, "big"))
    is_negative = raw[0] == 0xFF
    number: float = int(_digits(raw[1:] if is_negative else raw, name)) / 10**decimals
    if name == "DT":  # hours, a point, minutes
        hours = math.floor(number)
        number = hours + (number - hours) * 100 / 60
    return -number if is_negative else number


def _digits(raw: bytes, name: str) -> str:
    text = raw.hex()
    if not text or not text.isdecimal():
        raise UnusableError(f"{name} has {printable(text)}, which are no decimal digits")
    return text


def _number(word: str, name: str) -> float:
    if word == "M":  # none (6.6.4.4)
        return math.nan
    if name == "ZT" and re.fullmatch("[0-9A-Fa-f]{8}", word):
        return float(int(word, 16))
    if not _NUMBER.fullmatch(word):
        raise UnusableError(f"{printable(name)} should be a number, not {printable(word)}")
    number = float(word)
    if name == "DT":
        hours = math.floor(number)
        number = hours + (number - hours) * 100 / 60
    return number


def _next(words: deque[str], name: str) -> str:
    if not words:
        raise UnusableError(f"nothing follows {printable(name)}")
    return words.popleft()


def _step_us(raw: bytes) -> int:
    """Return a step; 0: what follows says it itself (table C.3)."""
    days, hours, minutes = (int(_digits(raw[i : i + 1], "the time step")) for i in range(3))
    return ((days * 24 + hours) * 60 + minutes) * 60_000_000


def _text(raw: bytes) -> str:
    try:
        return raw.decode("ascii")
    except UnicodeDecodeError:
        raise UnusableError("manual entries should be ASCII") from None
