"""`groundswell sessions`, and what it asks of the API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deploy.refusal import Refusal
from deploy.sessions_command import sessions
from tests.deploy import test_changes_command
from tests.deploy.test_changes_command import Api
from tests.deploy.test_changes_command import config as config  # noqa: PLC0414 - a fixture

KEPT: dict[str, Any] = {
    "account": "li", "mountpoint": "NEAREST", "begin": "2026-01", "end": None, "bytes_sent": 7,
    "positions": 8, "fixed": 6, "bases": [{"base": "WUHN"}, {"base": ""}, {"base": "HUAN"}],
}  # fmt: skip


def run(config: Path, *arguments: str) -> str:
    done = CliRunner().invoke(sessions, [*arguments, "--config", str(config)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return " ".join(done.output.split())


@pytest.mark.parametrize(
    ("arguments", "body"),
    [
        (("--decimals", "2"), {"position_decimals": 2}),
        (("--no-positions", "--days", "0"), {"position_decimals": None, "days": 0}),
        (("--addresses", "none", "--days", "30"), {"addresses": "none", "days": 30}),
    ],
)
def test_privacy_is_changed(config: Path, arguments: tuple[str, ...], body: object) -> None:
    assert run(config, "privacy", *arguments, "--by", "Wu") == "Done."
    assert Api.seen == [("PATCH", "/api/v1/privacy/rovers?by=Wu", body)]


def test_privacy_cannot_be_two_things(config: Path) -> None:
    with pytest.raises(Refusal, match="exclude each other"):
        run(config, "privacy", "--decimals", "2", "--no-positions")


def test_sessions_are_asked_for_by_station_region_and_box(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(test_changes_command, "HISTORY", [])
    run(config, "list", "--station", "WUHN", "--region", "", "--bbox", "113,29,116,31")
    assert Api.seen[0][1].startswith("/api/v1/sessions?base=WUHN&bbox=113%2C29%2C116%2C31&region=&limit=")


def test_kept_sessions_are_listed(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = {**KEPT, "positions": 0, "fixed": 0, "end": "2026-02"}
    monkeypatch.setattr(test_changes_command, "HISTORY", [KEPT, bare])
    told = run(config, "past", "--account", "li", "--from", "2026-01-01T00:00:00Z")
    assert "li │ NEAREST │ WUHN - HUAN │ 2026-01 │ │ 7 │ 75 %" in told
    assert "2026-02 │ 7 │ │" in told
    assert Api.seen[0][1].startswith("/api/v1/sessions/past?account=li&start=2026")
