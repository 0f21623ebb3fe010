"""Ways to reach one person: one file a channel. A file here that calls `register` is found.

A channel takes a message, tries until its deadline, and says what became of it. Who is called, when, and
what a receipt means for the alert, is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Protocol, runtime_checkable

import msgspec

from connectors.channels.message import CallMessage, CallReceipt


class Channel(Protocol):
    """Sends to one person at a time; many sends may be under way."""

    async def send(self, message: CallMessage) -> CallReceipt:
        """Return what became of a message, at its deadline at the latest. It raises nothing."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


@runtime_checkable
class ReceiptReader(Protocol):
    """A channel whose gateway calls back."""

    def receipt(self, call_id: str, query: Mapping[str, str], content_type: str, body: bytes) -> CallReceipt:
        """Return what a gateway's call says of a message.

        Raises
        ------
        connectors.channels.callback.ReceiptError
            It is not signed, too old, or says nothing that is understood.
        """
        ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a channel needs to know of the program."""

    clock_us: Callable[[], int]
    public_url: str = ""
    """Where the API is reached from outside; gateways call back there."""


@runtime_checkable
class ChannelConfig(Protocol):
    """What a configuration says of a channel."""

    def channel(self, name: str, around: Surroundings) -> Channel:
        """Return the channel, which connects to nothing yet."""
        ...


_kinds: dict[str, type[msgspec.Struct]] = {}


def register(kind: str, config: type[msgspec.Struct]) -> None:
    """Make a channel known: `kind = ...` in a configuration's table means this struct.

    Raises
    ------
    ValueError
        The name is taken.
    """
    if kind in _kinds:
        raise ValueError(f"two kinds of channels are called {kind!r}")
    _kinds[kind] = config


def configured(entry: Any) -> ChannelConfig:
    """Return the configuration of a channel from its table.

    Raises
    ------
    ValueError
        There is no such kind, or the table does not fit it.
    """
    if not isinstance(entry, Mapping):
        raise ValueError("a channel is a table of keys and values")
    for module in iter_modules(__path__, f"{__name__}."):
        import_module(module.name)
    rest = dict(entry)
    kind = rest.pop("kind", None)
    if kind not in _kinds:
        raise ValueError(f"there is no kind of channel {kind!r}, only {', '.join(sorted(_kinds))}")
    try:
        config = msgspec.convert(rest, _kinds[kind])
    except msgspec.ValidationError as error:  # said again, so that msgspec adds the place of this entry
        message, _, place = str(error).partition(" - at `$.")
        raise ValueError(f"{place.rstrip('`')}: {message}" if place else message) from error
    assert isinstance(config, ChannelConfig), f"the channel {kind} lacks something"
    return config
