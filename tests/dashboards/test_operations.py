import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.dashboards import country as c
from tests.dashboards.serving import client_of


@pytest.fixture
def country(tmp_path):
    country = c.found(tmp_path, minutes=1)
    yield country
    country.store.close()


async def test_health(country):
    async with client_of(country.app()) as client:
        assert (await client.get("/healthz")).json() == {"status": "ok", "version": "1.2.3"}
        assert (await client.get("/readyz")).status_code == 200
        country.trouble = "Nothing can be stored: no space is left."
        answer = await client.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["detail"] == country.trouble
        assert (await client.get("/healthz")).status_code == 200


async def test_not_ready_when_the_store_fails(country, monkeypatch):
    def fail():
        raise OSError("disk on fire")

    monkeypatch.setattr(country.store, "counts", fail)
    async with client_of(country.app()) as client:
        answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert "OSError" in answer.json()["detail"]


async def test_metrics(country):
    async with client_of(country.app()) as client:
        await client.get("/api/v1/stations")
        await client.get("/secret/path")
        text = (await client.get("/metrics")).text
    samples = {
        (s.name, *sorted(s.labels.items())): s.value
        for family in text_string_to_metric_families(text)
        for s in family.samples
    }
    assert samples["groundswell_stations", ("state", "bad")] == 1
    assert samples["groundswell_stations", ("state", "unknown")] == 1
    assert samples["groundswell_alerts_open", ("level", "orange")] == 1
    assert samples["groundswell_stream_up", ("kind", "ntrip"), ("stream", "XIAM00CHN")] == 1
    assert samples["groundswell_stream_messages_total", ("kind", "ntrip"), ("stream", "XIAM00CHN")] == 42
    assert samples["groundswell_http_requests_total", ("route", "/api/v1/stations"), ("status", "200")] == 1
    assert samples["groundswell_http_requests_total", ("route", "other"), ("status", "404")] == 1
    assert "secret" not in text


async def test_the_page_needs_nothing_from_elsewhere(country):
    async with client_of(country.app()) as client:
        for page in ("/", "/docs"):
            answer = await client.get(page)
            assert answer.status_code == 200
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bon\w+=|style=", answer.text)
            links = re.findall(r'(?:src|href)="([^"#]+)"', answer.text)
            assert links
            for link in links:
                assert link.startswith("/"), link
                found = await client.get(link)
                assert found.status_code == 200, link
        land = await client.get("/assets/vendor/world-atlas/land.geojson")
        assert len(land.content) < 300_000
        assert land.json()["geometry"]["type"] == "MultiPolygon"


async def test_every_vendored_library_has_its_licence(country):
    from dashboards.api.pages import WEB

    folders = [p for p in (WEB / "vendor").iterdir() if p.is_dir()]
    assert {p.name for p in folders} == {"leaflet", "uplot", "world-atlas"}
    assert all((p / "LICENSE").stat().st_size > 500 for p in folders)
