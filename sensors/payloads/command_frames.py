"""Commands to devices that speak SL 651 or HJ 212, by the names that people use for them."""

from __future__ import annotations

from typing import Annotated

import msgspec

from sensors.payloads.commands import DeviceCommand, register_encoder
from sensors.payloads.hj212 import commands as hj212
from sensors.payloads.sl651 import commands as sl651


class Sl651Command(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`set_interval` (interval_s), `set_clock`, `query_now`, and `set_parameters` (those of table D.4).

    The device is the station's address: ten hexadecimal digits.
    """

    center: Annotated[int, msgspec.Meta(ge=0, le=255)] = 1
    password: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Fa-f]{4}\Z")] = "0000"  # noqa: S105 - what stations come with
    """Two bytes, hexadecimal."""
    zone: str = "+08:00"

    def encode(self, command: DeviceCommand) -> bytes:
        """Return the frame."""
        station = sl651.Station(command.device, self.center, bytes.fromhex(self.password), self.zone)
        if command.name == "set_interval":
            values = {"sampling_interval_s": _whole(command, "interval_s")}
            return sl651.set_parameters(station, command.at_us, values)
        if command.name == "set_parameters":
            values = {name: _whole(command, name) for name in command.arguments}
            return sl651.set_parameters(station, command.at_us, values)
        if command.name == "set_clock":
            return sl651.set_clock(station, command.at_us)
        if command.name == "query_now":
            return sl651.query_now(station, command.at_us)
        raise ValueError(
            f"SL 651 has no command {command.name!r} here; use set_interval, set_parameters, set_clock "
            "or query_now"
        )


class Hj212Command(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`set_interval` (interval_s, of real-time values), `set_clock`, `start` and `stop` (real-time values).

    The device is its number, MN.
    """

    st: str = "32"
    """System: 21 surface water, 22 air, 32 sources of waste water."""
    password: str = "123456"  # noqa: S105 - what the standard's examples have
    version: Annotated[int, msgspec.Meta(ge=1, le=2)] = 1
    """1: 2017, 2: 2025."""
    zone: str = "+08:00"

    def encode(self, command: DeviceCommand) -> bytes:
        """Return the packet."""
        device = hj212.Device(command.device, self.st, self.password, self.version, self.zone)
        if command.name == "set_interval":
            return hj212.set_real_time_interval(device, command.at_us, _whole(command, "interval_s"))
        if command.name == "set_clock":
            return hj212.set_clock(device, command.at_us)
        if command.name == "start":
            return hj212.start_real_time(device, command.at_us)
        if command.name == "stop":
            return hj212.stop_real_time(device, command.at_us)
        raise ValueError(
            f"HJ 212 has no command {command.name!r} here; use set_interval, set_clock, start or stop"
        )


def _whole(command: DeviceCommand, name: str) -> int:
    value = command.arguments.get(name)
    if type(value) is not int:
        raise ValueError(f"the command needs the argument {name}, a whole number; give it")
    return value


register_encoder("sl651", Sl651Command)
register_encoder("hj212", Hj212Command)
