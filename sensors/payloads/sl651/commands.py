"""Frames of SL 651-2014 from the centre to a station, in HEX/BCD: queries, parameters, acknowledgements.

The functions return bytes and send nothing. Each takes the time, which stations take over with `set_clock`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sensors.payloads.checksums import modbus
from sensors.payloads.sl651.elements import BY_NAME
from sensors.payloads.sl651.frames import ENQ, EOT, ESC, HEX_START, STX, Frame
from sensors.payloads.times import zone_of

_DOWN = 0x8000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Station(NamedTuple):
    """Whom a command is for."""

    address: str
    """Ten hexadecimal digits."""
    center: int = 1
    password: bytes = b"\x00\x00"
    zone: str = "+08:00"
    """Of the times that it is told."""


class Parameter(NamedTuple):
    """A parameter of a station's operation (table D.4)."""

    guide: int
    digits: int
    least: int
    most: int


PARAMETERS = {
    "report_interval_h": Parameter(0x20, 2, 1, 24),
    "extra_report_interval_min": Parameter(0x21, 2, 0, 59),
    "day_begin_h": Parameter(0x22, 2, 0, 23),
    "sampling_interval_s": Parameter(0x23, 4, 0, 9999),
    "level_storage_interval_min": Parameter(0x24, 2, 1, 59),
    "rain_report_threshold_mm": Parameter(0x27, 2, 1, 99),
}
"""Those that say when a station samples and reports."""
_REPORT_HOURS = frozenset({1, 2, 3, 4, 6, 8, 12, 24})


def query_now(station: Station, at_us: int) -> bytes:
    """Return the question for the newest values of all elements (37)."""
    return command(station, 0x37, at_us)


def query_elements(station: Station, at_us: int, elements: Sequence[str]) -> bytes:
    """Return the question for the newest values of some elements (3A), as Z or PJ.

    Raises
    ------
    ValueError
        There is no such element.
    """
    return command(station, 0x3A, at_us, b"".join(map(_identifier, elements)))


def query_period(
    station: Station, at_us: int, begin_us: int, end_us: int, element: str, step_min: int
) -> bytes:
    """Return the question for values of the past (38), between two full hours.

    Raises
    ------
    ValueError
        There is no such element, or no step can be so.
    """
    if not 0 <= step_min < 60:
        raise ValueError("a step has 0 (of the hour's groups) to 59 minutes")
    hours = b"".join(_bcd(_local(time_us, station).strftime("%y%m%d%H")) for time_us in (begin_us, end_us))
    step = b"\x04\x18\x00\x00" + _bcd(f"{step_min:02}")
    return command(station, 0x38, at_us, hours + step + _identifier(element))


def set_parameters(station: Station, at_us: int, values: Mapping[str, int]) -> bytes:
    """Return the command that sets parameters (42), by their names in `PARAMETERS`.

    Raises
    ------
    ValueError
        There is no such parameter, or it cannot be so.
    """
    body = b""
    for name, value in values.items():
        one = _parameter(name)
        if not one.least <= value <= one.most or (name == "report_interval_h" and value not in _REPORT_HOURS):
            raise ValueError(f"{name} cannot be {value}")
        body += _parameter_identifier(one) + _bcd(f"{value:0{one.digits}}")
    return command(station, 0x42, at_us, body)


def read_parameters(station: Station, at_us: int, names: Sequence[str]) -> bytes:
    """Return the question for parameters (43).

    Raises
    ------
    ValueError
        There is no such parameter.
    """
    return command(station, 0x43, at_us, b"".join(_parameter_identifier(_parameter(name)) for name in names))


def set_clock(station: Station, at_us: int) -> bytes:
    """Return the command that sets the station's clock to `at_us` (4A)."""
    return command(station, 0x4A, at_us)


def acknowledge(frame: Frame, at_us: int, *, stay_online: bool, zone: str = "+08:00") -> bytes:
    """Return what tells a station that its report has come; or that, and to wait for commands."""
    station = Station(frame.station, frame.center, frame.password, zone)
    serial = int.from_bytes(frame.body[:2], "big")
    return command(station, frame.function, at_us, serial=serial, end=ESC if stay_online else EOT)


def command(
    station: Station, function: int, at_us: int, body: bytes = b"", *, serial: int = 0, end: int = ENQ
) -> bytes:
    """Return a frame to a station.

    Parameters
    ----------
    station
        Whom it is for.
    function
        Table B.1.
    at_us
        Now, microseconds of UTC since 1970.
    body
        What stands behind the serial number and the time.
    serial
        0 in what the centre begins, else that of the station's frame.
    end
        The control character at its end.

    Raises
    ------
    ValueError
        The address or the password cannot be so.
    """
    address = bytes.fromhex(station.address)
    if len(address) != 5 or len(station.password) != 2 or not 0 <= station.center <= 255:
        raise ValueError("a station has an address of ten digits and a password of two bytes")
    text = serial.to_bytes(2, "big") + _bcd(_local(at_us, station).strftime("%y%m%d%H%M%S")) + body
    head = HEX_START + address + bytes([station.center]) + station.password + bytes([function])
    frame = head + (_DOWN | len(text)).to_bytes(2, "big") + bytes([STX]) + text + bytes([end])
    return frame + modbus(frame).to_bytes(2, "big")


def _identifier(name: str) -> bytes:
    element = BY_NAME.get(name)
    if element is None:
        raise ValueError(f"there is no element {name!r}")
    return bytes([element.guide, element.definition])


def _parameter(name: str) -> Parameter:
    if name not in PARAMETERS:
        raise ValueError(f"there is no parameter {name!r}, only {', '.join(PARAMETERS)}")
    return PARAMETERS[name]


def _parameter_identifier(one: Parameter) -> bytes:
    return bytes([one.guide, one.digits // 2 << 3])


def _local(time_us: int, station: Station) -> datetime:
    return (_EPOCH + timedelta(microseconds=time_us)).astimezone(zone_of(station.zone))


def _bcd(digits: str) -> bytes:
    return bytes.fromhex(digits)
