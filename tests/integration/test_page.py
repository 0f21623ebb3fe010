"""The pages in a real browser: seen, updated live, each control used, open to everybody."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from gnss.simulate import SimulatedSky, SimulatedStation
from streams.definitions import PrivacyDefinition
from streams.records import AlertTransitions, RawChunk, StationReports
from streams.sky_watch import SkyWatch
from tests.dashboards import country as c
from tests.dashboards import nation as n
from tests.dashboards.country import SECOND_US, START_US
from tests.dashboards.rehearsing import FakeDesk
from tests.integration.browsing import Site, watch
from tests.integration.browsing import browser as browser  # noqa: PLC0414 - a fixture
from tests.integration.browsing import one_browser as one_browser  # noqa: PLC0414

pytestmark = pytest.mark.integration

WIDE = {"width": 1440, "height": 900}
VIEWS = (
    "network",
    f"station/{n.STATION}",
    "sensors",
    "sensor/gauge-xiamen.water_level",
    "alerts",
    f"alerts/{n.RED}",
    "rovers",
    "operation",
    "operation?tab=tasks",
    "chain/gauge-xiamen.water_level",
)
PRIVACY = PrivacyDefinition(position_decimals=2)
WATCH = SkyWatch()


@pytest.fixture
def country(tmp_path: Path) -> Iterator[c.Country]:
    country = c.found(tmp_path)
    yield country
    country.store.close()


@pytest.fixture
def site(country: c.Country) -> Iterator[Site]:
    site = Site(country)
    yield site
    site.stop()


@pytest.fixture(scope="module")
def nation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """4,000 stations; tests that change something leave the rest as it was."""
    country, book = n.found(tmp_path_factory.mktemp("nation"))
    site = Site(country, sessions=lambda: book, privacy=PRIVACY, sky_watch=WATCH)
    yield site
    site.stop()
    country.store.close()


@pytest.fixture
def few(tmp_path: Path) -> Iterator[Site]:
    """The same with 40 stations, to be changed."""
    country, book = n.found(tmp_path, 40)
    site = Site(country, sessions=lambda: book, privacy=PRIVACY)
    yield site
    site.stop()
    country.store.close()


def sender_of_shanghai() -> SimulatedStation:
    """Return what sends as the nation's first station."""
    return SimulatedStation(1, 121.2, 31.1, 20.0, seed=1, sky=SimulatedSky())


def hear(seconds: range, sender: SimulatedStation) -> None:
    """Let the first station send for a while, later than ever before."""
    for second in seconds:
        at_us = START_US + second * SECOND_US
        payload = b"".join(sender.emit(at_us).frames)
        WATCH.hear([RawChunk(station_id=n.STATION, payload=payload, received_at_us=at_us)])


def sign(page: Page, name: str = "Li Na") -> None:
    """Give one's name in the open dialog, and send it off."""
    page.get_by_label("Your name").fill(name)
    page.locator("dialog [type=submit]").click()
    page.wait_for_timeout(100)
    assert page.locator("dialog .refusal").all_inner_texts() in ([], [""])
    expect(page.locator("dialog")).to_have_count(0)


def test_four_thousand_stations_are_shown_and_change_live(browser: Browser, nation: Site) -> None:
    """How soon: `make bench-page`."""
    watched = watch(browser, nation.url, viewport=WIDE)
    page = watched.page
    page.reload()
    expect(page.locator("canvas.spots")).to_have_attribute("data-spots", "4000", timeout=20_000)
    expect(page.locator("#panel-stations tbody tr")).to_have_count(200)
    bad = page.locator(".chip[data-state=bad] b")
    before = int(bad.inner_text())
    already = sum(n.state_of(number) == "bad" for number in range(100, 400))
    nation.country.now_us += SECOND_US
    nation.keep(n.worse(nation.country.now_us, range(100, 400)))
    expect(bad).to_have_text(str(before + 300 - already))
    expect(page.locator(".total")).to_contain_text("4000 stations")
    page.get_by_label("Group").uncheck()
    expect(page.locator("canvas.spots")).to_have_attribute("data-drawn", "4000")
    page.get_by_label("Group").check()
    assert watched.is_clean(nation.url)


def test_the_network_is_narrowed_down_and_brought_nearer(browser: Browser, nation: Site) -> None:
    watched = watch(browser, nation.url, viewport=WIDE)
    page = watched.page
    canvas = page.locator("canvas.spots")
    expect(canvas).to_have_attribute("data-spots", "4000")
    page.locator(".chip[data-state=degraded]").click()
    degraded = int(page.locator(".chip[data-state=degraded] b").inner_text())
    expect(canvas).to_have_attribute("data-spots", str(degraded))
    page.locator(".chip[data-state=degraded]").click()
    page.get_by_label("Region", exact=True).select_option("zhejiang")  # with Hangzhou below it
    expect(canvas).to_have_attribute("data-spots", "1600")
    assert "region=zhejiang" in page.url
    page.get_by_label("Region", exact=True).select_option("*")
    page.get_by_role("tab", name="Regions").click()
    page.locator("#panel-regions tbody tr", has_text="yunnan").get_by_role("button").click()
    expect(canvas).to_have_attribute("data-spots", "800")
    page.locator("#panel-regions tbody tr", has_text="yunnan").get_by_role("button").click()
    page.keyboard.press("Tab")
    page.get_by_role("tab", name="Regions").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Worst first")).to_be_focused()
    for span in ("30 d", "7 d", "24 h"):
        page.locator(".trend").get_by_role("button", name=span).click()
        expect(page.locator(".trend").get_by_role("button", name=span)).to_have_attribute(
            "aria-pressed", "true"
        )
    expect(page.locator(".trend .plot canvas")).to_have_count(1)
    assert "unknown" in (page.locator(".trend [role=img]").get_attribute("aria-label") or "")

    box = page.locator(".map").bounding_box()
    assert box is not None
    drawn = canvas.get_attribute("data-spots")
    for x in range(40, 500, 30):  # somewhere a ring is hit, and brings what is in it nearer
        page.mouse.click(box["x"] + box["width"] / 2 + x - 250, box["y"] + box["height"] / 2)
        if "station/" in page.url or canvas.get_attribute("data-spots") != drawn:
            break
    assert "station/" in page.url or canvas.get_attribute("data-spots") != drawn
    watched.go("network")
    page.get_by_role("searchbox").fill("shangh")
    expect(page.locator("#panel-stations tbody tr")).to_have_count(1)
    page.locator("#panel-stations tbody tr button").focus()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text(n.STATION)
    assert watched.is_clean(nation.url)


def test_a_station_tells_why_and_shows_its_past_at_any_zoom(browser: Browser, nation: Site) -> None:
    watched = watch(browser, f"{nation.url}/#/station/{n.STATION}", viewport=WIDE)
    page = watched.page
    expect(page.locator("h1")).to_have_text(n.STATION)
    for text in (
        r"98\.1\s% / 212",
        r"100\.0\s% GREC",
        r"0\.13",
        r"-1\sms, 07:58:30",
        r"0\.50\sm, up \+1\.25\sm",
    ):
        expect(page.locator(".figures").nth(1)).to_contain_text(re.compile(text))
    plots = page.locator(".plots .plot")
    expect(plots).to_have_count(8)
    expect(page.locator("svg.sky .dot")).not_to_have_count(0)
    expect(page.get_by_role("table", name="Signals").locator("tbody tr")).to_have_count(12)
    expect(page.locator("svg.calendar rect")).to_have_count(720)
    expect(page.locator(".hour.none")).to_have_count(6)
    expect(page.get_by_role("table", name="Sources")).to_contain_text("streaming")

    sky, table = page.locator("svg.sky"), page.get_by_role("table", name="Satellites now")

    def dots() -> list[str]:
        return sky.locator("g[transform]").evaluate_all("all => all.map(one => one.outerHTML)")

    sender = sender_of_shanghai()
    for seconds, least in ((range(30), "08:00:2"), (range(30, 46), "08:00:4")):
        before = dots()
        hear(seconds, sender)
        nation.country.now_us = START_US + seconds[-1] * SECOND_US
        expect(page.locator(".live-note")).to_contain_text(f"Live, epoch of {least}")
        expect(sky).to_have_class(re.compile("is-live"))
        assert dots() != before, "they move"
    expect(table).to_contain_text(re.compile(r"G\d\d.*1C\s\d\d\.\d", re.DOTALL))
    assert table.locator("tbody tr").count() >= sky.locator(".dot").count() > 25
    nation.country.now_us += 12 * SECOND_US
    expect(page.get_by_text("Nothing came since the epoch of 08:00:4")).to_be_visible()
    nation.country.now_us = START_US

    page.get_by_role("button", name="1 h").click()
    assert "span=1+h" in page.url
    page.wait_for_timeout(700)  # drawn anew
    over = plots.nth(2).locator(".u-over")
    over.scroll_into_view_if_needed()
    box = over.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.85, box["y"] + 30)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.95, box["y"] + 30, steps=4)
    page.mouse.up()
    expect(page.locator(".spans .muted")).to_contain_text("07:5")
    assert "from=" in page.url
    for name in ("Earlier", "Later", "Nearer", "Farther"):
        before = page.url
        page.get_by_role("button", name=name).click()
        assert page.url != before
    for name in ("24 h", "7 d", "30 d", "1 a", "6 h"):
        page.get_by_role("button", name=name, exact=True).click()
    expect(plots).to_have_count(8)
    report = page.get_by_role("link", name="month").get_attribute("href") or ""
    assert page.request.get(nation.url + report).ok

    watched.go("network")
    sick = page.locator("#panel-stations tbody tr.bad").first
    expect(sick).to_contain_text("No epoch for 40 s.")
    sick.get_by_role("button").click()
    expect(page.locator(".reasons")).to_contain_text("Check: Is the receiver powered and connected?")
    page.get_by_role("link", name="← Network").click()
    expect(page.locator(".map")).to_be_visible()
    assert watched.is_clean(nation.url)


def test_sensors_are_found_compared_and_followed(browser: Browser, nation: Site) -> None:
    watched = watch(browser, f"{nation.url}/#/sensors", viewport=WIDE)
    page = watched.page
    rows = page.locator("table.rows tbody tr")
    expect(rows).to_have_count(5)
    page.get_by_label("Property").select_option("water_level")
    expect(rows).to_have_count(2)
    expect(page.locator("canvas.spots")).to_have_attribute("data-spots", "2")
    page.get_by_label("Flag").select_option("4")
    expect(rows).to_have_count(0)
    page.get_by_label("Flag").select_option("")
    page.get_by_role("searchbox").fill("xiamen")
    expect(rows).to_have_count(1)
    rows.first.get_by_role("button").click()
    expect(page.locator("h1")).to_have_text("Xiamen tide gauge water level")
    legend = page.locator(".legend-row")
    expect(legend).to_contain_text("suspect 6")
    expect(legend).to_contain_text("fail 1")
    expect(page.locator(".card", has_text="Thresholds")).to_contain_text("25.00")
    expect(page.locator(".card", has_text="Detections")).to_contain_text("Sea level at Xiamen")
    page.get_by_label("Compare with a series").select_option("gauge-dalian.water_level")
    expect(legend).to_contain_text("Dalian")
    page.get_by_label("Compare with an earlier time").select_option("day")
    expect(legend).to_contain_text("a day before")
    page.get_by_role("button", name="Remove Dalian").click()
    expect(legend).not_to_contain_text("Dalian")
    page.get_by_role("button", name="30 d").click()
    expect(legend).to_contain_text("means of")
    nation.country.now_us += SECOND_US
    nation.keep(c.samples([(nation.country.now_us, 4.321, 3)], "gauge-xiamen.water_level"))
    expect(page.locator(".figures").first).to_contain_text("4.32")
    expect(page.locator(".badge")).to_contain_text("suspect")
    page.get_by_role("link", name="Processing chain").click()
    expect(page.locator(".graph")).to_be_visible()
    assert watched.is_clean(nation.url)


def test_an_alert_is_answered_lowered_silenced_and_its_story_told(browser: Browser, few: Site) -> None:
    watched = watch(browser, f"{few.url}/#/alerts", viewport=WIDE)
    page = watched.page
    rows = page.locator("#panel-open tbody tr")
    expect(rows).to_have_count(2)
    page.locator(".chip[data-level=orange]").click()
    expect(rows).to_have_count(1)
    page.locator(".chip[data-level=orange]").click()
    rows.nth(1).get_by_role("button").click()
    detail = page.locator(".detail")
    expect(detail.locator("h2")).to_have_text("Sea level at Xiamen rises 0.62 m above the tide")
    expect(detail.locator(".plot canvas")).to_have_count(1)
    expect(detail.locator(".evidence")).to_contain_text(re.compile(r"largest residual\s*0.624\sm"))
    detail.locator("summary").click()
    expect(detail.locator(".particulars")).to_contain_text("residual = value - fit")
    expect(detail).to_contain_text("Nobody has been called")
    detail.get_by_role("button", name="Add a comment").click()
    page.get_by_role("textbox", name="Comment").fill("a ship is moored there")
    sign(page)
    expect(detail.locator(".story")).to_contain_text("Li Na: a ship is moored there")
    expect(detail).to_contain_text("not answered yet")
    page.evaluate("localStorage.removeItem('name')")
    button = detail.get_by_role("button", name="Acknowledge")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Your name")).to_be_focused()
    page.keyboard.type("Li Na")
    page.get_by_label("Comment").fill("seen")
    page.locator("dialog [type=submit]").click()
    expect(detail.locator(".story")).to_contain_text("Li Na: seen")
    expect(detail).to_contain_text("acknowledged by Li Na")
    expect(button).to_have_count(0)
    assert page.evaluate("localStorage.getItem('name')") == "Li Na"
    detail.get_by_role("button", name="Lower").click()
    page.get_by_label("To level").select_option("blue")
    sign(page)
    expect(detail.locator(".head .level")).to_have_text("blue")
    detail.get_by_role("button", name="Silence").click()
    page.get_by_label("Hours").fill("2")
    sign(page)
    assert few.country.desk.seen[-1].arguments["datastream"] == "gauge-xiamen.water_level"
    detail.get_by_role("link", name="Close details").click()
    expect(page.locator(".detail")).to_be_hidden()

    page.get_by_role("tab", name="Past").click()
    expect(page.locator("#panel-past tbody tr")).to_have_count(1)
    page.locator("#panel-past tbody tr").get_by_role("button").click()
    expect(detail.locator(".plot canvas")).to_have_count(1)  # of the evidence itself
    expect(detail).to_contain_text("east mm")
    page.get_by_role("tab", name="Rehearsal").click()
    steps = {"steps": [], "level": "red", "title": "Crack at Slope 7", "onset": "2026-01-01T00:00:00Z"}
    made = {
        "start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z", "sites": 1, "samples": 3,
        "counts": {"same": 0, "only_came": 1},
        "alerts": [{"verdict": "only_came", "difference": "", "came": steps, "rehearsed": None}],
    }  # fmt: skip
    file = {"name": "rehearsal.json", "mimeType": "application/json", "buffer": json.dumps(made).encode()}
    page.locator("#rehearsal-file").set_input_files(file)
    expect(page.get_by_role("table", name="Rehearsal")).to_contain_text("would not have come")
    page.locator("#rehearsal-file").set_input_files({**file, "buffer": b"[1"})
    expect(page.locator("#panel-rehearsal")).to_contain_text("no result of a rehearsal")
    assert watched.is_clean(few.url)


def test_a_rehearsal_is_begun_watched_kept_and_shown(browser: Browser, country: c.Country) -> None:
    desk = FakeDesk()
    site = Site(country, rehearsals=desk)
    try:
        watched = watch(browser, f"{site.url}/#/alerts", viewport=WIDE)
        page = watched.page
        page.get_by_role("tab", name="Rehearsal").click()
        panel = page.locator("#panel-rehearsal")
        expect(panel).to_contain_text("None is kept yet.")
        panel.get_by_role("button", name="Rehearse a time").click()
        page.get_by_label("Name", exact=True).fill("The night of the wave")
        page.get_by_label("From").fill("2025-12-31T00:00:00Z")
        page.get_by_label("Until").fill("2026-01-01T00:00:00Z")
        page.get_by_label("Sites").fill("gauge-xiamen, slope-7")
        page.get_by_label("Other rules").fill("[rule.x]")
        page.get_by_label("As if each sample").check()
        sign(page)
        (asked,) = desk.asked
        assert (asked.sites, asked.rules, asked.as_measured) == (
            ["gauge-xiamen", "slope-7"],
            "[rule.x]",
            True,
        )
        kept = page.get_by_role("table", name="Kept rehearsals")
        expect(kept).to_contain_text("25 %")
        expect(kept).to_contain_text("gauge-xiamen, slope-7 · other rules · as measured")
        kept.get_by_role("button", name="Cancel").click()
        sign(page)
        expect(kept).to_contain_text("cancelled")
        panel.get_by_role("button", name="Rehearse a time").click()
        page.get_by_label("From").fill("2025-12-31T00:00:00Z")
        sign(page)
        name = desk.listed()[0].id
        came = {
            "id": "a1",
            "steps": [],
            "level": "orange",
            "title": "Sea level",
            "onset": "2026-01-01T00:00:00Z",
        }
        made = {
            "start": "2025-12-31T00:00:00Z", "end": "2026-01-01T00:00:00Z", "sites": [], "samples": 42,
            "counts": {"same": 0, "changed": 1},
            "alerts": [{"verdict": "changed", "difference": "later", "came": came, "rehearsed": came}],
        }  # fmt: skip
        desk.finish(name, made)
        expect(kept).to_contain_text("1 changed")
        kept.locator("button.row").click()
        result = page.get_by_role("table", name="Rehearsal", exact=True)
        expect(result).to_contain_text("later")
        expect(result.get_by_role("link")).to_have_attribute("href", "#/alerts/a1")
        assert watched.barriers() == []
        kept.get_by_role("button", name="Delete").first.click()
        sign(page)
        expect(kept.locator("tbody tr")).to_have_count(1)
        assert watched.is_clean(site.url)
    finally:
        site.stop()


def test_a_red_alert_stands_over_all_sounds_and_names_the_page(browser: Browser, few: Site) -> None:
    watched = watch(browser, f"{few.url}/#/operation", viewport=WIDE)
    page = watched.page
    alarm = page.locator("#alarm")
    expect(alarm).to_contain_text("Crack at Slope 7 opens by 12 mm/h")
    expect(page).to_have_title(re.compile("RED: Crack at Slope 7", re.IGNORECASE))
    page.get_by_role("tab", name="Health").click()  # a browser lets a page sound after a click only
    expect(page.locator("#sound")).to_have_attribute("data-sounded", re.compile("[1-9]"), timeout=10_000)
    page.locator("#sound").click()
    expect(page.locator("#sound")).to_have_text("Sound off")
    alarm.get_by_role("link", name="Open").click()
    detail = page.locator(".detail")
    expect(detail).to_contain_text("Waiting for wang until 08:03:00")
    expect(detail.locator(".story")).to_contain_text("not reached")
    detail.get_by_role("button", name="Acknowledge").click()
    sign(page)
    expect(alarm).to_be_hidden()
    expect(page).to_have_title("(2) Groundswell")
    few.keep(AlertTransitions(transitions=[n.alert("a-new", level="red", title="Another")]))
    expect(alarm).to_contain_text("Another")
    assert watched.is_clean(few.url)


def test_tasks_are_added_paused_resumed_and_deleted(browser: Browser, few: Site) -> None:
    watched = watch(browser, f"{few.url}/#/operation", viewport=WIDE)
    page = watched.page
    expect(page.locator(".health")).to_have_count(8)
    expect(page.locator(".health .big").nth(5)).to_contain_text(re.compile(r"verdicts \d+\.\d s old"))
    page.get_by_label("Find a figure").fill("database")
    expect(page.get_by_role("table", name="All figures").locator("tbody tr")).to_have_count(1)
    page.get_by_role("tab", name="Streams").click()
    streams = page.get_by_role("table", name="Streams").locator("tbody tr")
    expect(streams).to_have_count(3)
    expect(streams.first).to_contain_text("stalled")
    page.get_by_label("State").select_option("trouble")
    expect(streams).to_have_count(1)
    page.get_by_label("Find a stream").fill("nothing")
    expect(streams).to_have_count(0)

    page.get_by_role("tab", name="Tasks").click()
    note = page.locator("#panel-tasks [role=status]")
    page.get_by_role("button", name="Add a station").click()
    page.get_by_label("Id").fill("NEWW00CHN")
    page.get_by_label("Source").fill("tcp://receiver.example:5001")
    page.get_by_label("Longitude").fill("120.5")
    page.get_by_label("Latitude").fill("30.5")
    sign(page)
    expect(note).to_contain_text("NEWW00CHN is")
    page.get_by_label("Find a task").fill("neww")
    tasks = page.locator("#panel-tasks tbody tr")
    expect(tasks).to_have_count(1)
    tasks.get_by_role("button", name="Pause").click()
    sign(page)
    expect(tasks).to_contain_text("paused")
    tasks.get_by_role("button", name="Resume").click()
    sign(page)
    expect(tasks).to_contain_text("runs")
    tasks.get_by_role("button", name="Delete").click()
    sign(page)
    expect(tasks).to_have_count(0)
    page.get_by_label("Find a task").fill("")
    page.get_by_role("button", name="Add a site").click()
    page.get_by_label("Id").fill("well-3")
    page.get_by_label("Longitude").fill("110")
    page.get_by_label("Latitude").fill("30")
    sign(page)
    page.get_by_role("button", name="Add a series").click()
    page.get_by_label("Site").select_option("well-3")
    page.get_by_label("Property").select_option("pore_pressure")
    sign(page)
    page.get_by_label("Kind").select_option("datastream")
    expect(page.locator("#panel-tasks")).to_contain_text("well-3.pore_pressure")
    page.get_by_role("tab", name="Log").click()
    expect(page.get_by_role("table", name="Log")).to_contain_text("station/NEWW00CHN")
    assert watched.is_clean(few.url)


def test_a_chain_is_drawn_and_changed(browser: Browser, few: Site) -> None:
    watched = watch(browser, f"{few.url}/#/chain/gauge-xiamen.water_level", viewport=WIDE)
    page = watched.page
    spike = page.locator("[data-step=test-spike]")
    expect(spike).to_contain_text("suspect 0.1")
    expect(page.locator(".wires path")).to_have_count(7)
    spike.click()
    page.get_by_label(re.compile("^suspect")).fill("0.15")
    sign(page)
    expect(spike).to_contain_text("suspect 0.15")
    expect(spike).to_contain_text("set for this series")
    spike.click()
    page.get_by_label("What to do").select_option("remove")
    sign(page)
    expect(spike).to_contain_text("off")
    page.locator("[data-step=add-test]").click()
    page.locator("dialog select").select_option("attenuated_signal")
    page.get_by_role("button", name="Choose").click()
    page.get_by_label(re.compile("^suspect")).fill("0.5")
    page.get_by_label(re.compile("^fail")).fill("0.1")
    sign(page)
    expect(page.locator("[data-step=test-attenuated_signal]")).to_contain_text("suspect 0.5")
    page.locator("[data-step=add-detector]").click()
    page.locator("dialog select").select_option("high_water")
    page.get_by_role("button", name="Choose").click()
    page.get_by_label(re.compile("^orange m")).fill("4.5")
    sign(page)
    high = page.locator("[data-step=detector-high_water]")
    expect(high).to_contain_text("orange m 4.5")
    high.click()
    page.get_by_label("What to do").select_option("remove")
    sign(page)
    expect(high).to_have_count(0)
    page.get_by_role("button", name="Pause").click()
    sign(page)
    expect(page.locator("[data-step=source]")).to_contain_text("kept, not judged")
    row = few.country.store.datastream("gauge-xiamen.water_level")
    assert row is not None
    assert row.tests == {"spike": {"off": True}, "attenuated_signal": {"suspect": 0.5, "fail": 0.1}}
    assert row.detectors == {"sea_level": {}}

    page.locator("[data-step=detector-sea_level]").click()  # what makes no sense is said, and nothing changed
    page.get_by_label(re.compile("^window s")).fill("-1")
    page.get_by_label("Your name").fill("Li")
    page.locator("dialog [type=submit]").click()
    expect(page.locator("dialog .refusal")).to_contain_text("sea_level")
    page.get_by_role("button", name="Cancel").click()
    assert all("409" in one for one in watched.complaints)


@pytest.mark.parametrize("language", ["en-US", "zh-CN"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nobody_is_kept_out(browser: Browser, few: Site, theme: str, language: str) -> None:
    watched = watch(browser, few.url, viewport=WIDE, color_scheme=theme, locale=language)
    page = watched.page
    for view in VIEWS:
        watched.go(view)
        page.wait_for_timeout(250)
        assert watched.barriers() == [], view
        assert not re.search(r"undefined|\[object|NaN", page.inner_text("body")), view
    assert page.evaluate("document.documentElement.lang") == {"en-US": "en", "zh-CN": "zh-CN"}[language]
    assert watched.is_clean(few.url)


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_cut_off_at_any_width(browser: Browser, few: Site, width: int) -> None:
    watched = watch(browser, few.url, viewport={"width": width, "height": 844}, color_scheme="dark")
    for view in VIEWS:
        page = watched.go(view)
        page.wait_for_timeout(250)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, view
    assert watched.is_clean(few.url)


def test_language_theme_and_zone_are_kept(browser: Browser, few: Site) -> None:
    watched = watch(browser, f"{few.url}/#/station/{n.STATION}", viewport=WIDE)
    page = watched.page
    expect(page.locator(".head")).to_contain_text("08:00:00")
    page.locator("#zone").click()
    expect(page.locator(".head")).to_contain_text("00:00:00")
    page.locator("#theme").click()
    page.locator("#theme").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.locator("#language").click()
    expect(page.locator("nav [aria-current]")).to_have_text("站网")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.locator("#zone")).to_have_text("UTC")
    expect(page.locator("#connection")).to_have_text("实时")
    page.keyboard.press("Tab")
    expect(page.locator("#skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#view")).to_be_focused()
    same = page.evaluate(
        """async () => {
            const { en } = await import("/assets/texts_en.js");
            const { zh } = await import("/assets/texts_zh.js");
            const keys = (value, path) => value && typeof value === "object" && !Array.isArray(value)
                ? Object.entries(value).flatMap(([key, one]) => keys(one, `${path}.${key}`))
                : [`${path} ${typeof value} ${value?.length && Array.isArray(value) ? value.length : ""}`];
            const of = ({ names, reasons, ...rest }) => keys(rest, "").sort().join("\\n");
            return of(en) === of(zh);
        }"""
    )
    assert same, "each language has the same words"
    assert watched.is_clean(few.url)


def test_a_map_that_is_left_in_the_middle_of_something_draws_no_more(browser: Browser, site: Site) -> None:
    watched = watch(browser, f"{site.url}/#/operation", viewport=WIDE)
    watched.page.evaluate(
        """async () => {
            const { BaseMap } = await import("/assets/base_map.js");
            const places = [{ latitude: 25, longitude: 100 }, { latitude: 30, longitude: 120 }];
            const node = () => document.body.appendChild(document.createElement("div"));
            const made = [];
            for (let i = 0; i < 6; i++) {
                const place = node();
                place.style.height = "200px";
                made.push(new BaseMap(place));
            }
            while (made.some((one) => !one.land)) await new Promise((done) => setTimeout(done, 20));
            await new Promise((done) => setTimeout(done, 200));
            const acts = [
                (one) => (one.paintBase(), one.fit(places)), // it asks for a frame, then draws at once
                (one) => one.map.zoomIn(),
                (one) => one.map.flyTo([20, 100], 6),
                (one) => one.map.panBy([90, 40]),
                (one) => one.map.invalidateSize({ debounceMoveend: true }),
                (one) => (one.map.zoomIn(), one.paintBase()),
            ];
            acts.forEach((act, i) => (act(made[i]), made[i].remove()));
            for (const act of acts) {
                const one = made[acts.indexOf(act)] = new BaseMap(node());
                one.map.getContainer().style.height = "200px";
                await new Promise((done) => setTimeout(done, 100));
                act(one);
                await new Promise((done) => setTimeout(done, 60)); // in the middle of what is animated
                one.remove();
            }
            await new Promise((done) => setTimeout(done, 700));
        }"""
    )
    assert watched.is_clean(site.url)


def test_what_devices_say_is_text(browser: Browser, site: Site) -> None:
    watched = watch(browser, site.url, viewport=WIDE)
    page = watched.page
    rows = page.locator("#panel-stations tbody tr")
    expect(rows).to_have_count(4)
    assert rows.evaluate_all("rows => rows.map(row => row.dataset.id)") == [
        "WENZ00CHN",
        "XIAM00CHN",
        "NEWW00CHN",
        "SHAO00CHN",
    ]
    expect(rows.nth(2)).to_contain_text("<b>New</b>")
    evil = "<img src=x onerror=alert(1)>"
    worse = c.report(c.SITES[2], START_US + SECOND_US, station_id=evil)
    site.keep(
        StationReports(reports=[worse]),
        AlertTransitions(transitions=[c.alert(2, "level", title=evil, level="red")]),
    )
    expect(page.locator("#alarm")).to_contain_text(evil)
    expect(page.locator("#panel-stations")).to_contain_text(evil)
    page.locator("#panel-stations tbody tr", has_text="onerror").get_by_role("button").click()
    expect(page.locator("h1")).to_have_text(evil)
    assert watched.is_clean(site.url)


def test_a_refused_change_says_why_and_where_to_sign_in(browser: Browser, country: c.Country) -> None:
    site = Site(country, write_token="correct horse")
    try:
        page = watch(browser, f"{site.url}/#/alerts/a1").page
        page.get_by_role("button", name="Acknowledge").click()
        page.get_by_label("Your name").fill("Li")
        page.get_by_label("Write token").fill("wrong")
        page.locator("dialog [type=submit]").click()
        expect(page.locator("dialog .refusal")).to_contain_text("write token")
        expect(page.locator("dialog").get_by_role("link", name="Sign in")).to_have_attribute(
            "href", "/sign-in"
        )
        page.get_by_label("Write token").fill("correct horse")
        page.locator("dialog [type=submit]").click()
        expect(page.locator(".detail")).to_contain_text("acknowledged by Li")
    finally:
        site.stop()


def test_a_lost_connection_is_seen_and_comes_back(browser: Browser, country: c.Country) -> None:
    site = Site(country)
    page = watch(browser, site.url).page
    expect(page.locator("#panel-stations tbody tr")).to_have_count(4)
    site.stop()
    expect(page.locator("#connection")).to_have_text("Reconnecting")
    country.hub = type(country.hub)()
    again = Site(country, port=site.port)
    try:
        again.keep(
            StationReports(reports=[c.report(c.SITES[2], START_US + SECOND_US, station_id="SHAO00CHN")])
        )
        expect(page.locator("#connection")).to_have_text("Live", timeout=15_000)
        expect(page.locator("#panel-stations [data-id=SHAO00CHN]")).to_have_class(re.compile(r"\bbad\b"))
    finally:
        again.stop()


def test_the_docs_page_describes_and_tries_the_api(browser: Browser, site: Site) -> None:
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


def test_pictures_of_the_readme_are_what_is_seen(browser: Browser, nation: Site, tmp_path: Path) -> None:
    """With GROUNDSWELL_PICTURES=docs it writes those of the README."""
    folder = Path(os.environ.get("GROUNDSWELL_PICTURES") or tmp_path)
    pictures = (
        ("page", "network", "light", 0),
        ("page-station", f"station/{n.STATION}", "light", 560),
        ("page-alert", f"alerts/{n.RED}", "dark", 0),
        ("page-chain", "chain/gauge-xiamen.water_level", "light", 0),
    )
    for name, view, theme, down in pictures:
        context = browser.new_context(viewport=WIDE, color_scheme=theme)
        page = context.new_page()
        page.goto(f"{nation.url}/#/{view}")
        expect(page.locator("#connection")).to_have_text("Live")
        page.wait_for_timeout(1000)
        if view.startswith("station"):
            WATCH.rest()  # it sends anew
            hear(range(-34, 2), sender_of_shanghai())
            expect(page.locator("svg.is-live")).to_be_visible()
        page.locator("#view").evaluate("(node, down) => { node.scrollTop = down; }", down)
        page.wait_for_timeout(200)
        picture = page.screenshot(path=str(folder / f"{name}.png"))
        assert len(picture) > 20_000
        context.close()
