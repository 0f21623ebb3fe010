"""Rehearsals over the API: begun by who may change rules, shown to who may read."""

from __future__ import annotations

import pytest

from tests.dashboards import country as c
from tests.dashboards.rehearsing import FakeDesk
from tests.dashboards.serving import client_of

PATH = "/api/v1/rehearsals"
DAY = {"start": "2025-12-31T00:00:00Z", "end": "2026-01-01T08:00:00+08:00", "by": "Li"}


@pytest.fixture
def country(tmp_path):
    country = c.found(tmp_path, minutes=1)
    yield country
    country.store.close()


async def ask(country, method, path=PATH, desk=None, status=200, token="", **request):
    app = country.app(rehearsals=desk, write_token="right", open_writes=False)
    headers = {"authorization": "Bearer right"} if token else {}
    async with client_of(app) as client:
        answer = await client.request(method, path, headers=headers, **request)
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_from_the_begin_to_the_result(country):
    desk = FakeDesk()
    assert await ask(country, "GET", desk=desk) == {"items": [], "next": None}
    wanted = {**DAY, "name": "The night of the wave", "sites": ["gauge-xiamen"], "rules": "[x]"}
    begun = await ask(country, "POST", desk=desk, token="yes", json=wanted)
    assert (begun["state"], begun["by"], begun["other_rules"]) == ("running", "Li", True)
    assert (begun["start"], begun["end"]) == ("2025-12-31T00:00:00Z", "2026-01-01T08:00:00+08:00")
    await ask(country, "GET", f"{PATH}/{begun['id']}", desk, 404)
    refused = await ask(country, "POST", desk=desk, token="yes", json=wanted, status=409)
    assert "Another" in refused["detail"]
    result = {"counts": {"same": 2}, "alerts": []}
    desk.finish(begun["id"], result)
    (listed,) = (await ask(country, "GET", desk=desk))["items"]
    assert (listed["state"], listed["counts"], listed["name"]) == ("done", {"same": 2}, wanted["name"])
    assert await ask(country, "GET", f"{PATH}/{begun['id']}", desk) == result
    await ask(country, "POST", f"{PATH}/{begun['id']}/cancel", desk, 409, token="yes")
    assert (await ask(country, "DELETE", f"{PATH}/{begun['id']}", desk, token="yes"))["items"] == []
    await ask(country, "DELETE", f"{PATH}/{begun['id']}", desk, 404, token="yes")


async def test_the_audit_has_what_is_done_before_it_is_done(country):
    desk = FakeDesk()
    begun = await ask(country, "POST", desk=desk, token="yes", json={**DAY, "sites": ["a"], "rules": "[x]"})
    await ask(country, "POST", f"{PATH}/{begun['id']}/cancel?by=Wang", desk, token="yes")
    await ask(country, "DELETE", f"{PATH}/{begun['id']}?by=Li", desk, token="yes")
    written = [(c.kind, c.target, c.by, c.arguments["verb"]) for c in country.desk.seen]
    assert written == [
        ("rehearse", "new", "Li", "begin"),
        ("rehearse", begun["id"], "Wang", "cancel"),
        ("rehearse", begun["id"], "Li", "delete"),
    ]
    asked = country.desk.seen[0].arguments
    assert (asked["sites"], asked["rules"], asked["start"]) == (["a"], "other", "2025-12-31T00:00:00+00:00")


async def test_what_the_audit_does_not_get_is_not_done(country):
    desk = FakeDesk()
    begun = await ask(country, "POST", desk=desk, token="yes", json=DAY)
    country.desk.silent = True
    await ask(country, "POST", desk=desk, token="yes", json=DAY, status=503)
    await ask(country, "POST", f"{PATH}/{begun['id']}/cancel", desk, 503, token="yes")
    await ask(country, "DELETE", f"{PATH}/{begun['id']}", desk, 503, token="yes")
    assert (len(desk.asked), desk.entries[begun["id"]].state) == (1, "running")


async def test_one_that_is_made_is_cancelled(country):
    desk = FakeDesk()
    begun = await ask(country, "POST", desk=desk, token="yes", json=DAY)
    assert begun["name"] == "2025-12-31 00:00 – 2026-01-01 08:00"
    after = await ask(country, "POST", f"{PATH}/{begun['id']}/cancel?by=Li", desk, token="yes")
    assert after["state"] == "cancelled"


@pytest.mark.parametrize(
    ("method", "path"), [("POST", PATH), ("POST", f"{PATH}/1/cancel"), ("DELETE", f"{PATH}/1")]
)
async def test_who_may_not_change_begins_and_ends_nothing(country, method, path):
    desk = FakeDesk()
    await ask(country, method, path, desk, 401, json=DAY)
    assert desk.asked == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {**DAY, "end": DAY["start"]},
        {**DAY, "start": "2025-12-31T00:00:00"},
        {**DAY, "start": "yesterday"},
        {**DAY, "name": "x" * 101},
        {**DAY, "name": "two\nlines"},
        {**DAY, "sites": ["x"] * 101},
        {**DAY, "rules": "x" * 60_001},
        {**DAY, "other": 1},
        {**DAY, "by": "x" * 101},
    ],
)
async def test_what_makes_no_sense_is_refused(country, body):
    desk = FakeDesk()
    await ask(country, "POST", desk=desk, token="yes", json=body, status=422)
    assert desk.asked == []


async def test_a_server_without_a_desk_says_what_to_do(country):
    assert (await ask(country, "GET"))["items"] == []
    refused = await ask(country, "POST", token="yes", json=DAY, status=409)
    assert "groundswell replay-event" in refused["detail"]
    await ask(country, "GET", f"{PATH}/1", status=404)
