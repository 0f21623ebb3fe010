"""SensorThings over MQTT: subscribers at a broker are told what was judged and what commands changed."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import structlog

from connectors.mqtt_outlet import MqttOutlet
from connectors.mqtt_publish import Outgoing
from dashboards.metrics import Figure
from dashboards.sta.path import ROOT
from dashboards.sta.reading import Reading
from dashboards.sta.telling import ENTITIES_OF, Telling
from deploy.settings import Settings, StaMqttSettings
from sensors.payloads.sensorthings import SensorThingsMapping
from storage.sta_query import STATION, STATION_PREFIX, UnanswerableError
from storage.store import StorageError, Store
from streams import codec
from streams.kafka.access import Access
from streams.kafka.lease import Lease
from streams.kafka.reader import Read, Reader
from streams.kafka.registry import RegistryFollower
from streams.objects import Base, Objects
from streams.records import Change, Changes, FlaggedSamples, Record
from streams.together import together
from streams.topics import FLAGGED_SAMPLES, REGISTRY

log = structlog.get_logger()

MOST_CHANGES, MOST_SAMPLES = 1_000, 20_000
"""That wait to be told; of more the oldest are given up."""
TURN_ROWS = 100
"""Samples that are written before others have their turn."""
MOST_AHEAD = 1_000
"""Messages that are written before the broker has them."""
STORED_S, POLL_S = 5.0, 0.1
"""A change is told when the database has it, or after so long as the database has it then."""
GATHER_S = 0.05
WAIT_S = 0.2


@dataclass(slots=True, eq=False)
class Teller:
    """Tells subscribers what it hears of.

    Parameters
    ----------
    store
        Where entities are read that were changed.
    outlet
        Takes the messages.
    telling
        Writes them.
    decimals
        Of degrees, in places of stations: who subscribes is not known.
    base
        What the configuration defines.
    """

    store: Store
    outlet: MqttOutlet
    telling: Telling
    decimals: int
    base: Base
    dropped_changes: int = 0
    dropped_samples: int = 0
    """That nobody was told of, since too many came."""
    _objects: Objects = field(init=False)
    _changes: deque[Change] = field(default_factory=deque)
    _changes_come: asyncio.Event = field(default_factory=asyncio.Event)
    _samples: deque[FlaggedSamples] = field(default_factory=deque)
    _rows: int = 0
    """Of the samples that wait."""
    _samples_come: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._objects = Objects(self.base, ("datastream",))

    def know(self, changes: Changes) -> None:
        """Take what was changed before."""
        self._objects.take(changes)

    def listen(self, outputs: Sequence[Record]) -> None:
        """Take samples that were judged, and changes."""
        for batch in outputs:
            if isinstance(batch, Changes):
                self._objects.take(batch)
                self._changes.extend(one for one in batch.changes if one.kind in ENTITIES_OF and one.after)
                while len(self._changes) > MOST_CHANGES:
                    self._changes.popleft()
                    self.dropped_changes += 1
                self._changes_come.set()
            elif isinstance(batch, FlaggedSamples):
                self._samples.append(batch)
                self._rows += len(batch)
                while self._rows > MOST_SAMPLES and len(self._samples) > 1:
                    gone = len(self._samples.popleft())
                    self._rows -= gone
                    self.dropped_samples += gone
                self._samples_come.set()

    async def run(self) -> None:
        """Tell until cancelled."""
        await together(self.outlet.run(), self._tell_samples(), self._tell_changes())

    def figures(self) -> list[Figure]:
        """Return the figures of all of this."""
        outlet = self.outlet
        return [
            Figure(
                "sta_mqtt_messages",
                "Messages that were sent to subscribers of SensorThings.",
                "counter",
                lambda: {(): outlet.published},
            ),
            Figure(
                "sta_mqtt_dropped",
                "What subscribers were not told, since too much came or the broker was away.",
                "counter",
                lambda: {
                    ("message",): outlet.dropped,
                    ("sample",): self.dropped_samples,
                    ("change",): self.dropped_changes,
                },
                ("what",),
            ),
            Figure("sta_mqtt_waiting", "Messages that wait.", "gauge", lambda: {(): outlet.waiting}),
            Figure(
                "sta_mqtt_failing",
                "1 while the broker takes nothing.",
                "gauge",
                lambda: {(): float(bool(outlet.error))},
            ),
        ]

    def _is_known(self, datastream_id: str) -> bool:
        return self._objects.get("datastream", datastream_id) is not None

    async def _tell_samples(self) -> None:
        while True:
            self._samples_come.clear()
            while self._samples:
                batch = self._samples.popleft()
                self._rows -= len(batch)
                for begin in range(0, len(batch), TURN_ROWS):
                    await self._room()
                    rows = range(begin, min(begin + TURN_ROWS, len(batch)))
                    told = self.telling.observations(batch, rows, self._is_known)
                    self.outlet.offer(Outgoing(*one, retain=False) for one in told)
                    await asyncio.sleep(0)
            await self._samples_come.wait()

    async def _room(self) -> None:
        while self.outlet.waiting > MOST_AHEAD:  # noqa: ASYNC110 - what waits meanwhile is bounded
            await asyncio.sleep(POLL_S)

    async def _tell_changes(self) -> None:
        while True:
            self._changes_come.clear()
            while self._changes:
                change = self._changes.popleft()
                try:
                    await self._tell(change)
                except (StorageError, UnanswerableError) as error:
                    self.dropped_changes += 1
                    log.warning("a change cannot be told over MQTT", what=change.key, error=str(error))
            await self._changes_come.wait()

    async def _tell(self, change: Change) -> None:
        """Tell how an entity is now."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STORED_S):
                # another process may store it: there is nothing here to wait for but the row itself
                while not await asyncio.to_thread(self._is_stored, change):  # noqa: ASYNC110
                    await asyncio.sleep(POLL_S)
        reading = Reading(self.store, self.decimals)
        for entity, kind in ENTITIES_OF[change.kind]:
            identity = f"{STATION_PREFIX}{change.id}" if kind == STATION else change.id
            row = await asyncio.to_thread(reading.by_id, entity, identity)
            if row is not None:
                self.outlet.offer(Outgoing(*one, retain=False) for one in self.telling.entity(entity, row))

    def _is_stored(self, change: Change) -> bool:
        stored = self.store.object(change.kind, change.id)
        return stored is not None and stored.version >= change.version


def teller_of(settings: StaMqttSettings, store: Store, page: str, decimals: int, base: Base) -> Teller:
    """Return what tells the subscribers of a broker."""
    telling = Telling(f"{page.rstrip('/')}{ROOT}", settings.prefix, settings.select)
    return Teller(store, MqttOutlet(settings, settings.qos), telling, decimals, base)


def observation_brokers(settings: Settings) -> list[str]:
    """Return the brokers at which observations are created."""
    return [
        broker.source
        for broker in settings.mqtt
        if any(isinstance(mapping, SensorThingsMapping) for mapping in broker.mappings)
    ]


@contextlib.asynccontextmanager
async def telling_over_kafka(
    teller: Teller, access: Access, prefix: str
) -> AsyncIterator[asyncio.Task[None]]:
    """Tell what comes over Kafka, while no other process does; the task ends by a fault only."""

    async def work() -> None:
        async def take(changes: Changes) -> None:
            if follower.is_complete:
                teller.listen([changes])
            else:
                teller.know(changes)

        async def listen(samples: Reader) -> None:
            while True:
                teller.listen(_batches(await samples.next(WAIT_S)))

        follower = RegistryFollower(Reader(access, (REGISTRY,), {}, prefix), take)
        samples = Reader(access, (FLAGGED_SAMPLES,), None, prefix, gather_s=GATHER_S)
        try:
            await samples.start()
            await together(follower.run(), teller.run(), listen(samples))
        finally:
            await samples.stop()

    lease = Lease(access, f"{prefix}{REGISTRY.name}", f"{prefix}sta-mqtt", work)
    task = asyncio.create_task(lease.run(), name="SensorThings over MQTT")
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _batches(read: Sequence[Read]) -> list[Record]:
    """Decode messages; the writer parks those that cannot be."""
    found = []
    for one in read:
        with contextlib.suppress(codec.CodecError):
            found.append(codec.decode(one.value))
    return found
