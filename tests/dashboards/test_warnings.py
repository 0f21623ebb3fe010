"""Alerts for other systems over the API: CAP, Atom and GeoJSON."""

from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import geojson
import pytest
import xmlschema

from dashboards.alert_memory import AlertMemory
from dashboards.api.context import CapSource
from dashboards.fallback import Fallback
from streams.cap.areas import NamedArea
from streams.cap.config import CapConfig
from streams.records import AlertTransitions
from tests.dashboards import country as c
from tests.dashboards.serving import client_of

API = "/api/v1"
SCHEMA = xmlschema.XMLSchema(Path(__file__).parents[1] / "data" / "cap" / "CAP-v1.2.xsd")
CAP = {"c": "urn:oasis:names:tc:emergency:cap:1.2", "a": "http://www.w3.org/2005/Atom"}
COUNTY = NamedArea("厦门", "Xiamen", [[(118.0, 23.5), (118.9, 23.5), (118.0, 24.9)]])
SOURCE = CapSource(CapConfig(sender="warn.example.org"), [COUNTY])


@pytest.fixture(scope="module")
def country(tmp_path_factory):
    """One for all that only ask: to make an app takes longer than most questions."""
    yield from found(tmp_path_factory.mktemp("country"))


@pytest.fixture
def own(tmp_path):
    yield from found(tmp_path)


def found(folder):
    country = c.found(folder, minutes=1)
    country.settings = {"cap": SOURCE, "public_url": "https://warn.example.org"}
    yield country
    country.store.close()


async def get(country, path, status=200, headers=None, **changes):
    async with client_of(country.app(**changes)) as client:
        answer = await client.get(API + path, headers=headers)
    assert answer.status_code == status, answer.text
    return answer


def keep(country, *steps):
    country.keep(AlertTransitions(transitions=list(steps)))


async def test_an_alert_is_a_message(country):
    answer = await get(country, "/alerts/a1.cap.xml")
    assert answer.headers["content-type"] == "application/cap+xml"
    SCHEMA.validate(answer.text)
    alert = ET.fromstring(answer.content)
    assert alert.findtext("c:msgType", None, CAP) == "Alert"
    assert [a.text for a in alert.findall("c:info/c:area/c:areaDesc", CAP)] == [
        "厦门: Tide gauge Xiamen",
        "Xiamen: Tide gauge Xiamen",
    ]
    assert alert.findtext("c:info/c:web", None, CAP) == "https://warn.example.org/"


async def test_an_answer_does_not_hide_the_warning_and_has_a_message_of_its_own(own):
    keep(own, c.alert(2, "acknowledged", by="Li", state="acknowledged"))
    now, ack = [
        ET.fromstring((await get(own, f"/alerts/a1.cap.xml{query}")).content) for query in ("", "?number=2")
    ]
    assert now.findtext("c:msgType", None, CAP) == "Alert"
    assert ack.findtext("c:msgType", None, CAP) == "Ack"
    assert ack.findtext("c:references", None, CAP).startswith("warn.example.org,a1.1,")
    problem = (await get(own, "/alerts/a1.cap.xml?number=3", 404)).json()
    assert "Step 3 of alert a1 is no message" in problem["detail"]


async def test_what_calls_nobody_is_no_message(own):
    keep(
        own,
        c.alert(alert_id="late", historic=True),
        c.alert(alert_id="quiet", silenced="works"),
        c.alert(alert_id="gauge", rule="sea_level_sensor"),
    )
    for name in ("late", "quiet", "gauge"):
        problem = (await get(own, f"/alerts/{name}.cap.xml", 404)).json()
        assert "calls nobody" in problem["detail"]
    feed = ET.fromstring((await get(own, "/alerts.atom")).content)
    assert len(feed.findall("a:entry", CAP)) == 1
    on_the_map = (await get(own, "/alerts.geojson")).json()
    assert {f["id"] for f in on_the_map["features"]} == {"a1", "late", "quiet", "gauge"}
    assert "There is no alert 'nobody'" in (await get(own, "/alerts/nobody.cap.xml", 404)).json()["detail"]


async def test_the_feed_leads_to_every_alert_page_by_page(own):
    keep(
        own,
        *(c.alert(alert_id=f"b{i}", opened_at_us=c.START_US + i, at_us=c.START_US + i) for i in range(6)),
    )
    path, found = "/alerts.atom?limit=3", []
    while path:
        answer = await get(own, path)
        assert answer.headers["content-type"] == "application/atom+xml"
        feed = ET.fromstring(answer.content)
        for element in ("id", "title", "updated", "author/a:name"):
            assert feed.findtext(f"a:{element}", None, CAP)
        links = {link.get("rel"): link.get("href") for link in feed.findall("a:link", CAP)}
        assert links["self"] == f"https://warn.example.org{API}{path}"
        for entry in feed.findall("a:entry", CAP):
            for element in ("id", "title", "updated", "published", "summary"):
                assert entry.findtext(f"a:{element}", None, CAP)
            (target,) = [x.get("href") for x in entry.findall("a:link", CAP) if x.get("rel") == "alternate"]
            await get(own, target.removeprefix(f"https://warn.example.org{API}"))
            found.append(entry.findtext("a:id", None, CAP))
        path = links.get("next", "").removeprefix(f"https://warn.example.org{API}")
    assert found == [
        f"tag:warn.example.org,2026:groundswell/alerts/{n}"
        for n in ("b5", "b4", "b3", "b2", "b1", "b0", "a1")
    ]


async def test_an_entry_is_new_when_the_warning_changes_and_not_when_it_is_answered(own):
    async def entry():
        feed = ET.fromstring((await get(own, "/alerts.atom")).content)
        (one,) = feed.findall("a:entry", CAP)
        return [one.findtext(f"a:{name}", None, CAP) for name in ("id", "updated", "title")]

    first = await entry()
    keep(own, c.alert(2, "acknowledged", by="Li", state="acknowledged"))
    assert await entry() == first
    keep(own, c.alert(3, "closed", state="closed"))
    last = await entry()
    assert last[0] == first[0]
    assert last[1] > first[1]
    assert "is over" in last[2]


@pytest.mark.parametrize("path", ["/alerts.atom", "/alerts.geojson", "/alerts/a1.cap.xml"])
async def test_what_is_known_is_not_sent_again(own, path):
    tag = (await get(own, path)).headers["etag"]
    for known in (tag, f'W/{tag}, "other"', "*"):
        assert (await get(own, path, 304, {"if-none-match": known})).content == b""
    await get(own, path, 200, {"if-none-match": '"other"'})
    keep(own, c.alert(2, "level", level="red"))
    await get(own, path, 200, {"if-none-match": tag})


async def test_the_map_is_geojson(country):
    answer = await get(country, "/alerts.geojson?limit=1")
    assert answer.headers["content-type"] == "application/geo+json"
    read = geojson.loads(answer.text)
    assert read.is_valid, read.errors()
    (feature,) = read.features
    assert feature.geometry.coordinates == [118.3, 24.0]
    assert feature.properties["level"] == "orange"
    assert feature.properties["event_zh"] == "海面异常"
    assert feature.properties["area"] == "厦门"
    assert "evidence" not in feature.properties


async def test_a_subject_that_nobody_knows_has_no_place(own):
    keep(own, c.alert(alert_id="far", subject_id="zhejiang:x.level", opened_at_us=c.START_US))
    features = (await get(own, "/alerts.geojson")).json()["features"]
    assert features[0]["geometry"] is None
    SCHEMA.validate((await get(own, "/alerts/far.cap.xml")).text)


async def test_links_lead_where_it_was_asked_for_when_nothing_else_is_configured(country):
    feed = (await get(country, "/alerts.atom", public_url="")).text
    assert f'href="http://127.0.0.1{API}/alerts/a1.cap.xml"' in feed


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/alerts.atom?limit=501", 422),
        ("/alerts.atom?after=x", 400),
        ("/alerts.geojson?lvl=red", 400),
        ("/alerts/a1.cap.xml?number=0", 422),
    ],
)
async def test_what_makes_no_sense_is_refused(country, path, status):
    await get(country, path, status)


async def test_while_the_database_is_away_memory_answers(country):
    memory = AlertMemory()
    memory.listen([AlertTransitions(transitions=[c.alert()])])
    away = SimpleNamespace(reason="")
    changes = {"fallback": Fallback(memory, lambda: away.reason)}
    app = country.app(public_url="", **changes)
    async with client_of(app) as client:
        away.reason = "away"
        unfinished = await client.get(f"{API}/alerts/a1.cap.xml")
        memory.complete = True
        found = [
            await client.get(API + path) for path in ("/alerts/a1.cap.xml", "/alerts.atom", "/alerts.geojson")
        ]
        missing = await client.get(f"{API}/alerts/b.cap.xml")
    assert unfinished.status_code == missing.status_code == 503
    assert [one.status_code for one in found] == [200, 200, 200]
    assert {one.headers["answered-from"] for one in found} == {"memory"}
    SCHEMA.validate(found[0].text)
