"""Over real Kafka and PostgreSQL: a webhook is disabled by its receiver, resumed, and told once more."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import httpx
import pytest

from storage.postgres import PostgresStore
from streams.kafka import admin
from streams.kafka.output import Message, Output
from streams.partitions import pieces
from streams.records import AlertTransitions
from streams.topics import ALERTS
from tests.integration.processes import eventually, started
from tests.integration.test_distributed import SECRET, clock_us, watch_at
from tests.postgres import postgres
from tests.program import free_port
from tests.servers import KafkaServer
from tests.webhook_receiver import receiver
from tests.webhook_store import transition

pytestmark = pytest.mark.integration

CONFIG = """
[kafka]
servers = "{servers}"
prefix = "{prefix}"

[database]
url = "{database}"

[[webhook]]
id = "duty"
url = "{url}"
secret = "{secret}"
allow_private = true
"""


async def test_a_person_resumes_and_replays_a_webhook(
    tmp_path: Path, kafka: KafkaServer, prefix: str
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        await admin.apply(kafka.access, prefix=prefix)
        database = stack.enter_context(postgres())
        PostgresStore(database.url, migrate=True).close()
        duty = stack.enter_context(receiver(tmp_path / "webhooks", SECRET, "410", "204"))
        config = tmp_path / "groundswell.toml"
        http, *watch = (free_port() for _ in range(4))
        config.write_text(
            CONFIG.format(
                servers=kafka.bootstrap, prefix=prefix, database=database.url, url=duty.url, secret=SECRET
            )
        )
        common = "--config", str(config)
        stack.enter_context(started(tmp_path, "worker", "worker", *common, *watch_at(watch[2])))
        stack.enter_context(started(tmp_path, "store", "store", *common, *watch_at(watch[0])))
        notifier = stack.enter_context(started(tmp_path, "notify", "notify", *common, *watch_at(watch[1])))
        stack.enter_context(started(tmp_path, "serve", "serve", *common, *watch_at(http)))
        api = await stack.enter_async_context(
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{http}/api/v1", timeout=30)
        )
        output = Output(kafka.access, "alerts")
        stack.push_async_callback(output.close)

        async def raise_alert(*steps: Any) -> None:
            made = pieces(AlertTransitions(transitions=list(steps)))
            await output.send([Message(prefix + ALERTS.name, 0, one) for one in made])

        def ids() -> list[str]:
            return [str(request["id"]) for request in duty.requests()]

        async def webhook() -> dict[str, Any]:
            with contextlib.suppress(httpx.TransportError):
                answer = await api.get("/webhooks")
                if answer.status_code == 200:
                    return dict(answer.json()["items"][0])
            return {}

        async def is_disabled() -> bool:
            return (await webhook()).get("state") == "disabled"

        async def is_ready() -> bool:
            with contextlib.suppress(httpx.TransportError):
                answers = [await api.get(f"http://127.0.0.1:{port}/readyz") for port in (http, *watch)]
                return all(answer.status_code == 200 for answer in answers)
            return False

        await eventually(is_ready, "readiness", tmp_path)
        now_us = clock_us()
        await raise_alert(transition("a1", at_us=now_us), transition("a2", at_us=now_us + 1))
        await eventually(is_disabled, "that the webhook is disabled", tmp_path)
        assert "410" in (await webhook())["reason"]
        await raise_alert(transition("a1", 2, change="level", at_us=now_us + 2))
        assert ids() == ["a1.1"]

        async def is_resumed() -> bool:
            """Ask until somebody answers: a worker may have its part of the work some seconds later."""
            resumed = await api.post("/webhooks/duty/resume", json={}, params={"by": "Li"})
            return resumed.status_code == 200

        await eventually(is_resumed, "an answer", tmp_path)

        async def is_delivered() -> bool:
            one = await webhook()
            return one.get("delivered") == 3 and one["pending"] == 0 and one["state"] == "active"

        await eventually(is_delivered, "what waited", tmp_path)
        assert ids() == ["a1.1", "a1.1", "a2.1", "a1.2"]

        notifier.kill()
        stack.enter_context(started(tmp_path, "notify-2", "notify", *common, *watch_at(free_port())))
        replayed = await api.post("/webhooks/duty/replay", json={"alert_id": "a1"}, params={"by": "Li"})
        assert replayed.status_code == 200, replayed.text

        async def is_told_again() -> bool:
            return len(ids()) >= 6

        await eventually(is_told_again, "what was asked for once more", tmp_path)
        assert ids()[4:] == ["a1.1", "a1.2"]
        items = (await api.get("/webhooks/duty/deliveries")).json()["items"]
        assert {one["id"]: one["state"] for one in items} == dict.fromkeys(
            ("a1.1", "a1.2", "a2.1"), "delivered"
        )
