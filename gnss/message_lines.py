"""The messages of a capture that are no observations, one line or object each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from gnss.assembly.assembled import Assembled
from gnss.assembly.table import Chunk, EpochTable
from gnss.ephemeris import Ephemeris, GlonassEphemeris, is_usable
from gnss.epoch_columns import NO_TIME_US
from gnss.observations import PARTIAL
from gnss.rtcm.ephemeris import EPHEMERIS_MESSAGES, decode_ephemeris, decode_fields
from gnss.rtcm.messages import Message, decode, describe
from gnss.systems import System
from gnss.time import gps_to_utc, iso_z

STEP_BYTES = 1 << 18
_LEGACY = frozenset({*range(1001, 1005), *range(1009, 1013)})
_MSM = range(1071, 1138)
_KINDS = range(1, 8)
_SHORTEST_BYTES = 2


@dataclass(frozen=True, slots=True)
class MessageLine:
    """A message."""

    epoch: str | None
    """Time of the newest epoch when it came, ISO 8601, UTC; None before the first one."""
    message: int
    """-1: too short for a number."""
    subtype: int | None
    name: str
    text: str
    """For a person; safe to print, never long."""
    is_opaque: bool
    """Nothing is known of it but its bytes."""
    values: dict[str, Any]
    """Fields by name, units in the names; empty when it is opaque."""
    payload: bytes

    def as_json(self) -> dict[str, Any]:
        """Return what a program wants to know, ready for JSON; bytes are written in hexadecimal digits."""
        told: dict[str, Any] = {"epoch": self.epoch, "message": self.message, "subtype": self.subtype}
        told |= {"name": self.name, "text": self.text}
        if self.is_opaque:
            return told | {"opaque": True, "payload": self.payload.hex()}
        return told | {"opaque": False, "values": _plain(self.values)}


def message_lines(
    buffer: bytes, reference_us: int, seen: Callable[[int, int], None] | None = None
) -> Iterator[MessageLine]:
    """Return the messages of a capture in its order.

    An observation message that is damaged is one of them.

    Parameters
    ----------
    buffer
        The capture.
    reference_us
        When it begins, UTC; see `gnss.capture.reference_time`.
    seen
        Told again and again how many observations came meanwhile, and how many of them are `PARTIAL`.
    """
    table = EpochTable(None)
    for at in range(0, len(buffer), STEP_BYTES):
        assembled = table.feed([Chunk(0, buffer[at : at + STEP_BYTES], None, reference_us)])
        yield from _lines(assembled, reference_us, seen)
    yield from _lines(table.finish(), reference_us, seen)


def _lines(
    assembled: Assembled, reference_us: int, seen: Callable[[int, int], None] | None
) -> Iterator[MessageLine]:
    flags = assembled.epochs.observations.flags
    if seen is not None and len(flags):
        seen(len(flags), int(np.count_nonzero(flags & PARTIAL)))
    others = assembled.others
    columns = zip(others.message.tolist(), others.epoch_us.tolist(), others.payload, strict=True)
    for number, epoch_us, payload in columns:
        has_epoch = epoch_us != NO_TIME_US
        epoch = iso_z(epoch_us) if has_epoch else None
        yield _line(number, epoch, epoch_us if has_epoch else reference_us, payload)


def _line(number: int, epoch: str | None, near_us: int, payload: bytes) -> MessageLine:
    if number in EPHEMERIS_MESSAGES:
        values, ephemeris = decode_fields(payload), decode_ephemeris(payload, near_us)
        name = "ephemeris"
        if values is None:
            text = f"{number} {name} that is too short, {len(payload)} bytes"
        elif ephemeris is None:
            text = f"{number} {name} of a satellite or time that cannot be"
        else:
            text = f"{number} {name}, {_ephemeris(ephemeris)}"
        return MessageLine(epoch, number, None, name, text, values is None, values or {}, payload)
    if _is_observation(number):
        text = f"{number} observations that are damaged, {len(payload)} bytes"
        return MessageLine(epoch, number, None, "damaged observations", text, True, {}, payload)
    read = decode(payload)
    is_read = isinstance(read, Message)
    return MessageLine(
        epoch=epoch,
        message=number,
        subtype=read.subtype,
        name=read.name if isinstance(read, Message) else "opaque",
        text=describe(payload),
        is_opaque=not is_read,
        values=dict(read.values) if isinstance(read, Message) else {},
        payload=payload,
    )


def _ephemeris(one: Ephemeris) -> str:
    satellite = f"{one.system.letter}{one.satellite:02d}"
    when = iso_z(int(gps_to_utc(one.toe_gps_us)))
    health = "healthy" if is_usable(one) else f"unhealthy ({one.health})"
    if isinstance(one, GlonassEphemeris):
        more = f", channel {one.channel}" if one.system is System.GLONASS else ""
        return f"{satellite}, reference {when}{more}, {health}"
    return f"{satellite}, reference {when}, issue {one.issue}, {health}"


def _is_observation(number: int) -> bool:
    return number in _LEGACY or (number in _MSM and number % 10 in _KINDS)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, bytes):
        return value.hex()
    return value
