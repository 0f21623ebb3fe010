"""Accounts from a parent's registry to a region's casters, through cuts and kills at both ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from streams import codec
from streams.kafka import account_lines
from streams.kafka.access import Access
from streams.kafka.account_lines import HEARD_KEY, AccountReceiver, AccountTeller
from streams.kafka.bridge import Side
from streams.kafka.output import Message
from streams.records import Change, Changes, Heard
from tests.streams.kafka.memory_kafka import Kafkas
from tests.waiting import until

HASH = {"password_hash": "argon2id"}
TOP, REGION = Side(Access("china")), Side(Access("zhejiang"), "z.")


@dataclass
class Line:
    """What is in the Kafkas, and who works."""

    kafkas: Kafkas
    now_us: int = 1_000_000_000
    changed: int = 0
    version: int = 0
    teller: AccountTeller = field(init=False)
    receiver: AccountReceiver = field(init=False)

    def change(self, name: str, after: dict[str, Any] | None) -> None:
        self.version += 1
        made = Change(kind="account", id=name, version=self.version, verb="put", before=None, after=after,
                      by="Li", at_us=1, command_id="c")  # fmt: skip
        message = codec.encode(Changes(changes=[made]))
        self.kafkas.logs["china", "registry"].append(Message("registry", 0, message))

    def known(self) -> dict[str, Any]:
        """Return what the region's casters know."""
        found: dict[str, Any] = {}
        for message in self.kafkas.logs["zhejiang", "z.regional-accounts"]:
            batch = codec.decode(message.value)
            if isinstance(batch, Changes):
                assert message.key is not None
                found |= {one.id: one.after for one in batch.changes}
        return {name: after for name, after in found.items() if after}

    def heard(self) -> list[Heard]:
        log = self.kafkas.logs["zhejiang", "z.regional-accounts"]
        found = [codec.decode(one.value) for one in log if one.key == HEARD_KEY]
        return [one for one in found if isinstance(one, Heard)]

    def _note(self) -> None:
        self.changed += 1

    @contextlib.asynccontextmanager
    async def telling(self) -> AsyncIterator[None]:
        self.teller = AccountTeller("china", ["zhejiang", "hubei"], TOP, lambda: self.now_us, self._note)
        async with _running(self.teller.run()):
            yield

    @contextlib.asynccontextmanager
    async def receiving(self) -> AsyncIterator[None]:
        self.receiver = AccountReceiver("zhejiang", TOP, REGION, lambda: self.now_us)
        async with _running(self.receiver.run()):
            yield


@contextlib.asynccontextmanager
async def _running(work: Any) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        assert not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Line:
    monkeypatch.setattr(account_lines, "HEARD_S", 0.02)
    kafkas = Kafkas()
    kafkas.install(monkeypatch, "streams.kafka.account_lines")
    return Line(kafkas)


async def test_what_is_registered_is_known_below_where_it_may_be(line: Line) -> None:
    line.change("li", HASH)
    line.change("wu", {**HASH, "regions": ["hubei"]})
    async with line.telling(), line.receiving():
        await until(lambda: line.known() == {"..:li": HASH})
        line.change("wu", {**HASH, "regions": ["zhejiang"]})
        await until(lambda: line.known() == {"..:li": HASH, "..:wu": HASH})
        line.change("li", {**HASH, "enabled": False})
        line.change("wu", None)
        await until(lambda: line.known() == {"..:li": {**HASH, "enabled": False}})
        await until(lambda: len(line.heard()) > 2)
        assert (line.teller.error, line.receiver.error) == ("", "")
        assert line.changed >= 3
        assert len(line.teller.told["zhejiang"]) == len(line.teller.told["hubei"]) == 1
    said = line.kafkas.logs["china", "accounts-zhejiang"]
    assert not any(b"Li" in message.value for message in said), "who changed it is nobody's business there"


async def test_what_changes_while_one_end_is_dead_is_noticed(line: Line) -> None:
    line.change("li", HASH)
    line.change("wu", HASH)
    async with line.telling(), line.receiving():
        await until(lambda: len(line.known()) == 2)
    line.change("li", None)
    async with line.receiving():
        await asyncio.sleep(0.05)
        assert len(line.known()) == 2, "nobody has told it"
    async with line.telling():
        await until(lambda: len(line.kafkas.logs["china", "accounts-zhejiang"]) > 4)
    async with line.telling(), line.receiving():
        await until(lambda: line.known() == {"..:wu": HASH})
    line.kafkas.logs["china", "accounts-zhejiang"].clear()  # the parent's Kafka was lost, and made anew
    line.kafkas.logs["china", "registry"].clear()
    line.change("chen", HASH)
    async with line.receiving():
        await asyncio.sleep(0.05)
        assert line.known() == {"..:wu": HASH}, "silence deletes nothing"
        async with line.telling():
            await until(lambda: line.known() == {"..:chen": HASH})


async def test_what_was_said_before_the_start_is_no_sign_of_life(line: Line) -> None:
    async with line.telling(), line.receiving():
        await until(lambda: bool(line.heard()))
    before = len(line.heard())
    async with line.receiving():
        await asyncio.sleep(0.05)
        assert len(line.heard()) == before
        assert line.receiver.error.startswith("zhejiang/accounts-in: has heard nothing of accounts yet")


async def test_a_region_that_is_cut_off_hears_nothing_and_all_of_it_afterwards(line: Line) -> None:
    async with line.telling(), line.receiving():
        await until(lambda: bool(line.heard()))
        line.kafkas.away.add("zhejiang")
        line.change("li", HASH)
        await asyncio.sleep(0.05)
        assert line.known() == {}
        line.kafkas.away.clear()
        await until(lambda: line.known() == {"..:li": HASH})


async def test_a_region_further_down_knows_how_old_word_from_the_top_is(line: Line) -> None:
    """`china` is itself below another one, whose word is 7 s old."""
    above = Heard(at_us=line.now_us - 3_000_000, ages_us=[4_000_000, 50_000_000])
    line.kafkas.logs["china", "regional-accounts"].append(Message("", 0, codec.encode(above), key=HEARD_KEY))
    own = Change(kind="account", id="..:top", version=1, verb="put", before=None, after=HASH, by="", at_us=1,
                 command_id="")  # fmt: skip
    message = codec.encode(Changes(changes=[own]))
    line.kafkas.logs["china", "regional-accounts"].append(Message("", 0, message, key=b"account/..:top"))
    async with line.telling(), line.receiving():
        await until(lambda: line.known() == {"..:..:top": HASH})
        await until(lambda: bool(line.heard()))
        assert line.heard()[-1].ages_us == [0, 7_000_000, 53_000_000]


async def test_nonsense_harms_nobody(line: Line) -> None:
    line.kafkas.logs["china", "accounts-zhejiang"].append(Message("", 0, b"nonsense"))
    line.change("li", HASH)
    async with line.telling(), line.receiving():
        await until(lambda: line.known() == {"..:li": HASH})
        assert (line.teller.left_out, line.receiver.left_out) == (1, 1)
