"""The sign-in in a real browser: it leads on to where somebody wanted to go, on this server alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from dashboards.access.access import Rules
from tests.dashboards import country as c
from tests.dashboards.people import PASSWORD, everybody
from tests.integration.browsing import Site
from tests.integration.browsing import browser as browser  # noqa: PLC0414 - a fixture
from tests.integration.browsing import one_browser as one_browser  # noqa: PLC0414

pytestmark = pytest.mark.integration


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    country = c.found(tmp_path, minutes=1)
    country.keep(everybody())
    site = Site(country, write_token="the write token", open_writes=False, rules=Rules(is_public=False))
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
    ["//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:alert(1)", "/sign-in", "%zz"],
)
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
