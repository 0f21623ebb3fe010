"""Each route names what it does, and each role is let through to what it may and to nothing else."""

from __future__ import annotations

import re

import pytest
from fastapi.routing import APIRoute, APIWebSocketRoute
from starlette.routing import Mount

from connectors.http_intake import PATH as SAMPLES
from dashboards.access.access import Rules
from dashboards.access.permissions import ROLES_OF, Action, changing, reading
from dashboards.api.call_receipts import Callbacks
from dashboards.api.changes import _BODIES, _PATHS
from dashboards.api.needs import action_of
from streams.call_links import CallLinks
from streams.records import Changes, CommandOutcome
from tests.dashboards import country as c
from tests.dashboards.people import ROLES, account, bearer, change, everybody, signed_in, token
from tests.dashboards.serving import client_of

CLOSED = {"open_writes": False, "write_token": "the write token"}
PRIVATE = {**CLOSED, "rules": Rules(is_public=False, metrics="token")}
WITHOUT_ACTION = {"/api/v1/openapi.json", "/assets", SAMPLES}
"""The description and the files of the page tell nothing of the network; samples have tokens of their own."""
WHERE = {
    "kind": "station",
    "station_id": "SHAO00CHN",
    "thing_id": "gauge-xiamen",
    "datastream_id": c.GAUGE,
    "alert_id": "a1",
}


def filled(path):
    return re.sub(r"{(\w+)(:\w+)?}", lambda found: WHERE.get(found[1], "none"), path)


@pytest.fixture(scope="module")
def country(tmp_path_factory):
    """One for all that only ask: to make an app takes longer than most questions."""
    yield from found(tmp_path_factory.mktemp("country"))


@pytest.fixture
def own(tmp_path):
    yield from found(tmp_path)


def found(folder):
    country = c.found(folder, minutes=1)
    country.keep(everybody())
    yield country
    country.store.close()


async def no_samples(scope, receive, send): ...


def whole(country, **changes):
    """Return the app with all routes that there can be."""
    callbacks = Callbacks({}, lambda _: None)
    links = CallLinks("s" * 32, "http://here", 1.0)
    return country.app(posting=no_samples, callbacks=callbacks, links=links, **changes)


@pytest.fixture(scope="module")
def every_app(country):
    return whole(country)


@pytest.fixture(scope="module")
def refusing(tmp_path_factory):
    """A country where everybody is refused behind the door, and its app."""
    for country in found(tmp_path_factory.mktemp("refusing")):
        country.desk.answer = CommandOutcome(id="", ok=False, message="Refused.")
        yield country, whole(country, **PRIVATE)


def routes(app):
    """Yield method, path and action of each route, those of routers that were taken in, too."""

    def every(found):
        for one in found:
            inner = getattr(one, "original_router", None)
            yield from every(inner.routes) if inner is not None else [one]

    for route in every(app.routes):
        if isinstance(route, APIRoute):
            for method in route.methods - {"HEAD"}:
                yield method, route.path, action_of(route)
        elif isinstance(route, APIWebSocketRoute):
            yield "", route.path, action_of(route)
        else:
            yield "", route.path, None


def test_every_route_names_its_action(every_app):
    nameless = {path for _, path, action in routes(every_app) if action is None}
    assert nameless == WITHOUT_ACTION
    assert len(list(routes(every_app))) > 90


def test_what_is_named_is_what_the_kind_asks_for(every_app):
    named = {(method, path): action for method, path, action in routes(every_app)}
    for kind in _BODIES:
        path = f"/api/v1{_PATHS[kind]}"
        assert {named[method, path] for method in ("PUT", "PATCH", "DELETE")} == {changing(kind)}
        if kind not in {"station", "thing", "datastream", "privacy"}:
            assert named["GET", path] == named["GET", path.partition("/{")[0]] == reading(kind)


def test_a_write_is_never_open_to_readers(every_app):
    for method, path, action in routes(every_app):
        if method not in {"GET", ""}:
            assert action not in {Action.READ, Action.SENSITIVE, Action.METRICS}, (method, path)


async def ask(client, method, path, headers):
    body = {} if method == "GET" else {"content": b"{}"}
    kind = {} if method == "GET" else {"Content-Type": "application/json"}
    return await client.request(method, filled(path), headers={**headers, **kind}, **body)


@pytest.mark.parametrize("role", [*ROLES, "rover", "nobody"])
async def test_every_route_and_every_role(refusing, role):
    country, app = refusing
    country.desk.seen.clear()
    headers = {} if role == "nobody" else signed_in(app, role)
    refused = 401 if role in {"rover", "nobody"} else 403
    tried = 0
    async with client_of(app) as client:
        for method, path, action in routes(app):
            if action not in ROLES_OF or path in {"/api/v1/live", "/api/v1/push"}:
                continue
            tried += 1
            answer = await ask(client, method, path, headers)
            if role in ROLES_OF[action]:
                assert answer.status_code not in {303, 401, 403, 500}, (method, path, answer.text)
            elif path in {"/", "/rovers"} and refused == 401:
                assert answer.status_code == 303
                assert answer.headers["location"].startswith("/sign-in?next=%2F")
            else:
                assert answer.status_code == refused, (method, path, answer.text)
    assert tried > 80
    if role in {"viewer", "rover", "nobody"}:
        assert country.desk.seen == []


async def test_a_viewer_cannot_write_and_an_operator_cannot_manage_users(country):
    app = country.app(**CLOSED)
    body = {"password": "a new password", "roles": ["administrator"]}
    async with client_of(app) as client:
        for name, path, status in (
            ("viewer", "/stations/SHAO00CHN", 403),
            ("viewer", "/accounts/viewer", 403),
            ("operator", "/accounts/operator", 403),
            ("duty_officer", "/accounts/duty_officer", 403),
        ):
            headers = signed_in(app, name)
            for method in ("PUT", "PATCH", "DELETE"):
                answer = await client.request(method, f"/api/v1{path}", json=body, headers=headers)
                assert answer.status_code == status, answer.text
                assert "permission" in answer.json()["detail"]
        for path in ("account/operator", "privacy/rovers", "token/x"):
            answer = await client.post(f"/api/v1/changes/{path}/revert", headers=signed_in(app, "operator"))
            assert answer.status_code == 403
    assert country.desk.seen == []


async def test_each_write_names_the_account_whatever_it_says(own):
    app = own.app(**CLOSED)
    (text, mine), (plain, ours) = token("answer", owner="duty_officer"), token("answer")
    app.state.access.book.take(Changes(changes=[mine, ours]))
    async with client_of(app) as client:
        for headers in (
            signed_in(app, "duty_officer"),
            bearer(text),
            bearer(plain),
            bearer("the write token"),
        ):
            answer = await client.post(
                "/api/v1/alerts/a1/acknowledge", json={"by": "Somebody Else"}, headers=headers
            )
            assert answer.status_code == 200, answer.text
            await client.post("/api/v1/alerts/a1/lower", json={"level": "blue"}, headers=headers)
        own.desk.answer = CommandOutcome(id="", ok=False, message="Refused.")
        headers = signed_in(app, "operator")
        await client.delete("/api/v1/stations/SHAO00CHN?by=Else", headers=headers)
    names = ["duty_officer", "duty_officer (token backup)", "token backup"]
    by = [command.by for command in own.desk.seen]
    assert by[:6] == [name for name in names for _ in range(2)]
    assert by[6:] == ["Somebody Else", "unnamed, from 127.0.0.1", "operator"]


async def test_changes_of_accounts_are_told_to_who_manages_them(own):
    app = own.app(**CLOSED)
    async with client_of(app) as client:

        async def kinds(headers, path="/api/v1/changes"):
            answer = await client.get(path, headers=headers)
            return answer.status_code, {one["kind"] for one in answer.json().get("items", [])}

        own.keep(Changes(changes=[change("thing", "gauge-xiamen", {"longitude": 1, "latitude": 2})]))
        assert await kinds({}) == (200, {"thing"})
        assert await kinds(signed_in(app, "operator")) == (200, {"thing"})
        assert await kinds(signed_in(app, "administrator")) == (200, {"thing", "account"})
        for kind in ("account", "token"):
            assert (await kinds(signed_in(app, "operator"), f"/api/v1/changes?kind={kind}"))[0] == 403
        assert (await kinds({}, "/api/v1/changes?kind=account"))[0] == 401


async def test_a_route_that_names_nothing_is_closed(country):
    app = country.app(**PRIVATE)

    @app.get("/forgotten")
    async def forgotten():
        return {}

    @app.post("/forgotten")
    async def changing_forgotten():
        return {}

    async with client_of(app) as client:
        assert (await client.get("/forgotten")).status_code == 401
        assert (await client.get("/forgotten", headers=signed_in(app, "viewer"))).status_code == 200
        assert (await client.post("/forgotten", headers=signed_in(app, "operator"))).status_code == 403
        assert (await client.post("/forgotten", headers=signed_in(app, "administrator"))).status_code == 200


async def test_without_a_sign_in_only_what_is_open_is_shown_where_reading_is_not_public(country):
    app = country.app(**PRIVATE)
    async with client_of(app) as client:
        for path in ("/healthz", "/readyz", "/sign-in", "/docs", "/assets/sign_in.js", "/api/v1/session"):
            assert (await client.get(path)).status_code == 200
        for path in (
            "/api/v1/stations",
            "/api/v1/alerts.atom",
            "/api/v1/live",
            "/api/v1/push?channel=network",
            "/metrics",
        ):
            answer = await client.get(path)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
        assert (await client.get("/metrics", headers=signed_in(app, "operator"))).status_code == 200


@pytest.mark.parametrize(
    ("rule", "address", "status"),
    [
        ("open", "192.0.2.1", 200),
        ("local", "192.0.2.1", 401),
        ("local", "127.0.0.1", 200),
        ("local", "::ffff:127.0.0.1", 200),
        ("token", "127.0.0.1", 401),
    ],
)
async def test_who_reads_figures(country, rule, address, status):
    app = country.app(**CLOSED, rules=Rules(metrics=rule))
    text, made = token("metrics")
    app.state.access.book.take(Changes(changes=[made]))
    async with client_of(app, client=(address, 1)) as client:
        assert (await client.get("/metrics")).status_code == status
        assert (await client.get("/metrics", headers=bearer(text))).status_code == 200


async def test_an_open_server_asks_nobody_until_there_is_an_administrator(tmp_path):
    country = c.found(tmp_path, minutes=1)
    app = country.app()
    book = app.state.access.book
    async with client_of(app) as client:

        async def acknowledge():
            return (await client.post("/api/v1/alerts/a1/acknowledge", json={})).status_code

        assert await acknowledge() == 200
        assert (await client.get("/api/v1/session")).json()["how"] == "here"
        book.take(Changes(changes=[account("li", "administrator")]))
        assert await acknowledge() == 401
        assert (await client.get("/api/v1/session")).json()["how"] == "nobody"
        book.take(Changes(changes=[change("account", "li", None, 2)]))
        assert await acknowledge() == 200
    country.store.close()


async def test_while_accounts_are_not_known_only_the_write_token_serves(country):
    app = country.app(**CLOSED)
    headers = signed_in(app, "administrator")
    app.state.access.book.is_known = False
    async with client_of(app) as client:
        for one in (headers, bearer("gsw_x_y")):
            answer = await client.get("/api/v1/accounts", headers=one)
            assert answer.status_code == 503
            assert answer.headers["retry-after"] == "2"
        assert (await client.get("/api/v1/accounts", headers=bearer("the write token"))).status_code == 200
        assert (await client.get("/api/v1/stations")).status_code == 200


def test_the_assets_are_files_alone(country):
    (mount,) = [one for one in country.app().routes if isinstance(one, Mount)]
    assert mount.path == "/assets"
