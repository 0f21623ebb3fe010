"""Subscribers of alerts over the API."""

import pytest

from streams.records import AlertTransitions, CommandOutcome
from tests.dashboards import country as c
from tests.dashboards.serving import client_of

API = "/api/v1/webhooks"


@pytest.fixture
def country(tmp_path):
    country = c.found(tmp_path, minutes=1)
    country.settings = {"webhooks": ["duty", "new"]}
    steps = [c.alert(alert_id=f"b{i}") for i in range(3)]
    country.store.commit([AlertTransitions(transitions=steps)], None, now_us=c.START_US, webhook_ids=["duty"])
    country.store.settle_delivery("duty", "b0.1", delivered_at_us=c.START_US)
    country.store.settle_delivery("duty", "b1.1", delivered_at_us=None, error="duty answered 500")
    yield country
    country.store.close()


async def call(country, method, path, status=200, json=None, **changes):
    async with client_of(country.app(**changes)) as client:
        answer = await client.request(method, API + path, json=json)
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_webhooks_say_how_they_are_doing(country):
    country.store.disable_webhook("duty", c.START_US, "duty answered 410: it wants no more messages")
    duty, new = (await call(country, "GET", ""))["items"]
    assert (duty["id"], duty["state"], duty["since"]) == ("duty", "disabled", "2026-01-01T00:00:00Z")
    assert "410" in duty["reason"]
    assert (duty["pending"], duty["delivered"], duty["given_up"]) == (1, 1, 1)
    assert duty["oldest_pending_at"] == "2025-12-31T23:56:00Z"
    assert (new["id"], new["state"], new["pending"], new["since"]) == ("new", "active", 0, None)


async def test_deliveries_say_what_became_of_them(country):
    items = (await call(country, "GET", "/duty/deliveries"))["items"]
    assert {one["id"]: one["state"] for one in items} == {
        "b0.1": "delivered", "b1.1": "given_up", "b2.1": "pending",
    }  # fmt: skip
    (lost,) = (await call(country, "GET", "/duty/deliveries?state=given_up"))["items"]
    assert lost["error"] == "duty answered 500"
    assert lost["next_attempt_at"] is None
    page = await call(country, "GET", "/duty/deliveries?limit=2")
    (rest,) = (await call(country, "GET", f"/duty/deliveries?limit=2&after={page['next']}"))["items"]
    assert rest["id"] not in {one["id"] for one in page["items"]}
    problem = await call(country, "GET", "/nobody/deliveries", 404)
    assert problem["detail"] == "There is no webhook 'nobody': configured are duty, new."


async def test_a_person_resumes_and_replays(country):
    country.desk.answer = CommandOutcome(id="c", ok=True, message="Done.")
    assert (await call(country, "POST", "/duty/resume?by=Li", json={}))["message"] == "Done."
    body = {"start": "2026-01-01T08:00:00+08:00", "end": "2026-01-01T01:00:00Z"}
    await call(country, "POST", "/duty/replay?by=Li", json=body)
    await call(country, "POST", "/duty/replay?by=Li", json={"alert_id": "b1", "number": 1})
    kinds = [(one.kind, one.target, one.by, one.arguments) for one in country.desk.seen]
    assert kinds == [
        ("resume_webhook", "duty", "Li", {}),
        ("replay_webhook", "duty", "Li",
         {"alert_id": "", "number": 0, "start_us": c.START_US, "end_us": c.START_US + c.HOUR_US}),
        ("replay_webhook", "duty", "Li", {"alert_id": "b1", "number": 1}),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/nobody/resume", {}, 404),
        ("/duty/replay", {}, 422),
        ("/duty/replay", {"number": 1}, 422),
        ("/duty/replay", {"alert_id": "b1", "number": -1}, 422),
        ("/duty/replay", {"everything": True}, 422),
        ("/duty/replay", {"start": "yesterday"}, 422),
    ],
)
async def test_what_makes_no_sense_is_refused(country, path, body, status):
    await call(country, "POST", path, status, json=body)
    assert country.desk.seen == []


async def test_only_who_may_write_does_it(country):
    await call(country, "POST", "/duty/resume", 401, json={}, write_token="t")
    await call(country, "POST", "/duty/replay", 403, json={"alert_id": "b"}, open_writes=False)
    assert country.desk.seen == []
