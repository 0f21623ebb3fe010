"""Signing in and out, tokens, and what a foreign page cannot do."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest
from starlette.requests import HTTPConnection

from dashboards.access.access import Rules
from dashboards.access.cookies import NAME
from dashboards.access.permissions import Action
from dashboards.api import needs
from dashboards.problems import ProblemError
from streams.passwords import hashed
from streams.records import Changes, CommandOutcome
from tests.dashboards import country as c
from tests.dashboards.people import CSRF, PASSWORD, account, bearer, change, everybody, signed_in, token
from tests.dashboards.serving import client_of, served
from tests.waiting import until

SESSION = "/api/v1/session"
CLOSED = {"open_writes": False, "write_token": "the write token"}
ACKNOWLEDGE = "/api/v1/alerts/a1/acknowledge"


@pytest.fixture(scope="module")
def country(tmp_path_factory):
    """One for all that change nothing in it; each who is let in or guesses has an app of its own."""
    yield from found(tmp_path_factory.mktemp("country"))


@pytest.fixture(scope="module")
def app(country):
    """For all who only ask, or are refused without a guess."""
    return country.app(**CLOSED)


@pytest.fixture
def desk(country):
    """Its desk, which has seen nothing and does nothing."""
    country.desk.seen.clear()
    country.desk.answer = CommandOutcome(id="", ok=True, message="Done.")
    return country.desk


@pytest.fixture
def own(tmp_path):
    yield from found(tmp_path)


def found(folder):
    country = c.found(folder, minutes=1)
    country.keep(everybody())
    yield country
    country.store.close()


async def sign_in(client, name, password=PASSWORD, **more):
    return await client.post(SESSION, json={"name": name, "password": password}, **more)


async def test_a_session_from_its_begin_to_its_end(own):
    app = own.app(**CLOSED)
    async with client_of(app) as client:
        answer = await sign_in(client, "duty_officer")
        assert answer.status_code == 200, answer.text
        cookie = answer.headers["set-cookie"]
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
        assert "Secure" not in cookie
        told = (await client.get(SESSION)).json()
        assert told == answer.json()
        assert (told["name"], told["how"], told["roles"]) == ("duty_officer", "session", ["duty_officer"])
        assert told["may"] == ["answer", "read", "sensitive"]
        assert told["ends_at"] == "2026-01-01T12:00:00Z"
        assert (await client.post(ACKNOWLEDGE, json={}, headers=CSRF)).status_code == 200
        kept = client.cookies[NAME]
        left = await client.delete(SESSION, headers=CSRF)
        assert left.json()["how"] == "nobody"
        assert "Max-Age=0" in left.headers["set-cookie"]
        again = {"cookie": f"{NAME}={kept}", **CSRF}  # somebody has kept it
        assert (await client.get(SESSION, headers=again)).json()["how"] == "nobody"
        assert (await client.post(ACKNOWLEDGE, json={}, headers=again)).status_code == 401


@pytest.mark.parametrize("base", ["http://monitor.example", "https://monitor.example"])
async def test_over_tls_the_cookie_is_for_tls_alone(country, base):
    behind = base.startswith("http:")
    app = country.app(**CLOSED, rules=Rules(is_secure=behind))
    async with client_of(app) as client:
        answer = await sign_in(client, "viewer", extensions={}, headers={}) if behind else None
        if answer is None:
            client.base_url = base
            answer = await sign_in(client, "viewer")
    assert "; Secure" in answer.headers["set-cookie"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "viewer", "password": "wrong"}, 401),
        ({"name": "nobody", "password": PASSWORD}, 401),
        ({"name": "rover", "password": PASSWORD}, 403),
        ({"name": "closed", "password": PASSWORD}, 403),
        ({"name": "viewer"}, 422),
        ({"name": "viewer", "password": 5}, 422),
        ({"name": "viewer", "password": "x" * 1001}, 422),
        ({"name": "viewer", "password": PASSWORD, "roles": ["administrator"]}, 422),
        ({"name": "\ud800", "password": "\u0000"}, 400),
    ],
)
async def test_who_is_not_let_in(own, body, status):
    own.keep(Changes(changes=[account("closed", "viewer", enabled=False)]))
    async with client_of(own.app(**CLOSED)) as client:
        answer = await client.post(SESSION, json=body) if status != 400 else await client.post(
            SESSION, content=b'{"name": "\xff"}', headers={"content-type": "application/json"}
        )  # fmt: skip
        assert answer.status_code == status, answer.text
        assert "set-cookie" not in answer.headers


async def test_a_form_of_a_foreign_page_signs_nobody_in(app):
    async with client_of(app) as client:
        answer = await client.post(SESSION, data={"name": "viewer", "password": PASSWORD})
        assert answer.status_code == 415


async def test_who_guesses_waits(country, monkeypatch):
    monkeypatch.setattr("connectors.caster.guesses.MOST_WAIT_S", 0.2)
    async with client_of(country.app(**CLOSED)) as client:
        tried = [(await sign_in(client, "viewer", f"guess {n}")).status_code for n in range(9)]
        assert tried[:6] == [401] * 6
        assert tried[-1] == 429
        assert (await sign_in(client, "viewer")).headers["retry-after"] == "10"


@pytest.mark.parametrize(
    "what",
    [
        {"password_hash": hashed("another", "s")},
        {"enabled": False},
        {"roles": ["administrator"]},
        {"valid_until_us": 1},
        {"most_sessions": 7},
        None,
    ],
)
async def test_a_change_of_the_account_ends_its_sessions(country, what):
    app = country.app(**CLOSED)
    headers, other = signed_in(app, "operator"), signed_in(app, "viewer")
    changed = change("account", "operator", None, 2) if what is None else account(
        "operator", *what.pop("roles", ["operator"]), version=2, **what
    )  # fmt: skip
    async with client_of(app) as client:
        assert (await client.get(SESSION, headers=headers)).json()["how"] == "session"
        app.state.access.book.take(Changes(changes=[changed]))
        assert (await client.get(SESSION, headers=headers)).json()["how"] == "nobody"
        assert (await client.get(SESSION, headers=other)).json()["how"] == "session"


async def test_a_session_that_is_used_goes_on_and_one_that_is_not_ends(own):
    app = own.app(**CLOSED)
    async with client_of(app) as client:
        await sign_in(client, "viewer")
        for _ in range(6):
            own.now_us += 6 * c.HOUR_US
            assert (await client.get(SESSION)).json()["how"] == "session"
        own.now_us += 12 * c.HOUR_US
        assert (await client.get(SESSION)).json()["how"] == "nobody"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"x-groundswell": ""}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"content-type": "text/plain"}, 415),
    ],
)
async def test_a_cookie_alone_changes_nothing(app, desk, headers, status):
    kind = {"content-type": "application/json"}
    sent = {**signed_in(app, "duty_officer"), **kind, **headers}
    async with client_of(app) as client:
        answer = await client.post(ACKNOWLEDGE, content=b"{}", headers=sent)
    assert answer.status_code == status, answer.text
    assert len(desk.seen) == (status == 200)


@pytest.mark.parametrize(
    ("origin", "is_taken"),
    [("http://monitor.example", True), ("http://evil.example", False), ("null", False), (None, False)],
)
def test_a_socket_with_a_cookie_comes_from_the_page_of_this_server(app, origin, is_taken):
    headers = {**signed_in(app, "viewer"), "host": "monitor.example"}
    headers |= {} if origin is None else {"origin": origin}
    sent = [(name.encode(), text.encode()) for name, text in headers.items()]
    scope = {"type": "websocket", "path": "/", "query_string": b"", "scheme": "ws", "headers": sent}
    with contextlib.nullcontext() if is_taken else pytest.raises(ProblemError, match="foreign page"):
        needs.check(HTTPConnection(scope), app.state.access, Action.READ, "This")


async def test_what_is_told_to_one_is_kept_by_no_cache(app):
    async with client_of(app) as client:
        known = await client.get("/api/v1/stations", headers=signed_in(app, "viewer"))
        assert known.headers["cache-control"] == "no-store"
        assert "cache-control" not in (await client.get("/api/v1/stations")).headers


async def test_a_token_that_is_wrong_expired_or_revoked_gets_401(own):
    app = own.app(**CLOSED)
    book = app.state.access.book
    (good, made), (old, expired), (gone, revoked) = (
        token("read", "answer"),
        token("read", "answer", expires_us=c.START_US),
        token("read", "answer"),
    )
    book.take(Changes(changes=[made, expired, revoked]))
    book.take(Changes(changes=[change("token", revoked.id, None, 2)]))
    async with client_of(app) as client:
        assert (await client.post(ACKNOWLEDGE, json={}, headers=bearer(good))).status_code == 200
        for text in (old, gone, good[:-1], "", "the write token "[:-2]):
            for ask in (client.get("/api/v1/stations", headers=bearer(text)),
                        client.post(ACKNOWLEDGE, json={}, headers=bearer(text))):  # fmt: skip
                answer = await ask
                assert answer.status_code == 401, text
                assert answer.headers["www-authenticate"] == "Bearer"
    assert len(own.desk.seen) == 1


async def test_a_token_may_what_its_scopes_say(own):
    app = own.app(**CLOSED)
    text, made = token("answer")
    app.state.access.book.take(Changes(changes=[made]))
    async with client_of(app) as client:
        assert (await client.post(ACKNOWLEDGE, json={}, headers=bearer(text))).status_code == 200
        for path in ("/api/v1/stations", "/api/v1/accounts", "/api/v1/sessions"):
            assert (await client.get(path, headers=bearer(text))).status_code == 403


async def test_a_token_is_made_shown_once_listed_and_revoked(own):
    app = own.app(**CLOSED)
    book, headers = app.state.access.book, signed_in(app, "administrator")
    body = {"name": "backup", "scopes": ["read", "read"], "expires": "2026-02-01T00:00:00+08:00"}
    own.desk.answer = CommandOutcome(id="", ok=True, message="Done.")
    async with client_of(app) as client:
        made = await client.post("/api/v1/tokens", json=body, headers=headers)
        assert made.status_code == 200, made.text
        assert made.headers["cache-control"] == "no-store"
        (command,) = own.desk.seen
        assert (command.kind, command.by) == ("put", "administrator")
        identity, text = made.json()["id"], made.json()["token"]
        assert text not in str(command)
        done = Changes(changes=[change("token", identity, command.arguments, 2)])
        own.keep(done)
        book.take(done)
        (listed,) = (await client.get("/api/v1/tokens", headers=headers)).json()["items"]
        assert listed["used_at"] is None
        assert (await client.get("/api/v1/stations", headers=bearer(text))).status_code == 200
        (listed,) = (await client.get("/api/v1/tokens", headers=headers)).json()["items"]
        assert listed == {
            "id": identity, "name": "backup", "scopes": ["read"], "owner": "", "created_by": "root",
            "expires_at": "2026-01-31T16:00:00Z", "created_at": "1970-01-01T00:00:00Z",
            "is_expired": False, "used_at": "2026-01-01T00:00:00Z",
        }  # fmt: skip
        for path in ("/api/v1/changes", "/api/v1/commands"):
            assert command.arguments["secret_hash"] not in (await client.get(path, headers=headers)).text
        await client.delete(f"/api/v1/tokens/{identity}", headers=headers)
        assert (own.desk.seen[-1].kind, own.desk.seen[-1].target) == ("delete", f"token/{identity}")


@pytest.mark.parametrize(
    "wrong",
    [{"scopes": []}, {"scopes": ["all"]}, {"name": ""}, {"name": "x" * 61}, {"expires": "tomorrow"},
     {"expires": "2026-02-01T00:00:00"}, {"secret_hash": "0" * 64}],
)  # fmt: skip
async def test_what_cannot_be_a_token_is_refused(app, desk, wrong):
    body = {"name": "backup", "scopes": ["read"], **wrong}
    async with client_of(app) as client:
        answer = await client.post("/api/v1/tokens", json=body, headers=signed_in(app, "administrator"))
    assert answer.status_code == 422, answer.text
    assert desk.seen == []


async def test_who_asks_too_often_waits_and_nobody_else(own):
    app = own.app(**CLOSED, rules=Rules(reads_s=1.0, writes_s=0.1))
    many = [{"headers": bearer("the write token")}] * 3

    async def asked(address, count=12, **more):
        async with client_of(app, client=(address, 1)) as client:
            return [await client.get("/api/v1/stations/SHAO00CHN", **more) for _ in range(count)]

    answers = await asked("192.0.2.1")
    assert [one.status_code for one in answers] == [200] * 10 + [429] * 2
    assert answers[-1].headers["retry-after"] == "1"
    assert answers[-1].headers["content-type"] == "application/problem+json"
    assert [one.status_code for one in await asked("192.0.2.2", 1)] == [200]
    assert [one.status_code for one in await asked("2001:db8::1", 6) + await asked("2001:db8::2", 6)] == (
        [200] * 10 + [429] * 2
    )
    assert {one.status_code for one in await asked("127.0.0.1", 30)} == {200}
    headers = signed_in(app, "viewer")
    by_account = [
        one.status_code for n in range(3, 7) for one in await asked(f"192.0.2.{n}", 4, headers=headers)
    ]
    assert by_account == [200] * 10 + [429] * 6
    async with client_of(app, client=("192.0.2.9", 1)) as client:
        wrote = [(await client.post(ACKNOWLEDGE, json={}, **one)).status_code for one in many]
        assert wrote == [200, 429, 429]
        assert (await client.get("/healthz")).status_code == 200
        figures = (await client.get("/metrics")).text
    assert 'groundswell_http_too_often_total{kind="write"} 2.0' in figures


async def test_the_live_stream_ends_when_its_reader_may_not_read_any_more(own, monkeypatch):
    monkeypatch.setattr(needs, "LOOK_S", 0.05)
    app = own.app(**CLOSED, rules=Rules(is_public=False))
    headers, other = signed_in(app, "viewer"), signed_in(app, "operator")
    async with served(app) as (_, url):
        import httpx

        ended = {}

        async def read(name, sent):
            async with httpx.AsyncClient(timeout=20) as client, client.stream(
                "GET", f"{url}/api/v1/live", headers=sent
            ) as answer:  # fmt: skip
                assert answer.status_code == 200
                ended[name] = False
                async for _ in answer.aiter_raw():
                    pass
                ended[name] = True

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(read("viewer", headers)), group.create_task(read("operator", other))]
            await until(lambda: len(ended) == 2)
            begin_s = time.monotonic()
            app.state.access.book.take(
                Changes(changes=[account("viewer", "viewer", version=2, enabled=False)])
            )
            await until(lambda: ended["viewer"])
            assert time.monotonic() - begin_s < 2
            assert not ended["operator"]
            tasks[1].cancel()
