"""The header of an observation file (RINEX 2.11, table A1; RINEX 3.05, table A2; RINEX 4.02, table A2)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from gnss.rinex.codes import MAX_TYPES
from gnss.rinex.fields import calendar_us
from gnss.rinex.problems import NotRinexError, Problems, printable
from gnss.rinex.time_scales import TIME_SYSTEMS, to_utc
from gnss.systems import System

MAX_HEADER_LINES = 20_000
LABEL_AT = 60
VERSIONS = range(2, 5)
SYSTEM_OF = {system.letter: system for system in System}
_OWN_TIME = {"R": "GLO", "E": "GAL", "J": "QZS", "C": "BDT", "I": "IRN"}


@dataclass(slots=True)
class ObservationHeader:
    """What the header says; text is "" and numbers are None where it says nothing."""

    version: float = 3.05
    system_letter: str = "M"
    """M: mixed; else the only system's."""
    marker_name: str = ""
    marker_number: str = ""
    marker_type: str = ""
    observer: str = ""
    agency: str = ""
    receiver_serial: str = ""
    receiver_type: str = ""
    receiver_version: str = ""
    antenna_serial: str = ""
    antenna_type: str = ""
    """With its radome, in columns 17 to 20."""
    position_m: tuple[float, float, float] | None = None
    """Approximate ECEF position of the marker; None also for zeros."""
    antenna_delta_hen_m: tuple[float, float, float] | None = None
    """From the marker to the antenna reference point: up, east, north."""
    interval_s: float | None = None
    first_us: int | None = None
    """Time of the first epoch, UTC."""
    last_us: int | None = None
    time_system: str = "GPS"
    """GPS, GLO (UTC), GAL, QZS, BDT or IRN."""
    leap_seconds: int | None = None
    glonass_channels: dict[int, int] = field(default_factory=dict)
    """Frequency number by slot."""
    types: dict[System, tuple[str, ...]] = field(default_factory=dict)
    """In the order of the fields; in RINEX 2 the same for all systems."""
    scales: dict[tuple[System, str], float] = field(default_factory=dict)
    """What written values of a type are divided by, where it is not 1."""
    clock_offsets_applied: bool = False
    strength_unit: str = ""


def read_header(lines: list[tuple[int, str]], problems: Problems) -> ObservationHeader:
    """Read the lines of a header, each with its number, as far as END OF HEADER at most.

    Raises
    ------
    NotRinexError
        No first line that says version and kind, or another kind or version than is read here.
    """
    first = next((text for _, text in lines if label_of(text) == "RINEX VERSION / TYPE"), None)
    if first is None:
        raise NotRinexError("no line RINEX VERSION / TYPE at the begin: this is not a RINEX file")
    try:
        version = float(first[:9])
    except ValueError:
        raise NotRinexError(f"no version of RINEX: {printable(first[:9])!r}") from None
    if not math.isfinite(version) or int(version) not in VERSIONS:
        raise NotRinexError(f"RINEX {version} is not read, only 2, 3 and 4")
    if first[20:21].upper() != "O":
        raise NotRinexError(f"not an observation file: {printable(first[20:40].strip())!r}")
    letter = first[40:41].upper()
    letter = letter if letter in SYSTEM_OF or letter == "M" else "G"
    header = ObservationHeader(version, letter, time_system=_OWN_TIME.get(letter, "GPS"))
    records = RecordReader(header, problems)
    for number, text in lines:
        records.take(number, text)
    records.finish()
    return header


def label_of(text: str) -> str:
    """Return the label of a header line."""
    return text[LABEL_AT:].strip()


class RecordReader:
    """Takes header records, those at the begin of a file and those between epochs."""

    def __init__(self, header: ObservationHeader, problems: Problems) -> None:
        self.header = header
        self._problems = problems
        self._system: System | None = None
        self._types: dict[System, list[str]] = {}
        self._declared: dict[System, tuple[int, int]] = {}
        self._scaled: tuple[System, float, int] | None = None
        self._line = 0

    def take(self, line: int, text: str) -> None:
        """Read a record; one that is damaged is a problem, one that is not known is passed over."""
        label = label_of(text)
        reader = _READERS.get(label)
        if reader is None:
            return
        self._line = line
        try:
            reader(self, text[:LABEL_AT])
        except (ValueError, OverflowError):
            self._problems.add(line, f"{label} cannot be read")

    def finish(self) -> bool:
        """Take over the observation types; return whether there were some."""
        told: set[int] = set()
        for system, types in self._types.items():
            line, declared = self._declared[system]
            if declared != len(types) and line not in told:
                told.add(line)  # RINEX 2 has one list for all systems
                self._problems.add(line, f"{declared} observation types promised, {len(types)} given")
            # a field without a name still has its place
            types.extend([""] * (min(declared, MAX_TYPES) - len(types)))
            self.header.types[system] = tuple(types[:MAX_TYPES])
        found = bool(self._types)
        self._types, self._declared = {}, {}
        return found

    def types_3(self, text: str) -> None:
        """SYS / # / OBS TYPES."""
        if text[:1].strip():
            self._system = None
            system, count = SYSTEM_OF.get(text[0]), int(text[3:6])
            if system is None:
                raise ValueError
            self._system = system
            self._declared[system] = self._line, count
            self._types[system] = []
        if self._system is not None:
            self._types[self._system].extend(text[7:].split())

    def types_2(self, text: str) -> None:
        """# / TYPES OF OBSERV."""
        if text[:6].strip():
            count = int(text[:6])
            self._declared = dict.fromkeys(System, (self._line, count))
            self._types = {system: [] for system in System}
        for types in self._types.values():
            types.extend(text[6:].split())

    def scale(self, text: str) -> None:
        """SYS / SCALE FACTOR."""
        if text[:1].strip():
            self._scaled = None
            system, factor, count = SYSTEM_OF.get(text[0]), int(text[2:6]), int(text[8:10].strip() or 0)
            if system is None or factor <= 0:
                raise ValueError
            self._scaled = system, float(factor), count
        if self._scaled is None:
            raise ValueError
        system, divisor, count = self._scaled
        types = text[10:].split() if count else (self._types.get(system) or self.header.types.get(system, ()))
        for kind in types:
            self.header.scales[system, kind] = divisor

    def channels(self, text: str) -> None:
        """GLONASS SLOT / FRQ #."""
        for at in range(4, LABEL_AT, 7):
            slot, channel = text[at : at + 3], text[at + 3 : at + 6]
            if slot[:1] == "R" and channel.strip():
                self.header.glonass_channels[int(slot[1:])] = int(channel)

    def time_of_first(self, text: str) -> None:
        """TIME OF FIRST OBS."""
        system = text[48:51].strip()
        if system:
            if system not in TIME_SYSTEMS:
                raise ValueError
            self.header.time_system = system
        self.header.first_us = self._moment(text)

    def time_of_last(self, text: str) -> None:
        """TIME OF LAST OBS."""
        self.header.last_us = self._moment(text)

    def _moment(self, text: str) -> int:
        year, month, day, hour, minute = (int(text[6 * i : 6 * i + 6]) for i in range(5))
        time_us = int(calendar_us(year, month, day, hour, minute, float(text[30:43])))
        if time_us < 0:
            raise ValueError
        return int(to_utc(time_us, self.header.time_system))

    def receiver(self, text: str) -> None:
        """REC # / TYPE / VERS."""
        header = self.header
        header.receiver_serial, header.receiver_type, header.receiver_version = (
            _text(text[at : at + 20]) for at in (0, 20, 40)
        )

    def antenna(self, text: str) -> None:
        """ANT # / TYPE."""
        self.header.antenna_serial, self.header.antenna_type = _text(text[:20]), _text(text[20:40])

    def observer(self, text: str) -> None:
        """OBSERVER / AGENCY."""
        self.header.observer, self.header.agency = _text(text[:20]), _text(text[20:60])

    def wavelength_factor(self, text: str) -> None:
        """WAVELENGTH FACT L1/2."""
        if "2" in (text[5:6], text[11:12]):
            self._problems.add(self._line, "phases of a squaring receiver are read as if of full wavelength")


def _text(text: str) -> str:
    return printable(text.strip())


def _words(name: str, end: int = LABEL_AT) -> Callable[[RecordReader, str], None]:
    def read(reader: RecordReader, text: str) -> None:
        setattr(reader.header, name, _text(text[:end]))

    return read


def _three(text: str) -> tuple[float, float, float]:
    x, y, z = (float(text[at : at + 14]) for at in (0, 14, 28))
    if not all(map(math.isfinite, (x, y, z))):
        raise ValueError
    return x, y, z


def _position(reader: RecordReader, text: str) -> None:
    position_m = _three(text)
    reader.header.position_m = position_m if any(position_m) else None


def _antenna_delta(reader: RecordReader, text: str) -> None:
    reader.header.antenna_delta_hen_m = _three(text)


def _interval(reader: RecordReader, text: str) -> None:
    interval_s = float(text[:10])
    if not 0.0 < interval_s < math.inf:
        raise ValueError
    reader.header.interval_s = interval_s


def _leap_seconds(reader: RecordReader, text: str) -> None:
    reader.header.leap_seconds = int(text[:6])


def _clock_applied(reader: RecordReader, text: str) -> None:
    reader.header.clock_offsets_applied = int(text[:6]) != 0


_READERS: dict[str, Callable[[RecordReader, str], None]] = {
    "MARKER NAME": _words("marker_name"),
    "MARKER NUMBER": _words("marker_number", 20),
    "MARKER TYPE": _words("marker_type", 20),
    "OBSERVER / AGENCY": RecordReader.observer,
    "REC # / TYPE / VERS": RecordReader.receiver,
    "ANT # / TYPE": RecordReader.antenna,
    "APPROX POSITION XYZ": _position,
    "ANTENNA: DELTA H/E/N": _antenna_delta,
    "WAVELENGTH FACT L1/2": RecordReader.wavelength_factor,
    "# / TYPES OF OBSERV": RecordReader.types_2,
    "SYS / # / OBS TYPES": RecordReader.types_3,
    "SYS / SCALE FACTOR": RecordReader.scale,
    "SIGNAL STRENGTH UNIT": _words("strength_unit", 20),
    "INTERVAL": _interval,
    "TIME OF FIRST OBS": RecordReader.time_of_first,
    "TIME OF LAST OBS": RecordReader.time_of_last,
    "RCV CLOCK OFFS APPL": _clock_applied,
    "GLONASS SLOT / FRQ #": RecordReader.channels,
    "LEAP SECONDS": _leap_seconds,
}
