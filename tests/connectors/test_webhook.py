"""Webhooks: signature, body, schedule and the loop, without a network."""

import asyncio
import base64
import contextlib
import ipaddress
import json
import socket
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import httpx
import msgspec
import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from cloudevents.core.formats.json import JSONFormat
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from connectors import address_guard, webhook
from connectors.address_guard import is_public
from connectors.webhook import WebhookConfig, WebhookSender
from connectors.webhook_message import (
    MAX_PAYLOAD_BYTES,
    in_order_delay_s,
    payload,
    retry_after_seconds,
    retry_delay_s,
)
from connectors.webhook_post import Failure
from connectors.webhook_signature import check_secrets, new_key, public_key, sign, signatures
from tests.waiting import until
from tests.webhook_store import MemoryStore, transition

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
START_US = 1_760_000_000_000_000


def config(webhook_id: str = "duty", url: str = "http://127.0.0.1:9/", **more: object) -> WebhookConfig:
    return WebhookConfig(id=webhook_id, url=url, secret=SECRET, **{"allow_private": True, **more})


# --- signature ----------------------------------------------------------------------------------------


def test_the_signature_is_that_of_the_reference_library():
    body = b'{"type":"alert.opened"}'
    when = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    expected = Webhook(SECRET).sign("a1.1", when, body.decode())
    assert sign(SECRET, "a1.1", int(when.timestamp()), body) == expected


def test_the_signature_equals_the_published_example():
    # The example of the Standard Webhooks specification's own test suites.
    body = b'{"test": 2432232314}'
    assert (
        sign(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
        == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )


@pytest.mark.parametrize(
    "secret",
    ["", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_%%%", "whsec_" + base64.b64encode(b"x" * 23).decode()],
)
def test_a_bad_secret_is_refused_in_words(secret):
    with pytest.raises(msgspec.ValidationError, match="whsec_ and 24 to 64 random bytes"):
        msgspec.convert({"id": "w", "url": "https://h/", "secret": secret}, WebhookConfig)


@pytest.mark.parametrize("url", ["ftp://host/", "host/path", "https://", ""])
def test_a_bad_url_is_refused_in_words(url):
    with pytest.raises(msgspec.ValidationError, match="url must begin with https://"):
        msgspec.convert({"id": "w", "url": url, "secret": SECRET}, WebhookConfig)


def test_no_secret_is_shown():
    assert SECRET not in repr(config())


@pytest.mark.parametrize("size", [32, 64])
def test_an_ed25519_signature_is_that_of_the_public_key(size):
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    raw = bytes(range(32)) + (key.public_key().public_bytes_raw() if size == 64 else b"")
    secret = "whsk_" + base64.b64encode(raw).decode()
    version, _, signature = sign(secret, "a1.1", 5, b"{}").partition(",")
    assert version == "v1a"
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key(secret).removeprefix("whpk_")))
    public.verify(base64.b64decode(signature), b"a1.1.5.{}")
    with pytest.raises(InvalidSignature):
        public.verify(base64.b64decode(signature), b"a1.1.6.{}")


def test_ed25519_keys_are_those_of_the_rfc():
    # RFC 8032, 7.1, test 1
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    public = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    assert (
        public_key("whsk_" + base64.b64encode(seed).decode()) == "whpk_" + base64.b64encode(public).decode()
    )


def test_a_new_key_signs():
    one, other = new_key(), new_key()
    assert one != other
    check_secrets([one, other])


def test_while_a_secret_is_changed_both_sign():
    old = "whsec_" + base64.b64encode(b"o" * 32).decode()
    now, body = datetime.now(UTC), b'{"a":1}'
    header = signatures([SECRET, old, new_key()], "a1.1", int(now.timestamp()), body)
    assert [one.partition(",")[0] for one in header.split(" ")] == ["v1", "v1", "v1a"]
    headers = {
        "webhook-id": "a1.1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": header,
    }
    for secret in (SECRET, old):
        assert Webhook(secret).verify(body, headers) == {"a": 1}
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + base64.b64encode(b"x" * 32).decode()).verify(body, headers)


@pytest.mark.parametrize(
    "secrets",
    [
        [],
        [SECRET] * 6,
        [SECRET, "whsec_short"],
        "whpk_" + base64.b64encode(b"k" * 32).decode(),
        "whsk_" + base64.b64encode(b"k" * 31).decode(),
        "whsk_" + base64.b64encode(b"k" * 64).decode(),
        "whsk_!",
    ],
)
def test_secrets_that_cannot_sign_are_refused_in_words(secrets):
    with pytest.raises(ValueError, match="webhook"):
        check_secrets(secrets)


# --- body ---------------------------------------------------------------------------------------------


def test_the_body_tells_the_alert():
    body = json.loads(payload(transition(evidence={"bad": float("nan")}), "https://warn.example/").body)
    assert body["type"] == "alert.opened"
    assert datetime.fromisoformat(body["timestamp"]) == datetime(2011, 3, 11, 16, 39, tzinfo=UTC)
    alert = body["data"]
    assert alert["onset_at"] == "2011-03-11T16:38:00.000+00:00"
    assert (alert["id"], alert["level"], alert["state"]) == ("a1", "red", "open")
    assert alert["evidence"] == {"bad": None}
    assert alert["url"] == "https://warn.example/api/v1/alerts/a1"
    assert "evidence_trimmed" not in alert


def test_a_change_of_level_has_its_own_type():
    assert json.loads(payload(transition(change="level")).body)["type"] == "alert.level_changed"


def test_large_evidence_gives_way_and_small_evidence_stays():
    evidence = {"series": list(range(20_000)), "picture": "x" * 30_000, "threshold_m": 0.05}
    body = payload(
        transition(evidence=evidence, title="t" * 9000, comment="水" * 9000), "https://w.example"
    ).body
    assert len(body) < MAX_PAYLOAD_BYTES
    alert = json.loads(body)["data"]
    assert alert["evidence"] == {"threshold_m": 0.05}
    assert alert["evidence_trimmed"] is True
    assert alert["evidence_url"] == "https://w.example/api/v1/alerts/a1"


@pytest.mark.parametrize("time_us", [400_000_000_000_000_000, -(10**17), 2**63 - 1, -(2**63)])
def test_a_time_that_no_calendar_has_is_left_out_of_the_body(time_us):
    body = json.loads(payload(transition(onset_us=time_us, at_us=time_us)).body)
    assert (body["timestamp"], body["data"]["onset_at"], body["data"]["at"]) == (None, None, None)
    assert (body["data"]["id"], body["data"]["opened_at"]) == ("a1", "2011-03-11T16:39:00.000+00:00")


def test_evidence_that_cannot_be_told_is_left_out_of_the_body():
    alert = json.loads(payload(transition(evidence={"curve": {None: 1.0}, "threshold_m": 0.05})).body)["data"]
    assert (alert["title"], alert["evidence"]) == ("Tsunami at the gauge", {})
    assert alert["evidence_trimmed"] is True


def event_of(made, parse):
    return parse(HTTPMessage(headers=made.headers, body=made.body), JSONFormat())


@pytest.mark.parametrize("envelope", ["cloudevents", "cloudevents-binary"])
def test_a_cloud_event_is_read_by_the_reference_library(envelope):
    one = transition(subject_id="海 gauge/%1", change="level")
    made = payload(one, "https://warn.example/", envelope)
    event = event_of(made, from_http_event)
    attributes = event.get_attributes()
    assert attributes["id"] == "a1.1"
    assert attributes["type"] == "groundswell.alert.level_changed"
    assert attributes["source"] == "https://warn.example/api/v1/alerts"
    assert attributes["subject"] == "海 gauge/%1"
    assert attributes["time"] == datetime(2011, 3, 11, 16, 39, tzinfo=UTC)
    said = event.get_data()
    alert = json.loads(said) if isinstance(said, str | bytes) else said
    assert alert == json.loads(payload(one, "https://warn.example/").body)["data"]
    assert ("ce-id" in made.headers) == (envelope == "cloudevents-binary")


@pytest.mark.parametrize("envelope", ["standard", "cloudevents", "cloudevents-binary"])
def test_no_envelope_is_too_large(envelope):
    evidence = {"picture": "x" * 19_400, "threshold_m": 0.05}
    made = payload(transition(evidence=evidence, comment="水" * 900), "https://w.example", envelope)
    assert len(made.body) < MAX_PAYLOAD_BYTES
    assert b'"threshold_m":0.05' in made.body


@pytest.mark.parametrize("envelope", ["cloudevents", "cloudevents-binary"])
def test_a_cloud_event_has_no_empty_attribute(envelope):
    made = payload(transition(subject_id="", at_us=2**62), "", envelope)
    event = event_of(made, from_http_event)
    assert event.get_attributes().get("subject") is None
    said = made.headers.keys() | json.loads(made.body).keys()
    assert {"time", "subject", "ce-time", "ce-subject"}.isdisjoint(said)


# --- schedule -----------------------------------------------------------------------------------------


def test_the_schedule_is_quick_at_first_and_ends_after_four_days():
    middle = [retry_delay_s(n, 0.5) for n in range(12)]
    assert middle == [5, 15, 60, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400, None]
    assert retry_delay_s(0, 0.0) == pytest.approx(4.5)
    assert retry_delay_s(0, 1.0) == pytest.approx(5.5)


def test_told_in_order_a_receiver_is_asked_each_minute_for_four_days():
    assert [in_order_delay_s(n, 0.5) for n in range(5)] == [5, 15, 60, 60, 60]
    assert in_order_delay_s(4 * 1440 - 1, 0.5) == 60
    assert in_order_delay_s(4 * 1440, 0.5) is None
    assert in_order_delay_s(9, 1.0) == pytest.approx(66)
    assert in_order_delay_s(0, 0.5, retry_after_s=1e9) == 3600


@pytest.mark.parametrize(
    ("status", "refused", "gone"),
    [(0, False, False), (429, False, False), (503, False, False), (500, True, False), (401, True, False),
     (410, True, True)],
)  # fmt: skip
def test_a_refusal_is_no_absence(status, refused, gone):
    failure = Failure("", 0.0, status)
    assert (failure.refused, failure.is_gone) == (refused, gone)


def test_retry_after_is_honoured_up_to_an_hour():
    assert retry_delay_s(0, 0.5, retry_after_s=90) == 90
    assert retry_delay_s(0, 0.5, retry_after_s=1) == 5
    assert retry_delay_s(0, 0.5, retry_after_s=1e9) == 3600


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        ("Thu, 09 Oct 2025 08:54:20 GMT", 60),
        ("soon", 0),
        ("", 0),
        ("-3", 0),
        ("9" * 5000, 1e12),
    ],
)
def test_retry_after_may_be_seconds_or_a_date(header, seconds):
    assert retry_after_seconds(header, START_US) == pytest.approx(seconds)


# --- addresses ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        *((a, False) for a in ("127.0.0.1", "10.0.0.1", "172.16.3.4", "192.168.1.1", "169.254.169.254")),
        *((a, False) for a in ("0.0.0.0", "100.64.0.1", "224.0.0.1", "255.255.255.255", "198.18.0.1")),
        *((a, False) for a in ("::1", "::", "fe80::1", "fd00::1", "ff02::1", "::ffff:127.0.0.1")),
        *((a, False) for a in ("64:ff9b::7f00:1", "2002:7f00:1::", "::ffff:10.0.0.1", "2001:db8::1")),
    ],
)
def test_only_the_public_internet_is_public(address, public):
    assert is_public(ipaddress.ip_address(address)) is public


# --- the loop -----------------------------------------------------------------------------------------


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now_us = START_US

    def __call__(self) -> int:
        return self.now_us


Handler = Callable[[httpx.Request], Awaitable[httpx.Response]]


@contextlib.asynccontextmanager
async def sending(monkeypatch, store, handler: Handler, *configs: WebhookConfig):
    """Run a sender whose requests go to `handler`; the poll is quick, time stands still."""
    monkeypatch.setattr(webhook, "POLL_S", 0.01)
    monkeypatch.setattr(webhook, "STORE_RETRY_S", 0.01)
    monkeypatch.setattr(
        webhook, "client_of", lambda _: httpx.AsyncClient(transport=httpx.MockTransport(handler))
    )
    sender = WebhookSender(configs, store, Clock(), draw=lambda: 0.5)
    task = asyncio.create_task(sender.run())
    try:
        yield sender
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_a_success_settles(monkeypatch):
    store, seen = MemoryStore(), []
    store.add("duty", transition())

    async def handler(request: httpx.Request) -> httpx.Response:
        Webhook(SECRET)  # the secret is one that the library takes
        seen.append(request)
        return httpx.Response(204)

    async with sending(monkeypatch, store, handler, config()) as sender:
        await until(lambda: store.settled)
    assert store.settled["duty", "a1.1"] == (START_US, "")
    assert sender.states["duty"].delivered == 1
    assert [r.headers["webhook-id"] for r in seen] == ["a1.1"]
    assert seen[0].headers["webhook-timestamp"] == str(START_US // 1_000_000)


@pytest.mark.parametrize("status", [301, 307, 400, 404, 429, 500, 503])
async def test_anything_but_2xx_is_tried_again(monkeypatch, status):
    store = MemoryStore()
    store.add("duty", transition())

    async def handler(_: httpx.Request) -> httpx.Response:
        return httpx.Response(status, headers={"location": "http://127.0.0.1:9/", "retry-after": "7"})

    async with sending(monkeypatch, store, handler, config()) as sender:
        await until(lambda: store.postponed)
    assert store.postponed == [("a1.1", START_US + 7_000_000, f"duty answered {status}")]
    assert sender.states["duty"].failed_attempts == 1
    assert sender.states["duty"].last_error == f"duty answered {status}"


async def test_after_the_last_attempt_it_is_given_up_and_the_next_transition_goes(monkeypatch):
    store = MemoryStore()
    store.add("duty", transition(number=1), transition(number=2, change="closed", state="closed"))
    tried = []

    async def handler(request: httpx.Request) -> httpx.Response:
        tried.append(request.headers["webhook-id"])
        return httpx.Response(500 if tried[-1] == "a1.1" else 200)

    async with sending(monkeypatch, store, handler, config()) as sender:
        while len(store.postponed) < 11:
            n = len(store.postponed)
            await until(lambda n=n: len(store.postponed) > n)
            sender.clock_us.now_us = store.postponed[-1][1]
        await until(lambda: len(store.settled) == 2)
    assert tried == ["a1.1"] * 12 + ["a1.2"]
    assert store.settled["duty", "a1.1"] == (None, "duty answered 500")
    assert sender.states["duty"].given_up == 1


async def test_after_410_nothing_is_sent_until_a_person_says_so(monkeypatch):
    store, asked, wants = MemoryStore(), [], [False]
    store.add("duty", transition(), transition(number=2, change="closed"), transition("a2"))

    async def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers["webhook-id"])
        return httpx.Response(204 if wants[0] else 410)

    async with sending(monkeypatch, store, handler, config()) as sender:
        await until(lambda: sender.states["duty"].disabled and len(store.postponed) == len(asked))
        before = len(asked)
        assert sender.states["duty"].disabled == "duty answered 410: it wants no more messages"
        store.add("duty", transition("a3"))
        sender.wake()
        await asyncio.sleep(0.1)
        assert len(asked) == before <= 2  # both alerts may have been on their way
        wants[0] = True
        store.disabled.clear()
        sender.ordered()
        await until(lambda: len(store.settled) == 4)
        assert sender.states["duty"].disabled == ""
    assert asked[before:].index("a1.1") < asked[before:].index("a1.2")
    assert not store.open


@pytest.mark.parametrize("alert_id", ["", "a\nb", "海啸"])
async def test_what_cannot_be_sent_is_given_up_at_once(monkeypatch, alert_id):
    store, seen = MemoryStore(), []
    store.add("duty", transition(alert_id + "\x7f"), transition())

    async def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["webhook-id"])
        return httpx.Response(204)

    async with sending(monkeypatch, store, handler, config()) as sender:
        await until(lambda: len(store.settled) == 2)
    settled_us, error = store.settled["duty", f"{alert_id}\x7f.1"]
    assert settled_us is None
    assert "no message can be made" in error
    assert (seen, store.postponed, sender.states["duty"].given_up) == (["a1.1"], [], 1)


async def test_a_receiver_that_is_down_for_an_hour_gets_every_alert_in_order_within_minutes(monkeypatch):
    store, taken, asked = MemoryStore(), [], []
    hour_us, step_us = 3600 * 1_000_000, 10_000_000
    begun_us, names = START_US, [f"h{n:02}" for n in range(12)]

    async def handler(request: httpx.Request) -> httpx.Response:
        name = request.headers["webhook-id"]
        if sender.clock_us() < begun_us + hour_us:
            asked.append(name)
            raise httpx.ConnectError("down")
        taken.append(name)
        return httpx.Response(200)

    async with sending(monkeypatch, store, handler, config()) as sender:
        for tick in range((hour_us + 120_000_000) // step_us):
            now_us = sender.clock_us.now_us = begun_us + tick * step_us
            if tick % 30 == 0 and names:
                name = names.pop(0)
                closed = {"number": 2, "change": "closed", "state": "closed", "at_us": now_us + 1}
                store.add("duty", transition(name, at_us=now_us), transition(name, **closed))
            sender.wake()
            for _ in range(3):
                await asyncio.sleep(0)
        await until(lambda: not store.open)
    wanted = [f"h{n:02}.{step}" for n in range(12) for step in (1, 2)]
    assert sorted(taken) == wanted
    assert [name for name in taken if name.endswith(".1")] == [w for w in wanted if w.endswith(".1")]
    for n in range(12):
        assert taken.index(f"h{n:02}.1") < taken.index(f"h{n:02}.2")
    assert len(asked) < 80  # one message a minute knocks for all


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_a_busy_receiver_is_asked_less(monkeypatch, status):
    store, at_once, most, calm = MemoryStore(), 0, [], [False]
    store.add("duty", *(transition(f"b{n:03}") for n in range(60)))

    async def handler(_: httpx.Request) -> httpx.Response:
        nonlocal at_once
        at_once += 1
        most.append(at_once)
        await asyncio.sleep(0.01)
        at_once -= 1
        return httpx.Response(200) if calm[0] else httpx.Response(status, headers={"retry-after": "90"})

    async with sending(monkeypatch, store, handler, config()) as sender:
        await until(lambda: len(store.postponed) == webhook.PLACES)
        await asyncio.sleep(0.1)
        assert len(most) == webhook.PLACES  # then nothing for as long as it asked
        assert {at for _, at, _ in store.postponed} == {START_US + 90_000_000}
        calm[0] = True
        most.clear()
        sender.clock_us.now_us += 90_000_000
        await until(lambda: not store.open)
    assert most[0] == 1
    assert max(most[1:3]) <= 2
    assert max(most) == webhook.PLACES


async def test_a_long_queue_of_a_receiver_that_is_away_hides_no_other(monkeypatch):
    store = MemoryStore()
    store.add("away", *(transition(f"s{n:04}") for n in range(3000)))
    store.add("duty", transition("new", at_us=START_US))
    asked = []

    async def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers["webhook-id"])
        if asked[-1] == "new.1":
            return httpx.Response(200)
        raise httpx.ConnectError("down")

    async with sending(monkeypatch, store, handler, config("away"), config()) as sender:
        await until(lambda: sender.states["duty"].delivered == 1)
        await until(lambda: len(store.postponed) == webhook.PLACES)
        await asyncio.sleep(0.1)
    assert len(asked) == webhook.PLACES + 1


async def test_an_absence_does_not_use_up_the_attempts_of_a_message(monkeypatch):
    store, status = MemoryStore(), [0]
    store.add("duty", transition())

    async def handler(_: httpx.Request) -> httpx.Response:
        if not status[0]:
            raise httpx.ConnectError("down")
        return httpx.Response(status[0])

    async with sending(monkeypatch, store, handler, config()) as sender:
        for status[0] in (0,) * 30 + (500,) * 3 + (200,):
            n = len(store.postponed) + len(store.settled)
            sender.wake()
            await until(lambda n=n: len(store.postponed) + len(store.settled) > n)
            if store.postponed:
                sender.clock_us.now_us = store.postponed[-1][1]
    assert store.settled["duty", "a1.1"][1] == ""
    assert len(store.postponed) == 33


async def test_a_hanging_receiver_with_a_long_queue_delays_nobody(monkeypatch):
    store = MemoryStore()
    store.add("slow", *(transition(f"s{n}") for n in range(500)))
    store.add("duty", *(transition(f"d{n}") for n in range(20)))
    hanging, most = 0, 0

    async def handler(request: httpx.Request) -> httpx.Response:
        nonlocal hanging, most
        if request.headers["webhook-id"].startswith("d"):
            return httpx.Response(200)
        hanging += 1
        most = max(most, hanging)
        await asyncio.sleep(3600)
        return httpx.Response(200)

    slow = config("slow", timeout_s=60.0)
    async with sending(monkeypatch, store, handler, slow, config()) as sender:
        await until(lambda: sender.states["duty"].delivered == 20)
    assert most == webhook.PLACES
    assert sender.states["slow"].delivered == 0


async def test_a_receiver_that_does_not_answer_times_out(monkeypatch):
    store = MemoryStore()
    store.add("duty", transition())

    async def handler(_: httpx.Request) -> httpx.Response:
        await asyncio.sleep(3600)
        return httpx.Response(200)

    async with sending(monkeypatch, store, handler, config(timeout_s=0.05)):
        await until(lambda: store.postponed)
    assert store.postponed[0][2] == "duty did not answer within 0.05 s"


async def test_a_webhook_that_left_the_configuration_is_settled(monkeypatch):
    store = MemoryStore()
    store.add("old", transition())

    async def handler(_: httpx.Request) -> httpx.Response:
        raise AssertionError("nothing is sent")

    async with sending(monkeypatch, store, handler, config()):
        await until(lambda: store.settled)
    assert store.settled["old", "a1.1"] == (None, "this webhook is no longer configured")


async def test_a_store_that_fails_for_a_while_does_not_repeat_the_message(monkeypatch):
    class Failing(MemoryStore):
        failures = 3

        def settle_delivery(self, *arguments, **named):
            self.failures -= 1
            if self.failures >= 0:
                raise OSError("disk full")
            super().settle_delivery(*arguments, **named)

    store, sent = Failing(), []
    store.add("duty", transition())

    async def handler(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200)

    async with sending(monkeypatch, store, handler, config()):
        await until(lambda: store.settled)
    assert len(sent) == 1


# --- where a request goes -----------------------------------------------------------------------------


async def post_to(monkeypatch, url: str, address: str, *, allow_private: bool) -> tuple[str, list[bytes]]:
    """Post to a URL whose name resolves to `address`; return the error and the requests that came here."""
    requests: list[bytes] = []

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(served, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0))]
    monkeypatch.setattr(address_guard.socket, "getaddrinfo", lambda *_, **__: found)
    store = MemoryStore()
    store.add("w", transition())
    one = config("w", url.format(port=port), allow_private=allow_private)
    sender = WebhookSender([one], store, Clock())
    task = asyncio.create_task(sender.run())
    try:
        await until(lambda: store.postponed or store.settled)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        server.close()
        await server.wait_closed()
    return sender.states["w"].last_error, requests


@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:127.0.0.1", "169.254.169.254"])
async def test_a_name_that_resolves_to_a_private_address_is_refused(monkeypatch, address):
    error, requests = await post_to(monkeypatch, "http://evil.example:{port}/", address, allow_private=False)
    assert "evil.example is a private address; set allow_private = true" in error
    assert requests == []


async def test_a_private_address_can_be_allowed_and_the_name_goes_with_it(monkeypatch):
    error, requests = await post_to(
        monkeypatch, "http://duty.local:{port}/in?a=1", "127.0.0.1", allow_private=True
    )
    assert error == ""
    assert requests[0].startswith(b"POST /in?a=1 HTTP/1.1\r\n")
    assert b"\r\nHost: duty.local:" in requests[0]
