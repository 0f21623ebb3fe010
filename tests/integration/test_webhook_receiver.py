"""Webhooks over real sockets to a receiver in another process that verifies with `standardwebhooks`."""

import asyncio
import contextlib
import time

import pytest

from connectors import webhook
from connectors.webhook import WebhookConfig, WebhookSender
from tests.waiting import until
from tests.webhook_receiver import receiver
from tests.webhook_store import MemoryStore, transition

pytestmark = pytest.mark.integration

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Clock:
    """Real time (the receiver checks the timestamp), and what the test adds."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> int:
        return int((time.time() + self.ahead_s) * 1e6)


@contextlib.asynccontextmanager
async def sending(monkeypatch, store, *targets: tuple[str, str], timeout_s: float = 15.0):
    monkeypatch.setattr(webhook, "POLL_S", 0.02)
    configs = [
        WebhookConfig(id=name, url=url, secret=SECRET, allow_private=True, timeout_s=timeout_s)
        for name, url in targets
    ]
    sender = WebhookSender(configs, store, Clock(), api_url="https://warn.example")
    task = asyncio.create_task(sender.run())
    try:
        yield sender
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_a_delivery_is_verified_and_retried_after_an_error_with_the_same_id(monkeypatch, tmp_path):
    store = MemoryStore()
    store.add("duty", transition(), transition(number=2, change="closed", state="closed"))
    with receiver(tmp_path / "log", SECRET, "500", "302", "204") as duty:
        async with sending(monkeypatch, store, ("duty", duty.url)) as sender:
            await until(lambda: len(store.postponed) == 1)
            assert [r["id"] for r in duty.requests()] == ["a1.1"], "the second must wait for the first"
            sender.clock_us.ahead_s = 6
            await until(lambda: len(store.postponed) == 2)
            sender.clock_us.ahead_s = 30
            await until(lambda: len(store.settled) == 2)
        requests = duty.requests()
    assert [(r["id"], r["status"]) for r in requests] == [
        ("a1.1", "500"),
        ("a1.1", "302"),
        ("a1.1", "204"),
        ("a1.2", "204"),
    ]
    assert [r["event"]["type"] for r in requests] == ["alert.opened"] * 3 + ["alert.closed"]
    assert requests[0]["event"]["data"]["evidence"] == {"threshold_m": 0.05}
    assert requests[0]["event"] == requests[2]["event"]


async def test_a_wrong_secret_does_not_verify(monkeypatch, tmp_path):
    store = MemoryStore()
    store.add("duty", transition())
    other = "whsec_" + "A" * 32
    with receiver(tmp_path / "log", other, "204") as duty:
        async with sending(monkeypatch, store, ("duty", duty.url)):
            await until(lambda: store.settled)
        assert "No matching signature" in duty.requests()[0]["event"]["error"]


async def test_410_ends_it_until_somebody_resumes_it(monkeypatch, tmp_path):
    store = MemoryStore()
    store.add("duty", transition())
    with receiver(tmp_path / "log", SECRET, "410", "200") as duty:
        async with sending(monkeypatch, store, ("duty", duty.url)) as sender:
            await until(lambda: store.disabled)
            assert len(duty.requests()) == 1
            store.disabled.clear()
            sender.ordered()
            await until(lambda: store.settled)
        assert [one["id"] for one in duty.requests()] == ["a1.1", "a1.1"]


async def test_a_hanging_receiver_delays_no_other(monkeypatch, tmp_path):
    store = MemoryStore()
    store.add("slow", *(transition(f"s{n}") for n in range(20)))
    store.add("duty", *(transition(f"d{n}") for n in range(10)))
    with (
        receiver(tmp_path / "slow", SECRET, "hang") as slow,
        receiver(tmp_path / "duty", SECRET, "200") as duty,
    ):
        async with sending(monkeypatch, store, ("slow", slow.url), ("duty", duty.url)):
            await until(lambda: len(slow.requests()) == webhook.PLACES)
            await until(lambda: len(store.settled) == 10)
        assert {r["id"] for r in duty.requests()} == {f"d{n}.1" for n in range(10)}
        assert len(slow.requests()) == webhook.PLACES


async def test_a_receiver_that_is_away_is_tried_again(monkeypatch, tmp_path):
    store = MemoryStore()
    store.add("duty", transition())
    async with sending(monkeypatch, store, ("duty", "http://127.0.0.1:1/")) as sender:
        await until(lambda: store.postponed)
    assert sender.states["duty"].last_error.startswith("duty cannot be reached: ")
    assert not store.settled
