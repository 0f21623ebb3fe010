"""Commands to devices: written as each device reads them, published, and answered by what became of it.

The answer says that a broker has a command, not that a device has followed it: devices sleep for hours.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, NamedTuple

import msgspec
import structlog

from connectors.device_route import ORDER, DeviceRoute
from connectors.mqtt_config import MqttConfig
from connectors.mqtt_publish import Outgoing, publish_all
from sensors.payloads.commands import DeviceCommand, Scalar
from streams.records import Command, CommandOutcome

log = structlog.get_logger()

SAMPLING_LEVEL = "sampling_level"
"""A command with the argument `level`: each device is told the interval that its route has for it."""
MOST_ARGUMENTS = 30
Word = Annotated[str, msgspec.Meta(max_length=200, pattern=r"^[^\x00-\x1f\x7f\ud800-\udfff]*\Z")]


class Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The arguments of a command of the kind `device_command`."""

    command: Annotated[str, msgspec.Meta(pattern=r"^[\w.-]{1,60}\Z")]
    device: Word = ""
    """Empty: all devices of the site."""
    arguments: Annotated[
        dict[Annotated[str, msgspec.Meta(pattern=r"^\w{1,60}\Z")], Word | int | float | bool],
        msgspec.Meta(max_length=MOST_ARGUMENTS),
    ] = {}
    because: Word = ""
    """Why, where a rule asks."""


class Way(NamedTuple):
    """How commands reach the devices of a site."""

    broker: MqttConfig
    route: DeviceRoute


Send = Callable[[MqttConfig, Sequence[Outgoing]], Awaitable[int]]


@dataclass(slots=True, eq=False)
class DeviceDesk:
    """All devices that take commands from this process.

    Parameters
    ----------
    brokers
        Those of the configuration.
    send
        Publishes.
    """

    brokers: Sequence[MqttConfig]
    send: Send = publish_all
    _turns: dict[str, asyncio.Lock] = field(default_factory=dict)
    """One connection at a time to each broker."""

    def ways(self, thing: str) -> list[Way]:
        """Return how commands reach the devices of a site; none: it has no device that takes any here."""
        return [
            Way(broker, route) for broker in self.brokers for route in broker.devices if route.reaches(thing)
        ]

    async def execute(self, command: Command) -> CommandOutcome:
        """Publish what a command asks for, and return the answer. It raises nothing."""
        try:
            text = await self._published(command)
        except (ValueError, OSError) as error:
            return CommandOutcome(id=command.id, ok=False, message=f"Not done: {error}.")
        except Exception as bug:
            log.exception("a command cannot be written", site=command.target)
            text = f"The command cannot be written ({type(bug).__name__}): report this."
            return CommandOutcome(id=command.id, ok=False, message=text)
        return CommandOutcome(id=command.id, ok=True, message=text)

    async def _published(self, command: Command) -> str:
        asked = msgspec.convert(command.arguments, Asked)
        thing, count, devices = command.target, 0, list[str]()
        work: list[tuple[MqttConfig, list[Outgoing]]] = []
        for broker, route in self.ways(thing):
            told = _for_route(asked, route)
            if told is None:
                continue
            named = [name for name in route.devices_of(thing) if asked.device in {"", name}]
            devices += named
            if named:
                made = [_message(route, thing, name, told, command.at_us) for name in named]
                work.append((broker, made))
        if not work:
            which = f"device {asked.device!a}" if asked.device else "device that takes this command"
            raise ValueError(f"{thing} has no {which}; add it to [[mqtt.devices]] of the configuration")
        for broker, messages in work:
            async with self._turns.setdefault(broker.session, asyncio.Lock()):
                count += await self.send(broker, messages)
        if count < len(devices):
            text = f"published for {count} of {len(devices)} devices of {thing}, then the broker fell silent"
            raise OSError(f"{text}; ask again")
        more = f" and {len(devices) - 10} more" if len(devices) > 10 else ""
        return f"Published for {', '.join(devices[:10])}{more}; whether it is done only the device can tell."


def _for_route(asked: Asked, route: DeviceRoute) -> Asked | None:
    """Return what devices of a route are told; None: nothing, since levels do not concern them."""
    if asked.command != SAMPLING_LEVEL:
        return asked
    level = asked.arguments.get("level")
    if level not in ORDER:
        raise ValueError(f"{SAMPLING_LEVEL} needs the argument level; give one of {', '.join(ORDER)}")
    interval_s = route.interval_of(str(level))
    if interval_s is None:
        return None
    arguments = {"interval_s": interval_s, "level": str(level)}
    return msgspec.structs.replace(asked, command=route.interval_command, arguments=arguments)


def _message(route: DeviceRoute, thing: str, device: str, asked: Asked, at_us: int) -> Outgoing:
    arguments: dict[str, Scalar] = dict(asked.arguments)
    told = DeviceCommand(thing=thing, device=device, name=asked.command, arguments=arguments, at_us=at_us)
    return Outgoing(route.topic_of(thing, device), route.encoder.encode(told), route.retain)
