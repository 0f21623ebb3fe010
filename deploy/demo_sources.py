"""The outside world of the demonstration: a caster, a broker and a subscriber, on real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connectors.caster.relay import Relay
from connectors.mqtt_publish import Publish
from connectors.webhook_signature import sign
from deploy.demo_world import SECOND_US, DemoSensor
from deploy.http_server import serving
from gnss.simulate import Emission, SimulatedStation
from streams.stream_state import StreamStates

BACKLOG_PERIOD_S = 60.0


def free_listener() -> socket.socket:
    """Return a loopback socket on a port that the system chose."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    return listener


async def listened(streams: StreamStates) -> None:
    """Wait until all brokers' topics are subscribed to."""
    brokers = [stream for stream in streams if stream.kind == "mqtt"]
    while any(broker.phase != "streaming" for broker in brokers):  # noqa: ASYNC110 - a state tells no events
        await asyncio.sleep(0.02)


async def send_stations(
    stations: Mapping[str, SimulatedStation], relay: Relay, clock_us: Callable[[], int]
) -> None:
    """Publish each station's epoch every second, as late as the station is slow."""
    loop = asyncio.get_running_loop()
    epoch_us = (clock_us() // SECOND_US + 1) * SECOND_US
    while True:
        emissions = await loop.run_in_executor(None, _emit, stations, epoch_us)
        for station_id, emission in emissions.items():
            if emission.frames:
                due_s = (epoch_us - clock_us()) / 1e6 + emission.delay_s
                loop.call_later(max(due_s, 0.0), relay.publish, station_id, b"".join(emission.frames))
        epoch_us += SECOND_US
        await asyncio.sleep(max((epoch_us - clock_us()) / 1e6 - 0.3, 0.0))


def _emit(stations: Mapping[str, SimulatedStation], epoch_us: int) -> dict[str, Emission]:
    return {station_id: station.emit(epoch_us) for station_id, station in stations.items()}


async def send_sensor(series: DemoSensor, publish: Publish, clock_us: Callable[[], int]) -> None:
    """Publish a device's memory, then a sample each period."""
    topic = f"demo/{series.datastream_id}"
    period_us = int(series.period_s * SECOND_US)
    now_us = clock_us() // period_us * period_us
    if series.backlog_s:
        step_us = int(BACKLOG_PERIOD_S * SECOND_US)
        first_us = now_us - int(series.backlog_s * SECOND_US)
        await publish(topic, _payload(series, range(first_us, now_us, step_us)))
    while True:
        await publish(topic, _payload(series, [now_us]))
        now_us += period_us
        await asyncio.sleep(max((now_us - clock_us()) / 1e6, 0.0))


def _payload(series: DemoSensor, times_us: Sequence[int]) -> bytes:
    samples = [{"time": t / 1e6, "value": series.sensor.value(t)} for t in times_us]
    return json.dumps({"samples": samples}).encode()


@dataclass(slots=True)
class Subscriber:
    """A program that receives alerts, verifies their signature, and remembers them."""

    secret: str
    verified: list[str] = field(default_factory=list)
    """What was told, in words."""
    refused: int = 0

    async def receive(self, request: Request) -> Response:
        """Take one webhook."""
        body = await request.body()
        message_id = request.headers.get("webhook-id", "")
        stamp = request.headers.get("webhook-timestamp", "0")
        expected = sign(self.secret, message_id, int(stamp) if stamp.isdigit() else 0, body)
        if not hmac.compare_digest(expected, request.headers.get("webhook-signature", "")):
            self.refused += 1
            return Response(status_code=401)
        event = json.loads(body)
        self.verified.append(f"{event['type']}: {event['data'].get('title', '')}")
        return Response(status_code=204)


@contextlib.asynccontextmanager
async def listening(subscriber: Subscriber) -> AsyncIterator[str]:
    """Yield the URL of the subscriber."""
    with free_listener() as listener:
        port = listener.getsockname()[1]
        app = Starlette(routes=[Route("/alerts", subscriber.receive, methods=["POST"])])
        async with serving(app, listener, lambda: None):
            yield f"http://127.0.0.1:{port}/alerts"
