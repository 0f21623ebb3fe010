"""Navigation files of RINEX 2, 3 and 4 into ephemerides (RINEX 2.11, A3 to A12; 3.05, A5 to A12; 4.00).

A file is cut into records; `gnss.rinex.navigation_records` says what the numbers of a record mean.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from gnss.ephemeris import Ephemeris
from gnss.rinex.fields import calendar_us
from gnss.rinex.header import LABEL_AT, MAX_HEADER_LINES, SYSTEM_OF, VERSIONS, label_of
from gnss.rinex.navigation_records import READERS, Record, float_of
from gnss.rinex.problems import NotRinexError, Problems, printable
from gnss.rinex.unpack import unpack
from gnss.systems import System

MAX_BYTES = 1 << 26
"""Of plain text; a day of all systems from hundreds of stations has a quarter."""
MAX_RECORD_LINES = 12
_OLD_SYSTEMS = {
    "N": System.GPS,
    "G": System.GLONASS,
    "H": System.SBAS,
    "L": System.GALILEO,
    "J": System.QZSS,
}
"""File kinds of RINEX 2 (column 21)."""
_KLOBUCHAR = {"GPS": System.GPS, "QZS": System.QZSS, "BDS": System.BEIDOU, "IRN": System.NAVIC}
_WIDTH, _FIELDS_A_LINE = 19, 4
_TEXT_MESSAGES = frozenset({"LNAV", "FDMA", "INAV", "FNAV", "IFNV", "D1", "D2", "D1D2", "SBAS"})
"""RINEX 4: messages that are read; the newer ones (CNAV and so on) are counted."""


@dataclass(frozen=True, slots=True)
class Ionosphere:
    """Coefficients of a system's ionosphere model, as broadcast."""

    system: System
    coefficients: tuple[float, ...]
    """Klobuchar: alpha 0 to 3, then beta 0 to 3 (s, and s per half circle to a power). Galileo's NeQuick:
    ai0 to ai2."""
    time_us: int | None = None
    """GPS time of transmission, counted as in `gnss.time`; None in a header."""


@dataclass(frozen=True, slots=True)
class RinexNavigation:
    """A navigation file."""

    version: float
    ephemerides: list[Ephemeris]
    """In the order of the file; repetitions too."""
    ionosphere: list[Ionosphere]
    leap_seconds: int | None
    left_out: dict[str, int]
    """Records that are whole but of a kind that is not read, by system and message: {"G CNAV": 12}."""
    problems: tuple[str, ...]
    """What could not be read, in words, bounded."""
    problem_count: int
    """All of them."""


def read_navigation(data: bytes, *, max_bytes: int = MAX_BYTES) -> RinexNavigation:
    """Read a navigation file.

    A record that is damaged is left out and told in `problems`.

    Parameters
    ----------
    data
        RINEX 2.x (GPS, GLONASS, SBAS and what else has a file kind), 3.x or 4.xx; plain or packed.
    max_bytes
        Longest plain text.

    Raises
    ------
    NotRinexError
        Nothing can be read: no RINEX navigation file, another version, or too long.
    """
    problems = Problems()
    lines = unpack(data, problems, max_bytes).decode("latin-1").splitlines()
    return _File(lines, problems).read()


@dataclass(slots=True)
class _File:
    """One file while it is read."""

    lines: list[str]
    problems: Problems
    version: float = 0.0
    old_system: System = System.GPS
    leap_seconds: int | None = None
    ephemerides: list[Ephemeris] = field(default_factory=list)
    ionosphere: list[Ionosphere] = field(default_factory=list)
    klobuchar: dict[tuple[System, str], tuple[float, ...]] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)

    def read(self) -> RinexNavigation:
        """Read header and records."""
        body = self._header()
        for line, kind, record in self._records(body):
            self._take(line, kind, record)
        return RinexNavigation(
            version=self.version,
            ephemerides=self.ephemerides,
            ionosphere=self.ionosphere,
            leap_seconds=self.leap_seconds,
            left_out=dict(sorted(self.left_out.items())),
            problems=self.problems.in_words(),
            problem_count=self.problems.total,
        )

    def _header(self) -> int:
        """Read the header; return the line behind it."""
        first = next((t for t in self.lines[:20] if label_of(t) == "RINEX VERSION / TYPE"), None)
        if first is None:
            raise NotRinexError("no line RINEX VERSION / TYPE at the begin: this is not a RINEX file")
        self._version(first)
        for line, text in enumerate(self.lines[:MAX_HEADER_LINES]):
            label = label_of(text)
            if label == "END OF HEADER":
                self._join_klobuchar()
                return line + 1
            try:
                self._header_record(label, text[:LABEL_AT])
            except ValueError:
                self.problems.add(line + 1, f"{label} cannot be read")
        raise NotRinexError("no END OF HEADER: nothing can be read")

    def _version(self, first: str) -> None:
        try:
            self.version = float(first[:9])
        except ValueError:
            raise NotRinexError(f"no version of RINEX: {printable(first[:9])!r}") from None
        if not math.isfinite(self.version) or int(self.version) not in VERSIONS:
            raise NotRinexError(f"RINEX {self.version} is not read, only 2, 3 and 4")
        kind = first[20:21].upper()
        known = _OLD_SYSTEMS if self.version < 3.0 else {"N": System.GPS}
        if kind not in known:
            raise NotRinexError(f"not a navigation file: {printable(first[20:40].strip())!r}")
        self.old_system = known[kind]

    def _header_record(self, label: str, text: str) -> None:
        if label == "LEAP SECONDS":
            self.leap_seconds = int(text[:6])
        elif label in {"ION ALPHA", "ION BETA"}:
            values = tuple(float_of(text[2 + 12 * i : 14 + 12 * i]) for i in range(4))
            self.klobuchar[self.old_system, label[4]] = values
        elif label == "IONOSPHERIC CORR":
            values = tuple(float_of(text[5 + 12 * i : 17 + 12 * i]) for i in range(4))
            if text[:3] == "GAL":
                self.ionosphere.append(Ionosphere(System.GALILEO, values[:3]))
            elif text[:3] in _KLOBUCHAR:
                self.klobuchar[_KLOBUCHAR[text[:3]], text[3]] = values

    def _join_klobuchar(self) -> None:
        for (system, half), values in self.klobuchar.items():
            other = self.klobuchar.get((system, "B"))
            if half == "A" and other is not None:
                self.ionosphere.append(Ionosphere(system, values + other))

    def _records(self, body: int) -> Iterator[tuple[int, str, list[str]]]:
        """Return the number of the first line of each record, its RINEX 4 heading or "", and its lines."""
        begin, heading = -1, ""
        for line in range(body, len(self.lines) + 1):
            text = self.lines[line] if line < len(self.lines) else None
            if text is not None and not text.strip():
                continue
            goes_on = text is not None and text[:1] == " " and not self._begins_old(text)
            if goes_on and begin >= 0:
                continue
            if begin >= 0:
                yield begin, heading, [t for t in self.lines[begin:line] if t.strip()]
                begin, heading = -1, ""
            if text is None:
                break
            if text[:1] == ">":
                heading = text
            elif heading[2:5] in {"ION", "STO", "EOP"} or not goes_on:
                begin = line
            else:
                self.problems.add(line + 1, f"no record begins here: {printable(text[:20])!r}")

    def _begins_old(self, text: str) -> bool:
        return self.version < 3.0 and text[:2].strip() != ""

    def _take(self, line: int, heading: str, lines: list[str]) -> None:
        """Read a record."""
        what, message = heading[2:5], heading[10:14].strip()
        satellite = heading[6:7] if heading else ""
        try:
            if what == "ION" and message in _TEXT_MESSAGES:
                self._take_ionosphere(heading, lines)
            elif what and (what != "EPH" or message not in _TEXT_MESSAGES):
                self.left_out[printable(f"{satellite} {message if what == 'EPH' else what}")] += 1
            else:
                self._take_ephemeris(message, lines)
        except (ValueError, OverflowError) as error:
            shown = printable(lines[0][:23])
            self.problems.add(line + 1, f"the record {shown!r} is left out: {printable(str(error))}")

    def _take_ephemeris(self, message: str, lines: list[str]) -> None:
        system, satellite, toc_us, values = self._split(lines)
        self.ephemerides.append(READERS[system](Record(self.version, satellite, message, toc_us, values)))

    def _split(self, lines: list[str]) -> tuple[System, int, int, list[list[float]]]:
        """Return system, satellite, time of clock in the system's own scale, and the numbers by line."""
        if len(lines) > MAX_RECORD_LINES:
            raise ValueError(f"it has {len(lines)} lines")
        first = lines[0]
        if self.version < 3.0:
            system, satellite = self.old_system, int(first[:2])
            year = int(first[2:5])
            year += 1900 if 80 <= year < 100 else 2000 if year < 80 else 0
            toc_us = _moment(year, first[5:17], float_of(first[17:22]))
            head, at = first[22:], 3
        else:
            if first[0] not in SYSTEM_OF:
                raise ValueError("the system is not known")
            system, satellite = SYSTEM_OF[first[0]], int(first[1:3])
            toc_us = _moment(int(first[4:8]), first[8:20], float_of(first[20:23]))
            head, at = first[23:], 4
        if not 1 <= satellite <= 64:
            raise ValueError("the satellite is not known")
        rows = [_numbers(head, 3), *(_numbers(text[at:], _FIELDS_A_LINE) for text in lines[1:])]
        return system, satellite, toc_us, rows

    def _take_ionosphere(self, heading: str, lines: list[str]) -> None:
        system = SYSTEM_OF.get(heading[6:7])
        if system is None:
            raise ValueError("the system is not known")
        first = lines[0]
        time_us = _moment(int(first[4:8]), first[8:20], float_of(first[20:23]))
        values = _numbers(first[23:], 3)
        for text in lines[1:]:
            values += _numbers(text[4:], _FIELDS_A_LINE)
        wanted = 3 if system is System.GALILEO else 8
        if len(values) < wanted or not all(map(math.isfinite, values[:wanted])):
            raise ValueError("a coefficient is missing")
        # BeiDou gives its own time, 14 s behind
        time_us += 14_000_000 if system is System.BEIDOU else 0
        self.ionosphere.append(Ionosphere(system, tuple(values[:wanted]), time_us))


def _moment(year: int, rest: str, seconds: float) -> int:
    month, day, hour, minute = (int(rest[3 * i : 3 * i + 3]) for i in range(4))
    time_us = int(calendar_us(year, month, day, hour, minute, seconds))
    if time_us < 0:
        raise ValueError("no such time")
    return time_us


def _numbers(text: str, count: int) -> list[float]:
    """Return D19.12 fields; a blank one is NaN."""
    fields = (text[_WIDTH * i : _WIDTH * (i + 1)] for i in range(count))
    return [float_of(part) if part.strip() else math.nan for part in fields]
