"""Who is let in at a start while Kafka is away, with and without a copy of what was known."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from connectors.caster.relay import Relay
from connectors.caster.server import Caster
from deploy import following as room
from deploy.casting import casting
from deploy.edge import Edge
from deploy.following import following
from deploy.registry import Registry
from deploy.settings import CasterSettings, Settings
from sensors.model import Station
from streams import codec
from streams.definitions import AccountDefinition, StationDefinition, values_of
from streams.kafka.access import Access
from streams.kafka.registry import RegistryFollower
from streams.passwords import hashed
from streams.records import Change, Changes, ObjectKind
from tests.connectors.test_caster import V1, basic
from tests.program import free_port
from tests.waiting import until


def made(kind: ObjectKind, definition: AccountDefinition | StationDefinition) -> Change:
    return Change(
        kind=kind, id="li", version=1, verb="put", before=None, after=values_of(definition), by="Li", at_us=1,
        command_id="1",
    )  # fmt: skip


ACCOUNT = made("account", AccountDefinition(password_hash=hashed("li's", "salt")))
STATION = made("station", StationDefinition(source="ntrip://u:secret@h:1/M"))


@contextlib.asynccontextmanager
async def edge_of(settings: Settings, folder: Path) -> AsyncIterator[Edge]:
    relay = Relay(asyncio.get_running_loop().time)
    stations = [Station(id="WUHN", name="")]
    where = ("127.0.0.1", 0)
    async with casting(
        relay, lambda: stations, settings, where, folder=folder, follows_changes=True
    ) as caster:
        yield Edge(settings, Registry.of(settings), caster=caster)


async def first_line(caster: Caster | None, request: bytes) -> bytes:
    assert caster is not None
    reader, writer = await asyncio.open_connection("127.0.0.1", caster.port)
    writer.write(request)
    async with asyncio.timeout(60):
        line = await reader.readline()
    writer.transport.abort()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    return line


NAMED = V1[:-2] + basic("li", "li's")
GIVEN, REFUSED, EARLY = b"ICY 200", b"HTTP/1.0 401", b"HTTP/1.0 503"


@pytest.mark.parametrize(
    ("copy", "users", "stranger", "li"),
    [
        (None, {}, EARLY, EARLY),
        (b"nonsense", {}, EARLY, EARLY),
        (codec.encode(Changes(changes=[ACCOUNT])), {}, REFUSED, GIVEN),
        (codec.encode(Changes(changes=[])), {}, GIVEN, GIVEN),
        (None, {"li": "li's"}, REFUSED, GIVEN),
    ],
    ids=["first start", "broken copy", "accounts", "no accounts", "accounts of the file"],
)
async def test_a_start_without_kafka_goes_by_the_copy(
    tmp_path: Path, copy: bytes | None, users: dict[str, str], stranger: bytes, li: bytes
) -> None:
    if copy is not None:
        (tmp_path / "accounts").write_bytes(copy)
    away = Access(f"127.0.0.1:{free_port()}")
    async with edge_of(Settings(caster=CasterSettings(users=users)), tmp_path) as edge:
        before = await first_line(edge.caster, V1)
        assert before.startswith(REFUSED if users else EARLY)
        async with following(edge, away, "", tmp_path / "accounts", patience_s=0.0) as follower:
            assert not follower.is_complete
            assert (await first_line(edge.caster, V1)).startswith(stranger)
            assert (await first_line(edge.caster, NAMED)).startswith(li)


async def test_what_kafka_tells_opens_the_caster_and_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Answering(RegistryFollower):
        async def run(self) -> None:
            await self.tell(Changes(changes=[ACCOUNT, STATION]))
            self.is_complete = True
            await asyncio.Event().wait()

    monkeypatch.setattr(room, "RegistryFollower", Answering)
    folder = tmp_path / "not" / "there"
    async with (
        edge_of(Settings(), tmp_path) as edge,
        following(edge, Access("127.0.0.1:1"), "", folder / "accounts"),
    ):
        assert (await first_line(edge.caster, V1)).startswith(REFUSED)
        assert (await first_line(edge.caster, NAMED)).startswith(GIVEN)
    assert [path.name for path in folder.iterdir()] == ["accounts"]
    assert (folder / "accounts").stat().st_mode & 0o777 == 0o600
    kept = codec.decode((folder / "accounts").read_bytes())
    assert kept == Changes(changes=[ACCOUNT]), "a caster needs no passwords of stations"


async def test_accounts_are_trusted_for_a_time_while_kafka_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "LOOK_S", 0.02)
    copy = tmp_path / "accounts"
    copy.write_bytes(codec.encode(Changes(changes=[ACCOUNT])))
    away = Access(f"127.0.0.1:{free_port()}")
    async with edge_of(Settings(), tmp_path) as edge:
        async with following(edge, away, "", copy, patience_s=0.0, keep_s=3600.0):
            reader, writer = await asyncio.open_connection("127.0.0.1", edge.caster.port)  # type: ignore[union-attr]
            writer.write(NAMED)
            assert (await reader.readline()).startswith(GIVEN)
            os.utime(copy, (0, 0))
            await until(lambda: edge.caster is not None and not edge.caster.accounts.is_known)
            assert (await first_line(edge.caster, NAMED)).startswith(EARLY)
            assert len(edge.sessions()) == 1, "who is there stays"
            writer.transport.abort()
        async with following(edge, away, "", copy, patience_s=0.0, keep_s=3600.0):
            assert (await first_line(edge.caster, NAMED)).startswith(EARLY), "a restart makes it no younger"
        async with following(edge, away, "", copy, patience_s=0.0, keep_s=0.0):
            assert (await first_line(edge.caster, NAMED)).startswith(GIVEN)
