"""The connectors that a configuration names, each a task of its own: one that dies harms no other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec
import structlog

from connectors import http_poll, mqtt, ntrip_client, tcp, tcp_listen
from connectors.caster.push import PushConfig, PushDesk
from connectors.caster.relay import Relay
from connectors.conversion import converter_for
from connectors.doors import Doors
from connectors.gatherer import StationIntake
from connectors.gathering.hall import Hall
from connectors.http_intake import HttpIntake
from connectors.mqtt_memory import SessionMemory
from connectors.reconnect import keep_running
from connectors.selecting.gate import Gate
from connectors.selecting.selector import Changed, Selector
from deploy.clock import wall_clock_us
from deploy.registry import Registry
from deploy.settings import Connection, Settings, StationSettings
from gnss.to_rtcm.converter import Converter
from sensors.payloads import expecting
from streams.bus import RawSink, SampleSink
from streams.definitions import StationDefinition
from streams.records import SourceChange
from streams.station_sources import MAIN, SourceDefinition
from streams.stream_state import StreamState, StreamStates

log = structlog.get_logger()

LOOK_S = 0.25
"""Between two looks whether a source that is connected on call is called."""
RATES_S = 2.0
MQTT_SESSIONS = "mqtt-sessions.json"
"""In the data folder."""

Way = tuple[object, ...]


def way_of(definition: StationDefinition) -> Way:
    """Return what decides how a station is gathered: when it is the same, nothing need be disturbed."""
    sources = [
        (one.name, one.standby, one.paused, _way(definition, one)) for one in definition.every_source()
    ]
    return (*sources, definition.change_over, definition.interval_s)


def _way(definition: StationDefinition, source: SourceDefinition) -> Way:
    """Return what a connector needs to know of its source."""
    spoken = source.format, definition.reference_station, definition.send_position
    place = (
        (definition.longitude, definition.latitude, definition.height_m) if definition.send_position else ()
    )
    way: Way = source.source, str(source.version), source.stall_s, *spoken, *place
    if not source.source.startswith(("push:", "tcp-listen:")):
        return way
    password = source.push_password, source.push_password_hash
    return (*way, *password, *source.allow, definition.interval_s)


@dataclass(slots=True, eq=False)
class _Source:
    """One source of a station."""

    way: Way
    config: Connection
    intake: StationIntake


@dataclass(slots=True, eq=False)
class _Gathered:
    """A station, with those of its sources that are not paused."""

    way: Way = ()
    sources: dict[str, _Source] = field(default_factory=dict)
    """In order."""
    gate: Gate | None = None
    """Where it has, or had, several."""


@dataclass(slots=True)
class Sources:
    """What this process gathers."""

    raw: RawSink
    samples: SampleSink
    relay: Relay
    streams: StreamStates = field(default_factory=StreamStates)
    desk: PushDesk = field(default_factory=lambda: PushDesk(wall_clock_us))
    """Where stations push; the caster is to know it."""
    memory: SessionMemory = field(default_factory=SessionMemory)
    """What brokers may still know of earlier runs."""
    posting: HttpIntake = field(init=False)
    """Where sensors post samples; a web server is to have it."""
    changed: Callable[[SourceChange], None] = lambda _: None
    """Is told when another source of a station is chosen."""
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _doors: Doors = field(default_factory=Doors)
    _hall: Hall = field(default_factory=lambda: Hall(wall_clock_us))
    _stations: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    """The connectors, by the id of their stream."""
    _gathered: dict[str, _Gathered] = field(default_factory=dict)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _is_looking: bool = False

    def __post_init__(self) -> None:
        self.posting = HttpIntake(self.samples, wall_clock_us, time.monotonic)

    def intake(
        self, station_id: str, kind: str, source: str, converter: Converter | None = None, name: str = MAIN
    ) -> StationIntake:
        """Return the door for the bytes of one source of a station."""
        stream_id = stream_id_of(station_id, name)
        state = self.streams.add(stream_id, kind, source, station=station_id, name=name)
        return StationIntake(station_id, self.raw, self.relay.publish, state, converter)

    def start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run a connector until `stop`; one that dies is reported, the others go on."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(_report)
        self.tasks.append(task)
        return task

    def _keep(self, work: Callable[[], Coroutine[Any, Any, None]], state: StreamState) -> asyncio.Task[None]:
        """Run a connector until `stop`; after a fault it begins anew."""
        return self.start(keep_running(work, state, clock_us=wall_clock_us), state.id)

    def connect(self, settings: Settings) -> None:
        """Start every connector that the configuration names."""
        for station in settings.station:
            if not station.paused:
                self.connect_station(station)
        units = {stream.id: stream.unit for stream in Registry.of(settings).datastreams}
        for i, broker in enumerate(settings.mqtt):
            name = f"{broker.source}#{i + 1}"  # several sessions at one broker are several streams
            state = self.streams.add(name, "mqtt", broker.source)
            told = msgspec.structs.replace(broker, mappings=expecting(broker.mappings, units))
            work = partial(mqtt.run, told, self.samples, state, clock_us=wall_clock_us, memory=self.memory)
            self._keep(work, state)
        self.memory.warn_of_others(broker.session for broker in settings.mqtt)
        for poll in settings.http_poll:
            state = self.streams.add(f"http-poll/{poll.id}", "http-poll", poll.source)
            asking = msgspec.structs.replace(poll, mapping=expecting([poll.mapping], units)[0])
            self._keep(partial(http_poll.run, asking, self.samples, state, clock_us=wall_clock_us), state)
        for push in settings.http_push:
            state = self.streams.add(f"http-push/{push.id}", "http-push", f"/api/v1/samples/{push.id}")
            posting = msgspec.structs.replace(push, mappings=expecting(push.mappings, units))
            self.posting.add(posting, state)
        if settings.http_push:
            self.start(self.posting.watch(), "silence of senders")
        self.start(self._measure(), "rates of streams")

    def connect_station(self, station: StationSettings) -> None:
        """Start the connectors of a station's sources that do not run yet.

        Raises
        ------
        deploy.refusal.Refusal
            A source is not understood.
        """
        listed = station.every_source()
        configs = {one.name: station.connection(one) for one in listed}
        gathered = self._gathered.setdefault(station.id, _Gathered())
        before, gathered.sources = gathered.sources, {}
        for place, one in enumerate(listed, 1):
            known, config = before.get(one.name), configs[one.name]
            if known is None:
                converter = converter_for(station, one.format)
                intake = self.intake(station.id, _kind(one), config.source, converter, one.name)
                known = _Source(_way(station, one), config, intake)
            known.intake.state.place = place
            if one.paused:
                known.intake.state.enter("paused", wall_clock_us())
                known.intake.state.is_chosen = False
            else:
                gathered.sources[one.name] = known
        gathered.way = way_of(station)
        self._guard(station, gathered)
        for name in gathered.sources:
            self._call(station.id, name, gathered)

    def gathers(self, station_id: str, definition: StationDefinition) -> bool:
        """Return whether a station is being gathered in just this way."""
        return station_id in self._gathered and self._gathered[station_id].way == way_of(definition)

    async def follow_station(self, station: StationSettings) -> None:
        """Gather a station as it is now; sources that are as they were are not disturbed.

        Raises
        ------
        deploy.refusal.Refusal
            A source is not understood; the station is not gathered then.
        """
        async with self._turn:
            gathered = self._gathered.get(station.id)
            now = {one.name: one for one in station.every_source()}
            for name, known in list(gathered.sources.items()) if gathered is not None else ():
                one = now.get(name)
                if one is None or one.paused or known.way != _way(station, one):
                    await self._disconnect(station.id, name)
                    del gathered.sources[name]  # type: ignore[union-attr]  # there is one
            for state in list(self.streams):
                if state.station == station.id and state.name not in now:
                    del self.streams.by_id[state.id]
            try:
                self.connect_station(station)
            except Exception:
                await self._forget(station.id)
                raise

    async def disconnect_station(self, station_id: str) -> None:
        """End the connectors of a station; the others do not notice."""
        async with self._turn:
            await self._forget(station_id)

    async def stop(self) -> None:
        """End all connectors."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.desk.close()

    # --- one source ---------------------------------------------------------------------------------------

    def _work(self, source: _Source) -> Coroutine[Any, Any, None]:
        """Return what reads a source."""
        config, intake, hall = source.config, source.intake, self._hall
        if isinstance(config, tcp_listen.TcpListenConfig):
            return tcp_listen.run(config, intake, intake.state, clock_us=wall_clock_us)
        if isinstance(config, PushConfig):
            return self.desk.run(config, intake, intake.state)
        door = self._doors.at(config.host, config.port)
        if isinstance(config, tcp.TcpConfig):
            return tcp.run(config, intake, intake.state, hall=hall, clock_us=wall_clock_us, door=door)
        return ntrip_client.run(config, intake, intake.state, hall=hall, clock_us=wall_clock_us, door=door)

    def _call(self, station_id: str, name: str, gathered: _Gathered) -> None:
        """Connect a source, unless it runs or is to wait until it is called."""
        source, stream_id = gathered.sources[name], stream_id_of(station_id, name)
        if gathered.gate is not None and not gathered.gate.selector.is_called(name):
            source.intake.state.enter("standby", wall_clock_us())
        elif stream_id not in self._stations:
            work = partial(self._work, source)
            self._stations[stream_id] = self._keep(work, source.intake.state)

    async def _disconnect(self, station_id: str, name: str) -> None:
        stream_id = stream_id_of(station_id, name)
        task = self._stations.pop(stream_id, None)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self.tasks.remove(task)
        state = self.streams.by_id[stream_id]
        state.enter("stopped", wall_clock_us())
        state.is_chosen = False

    async def _forget(self, station_id: str) -> None:
        gathered = self._gathered.pop(station_id, None)
        for name in gathered.sources if gathered is not None else ():
            await self._disconnect(station_id, name)

    # --- several sources ----------------------------------------------------------------------------------

    def _guard(self, station: StationSettings, gathered: _Gathered) -> None:
        """Let one of several sources through. Where there was one alone nothing stands between."""
        if gathered.gate is None and len(gathered.sources) < 2:
            for source in gathered.sources.values():
                source.intake.state.choose(is_chosen=True, why="the only source", now_us=wall_clock_us())
            return
        if gathered.gate is None:

            def tell(changed: Changed) -> None:
                self._tell(station.id, changed)

            clock_s = asyncio.get_running_loop().time
            selector = Selector(station.change_over, station.interval_s)
            gathered.gate = Gate(selector, clock_s, wall_clock_us, tell, LOOK_S)
        gate = gathered.gate
        gate.selector.limits, gate.selector.interval_s = station.change_over, station.interval_s
        for source in gathered.sources.values():
            source.intake.gate = gate
        is_cold = {one.name: one.standby == "cold" for one in station.every_source()}
        gate.set_sources(
            [(name, is_cold[name], source.intake.state) for name, source in gathered.sources.items()]
        )
        if not self._is_looking:
            self._is_looking = True
            self.start(self._look(), "several sources")

    def _tell(self, station_id: str, changed: Changed) -> None:
        told = SourceChange(
            station_id=station_id,
            at_us=wall_clock_us(),
            before=changed.before,
            after=changed.after,
            why=changed.why,
            text=changed.text,
        )
        log.warning("another source", station=station_id, source=changed.after, why=changed.text)
        self.changed(told)

    async def _look(self) -> None:
        """Let stations with several sources notice that nothing comes; connect sources that are called."""
        while True:
            await asyncio.sleep(LOOK_S)
            for station_id, gathered in list(self._gathered.items()):
                if gathered.gate is not None:
                    gathered.gate.look()
                    if self._differs(station_id, gathered):
                        await self._adjust(station_id, gathered)

    def _differs(self, station_id: str, gathered: _Gathered) -> bool:
        assert gathered.gate is not None
        is_called = gathered.gate.selector.is_called
        return any(
            is_called(name) != (stream_id_of(station_id, name) in self._stations) for name in gathered.sources
        )

    async def _adjust(self, station_id: str, gathered: _Gathered) -> None:
        async with self._turn:
            if self._gathered.get(station_id) is not gathered or gathered.gate is None:
                return
            for name in gathered.sources:
                if not gathered.gate.selector.is_called(name):
                    await self._disconnect(station_id, name)
                self._call(station_id, name, gathered)

    async def _measure(self) -> None:
        clock_s = asyncio.get_running_loop().time
        while True:
            self.streams.measure(clock_s())
            await asyncio.sleep(RATES_S)


def stream_id_of(station_id: str, name: str) -> str:
    """Return the id of the stream of one of a station's sources."""
    return station_id if name == MAIN else f"{station_id}/{name}"


def _kind(source: SourceDefinition) -> str:
    kind = source.source.partition(":")[0]
    return "ntrip" if kind == "ntrips" else kind


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a connector ended by a fault", connector=task.get_name(), error=repr(error))
