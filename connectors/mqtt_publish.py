"""Publishing over MQTT: commands to devices, and the simulated devices of the demonstration."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

import aiomqtt

from connectors.mqtt_config import BrokerConfig, MqttConfig

Publish = Callable[[str, bytes], Awaitable[None]]

ANSWER_S = 3.0
"""That a broker has for all of some messages: who asked over the API waits for five."""
AT_ONCE = 20
"""Messages that wait for their confirmation: as many as Mosquitto takes by default."""


@asynccontextmanager
async def publisher(host: str, port: int, client_id: str) -> AsyncIterator[Publish]:
    """Yield a function that publishes a payload on a topic with QoS 1 and returns when it is taken."""
    async with aiomqtt.Client(host, port, identifier=client_id) as client:
        client.pending_calls_threshold = 100  # a warning below that would say nothing

        async def publish(topic: str, payload: bytes) -> None:
            await client.publish(topic, payload, qos=1)

        yield publish


class Outgoing(NamedTuple):
    """A message to be published."""

    topic: str
    payload: bytes
    retain: bool


def connection(config: BrokerConfig, client_id: str) -> aiomqtt.Client:
    """Return a connection that publishes, to be entered; it listens to nothing.

    Raises
    ------
    OSError
        A certificate cannot be read.
    """
    version5 = config.version == "5"
    client = aiomqtt.Client(
        config.host,
        config.port,
        identifier=client_id,
        username=config.username or None,
        password=config.password or None,
        protocol=aiomqtt.ProtocolVersion.V5 if version5 else aiomqtt.ProtocolVersion.V311,
        keepalive=config.keepalive_s,
        tls_context=config.tls_context(),
        timeout=ANSWER_S,
    )
    client.pending_calls_threshold = 2 * AT_ONCE  # a warning below that would say nothing
    return client


async def publish_all(config: MqttConfig, messages: Sequence[Outgoing]) -> int:
    """Publish with QoS 1 over a connection of its own; return how many the broker has confirmed at least.

    The connection that listens would not do: while samples cannot be stored it reads nothing, confirmations
    neither. Commands are seldom, so each time is a new one, and none can have died unnoticed.

    Raises
    ------
    OSError
        The broker cannot be reached, or refuses, in words; nothing was published.
    """
    confirmed = 0
    try:
        async with (
            asyncio.timeout(ANSWER_S),
            connection(config, f"{config.session_id}-commands") as client,
        ):
            for begin in range(0, len(messages), AT_ONCE):
                some = messages[begin : begin + AT_ONCE]
                await asyncio.gather(
                    *(client.publish(one.topic, one.payload, qos=1, retain=one.retain) for one in some)
                )
                confirmed += len(some)
    except (aiomqtt.MqttError, TimeoutError, OSError, ValueError) as error:
        if not confirmed:
            reason = str(error) or f"no answer within {ANSWER_S:g} s"
            raise OSError(f"{config.source} does not take commands ({reason})") from error
    return confirmed
