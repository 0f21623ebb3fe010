"""A station with two sources over real servers: it changes over, `serve` shows it, commands change it."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from streams.kafka import admin
from tests.integration.processes import eventually, started
from tests.program import free_port
from tests.servers import KafkaServer
from tests.two_casters import INTERVAL_MS, rover_at, two_casters

pytestmark = pytest.mark.integration

MOST_GAP_S = 1.0 + 1.5 * INTERVAL_MS / 1000 + 1.0
"""The shortest stall, an epoch and a half, and a second in which nobody had time."""
CONFIG = """
[kafka]
servers = "{servers}"
prefix = "{prefix}"

[gather]
name = "north"

[[station]]
id = "A"
source = "{first}"
gatherer = "north"
interval_s = 0.25
change_over = {{ late_s = 0.5, worse_for_s = 1.0, better_for_s = 1.5, hold_s = 0.5 }}

[[station.sources]]
name = "second"
source = "{second}"
"""


async def test_sources_change_over_and_are_shown(tmp_path: Path, kafka: KafkaServer, prefix: str) -> None:
    await admin.apply(kafka.access, prefix=prefix)
    async with two_casters() as (first, second), contextlib.AsyncExitStack() as stack:
        config = tmp_path / "groundswell.toml"
        config.write_text(
            CONFIG.format(servers=kafka.bootstrap, prefix=prefix, first=first.source, second=second.source)
        )
        http, ntrip = free_port(), free_port()
        common, data = ("--config", str(config)), ("--data", str(tmp_path / "data"))
        stack.enter_context(started(tmp_path, "worker", "worker", *common, "--name", "one"))
        stack.enter_context(started(tmp_path, "store", "store", *common, *data))
        stack.enter_context(
            started(
                tmp_path, "gather", "gather", *common, "--ntrip", f"127.0.0.1:{ntrip}",
                "--data", str(tmp_path / "gather"),
            )
        )  # fmt: skip

        async def is_there() -> bool:
            return (tmp_path / "data" / "groundswell.sqlite").exists()

        await eventually(is_there, "the database", tmp_path)
        stack.enter_context(
            started(tmp_path, "serve", "serve", *common, *data, "--http", f"127.0.0.1:{http}")
        )
        page = await stack.enter_async_context(
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{http}/api/v1", timeout=60)
        )

        async def until(condition: Callable[[], Awaitable[object]], what: str) -> Any:
            return await eventually(condition, what, tmp_path, timeout_s=300.0)

        async def items(path: str) -> list[dict[str, Any]]:
            try:
                answer = await page.get(path)
            except httpx.TransportError:
                return []
            return list(answer.json()["items"]) if answer.status_code == 200 else []

        async def chosen(name: str) -> Any:
            async def is_chosen() -> Any:
                found = await items("/stations/A/sources")
                return found and [one["name"] for one in found if one["chosen"]] == [name] and found

            return await until(is_chosen, f"{name} chosen")

        async def both() -> bool:
            return len(await items("/stations/A/sources")) == 2

        await until(both, "both sources told")
        found = await chosen("main")
        assert [(one["name"], one["gatherer"]) for one in found] == [("main", "north"), ("second", "north")]
        rover = await stack.enter_async_context(rover_at(ntrip, "A"))

        async def has_main() -> bool:
            return rover.sources[:1] == [1]

        await until(has_main, "epochs of the first source")
        first.is_stalled = True
        found = await chosen("second")
        assert found[0]["why"] == ""
        assert "main brought nothing for" in found[1]["why"]
        assert found[1]["latency_s"] is not None
        first.is_stalled = False
        await chosen("main")

        async def kept() -> list[str]:
            why = [one["why"] for one in await items("/stations/A/source-changes")]
            return why if len(why) == 2 else []

        assert await until(kept, "the changes kept") == ["better", "stall"]

        answer = await page.patch("/stations/A/sources/main", params={"by": "Li"}, json={"paused": True})
        assert answer.status_code == 200, answer.text
        await chosen("second")
        answer = await page.delete("/stations/A/sources/main", params={"by": "Li"})
        assert answer.status_code == 200, answer.text

        async def alone() -> bool:
            return [one["name"] for one in await items("/stations/A/sources")] == ["second"]

        await until(alone, "the first source gone")
        (last, *_) = await items("/changes")
        assert (last["verb"], last["by"], last["after"]["source"]) == ("patch", "Li", "")
        rover.check(MOST_GAP_S)
        assert rover.sources == [1, 2, 1, 2]
