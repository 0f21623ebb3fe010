"""The page in a real browser, against the real app and store: seen, updated live, acted upon."""

from __future__ import annotations

import asyncio
import re
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect, sync_playwright

from dashboards.live import run_live
from streams.records import AlertTransitions, Record, StationReports
from tests.dashboards import country as c
from tests.dashboards.country import GAUGE, SECOND_US, START_US
from tests.waiting import until

pytestmark = pytest.mark.integration

ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class Site:
    """The program's HTTP side in a thread, as the composition root runs it."""

    def __init__(self, country: c.Country, port: int = 0, **changes: object) -> None:
        self.country = country
        self.app = country.app(**changes)
        self.server = uvicorn.Server(uvicorn.Config(self.app, port=port, log_level="warning", ws="none"))
        self.started = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self.run()))
        self.thread.start()
        assert self.started.wait(20)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    async def run(self) -> None:
        self.loop = asyncio.get_running_loop()
        live = asyncio.create_task(run_live(self.country.feed, self.country.hub, lambda: self.country.now_us))
        serving = asyncio.create_task(self.server.serve())
        await until(lambda: self.server.started or serving.done())
        self.started.set()
        await serving
        live.cancel()

    def keep(self, *batches: Record) -> None:
        """Store batches and tell the viewers with the next update."""
        self.country.store.commit(list(batches), None, now_us=self.country.now_us)
        self.loop.call_soon_threadsafe(self.country.feed.listen, batches)

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.country.hub.close)
        self.server.should_exit = True
        self.thread.join(20)
        assert not self.thread.is_alive()


@dataclass
class Watched:
    """A page, and what it should never do."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.fail("chromium is not installed: run make servers")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def country(tmp_path) -> Iterator[c.Country]:
    country = c.found(tmp_path)
    yield country
    country.store.close()


@pytest.fixture
def site(country) -> Iterator[Site]:
    site = Site(country)
    yield site
    site.stop()


def watch(browser: Browser, url: str, **context: object) -> Watched:
    page = browser.new_context(**context).new_page()
    watched = Watched(page)
    page.on(
        "console", lambda m: watched.complaints.append(m.text) if m.type in {"error", "warning"} else None
    )
    page.on("pageerror", lambda error: watched.complaints.append(str(error)))
    page.on("request", lambda request: watched.addresses.append(request.url))
    page.goto(url)
    expect(page.locator("#connection")).to_have_text("Live")
    return watched


def test_stations_and_alert_are_seen_and_change_live(browser, site):
    watched = watch(browser, site.url, viewport={"width": 1280, "height": 800})
    page = watched.page
    marker = page.locator("#map [data-station=SHAO00CHN]")
    expect(marker).to_have_class(re.compile(r"\bgood\b"))
    expect(page.locator("#map [data-station=WENZ00CHN]")).to_have_class(re.compile(r"\bbad\b"))
    expect(page.locator("#map [data-station]")).to_have_count(3)  # one has no position
    rows = page.locator("#stations tbody tr")
    assert rows.evaluate_all("rows => rows.map(row => row.dataset.id)") == [
        "WENZ00CHN",
        "XIAM00CHN",
        "NEWW00CHN",
        "SHAO00CHN",
    ]
    expect(rows.nth(0)).to_contain_text("No epoch for 40 s.")
    expect(rows.nth(2)).to_contain_text("<b>New</b>")
    colours = [
        page.locator(f"#map [data-station={s}] .shape").evaluate(
            "node => getComputedStyle(node).backgroundColor"
        )
        for s in ("SHAO00CHN", "XIAM00CHN", "WENZ00CHN")
    ]
    assert len(set(colours)) == 3

    site.country.now_us += SECOND_US
    worse = c.report(c.SITES[2], START_US + SECOND_US, station_id="SHAO00CHN")
    level = c.samples([(START_US + SECOND_US, 4.321, 3)])
    site.keep(StationReports(reports=[worse]), level)
    expect(marker).to_have_class(re.compile(r"\bbad\b"))
    expect(page.locator("#chips [data-state=bad]")).to_have_text("2 bad")
    page.get_by_role("tab", name="Sensors").click()
    expect(page.locator(f"#sensors tr[data-id='{GAUGE}']")).to_contain_text("4.32")
    expect(page.locator("#map [data-thing=gauge-xiamen] .value")).to_contain_text("4.32")

    card = page.locator(".alert")
    expect(card).to_contain_text("Sea level at Xiamen rises 0.62 m above the tide")
    expect(card).to_contain_text("07:50:00")  # the onset in Beijing
    expect(card.locator(".plot canvas")).to_have_count(1)
    expect(card.locator(".evidence")).to_contain_text(re.compile(r"largest residual\s*0.624\sm"))
    card.locator("summary").click()
    expect(card.locator(".particulars")).to_contain_text("residual = value - fit")
    site.keep(AlertTransitions(transitions=[c.alert(2, "level", level="red")]))
    expect(card).to_have_class(re.compile(r"\bred\b"))
    site.keep(AlertTransitions(transitions=[c.alert(3, "closed")]))
    expect(page.locator("#alerts")).to_contain_text("No open alert.")
    assert watched.complaints == []
    assert watched.addresses
    assert all(address.startswith(site.url) for address in watched.addresses)


def test_an_alert_is_acknowledged_with_the_keyboard_and_the_name_is_kept(browser, site):
    watched = watch(browser, site.url)
    page = watched.page
    button = page.locator(".alert").get_by_role("button", name="Acknowledge")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Your name")).to_be_focused()
    page.keyboard.type("Li Na")
    page.keyboard.press("Tab")
    page.keyboard.type("seen")
    page.keyboard.press("Enter")
    expect(page.locator(".alert")).to_contain_text("Acknowledged by Li Na")
    expect(button).to_be_hidden()
    (command,) = site.country.desk.seen
    assert (command.by, command.arguments) == ("Li Na", {"comment": "seen"})
    assert page.evaluate("localStorage.getItem('name')") == "Li Na"
    assert watched.complaints == []


def test_a_refused_acknowledgement_says_why(browser, country):
    site = Site(country, write_token="correct horse")
    try:
        page = watch(browser, site.url).page
        page.locator(".alert").get_by_role("button", name="Acknowledge").click()
        page.get_by_label("Your name").fill("Li")
        page.get_by_label("Write token").fill("wrong")
        page.locator("dialog button[type=submit]").click()
        expect(page.locator("#acknowledge-error")).to_contain_text("write token")
        page.get_by_label("Write token").fill("correct horse")
        page.locator("dialog button[type=submit]").click()
        expect(page.locator(".alert")).to_contain_text("Acknowledged by Li")
    finally:
        site.stop()


def test_details_of_a_station_and_a_sensor(browser, site):
    watched = watch(browser, site.url)
    page = watched.page
    page.locator("#stations tr[data-id=XIAM00CHN] button").focus()
    page.keyboard.press("Enter")
    detail = page.locator("#detail")
    expect(detail).to_contain_text("Data arrive 6.2 s late")
    expect(detail).to_contain_text("Look at the station's link.")
    expect(detail).to_contain_text("08:00:00")
    expect(detail.locator(".plot canvas")).to_have_count(3)
    page.locator("#zone").click()
    expect(detail).to_contain_text("00:00:00")
    page.keyboard.press("Escape")
    expect(detail).to_be_hidden()
    expect(page.locator("#stations tr[data-id=XIAM00CHN] button")).to_be_focused()
    page.locator("#map [data-thing=gauge-xiamen] .value").click()
    expect(detail).to_contain_text("Water level Xiamen")
    expect(detail.locator(".legend")).to_contain_text("suspect 3")
    expect(detail.locator(".plot canvas")).to_have_count(1)
    detail.get_by_role("button", name="24 h").click()
    expect(detail.locator("figcaption")).to_have_text("m, last 24 h")
    assert watched.complaints == []


def test_figures_of_a_station_are_shown_explained_and_renewed(browser, site):
    watched = watch(browser, site.url, viewport={"width": 1280, "height": 800})
    page = watched.page
    page.locator("#stations tr[data-id=SHAO00CHN]").click()
    figures = page.locator("#detail .figures")
    for text in (
        r"98\.1\s% of 212", r"90\.0\s% of 260", r"100\.0\s% GREC", r"0\.13", r"0\.3\sdB", r"0\.09\sTECU/min",
        r"-1\sms at 07:58:30", r"0\.50\sm, up \+1\.25\sm",
    ):  # fmt: skip
        expect(figures).to_contain_text(re.compile(text))
    titles = figures.locator("div").evaluate_all("nodes => nodes.map(node => node.title)")
    assert all(titles)
    assert len(set(titles)) == len(titles)
    expect(page.locator("#detail .plot canvas")).to_have_count(5)
    expect(page.locator("#detail")).to_contain_text("ROTI, TECU/min")

    site.country.now_us += 60 * SECOND_US
    newer = c.figures(
        "SHAO00CHN", START_US + 60 * SECOND_US, expected_share=0.5, clock_step_ms=None, offset_m=None
    )
    site.keep(StationReports(reports=[], figures=[newer]))
    expect(figures).to_contain_text("50.0\u202f% of 212")
    expect(figures).to_contain_text("none")
    assert not watched.complaints


def test_a_lost_connection_is_seen_and_comes_back(browser, country):
    site = Site(country)
    page = watch(browser, site.url).page
    site.stop()
    expect(page.locator("#connection")).to_have_text("Reconnecting")
    country.hub = type(country.hub)()
    again = Site(country, port=site.port)
    try:
        again.keep(
            StationReports(reports=[c.report(c.SITES[2], START_US + SECOND_US, station_id="SHAO00CHN")])
        )
        expect(page.locator("#connection")).to_have_text("Live", timeout=15_000)
        expect(page.locator("#map [data-station=SHAO00CHN]")).to_have_class(re.compile(r"\bbad\b"))
    finally:
        again.stop()


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_cut_off_at_any_width(browser, site, width):
    watched = watch(browser, site.url, viewport={"width": width, "height": 844}, color_scheme="dark")
    expect(watched.page.locator("#stations tbody tr")).to_have_count(4)
    assert watched.page.evaluate("document.documentElement.scrollWidth") <= width
    assert watched.complaints == []


def test_the_docs_page_describes_and_tries_the_api(browser, site):
    page = browser.new_page()
    complaints: list[str] = []
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(site.url + "/docs")
    page.locator("summary", has_text="/api/v1/stations/{station_id}").first.click()
    page.locator("details[open] input[name=station_id]").fill("WENZ00CHN")
    page.locator("details[open]").get_by_role("button", name="Try it").click()
    expect(page.locator("details[open] pre").last).to_contain_text('"state": "bad"')
    assert complaints == []
