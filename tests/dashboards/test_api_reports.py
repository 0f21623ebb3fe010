"""Reports over HTTP, of simulated stations that went through the processor into a real store."""

from __future__ import annotations

import csv
import io
import re
import xml.etree.ElementTree as ET
import zipfile

import pytest

from gnss.simulate import Fault, SimulatedStation
from gnss.time import DAY_US, iso_z
from storage.sqlite import SqliteStore
from streams.processors.score_stations import ScoreStations
from streams.records import RawBatch, RawChunk
from tests.dashboards.country import Country
from tests.dashboards.serving import client_of

SECOND_US = 1_000_000
FULL_US = 1_760_000_400 * SECOND_US
BEGIN_US = FULL_US - 40 * SECOND_US
SECONDS = 100
API = "/api/v1"
STATIONS = ("HERE", "TH ERE")


def simulated(station_id, seed, faults=()):
    station = SimulatedStation(seed, 114.0, 30.5, 40.0, seed, faults)
    for i in range(SECONDS):
        emission = station.emit(BEGIN_US + i * SECOND_US)
        if emission.frames:
            at_us = emission.epoch_us + round(emission.delay_s * SECOND_US)
            yield RawChunk(station_id=station_id, payload=b"".join(emission.frames), received_at_us=at_us)


def fill(store):
    """Judge and store 100 seconds over a full hour."""
    outage = Fault("outage", FULL_US + 10 * SECOND_US, FULL_US + 30 * SECOND_US)
    chunks = [*simulated(STATIONS[0], 1), *simulated(STATIONS[1], 2, [outage])]
    processor = ScoreStations()
    for chunk in sorted(chunks, key=lambda c: c.received_at_us):
        store.commit(processor.on_batch(RawBatch(chunks=[chunk])), None, now_us=chunk.received_at_us)
    store.commit(processor.on_end(), None, now_us=FULL_US + SECONDS * SECOND_US)


@pytest.fixture(scope="module")
def country(tmp_path_factory):
    made = Country(SqliteStore(tmp_path_factory.mktemp("reports") / "country.sqlite"))
    fill(made.store)
    yield made
    made.store.close()


async def get(country, path, status=200, **query):
    async with client_of(country.app()) as client:
        answer = await client.get(API + path, params={k.rstrip("_"): v for k, v in query.items()})
    assert answer.status_code == status, answer.text
    return answer


async def test_the_day_before_the_newest_report_is_what_is_told_without_a_range(country):
    answer = await get(country, "/stations/HERE/report")
    assert answer.headers["content-type"] == "application/json"
    told = answer.json()
    assert (told["station_id"], told["epochs"], told["epochs_expected"]) == ("HERE", SECONDS, SECONDS)
    assert (told["begin"], told["duration_s"]) == (iso_z(BEGIN_US), float(SECONDS))
    reports = country.store.station_reports("HERE", 0, 2**62).items
    assert told["frames"] == sum(r.frames for r in reports)
    assert told["total"]["observations"] == sum(r.observations for r in reports)
    assert told["latency"]["count"] == SECONDS
    assert told["sky"]["time"]
    assert told["metadata"]["position"]


async def test_where_the_stream_says_that_a_station_is_is_for_who_may_know(country):
    asked = ["/stations/HERE/report", "/stations/HERE/report?format=html", "/stations/HERE/recent"]
    place = "m (ECEF)"
    async with client_of(country.app(open_writes=False, write_token="the write token")) as client:
        for path in asked:
            for headers, is_told in (({}, False), ({"Authorization": "Bearer the write token"}, True)):
                answer = await client.get(API + path, headers=headers)
                assert answer.status_code == 200
                assert (place in answer.text) == (is_told and "recent" not in path), path
                assert "HERE" in answer.text


async def test_a_range_has_its_hours(country):
    first = (await get(country, "/stations/HERE/report", to=iso_z(FULL_US))).json()
    assert (first["epochs"], first["end"]) == (40, iso_z(FULL_US))
    second = (await get(country, "/stations/HERE/report", from_=iso_z(FULL_US))).json()
    assert (second["epochs"], second["begin"]) == (60, iso_z(FULL_US))


@pytest.mark.parametrize(("language", "words"), [("en", "Slips"), ("zh", "周跳")])
async def test_the_page_is_whole_and_may_be_shown(country, language, words):
    answer = await get(country, "/stations/HERE/report", format="html", language=language)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert words in answer.text
    ET.fromstring(answer.text.removeprefix("<!DOCTYPE html>"))
    policy = answer.headers["content-security-policy"]
    assert "style-src 'sha256-" in policy
    assert "unsafe" not in policy
    assert "script-src" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_tables_come_as_a_zip_or_one_by_one(country):
    answer = await get(country, "/stations/HERE/report", format="csv")
    assert answer.headers["content-type"] == "application/zip"
    assert "HERE-2025-10-0" in answer.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        tables = {name: archive.read(name).decode() for name in archive.namelist()}
    assert set(tables) == {f"{name}.csv" for name in ("signals", "minutes", "gaps", "reasons", "sky")}
    one = await get(country, "/stations/HERE/report", format="csv", part="minutes")
    assert one.headers["content-type"] == "text/csv; charset=utf-8"
    assert one.text == tables["minutes.csv"]
    assert sum(int(row["epochs"]) for row in csv.DictReader(io.StringIO(one.text))) == SECONDS
    gaps = await get(country, "/stations/TH%20ERE/report", format="csv", part="gaps")
    assert [row["seconds"] for row in csv.DictReader(io.StringIO(gaps.text))] == ["20.0"]


async def test_the_network_has_all_stations_and_links_to_their_pages(country):
    told = (await get(country, "/network/report")).json()
    assert [row["station_id"] for row in told["stations"]] == ["TH ERE", "HERE"]
    assert [row["epochs"] for row in told["stations"]] == [SECONDS - 20, SECONDS]
    table = await get(country, "/network/report", format="csv")
    assert len(list(csv.DictReader(io.StringIO(table.text)))) == 2
    page = (await get(country, "/network/report", format="html", language="zh")).text
    links = [link.replace("&amp;", "&") for link in re.findall(r'href="([^"]+)"', page)]
    assert len(links) == 2
    async with client_of(country.app()) as client:
        for link in links:
            assert link.startswith(f"{API}/stations/")
            answer = await client.get(link)
            assert answer.status_code == 200
            assert "周跳" in answer.text


@pytest.mark.parametrize(
    ("path", "query", "status", "words"),
    [
        ("/stations/NOBODY/report", {}, 404, "lists those there are"),
        ("/stations/HERE/report", {"to": "2020-01-01T00:00:00Z"}, 404, "Nothing is kept of station 'HERE'"),
        ("/network/report", {"to": "2020-01-01T00:00:00Z"}, 404, "an hour is over"),
        ("/stations/HERE/report", {"from": "2026-01-01"}, 400, "add Z"),
        ("/stations/HERE/report", {"from": "yesterday"}, 400, "is not a time"),
        ("/stations/HERE/report", {"from": "2099-01-01T00:00:00Z"}, 400, "before it begins"),
        ("/stations/HERE/report", {"from": "2020-01-01T00:00:00Z"}, 400, "at most 366"),
        ("/network/report", {"from": "2020-01-01T00:00:00Z"}, 400, "at most 366"),
        ("/stations/HERE/report", {"format": "csv", "part": "clouds"}, 400, "signals, minutes"),
        ("/stations/HERE/report", {"part": "signals"}, 400, "format=csv"),
        ("/stations/HERE/report", {"format": "pdf"}, 422, "json"),
        ("/stations/HERE/report", {"language": "xx"}, 422, "zh"),
        ("/stations/HERE/report", {"start": "1"}, 400, "not known here"),
    ],
)
async def test_what_cannot_be_told_is_said_with_what_to_do(country, path, query, status, words):
    answer = await get(country, path, status, **query)
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.json()["detail"]


async def test_a_second_report_of_the_network_does_not_wait_for_the_first(country, monkeypatch):
    app = country.app()
    answers = []

    def slow(*_):
        async def second():
            async with client_of(app) as client:
                answers.append(await client.get(f"{API}/network/report"))

        anyio.from_thread.run(second)
        yield from original(*_)

    import anyio.from_thread

    from dashboards.api import reports

    original = reports.network_periods
    monkeypatch.setattr(reports, "network_periods", slow)
    async with client_of(app) as client:
        first = await client.get(f"{API}/network/report")
    assert first.status_code == 200
    (busy,) = answers
    assert (busy.status_code, busy.headers["retry-after"]) == (503, "30")


async def test_a_report_ends_when_the_program_stops(country):
    stopping = Country(country.store)
    stopping.hub.close()
    answer = await get(stopping, "/network/report", 503)
    assert "stopping" in answer.json()["detail"]


async def test_a_year_and_a_bit_is_too_much_and_a_year_is_not(country):
    until_us = FULL_US + DAY_US
    asked = {"from_": iso_z(until_us - 366 * DAY_US), "to": iso_z(until_us)}
    assert (await get(country, "/stations/HERE/report", **asked)).json()["epochs"] == SECONDS
