"""`groundswell sightings` against a server that answers as the API does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deploy.clock import wall_clock_us
from deploy.sightings_command import sightings
from tests.deploy import test_changes_command
from tests.deploy.test_changes_command import Api

config = test_changes_command.config  # a fixture
REPORT = {"site": "slope", "level": "red", "end_us": 1_796_083_200_000_000, "text": "cracks in the road"}
KNOWN: dict[str, Any] = {
    "items": [{"id": "r1", "by": "li", "after": REPORT}, {"id": "r2", "by": "li", "after": None}],
    "next": None,
}


def run(config: Path, *arguments: str) -> str:
    done = CliRunner().invoke(sightings, [*arguments, "--config", str(config)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return " ".join(done.output.split())


def test_reports_are_listed_with_their_end(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(self: Api) -> None:
        text = json.dumps(KNOWN).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    monkeypatch.setattr(Api, "do_GET", answer)
    told = run(config, "list")
    assert "r1 │ slope │ red │ 2026-12-01T00:00+00:00 │ li │ cracks in the road" in told
    assert "r2" not in told


def test_a_report_is_made_and_taken_back(config: Path) -> None:
    before_us = wall_clock_us()
    made = run(config, "add", "slope", "--level", "red", "--text", "cracks", "--hours", "2", "--by", "Wu")
    assert made == "Done."
    method, path, body = Api.seen[-1]
    assert method == "PUT"
    assert path.startswith("/api/v1/sightings/")
    assert path.endswith("?by=Wu")
    assert 0 <= body.pop("end_us") - before_us - 2 * 3_600_000_000 < 60_000_000
    assert body == {"site": "slope", "level": "red", "text": "cracks"}
    assert run(config, "end", "r1", "--by", "Wu") == "Done."
    assert Api.seen[-1][:2] == ("DELETE", "/api/v1/sightings/r1?by=Wu")
