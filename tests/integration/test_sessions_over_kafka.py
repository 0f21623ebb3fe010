"""Sessions over a real Kafka: told, kept by the store, and as coarse as a command has them, at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from connectors.caster.session_book import Sessions
from deploy.clock import wall_clock_us
from deploy.edge import Edge
from deploy.following import following
from deploy.registry import Registry
from deploy.session_keeping import kept_over_kafka
from deploy.session_link import sharing, watching
from deploy.settings import CasterSettings, Settings
from deploy.store_writer import STORED, StoreWriter
from storage.sqlite import SqliteStore
from streams import codec
from streams.definitions import PrivacyDefinition, values_of
from streams.kafka import admin
from streams.kafka.output import Message, Output
from streams.kafka.reader import Reader
from streams.records import Change, Changes
from streams.topics import KEPT_SESSIONS, REGISTRY, SESSIONS
from tests.connectors.test_caster import Setup, caster
from tests.connectors.test_rover_watch import LATITUDE, LONGITUDE, digits, gga
from tests.servers import KafkaServer
from tests.waiting import until

pytestmark = pytest.mark.integration

PATIENCE_S = 60.0


@contextlib.asynccontextmanager
async def house(
    folder: Path, kafka: KafkaServer, prefix: str
) -> AsyncIterator[tuple[Setup, Sessions, SqliteStore]]:
    """Run a caster, who watches its sessions, and who stores them."""
    access = kafka.access
    settings = Settings(caster=CasterSettings(position_decimals=3, session_days=30))
    async with contextlib.AsyncExitStack() as stack:
        store = stack.enter_context(contextlib.closing(SqliteStore(folder / "s.db")))
        writer = StoreWriter(
            store, lambda begin: Reader(access, STORED, begin, prefix), Output(access, "test-store"),
            wall_clock_us, prefix,
        )  # fmt: skip
        storing = asyncio.create_task(writer.run())
        stack.push_async_callback(asyncio.gather, storing, return_exceptions=True)
        stack.callback(storing.cancel)
        book = await stack.enter_async_context(watching(access, prefix))
        at = await stack.enter_async_context(caster(privacy=PrivacyDefinition(addresses="none")))
        edge = Edge(settings, Registry.of(settings), caster=at.caster)
        await stack.enter_async_context(following(edge, access, prefix, folder / "copy", patience_s=0.0))
        await stack.enter_async_context(sharing(at.caster.admission, access, prefix))
        await stack.enter_async_context(kept_over_kafka(at.caster, access, prefix))
        yield at, book, store


async def all_messages(kafka: KafkaServer, prefix: str) -> bytes:
    reader = Reader(kafka.access, [SESSIONS, KEPT_SESSIONS], {}, prefix)
    await reader.start()
    found = b""
    try:
        while not await reader.is_at_end():
            found += b"".join(one.value for one in await reader.next(0.2))
    finally:
        await reader.stop()
    return found


async def test_a_session_is_told_and_kept_as_privacy_has_it_now(
    tmp_path: Path, kafka: KafkaServer, prefix: str
) -> None:
    await admin.apply(kafka.access, prefix=prefix)
    async with house(tmp_path, kafka, prefix) as (at, book, store):
        await until(lambda: at.caster.watch.privacy.position_decimals == 3, PATIENCE_S)
        _, writer = await at.listen()
        writer.write(gga())
        await writer.drain()
        await until(lambda: [one.longitude for one in book.every()] == [round(LONGITUDE, 3)], PATIENCE_S)
        (one,) = book.every()
        assert (one.base, one.quality, one.address) == ("WUHN", 4, "127.0.0.0/24")

        coarser = PrivacyDefinition(position_decimals=1, addresses="none", days=30)
        change = Change(
            kind="privacy", id="rovers", version=1, verb="put", before=None, after=values_of(coarser),
            by="Li", at_us=1, command_id="1",
        )  # fmt: skip
        output = Output(kafka.access, "test")
        message = codec.encode(Changes(changes=[change]))
        await output.send([Message(prefix + REGISTRY.name, 0, message, key=b"privacy/rovers")])
        await output.close()
        await until(lambda: [one.longitude for one in book.every()] == [114.4], PATIENCE_S)
        assert [one.address for one in book.every()] == [""]

        await at.hang_up()
        await until(lambda: [one.is_over for one in store.kept_sessions().items] == [True], PATIENCE_S)
        (kept,) = store.kept_sessions().items
        assert (kept.longitude, kept.latitude, kept.decimals, kept.fixed) == (114.4, 30.5, 1, 1)
        assert [(leg.base, leg.longitude) for leg in kept.legs] == [("WUHN", None)]
        assert store.object("privacy", "rovers") == change
        await until(lambda: not book.every(), PATIENCE_S)
    told = await all_messages(kafka, prefix)
    assert b"WUHN" in told
    for trace in (*digits(LONGITUDE), *digits(LATITUDE), b"127.0.0.1"):
        assert trace not in told
