"""Sessions from the caster into the store, and privacy that holds at once in both."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import structlog

from connectors.caster.server import Caster
from deploy import session_keeping as room
from deploy.session_keeping import FORGET_US, Forgetter, forgetting, kept_in_store
from deploy.settings import CasterSettings, Settings, StationSettings
from storage.sqlite import SqliteStore
from storage.store import StorageError
from streams.definitions import PrivacyDefinition, values_of
from streams.records import Change, KeptSessions
from tests.connectors.test_caster import basic, caster
from tests.connectors.test_rover_watch import LATITUDE, LONGITUDE, digits, gga
from tests.deploy.test_edge import ask, phase, running, upstream
from tests.waiting import until

CONFIGURED = PrivacyDefinition(position_decimals=2, days=30)


def changed(after: PrivacyDefinition | None, verb: str = "put") -> Change:
    return Change(
        kind="privacy", id="rovers", version=1, verb=verb, before=None, by="Li", at_us=1, command_id="c",  # type: ignore[arg-type]
        after=None if after is None else values_of(after),
    )  # fmt: skip


@dataclass
class Store:
    change: Change | None = None
    seen: list[PrivacyDefinition] = field(default_factory=list)

    def object(self, _kind: str, _identity: str) -> Change | None:
        return self.change

    def forget_sessions(self, privacy: PrivacyDefinition, _now_us: int) -> int:
        self.seen.append(privacy)
        return 2


def test_a_store_is_held_to_the_setting_at_once_and_each_minute() -> None:
    store, now_us = Store(), [10 * FORGET_US]
    work = Forgetter(store, CONFIGURED, lambda: now_us[0])
    strict = PrivacyDefinition(days=1)
    for change, expected in (
        (None, CONFIGURED),
        (changed(strict), strict),
        (changed(CONFIGURED, "revert"), CONFIGURED),
        (changed(None, "delete"), PrivacyDefinition()),
    ):
        store.change = change
        work.work()
        work.work()
        assert store.seen[-1] == expected
    assert len(store.seen) == 4
    now_us[0] += FORGET_US
    work.work()
    now_us[0] -= 1  # a clock that was set back
    work.work()
    assert len(store.seen) == 6
    assert work.dropped == 12


async def test_a_store_that_is_away_for_a_while_loses_no_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "PAUSE_S", 0.01)
    with contextlib.closing(SqliteStore(tmp_path / "s.db")) as store:
        commit, away = store.commit, [3]

        def sometimes(batches: list[KeptSessions], *rest: object, **more: object) -> None:
            away[0] -= 1
            if away[0] >= 0:
                raise StorageError("away")
            commit(batches, *rest, **more)  # type: ignore[arg-type]

        store.commit = sometimes  # type: ignore[method-assign,assignment]
        async with caster(privacy=PrivacyDefinition(days=1)) as at:
            async with kept_in_store(at.caster, store):
                await at.listen()
                _, gone = await at.listen()
                gone.transport.abort()
                await until(lambda: len(store.kept_sessions().items) == 1)
                assert away[0] < 0
            kept = store.kept_sessions().items
            assert [one.is_over for one in kept] == [True, True], "the process ends, and so do its sessions"
            assert at.caster.watch.keeping.lost == 0


async def test_what_cannot_be_forgotten_is_counted_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "PAUSE_S", 0.01)

    class Away(Store):
        def object(self, _kind: str, _identity: str) -> Change | None:
            raise OSError("away")

    async with forgetting(Away(), CONFIGURED) as figures:
        failures = next(one for one in figures if one.name == "store_forgetting_failures")
        await until(lambda: sum(failures.values().values()) >= 2)


async def test_a_command_holds_at_once_for_what_is_shown_and_what_is_kept(tmp_path: Path) -> None:
    """The whole program: nothing finer is in its answers, its logs and its files than a command allows."""
    with structlog.testing.capture_logs() as logs:
        async with upstream() as port:
            await _program(tmp_path, port)
    written = _bytes_of(tmp_path)
    told = repr(logs).encode()
    for trace in (f"{LONGITUDE:.6f}"[:6].encode(), f"{LATITUDE:.6f}"[:5].encode(), b"127.0.0.1:5"):
        assert trace not in told
    assert b"114.4" not in told
    for place in (*digits(LONGITUDE)[1:], *digits(LATITUDE)[1:], f"{LONGITUDE:.3f}".encode()):
        assert place not in written


def _bytes_of(folder: Path) -> bytes:
    return b"".join(one.read_bytes() for one in folder.rglob("*") if one.is_file())


async def _program(folder: Path, port: int) -> None:
    config = Settings(
        station=[StationSettings(id="A", source=f"ntrip://127.0.0.1:{port}/A", stall_s=600.0)],
        caster=CasterSettings(users={"li": "li's"}, position_decimals=1, session_days=9),
    )
    writers = []

    async def rover() -> None:
        assert service.addresses.ntrip is not None
        reader, writer = await asyncio.open_connection(*service.addresses.ntrip)
        writers.append(writer)
        writer.write(b"GET /A HTTP/1.0\r\nUser-Agent: NTRIP test\r\n" + basic("li", "li's") + gga())
        assert (await reader.readline()).startswith(b"ICY 200")
        watched = service.edge.caster
        assert watched is not None
        await until(lambda: watched.counters.uploads.sentences == len(writers))
        watched.sessions()

    def the_caster() -> Caster:
        assert service.edge.caster is not None
        return service.edge.caster

    def kept() -> list[tuple[float | None, bool]]:
        return [(one.longitude, one.is_over) for one in service.store.kept_sessions().items]

    async with running(config, folder) as service:
        try:
            await phase(service, A="streaming")
            await rover()
            (one,) = service.edge.sessions()
            assert (one.longitude, one.latitude, one.address) == (114.4, 30.5, "127.0.0.0/24")
            writers[0].transport.abort()
            await until(lambda: kept() == [(114.4, True)], 60.0)
            await ask(service, "patch", "privacy/rovers", position_decimals=0, addresses="none")
            await until(lambda: the_caster().watch.privacy.position_decimals == 0)
            await rover()
            (one,) = service.edge.sessions()
            assert (one.longitude, one.latitude, one.address) == (114.0, 31.0, "")
            await until(lambda: kept() == [(114.0, True)], 60.0)
            await ask(service, "patch", "privacy/rovers", position_decimals=None)
            await until(lambda: service.edge.sessions()[0].longitude is None)
            await ask(service, "patch", "privacy/rovers", days=0)
            await until(lambda: kept() == [], 60.0)
            (change, *_) = service.store.changes(kind="privacy").items
            assert (change.by, change.after) == (
                "Li", {"position_decimals": None, "addresses": "none", "days": 0},
            )  # fmt: skip
        finally:
            for writer in writers:
                writer.transport.abort()
    async with running(config, folder) as service:
        assert the_caster().watch.privacy.addresses == "none", "after a restart, too"
