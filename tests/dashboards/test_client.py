"""The Python client against a running server: pages, times, tables, errors, files."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import httpx
import numpy as np
import pytest

from dashboards import client as of_client
from dashboards.client import ApiError, Client, Where
from sensors.model import Datastream, Thing
from storage.objects import ObjectFolder
from storage.raw_archive import RawArchive
from storage.raw_reader import RawReader
from streams.records import RawChunk
from tests.dashboards import country as c
from tests.dashboards.country import GAUGE, SECOND_US, START_US
from tests.dashboards.serving import served

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BEIJING = timezone(timedelta(hours=8))
ODD = 'a,"b'


@pytest.fixture
def country(tmp_path):
    country = c.found(tmp_path, minutes=2)
    country.store.put_registry(
        things=[Thing(id="hill", name="Hill", longitude=121.5, latitude=31.2)],
        datastreams=[Datastream(id=ODD, thing_id="hill", property_id="rain", name="Rain", unit="mm")],
    )
    country.keep(c.samples([(START_US - k * 600 * SECOND_US, float(k), 1) for k in range(6)], ODD))
    archive = RawArchive(tmp_path / "raw", country.store)
    for k in range(300):
        archive.add(
            RawChunk(station_id="SHAO00CHN", payload=b"%d;" % k, received_at_us=START_US + k * SECOND_US)
        )
    country.store.commit([], None, raw_segments=archive.flush(), now_us=0)
    country.raw = RawReader(ObjectFolder(tmp_path / "raw"), country.store)
    yield country
    country.store.close()


async def with_client(country, work, **options):
    """Run `work(client)` in a thread, beside the server."""
    async with served(country.app(raw_reader=country.raw)) as (_, url):

        def run():
            with Client(url, **options) as client:
                return work(client)

        return await asyncio.to_thread(run)


async def test_lists_hide_their_pages_and_have_types(country, monkeypatch):
    monkeypatch.setattr("dashboards.client.api.PAGE", 2)

    def work(client):
        return (
            list(client.stations()),
            list(client.stations(state="bad")),
            list(client.datastreams()),
            list(client.samples(GAUGE, start=NOW - timedelta(minutes=5))),
            client.station("SHAO00CHN"),
            client.datastream(ODD),
            list(client.things()),
            list(client.alerts()),
        )

    stations, bad, datastreams, samples, shao, odd, things, alerts = await with_client(country, work)
    assert [one.id for one in stations] == ["NEWW00CHN", "SHAO00CHN", "WENZ00CHN", "XIAM00CHN"]
    assert [one.id for one in bad] == ["WENZ00CHN"]
    assert shao.last_epoch == NOW
    assert {one.id for one in datastreams} == {GAUGE, ODD}
    assert [one.phenomenon_time for one in samples] == [NOW - timedelta(minutes=k) for k in range(5, -1, -1)]
    assert odd.latest.value == 0.0
    assert {one.id for one in things} == {"gauge-xiamen", "hill"}
    assert alerts[0].level == "orange"


async def test_tables_become_frames_and_data_sets(country):
    start = datetime(2026, 1, 1, 7, 0, tzinfo=BEIJING)

    def work(client):
        near = Where(near=(121.5, 31.2), radius_m=100, start=start)
        return (
            client.windows(near, window="30min", aggregate=["count", "p50", "max"], gaps=True, details=True),
            client.observations(Where(datastreams=[ODD, GAUGE], start=start)),
            client.station_windows(Where(stations=["SHAO00CHN"], start=start)),
            [batch.num_rows for batch in client.batches(Where(start=start))],
        )

    windows, samples, stations, batches = await with_client(country, work)
    assert [(row["start"], row["count"], row["p50"], row["max"]) for row in windows.rows()] == [
        (NOW - timedelta(minutes=60), 2, 4.5, 5.0),
        (NOW - timedelta(minutes=30), 3, 2.0, 3.0),
    ]
    frame = windows.to_pandas()
    assert frame["unit"].tolist() == ["mm", "mm"]
    assert str(frame["start"].dt.tz) == "UTC"
    assert len(samples) == 65
    data = samples.to_xarray()
    assert dict(data.sizes) == {"phenomenon_time": 60, "datastream_id": 2}
    at = data.sel(phenomenon_time=np.datetime64("2025-12-31T23:50"), datastream_id=ODD)
    assert (float(at["value"]), int(at["flag"])) == (1.0, 1)
    assert [row["station_id"] for row in stations.rows()] == ["SHAO00CHN"]
    assert sum(batches) == 65


async def test_what_stations_sent_comes_as_it_was(country):
    raw = await with_client(country, lambda client: b"".join(client.raw("SHAO00CHN", start=NOW)))
    assert raw == b"".join(b"%d;" % k for k in range(300))


async def test_a_refusal_says_what_to_do(country, tmp_path):
    def refused(ask):
        def work(client):
            with pytest.raises(ApiError) as caught:
                ask(client)
            return caught.value

        return with_client(country, work)

    unknown = await refused(lambda client: client.station("NOBODY"))
    assert (unknown.status, unknown.retry_after_s) == (404, None)
    assert "/api/v1/stations lists" in str(unknown)
    wrong = await refused(lambda client: client.windows(window="soon"))
    assert "is not a window" in str(wrong)
    nothing = await refused(
        lambda client: client.rinex("SHAO00CHN", NOW + timedelta(days=9), folder=tmp_path)
    )
    assert nothing.status == 404
    assert list(tmp_path.glob("*.rnx*")) == []


def test_a_time_without_a_zone_is_not_guessed():
    with pytest.raises(ValueError, match="has no zone"):
        Where(start=datetime(2026, 1, 1)).parameters()  # noqa: DTZ001


def test_an_answer_that_is_no_problem_document_is_an_error_all_the_same():
    transport = httpx.MockTransport(
        lambda request: httpx.Response(502, text="<html>", headers={"retry-after": "7"})
    )
    with Client("http://proxy", transport=transport) as client, pytest.raises(ApiError) as caught:
        client.station("A")
    assert (caught.value.status, caught.value.retry_after_s) == (502, 7.0)
    assert "502 Bad Gateway" in str(caught.value)


def test_the_names_of_the_package_are_there():
    assert set(of_client.__all__) == {
        "ApiError", "Client", "Gap", "Observed", "Pushed", "Table", "Update", "Where",
    }  # fmt: skip
