"""Lines of values with a delimiter, mapped by configuration: loggers' CSV, and tables of fixed columns.

The columns are called as the first line says, or as the configuration does; without either they are called
by their place, counted from 0. A line is a sample of each column that is named in `values`.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from functools import cached_property

import msgspec

from sensors.payloads import Place, Rows, TooManyError, UnusableError, Wave, printable, register
from sensors.payloads.mapping import FormatMapping, check_place, read_place
from sensors.payloads.numbers import read_number
from sensors.payloads.paths import Namer, checked, namer
from sensors.payloads.times import Chosen, Clock, check_format, check_zone, read_time


class CsvMapping(FormatMapping, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """How the messages of some topics are read."""

    values: dict[str, str]
    """Column of each value, and its datastream id: `{1}` is a level of the topic, counted from 0, `{name}`
    what stands in another column."""
    time: str | list[str] = ""
    """Column of the time; several (a date and a time of day) are joined by a space. Empty: the receiving
    time."""
    time_format: str = "iso8601"
    """iso8601, epoch_s, epoch_ms or epoch_us, or a pattern of strptime as "%Y %m %d %H %M"."""
    zone: str = ""
    """Offset for times that tell none, for instance `+08:00` or `UTC`. Without it they are refused."""
    header: bool = True
    """The first line names the columns."""
    columns: list[str] = msgspec.field(default_factory=list)
    """Names of the columns where no line does; then there is no such line."""
    delimiter: str = ","
    """One character; a space stands for any number of spaces and tabs."""
    quote: str = '"'
    """Around fields that hold the delimiter; empty: nothing is."""
    comment: str = "#"
    """Lines that begin so are left out; empty: there are none. A first line of names may begin so."""
    skip_lines: int = 0
    """Lines before the first one that counts."""
    decimal_comma: bool = False
    missing: list[float | str] = msgspec.field(default_factory=list)
    """What the device writes for no value, for instance -9999. Nothing, "NaN" and "---" always mean it."""
    scale: float = 1.0
    offset: float = 0.0
    """The value is `number * scale + offset`."""
    longitude: str = ""
    """Column of where the sample was taken, in degrees; empty: it is not told."""
    latitude: str = ""
    height: str = ""
    """Metres; negative under water."""
    step_s: float = 0.0
    """The lines of a message are one sample, a waveform: the first line's time and place are those of it, and
    lines are so far apart. 0: each line is a sample."""

    def __post_init__(self) -> None:
        """Refuse a mapping that cannot work."""
        super().__post_init__()
        if not self.values:
            raise ValueError("a mapping needs values: a column, and the datastream that it is")
        if len(self.delimiter) != 1 or self.delimiter in "\r\n" or len(self.quote) > 1:
            raise ValueError("delimiter must be one character, quote one or none")
        if self.decimal_comma and self.delimiter == ",":
            raise ValueError("with decimal_comma the delimiter must be another one, for instance ;")
        if not (math.isfinite(self.scale) and math.isfinite(self.offset)) or self.scale == 0:
            raise ValueError("scale and offset must be finite, scale not 0")
        if self.skip_lines < 0:
            raise ValueError("skip_lines must not be negative")
        if not 0 <= self.step_s <= 3600:
            raise ValueError("step_s must lie between 0 and 3600")
        check_zone(self.zone)
        check_format(self.time_format)
        check_place(self.longitude, self.latitude, self.height)
        if self.columns and (unknown := [name for name in self._asked if name not in self.columns]):
            raise ValueError(f"columns do not name {unknown[0]!r}")

    @property
    def tells_time(self) -> bool:
        """Whether samples carry their time."""
        return bool(self.time)

    @property
    def _asked(self) -> list[str]:
        times = [self.time] if isinstance(self.time, str) else self.time
        return [*filter(None, [*times, self.longitude, self.latitude, self.height]), *self.values]

    @cached_property
    def _plan(self) -> list[tuple[str, Namer]]:
        return [(column, namer(template)) for column, template in self.values.items()]

    def read(self, rows: Rows, payload: bytes, clock: Clock) -> None:
        """Add the samples of a message."""
        try:
            text = payload.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise UnusableError(f"the payload is not text in UTF-8 ({printable(str(error))})") from None
        lines = self._lines(text)
        columns = self._columns(lines)
        table = [*lines]
        if (count := len(table) * len(self.values)) > self.max_rows:
            raise TooManyError(
                f"{count} values in one message, at most {self.max_rows} are read; "
                "send fewer, or raise max_rows of the mapping"
            )
        levels = rows.topic.split("/")
        if self.step_s:
            self._read_waves(rows, table, columns, levels, clock)
            return
        for number, fields in enumerate(table):
            names = columns or [str(place) for place in range(len(fields))]
            sample = dict(zip(names, fields, strict=False))
            try:
                time_us, doubt = self._time(rows, sample, clock)
            except UnusableError as error:
                rows.refuse(f"line {number}: {error}")
                continue
            place = self._place(rows, sample)
            for column, name_of in self._plan:
                try:
                    value = self._value(sample, column)
                    rows.add(checked(name_of(levels, sample, {})), time_us, value, doubt, place)
                except UnusableError as error:
                    rows.refuse(f"line {number}: {error}")

    def _read_waves(
        self, rows: Rows, table: list[list[str]], columns: list[str], levels: list[str], clock: Clock
    ) -> None:
        """Add a waveform for each column; a line that cannot be read is a value that is missing."""
        if not table:
            return
        names = columns or [str(place) for place in range(len(table[0]))]
        lines = [dict(zip(names, fields, strict=False)) for fields in table]
        time_us, doubt = self._time(rows, lines[0], clock)
        place = self._place(rows, lines[0])
        for column, name_of in self._plan:
            values, refused = [], 0
            for number, line in enumerate(lines):
                try:
                    values.append(self._value(line, column))
                except UnusableError as error:
                    rows.refuse(f"line {number}: {error}")
                    values.append(math.nan)
                    refused += 1
            try:
                if refused < len(values):
                    name = checked(name_of(levels, lines[0], {}))
                    rows.add_wave(name, time_us, Wave(self.step_s * 1e6, values), doubt, place)
            except UnusableError as error:
                rows.refuse(str(error))

    def _place(self, rows: Rows, sample: dict[str, str]) -> Place | None:
        if not self.longitude:
            return None
        asked = (self.longitude, self.latitude, self.height)
        parts = [(f"column {name}", sample.get(name) or None) for name in asked]
        return read_place(rows, parts, self.missing, decimal_comma=self.decimal_comma)

    def _lines(self, text: str) -> Iterator[list[str]]:
        """Return the fields of each line that counts, the line of names first."""
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")[self.skip_lines :]
        first = self.header and not self.columns
        kept = []
        for line in lines:
            if not line.strip() or (self.comment and line.startswith(self.comment) and not first):
                continue
            kept.append(line)
            first = False
        if self.delimiter == " ":
            return (line.split() for line in kept)
        reader = csv.reader(
            kept,
            delimiter=self.delimiter,
            quotechar=self.quote or None,
            quoting=csv.QUOTE_MINIMAL if self.quote else csv.QUOTE_NONE,
            strict=True,
        )
        return _checked_lines(reader)

    def _columns(self, lines: Iterator[list[str]]) -> list[str]:
        """Return the names of the columns; empty: they have none."""
        if self.columns or not self.header:
            return self.columns
        found = next(lines, None)
        if found is None:
            raise UnusableError("the payload has no lines")
        names = [name.strip() for name in found]
        if self.comment:
            names[0] = names[0].removeprefix(self.comment).strip()
        for name in self._asked:
            if name not in names:
                raise UnusableError(
                    f"the first line names no column {name}; it begins {printable(','.join(names))}"
                )
        return names

    def _time(self, rows: Rows, sample: dict[str, str], clock: Clock) -> Chosen:
        if not self.time:
            return clock.arrival(rows), None
        places = [self.time] if isinstance(self.time, str) else self.time
        name = f"column {'+'.join(places)}"
        if any(place not in sample for place in places):
            raise UnusableError(f"{name} is not there, and without a time a sample is worth nothing")
        raw = " ".join(sample[place].strip() for place in places)
        return clock.choose(read_time(raw, self.time_format, self.zone, name), name)

    def _value(self, sample: dict[str, str], column: str) -> float:
        if column not in sample:
            raise UnusableError(f"column {column} is not there")
        number = read_number(
            sample[column], f"column {column}", self.missing, decimal_comma=self.decimal_comma
        )
        value = number * self.scale + self.offset
        return value if math.isfinite(value) else math.nan


def _checked_lines(reader: Iterator[list[str]]) -> Iterator[list[str]]:
    try:
        yield from reader
    except csv.Error as error:
        raise UnusableError(f"the payload is not CSV ({printable(str(error))})") from None


register("csv", CsvMapping)
