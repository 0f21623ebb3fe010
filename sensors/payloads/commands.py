"""Commands to devices, and how they are written for a device to read.

A format is a struct with an `encode`; a file in this package that calls `register_encoder` is found, and a
configuration's `encoder = { format = NAME, ... }` means it. Here are those that need no device's protocol.
"""

from __future__ import annotations

import re
from collections.abc import Mapping as Table
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Protocol, runtime_checkable

import msgspec

import sensors.payloads as package

Scalar = str | int | float | bool

_PLACE = re.compile(r"\{(\w+)\}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class DeviceCommand(msgspec.Struct, frozen=True, kw_only=True):
    """What a device is to do."""

    thing: str
    """Id of the site."""
    device: str
    name: str
    """Of the command, for instance `set_interval`."""
    arguments: dict[str, Scalar]
    at_us: int

    @property
    def values(self) -> dict[str, Any]:
        """What a template may ask for, by name; arguments under their own names, too."""
        time = _EPOCH + timedelta(microseconds=self.at_us)
        own = {
            "thing": self.thing,
            "device": self.device,
            "command": self.name,
            "arguments": self.arguments,
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "epoch_s": self.at_us // 1_000_000,
            "epoch_ms": self.at_us // 1_000,
        }
        return {**self.arguments, **own}


@runtime_checkable
class Encoder(Protocol):
    """How a command is written for devices of one kind."""

    def encode(self, command: DeviceCommand) -> bytes:
        """Return the payload.

        Raises
        ------
        ValueError
            This format cannot say it: the message says what is missing or not known.
        """
        ...


_encoders: dict[str, type[msgspec.Struct]] = {}


def register_encoder(name: str, encoder: type[msgspec.Struct]) -> None:
    """Make a format known: `format = name` in a configuration's encoder means this struct.

    Raises
    ------
    ValueError
        The name is taken.
    """
    if name in _encoders:
        raise ValueError(f"two formats of commands are called {name!r}")
    _encoders[name] = encoder


def configured_encoder(entry: Any) -> Encoder:
    """Return the encoder of a configuration's entry.

    Raises
    ------
    ValueError
        There is no such format, or the entry does not fit it.
    """
    if not isinstance(entry, Table):
        raise ValueError("an encoder is a table of keys and values")
    for module in iter_modules(package.__path__, f"{package.__name__}."):
        import_module(module.name)
    rest = dict(entry)
    name = rest.pop("format", "json")
    if name not in _encoders:
        raise ValueError(f"there is no format {name!r} of commands, only {', '.join(sorted(_encoders))}")
    encoder = msgspec.convert(rest, _encoders[name])
    assert isinstance(encoder, Encoder), f"the encoder of {name} lacks something"
    return encoder


class JsonCommand(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A JSON template with places: `{interval_s}` alone in a text is the value itself, also a number."""

    template: dict[str, Any] | list[Any] = msgspec.field(
        default_factory=lambda: {"command": "{command}", "arguments": "{arguments}", "time": "{time}"}
    )

    def encode(self, command: DeviceCommand) -> bytes:
        """Return the template with its places filled."""
        return msgspec.json.encode(_filled(self.template, command.values))


class TextCommand(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line of text with places, for instance `AT+INTERVAL={interval_s}`."""

    template: str

    def encode(self, command: DeviceCommand) -> bytes:
        """Return the text with its places filled."""
        return str(_filled_text(self.template, command.values, alone=False)).encode()


def _filled(part: Any, values: Table[str, Any]) -> Any:
    if isinstance(part, dict):
        return {name: _filled(value, values) for name, value in part.items()}
    if isinstance(part, list):
        return [_filled(value, values) for value in part]
    return _filled_text(part, values, alone=True) if isinstance(part, str) else part


def _filled_text(text: str, values: Table[str, Any], *, alone: bool) -> Any:
    """Return a text with its places filled; a place `alone` in it gives its value as it is."""

    def value(found: re.Match[str]) -> Any:
        if found[1] not in values:
            raise ValueError(f"the command has no argument {found[1]!r}; give it")
        return values[found[1]]

    if alone and (whole := _PLACE.fullmatch(text)):
        return value(whole)
    return _PLACE.sub(lambda found: str(value(found)), text)


register_encoder("json", JsonCommand)
register_encoder("text", TextCommand)
