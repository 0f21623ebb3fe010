"""One person's webhook, verified by the reference library."""

import base64
import json

import pytest
from standardwebhooks import Webhook

from connectors.channels import configured
from tests.connectors.channels.calls import channel, message, quick
from tests.http_receiver import receiving

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OLD = "whsec_" + base64.b64encode(b"o" * 24).decode()
ENTRY = {"kind": "webhook", "secret": [SECRET, OLD], "allow_private": True}


async def test_a_message_is_signed_and_delivered():
    async with receiving((204, b"")) as receiver, channel(ENTRY) as one:
        receipt = await one.send(message(to=receiver.url))
    assert receipt.state == "delivered"
    (request,) = receiver.requests
    for secret in (SECRET, OLD):
        body = Webhook(secret).verify(request.body, request.headers)
    assert (body["type"], body["data"]["call_id"], body["data"]["level"]) == ("call.created", "call-1", "red")
    assert request.headers["idempotency-key"] == request.headers["webhook-id"] == "call-1"
    assert receiver.url not in json.dumps(body)


async def test_it_is_tried_again_with_the_same_key(monkeypatch):
    quick(monkeypatch)
    async with receiving((500, b""), (200, b"")) as receiver, channel(ENTRY) as one:
        assert (await one.send(message(to=receiver.url))).state == "delivered"
    assert [r.headers["idempotency-key"] for r in receiver.requests] == ["call-1", "call-1"]


@pytest.mark.parametrize("status", [301, 400, 404, 410])
async def test_a_refusal_is_final(status):
    async with receiving((status, b"")) as receiver, channel(ENTRY) as one:
        receipt = await one.send(message(to=receiver.url))
    assert (receipt.state, len(receiver.requests)) == ("refused", 1)


async def test_private_addresses_are_refused():
    async with receiving((200, b"")) as receiver, channel({**ENTRY, "allow_private": False}) as one:
        receipt = await one.send(message(to=receiver.url))
    assert receipt.state == "refused"
    assert receiver.requests == []
    assert receiver.url not in receipt.detail


@pytest.mark.parametrize("to", ["", "mailto:li@example.org", "http://", "file:///etc/passwd", "http://[::1"])
async def test_what_is_no_url_is_refused(to):
    async with channel(ENTRY) as one:
        assert (await one.send(message(to=to))).state == "refused"


def test_a_bad_secret_is_refused_in_words():
    with pytest.raises(ValueError, match="whsec_"):
        configured({**ENTRY, "secret": ["whsec_short"]})
