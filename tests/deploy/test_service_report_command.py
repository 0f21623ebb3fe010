"""`groundswell report service`, as a person calls it, against the API over a real socket."""

from __future__ import annotations

import asyncio
import csv
import json
import threading

import pytest
from typer.testing import CliRunner

from deploy.refusal import Refusal
from deploy.report_command import report
from storage.sqlite import SqliteStore
from streams.records import StationReports
from tests.dashboards import country as c
from tests.dashboards.serving import served
from tests.storage.test_rollups import roll

TOKEN = "t" * 20


@pytest.fixture
def server(tmp_path):
    """Serve in a thread of its own; yield a configuration that names it."""
    country = c.Country(SqliteStore(tmp_path / "month.sqlite"), now_us=c.START_US + 86_400 * c.SECOND_US)
    reports = [c.report(c.SITES[0], c.START_US - s * c.SECOND_US) for s in range(1, 120)]
    country.store.commit([StationReports(reports=reports)], None, now_us=1)
    roll(country.store)
    ready, done, found = threading.Event(), threading.Event(), []

    async def serve():
        async with served(country.app(write_token=TOKEN)) as (_, address):
            found.append(address)
            ready.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    ready.wait(10)
    config = tmp_path / "groundswell.toml"
    config.write_text(f'[server]\nhttp = "{found[0].removeprefix("http://")}"\nwrite_token = "{TOKEN}"\n')
    yield config
    done.set()
    thread.join()
    country.store.close()


def run(*arguments):
    done = CliRunner().invoke(report, ["service", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_a_month_is_printed_and_written_in_all_forms(server, tmp_path):
    told = run(
        *("--config", server, "--month", "2025-12", "--language", "zh", "--html", tmp_path / "a.html"),
        *("--json", tmp_path / "a.json", "--csv", tmp_path / "tables"),
    )
    assert "2025-12 (utc)" in told
    assert "epochs of stations" in told
    assert "100.000 %" in told
    assert "note: sessions not kept" in told
    made = json.loads((tmp_path / "a.json").read_bytes())
    assert made["availability"]["epochs"] == 119
    assert "服务月报" in (tmp_path / "a.html").read_text("utf-8")
    with (tmp_path / "tables" / "stations.csv").open() as file:
        assert [row["epochs"] for row in csv.DictReader(file)] == ["119"]


def test_beijing_time_is_asked_for_and_what_is_wrong_is_said(server):
    assert "(beijing)" in run("--config", server, "--beijing")
    with pytest.raises(Refusal, match="write for instance 2026-10"):
        run("--config", server, "--month", "2025-00")
