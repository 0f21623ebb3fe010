"""A webhook through the whole one-process program: told, disabled, resumed, and told once more."""

from __future__ import annotations

from pathlib import Path

import httpx
from standardwebhooks import Webhook

from connectors.webhook import WebhookConfig
from deploy.addresses import Addresses
from deploy.clock import wall_clock_us
from deploy.service import opened
from deploy.settings import Settings
from streams.records import AlertTransitions
from tests.http_receiver import Request, receiving
from tests.waiting import until
from tests.webhook_store import transition

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


async def test_a_person_resumes_and_replays_a_webhook(tmp_path: Path) -> None:
    wants = [False]

    def answer(_: Request) -> tuple[int, bytes]:
        return (204, b"") if wants[0] else (410, b"")

    def ids() -> list[str]:
        return [request.headers["webhook-id"] for request in receiver.requests]

    async with receiving(choose=answer) as receiver:
        duty = WebhookConfig(id="duty", url=receiver.url, secret=SECRET, allow_private=True)
        async with opened(Settings(webhook=[duty]), tmp_path, Addresses(("127.0.0.1", 0), None)) as service:
            page = service.addresses.page
            begun_us = wall_clock_us()
            steps = [
                transition("a1", at_us=begun_us),
                transition("a1", 2, change="level", at_us=begun_us + 1),
            ]
            service.store.commit(
                [AlertTransitions(transitions=steps)], None, now_us=begun_us, webhook_ids=["duty"]
            )
            async with httpx.AsyncClient(base_url=f"{page}/api/v1") as client:

                async def state() -> dict[str, object]:
                    (one,) = (await client.get("/webhooks")).json()["items"]
                    return dict(one)

                async def figure(name: str) -> str:
                    text = (await client.get(f"{page}/metrics")).text
                    return next(line for line in text.splitlines() if line.startswith(name))

                await until(lambda: receiver.requests)
                while (await state())["state"] != "disabled":
                    pass
                assert (await figure("groundswell_webhook_disabled")).endswith(" 1.0")
                wants[0] = True
                resumed = await client.post("/webhooks/duty/resume", json={}, params={"by": "Li"})
                assert resumed.json()["message"] == "Webhook duty is sent to again."
                await until(lambda: ids() == ["a1.1", "a1.1", "a1.2"])
                while (await state())["pending"]:
                    pass
                assert (await state())["delivered"] == 2
                assert (await figure("groundswell_webhook_disabled")).endswith(" 0.0")

                again = await client.post("/webhooks/duty/replay", json={"alert_id": "a1", "number": 2})
                assert again.status_code == 200, again.text
                await until(lambda: ids()[3:] == ["a1.2"])
                asked = {"start": "2020-01-01T00:00:00Z", "end": "2100-01-01T00:00:00Z"}
                await client.post("/webhooks/duty/replay", json=asked)
                await until(lambda: ids()[4:] == ["a1.1", "a1.2"])
                kinds = [one["kind"] for one in (await client.get("/commands")).json()["items"]]
                assert sorted(kinds) == ["replay_webhook", "replay_webhook", "resume_webhook"]
        last = receiver.requests[-1]
        assert Webhook(SECRET).verify(last.body, last.headers)["data"]["number"] == 2
