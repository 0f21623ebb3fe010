"""The connectors that a configuration names, each a task of its own: one that dies harms no other."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import structlog

from connectors import mqtt, ntrip_client, tcp, tcp_listen
from connectors.caster.push import PushConfig, PushDesk
from connectors.caster.relay import Relay
from connectors.conversion import converter_for
from connectors.doors import Doors
from connectors.gatherer import StationIntake
from connectors.gathering.hall import Hall
from deploy.clock import wall_clock_us
from deploy.settings import Settings, StationSettings
from gnss.to_rtcm.converter import Converter
from streams.bus import RawSink, SampleSink
from streams.definitions import StationDefinition
from streams.stream_state import StreamStates

log = structlog.get_logger()


Way = tuple[object, ...]


def way_of(definition: StationDefinition) -> Way:
    """Return what a connector needs to know: when it is the same, nothing need be disturbed."""
    spoken = definition.format, definition.reference_station, definition.send_position
    place = (
        (definition.longitude, definition.latitude, definition.height_m) if definition.send_position else ()
    )
    way: Way = definition.source, str(definition.version), definition.stall_s, *spoken, *place
    if not definition.source.startswith(("push:", "tcp-listen:")):
        return way
    password = definition.push_password, definition.push_password_hash
    return (*way, *password, *definition.allow, definition.interval_s)


@dataclass(slots=True)
class Sources:
    """What this process gathers."""

    raw: RawSink
    samples: SampleSink
    relay: Relay
    streams: StreamStates = field(default_factory=StreamStates)
    desk: PushDesk = field(default_factory=lambda: PushDesk(wall_clock_us))
    """Where stations push; the caster is to know it."""
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _doors: Doors = field(default_factory=Doors)
    _hall: Hall = field(default_factory=lambda: Hall(wall_clock_us))
    _stations: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _ways: dict[str, Way] = field(default_factory=dict)

    def intake(
        self, station_id: str, kind: str, source: str, converter: Converter | None = None
    ) -> StationIntake:
        """Return the door for the bytes of one station."""
        state = self.streams.add(station_id, kind, source)
        return StationIntake(station_id, self.raw, self.relay.publish, state, converter)

    def start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run a connector until `stop`; one that dies is reported, the others go on."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(_report)
        self.tasks.append(task)
        return task

    def connect(self, settings: Settings) -> None:
        """Start every connector that the configuration names."""
        for station in settings.station:
            if not station.paused:
                self.connect_station(station)
        for i, broker in enumerate(settings.mqtt):
            name = f"{broker.source}#{i + 1}"  # several sessions at one broker are several streams
            state = self.streams.add(name, "mqtt", broker.source)
            self.start(mqtt.run(broker, self.samples, state, clock_us=wall_clock_us), name)

    def connect_station(self, station: StationSettings) -> None:
        """Start the connector of a station.

        Raises
        ------
        deploy.refusal.Refusal
            Its source is not understood.
        """
        config = station.connection()
        kind, hall = station.source.partition(":")[0], self._hall
        kind = "ntrip" if kind == "ntrips" else kind
        intake = self.intake(station.id, kind, config.source, converter_for(station))
        if isinstance(config, tcp_listen.TcpListenConfig):
            work = tcp_listen.run(config, intake, intake.state, clock_us=wall_clock_us)
        elif isinstance(config, PushConfig):
            work = self.desk.run(config, intake, intake.state)
        elif isinstance(config, tcp.TcpConfig):
            door = self._doors.at(config.host, config.port)
            work = tcp.run(config, intake, intake.state, hall=hall, clock_us=wall_clock_us, door=door)
        else:
            door = self._doors.at(config.host, config.port)
            work = ntrip_client.run(
                config, intake, intake.state, hall=hall, clock_us=wall_clock_us, door=door
            )
        self._stations[station.id] = self.start(work, station.id)
        self._ways[station.id] = way_of(station)

    def gathers(self, station_id: str, definition: StationDefinition) -> bool:
        """Return whether a station is being gathered in just this way."""
        return station_id in self._stations and self._ways[station_id] == way_of(definition)

    async def disconnect_station(self, station_id: str) -> None:
        """End the connector of a station; the others do not notice."""
        task = self._stations.pop(station_id, None)
        if task is None:
            return
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self.tasks.remove(task)
        self.streams.by_id[station_id].enter("stopped", wall_clock_us())

    async def stop(self) -> None:
        """End all connectors."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.desk.close()


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a connector ended by a fault", connector=task.get_name(), error=repr(error))
