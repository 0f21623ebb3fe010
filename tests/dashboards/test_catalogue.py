"""The catalogue: what it says against what is stored, its forms against their schemas, places by role."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import numpy as np
import pytest
from pystac.validation import validate_dict

from dashboards.catalogue import shelf
from dashboards.catalogue.config import CatalogueConfig, Contact
from deploy.registry import catalogue as every_property
from deploy.settings import Settings
from sensors.model import Datastream, Station, Thing
from streams.records import Change, Changes
from tests.dashboards import country as c
from tests.dashboards.country import GAUGE, HOUR_US, SECOND_US, START_US
from tests.dashboards.people import everybody, signed_in
from tests.dashboards.serving import client_of
from tests.dashboards.test_sensitivity import EXACT

API = "/api/v1"
RAIN = 'hill/"north", 1'
ABOUT = CatalogueConfig(
    title="Sensors of Hubei", title_zh="湖北传感器", namespace="cn.hubei", licence="CC-BY-4.0",
    licence_url="https://creativecommons.org/licenses/by/4.0/", constraints="Name the source.",
    keywords=["hubei"], contact=Contact(organisation="Survey of Hubei", email="data@example.org", url="https://example.org"),
)  # fmt: skip
CLOSED = {"open_writes": False, "write_token": "the write token"}
BEARER = {"authorization": "Bearer the write token"}
WATER = {"name": "water level", "domain": "ocean", "unit": "m", "span": [-5.0, 15.0]}
FILES = (
    f"{API}/catalogue", f"{API}/catalogue?format=geojson", f"{API}/catalogue/stations.quality",
    f"{API}/stac", f"{API}/stac/collections", f"{API}/stac/collections/observations.water_level",
    f"{API}/stac/collections/observations.water_level/items", f"{API}/stac/conformance",
)  # fmt: skip


def change(version, kind, identity, after, before=None, verb="put"):
    return Change(kind=kind, id=identity, version=version, verb=verb, before=before, after=after, by="Li",
                  at_us=START_US - HOUR_US + version * SECOND_US, command_id=f"c{version}")  # fmt: skip


@pytest.fixture(scope="module")
def country(tmp_path_factory):
    country = c.found(tmp_path_factory.mktemp("catalogue"), minutes=2)
    country.store.put_registry(
        stations=[
            Station(
                id="EXAC00CHN", name="Exactly", longitude=121.2034567, latitude=31.1045678, height_m=23.4567
            )
        ],
        things=[Thing(id="hill", name="Hill", longitude=112.5, latitude=30.2, height_m=12.5)],
        properties=[one for one in every_property() if one.id == "rain"],
        datastreams=[
            Datastream(id=RAIN, thing_id="hill", property_id="rain", name="Rain", unit="mm",
                       tests={"spike": {"suspect": 1.0, "fail": 2.0}, "flat_line": {"off": True}}),
            Datastream(id="silent", thing_id="hill", property_id="rain", name="Silent", unit="mm"),
        ],
    )  # fmt: skip
    rain = [(START_US - k * 60 * SECOND_US, 1.0, 1) for k in range(120)]
    country.keep(c.samples(rain, RAIN))
    again = c.samples(rain[:30], RAIN)
    country.keep(msgspec.structs.replace(again, revision=np.ones(30, np.int32)))
    base = {"thing": "hill", "property": "rain", "unit": "mm"}
    tested = {**base, "tests": {"spike": {"suspect": 1.0, "fail": 2.0}, "flat_line": {"off": True}}}
    moved = {"source": "tcp://b:1", "longitude": 121.2034567, "latitude": 31.1, "receiver": "NEW"}
    pair = {"kind": "neighbor", "members": [GAUGE, RAIN]}
    country.keep(
        Changes(
            changes=[
                change(1, "datastream", RAIN, tested, base),
                change(2, "datastream", RAIN, {**tested, "name": "Rain"}, tested),
                change(3, "rule", f"{GAUGE}/sea_level", {"parameters": {"floor_m": 0.2}}),
                change(4, "network", "pair", pair),
                change(5, "station", "SHAO00CHN", moved, {"source": "tcp://a:1"}),
                change(6, "property", "water_level", {**WATER, "span": [-4.0, 14.0]}, WATER),
            ]
        )
    )  # fmt: skip
    country.keep(everybody())
    yield country
    country.store.close()


def app_of(country, **changes):
    return country.app(**{**CLOSED, "about": ABOUT, "networks": {"old": [GAUGE]}, **changes})


async def get(country, path, status=200, headers=BEARER, app=None, **query):
    async with client_of(app or app_of(country)) as client:
        answer = await client.get(path, params=query or None, headers=headers)
    assert answer.status_code == status, (path, answer.text)
    return answer


async def record(country, identity, **more):
    return (await get(country, f"{API}/catalogue/{identity}", **more)).json()


async def test_every_kind_of_data_is_listed_once(country):
    answer = (await get(country, f"{API}/catalogue")).json()
    assert [one["id"] for one in answer["items"]] == [
        "observations.rain", "observations.water_level", "network.old", "network.pair", "stations.quality",
        "stations.figures", "stations.hours", "alerts",
    ]  # fmt: skip
    app = app_of(country, raw_reader=object())
    assert "stations.raw" in (await get(country, f"{API}/catalogue", app=app)).text


async def test_a_record_says_what_is_stored(country):
    water = await record(country, "observations.water_level")
    found = water["identificationInfo"]
    assert found["citation"]["title"] == {"en": "Observations: water level", "zh": "观测数据：water level"}
    assert water["metadataIdentifier"] == {"code": "observations.water_level", "codeSpace": "cn.hubei"}
    extent = found["extent"]
    assert extent["geographicElement"] == {
        "westBoundLongitude": 118.3, "eastBoundLongitude": 118.3, "southBoundLatitude": 24.0,
        "northBoundLatitude": 24.0,
    }  # fmt: skip
    assert extent["temporalElement"] == {"begin": "2025-12-31T18:00:00Z", "end": "2026-01-01T00:00:00Z"}
    assert found["resourceMaintenance"]["userDefinedMaintenanceFrequency"] == "PT60S"
    assert found["resourceConstraints"]["licence"] == "CC-BY-4.0"
    assert found["members"] == 1
    assert water["contact"]["organisation"] == "Survey of Hubei"
    assert [one["code"].rpartition("/")[2] for one in water["referenceSystemInfo"]] == ["4490", "UTC"]
    rain = await record(country, "observations.rain")
    assert rain["identificationInfo"]["citation"]["title"]["zh"] == "观测数据：雨量"
    assert "5737" in str(rain["referenceSystemInfo"])
    assert rain["identificationInfo"]["members"] == 2
    assert (await record(country, "network.pair"))["identificationInfo"]["members"] == 2
    alerts = await record(country, "alerts")
    assert alerts["identificationInfo"]["resourceMaintenance"]["maintenanceAndUpdateFrequency"] == "asNeeded"
    begin = alerts["identificationInfo"]["extent"]["temporalElement"]["begin"]
    assert begin == "2025-12-31T23:52:00Z"


async def test_lineage_tells_tests_and_limits_in_force_and_since_when(country):
    water = await record(country, "observations.water_level")
    steps = {one["name"]: one for one in water["resourceLineage"]["processStep"]}
    assert steps["gross_range"]["parameters"]["span"] == [-4.0, 14.0]
    assert steps["gross_range"]["since"] == "2025-12-31T23:00:06Z"
    assert "1.2.3" in water["resourceLineage"]["processor"]
    rain = (await record(country, "observations.rain"))["resourceLineage"]["processStep"]
    own = {one["name"]: one for one in rain if one["datastream"] == RAIN}
    assert own["spike"]["parameters"]["suspect"] == 1.0
    assert own["spike"]["since"] == "2025-12-31T23:00:01Z"
    usual = {one["name"] for one in rain if not one["datastream"]}
    assert ("flat_line" in own) == ("flat_line" in usual)
    quality = (await record(country, "stations.quality"))["resourceLineage"]["processStep"]
    assert {"latency", "multipath", "epochs"} <= {one["name"] for one in quality}
    detectors = (await record(country, "alerts"))["resourceLineage"]["processStep"]
    assert [(one["name"], one["datastream"], one["parameters"]) for one in detectors] == [
        ("sea_level", GAUGE, {"floor_m": 0.2})
    ]


async def test_editions_are_changes_of_what_makes_the_data(country):
    rain = await record(country, "observations.rain")
    assert [(one["kind"], one["id"], list(one["after"])) for one in rain["editions"]] == [
        ("datastream", RAIN, ["tests"])
    ]
    assert (rain["editions"][0]["edition"], rain["identificationInfo"]["citation"]["edition"]) == (1, "1")
    water = await record(country, "observations.water_level")
    assert [(one["kind"], one["after"]) for one in water["editions"]] == [
        ("rule", {"parameters": {"floor_m": 0.2}}),
        ("property", {"span": [-4.0, 14.0]}),
    ]
    pair = await record(country, "network.pair")
    assert [one["kind"] for one in pair["editions"]] == ["datastream", "rule", "network", "property"]
    assert [one["edition"] for one in pair["editions"]] == [1, 3, 4, 6]
    (station,) = (await record(country, "stations.quality"))["editions"]
    assert station["after"] == {"receiver": "NEW"}, "no place, no source"


async def test_revisions_tell_which_samples_were_not_left_as_they_were(country):
    path = f"{API}/catalogue/observations.rain/revisions"
    found = (await get(country, path)).json()
    assert found["is_cut"] is False
    assert sum(one["settled_by_next_sample"] for one in found["items"]) == 30
    assert {one["datastream_id"] for one in found["items"]} == {RAIN}
    assert max(one["end"] for one in found["items"]) == "2026-01-01T00:00:00Z"
    for query in ({"end": "2025-12-31T23:00:00Z"}, {"start": "2026-01-01T00:00:01Z"}):
        assert (await get(country, path, **query)).json()["items"] == []
    assert (await get(country, f"{API}/catalogue/alerts/revisions")).json()["items"] == []


async def test_every_way_that_is_told_leads_somewhere(country):
    app, tried = app_of(country), 0
    async with client_of(app) as client:
        for one in (await client.get(f"{API}/catalogue", headers=BEARER)).json()["items"]:
            for way in [*one["distributionInfo"], *({"linkage": link["href"]} for link in one["links"])]:
                address = urlsplit(way["linkage"])
                if address.path.endswith("/push"):
                    continue
                path = address.path.replace("{id}", "a1" if "alerts" in address.path else "SHAO00CHN")
                answer = await client.get(f"{path}?{address.query}", headers=BEARER)
                known = {200, 404} if "report" in path or ".cap.xml" in path else {200}
                assert answer.status_code in known, (path, address.query, answer.text)
                if answer.status_code == 200 and "format" in way:
                    assert answer.headers["content-type"].startswith(way["format"]), path
                tried += 1
    assert tried > 60


async def test_as_geojson_it_is_a_rectangle_each(country):
    answer = await get(country, f"{API}/catalogue", format="geojson", language="zh")
    assert answer.headers["content-type"] == "application/geo+json"
    features = {one["id"]: one for one in answer.json()["features"]}
    assert features["observations.rain"]["geometry"] == {"type": "Point", "coordinates": [112.5, 30.2]}
    ring = features["alerts"]["geometry"]["coordinates"][0]
    assert (len(ring), ring[0]) == (5, ring[-1])
    area = sum(a[0] * b[1] - b[0] * a[1] for a, b in itertools.pairwise(ring))
    assert area > 0, "counterclockwise"
    assert features["alerts"]["properties"]["title"] == "预警"
    assert (await get(country, f"{API}/catalogue/alerts", format="geojson")).json()["id"] == "alerts"


async def crawled(client, address, seen):
    """Follow the links of STAC objects; validate each by its schema, without a network."""
    if address in seen:
        return
    parts = urlsplit(address)
    answer = await client.get(f"{parts.path}?{parts.query}" if parts.query else parts.path, headers=BEARER)
    assert answer.status_code == 200, (address, answer.text)
    made = seen[address] = answer.json()
    kind = made.get("type")
    if kind in {"Catalog", "Collection", "Feature"}:
        assert {one["rel"]: one["href"] for one in made["links"]}["self"] == address
        validate_dict(made)
    for one in made.get("features", []):
        await crawled(client, next(link["href"] for link in one["links"] if link["rel"] == "self"), seen)
    for link in made.get("links", []):
        if link["rel"] in {"child", "items", "next", "data", "conformance", "collection", "root", "parent"}:
            await crawled(client, link["href"], seen)


async def test_every_stac_object_is_valid_and_is_reached_by_links(country):
    seen = {}
    async with client_of(app_of(country)) as client:
        await crawled(client, f"http://127.0.0.1{API}/stac", seen)
    kinds = [one.get("type") for one in seen.values()]
    assert (kinds.count("Catalog"), kinds.count("Collection")) == (1, 8)
    items = {one["id"] for one in seen.values() if one.get("type") == "Feature"}
    assert items == {GAUGE, RAIN, "SHAO00CHN", "XIAM00CHN", "WENZ00CHN"}


async def test_items_come_in_pages_and_by_place_and_time(country):
    path = f"{API}/stac/collections/stations.quality/items"
    found, query = [], {"limit": 1}
    while query is not None:
        page = (await get(country, path, **query)).json()
        found += [one["id"] for one in page["features"]]
        assert (page["numberMatched"], page["numberReturned"]) == (3, 1)
        following = [one["href"] for one in page["links"] if one["rel"] == "next"]
        query = dict(re.findall(r"(\w+)=([^&]+)", urlsplit(following[0]).query)) if following else None
    assert found == ["SHAO00CHN", "WENZ00CHN", "XIAM00CHN"]
    for asked, ids in (
        ({"bbox": "118,24,119,25"}, ["XIAM00CHN"]),
        ({"datetime": "2025-12-31T23:59:00Z"}, found),
        ({"datetime": "../2025-12-31T00:00:00Z"}, []),
        ({"datetime": "2026-01-01T00:00:00Z/.."}, found),
        ({"datetime": "2026-01-01T00:00:01Z/"}, []),
    ):
        page = (await get(country, path, **asked)).json()
        assert [one["id"] for one in page["features"]] == ids, asked
    (asset,) = [
        one
        for name, one in page_of(await get(country, path))["assets"].items()
        if name == "station-windows-csv"
    ]
    assert asset["href"].endswith("/api/v1/station-windows?station=SHAO00CHN&format=csv")


def page_of(answer):
    return answer.json()["features"][0]


@pytest.mark.parametrize(
    ("path", "query", "status", "words"),
    [
        ("/catalogue/nothing", {}, 404, "/api/v1/catalogue lists"),
        ("/catalogue/nothing/revisions", {}, 404, "lists those there are"),
        ("/catalogue/observations.rain/revisions", {"window": "0"}, 400, "PT60S"),
        ("/catalogue", {"format": "xml"}, 422, "geojson"),
        ("/stac/collections/nothing", {}, 404, "lists those there are"),
        ("/stac/collections/observations.rain/items/silent", {}, 404, "Nothing is stored"),
        ("/stac/collections/observations.rain/items", {"datetime": "now"}, 400, "is not a time"),
        ("/stac/collections/observations.rain/items", {"datetime": "2026-01-02T00:00Z/2026-01-01T00:00Z"},
         400, "before it begins"),
        ("/stac/collections/observations.rain/items", {"bbox": "1,2"}, 400, "is no part of a map"),
    ],
)  # fmt: skip
async def test_what_is_not_there_is_said_with_what_to_do(country, path, query, status, words):
    assert words in (await get(country, API + path, status, **query)).json()["detail"]


async def test_too_many_samples_are_not_looked_through(country, monkeypatch):
    monkeypatch.setattr("dashboards.api.catalogue.MOST_SAMPLES", 5)
    answer = await get(country, f"{API}/catalogue/observations.rain/revisions", 400)
    assert "shorter range" in answer.json()["detail"]


@pytest.mark.parametrize("path", FILES)
async def test_who_has_it_already_is_told_so(country, path):
    app = app_of(country)
    first = await get(country, path, app=app)
    if "etag" in first.headers:
        again = await get(
            country, path, 304, app=app, headers={**BEARER, "if-none-match": first.headers["etag"]}
        )
        assert again.content == b""
    else:
        assert path.endswith("conformance")


async def test_other_forms_stand_in_the_header(country):
    answer = await get(country, f"{API}/catalogue/alerts")
    told = re.findall(r'<([^>]+)>; rel="([\w-]+)"', answer.headers["link"])
    assert told == [(one["href"], one["rel"]) for one in answer.json()["links"]]
    assert told[0] == (f"http://127.0.0.1{API}/catalogue/alerts", "self")
    header = (await get(country, f"{API}/catalogue", format="geojson")).headers["link"]
    assert re.findall(r'rel="(\w+)"', header) == ["alternate", "self", "alternate"]
    app = app_of(country, public_url="https://data.example.org/")
    told = (await get(country, f"{API}/catalogue", app=app)).json()["links"][0]["href"]
    assert told == f"https://data.example.org{API}/catalogue"


async def test_places_of_stations_are_as_exact_as_whoever_asks_may_know(country):
    app = app_of(country)
    sensitive = [path for path in FILES if "water_level" not in path and "conformance" not in path]
    sensitive += [f"{API}/stac/collections/stations.quality"]
    for path in sensitive:
        for role, is_told in (("viewer", False), ("operator", True)):
            told = EXACT.search((await get(country, path, app=app, headers=signed_in(app, role))).text)
            assert bool(told) == (is_told and path != f"{API}/stac"), (path, role)


async def test_what_is_stored_is_read_again_after_a_while(country, monkeypatch):
    asked = []
    original = country.store.series

    def counting(**question):
        asked.append(question)
        return original(**question)

    monkeypatch.setattr(country.store, "series", counting)
    app = app_of(country)
    for _ in range(3):
        await get(country, f"{API}/catalogue", app=app)
    assert len(asked) == 1
    monkeypatch.setattr(country, "now_us", country.now_us + shelf.AGE_US)
    await get(country, f"{API}/catalogue", app=app)
    assert len(asked) == 2


async def test_an_installation_without_anything_has_a_catalogue(tmp_path):
    country = c.Country(c.SqliteStore(tmp_path / "empty.sqlite"))
    for path in (f"{API}/catalogue", f"{API}/catalogue/alerts", f"{API}/stac", f"{API}/stac/collections"):
        answer = await get(country, path, headers={}, app=country.app())
        assert "alerts" in answer.text
    collection = (await get(country, f"{API}/stac/collections/alerts", app=country.app())).json()
    validate_dict(collection)
    country.store.close()


def test_properties_are_called_alike_on_the_pages_and_in_the_catalogue():
    words = (Path(__file__).parents[2] / "dashboards" / "web" / "texts_zh.js").read_text("utf-8")
    names = dict(re.findall(r'(\w+): "([^"]+)"', words[words.index("names: {") :].partition("}")[0]))
    assert {one.id: one.name_zh for one in every_property()} == {
        one.id: names[one.id] for one in every_property()
    }


def test_the_example_of_the_page_is_a_configuration():
    page = (Path(__file__).parents[2] / "docs" / "catalogue.md").read_text("utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    told = msgspec.convert(msgspec.toml.decode(example), Settings).catalogue
    assert (told.licence, told.contact.organisation) == ("CC-BY-4.0", "Survey of Hubei")
    assert all(getattr(told, name) for name in CatalogueConfig.__struct_fields__)
    with pytest.raises(msgspec.ValidationError, match="licens"):
        msgspec.convert({"license": "x"}, CatalogueConfig)
