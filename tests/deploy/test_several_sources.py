"""A station with several sources in the embedded program, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from deploy.addresses import Addresses
from deploy.service import Service, opened
from deploy.settings import Settings, StationSettings
from streams.station_sources import ChangeOver, SourceDefinition
from streams.stream_state import StreamState
from tests.deploy.test_edge import ask
from tests.program import free_port
from tests.two_casters import INTERVAL_MS, Upstream, rover_at, two_casters
from tests.waiting import until

QUICK = ChangeOver(
    stall_epochs=6.0,
    late_s=0.5,
    loss_share=0.1,
    loss_over_s=4.0,
    worse_for_s=1.0,
    better_for_s=1.5,
    hold_s=0.5,
)
MOST_GAP_S = (6 + 1.5) * INTERVAL_MS / 1000 + 0.5
"""A stall, an epoch and a half, and half a second in which nobody had time."""


@contextlib.asynccontextmanager
async def running(config: Settings, folder: Path, http: int | None = None) -> AsyncIterator[Service]:
    page = None if http is None else ("127.0.0.1", http)
    async with opened(config, folder, Addresses(page, ("127.0.0.1", 0))) as service:
        service.edge.connect()
        yield service


def station(main: Upstream, second: Upstream, **second_has: object) -> StationSettings:
    listed = [SourceDefinition(name="second", source=second.source, **second_has)]  # type: ignore[arg-type]
    return StationSettings(
        id="A", source=main.source, sources=listed, change_over=QUICK, interval_s=INTERVAL_MS / 1000
    )


def state(service: Service, stream: str) -> StreamState:
    return service.sources.streams.by_id[stream]


async def chosen(service: Service, name: str) -> None:
    """Wait until a source goes on."""
    await until(
        lambda: (
            (one := state(service, f"A/{name}" if name != "main" else "A")).is_chosen
            and one.phase == "streaming"
        ),
        60.0,
    )


async def test_rovers_hardly_notice_a_stall_a_delay_and_losses(tmp_path: Path) -> None:
    async with two_casters() as (first, second):
        config = Settings(station=[station(first, second)])
        async with running(config, tmp_path) as service:
            assert service.addresses.ntrip is not None
            await chosen(service, "main")
            async with rover_at(service.addresses.ntrip[1], "A") as rover:
                await until(lambda: rover.observations, 60.0)
                for fault, value in (("is_stalled", True), ("late_s", 0.9), ("loses", True)):
                    healthy = getattr(first, fault)
                    setattr(first, fault, value)
                    await chosen(service, "second")
                    assert state(service, "A").is_chosen is False
                    await until(lambda: rover.sources[-1] == 2, 60.0)
                    setattr(first, fault, healthy)
                    await chosen(service, "main")
                    await until(lambda: rover.sources[-1] == 1, 60.0)
                await asyncio.sleep(1.0)
                rover.check(MOST_GAP_S)
                assert rover.sources == [1, 2, 1, 2, 1, 2, 1]
            assert state(service, "A").why.startswith("main has been good for")
            assert state(service, "A").bytes_per_s > 0
            assert state(service, "A/second").messages_per_s > 0
            latency_s = state(service, "A/second").latency_s
            assert latency_s is not None
            assert -0.1 < latency_s < 5.0
            await service.runtime.drained()
            changes = service.store.source_changes("A").items
            assert [one.why for one in changes] == ["better", "loss", "better", "late", "better", "stall"]
            assert (changes[-1].before, changes[-1].after) == ("main", "second")
            page = service.store.source_changes("A", limit=4)
            assert len(service.store.source_changes("A", limit=4, after=page.next).items) == 2
            row = service.store.station("A")
            assert row is not None
            assert row.report is not None
            assert row.report.epochs == 1


async def test_a_cold_source_is_connected_only_while_it_is_needed(tmp_path: Path) -> None:
    async with two_casters() as (first, second):
        config = Settings(station=[station(first, second, standby="cold")])
        async with running(config, tmp_path) as service:
            assert service.addresses.ntrip is not None
            await chosen(service, "main")
            async with rover_at(service.addresses.ntrip[1], "A") as rover:
                await until(lambda: rover.observations, 60.0)
                assert state(service, "A/second").phase == "standby"
                assert second.caster.counters.connections == 0
                first.is_stalled = True
                await chosen(service, "second")
                first.is_stalled = False
                await chosen(service, "main")
                await until(lambda: second.caster.counters.connections == 0, 60.0)
                await until(lambda: state(service, "A/second").phase == "standby", 60.0)
                await until(lambda: rover.sources == [1, 2, 1], 60.0)
                rover.check(60.0)


async def test_a_station_that_pushes_stands_in_for_a_caster(tmp_path: Path) -> None:
    async with two_casters() as (first, second):
        listed = SourceDefinition(name="second", source="push:", push_password="secret")
        config = Settings(
            station=[
                StationSettings(
                    id="A", source=first.source, sources=[listed], change_over=QUICK, interval_s=0.25
                )
            ]
        )
        async with running(config, tmp_path) as service:
            assert service.addresses.ntrip is not None
            port = service.addresses.ntrip[1]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"SOURCE secret /A\r\nSource-Agent: NTRIP test\r\n\r\n")
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"ICY 200")
            second.relay.listeners.append(lambda _, frames: writer.write(frames))
            await chosen(service, "main")
            async with rover_at(port, "A") as rover:
                await until(lambda: rover.observations, 60.0)
                first.is_stalled = True
                await chosen(service, "second")
                await until(lambda: rover.sources == [1, 2], 60.0)
                rover.check(MOST_GAP_S)
            second.relay.listeners.clear()
            writer.transport.abort()


async def test_sources_are_added_paused_moved_and_deleted_over_the_api(tmp_path: Path) -> None:
    async with two_casters() as (first, second):
        config = Settings(
            station=[StationSettings(id="A", source=first.source, change_over=QUICK, interval_s=0.25)]
        )
        http = free_port()
        async with (
            running(config, tmp_path, http) as service,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{http}/api/v1", timeout=60) as api,
        ):
            await chosen(service, "main")
            connector = service.sources._stations["A"]
            path = "/stations/A/sources"

            async def asked(method: str, name: str, **body: object) -> tuple[int, str]:
                answer = await api.request(method, f"{path}/{name}", params={"by": "Li"}, json=body or None)
                return answer.status_code, answer.json().get("message") or answer.json()["detail"]

            async def listed() -> list[tuple[str, str, bool]]:
                items = (await api.get(path)).json()["items"]
                return [(one["name"], one["phase"], one["chosen"]) for one in items]

            assert await listed() == [("main", "streaming", True)]
            with_password = second.source.replace("//", "//user:pass@")
            assert (await asked("PUT", "second", source=with_password))[0] == 200
            await until(lambda: state(service, "A/second").phase == "streaming", 60.0)
            assert await listed() == [("main", "streaming", True), ("second", "streaming", False)]
            assert service.sources._stations["A"] is connector, "a new source disturbs no other"
            assert "pass" not in (await api.get(path)).text
            assert (await asked("PATCH", "main", paused=True))[0] == 200
            await chosen(service, "second")
            assert await listed() == [("main", "paused", False), ("second", "streaming", True)]
            assert (await asked("PATCH", "main", paused=False))[0] == 200
            await chosen(service, "main")
            assert (await asked("PATCH", "second", standby="cold"))[0] == 200
            await until(lambda: state(service, "A/second").phase == "standby", 60.0)
            assert (await asked("PUT", "third", source="tcp://127.0.0.1:9", place=2))[0] == 200
            assert [name for name, _, _ in await listed()] == ["main", "third", "second"]
            assert (await asked("DELETE", "third"))[0] == 200
            assert (await asked("DELETE", "second"))[0] == 200
            assert await listed() == [("main", "streaming", True)]

            for method, name, body, text in (
                ("DELETE", "main", {}, "it is the only source"),
                ("DELETE", "second", {}, "there is no source 'second'"),
                ("PATCH", "second", {"paused": True}, "there is no source 'second'"),
                ("PUT", "second", {"source": "ftp://x"}, "source second: source 'ftp://x' is not understood"),
                ("PATCH", "main", {"colour": 1}, "There is no 'colour' here"),
                ("PATCH", "main", {"standby": "cold"}, "always connected"),
            ):
                status, told = await asked(method, name, **body)
                assert (status in {409, 422}, text in told) == (True, True), told

            changes = (await api.get("/changes", params={"kind": "station", "id": "A"})).json()["items"]
            assert len(changes) == 7
            assert {one["by"] for one in changes} == {"Li"}
            assert "pass@" not in str(changes)
            assert "user:***@" in str(changes)
            told = (await api.get("/stations/A/source-changes")).json()["items"]
            assert [one["why"] for one in told] == ["better", "gone"]


async def test_a_change_of_one_source_lasts_over_a_restart(tmp_path: Path) -> None:
    async with two_casters() as (first, second):
        config = Settings(station=[station(first, second)])
        async with running(config, tmp_path) as service:
            await chosen(service, "main")
            await ask(service, "patch", "station/A", sources={"main": {"paused": True}})
            await chosen(service, "second")
        async with running(config, tmp_path) as service:
            await until(lambda: state(service, "A/second").phase == "streaming", 60.0)
            assert state(service, "A").phase == "paused"
            await ask(service, "revert", "station/A")
            await chosen(service, "main")
            with pytest.raises(AssertionError, match="there is no source"):
                await ask(service, "patch", "station/A", sources={"nobody": None})
