"""`groundswell webhooks`, and what it asks of the API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deploy.refusal import Refusal
from deploy.webhooks_command import webhooks
from tests.deploy import test_changes_command
from tests.deploy.test_changes_command import Api
from tests.deploy.test_changes_command import config as config  # noqa: PLC0414 - a fixture


def run(*arguments: str) -> str:
    done = CliRunner().invoke(webhooks, [*arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return " ".join(done.output.split())


def test_a_person_resumes_and_replays(config: Path) -> None:
    where = ("--config", str(config), "--by", "Wu")
    assert run("resume", "duty", *where) == "Done."
    run("replay", "duty", "--message", "a1.2", *where)
    run("replay", "duty", "--message", "a1", *where)
    run("replay", "duty", "--start", "2026-01-01T00:00:00Z", "--end", "2026-01-02T00:00:00Z", *where)
    assert Api.seen == [
        ("POST", "/api/v1/webhooks/duty/resume?by=Wu", {}),
        ("POST", "/api/v1/webhooks/duty/replay?by=Wu", {"alert_id": "a1", "number": 2}),
        ("POST", "/api/v1/webhooks/duty/replay?by=Wu", {"alert_id": "a1"}),
        ("POST", "/api/v1/webhooks/duty/replay?by=Wu",
         {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"}),
    ]  # fmt: skip
    with pytest.raises(Refusal, match="say what is to be told again"):
        run("replay", "duty", *where)


def test_webhooks_and_deliveries_are_listed(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one: dict[str, Any] = {
        "id": "duty", "state": "disabled", "since": "2026-01", "reason": "410", "pending": 3, "delivered": 4,
        "given_up": 0, "last_delivered_at": None, "attempts": 2, "at": "2026-02", "next_attempt_at": None,
        "error": "away",
    }  # fmt: skip
    monkeypatch.setattr(test_changes_command, "HISTORY", [one])
    assert "duty │ disabled │ 2026-01 │ 410 │ 3 │ 4 │ 0 │ -" in run("list", "--config", str(config))
    told = run("deliveries", "duty", "--state", "given_up", "--config", str(config))
    assert "duty │ disabled │ 2 │ 2026-02 │ - │ away" in told
    assert Api.seen[-1][1].startswith("/api/v1/webhooks/duty/deliveries?state=given_up&limit=")


def test_a_new_key_serves_in_a_configuration(tmp_path: Path) -> None:
    secret, public = run("new-key").split()[1::2]
    path = tmp_path / "groundswell.toml"
    entry = f'[[webhook]]\nid = "duty"\nurl = "https://x.example/"\nsecret = ["{secret}"]\n'
    path.write_text(entry, encoding="utf-8")
    assert run("public-key", "duty", "--config", str(path)) == public
    with pytest.raises(Refusal, match="no webhook 'other'"):
        run("public-key", "other", "--config", str(path))
    path.write_text(entry.replace(secret, "whsec_" + "A" * 32), encoding="utf-8")
    with pytest.raises(Refusal, match="verifies by the shared"):
        run("public-key", "duty", "--config", str(path))
