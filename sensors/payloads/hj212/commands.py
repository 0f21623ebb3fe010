"""Packets of HJ 212 from the centre to a device: requests, settings, acknowledgements.

The functions return bytes and send nothing. The request's number (QN) is its time, to the millisecond, in
Beijing's time; a device's answer has the same.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sensors.payloads.hj212.packets import Packet, written
from sensors.payloads.times import zone_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME_FORMAT = "%Y%m%d%H%M%S"
_HISTORIES = {"minute": "2051", "hour": "2061", "day": "2031"}


class Device(NamedTuple):
    """Whom a command is for."""

    mn: str
    st: str = "32"
    """System: 21 surface water, 22 air, 32 sources of waste water."""
    password: str = "123456"  # noqa: S105 - what the standard's examples have
    version: int = 1
    """1: 2017, 2: 2025."""
    zone: str = "+08:00"


def start_real_time(device: Device, at_us: int) -> bytes:
    """Return the request to send real-time values (2011)."""
    return _command(device, "2011", at_us)


def stop_real_time(device: Device, at_us: int) -> bytes:
    """Return the request to send no more real-time values (2012)."""
    return _command(device, "2012", at_us)


def request_history(device: Device, at_us: int, period: str, begin_us: int, end_us: int) -> bytes:
    """Return the request for values of the past, of `minute`, `hour` or `day` (2051, 2061, 2031).

    Raises
    ------
    ValueError
        There is no such period.
    """
    if period not in _HISTORIES:
        raise ValueError(f"there are values of {', '.join(_HISTORIES)}, not of {period!r}")
    begin, end = (_local(device, time_us).strftime(_TIME_FORMAT) for time_us in (begin_us, end_us))
    return _command(device, _HISTORIES[period], at_us, f"BeginTime={begin};EndTime={end}")


def set_real_time_interval(device: Device, at_us: int, interval_s: int) -> bytes:
    """Return the command that sets the interval of real-time values (1062).

    Raises
    ------
    ValueError
        No interval can be so.
    """
    if not 1 <= interval_s <= 9999:
        raise ValueError("an interval has 1 to 9999 seconds")
    return _command(device, "1062", at_us, f"RtdInterval={interval_s}")


def set_minute_interval(device: Device, at_us: int, interval_min: int) -> bytes:
    """Return the command that sets the interval of minute values (1064).

    Raises
    ------
    ValueError
        No interval can be so.
    """
    if not 1 <= interval_min <= 60:
        raise ValueError("an interval of minute values has 1 to 60 minutes")
    return _command(device, "1064", at_us, f"MinInterval={interval_min}")


def set_clock(device: Device, at_us: int) -> bytes:
    """Return the command that sets the device's clock to `at_us` (1012)."""
    return _command(device, "1012", at_us, f"SystemTime={_local(device, at_us).strftime(_TIME_FORMAT)}")


def acknowledge(packet: Packet) -> bytes:
    """Return the answer to data (9014); whether one is wanted `packet.wants_answer` tells."""
    asked = packet.fields
    fields = {
        "QN": asked.get("QN", ""),
        "ST": "91",
        "CN": "9014",
        "PW": asked.get("PW", ""),
        "MN": asked.get("MN", ""),
        "Flag": str(packet.flag & ~3),
    }
    return written(fields)


def _command(device: Device, command: str, at_us: int, data: str = "") -> bytes:
    time = _local(device, at_us)
    fields = {
        "QN": time.strftime(_TIME_FORMAT) + f"{time.microsecond // 1000:03}",
        "ST": device.st,
        "CN": command,
        "PW": device.password,
        "MN": device.mn,
        "Flag": str(device.version << 2 | 1),
    }
    return written(fields, data)


def _local(device: Device, time_us: int) -> datetime:
    return (_EPOCH + timedelta(microseconds=time_us)).astimezone(zone_of(device.zone))
