"""The rovers' page in a real browser: locked without the token, live with it, in two languages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from connectors.caster.session_book import Sessions
from streams.definitions import PrivacyDefinition
from tests.dashboards import country as c
from tests.integration.browsing import Site
from tests.integration.browsing import browser as browser  # noqa: PLC0414 - a fixture
from tests.integration.browsing import one_browser as one_browser  # noqa: PLC0414

pytestmark = pytest.mark.integration

TOKEN = "correct horse battery"
ROVERS = (
    # account, base, longitude, latitude, quality
    ("li", "SHAO00CHN", 121.5, 31.2, 4),
    ("li", "SHAO00CHN", 120.9, 31.0, 5),
    ("<b>wu</b>", "WENZ00CHN", 120.7, 28.1, 4),
    ("", "WENZ00CHN", None, None, None),
)

PIXELS = """() => {
    const canvas = document.querySelector("canvas.rovers");
    const { width, height } = canvas;
    const copy = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0);
    const data = copy.getImageData(0, 0, width, height).data;
    """
"""Of what is drawn of rovers: red, green, blue and how much of it."""


def put(book: Sessions, account: str, base: str, longitude: float | None, latitude: float | None,
        quality: int | None) -> None:  # fmt: skip
    one = book.begin(account, "NEAREST", "203.0.113.0/24", c.START_US)
    one.base, one.longitude, one.latitude, one.quality = base, longitude, latitude, quality
    one.base_since_us, one.agent, one.n_bytes = c.START_US, "NTRIP test/1", 2_500_000
    one.age_s = None if quality is None else 1.5
    book.touch(one)


@pytest.fixture
def book() -> Sessions:
    book = Sessions("wuhan")
    for one in ROVERS:
        put(book, *one)
    return book


@pytest.fixture
def site(tmp_path: Path, book: Sessions) -> Iterator[Site]:
    country = c.found(tmp_path)
    site = Site(
        country, write_token=TOKEN, sessions=lambda: book, privacy=PrivacyDefinition(position_decimals=2)
    )
    yield site
    site.stop()
    country.store.close()


class Opened:
    """A page, what it complains of and whom it asks."""

    def __init__(self, browser: Browser, site: Site, *, token: str = TOKEN, **context: object) -> None:
        self.site = site
        self.page: Page = browser.new_context(**context).new_page()
        self.complaints: list[str] = []
        self.addresses: list[str] = []
        page = self.page
        page.on("console", lambda m: self.complaints.append(m.text) if m.type in {"error", "warning"} else 0)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.addresses.append(request.url))
        if token:
            page.add_init_script(f"sessionStorage.setItem('token', {token!r})")
        page.goto(site.url + "/rovers")

    def is_clean(self) -> bool:
        """Whether it complained of nothing and asked nobody else."""
        assert self.complaints == []
        return all(address.startswith(self.site.url) for address in self.addresses)


def test_without_the_token_nothing_is_shown_and_with_it_all(browser: Browser, site: Site) -> None:
    opened = Opened(browser, site, token="")
    page = opened.page
    expect(page.locator("#unlock")).to_be_visible()
    expect(page.locator("#unlock")).to_be_visible()
    assert "SHAO00CHN" not in page.content()
    page.get_by_label("Write token").fill("wrong")
    page.get_by_role("button", name="Show rovers").click()
    expect(page.locator("#refusal")).to_contain_text("write token")
    page.get_by_label("Write token").fill(TOKEN)
    page.get_by_role("button", name="Show rovers").click()
    expect(page.locator("#count")).to_have_text("4")
    expect(page.locator("#unlock")).to_be_hidden()
    assert page.evaluate("localStorage.getItem('token')") is None
    assert all("token" not in address for address in opened.addresses)
    assert all("401" in one for one in opened.complaints)


def test_rovers_are_listed_drawn_counted_and_change_live(
    browser: Browser, site: Site, book: Sessions
) -> None:
    opened = Opened(browser, site, viewport={"width": 1280, "height": 800})
    page = opened.page
    rows = page.locator("#panel-list tbody tr")
    expect(rows).to_have_count(4)
    expect(page.locator("#placed")).to_have_text("3")
    expect(page.locator("#precision")).to_contain_text("rounded to 2 decimals")
    expect(rows.nth(2)).to_contain_text("<b>wu</b>")
    expect(rows.nth(0)).to_contain_text("2.5\u202fMB")
    canvas = page.locator("canvas.rovers")
    expect(canvas).to_have_attribute("data-rovers", "3")
    page.get_by_role("tab", name="Stations").click()
    counts = page.locator("#panel-stations tbody tr")
    cells = "rows => rows.map(row => [...row.cells].map(cell => cell.textContent).join(' '))"
    assert counts.evaluate_all(cells) == ["SHAO00CHN 2 1 1 5.0\u202fMB", "WENZ00CHN 2 1 0 5.0\u202fMB"]
    counts.nth(1).click()
    expect(rows).to_have_count(2)
    expect(page.locator("#only button")).to_contain_text("Only WENZ00CHN")
    page.locator("#only button").click()
    expect(rows).to_have_count(4)

    first, gone, *_ = book.own()
    first.quality, first.base = 5, "WENZ00CHN"
    site.loop.call_soon_threadsafe(book.touch, first)
    site.loop.call_soon_threadsafe(book.end, gone.key)
    site.loop.call_soon_threadsafe(put, book, "new", "XIAM00CHN", 118.1, 24.5, 4)
    expect(rows).to_have_count(4)
    expect(page.locator("#panel-list")).to_contain_text("new", timeout=15_000)
    expect(page.locator(f"#panel-list tr[data-id='wuhan/{first.number}']")).to_contain_text("float")
    expect(page.locator(f"#panel-list tr[data-id='wuhan/{gone.number}']")).to_have_count(0)
    page.get_by_role("searchbox").fill("new")
    expect(rows).to_have_count(1)
    assert opened.is_clean()


def test_a_rover_is_picked_on_the_map_and_its_line_drawn(browser: Browser, site: Site) -> None:
    opened = Opened(browser, site, viewport={"width": 1280, "height": 800})
    page = opened.page
    row = page.locator("#panel-list tbody tr").nth(2)
    row.locator("button").focus()
    page.keyboard.press("Enter")
    detail = page.locator("#detail")
    expect(detail).to_contain_text("28.1°, 120.7°")
    expect(detail).to_contain_text("203.0.113.0/24")
    expect(detail.locator("[data-field=quality]")).to_have_text("4 (fixed)")
    page.keyboard.press("Escape")
    expect(detail).to_be_hidden()

    def colours() -> set[str]:
        return set(
            page.evaluate(
                PIXELS
                + """const found = new Set();
                for (let i = 0; i < data.length; i += 4)
                    if (data[i + 3] === 255) found.add(`${data[i]},${data[i + 1]},${data[i + 2]}`);
                return [...found]; }"""
            )
        )

    def drawn() -> int:
        return int(page.evaluate(PIXELS + "return data.filter((value, i) => i % 4 === 3 && value).length; }"))

    by_fix, dots = colours(), drawn()
    page.get_by_label("Lines to stations").check()
    assert drawn() > dots * 1.2
    page.get_by_label("Lines to stations").uncheck()
    page.get_by_label("Colours by").select_option("base")
    assert colours() != by_fix

    place = page.evaluate(
        PIXELS
        + """const box = canvas.getBoundingClientRect();
        let sum = [0, 0, 0];
        for (let y = height - 1; y >= 0 && sum[2] < 40; y--)
            for (let x = 0; x < width; x++)
                if (data[4 * (y * width + x) + 3] === 255) sum = [sum[0] + x, sum[1] + y, sum[2] + 1];
        return [box.x + sum[0] / sum[2], box.y + sum[1] / sum[2]]; }"""
    )
    page.mouse.click(*place)
    expect(detail).to_contain_text("28.1°, 120.7°")  # the southernmost
    assert opened.is_clean()


def test_the_page_speaks_chinese_to_who_does_and_switches(browser: Browser, site: Site) -> None:
    opened = Opened(browser, site, locale="zh-CN", color_scheme="dark")
    page = opened.page
    expect(page.locator("#connection")).to_have_text("实时")
    expect(page.locator("nav [aria-current]")).to_have_text("流动站")
    expect(page.locator("#panel-list")).to_contain_text("固定解")
    assert page.evaluate("document.documentElement.lang") == "zh-CN"
    assert not re.search(r"undefined|\[object", page.inner_text("body"))
    page.locator("#language").click()
    expect(page.locator("#panel-list")).to_contain_text("fixed")
    page.reload()
    expect(page.locator("#connection")).to_have_text("Live")
    assert opened.is_clean()


def test_what_is_switched_off_is_said(browser: Browser, site: Site) -> None:
    country = site.country
    off = Site(country, write_token=TOKEN)
    try:
        page = Opened(browser, off).page
        expect(page.locator("#precision")).to_contain_text("switched off")
        expect(page.locator("#panel-list")).to_contain_text("No rover here.")
    finally:
        off.stop()


@pytest.mark.parametrize("width", [390, 1280])
def test_ten_thousand_rovers_fit_at_any_width(
    browser: Browser, site: Site, book: Sessions, width: int
) -> None:
    for number in range(10_000):
        put(book, f"a{number}", f"S{number % 300:03d}", 75 + number % 550 / 10, 20 + number % 299 / 10, 4)
    opened = Opened(browser, site, viewport={"width": width, "height": 844})
    page = opened.page
    expect(page.locator("#count")).to_have_text("10004", timeout=30_000)
    expect(page.locator("#panel-list")).to_contain_text("200 of 10004 shown")
    expect(page.locator("canvas.rovers")).to_have_attribute("data-rovers", "10003")
    assert int(page.locator("canvas.rovers").get_attribute("data-spots") or 0) < 6000
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert opened.is_clean()


def test_the_public_page_asks_for_nothing_of_rovers(browser: Browser, site: Site) -> None:
    page = browser.new_page()
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    page.goto(site.url)
    expect(page.locator("#connection")).to_have_text("Live")
    assert not any("sessions" in address for address in addresses)
    page.get_by_role("link", name="Rovers").click()
    expect(page).to_have_url(site.url + "/#/rovers")
    expect(page.locator("#unlock")).to_be_visible()
