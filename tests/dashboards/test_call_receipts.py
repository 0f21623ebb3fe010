"""Gateways call back over the API."""

import json
from urllib.parse import urlsplit

import pytest

from connectors.channels import Surroundings, configured
from dashboards.api.call_receipts import Callbacks
from tests.connectors.channels.calls import clock_us, message
from tests.dashboards import country as c
from tests.dashboards.serving import client_of
from tests.http_receiver import receiving

RULES = {"secret": "r" * 32, "path": "status", "states": {"ok": "delivered"}}


@pytest.fixture
def country(tmp_path):
    country = c.found(tmp_path, minutes=1)
    yield country
    country.store.close()


async def called_back(country, body, *, spoil="", name="sms1", busy=False):
    """Send a message over a real gateway, which calls back at the address that it got."""
    got = []

    async def take(receipt):
        if busy:
            raise TimeoutError
        got.append(receipt)

    async with receiving((200, b"")) as gateway:
        entry = {
            "kind": "sms", "url": gateway.url, "body": {"at": "{callback}"}, "allow_private": True,
            "receipts": RULES,
        }  # fmt: skip
        channel = configured(entry).channel("sms1", Surroundings(clock_us, "http://127.0.0.1"))
        await channel.send(message())
        await channel.close()
    url = urlsplit(json.loads(gateway.requests[0].body)["at"])
    app = country.app(callbacks=Callbacks({name: channel}, take))
    async with client_of(app) as client:
        answer = await client.post(f"{url.path}?{url.query}{spoil}", content=body)
    return answer, got


async def test_a_receipt_is_taken(country):
    answer, got = await called_back(country, b'{"status": "ok"}')
    assert answer.status_code == 204
    assert [(one.call_id, one.state) for one in got] == [("call-1", "delivered")]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"spoil": "0"}, 403),
        ({"body": b'{"status": "new"}'}, 403),
        ({"body": b"x" * 70_000}, 413),
        ({"name": "other"}, 404),
        ({"busy": True}, 503),
    ],
)
async def test_what_is_none_is_refused(country, changes, status):
    answer, got = await called_back(country, **{"body": b'{"status": "ok"}', **changes})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert got == []


async def test_where_nobody_takes_them_there_is_no_door(country):
    async with client_of(country.app()) as client:
        assert (await client.post("/api/v1/call-receipts/sms1/c1")).status_code == 404
