"""What is written into any parameter of any route changes nothing, and breaks nothing."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sqlite3
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.http_intake import PATH as SAMPLES
from dashboards.access.permissions import Action, actions_of
from streams.records import CommandOutcome
from tests.dashboards import country as c
from tests.dashboards.people import everybody, signed_in
from tests.dashboards.serving import client_of
from tests.dashboards.test_access import CLOSED, routes, whole

ATTEMPTS = (
    "' OR '1'='1",
    "'; DROP TABLE station; --",
    '" UNION SELECT sql FROM sqlite_master --',
    "1; ATTACH DATABASE '/tmp/x' AS x; --",
    "../../../../etc/passwd",
    "..%2f..%2f..%2fetc%2fpasswd",
    "%00",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "javascript:alert(1)",
    "a\r\nSet-Cookie: groundswell_session=x",
    "${jndi:ldap://x}",
    "{{7*7}}",
    "%s%n%x",
    "$(id)",
    "9" * 400,
    "-1e999",
    "\u202e\U0001f600",
)
MARKUP = ("<script>alert", "<img src=x")


@pytest.fixture
def country(tmp_path):
    country = c.found(tmp_path, minutes=1)
    country.keep(everybody())
    country.desk.answer = CommandOutcome(id="", ok=False, message="Refused.")
    yield country
    country.store.close()


@pytest.fixture
def app(country):
    return whole(country, **CLOSED)


def content(folder):
    """Return all that the database holds, and its tables."""
    with contextlib.closing(sqlite3.connect(f"file:{folder}/country.sqlite?mode=ro", uri=True)) as found:
        return list(found.iterdump())


def harmless(answer, where):
    assert answer.status_code < 500 or answer.status_code == 503, (where, answer.text)
    assert "set-cookie" not in answer.headers or "=x" not in answer.headers["set-cookie"], where
    assert "root:" not in answer.text, where
    assert "CREATE TABLE" not in answer.text, where
    if answer.headers.get("content-type", "").startswith("text/html"):
        assert not any(mark in answer.text for mark in MARKUP), where
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


async def questions(client):
    """Yield method, path, and names of the parameters in it and behind it, of each route."""
    paths = (await client.get("/api/v1/openapi.json")).json()["paths"]
    for path, verbs in paths.items():
        for method, what in verbs.items():
            parameters = what.get("parameters", [])
            of_path = [one["name"] for one in parameters if one["in"] == "path"]
            of_query = [one["name"] for one in parameters if one["in"] == "query"]
            if path != "/api/v1/live" or of_query:
                yield method.upper(), path, of_path, of_query


async def test_attempts_in_each_parameter_of_each_route_change_nothing(app, tmp_path):
    """Each is tried by an administrator, for whom most is open; what commands ask for is refused behind."""
    before, headers = content(tmp_path), signed_in(app, "administrator")
    attempts = itertools.cycle(ATTEMPTS)
    tried = 0
    async with client_of(app) as client:
        for method, path, of_path, of_query in [one async for one in questions(client)]:
            whole_path = path.replace("{", "").replace("}", "")
            asks = [(path.replace(f"{{{name}}}", quoted), {}) for name in of_path
                    for quoted in (_quoted(next(attempts)), _quoted(next(attempts)))]  # fmt: skip
            asks += [(whole_path, {name: next(attempts)}) for name in of_query for _ in range(3)]
            for address, query in asks:
                body = {} if method == "GET" else {"json": {}}
                answer = await client.request(method, address, params=query, headers=headers, **body)
                harmless(answer, (method, address, query))
                tried += 1
    assert tried > 300
    assert content(tmp_path) == before


async def test_attempts_in_headers_and_bodies_change_nothing(app, tmp_path, monkeypatch):
    monkeypatch.setattr("connectors.caster.guesses.LONGEST_S", 0.0)
    before = content(tmp_path)
    async with client_of(app) as client:
        for text in ATTEMPTS:
            plain = text.encode("ascii", "ignore").decode().replace("\r\n", "")
            for headers in (
                {"authorization": f"Bearer {plain}"},
                {"cookie": f"groundswell_session={plain}"},
                {"x-forwarded-for": plain, "if-none-match": plain, "origin": plain},
            ):
                harmless(await client.get("/api/v1/stations", headers=headers), headers)
            sign_in = await client.post("/api/v1/session", json={"name": text, "password": text})
            assert sign_in.status_code in {401, 429}
            harmless(sign_in, text)
        headers = signed_in(app, "administrator")
        for text in ATTEMPTS:
            for method, path, body in (
                ("PUT", f"/api/v1/stations/{_quoted(text)}", {"source": text}),
                ("PUT", "/api/v1/things/x", {"longitude": 1, "latitude": 1, "name": text}),
                ("POST", "/api/v1/alerts/a1/acknowledge", {"by": text, "comment": text}),
                ("POST", "/api/v1/alerts/a1/comments", {"by": text, "comment": text}),
                ("POST", "/api/v1/tokens", {"name": text, "scopes": ["read"], "owner": text}),
                ("PATCH", "/api/v1/accounts/x", {text: text}),
            ):
                harmless(await client.request(method, path, json=body, headers=headers), (path, text))
    assert content(tmp_path) == before


async def test_paths_lead_to_no_other_file(country):
    async with client_of(country.app(**CLOSED)) as client:
        for path in (
            "/assets/../../answers.py",
            "/assets/..%2f..%2fanswers.py",
            "/assets/%2e%2e/%2e%2e/answers.py",
            "/assets//etc/passwd",
            "/assets/..\\..\\answers.py",
            "/assets/%00",
            "/sign-in/../assets/../answers.py",
        ):
            answer = await client.get(path)
            assert answer.status_code in {400, 404}, path
            assert "struct" not in answer.text


async def test_where_a_sign_in_leads_stays_here(country):
    app = country.app(**{**CLOSED, "rules": None})
    async with client_of(app) as client:
        page = (await client.get("/sign-in?next=//evil.example/<script>alert(1)</script>")).text
    assert "evil" not in page


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_request_of_any_shape_breaks_nothing(country, app, data):
    """Any route, any role, any text anywhere; only who may asks for anything."""
    known = sorted(
        (m, p) for m, p, _ in routes(app) if m and p not in {SAMPLES, "/api/v1/live", "/api/v1/push"}
    )
    method, path = data.draw(st.sampled_from(known))
    role = data.draw(st.sampled_from(["viewer", "operator", "duty_officer", "administrator"]))
    text = st.text(max_size=40)
    name = data.draw(text.filter(lambda t: t not in {"", ".", ".."}))
    query = data.draw(
        st.dictionaries(st.sampled_from(["after", "limit", "by", "kind", "x"]), text, max_size=3)
    )
    values = st.recursive(st.none() | st.booleans() | st.integers() | text, lambda v: st.lists(v, max_size=3)
                          | st.dictionaries(text, v, max_size=3), max_leaves=6)  # fmt: skip
    body = data.draw(values)

    async def ask():
        async with client_of(app) as client:
            address = path
            while "{" in address:
                address = address[: address.index("{")] + _quoted(name) + address[address.index("}") + 1 :]
            more = {} if method == "GET" else {"json": body}
            return await client.request(method, address, params=query, headers=signed_in(app, role), **more)

    harmless(asyncio.run(ask()), (method, path, name, query, body))
    action = next(a for m, p, a in routes(app) if (m, p) == (method, path))
    if country.desk.seen:
        assert action in {Action.ANSWER, Action.CHANGE, Action.MANAGE}
        assert action in actions_of([role])
    country.desk.seen.clear()


def _quoted(text):
    return quote(text, safe="")
