"""The connectors that a configuration names, each a task of its own: one that dies harms no other."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import structlog

from connectors import mqtt, ntrip_client, tcp
from connectors.caster.relay import Relay
from connectors.gatherer import StationIntake
from deploy.clock import wall_clock_us
from deploy.settings import Settings
from streams.bus import RawSink, SampleSink
from streams.stream_state import StreamStates

log = structlog.get_logger()


@dataclass(slots=True)
class Sources:
    """What this process gathers."""

    raw: RawSink
    samples: SampleSink
    relay: Relay
    streams: StreamStates = field(default_factory=StreamStates)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def intake(self, station_id: str, kind: str, source: str) -> StationIntake:
        """Return the door for the bytes of one station."""
        state = self.streams.add(station_id, kind, source)
        return StationIntake(station_id, self.raw, self.relay.publish, state)

    def start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run a connector until `stop`; one that dies is reported, the others go on."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(_report)
        self.tasks.append(task)

    def connect(self, settings: Settings) -> None:
        """Start every connector that the configuration names."""
        for station in settings.station:
            config = station.connection()
            kind = "tcp" if isinstance(config, tcp.TcpConfig) else "ntrip"
            intake = self.intake(station.id, kind, config.source)
            if isinstance(config, tcp.TcpConfig):
                work = tcp.run(config, intake, intake.state, clock_us=wall_clock_us)
            else:
                work = ntrip_client.run(config, intake, intake.state, clock_us=wall_clock_us)
            self.start(work, station.id)
        for i, broker in enumerate(settings.mqtt):
            name = f"{broker.source}#{i + 1}"  # several sessions at one broker are several streams
            state = self.streams.add(name, "mqtt", broker.source)
            self.start(mqtt.run(broker, self.samples, state, clock_us=wall_clock_us), name)

    async def stop(self) -> None:
        """End all connectors."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a connector ended by a fault", connector=task.get_name(), error=repr(error))
