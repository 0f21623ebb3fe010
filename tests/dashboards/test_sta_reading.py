"""SensorThings over real stores: paths, options, expansions, pages, and what is refused."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from sensors.model import Datastream, Thing
from storage.postgres import PostgresStore
from storage.sqlite import SqliteStore
from streams.records import Change, Changes, FlaggedSamples
from tests.dashboards import country as c
from tests.dashboards.serving import client_of

ROOT = "/sta/v1.1"
QUIET = "gauge-quanzhou"


@pytest.fixture(
    scope="module", params=["sqlite", "waiting", pytest.param("postgres", marks=pytest.mark.integration)]
)
def country(request, tmp_path_factory):
    store, patch = None, pytest.MonkeyPatch()
    if request.param == "waiting":  # rows stand beside their tables
        patch.setattr("storage.sqlite.arrivals.LARGE_ROWS", 0)
        store = SqliteStore(tmp_path_factory.mktemp("store") / "store.db", behind=True)
    if request.param == "postgres":
        server = request.getfixturevalue("postgres_server")
        url = server.database()
        store = PostgresStore(url)
    country = c.found(tmp_path_factory.mktemp("sta"), minutes=2, store=store)
    country.store.put_registry(
        things=[Thing(id=QUIET, name="O'Quiet", longitude=118.7, latitude=24.9, height_m=3.5)],
        datastreams=[
            Datastream(
                id=f"{QUIET}.{number}",
                thing_id=QUIET,
                property_id="water_level",
                name=f"level {number}",
                unit="m",
            )
            for number in range(5)
        ],
    )
    for number in range(4):
        rows = [(c.START_US + (10 * k + number) * c.SECOND_US, k + number / 10, 1) for k in range(30)]
        country.keep(c.samples(rows, f"{QUIET}.{number}"))
    values = {"name": "Tide gauge Xiamen", "longitude": 118.2, "latitude": 24.0}
    moved = Change(
        kind="thing", id="gauge-xiamen", version=7, verb="put", before=None, after=values, by="Li",
        at_us=c.START_US, command_id="c7",
    )  # fmt: skip
    country.keep(Changes(changes=[moved]))
    if request.param == "postgres":
        country.store.bring_latest()
    yield country
    country.store.close()
    patch.undo()
    if request.param == "postgres":
        server.drop(url)


@pytest.fixture
def ask(country):
    app = country.app()

    async def ask(path, status=200, **options):
        async with client_of(app) as client:
            params = {f"${name}": value for name, value in options.items()} or None
            answer = await client.get(f"{ROOT}{path}", params=params)
        assert answer.status_code == status, answer.text
        return answer.json() if "json" in answer.headers["content-type"] else answer.text

    return ask


async def ids(ask, path, **options):
    return [one["@iot.id"] for one in (await ask(path, **options))["value"]]


async def test_the_index_names_all_lists_and_conformance(ask):
    index = await ask("")
    assert len(index["value"]) == 8
    assert any("request-data" in one for one in index["serverSettings"]["conformance"])
    for one in index["value"]:
        page = await ask("/" + one["url"].rsplit("/", 1)[1])
        assert page["value"], one


async def test_every_entity_and_every_link_answers(ask):
    """From each list the first entity, each of its links, and back by its selfLink."""
    for one in (await ask(""))["value"]:
        entity = (await ask(f"/{one['name']}", top=1))["value"][0]
        again = await ask(entity["@iot.selfLink"].split(ROOT)[1])
        assert again == entity
        for name, link in entity.items():
            if name.endswith("@iot.navigationLink"):
                there = await ask(link.split(ROOT)[1])
                assert "value" in there or "@iot.id" in there
            elif not name.startswith("@iot"):
                value = await ask(f"{entity['@iot.selfLink'].split(ROOT)[1]}/{name}")
                assert value == {name: link}


async def test_things_are_sites_and_stations(ask):
    found = await ids(ask, "/Things")
    assert found == [QUIET, "gauge-xiamen", *(f"station~{s[0]}" for s in sorted(c.SITES))]


async def test_the_newest_of_each_in_one_question(ask):
    page = await ask(
        "/Things", expand="Datastreams($expand=Observations($orderby=phenomenonTime desc;$top=1))", top=3
    )
    quiet, gauge, station = page["value"]
    newest = [one["Observations"] for one in quiet["Datastreams"]]
    assert [[o["result"] for o in some] for some in newest] == [[29.0], [29.1], [29.2], [29.3], []]
    assert gauge["Datastreams"][0]["Observations"][0]["phenomenonTime"] == "2026-01-01T00:00:00Z"
    of_name = {one["@iot.id"]: one["Observations"] for one in station["Datastreams"]}
    score = of_name["station~NEWW00CHN~score"]
    assert score == []


async def test_a_stations_indicators_are_observations(ask):
    page = await ask(
        "/Datastreams('station~SHAO00CHN~latency')/Observations", orderby="phenomenonTime desc", top=2
    )
    newest = page["value"][0]
    assert newest["result"] == 0.31
    assert newest["resultQuality"] == {"qartod": 1, "state": "good"}
    assert await ask(newest["@iot.selfLink"].split(ROOT)[1]) == newest
    page = await ask(
        "/Things('station~SHAO00CHN')/Datastreams",
        expand="Observations($orderby=phenomenonTime desc;$top=1),ObservedProperty,Sensor",
    )
    found = {one["@iot.id"]: one for one in page["value"]}
    assert len(found) == 17
    assert found["station~SHAO00CHN~score"]["Observations"][0]["result"] == 97
    assert found["station~SHAO00CHN~roti"]["Observations"][0]["result"] == pytest.approx(0.0876, abs=1e-4)
    assert found["station~SHAO00CHN~score"]["ObservedProperty"]["@iot.id"] == "station~score"
    assert found["station~SHAO00CHN~score"]["Sensor"]["@iot.id"] == "station~SHAO00CHN"


@pytest.mark.parametrize(
    ("path", "condition", "wanted"),
    [
        ("/Things", "name eq 'O''Quiet'", [QUIET]),
        ("/Things", "@iot.id eq 'gauge-xiamen'", ["gauge-xiamen"]),
        ("/Things", "id ne 'gauge-xiamen' and properties/kind eq 'site'", [QUIET]),
        ("/Things", "properties/kind eq 'station' and properties/interval_s lt 2 and startswith(name,'W')",
         ["station~WENZ00CHN"]),
        ("/Things", "Datastreams/ObservedProperty/name eq 'water level' and Locations/name eq 'O''Quiet'",
         [QUIET]),
        ("/Things", "not Datastreams/Observations/result gt 2 and substringof('gauge', id)", None),
        ("/Things", "Datastreams/Observations/result gt 29.25", [QUIET]),
        ("/Things", "not (Datastreams/Observations/result gt 29.25) and contains(id,'gauge')",
         ["gauge-xiamen"]),
        ("/Locations", "st_within(location, geography'POLYGON((118 24.5,119 24.5,119 25,118 25,118 24.5))')",
         [QUIET]),
        ("/Locations", "geo.distance(location, geography'POINT(118.2 24)') lt 0.01", ["gauge-xiamen"]),
        ("/FeaturesOfInterest", "st_equals(geography'POINT(118.2 24)', feature)", ["gauge-xiamen"]),
        ("/Datastreams", "Thing/id eq 'gauge-xiamen'", [c.GAUGE]),
        ("/Datastreams", "unitOfMeasurement/symbol eq 'm' and endswith(id,'.3')", [f"{QUIET}.3"]),
        ("/Datastreams", "id in ('station~SHAO00CHN~cn0','x')", ["station~SHAO00CHN~cn0"]),
        ("/Things('station~SHAO00CHN')/Datastreams", "indexof(name,'Sc') eq 0", ["station~SHAO00CHN~score"]),
        (f"/Datastreams('{QUIET}.1')/Observations", "result gt 27.5 and result lt 28.5",
         [f"{QUIET}.1~{c.START_US + 281_000_000}"]),
        (f"/Datastreams('{QUIET}.1')/Observations",
         "second(phenomenonTime) eq 11 and minute(phenomenonTime) eq 2",
         [f"{QUIET}.1~{c.START_US + 131_000_000}"]),
        (f"/Datastreams('{QUIET}.0')/Observations", "phenomenonTime ge 2026-01-01T08:04:50+08:00",
         [f"{QUIET}.0~{c.START_US + 290_000_000}"]),
        ("/Observations",
         f"Datastream/id eq '{QUIET}.0' and result mod 10 eq 9 and resultQuality/qartod eq 1",
         [f"{QUIET}.0~{c.START_US + s * 1_000_000}" for s in (90, 190, 290)]),
        ("/Observations", f"id eq '{QUIET}.2~{c.START_US + 2_000_000}'",
         [f"{QUIET}.2~{c.START_US + 2_000_000}"]),
        ("/HistoricalLocations", "Thing/name eq 'Tide gauge Xiamen' and year(time) eq 2026",
         ["gauge-xiamen~7"]),
    ],
)  # fmt: skip
async def test_filters(ask, path, condition, wanted):
    if wanted is None:
        assert "not takes a condition" in (await ask(path, 400, filter=condition))["detail"]
    else:
        assert await ids(ask, path, filter=condition) == wanted


@pytest.mark.parametrize(
    ("path", "options", "says"),
    [
        ("/Things", {"filter": "nme eq 'a'"}, "known: id, name"),
        ("/Things", {"filter": "name gt 5"}, "a text cannot be compared with a number"),
        ("/Things", {"filter": "sleep(5) eq 1"}, "no function 'sleep'"),
        ("/Things", {"filter": "name eq 'a' or"}, "cannot be read"),
        ("/Things",
         {"filter": "(" * 300 + "name eq 'a'" + ")" * 300 + " and " + " and ".join(["id eq 'a'"] * 90)},
         "more than 200 parts"),
        ("/Things", {"orderby": "Locations/location"}, "order by"),
        ("/Things", {"select": "nme"}, "known: id, name"),
        ("/Things", {"expand": "Dtastreams"}, "known: Datastreams"),
        ("/Things", {"expand": "Datastreams($top=1"}, "not closed"),
        ("/Things", {"expand": "Datastreams/Thing/Datastreams/Thing/Datastreams"}, "inside each other"),
        ("/Things('gauge-xiamen')", {"top": "1"}, "known: $expand"),
        ("/Datastreams", {"expand": "Thing($top=1)"}, "known: $expand"),
        ("/Observations", {"resultFormat": "dataArray", "expand": "Datastream"}, "without $expand"),
        ("/Things", {"expand": "Datastreams($expand=Observations($top=10000))", "top": "x"}, "$top is"),
        ("/Things", {"top": "-1"}, "$top is a number"),
        ("/Things", {"skiptoken": "abc"}, "follow @iot.nextLink"),
        ("/Things", {"nothing": "1"}, "known: $filter"),
        ("/Locations", {"filter": "st_within(location, geography'POLYGON((0 0,1 1,1 0))')"}, "ring"),
        ("/Observations", {"filter": "result gt 1e999"}, "too large"),
        ("/Observations", {"filter": "phenomenonTime gt 9999-01-01T00:00:00Z"}, "too far away"),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_told(ask, path, options, says):
    assert says in (await ask(path, 400, **options))["detail"]


async def test_numbers_beyond_all_bounds_are_an_answer_or_a_refusal(country):
    """What overflows in one database is infinite in the other; neither is an error of the server."""
    async with client_of(country.app()) as client:
        for text in ("result mul 1e300 mul 1e300 gt 1", "result div 0 gt 1", "result mod 0 gt 1"):
            answer = await client.get(f"{ROOT}/Observations", params={"$filter": text})
            assert answer.status_code in {200, 400}, answer.text


async def test_nothing_of_an_address_or_option_becomes_sql(ask, country):
    before = country.store.counts().datastreams
    for text in (
        "'); DROP TABLE samples; --",
        "x' OR '1'='1",
        "%(v0)s",
        ":v0",
        "\x00",
        "ü\udfff".encode("utf-8", "replace").decode(),
    ):
        quoted = text.replace("'", "''")
        assert await ids(ask, "/Things", filter=f"name eq '{quoted}'") == []
        await ask(f"/Things('{quote(quoted)}')", 404)
        await ask("/Things", 400, filter=text)
        await ask("/Things", 400, orderby=f"{text}")
        await ask("/Things", 400, select=text)
    assert country.store.counts().datastreams == before


async def test_pages_join_without_gap_or_repetition(ask):
    for path, options in (
        ("/Things", {"orderby": "name desc"}),
        ("/Datastreams", {"orderby": "ObservedProperty/name,id desc", "top": 7}),
        (f"/Datastreams('{QUIET}.1')/Observations", {"orderby": "result desc", "top": 4}),
        ("/Observations", {"top": 50, "filter": "result ge 2"}),
    ):
        whole = await ids(ask, path, **{**options, "top": 10_000})
        page = await ask(path, **{"top": 3, **options})
        found = [one["@iot.id"] for one in page["value"]]
        while link := page.get("@iot.nextLink"):
            page = await ask(link.split(ROOT)[1])
            found += [one["@iot.id"] for one in page["value"]]
        assert found == whole
        assert len(set(found)) == len(found)


async def test_orders_put_what_has_no_value_last(ask, country):
    rows = [(c.START_US + 5_000_000, float("nan"), 9), (c.START_US + 6_000_000, 1.0, 1)]
    country.keep(c.samples(rows, f"{QUIET}.4"))
    for order in ("result", "result desc"):
        page = await ask(f"/Datastreams('{QUIET}.4')/Observations", orderby=order)
        assert [one["result"] for one in page["value"]] == [1.0, None]


async def test_counts_skips_selections_and_values(ask):
    page = await ask("/Datastreams", count="true", top=1, skip=2, select="id,name")
    assert page["@iot.count"] == 6 + 17 * 4
    assert page["value"] == [{"@iot.id": f"{QUIET}.2", "name": "level 2"}]
    assert await ask("/Datastreams/$count", filter="endswith(id,'latency')") == "4"
    assert await ask("/Things('gauge-xiamen')/name/$value") == "Tide gauge Xiamen"
    assert await ask("/Things('gauge-xiamen')/properties/kind/$value") == "site"
    assert (await ask("/Things('gauge-xiamen')/Datastreams/$ref"))["value"][0]["@iot.selfLink"].endswith(
        f"/Datastreams('{c.GAUGE}')"
    )
    empty = await ask("/Things", top=0, count="true")
    assert empty["value"] == []


async def test_data_arrays_have_the_same_values(ask):
    plain = await ask("/Observations", top=5, filter="result gt 28")
    arrays = await ask("/Observations", top=5, filter="result gt 28", resultFormat="dataArray")
    found = {}
    for one in arrays["value"]:
        assert one["dataArray@iot.count"] == len(one["dataArray"])
        for row in one["dataArray"]:
            values = dict(zip(one["components"], row, strict=True))
            found[values["id"]] = values["result"], one["Datastream@iot.navigationLink"]
    assert {key: value for key, (value, _) in found.items()} == {
        one["@iot.id"]: one["result"] for one in plain["value"]
    }


async def test_expansions_go_both_ways(ask):
    page = await ask(
        "/Observations", top=2, expand="Datastream($expand=Thing($expand=Locations)),FeatureOfInterest",
        filter=f"Datastream/id eq '{QUIET}.0'",
    )  # fmt: skip
    one = page["value"][0]
    assert one["Datastream"]["Thing"]["Locations"][0]["location"] == {
        "type": "Point",
        "coordinates": [118.7, 24.9],
    }
    assert one["FeatureOfInterest"]["@iot.id"] == QUIET
    page = await ask("/HistoricalLocations", expand="Locations,Thing")
    assert page["value"][0]["Locations"][0]["location"]["coordinates"] == [118.2, 24.0]
    page = await ask("/Locations('gauge-xiamen~7')", expand="Things")
    assert page["Things"][0]["@iot.id"] == "gauge-xiamen"
    nested = await ask(
        "/Things", filter=f"id eq '{QUIET}'", expand="Datastreams($top=2;$select=id;$orderby=id desc)"
    )
    some = nested["value"][0]
    assert some["Datastreams"] == [{"@iot.id": f"{QUIET}.4"}, {"@iot.id": f"{QUIET}.3"}]
    more = await ask(some["Datastreams@iot.nextLink"].split(ROOT)[1])
    assert [one["@iot.id"] for one in more["value"]] == [f"{QUIET}.2", f"{QUIET}.1"]


async def test_where_a_platform_was_is_its_feature(ask, country):
    import numpy as np

    from streams.sample_extras import Places

    row = c.samples([(c.START_US + 900_000_000, 1.0, 1)], f"{QUIET}.3")
    places = Places(rows=np.array([0], np.int64), longitude=np.array([119.5]), latitude=np.array([25.5]),
                    height_m=np.array([np.nan]))  # fmt: skip
    country.keep(
        FlaggedSamples(**{name: getattr(row, name) for name in row.__struct_fields__} | {"places": places})
    )
    identity = f"{QUIET}.3~{c.START_US + 900_000_000}"
    place = await ask(f"/Observations('{identity}')/FeatureOfInterest")
    assert place["feature"]["coordinates"] == [119.5, 25.5]
    assert (await ask(f"/FeaturesOfInterest('{identity}')"))["@iot.id"] == identity
    assert await ids(ask, f"/FeaturesOfInterest('{identity}')/Observations") == [identity]


AROUND = "geo.intersects({}, geography'Polygon ((118.15 23, 119 23, 119 25, 118.15 25, 118.15 23))')"


@pytest.mark.parametrize(("entity", "place"), [("Locations", "location"), ("FeaturesOfInterest", "feature")])
async def test_what_qgis_asks_of_places(ask, entity, place):
    """Its provider narrows to a kind of geometry, then to what is seen of the map."""
    kinds = {
        kind: f"{place}/type eq '{kind}' or {place}/geometry/type eq '{kind}'"
        for kind in ("Point", "Polygon", "LineString")
    }
    every = await ask(f"/{entity}?$top=0&$count=true")
    assert every["@iot.count"] > 2
    for kind, text in kinds.items():
        found = await ask(f"/{entity}?$top=0&$count=true&$filter={quote(text)}")
        assert found["@iot.count"] == (every["@iot.count"] if kind == "Point" else 0)
        both = quote(f"({text}) and ({AROUND.format(place)})")
        seen = await ask(f"/{entity}?$top=100&$count=false&$filter={both}")
        assert len(seen["value"]) == (2 if kind == "Point" else 0)
