"""What push needs in each runtime.

Over Kafka what readers read goes to the hub with its place, so that ids mean the same at all servers. In one
process ids count what this run has brought: after a restart a viewer is told a gap.
"""

from __future__ import annotations

import secrets
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from dashboards.push.catalogue import Catalogue
from dashboards.push.channels import Source
from dashboards.push.hub import PushHub
from dashboards.push.window import Window
from deploy.clock import wall_clock_us
from sensors.model import Datastream
from storage.store import Store
from streams.embedded import EmbeddedRuntime
from streams.kafka.reader import Read, Reader
from streams.records import Record
from streams.topics import ALERTS, FLAGGED_SAMPLES, STATION_REPORTS

TOPICS = {
    Source.REPORTS: STATION_REPORTS,
    Source.SAMPLES: FLAGGED_SAMPLES,
    Source.ALERTS: ALERTS,
}
_SOURCES = {topic.name: source for source, topic in TOPICS.items()}
READ_BACK_US = 120_000_000
"""A server that starts reads what came in so long: viewers of another one that ends go on here."""


def hub_over_kafka(prefix: str, datastreams: Iterable[Datastream]) -> PushHub:
    """Return a hub whose ids mean the same at all servers of one Kafka and prefix."""
    partitions = {source: topic.partitions for source, topic in TOPICS.items()}
    origin = f"kafka-{zlib.crc32(prefix.encode()):08x}"
    hub = PushHub(Window(origin, partitions), Catalogue(datastreams))
    hub.expect(*Source)
    return hub


@dataclass(slots=True)
class Pushing:
    """Gives a hub what one reader reads."""

    hub: PushHub
    reader: Reader
    is_current: bool = False
    """Whether all was read that was there before."""

    async def begin(self) -> None:
        """Say where reading begins; after the reader's start."""
        for name, places in (await self.reader.places()).items():
            if name in _SOURCES:
                self.hub.window.open(_SOURCES[name], places)

    def take(self, one: Read, batch: Record) -> None:
        """Take a message."""
        if one.topic.name in _SOURCES:
            self.hub.take(
                batch, wall_clock_us(), partition=one.partition, offset=one.offset, message=one.value
            )

    async def read(self, *, is_current: bool) -> None:
        """Say how far everything was read; after all that the reader gave was taken."""
        self.is_current |= is_current
        for name, places in (await self.reader.places()).items():
            if name in _SOURCES:
                self.hub.window.reached(_SOURCES[name], places)
                if self.is_current:
                    self.hub.is_read(_SOURCES[name])


def hub_of_one_process(runtime: EmbeddedRuntime, store: Store, datastreams: Iterable[Datastream]) -> PushHub:
    """Return a hub that is told what one process brings from now on."""
    window = Window(f"run-{secrets.token_hex(8)}", dict.fromkeys(Source, 1))
    for alert in store.open_alerts():
        history = store.alert(alert.alert_id) if alert.state == "acknowledged" else None
        window.know([alert] if history is None else history.transitions)
    hub = PushHub(window, Catalogue(datastreams))
    runtime.viewers.append(lambda batches: hub.listen(batches, wall_clock_us()))
    return hub
