"""One account in the casters of a centre and two regions: counted once, cut off, and settled afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from connectors.caster import above
from connectors.caster.relay import Relay
from connectors.caster.server import Caster
from deploy.casting import casting
from deploy.edge import Edge
from deploy.following import following
from deploy.following_above import following_above
from deploy.registry import Registry
from deploy.session_link import sharing
from deploy.settings import CasterSettings, Settings
from sensors.model import Station
from streams.definitions import AccountDefinition, values_of
from streams.kafka import admin
from streams.kafka.access import Access
from streams.kafka.output import Message, Output
from streams.partitions import keyed
from streams.passwords import hashed
from streams.records import Change, Changes
from streams.topics import REGISTRY, topics_with
from tests.connectors.test_caster import V1, V2, basic
from tests.integration.processes import Process, eventually, started
from tests.integration.test_regions import two_brokers
from tests.rtcm_frames import text_frame

pytestmark = pytest.mark.integration

CUT_OFF_US = 16_000_000
"""In place of 150 s; a bridge is heard each 10 s."""
MOUNTPOINT = "WUHN"
FRAMES = text_frame("an epoch of the station")
TOP = """
[kafka]
servers = "{centre}"

[regions]
here = "zhejiang"
node = [
    {{ name = "zhejiang", level = "province" }},
    {{ name = "hangzhou", level = "city", parent = "zhejiang" }},
    {{ name = "jiaxing", level = "city", parent = "zhejiang" }},
]
"""
BELOW = """
[kafka]
servers = "{own}"
prefix = "{name}."

[regions]
here = "{name}"
node = [
    {{ name = "zhejiang", level = "province", kafka = "{centre}" }},
    {{ name = "{name}", level = "city", parent = "zhejiang" }},
]
"""


@dataclass
class Rover:
    """A connection that reads what comes, until it is ended."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def is_cut(self) -> bool:
        """Return whether the caster has ended it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.02):
                while await self.reader.read(65536):
                    pass
                return True
        return False


@dataclass
class Installation:
    """A caster of a region, and its registry."""

    name: str
    access: Access
    prefix: str
    caster: Caster
    edge: Edge
    relay: Relay
    _output: Output = field(init=False)
    _version: int = 0
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._output = Output(self.access, "control")

    async def register(self, name: str, password: str, **more: Any) -> None:
        """Do as the worker does that answers commands."""
        self._version += 1
        made = AccountDefinition(password_hash=hashed(password, f"salt of {name}"), **more)
        change = Change(
            kind="account", id=name, version=self._version, verb="put", before=None, after=values_of(made),
            by="Li", at_us=1, command_id=f"{self._version}",
        )  # fmt: skip
        messages = keyed(Changes(changes=[change]))
        await self._output.send(
            [Message(self.prefix + REGISTRY.name, 0, value, key=key) for key, value in messages]
        )

    async def ask(self, name: str, password: str, head: bytes = V1) -> tuple[bytes, Rover]:
        """Return the first line of the answer to a rover, and the rover."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.caster.port)
        self._writers.append(writer)
        writer.write(head[:-2] + basic(name, password))
        async with asyncio.timeout(60):
            return await reader.readline(), Rover(reader, writer)

    async def rover(self, name: str, password: str) -> Rover | None:
        """Return a rover that gets a stream; None: it was not let in."""
        line, rover = await self.ask(name, password)
        if line.startswith(b"ICY 200"):
            return rover
        rover.writer.close()
        return None

    def count(self, name: str) -> int:
        """Return how many sessions of an account it knows of."""
        sessions = self.caster.admission.sessions
        return sessions.count(self.caster.accounts.id_of(name))

    def used(self, name: str) -> int:
        """Return the bytes of an account in this month, as it knows them."""
        volumes = self.caster.admission.volumes
        return volumes.used(self.caster.accounts.id_of(name), time.time_ns() // 1000)[1]

    def publish(self) -> None:
        """Let its rovers have an epoch, and count it."""
        self.relay.publish(MOUNTPOINT, FRAMES)
        self.caster.admission.settle()

    async def close(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
        await self._output.close()


@contextlib.asynccontextmanager
async def installation(name: str, access: Access, prefix: str, folder: Path) -> AsyncIterator[Installation]:
    """Run what `groundswell caster` does, without its gatherers."""
    settings = Settings(caster=CasterSettings(cut_off_sessions=1))
    relay = Relay(asyncio.get_running_loop().time)
    stations = [Station(id=MOUNTPOINT, name="Wuhan")]
    data = folder / f"data-{name}"
    async with contextlib.AsyncExitStack() as stack:
        caster = await stack.enter_async_context(
            casting(
                relay, lambda: stations, settings, ("127.0.0.1", 0), folder=data, follows_changes=True
            )
        )  # fmt: skip
        edge = Edge(settings, Registry.of(settings), caster=caster, follows_above=True)
        await stack.enter_async_context(following(edge, access, prefix, data / "accounts", patience_s=0.0))
        await stack.enter_async_context(following_above(edge, access, prefix, data / "accounts"))
        await stack.enter_async_context(sharing(caster.admission, access, prefix))
        made = Installation(name, access, prefix, caster, edge, relay)
        stack.push_async_callback(made.close)
        yield made


class Country:
    """The casters and bridges, and what is asked of them."""

    def __init__(self, logs: Path, bridges: dict[str, Process]) -> None:
        self.logs, self.bridges = logs, bridges
        self.took_s: dict[str, float] = {}

    async def until(self, condition: Callable[[], Awaitable[object]], what: str) -> Any:
        begin_s = time.monotonic()
        found = await eventually(condition, what, self.logs)
        self.took_s[what] = round(time.monotonic() - begin_s, 2)
        return found


async def _are(left: list[int], right: list[int]) -> bool:
    return left == right


@contextlib.asynccontextmanager
async def country(folder: Path) -> AsyncIterator[tuple[Country, list[Installation]]]:
    async with contextlib.AsyncExitStack() as stack:
        far, centre = stack.enter_context(two_brokers(folder))
        await asyncio.gather(
            admin.apply(far.access, prefix="hangzhou."),
            admin.apply(centre.access, topics=topics_with(["hangzhou", "jiaxing"])),
        )
        await admin.apply(centre.access, prefix="jiaxing.")
        (folder / "zhejiang.toml").write_text(TOP.format(centre=centre.bootstrap))
        brokers = {"hangzhou": far, "jiaxing": centre}
        for name, own in brokers.items():
            text = BELOW.format(name=name, own=own.bootstrap, centre=centre.bootstrap)
            (folder / f"{name}.toml").write_text(text)
        bridges = {
            name: stack.enter_context(
                started(folder, f"bridge-{name}", "bridge", "--config", str(folder / f"{name}.toml"))
            )
            for name in ("zhejiang", *brokers)
        }
        found = [await stack.enter_async_context(installation("zhejiang", centre.access, "", folder))]
        for name, own in brokers.items():
            one = installation(name, own.access, f"{name}.", folder)
            found.append(await stack.enter_async_context(one))
        yield Country(folder, bridges), found


async def test_an_account_of_the_centre_is_one_account_in_all_regions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(above, "CUT_OFF_US", CUT_OFF_US)
    async with country(tmp_path) as (whole, (zhejiang, hangzhou, jiaxing)):
        await begin(whole, zhejiang, hangzhou, jiaxing)
        await hand_over(whole, zhejiang, hangzhou, jiaxing)
        await disable(whole, zhejiang, hangzhou, jiaxing)
        await cut_off(whole, zhejiang, hangzhou, jiaxing)
        print(json.dumps(whole.took_s))


async def begin(
    whole: Country, zhejiang: Installation, hangzhou: Installation, jiaxing: Installation
) -> None:
    """Let everything run, and accounts of the regions themselves be known."""
    await hangzhou.register("local", "l")
    await hangzhou.register("wu", "of hangzhou")
    await zhejiang.register("first", "f")
    for one in (zhejiang, hangzhou, jiaxing):
        rover = await whole.until(lambda one=one: one.rover("first", "f"), f"the first account: {one.name}")
        rover.writer.close()
    await whole.until(lambda: _are([one.count("first") for one in (zhejiang, hangzhou, jiaxing)], [0] * 3),
                      "all ends are told")  # fmt: skip
    rover = await hangzhou.rover("wu", "of hangzhou")
    assert rover is not None
    await zhejiang.register("li", "li's", most_sessions=1)
    for one in (hangzhou, jiaxing):
        found = await whole.until(lambda one=one: one.rover("li", "li's"), f"registered, usable: {one.name}")
        found.writer.close()

    # an account of the centre holds, not one of the region with its name
    await zhejiang.register("wu", "of zhejiang", regions=["hangzhou"])
    await whole.until(rover.is_cut, "a rover of the covered account is cut")
    assert await hangzhou.rover("wu", "of hangzhou") is None
    assert hangzhou.edge.covered == 1
    found = await hangzhou.rover("wu", "of zhejiang")
    assert found is not None
    found.writer.close()
    assert [change.id for change in jiaxing.edge.from_above.changes] == ["..:first", "..:li"]
    assert zhejiang.count("local") == 0


async def hand_over(
    whole: Country, zhejiang: Installation, hangzhou: Installation, jiaxing: Installation
) -> None:
    """Let a rover go over the border whose connection in the one region is half-open."""
    everywhere = zhejiang, hangzhou, jiaxing
    await whole.until(lambda: _are([one.count("li") for one in everywhere], [0] * 3), "no session of li")
    before = await hangzhou.rover("li", "li's")
    assert before is not None
    await whole.until(lambda: _are([one.count("li") for one in everywhere], [1] * 3), "one session is told")
    after = await jiaxing.rover("li", "li's")
    assert after is not None, "nobody waits for the old one's end"
    await whole.until(before.is_cut, "the older session in the other region ends")
    await whole.until(lambda: _are([one.count("li") for one in everywhere], [1] * 3), "one session is left")
    (session,) = zhejiang.caster.admission.sessions.every()
    assert (session.account, session.region, session.mountpoint) == ("li", "jiaxing", "")
    jiaxing.publish()
    assert not await after.is_cut()
    assert hangzhou.caster.admission.given_way == {"..:jiaxing": 1}
    after.writer.close()


async def disable(
    whole: Country, zhejiang: Installation, hangzhou: Installation, jiaxing: Installation
) -> None:
    """Close an account at the centre."""
    await zhejiang.register("chen", "c")
    rover = await whole.until(lambda: hangzhou.rover("chen", "c"), "an account to be closed")
    await zhejiang.register("chen", "c", enabled=False)
    await whole.until(rover.is_cut, "disabled at the centre, cut in the region")
    line, refused = await hangzhou.ask("chen", "c", V2)
    assert line.startswith(b"HTTP/1.1 403")
    refused.writer.close()


async def cut_off(
    whole: Country, zhejiang: Installation, hangzhou: Installation, jiaxing: Installation
) -> None:
    """Cut a region off: it goes on by what it knows, and all agree again later."""
    admission = hangzhou.caster.admission
    await zhejiang.register("two", "t", most_sessions=2)
    await whole.until(lambda: _known(hangzhou, "two"), "an account with two sessions")
    whole.bridges["hangzhou"].kill()

    async def is_cut_off() -> bool:
        return admission.above.contacts(time.time_ns() // 1000) == ("cut off",)

    await whole.until(is_cut_off, "the region says that it is cut off")
    first = await hangzhou.rover("two", "t")
    assert first is not None
    second = await hangzhou.rover("two", "t")
    assert second is not None
    await whole.until(first.is_cut, "its own limit holds")
    others = [await one.rover("two", "t") for one in (zhejiang, jiaxing)]
    assert all(others), "elsewhere the account has all of its sessions"
    await zhejiang.register("late", "l")
    for one in (zhejiang, hangzhou, jiaxing):
        one.publish()
    apart = hangzhou, zhejiang, jiaxing
    await whole.until(lambda: _are([one.count("two") for one in apart], [1, 2, 2]), "each side counts alone")

    whole.bridges["hangzhou"].start()
    await whole.until(second.is_cut, "the oldest of three ends")
    everywhere = zhejiang, hangzhou, jiaxing
    await whole.until(lambda: _are([one.count("two") for one in everywhere], [2] * 3), "counts are settled")
    for other in others:
        assert other is not None
        assert not await other.is_cut()
    sums = [3 * len(FRAMES)] * 3
    await whole.until(lambda: _are([one.used("two") for one in everywhere], sums), "volumes are settled")
    await whole.until(lambda: _known(hangzhou, "late"), "what was registered meanwhile")

    whole.bridges["hangzhou"].kill()
    await whole.until(is_cut_off, "cut off once more")
    refused_before = hangzhou.caster.counters.refused["cut off"]
    admission.above.keep_us = 1
    line, refused = await hangzhou.ask("two", "t")
    assert line.startswith(b"HTTP/1.0 503"), "for too long"
    refused.writer.close()
    assert await hangzhou.rover("local", "l") is not None
    assert hangzhou.caster.counters.refused["cut off"] == refused_before + 1


async def _known(one: Installation, name: str) -> bool:
    return one.caster.accounts.get(name) is not None
