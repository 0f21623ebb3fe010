"""Windows, samples and stations' quality of many series, in every format, through the API."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import threading

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from starlette.requests import ClientDisconnect

from dashboards.api.streaming import SENT_BYTES, Streams
from gnss.geodesy import ecef_to_geodetic
from sensors.model import Datastream, Station, Thing
from streams.records import Change, Changes
from tests.dashboards import country as c
from tests.dashboards.country import GAUGE, SECOND_US, START_US
from tests.dashboards.serving import client_of, served

API = "/api/v1"
RAIN = 'hill, "north"'
"""An id that every format has to quote."""
ASKED = '"hill, ""north"""'


@pytest.fixture(scope="module")
def country(tmp_path_factory):
    """One for all that only ask: to make an app takes longer than most questions."""
    yield from found(tmp_path_factory.mktemp("country"))


@pytest.fixture
def own(tmp_path):
    yield from found(tmp_path)


def found(folder):
    country = c.found(folder, minutes=2)
    country.store.put_registry(
        things=[
            Thing(
                id="hill", name="Hill", longitude=121.5, latitude=31.2, height_m=12.5,
                height_datum="ellipsoidal",
            )
        ],
        datastreams=[
            Datastream(id=RAIN, thing_id="hill", property_id="rain", name="Rain", unit="mm"),
            Datastream(id="quiet", thing_id="hill", property_id="rain", name="Quiet", unit="mm"),
        ],
    )  # fmt: skip
    rain = [
        (START_US - k * 30 * SECOND_US, 0.25 * k if k % 7 else np.nan, 1 if k % 5 else 4) for k in range(240)
    ]
    country.keep(c.samples(rain, RAIN))
    yield country
    country.store.close()


async def ask(country, path, status=200, *, headers=None, app=None, **query):
    async with client_of(app or country.app()) as client:
        answer = await client.get(API + path, params=query, headers=headers)
    assert answer.status_code == status, answer.text
    return answer


def read(answer) -> list[dict]:
    """Return the rows of any format, with texts for what is a time."""
    kind = answer.headers["content-type"].partition(";")[0]
    if kind == "text/csv":
        return list(csv.DictReader(io.StringIO(answer.text)))
    if kind == "application/json":
        assert answer.json()["next"] is None
        return answer.json()["items"]
    if kind == "application/geo+json":
        return [one["properties"] for one in answer.json()["features"]]
    if kind == "application/vnd.apache.parquet":
        return pq.read_table(io.BytesIO(answer.content)).to_pylist()
    return pa.ipc.open_stream(answer.content).read_all().to_pylist()


async def test_samples_of_many_come_by_time_as_json(country):
    rows = read(await ask(country, "/observations", start="2025-12-31T23:00:00Z"))
    assert [row["phenomenon_time"] for row in rows] == sorted(row["phenomenon_time"] for row in rows)
    alone = {}
    for name in (GAUGE, RAIN):
        answer = await ask(
            country,
            f"/datastreams/{name}/observations",
            start="2025-12-31T23:00:00Z",
            end="2026-01-01T00:00:00Z",
        )
        alone[name] = [(one["phenomenon_time"], one["value"], one["flag"]) for one in answer.json()["items"]]
    told = {
        name: [(r["phenomenon_time"], r["value"], r["flag"]) for r in rows if r["datastream_id"] == name]
        for name in (GAUGE, RAIN)
    }
    assert told == alone
    assert len(told[RAIN]) == 120
    assert {row["datastream_id"] for row in rows} == {GAUGE, RAIN}


@pytest.mark.parametrize("path", ["/observations", "/windows", "/station-windows"])
async def test_every_format_says_the_same(country, path):
    query = {"start": "2025-12-31T23:30:00Z", "details": "true"}
    if path != "/observations":
        query |= {"window": "10min", "gaps": "true"}
    told = {}
    for name in ("json", "csv", "parquet", "arrow", "geojson"):
        told[name] = read(await ask(country, path, format=name, **query))
    assert len(told["json"]) > 5
    whole = json.loads(json.dumps(told["parquet"], default=lambda at: at.isoformat().replace("+00:00", "Z")))
    assert (
        json.loads(json.dumps(told["arrow"], default=lambda at: at.isoformat().replace("+00:00", "Z")))
        == whole
    )
    for row, known in zip(told["json"], whole, strict=True):
        flags = {int(k[5:]): known.pop(k) for k in list(known) if k.startswith("flag_")}
        if flags:
            assert row.pop("flags") == {str(k): n for k, n in flags.items() if n}
        assert row == known
    for row, known in zip(told["csv"], told["parquet"], strict=True):
        for name, value in known.items():
            if value is None:
                assert row[name] == ""
            elif isinstance(value, float):
                assert float(row[name]) == value
            elif isinstance(value, str | int):
                assert row[name] == str(value)
    for row, known in zip(told["geojson"], told["json"], strict=True):
        del known["longitude"], known["latitude"]
        row.pop("flags", None)
        assert row == known


async def test_the_header_accept_chooses_a_format(country):
    for accept, kind in (
        ("text/csv", "text/csv"),
        ("text/html;q=0.9, application/geo+json", "application/geo+json"),
        ("application/*;q=0.2, text/*;q=0.1", "application/json"),
        ("*/*", "application/json"),
        ("text/csv;q=0, */*", "application/json"),
        ("", "application/json"),
    ):
        answer = await ask(country, "/windows", headers={"accept": accept})
        assert answer.headers["content-type"].partition(";")[0] == kind, accept
        assert answer.headers["vary"] == "accept"
    refused = await ask(country, "/windows", 406, headers={"accept": "image/png, text/html"})
    assert "format= one of json, csv" in refused.json()["detail"]


async def test_windows_have_aggregates_percentiles_coverage_and_flags(country):
    query = {
        "start": "2025-12-31T23:00:00Z",
        "end": "2026-01-01T00:00:00Z",
        "datastream": ASKED,
        "window": "30min",
    }
    answer = await ask(country, "/windows", aggregate="count,mean,p5,p50,p95,max,min,sum,last", **query)
    first, second = read(answer)
    single = {name: query[name] for name in ("start", "end", "datastream")}
    rows = read(await ask(country, "/observations", **single))
    samples = [one for one in rows if one["phenomenon_time"] < "2025-12-31T23:30:00Z"]
    good = np.array([one["value"] for one in samples if one["flag"] == 1 and one["value"] is not None])
    assert list(first) == ["start", "datastream_id", "count", "mean", "p5", "p50", "p95", "max", "min", "sum",
                           "last", "coverage", "flags"]  # fmt: skip
    assert first["start"] == "2025-12-31T23:00:00Z"
    assert first["count"] == len(good)
    assert first["mean"] == pytest.approx(good.mean())
    assert [first[name] for name in ("p5", "p50", "p95")] == pytest.approx(np.percentile(good, [5, 50, 95]))
    assert (first["min"], first["max"], first["sum"], first["last"]) == (
        good.min(),
        good.max(),
        good.sum(),
        good[-1],
    )
    flags = [one["flag"] for one in samples]
    assert first["flags"] == {"1": flags.count(1), "4": flags.count(4)}
    assert first["coverage"] is None  # the property's period is not known here
    plain = read(await ask(country, "/windows", aggregate="count,mean,max,min,sum,last", **query))
    for one, other in zip((first, second), plain, strict=True):
        assert one["flags"] == other.pop("flags")
        assert {name: one[name] for name in other} == pytest.approx(other)
    everything = read(await ask(country, "/windows", aggregate="count,p50", quality="all", **query))
    assert everything[0]["count"] == sum(one["value"] is not None for one in samples)


async def test_gaps_are_told_and_coverage_counts_what_the_range_lets_expect(country):
    query = {"start": "2025-12-31T17:45:00Z", "end": "2025-12-31T19:20:00Z", "property": "water_level"}
    without = read(await ask(country, "/windows", window="30min", **query))
    rows = read(
        await ask(country, "/windows", window="30min", gaps="true", aggregate="mean,p50,count", **query)
    )
    assert [row["start"][11:16] for row in without] == ["18:00", "18:30", "19:00"]
    assert [(row["start"][11:16], row["count"], row["coverage"]) for row in rows] == [
        ("17:30", 0, 0.0), ("18:00", 30, 1.0), ("18:30", 30, 1.0), ("19:00", 19, 0.95),
    ]  # fmt: skip
    assert (rows[0]["mean"], rows[0]["p50"], rows[0]["flags"]) == (None, None, {})
    quiet = read(
        await ask(
            country, "/windows", window="1h", gaps="true", datastream="quiet", start="2025-12-31T22:00:00Z"
        )
    )
    assert [(row["count"], row["mean"]) for row in quiet] == [(0, None)] * 2


async def test_places_choose_what_is_told(country):
    async def found(**query):
        rows = read(await ask(country, "/windows", start="2025-12-31T22:00:00Z", window="1d", **query))
        return sorted({row["datastream_id"] for row in rows})

    assert await found(bbox="121,31,122,32") == [RAIN]
    assert await found(polygon="POLYGON((118 23.5, 119 23.5, 118.5 25, 118 23.5))") == [GAUGE]
    assert await found(near="121.51,31.2", radius_m="1000") == [RAIN]
    assert await found(near="121.51,31.2", radius_m="900") == []
    x_y_z = "-2853445.9,4655927.6,3285028.7"
    assert ecef_to_geodetic(*map(float, x_y_z.split(",")))[:2] == pytest.approx((121.503, 31.203), abs=0.01)
    assert await found(near=x_y_z, radius_m="2000", **{"bbox-crs": "EPSG:4479"}) == [RAIN]
    assert await found(thing="hill,gauge-xiamen") == [GAUGE, RAIN]
    assert await found(thing="hill", property="water_level") == []


async def test_a_network_is_its_members(own):
    app = own.app(networks={"coast": [GAUGE, "elsewhere"], "north": [GAUGE]})
    window = {"start": "2025-12-31T22:00:00Z", "window": "1d"}
    rows = read(await ask(own, "/windows", app=app, network="coast", **window))
    assert {row["datastream_id"] for row in rows} == {GAUGE}
    after = {"kind": "confirmation", "members": [RAIN, GAUGE]}
    changed = {
        "kind": "network",
        "version": 1,
        "before": None,
        "by": "Li",
        "at_us": START_US,
        "command_id": "c1",
    }
    own.keep(
        Changes(
            changes=[
                Change(id="coast", verb="put", after=after, **changed),
                Change(id="north", verb="delete", after=None, **changed | {"version": 2}),
            ]
        )
    )
    rows = read(await ask(own, "/windows", app=app, network="coast", **window))
    assert {row["datastream_id"] for row in rows} == {GAUGE, RAIN}
    for gone in ("north", "nowhere"):
        assert (
            "There is no network" in (await ask(own, "/windows", 400, app=app, network=gone)).json()["detail"]
        )


async def test_reference_systems_and_times_are_as_asked_for(country):
    query = {
        "datastream": f"{GAUGE}",
        "thing": "gauge-xiamen",
        "details": "true",
        "start": "2025-12-31T23:59:00Z",
    }
    answer = await ask(country, "/observations", tz="beijing", crs="4326", **query)
    assert answer.headers["content-crs"] == "<http://www.opengis.net/def/crs/EPSG/0/4326>"
    (row,) = read(answer)
    assert row["phenomenon_time"] == "2026-01-01T07:59:00+08:00"
    assert (row["longitude"], row["height_m"], row["height_datum"]) == (118.3, None, None)
    (row,) = read(await ask(country, "/observations", crs="EPSG:4479", **query))
    assert (row["x_m"], row["y_m"], row["z_m"]) == (None, None, None)
    rows = read(await ask(country, "/windows", thing="hill", details="true", crs="EPSG:4479", window="1d"))
    lon, lat, height = ecef_to_geodetic(rows[0]["x_m"], rows[0]["y_m"], rows[0]["z_m"])
    assert (lon, lat, height) == pytest.approx((121.5, 31.2, 12.5), abs=1e-6)
    table = pa.ipc.open_stream(
        (await ask(country, "/observations", tz="beijing", format="arrow", **query)).content
    )
    assert table.schema.field("phenomenon_time").type == pa.timestamp("us", "Asia/Shanghai")


async def test_geojson_has_the_ellipsoidal_height_only(country):
    told = (await ask(country, "/windows", window="1d", format="geojson")).json()
    by_id = {one["properties"]["datastream_id"]: one["geometry"]["coordinates"] for one in told["features"]}
    assert by_id == {RAIN: [121.5, 31.2, 12.5], GAUGE: [118.3, 24]}
    assert told["type"] == "FeatureCollection"


async def test_stations_windows_are_those_of_each(country):
    query = {"start": "2025-12-31T23:58:00Z", "end": "2026-01-01T00:01:00Z", "window": "1min"}
    rows = read(await ask(country, "/station-windows", **query))
    assert {row["station_id"] for row in rows} == {"SHAO00CHN", "WENZ00CHN", "XIAM00CHN"}
    alone = (await ask(country, "/stations/XIAM00CHN/quality", **query)).json()["items"]
    told = [row for row in rows if row["station_id"] == "XIAM00CHN"]
    assert len(told) == 3
    for row, known in zip(told, alone, strict=True):
        seconds = known.pop("seconds_by_state")
        assert {state: row.pop(f"{state}_s") for state in ("good", "degraded", "bad", "unknown")} == {
            "good": 0, "degraded": 0, "bad": 0, "unknown": 0, **seconds
        }  # fmt: skip
        del row["station_id"], row["coverage"], known["reasons"]
        assert row == known
    filled = read(await ask(country, "/station-windows", gaps="true", station="NEWW00CHN,XIAM00CHN", **query))
    assert [(r["station_id"], r["state"], r["epochs"]) for r in filled[:2]] == [
        ("NEWW00CHN", None, 0), ("XIAM00CHN", "degraded", 60),
    ]  # fmt: skip


CLOSED = {"open_writes": False, "write_token": "correct horse"}


@pytest.mark.parametrize("form", ["json", "csv", "geojson", "parquet", "arrow"])
async def test_a_stranger_learns_no_exact_place_of_a_station(own, form):
    own.store.put_registry(
        stations=[
            Station(id="SHAO00CHN", name="S", longitude=121.2034567, latitude=31.1045678, height_m=23.5)
        ]
    )
    app = own.app(**CLOSED)
    query = {"details": "true", "window": "1h", "station": "SHAO00CHN", "format": form}
    told = await ask(own, "/station-windows", app=app, **query)
    (row,) = read(told)
    if form == "geojson":
        assert told.json()["features"][0]["geometry"]["coordinates"] == [121.2, 31.1]
    else:
        assert (float(row["longitude"]), float(row["latitude"]), row["height_m"] or None) == (
            121.2,
            31.1,
            None,
        )
    if form != "geojson":
        known = {"authorization": "Bearer correct horse"}
        (row,) = read(await ask(own, "/station-windows", app=app, headers=known, **query))
        assert (float(row["longitude"]), float(row["height_m"])) == (121.2034567, 23.5)
        (row,) = read(await ask(own, "/station-windows", app=app, crs="4479", **query))
        assert not row["x_m"]


async def test_a_small_circle_does_not_tell_a_stranger_where_a_station_is(own):
    own.store.put_registry(stations=[Station(id="SHAO00CHN", name="S", longitude=121.2034, latitude=31.1045)])
    near = {"near": "121.2034,31.1045", "radius_m": "50", "window": "1h"}
    assert read(await ask(own, "/station-windows", app=own.app(**CLOSED), **near)) == []
    assert len(read(await ask(own, "/station-windows", **near))) == 1


@pytest.mark.parametrize(
    ("path", "query", "words"),
    [
        ("/windows", {"format": "xlsx"}, "format='xlsx' is no format"),
        ("/windows", {"window": "0s"}, "is not a window"),
        ("/windows", {"aggregate": "median"}, "'median' is not known"),
        ("/windows", {"aggregate": "p101"}, "'p101' is not known"),
        ("/windows", {"polygon": "POLYGON((1 2, 3 4))"}, "fewer than three corners"),
        ("/windows", {"polygon": "CIRCLE(1 2)"}, "is no polygon: write POLYGON"),
        ("/windows", {"near": "121,31"}, "near and radius_m go together"),
        ("/windows", {"near": "nan,31", "radius_m": "5"}, "is no point"),
        ("/windows", {"near": "0,0,0", "radius_m": "5", "bbox-crs": "4479"}, "is no point in EPSG:4479"),
        ("/windows", {"bbox": "1,2,3,4", "bbox-crs": "4479"}, "EPSG:4479 is for near"),
        ("/windows", {"crs": "EPSG:3857"}, "use one of EPSG:4490"),
        ("/windows", {"crs": "4479", "format": "geojson"}, "GeoJSON has longitude and latitude"),
        ("/windows", {"datastream": " , "}, "datastream is empty"),
        ("/windows", {"datastream": '"a'}, "stands in quotes"),
        ("/windows", {"thing": ",".join("abc" for _ in range(1001))}, "give at most 1000"),
        ("/windows", {"station": "SHAO00CHN"}, "use station-windows"),
        ("/windows", {"windows": "1h"}, "'windows' is not known"),
        ("/windows", {"start": "1900-01-01T00:00:00Z"}, "begins before 1970"),
        ("/windows", {"start": "1970-01-01T00:00:00Z", "window": "1s"}, "use a window of at least 266 s"),
        ("/station-windows", {"thing": "hill"}, "Stations have no datastream"),
        (
            "/station-windows",
            {"start": "2026-01-02T00:00:00Z", "end": "2026-01-01T00:00:00Z"},
            "before it begins",
        ),
    ],
)
async def test_what_cannot_be_answered_is_said(country, path, query, words):
    assert words in (await ask(country, path, 400, **query)).json()["detail"]


async def test_percentiles_of_too_many_samples_are_refused_before_anything_is_sent(country, monkeypatch):
    monkeypatch.setattr("dashboards.api.windows.MOST_SAMPLES", 100)
    detail = (await ask(country, "/windows", 400, aggregate="p50")).json()["detail"]
    assert "more than 100" in detail
    await ask(country, "/windows", aggregate="mean")


async def test_slices_do_not_show(country, monkeypatch):
    query = {
        "start": "2025-12-31T18:00:00Z",
        "aggregate": "count,p50,sum,last",
        "gaps": "true",
        "window": "7min",
    }
    plain = {**query, "aggregate": "count,sum,last"}
    samples = {"start": "2025-12-31T18:00:00Z"}
    asked = [("/windows", query), ("/windows", plain), ("/observations", samples)]
    whole = [read(await ask(country, path, **some)) for path, some in asked]
    for most in (1, 7, 100):
        monkeypatch.setattr("dashboards.export.slices.MOST_ROWS", most)
        assert [read(await ask(country, path, **some)) for path, some in asked] == whole


async def test_nothing_is_an_empty_answer_in_every_format(country):
    for path in ("/observations", "/windows"):
        for form in ("json", "csv", "geojson", "parquet", "arrow"):
            answer = await ask(country, path, datastream="nobody", format=form)
            assert read(answer) == []
            assert len(answer.content) > 10


async def test_who_goes_away_ends_the_work_and_frees_the_place(own, monkeypatch):
    """Each piece is a slice. The reader leaves in the middle, and the rest is not made."""
    monkeypatch.setattr("dashboards.export.slices.MOST_ROWS", 1)
    monkeypatch.setattr("dashboards.api.streaming.MOST_STREAMS", 1)
    go_on, asked = threading.Event(), []
    honest = own.store.sample_columns

    def counting(keys, start_us, end_us, *, limit):
        asked.append(start_us)
        if len(asked) > 40:
            go_on.wait(10)
        return honest(keys, start_us, end_us, limit=limit)

    monkeypatch.setattr(own.store, "sample_columns", counting)
    async with served(own.app()) as (_, url), httpx.AsyncClient(base_url=url, timeout=30) as client:
        path = f"{API}/observations"
        async with client.stream("GET", path, params={"start": "2025-12-31T18:00:00Z"}) as answer:
            assert answer.status_code == 200
            pieces = answer.aiter_bytes()
            await anext(pieces)
            refused = await client.get(path, params={"datastream": "quiet"})
            assert refused.status_code == 503, refused.text
            assert refused.headers["retry-after"] == "10"
        go_on.set()
        status = 503
        while status == 503:
            await asyncio.sleep(0.02)
            status = (await client.get(path, params={"datastream": "nobody"})).status_code
        assert status == 200
        made = len(asked)
        await asyncio.sleep(0.3)
        assert len(asked) == made < 300  # of 361 and 240 samples


@pytest.mark.parametrize("version", ["2.3", "2.4"])
async def test_a_reader_that_does_not_read_is_cut(monkeypatch, version):
    monkeypatch.setattr("dashboards.api.streaming.STALL_S", 0.05)
    monkeypatch.setattr("dashboards.api.streaming.MOST_STREAMS", 1)
    streams, made, sent = Streams(), [], []

    def pieces():
        for k in range(9):
            made.append(k)
            yield b"x" * (SENT_BYTES + 1)

    async def receive():
        await asyncio.sleep(3600)

    async def send(message):
        sent.append(len(message.get("body", b"")))
        if len(sent) > 2:
            await asyncio.sleep(3600)

    for _ in range(2):
        answer = await streams.answer(pieces(), "text/csv", {})
        with pytest.raises(ClientDisconnect):
            await answer({"type": "http", "asgi": {"spec_version": version}}, receive, send)
        assert (made, sent) == ([0], [0, SENT_BYTES, 1])
        made.clear()
        sent.clear()
