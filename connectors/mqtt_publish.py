"""Publishing over MQTT: commands to devices, and the simulated devices of the demonstration."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiomqtt

Publish = Callable[[str, bytes], Awaitable[None]]


@asynccontextmanager
async def publisher(host: str, port: int, client_id: str) -> AsyncIterator[Publish]:
    """Yield a function that publishes a payload on a topic with QoS 1 and returns when it is taken."""
    async with aiomqtt.Client(host, port, identifier=client_id) as client:
        client.pending_calls_threshold = 100  # a warning below that would say nothing

        async def publish(topic: str, payload: bytes) -> None:
            await client.publish(topic, payload, qos=1)

        yield publish
