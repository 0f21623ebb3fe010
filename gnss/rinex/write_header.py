"""The header of a RINEX 3.05 observation file (table A2) as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from gnss.rinex.header import LABEL_AT, ObservationHeader
from gnss.rinex.problems import printable
from gnss.systems import System
from gnss.time import SECOND_US, gps_to_utc

VERSION = 3.05
PROGRAM = "groundswell"
_TYPES_A_LINE, _CHANNELS_A_LINE = 13, 8
_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ORDER = (
    System.GPS,
    System.GLONASS,
    System.GALILEO,
    System.BEIDOU,
    System.QZSS,
    System.NAVIC,
    System.SBAS,
)
"""Of the systems in headers and navigation files."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What stands behind the header."""

    gps_us: NDArray[np.int64]
    """Times of the epochs, GPS time."""
    types: Mapping[System, tuple[str, ...]]
    satellites: int
    glonass_channels: Mapping[int, int]


def calendar_of(gps_us: int) -> tuple[int, int, int, int, int, int]:
    """Return year, month, day, hour, minute and 1e-7 s of a time that is counted from 1970."""
    minutes, rest_us = divmod(gps_us, 60 * SECOND_US)
    moment = _UNIX_EPOCH + timedelta(minutes=minutes)
    return moment.year, moment.month, moment.day, moment.hour, moment.minute, rest_us * 10


def header_text(station: ObservationHeader, contents: Contents, made_us: int) -> bytes:
    """Return the header's lines; text is made printable and cut to its field."""
    lines = (header_line(content, label) for content, label in _lines(station, contents, made_us))
    return "".join(lines).encode("ascii")


def header_line(content: str, label: str) -> str:
    """Return a line of a header; the content is cut to its room."""
    return f"{content[:LABEL_AT].ljust(LABEL_AT)}{label}\n"


def program_line(agency: str, made_us: int) -> str:
    """Return the content of PGM / RUN BY / DATE."""
    made = f"{_UNIX_EPOCH + timedelta(microseconds=made_us):%Y%m%d %H%M%S} UTC"
    return f"{PROGRAM:20}{_text(agency, 20)}{made}"


def _lines(station: ObservationHeader, contents: Contents, made_us: int) -> Iterator[tuple[str, str]]:
    gps_us, types = contents.gps_us, contents.types
    letter = next(iter(types)).letter if len(types) == 1 else "M"
    yield f"{VERSION:9.2f}{'':11}{'OBSERVATION DATA':20}{letter}", "RINEX VERSION / TYPE"
    yield program_line(station.agency, made_us), "PGM / RUN BY / DATE"
    yield _text(station.marker_name, 60), "MARKER NAME"
    if station.marker_number:
        yield _text(station.marker_number, 20), "MARKER NUMBER"
    yield _text(station.marker_type or "GEODETIC", 20), "MARKER TYPE"
    yield _text(station.observer, 20) + _text(station.agency, 40), "OBSERVER / AGENCY"
    receiver = (station.receiver_serial, station.receiver_type, station.receiver_version)
    yield "".join(_text(part, 20) for part in receiver), "REC # / TYPE / VERS"
    yield _text(station.antenna_serial, 20) + _text(station.antenna_type, 20), "ANT # / TYPE"
    yield _three(station.position_m or (0.0, 0.0, 0.0)), "APPROX POSITION XYZ"
    yield _three(station.antenna_delta_hen_m or (0.0, 0.0, 0.0)), "ANTENNA: DELTA H/E/N"
    ordered = [system for system in ORDER if system in types]
    for system in ordered:
        for at in range(0, len(types[system]), _TYPES_A_LINE):
            begin = f"{system.letter}  {len(types[system]):3d}" if at == 0 else " " * 6
            names = types[system][at : at + _TYPES_A_LINE]
            yield begin + "".join(f" {name}" for name in names), "SYS / # / OBS TYPES"
    yield "DBHZ", "SIGNAL STRENGTH UNIT"
    interval_s = _interval_s(gps_us)
    if interval_s is not None:
        yield f"{interval_s:10.3f}", "INTERVAL"
    yield _moment(int(gps_us[0])), "TIME OF FIRST OBS"
    yield _moment(int(gps_us[-1])), "TIME OF LAST OBS"
    yield f"{0:6d}", "RCV CLOCK OFFS APPL"
    for system in ordered:
        for name in types[system]:
            if name[0] == "L":
                # nothing was shifted here; RTCM and RINEX 3 both have phases that are already aligned
                yield f"{system.letter} {name} {0:8.5f}", "SYS / PHASE SHIFT"
    if System.GLONASS in types:
        yield from _channel_lines(contents.glonass_channels)
        yield "", "GLONASS COD/PHS/BIS"
    yield f"{(int(gps_us[0]) - int(gps_to_utc(gps_us[0]))) // SECOND_US:6d}", "LEAP SECONDS"
    yield f"{contents.satellites:6d}", "# OF SATELLITES"
    yield "", "END OF HEADER"


def _text(text: str, width: int) -> str:
    return printable(text)[:width].ljust(width)


def _three(values: tuple[float, float, float]) -> str:
    return "".join(f"{value:14.4f}" for value in values)


def _moment(gps_us: int) -> str:
    year, month, day, hour, minute, tenths_us = calendar_of(gps_us)
    whole = "".join(f"{part:6d}" for part in (year, month, day, hour, minute))
    return f"{whole}{tenths_us / 1e7:13.7f}     GPS"


def _interval_s(gps_us: NDArray[np.int64]) -> float | None:
    """Return the most frequent step, rounded to ms."""
    steps_ms, counts = np.unique((np.diff(gps_us) + 500) // 1000, return_counts=True)
    usable = steps_ms > 0
    if not usable.any():
        return None
    return float(steps_ms[usable][int(np.argmax(counts[usable]))]) / 1000.0


def _channel_lines(channels: Mapping[int, int]) -> Iterator[tuple[str, str]]:
    entries = [f" R{slot:02d} {number:2d}" for slot, number in sorted(channels.items())]
    for at in range(0, max(1, len(entries)), _CHANNELS_A_LINE):
        begin = f"{len(entries):3d}" if at == 0 else "   "
        yield begin + "".join(entries[at : at + _CHANNELS_A_LINE]), "GLONASS SLOT / FRQ #"
