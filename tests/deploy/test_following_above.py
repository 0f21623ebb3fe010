"""Accounts of the regions above in a caster: from Kafka or a copy, and which of two of a name holds."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from deploy import following_above as room
from deploy.clock import wall_clock_us
from deploy.edge import Edge
from deploy.following import following
from deploy.following_above import following_above
from deploy.registry import Registry
from deploy.settings import CasterSettings, Settings
from streams import codec
from streams.definitions import AccountDefinition, values_of
from streams.kafka.access import Access
from streams.kafka.reader import Read
from streams.passwords import hashed
from streams.records import Change, Changes, Heard, Record
from streams.topics import REGIONAL_ACCOUNTS
from tests.connectors.test_caster import V1, basic
from tests.deploy.test_following import EARLY, GIVEN, REFUSED, edge_of, first_line
from tests.program import free_port
from tests.waiting import until


def account(name: str, password: str = "above", version: int = 1, **more: Any) -> Change:
    made = AccountDefinition(password_hash=hashed(password, "salt"), **more)
    return Change(kind="account", id=name, version=version, verb="put", before=None, after=values_of(made),
                  by="", at_us=1, command_id="")  # fmt: skip


def asking(password: str) -> bytes:
    return V1[:-2] + basic("li", password)


class Bridge:
    """In place of a reader: what the region's bridge has said, and says."""

    def __init__(self, said: Sequence[Record | bytes]) -> None:
        self.waiting = list(said)
        self.error = ""

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    async def is_at_end(self) -> bool:
        return not self.waiting

    async def next(self, _: float) -> list[Read]:
        found, self.waiting = self.waiting, []
        await asyncio.sleep(0.01)
        messages = [one if isinstance(one, bytes) else codec.encode(one) for one in found]
        return [Read(REGIONAL_ACCOUNTS, 0, 0, message, []) for message in messages]


AWAY = Access("127.0.0.1:1")


def followed(edge: Edge) -> Edge:
    return Edge(edge.settings, edge.registry, caster=edge.caster, follows_above=True)


async def test_nobody_is_let_in_before_accounts_of_here_and_of_above_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = [Changes(changes=[account("..:li")]), b"nonsense", Heard(at_us=wall_clock_us(), ages_us=[0])]
    bridge = Bridge(said)
    monkeypatch.setattr(room, "Reader", lambda *_: bridge)
    async with edge_of(Settings(), tmp_path) as made:
        edge = followed(made)
        edge.know()
        assert (await first_line(edge.caster, asking("above"))).startswith(EARLY)
        async with following_above(edge, AWAY, "", tmp_path / "accounts") as follower:
            await until(lambda: follower.is_complete)
            assert (await first_line(edge.caster, asking("above"))).startswith(GIVEN)
            assert (await first_line(edge.caster, asking("own"))).startswith(REFUSED)
            assert (await first_line(edge.caster, V1)).startswith(REFUSED), "it is open to nobody any more"
            assert follower.unreadable == 1
            bridge.waiting.append(Changes(changes=[account("..:li", "changed", version=2)]))
            await until(lambda: not bridge.waiting)
            await until(lambda: edge.from_above.changes[0].version == 2)
            assert (await first_line(edge.caster, asking("changed"))).startswith(GIVEN)
    copy = tmp_path / "accounts.above"
    assert copy.stat().st_mode & 0o777 == 0o600
    kept = [codec.decode(one) for one in msgspec.msgpack.decode(copy.read_bytes(), type=list[bytes])]
    assert isinstance(kept[0], Changes)
    assert [one.version for one in kept[0].changes] == [2]


@pytest.mark.parametrize(
    ("copies", "line"),
    [
        ({}, EARLY),
        ({"accounts": b"nonsense"}, EARLY),
        ({"accounts": codec.encode(Changes(changes=[account("wu")]))}, REFUSED),
        (
            {
                "accounts": codec.encode(Changes(changes=[])),
                "accounts.above": msgspec.msgpack.encode([codec.encode(Changes(changes=[account("..:li")]))]),
            },
            b"HTTP/1.0 503",
        ),
        ({"accounts": codec.encode(Changes(changes=[])), "accounts.above": b"nonsense"}, GIVEN),
    ],
    ids=["first start", "broken", "of an older program", "never heard", "broken above"],
)
async def test_a_start_without_kafka_goes_by_the_copies(
    tmp_path: Path, copies: dict[str, bytes], line: bytes
) -> None:
    for name, content in copies.items():
        (tmp_path / name).write_bytes(content)
    away = Access(f"127.0.0.1:{free_port()}")
    async with edge_of(Settings(), tmp_path) as made:
        edge = followed(made)
        async with (
            following(edge, away, "", tmp_path / "accounts", patience_s=0.0),
            following_above(edge, away, "", tmp_path / "accounts"),
        ):
            assert (await first_line(edge.caster, asking("above"))).startswith(line)


async def test_a_copy_that_is_new_enough_lets_in_without_kafka(tmp_path: Path) -> None:
    kept = [Changes(changes=[account("..:li")]), Heard(at_us=wall_clock_us() - 3_000_000_000, ages_us=[0])]
    (tmp_path / "accounts").write_bytes(codec.encode(Changes(changes=[])))
    (tmp_path / "accounts.above").write_bytes(msgspec.msgpack.encode([codec.encode(one) for one in kept]))
    away = Access(f"127.0.0.1:{free_port()}")
    for hours, line in ((1.0, GIVEN), (0.5, b"HTTP/1.0 503")):
        config = Settings(caster=CasterSettings(cut_off_hours=hours))
        async with edge_of(config, tmp_path) as made:
            edge = followed(made)
            async with (
                following(edge, away, "", tmp_path / "accounts", patience_s=0.0),
                following_above(edge, away, "", tmp_path / "accounts"),
            ):
                assert (await first_line(edge.caster, asking("above"))).startswith(line)


async def test_of_two_accounts_of_a_name_that_of_the_highest_region_holds(tmp_path: Path) -> None:
    config = Settings(caster=CasterSettings(users={"li": "own", "wu": "own"}))
    async with edge_of(config, tmp_path) as made:
        edge = Edge(config, Registry.of(config), caster=made.caster)
        assert edge.caster is not None
        edge.caster.admission.above.heard_us = [wall_clock_us()] * 2
        accounts = edge.caster.accounts
        for changes, password, identity, covered in (
            ([], "own", "li", 0),
            ([account("..:li")], "above", "..:li", 1),
            ([account("..:..:li", "top")], "top", "..:..:li", 1),
            ([account("..:li", "new", version=2)], "top", "..:..:li", 1),
            ([_gone("..:..:li", 3)], "new", "..:li", 1),
            ([_gone("..:li", 4)], "own", "li", 0),
        ):
            await edge.take_above(Changes(changes=changes))
            assert (await first_line(edge.caster, asking(password))).startswith(GIVEN)
            assert (accounts.id_of("li"), edge.covered) == (identity, covered)
            assert accounts.by_id(identity) is not None
            others = {"li", "..:li", "..:..:li"} - {identity}
            assert [accounts.by_id(one) for one in others] == [None, None]


def _gone(name: str, version: int) -> Change:
    return Change(kind="account", id=name, version=version, verb="delete", before=None, after=None, by="",
                  at_us=1, command_id="")  # fmt: skip
