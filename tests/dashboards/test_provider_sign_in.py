"""Signing in with an account at a provider: as it should be, and with all that hostile peers may try."""

from __future__ import annotations

import asyncio
import contextlib
import time
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from structlog.testing import capture_logs

from connectors.oidc import provider as under_test
from connectors.oidc.config import OidcConfig
from connectors.oidc.provider import Provider
from dashboards.access.access import Rules
from dashboards.access.cookies import NAME as SESSION_COOKIE
from dashboards.api.provider_sign_in import NAME, PATH, return_url
from streams.records import Changes
from tests.dashboards import country as c
from tests.dashboards.people import CSRF, PASSWORD, account, change, everybody
from tests.dashboards.serving import client_of
from tests.oidc_providers import ScriptedProvider, mock_provider, new_key, scripted_provider, signed_in_at

HERE = "http://127.0.0.1"
SESSION = "/api/v1/session"
ACKNOWLEDGE = "/api/v1/alerts/a1/acknowledge"


@pytest.fixture
def country(tmp_path):
    country = c.found(tmp_path, minutes=1)
    country.now_us = int(time.time() * 1e6)
    country.keep(everybody())
    yield country
    country.store.close()


@pytest.fixture
def script():
    with scripted_provider() as script:
        yield script


@contextlib.asynccontextmanager
async def signing_in(country, issuer, rules=None, clock_s=time.monotonic, access=None, **changes):
    """Yield a browser without cookies, and the app."""
    options = {
        "client_id": "groundswell", "client_secret": "s&cret%", "account_claim": "preferred_username",
        "allow_private": True, "timeout_s": 5.0, "name": "Bureau", **changes,
    }  # fmt: skip
    config = OidcConfig(issuer=issuer, **options)
    provider = Provider(config, return_url(HERE), lambda: country.now_us, clock_s)
    rules = rules or Rules(has_provider=True)
    closed = {"open_writes": False, "write_token": "the write token"}
    app = country.app(rules=rules, provider=provider, **(closed | (access or {})))
    try:
        async with client_of(app) as browser:
            yield browser, app
    finally:
        await provider.close()


async def begun(browser, wanted="/#/rovers"):
    answer = await browser.get(PATH, params={"next": wanted})
    assert answer.status_code == 303
    return answer.headers["location"]


def refusal(answer):
    """Return why somebody was not let in; the browser is led to the page of the sign-in, and nowhere else."""
    assert answer.status_code == 303
    target = urlsplit(answer.headers["location"])
    assert (target.scheme, target.netloc, target.path) == ("", "", "/sign-in")
    told = parse_qs(target.query)
    assert SESSION_COOKIE not in answer.headers.get("set-cookie", "")
    assert "back" not in told
    return told["refusal"][0]


async def tried(browser, script: ScriptedProvider):
    return await browser.get(script.address(await begun(browser)))


# --- with a provider that is not ours -----------------------------------------------------------------


async def test_a_session_as_any_other(country):
    claims = {"preferred_username": "duty_officer"}
    with mock_provider(wang=claims) as issuer:
        async with signing_in(country, issuer) as (browser, app):
            assert (await browser.get(SESSION)).json()["provider"] == "Bureau"
            back = signed_in_at(issuer, await begun(browser), "wang")
            with capture_logs() as logs:
                answer = await browser.get(back)
            assert answer.status_code == 303, answer.text
            assert answer.headers["location"] == "/sign-in?" + urlencode({"next": "/#/rovers", "back": "1"})
            session = next(one for one in answer.headers.get_list("set-cookie") if SESSION_COOKIE in one)
            assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(session.split("; "))
            told = (await browser.get(SESSION)).json()
            assert (told["name"], told["how"], told["roles"]) == ("duty_officer", "session", ["duty_officer"])
            assert {"account": "duty_officer", "subject": "wang", "issuer": issuer}.items() <= logs[
                -1
            ].items()
            await browser.post(ACKNOWLEDGE, json={}, headers=CSRF)
            assert country.desk.seen[-1].by == "duty_officer"
            assert NAME not in browser.cookies
            again = await browser.get(back)
            assert refusal(again) == "begin"
            app.state.access.book.take(
                Changes(changes=[account("duty_officer", "duty_officer", version=2, enabled=False)])
            )
            assert (await browser.get(SESSION)).json()["how"] == "nobody"
            back = signed_in_at(issuer, await begun(browser), "wang")
            assert refusal(await browser.get(back)) == "unknown"
            back = signed_in_at(issuer, await begun(browser), "nobody at all")
            assert refusal(await browser.get(back)) == "unknown"


async def test_over_tls_cookies_are_for_tls_alone(country, script):
    async with signing_in(country, script.issuer, Rules(is_secure=True, has_provider=True)) as (browser, _):
        answer = await browser.get(PATH)
        assert "; Secure" in answer.headers["set-cookie"]
        browser.cookies.set(NAME, answer.headers["set-cookie"].partition("=")[2].partition(";")[0])
        back = await browser.get(script.address(answer.headers["location"]))
    assert all("; Secure" in one for one in back.headers.get_list("set-cookie"))
    assert len(back.headers.get_list("set-cookie")) == 2


# --- roles and time -----------------------------------------------------------------------------------


async def test_the_provider_may_say_the_roles(country, script):
    mapped = {"role_claim": "groups", "roles": {"gnss": "operator"}}
    async with signing_in(country, script.issuer, **mapped) as (browser, app):
        script.claims = {"preferred_username": "rover", "groups": ["gnss", "others"]}
        assert "back=1" in (await tried(browser, script)).headers["location"]
        told = (await browser.get(SESSION)).json()
        assert (told["name"], told["roles"]) == ("rover", ["operator"])
        script.claims = {"preferred_username": "administrator", "groups": ["others"]}
        assert refusal(await tried(browser, script)) == "unknown"
        script.claims = {"preferred_username": "administrator", "groups": ["gnss"]}
        await tried(browser, script)
        assert (await browser.get(SESSION)).json()["roles"] == ["operator"], "no more than it says"
        app.state.access.book.take(Changes(changes=[change("account", "administrator", None, 2)]))
        assert (await browser.get(SESSION)).json()["how"] == "nobody"


async def test_where_a_provider_says_who_is_who_nobody_may_do_everything(country, script):
    """A proxy on this machine leads people to a loopback address, and no account here is an administrator."""
    mapped = {"role_claim": "groups", "roles": {"gnss": "viewer", "chiefs": "administrator"}}
    country.keep(Changes(changes=[change("account", "administrator", None, 2)]))
    script.claims = {"preferred_username": "rover", "groups": ["gnss"]}
    closed = {"open_writes": True, "write_token": ""}
    async with signing_in(country, script.issuer, **mapped, access=closed) as (browser, _):
        assert (await browser.get(SESSION)).json()["how"] == "nobody"
        assert (await browser.post(ACKNOWLEDGE, json={})).status_code == 401
        await tried(browser, script)
        told = (await browser.get(SESSION)).json()
        assert (told["roles"], told["may"]) == (["viewer"], ["read"])


async def test_without_its_provider_a_session_ends(country, script):
    """Who takes a provider out of the configuration does not believe any more what it said."""
    mapped = {"role_claim": "groups", "roles": {"gnss": "administrator"}}
    key = {"key": b"k" * 32}
    for changes in (mapped, {}):
        async with signing_in(country, script.issuer, **changes, access=key) as (browser, _):
            script.claims = {"preferred_username": "operator", "groups": ["gnss"]}
            await tried(browser, script)
            assert (await browser.get(SESSION)).json()["how"] == "session"
            session = {"cookie": f"{SESSION_COOKIE}={browser.cookies[SESSION_COOKIE]}"}
        async with signing_in(country, script.issuer, Rules(), access=key) as (browser, _):
            assert (await browser.get(SESSION, headers=session)).json()["how"] == "nobody"


async def test_a_session_ends_though_it_is_used(country, script):
    async with signing_in(country, script.issuer, hours=2) as (browser, _):
        await tried(browser, script)
        for minutes, how in ((50, "session"), (50, "session"), (19, "session"), (2, "nobody")):
            country.now_us += minutes * 60 * c.SECOND_US
            assert (await browser.get(SESSION)).json()["how"] == how


# --- forgeries ----------------------------------------------------------------------------------------


async def test_who_did_not_begin_here_gets_no_session(country, script):
    async with signing_in(country, script.issuer) as (browser, app):
        back = script.address(await begun(browser))
        async with client_of(app) as victim:  # a link from somebody who has signed in
            assert refusal(await victim.get(back)) == "begin"
            await begun(victim)
            assert refusal(await victim.get(back)) == "begin"
        kept = browser.cookies[NAME]
        for forged in (
            kept[:-1] + ("0" if kept[-1] != "0" else "1"),
            "x" + kept,
            kept.partition(".")[0],
            ".",
            "",
        ):
            answer = await browser.get(back, headers={"cookie": f"{NAME}={forged}"})
            assert refusal(answer) == "begin"
        wrong = back.replace("state=", "state=x")
        assert refusal(await browser.get(wrong, headers={"cookie": f"{NAME}={kept}"})) == "begin"
        country.now_us += 601 * c.SECOND_US
        assert refusal(await browser.get(back, headers={"cookie": f"{NAME}={kept}"})) == "begin"
    assert not [path for path, *_ in script.seen if path == "/token"], "nobody was asked"


async def test_a_cookie_of_one_kind_is_none_of_the_other(country, script):
    async with signing_in(country, script.issuer) as (browser, _):
        back = script.address(await begun(browser))
        kept = browser.cookies[NAME]
        assert (await browser.get(SESSION, headers={"cookie": f"{SESSION_COOKIE}={kept}"})).json()[
            "how"
        ] == "nobody"
        await browser.get(back)
        session = browser.cookies[SESSION_COOKIE]
        assert refusal(await browser.get(back, headers={"cookie": f"{NAME}={session}"})) == "begin"


@pytest.mark.parametrize(
    "wrong",
    [
        {"claims": {"nonce": "of another sign-in"}}, {"without": ("nonce",)},
        {"claims": {"aud": "another"}}, {"claims": {"iss": "https://evil.example"}},
        {"claims": {"exp": 1}}, {"without": ("exp",)}, {"header": {"alg": "none"}},
        {"token": "e30.e30."}, {"token": "x"}, {"token": ""},
    ],
)  # fmt: skip
async def test_a_token_that_proves_nothing_lets_nobody_in(country, script, wrong):
    for name, value in wrong.items():
        setattr(script, name, value)
    if wrong.get("header"):
        script.made = lambda form: "eyJhbGciOiJub25lIn0.e30."
    async with signing_in(country, script.issuer) as (browser, _):
        if wrong.get("token") == "":
            script.answers["/token"] = (200, {}, b'{"id_token": ""}')
        assert refusal(await tried(browser, script)) == "begin"
        assert (await browser.get(SESSION)).json()["how"] == "nobody"


async def test_an_answer_of_another_provider_is_not_taken(country, script):
    async with signing_in(country, script.issuer) as (browser, _):
        mixed = script.address(await begun(browser)) + "&iss=https%3A%2F%2Fevil.example"
        assert refusal(await browser.get(mixed)) == "begin"
        right = script.address(await begun(browser)) + "&" + urlencode({"iss": script.issuer})
        assert "back=1" in (await browser.get(right)).headers["location"]
    script.metadata = {"authorization_response_iss_parameter_supported": True}
    async with signing_in(country, script.issuer) as (browser, _):
        assert refusal(await tried(browser, script)) == "begin"


async def test_a_new_key_is_looked_for_and_not_too_often(country, script):
    now = [0.0]
    async with signing_in(country, script.issuer, clock_s=lambda: now[0]) as (browser, _):
        assert "back=1" in (await tried(browser, script)).headers["location"]
        script.keys = [new_key("k2")]
        now[0] += under_test.PAUSE_S
        assert "back=1" in (await tried(browser, script)).headers["location"]
        script.signing = new_key("k3")
        for _ in range(3):
            assert refusal(await tried(browser, script)) == "begin"
        assert [path for path, *_ in script.seen].count("/jwks") == 2
        script.keys, script.signing = [new_key("k2")], None  # another key of the same name
        assert refusal(await tried(browser, script)) == "begin"


async def test_codes_and_errors(country, script):
    async with signing_in(country, script.issuer) as (browser, _):
        address = await begun(browser)
        state = parse_qs(urlsplit(address).query)["state"][0]
        kept = {"cookie": f"{NAME}={browser.cookies[NAME]}"}
        for told, why in (
            ({"error": "access_denied", "error_description": "<script>"}, "denied"),
            ({}, "denied"), ({"code": ""}, "denied"), ({"code": "x" * 3000}, "denied"),
            ({"code": "not one of its"}, "begin"),
        ):  # fmt: skip
            answer = await browser.get(f"{PATH}/return", params={"state": state, **told}, headers=kept)
            assert refusal(answer) == why
            assert "script" not in answer.headers["location"]


@pytest.mark.parametrize(
    "wanted", ["//evil.example/", "https://evil.example", "/\\evil.example", "javascript:alert(1)",
               "%0d%0aX: y", "x" * 5000, "世" * 400, "\r\nset-cookie: a=b"],
)  # fmt: skip
async def test_a_browser_is_led_to_no_other_server(country, script, wanted):
    async with signing_in(country, script.issuer) as (browser, _):
        answer = await browser.get(script.address(await begun(browser, wanted)))
        target = urlsplit(answer.headers["location"])
        assert (target.scheme, target.netloc, target.path) == ("", "", "/sign-in")
        assert len(answer.headers["location"]) < 2000
        told = parse_qs(target.query)["next"]
        assert told == ([wanted] if len(wanted) < 400 else ["/"])


# --- a provider that is away or hostile ---------------------------------------------------------------


WELL_KNOWN = "/.well-known/openid-configuration"
BAD_ANSWERS = [
    (500, {}, b"{}"), (302, {"location": "http://127.0.0.1:1/"}, b""), (200, {}, b""), (200, {}, b"[]"),
    (200, {}, b"\xff" * 100), (200, {}, b"[" * 100_000), (200, {}, b"{" + b" " * 300_000),
    (200, {"content-encoding": "gzip"}, b"\x1f\x8b"), (204, {}, b""),
]  # fmt: skip


@pytest.mark.parametrize("path", [WELL_KNOWN, "/token", "/jwks"])
@pytest.mark.parametrize("answer", BAD_ANSWERS, ids=range(len(BAD_ANSWERS)))
async def test_a_provider_that_answers_nonsense(country, script, path, answer):
    script.answers[path] = answer
    async with signing_in(country, script.issuer) as (browser, _):
        if path == WELL_KNOWN:
            assert refusal(await browser.get(PATH)) == "away"
        else:
            assert refusal(await tried(browser, script)) == "away"
        signed = await browser.post(SESSION, json={"name": "viewer", "password": PASSWORD})
        assert signed.status_code == 200, "a password serves all the same"


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "http://127.0.0.1:1"}, {"issuer": None}, {"token_endpoint": "http://10.0.0.1/token"},
        {"jwks_uri": "file:///etc/passwd"}, {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": "http://evil.example/"},
    ],
)  # fmt: skip
async def test_a_provider_that_names_what_cannot_be_used(country, script, metadata):
    script.metadata = metadata
    async with signing_in(country, script.issuer) as (browser, _):
        assert refusal(await browser.get(PATH)) == "away"


async def test_a_private_address_is_asked_only_if_that_is_meant(country, script):
    async with signing_in(country, script.issuer, allow_private=False) as (browser, _):
        assert refusal(await browser.get(PATH)) == "away"
    assert script.seen == []


async def test_a_provider_that_is_slow_or_away_is_left_alone_for_a_while(country, script):
    script.wait_s, now = 1.0, [0.0]
    async with signing_in(country, script.issuer, timeout_s=0.2, clock_s=lambda: now[0]) as (browser, _):
        for _ in range(3):
            assert refusal(await browser.get(PATH)) == "away"
        assert len(script.seen) == 1
        script.wait_s = 0.0
        now[0] += under_test.PAUSE_S
        assert "code_challenge" in await begun(browser)
        now[0] += under_test.KEPT_S - 1
        await begun(browser)
        assert len(script.seen) == 2, "what it tells of itself is kept for a while"


async def test_who_waited_for_a_provider_that_is_away_does_not_ask_it_again(country, script):
    """Its answer takes longer than the pause after it."""
    slow_s = 2 * under_test.PAUSE_S
    script.answers[WELL_KNOWN] = (500, {}, b"")
    async with signing_in(country, script.issuer, clock_s=lambda: slow_s * len(script.seen)) as (browser, _):
        answers = await asyncio.gather(*(browser.get(PATH) for _ in range(2)))
    assert [refusal(answer) for answer in answers] == ["away", "away"]
    assert len(script.seen) == 1


async def test_keys_that_cannot_be_had_are_not_asked_for_by_each(country, script):
    script.answers["/jwks"], now = (500, {}, b""), [0.0]
    async with signing_in(country, script.issuer, clock_s=lambda: now[0]) as (browser, _):
        for _ in range(2):
            assert refusal(await tried(browser, script)) == "away"
        assert [path for path, *_ in script.seen].count("/jwks") == 1
        del script.answers["/jwks"]
        now[0] += under_test.PAUSE_S
        assert "back=1" in (await tried(browser, script)).headers["location"]


@pytest.mark.parametrize(
    ("secret", "methods", "how"),
    [
        ("s&cret%", ["client_secret_basic"], "basic"), ("s&cret%", ["client_secret_post"], "post"),
        ("", [], "none"),
    ],
)  # fmt: skip
async def test_how_we_prove_who_we_are(country, script, secret, methods, how):
    script.metadata = {"token_endpoint_auth_methods_supported": methods}
    async with signing_in(country, script.issuer, client_secret=secret) as (browser, _):
        assert "back=1" in (await tried(browser, script)).headers["location"]
    ((form, headers),) = [(form, headers) for path, form, headers in script.seen if path == "/token"]
    basic = headers.get("authorization")
    assert (basic == "Basic Z3JvdW5kc3dlbGw6cyUyNmNyZXQlMjU=") == (how == "basic")
    assert form.get("client_secret") == (["s&cret%"] if how == "post" else None)
    assert form.get("client_id") == (None if how == "basic" else ["groundswell"])


async def test_without_a_provider_there_is_nothing(country):
    async with client_of(country.app()) as browser:
        assert (await browser.get(PATH)).status_code == 404
        assert (await browser.get(SESSION)).json()["provider"] is None
