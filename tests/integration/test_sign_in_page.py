"""The sign-in in a real browser: it leads on to where somebody wanted to go, on this server alone."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from connectors.oidc.config import OidcConfig
from connectors.oidc.provider import Provider
from dashboards.access.access import Rules
from dashboards.api.provider_sign_in import return_url
from tests.dashboards import country as c
from tests.dashboards.people import PASSWORD, everybody
from tests.integration.browsing import Site
from tests.integration.browsing import browser as browser  # noqa: PLC0414 - a fixture
from tests.integration.browsing import one_browser as one_browser  # noqa: PLC0414
from tests.oidc_providers import mock_provider
from tests.program import free_port

pytestmark = pytest.mark.integration


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    country = c.found(tmp_path, minutes=1)
    country.keep(everybody())
    site = Site(country, write_token="the write token", open_writes=False, rules=Rules(is_public=False))
    yield site
    site.stop()
    country.store.close()


@pytest.fixture
def with_provider(tmp_path: Path) -> Iterator[Site]:
    """A site at 127.0.0.1 and a provider at localhost, which is another site to a browser."""
    country = c.found(tmp_path, minutes=1)
    country.now_us = int(time.time() * 1e6)
    country.keep(everybody())
    with mock_provider("localhost", wang={"preferred_username": "operator"}, li={}) as issuer:
        port = free_port()
        config = OidcConfig(
            issuer=issuer,
            client_id="page",
            client_secret="secret",
            name="Bureau",
            account_claim="preferred_username",
            allow_private=True,
        )
        back = return_url(f"http://127.0.0.1:{port}")
        provider = Provider(config, back, lambda: country.now_us, time.monotonic)
        rules = Rules(is_public=False, has_provider=True)
        site = Site(country, port, open_writes=False, rules=rules, provider=provider)
        yield site
        site.stop()
    country.store.close()


def sign_in(page: Page, name: str, password: str) -> None:
    page.locator("#name").fill(name)
    page.locator("#password").fill(password)
    page.keyboard.press("Enter")


def test_signing_in_and_out(browser: Browser, site: Site) -> None:
    context = browser.new_context(locale="en-GB")
    page, complaints = context.new_page(), []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda m: complaints.append(m.text) if m.type in {"error", "warning"} else None)
    page.goto(f"{site.url}/rovers")
    assert page.url == f"{site.url}/sign-in?next=%2Frovers"
    expect(page.locator("#name")).to_be_focused()
    sign_in(page, "operator", "wrong")
    expect(page.get_by_role("alert")).to_have_text("Name or password is wrong: try again.")
    assert all("401" in one for one in complaints)
    complaints.clear()
    sign_in(page, "operator", PASSWORD)
    page.wait_for_url(f"{site.url}/#/rovers")
    (cookie,) = context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert page.evaluate("document.cookie") == ""
    page.goto(f"{site.url}/sign-in")
    expect(page.locator("#who")).to_have_text("operator")
    expect(page.locator("#form")).to_be_hidden()
    page.get_by_role("button", name="Sign out").click()
    expect(page.locator("#form")).to_be_visible()
    assert context.cookies() == []
    page.goto(site.url)
    assert page.url == f"{site.url}/sign-in?next=%2F"
    context.close()


@pytest.mark.parametrize(
    "wanted",
    [
        "//evil.example/", "https://evil.example/", "/\\evil.example", "/.//evil.example/",
        "javascript:alert(1)", "/sign-in", "%zz",
    ],
)  # fmt: skip
def test_it_leads_to_no_other_server(browser: Browser, site: Site, wanted: str) -> None:
    context = browser.new_context(locale="zh-CN", color_scheme="dark", viewport={"width": 360, "height": 640})
    page = context.new_page()
    page.goto(f"{site.url}/sign-in?next={wanted}")
    expect(page.get_by_role("button", name="登录")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    sign_in(page, "viewer", PASSWORD)
    page.wait_for_url(lambda url: "/sign-in" not in url)
    assert page.url.startswith(f"{site.url}/")
    context.close()


@pytest.mark.parametrize(
    ("locale", "button", "refused"),
    [
        ("en-GB", "Sign in with Bureau", "You have no account here that may sign in"),
        ("zh-CN", "使用 Bureau 登录", "您在此处没有可登录的账户"),
    ],
)
def test_signing_in_with_a_provider(
    browser: Browser, with_provider: Site, locale: str, button: str, refused: str
) -> None:
    context = browser.new_context(locale=locale)
    page, complaints = context.new_page(), []
    page.on("console", lambda m: complaints.append((m.location["url"], m.text)))
    page.goto(f"{with_provider.url}/rovers")
    page.get_by_role("link", name=button).click()
    page.wait_for_url(re.compile("^http://localhost:"), wait_until="commit")
    page.get_by_role("button", name="li", exact=True).click()
    page.wait_for_url(f"{with_provider.url}/sign-in?**")
    expect(page.get_by_role("alert")).to_contain_text(refused)
    page.get_by_role("link", name=button).click()
    page.wait_for_url(re.compile("^http://localhost:"), wait_until="commit")
    page.get_by_role("button", name="wang", exact=True).click()
    page.wait_for_url(f"{with_provider.url}/#/rovers")
    kept = {one["name"]: one["sameSite"] for one in context.cookies(with_provider.url)}
    assert kept == {"groundswell_session": "Strict"}
    page.goto(f"{with_provider.url}/sign-in")
    expect(page.locator("#who")).to_have_text("operator")
    expect(page.get_by_role("link", name=button)).to_be_hidden()
    assert [text for url, text in complaints if url.startswith(with_provider.url)] == []
    context.close()
