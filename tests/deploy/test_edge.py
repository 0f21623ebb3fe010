"""The embedded program follows commands at once, and after a restart and a kill."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from connectors.caster.relay import Relay
from connectors.caster.server import Caster
from deploy.addresses import Addresses
from deploy.clock import wall_clock_us
from deploy.data_folder import open_store
from deploy.edge import Edge
from deploy.registry import Registry
from deploy.service import Service, opened
from deploy.settings import CasterSettings, Settings, StationSettings
from sensors.model import Station
from streams.definitions import AccountDefinition, StationDefinition, values_of
from streams.passwords import hashed
from streams.records import Change, Changes, Command
from tests.connectors.test_caster import basic
from tests.rtcm_frames import text_frame
from tests.waiting import until


@contextlib.asynccontextmanager
async def upstream() -> AsyncIterator[int]:
    """Run a caster with three streams; yields its port."""
    relay = Relay(asyncio.get_running_loop().time)
    caster = Caster(relay, lambda: [Station(id=name, name=name) for name in ("A", "B", "C")], wall_clock_us)
    await caster.start("127.0.0.1", 0)

    async def send() -> None:
        while True:
            for name in ("A", "B", "C"):
                relay.publish(name, text_frame(name))
            await asyncio.sleep(0.05)

    sending = asyncio.create_task(send())
    try:
        yield caster.port
    finally:
        sending.cancel()
        await caster.stop()


WRITERS: list[asyncio.StreamWriter] = []
"""Of rovers: they go when their test is over."""


def settings(port: int) -> Settings:
    return Settings(
        station=[
            StationSettings(id=name, source=f"ntrip://127.0.0.1:{port}/{name}", stall_s=600.0)
            for name in ("A", "B")
        ],
        caster=CasterSettings(users={"rover": "plain"}),
    )


@contextlib.asynccontextmanager
async def running(config: Settings, folder: Path) -> AsyncIterator[Service]:
    async with opened(config, folder, Addresses(None, ("127.0.0.1", 0))) as service:
        service.edge.connect()
        yield service


async def ask(service: Service, kind: str, target: str, **arguments: object) -> str:
    name = f"{kind} {target} {wall_clock_us()}"
    command = Command(id=name, kind=kind, target=target, by="Li", at_us=wall_clock_us(), arguments=arguments)  # type: ignore[arg-type]
    outcome = await service.runtime.command(command)
    assert outcome.ok, outcome.message
    return outcome.message


def phases(service: Service) -> dict[str, str]:
    return {state.id: state.phase for state in service.sources.streams}


async def phase(service: Service, **wanted: str) -> None:
    await until(lambda: wanted.items() <= phases(service).items(), 60.0)


async def rover(service: Service, user: str, password: str, mountpoint: str = "A") -> asyncio.StreamReader:
    assert service.addresses.ntrip is not None
    reader, writer = await asyncio.open_connection(*service.addresses.ntrip)
    writer.write(f"GET /{mountpoint} HTTP/1.0\r\nUser-Agent: NTRIP test\r\n".encode() + basic(user, password))
    WRITERS.append(writer)
    async with asyncio.timeout(60):
        assert (await reader.readline()).startswith(b"ICY 200")
        await reader.readuntil(b"\r\n")
    return reader


async def test_commands_hold_at_once_and_after_a_restart(tmp_path: Path) -> None:
    async with upstream() as port:
        try:
            await follow(tmp_path, port)
        finally:
            for writer in WRITERS:
                writer.transport.abort()
            await asyncio.gather(*(w.wait_closed() for w in WRITERS), return_exceptions=True)
            WRITERS.clear()
    with contextlib.closing(open_store(tmp_path)) as store:
        assert [row.ok for row in store.commands()].count(False) == 1


async def follow(tmp_path: Path, port: int) -> None:
    config = settings(port)
    async with running(config, tmp_path) as service:
        await phase(service, A="streaming", B="streaming")
        task_of_b = service.sources._stations["B"]
        await ask(service, "patch", "station/A", paused=True)
        await phase(service, A="stopped", B="streaming")
        await ask(service, "put", "station/C", source=f"ntrip://127.0.0.1:{port}/C", stall_s=600)
        await phase(service, C="streaming")
        await ask(service, "patch", "station/B", antenna="LEIAR25.R4 LEIT", name="Bravo")
        assert service.sources._stations["B"] is task_of_b, "an antenna is no matter of the connector"
        listening = await rover(service, "rover", "plain", "B")
        await ask(service, "patch", "account/rover", enabled=False)
        async with asyncio.timeout(60):
            await listening.read()  # to its end
        await ask(service, "put", "account/other", password="new")
        await rover(service, "other", "new", "C")
        assert [s.id for s in service.store.stations().items] == ["A", "B", "C"]
        assert [(s.name, s.paused) for s in service.store.stations().items] == [
            ("A", True), ("Bravo", False), ("C", False),
        ]  # fmt: skip
    async with running(config, tmp_path) as service:
        await phase(service, B="streaming", C="streaming")
        assert "A" not in phases(service)
        await rover(service, "other", "new", "C")
        assert [c.key for c in service.runtime.standing.changes] == [
            ("station", "A"), ("station", "C"), ("station", "B"), ("account", "rover"), ("account", "other"),
        ]  # fmt: skip
        await ask(service, "revert", "station/A")
        await phase(service, A="streaming")
        await ask(service, "delete", "station/C")
        await phase(service, C="stopped")
        assert [s.id for s in service.store.stations().items] == ["A", "B"]
        refused = Command(id="x", kind="patch", target="station/C", by="Li", at_us=wall_clock_us())
        outcome = await service.runtime.command(refused)
        assert (outcome.ok, "no such station" in outcome.message) == (False, True)


async def test_a_gatherer_takes_what_is_its_own() -> None:
    config = Settings(station=[StationSettings(id="A", source="tcp://h:1")])
    edge = Edge(config, Registry.of(config))

    def change(version: int, name: str, **values: object) -> Change:
        made = StationDefinition(source="tcp://h:2", **values)  # type: ignore[arg-type]
        return Change(
            kind="station", id=name, version=version, verb="put", before=None, after=values_of(made), by="",
            at_us=0, command_id="",
        )  # fmt: skip

    await edge.take(Changes(changes=[change(1, "B"), change(2, "C", gatherer="north")]))
    assert [station.id for station in edge.stations] == ["A", "B"]
    await edge.take(Changes(changes=[change(3, "A", gatherer="north")]))
    assert [station.id for station in edge.stations] == ["B"]
    assert edge.standing.changes[-1].id == "A"


async def test_who_deletes_the_last_account_does_not_open_the_caster() -> None:
    relay = Relay(asyncio.get_running_loop().time)
    config = Settings()
    edge = Edge(config, Registry.of(config), caster=Caster(relay, list, wall_clock_us))
    assert edge.caster is not None
    account = values_of(AccountDefinition(password_hash=hashed("x", "salt")))
    for version, after in ((1, account), (2, None)):
        one = Change(
            kind="account", id="a", version=version, verb="put" if after else "delete", before=None,
            after=after, by="", at_us=0, command_id="",
        )  # fmt: skip
        await edge.take(Changes(changes=[one]))
        assert not edge.caster.accounts.is_open


async def test_limits_of_an_account_hold_at_once_and_its_volume_after_a_restart(tmp_path: Path) -> None:
    async with upstream() as port:
        try:
            config = settings(port)
            async with running(config, tmp_path) as service:
                await phase(service, A="streaming")
                await ask(service, "put", "account/li", password="li's", mountpoints=["A"])
                first = await rover(service, "li", "li's")
                second = await rover(service, "li", "li's")
                assert [(one.account, one.mountpoint) for one in service.edge.sessions()] == [("li", "A")] * 2
                await ask(service, "patch", "account/li", most_sessions=1)
                async with asyncio.timeout(60):
                    await first.read()  # to its end
                await until(lambda: len(service.edge.sessions()) == 1)
                await second.readexactly(100)
                await ask(service, "patch", "account/li", day_bytes=1)
                async with asyncio.timeout(60):
                    await second.read()
            async with running(config, tmp_path) as service:
                await phase(service, A="streaming")
                with pytest.raises(AssertionError):
                    await rover(service, "li", "li's")
                await ask(service, "patch", "account/li", day_bytes=0)
                await rover(service, "li", "li's")
        finally:
            for writer in WRITERS:
                writer.transport.abort()
            await asyncio.gather(*(w.wait_closed() for w in WRITERS), return_exceptions=True)
            WRITERS.clear()
