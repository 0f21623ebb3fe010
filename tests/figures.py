"""What all kinds of processes tell at /metrics: one that runs, and the texts of those over Kafka."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec

from connectors.caster.link.change_over import ChangeOver
from connectors.caster.link.follow import Following
from connectors.caster.link.outlet import Outlet
from connectors.caster.relay import Relay
from connectors.caster.server import Caster
from dashboards.alert_memory import AlertMemory
from dashboards.fallback import Fallback
from dashboards.live import LiveHub
from dashboards.metrics import Figure, Metrics, exposition
from deploy.addresses import Addresses
from deploy.bridge_command import bridge_figures, bridge_of
from deploy.dead_letter_count import parked_figure
from deploy.edge import Edge
from deploy.figures import caster_figures
from deploy.following_above import FollowerAbove
from deploy.kafka_figures import (
    above_figures,
    archiver_figures,
    following_figures,
    gatherer_figures,
    notifier_figures,
    outlet_figures,
    worker_figures,
    writer_figures,
)
from deploy.notifier import Notifier
from deploy.raw_archiver import ArchiverHealth
from deploy.raw_keeper import RawKeeper
from deploy.regional import RegionalDescriptions, regional_figures
from deploy.registry import Registry
from deploy.service import opened
from deploy.settings import KafkaSettings, Settings
from deploy.store_writer import WriterHealth
from storage.raw_archive import RawArchive
from storage.sqlite import SqliteStore
from streams.deliveries import Progress
from streams.kafka.access import Access
from streams.kafka.lease import Lease
from streams.kafka.sink import SinkHealth
from streams.kafka.worker import Worker
from streams.pipeline import Pipeline
from streams.regions import Region, RegionTree
from streams.stream_state import StreamState, StreamStates

SECRET = "whsec_Z3JvdW5kc3dlbGwtZGVtby1zZWNyZXQtMjAyNg=="


@contextlib.asynccontextmanager
async def every_process(folder: Path) -> AsyncIterator[tuple[str, Mapping[str, bytes]]]:
    """Yield the address of `groundswell run`, and what each kind of process over Kafka tells, by its job."""
    settings = msgspec.convert(
        {"webhook": [{"id": "duty", "url": "http://127.0.0.1:9/", "secret": SECRET, "allow_private": True}]},
        Settings,
    )
    here = Addresses(("127.0.0.1", 0), ("127.0.0.1", 0))
    async with opened(settings, folder / "run", here) as service:
        yield service.addresses.page, _over_kafka(settings, folder)


def _over_kafka(settings: Settings, folder: Path) -> Mapping[str, bytes]:
    store = SqliteStore(folder / "rows.sqlite")
    keeper = RawKeeper(cast(Any, SimpleNamespace()), RawArchive(folder / "raw", store), store, lambda: 0)
    stream = StreamState("A", "ntrip", "")
    relay = Relay(lambda: 0.0)
    caster = Caster(relay, list, lambda: 0)
    caster.refuse("slow")
    caster.admission.above.heard_us = [1]
    edge = Edge(settings, Registry.of(settings), caster=caster)
    nodes = [Region(name="top", level="province", kafka="127.0.0.1:8")]
    tree = RegionTree(here="r", node=[*nodes, Region(name="r", level="city", parent="top")])
    worker = Worker(Access("127.0.0.1:9"), "w", lambda _: Pipeline([]), lambda i: i, lambda: 0)
    following = Following(ChangeOver(lambda *_: None, lambda: 0.0), delay_us={"g": 5})
    bridge = bridge_of(tree, KafkaSettings(), lambda: 0, lambda: 0, Registry.of(settings).base)
    described = regional_figures([RegionalDescriptions("r", cast(Any, None), cast(Any, None))])
    above = above_figures(FollowerAbove(edge, cast(Any, None), folder), edge)
    figures: dict[str, list[Figure]] = {
        "bridge": bridge_figures(bridge),
        "caster": [
            *caster_figures(caster, relay), *above, *following_figures(following, StreamStates())
        ],
        "worker": worker_figures(worker, lambda: {("samples", 0): 3}),
        "store": [*writer_figures(WriterHealth()), *described],
        "gather": [*gatherer_figures(SinkHealth(), keeper), *outlet_figures(Outlet(list, "", lambda: 0))],
        "notify": notifier_figures(*telling(settings)),
        "archive": archiver_figures(ArchiverHealth()),
    }  # fmt: skip
    texts = {f"groundswell-{name}": exposition(some, [stream]) for name, some in figures.items()}
    fallback = Fallback(AlertMemory(), lambda: False)
    texts["groundswell-serve"] = Metrics(
        store, StreamStates(), LiveHub(), [parked_figure({(): 0})], fallback
    ).render()
    keeper.archive.close()
    store.close()
    return texts


def telling(settings: Settings) -> tuple[Notifier, Lease]:
    """Return a notifier that is at work, and its lease."""
    notifier = Notifier(Access("127.0.0.1:9"), "", settings.webhook, lambda: 0)
    notifier.progress = {"duty": Progress(webhook_id="duty", offset=0)}
    return notifier, Lease(Access("127.0.0.1:9"), "alerts", "notify", notifier.work, held=True)
