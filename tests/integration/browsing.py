"""Pages in a real browser, against the real app and store."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright

from dashboards.live import run_live
from streams.records import Record
from tests.dashboards import country as c
from tests.waiting import until

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

    def go(self, address: str) -> Page:
        """Open another view."""
        self.page.evaluate("address => { location.hash = address; }", f"#/{address}")
        return self.page

    def is_clean(self, url: str) -> bool:
        """Whether it complained of nothing and asked nobody else."""
        assert self.complaints == [], "|".join(self.complaints)
        return all(address.startswith(url) for address in self.addresses)

    def barriers(self) -> list[str]:
        """Return what keeps some people from using what is shown (axe: WCAG 2.1 A and AA)."""
        found = Axe().run(self.page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]})
        return [
            f"{one['id']}: {one['help']}: {node['html'][:160]} {node['any'][:1]}"
            for one in found.response["violations"]
            for node in one["nodes"][:3]
        ]


def launched(playwright: Playwright) -> Browser:
    """Start the browser."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.fail("chromium is not installed: run make servers")
    return playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)


@pytest.fixture(scope="module")
def one_browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = launched(playwright)
        yield browser
        browser.close()


@pytest.fixture
def browser(one_browser: Browser) -> Iterator[Browser]:
    """A browser whose pages are closed after each test: those of a nation would slow down what follows."""
    yield one_browser
    for context in one_browser.contexts:
        context.close()


def watch(browser: Browser, url: str, **context: object) -> Watched:
    """Open a page, and wait until it is live."""
    page = browser.new_context(**context).new_page()
    watched = Watched(page)
    page.on(
        "console", lambda m: watched.complaints.append(m.text) if m.type in {"error", "warning"} else None
    )
    page.on("pageerror", lambda error: watched.complaints.append(str(error)))
    page.on("request", lambda request: watched.addresses.append(request.url))
    page.goto(url)
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    return watched
