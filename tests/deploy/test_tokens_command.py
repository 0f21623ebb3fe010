"""`groundswell tokens` against a server that answers as the API does."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy.tokens_command import tokens
from tests.deploy import test_changes_command
from tests.deploy.test_changes_command import Api

config = test_changes_command.config  # a fixture


def run(config: Path, *arguments: str) -> tuple[str, str]:
    done = CliRunner().invoke(tokens, [*arguments, "--config", str(config)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return " ".join(done.stdout.split()), done.stderr


def test_a_token_is_printed_alone(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Api, "told", {"id": "a1", "token": "gsw_a1_secret", "message": "Done."})
    told, beside = run(
        config, "add", "backup", "--scope", "read", "--scope", "metrics", "--owner", "li",
        "--expires", "2027-01-01T00:00:00Z", "--by", "Wu",
    )  # fmt: skip
    assert told == "gsw_a1_secret"
    assert "not shown again" in beside
    body = {
        "name": "backup", "scopes": ["read", "metrics"], "owner": "li", "expires": "2027-01-01T00:00:00Z",
    }  # fmt: skip
    assert Api.seen == [("POST", "/api/v1/tokens?by=Wu", body)]


def test_a_token_is_revoked(config: Path) -> None:
    assert run(config, "revoke", "a1", "--by", "Wu")[0] == "Done."
    assert Api.seen == [("DELETE", "/api/v1/tokens/a1?by=Wu", None)]


def test_tokens_are_listed(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = {
        "id": "a1", "name": "backup", "scopes": ["read", "metrics"], "owner": "li", "created_by": "Wu",
        "expires_at": "2026-01-01", "is_expired": True, "used_at": None,
    }  # fmt: skip
    other = {**one, "id": "a2", "is_expired": False, "used_at": "2025-12-31"}
    monkeypatch.setattr(test_changes_command, "HISTORY", [one, one, other])
    told, _ = run(config, "list")
    assert "a1 │ backup │ read metrics │ li │ 2026-01-01 (expired) │ Wu │ │" in told
    assert "a2 │ backup │ read metrics │ li │ 2026-01-01 │ Wu │ 2025-12-31" in told


def test_who_asks_too_often_waits_and_asks_again(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(Api, "refusals", ["3", "1"])
    monkeypatch.setattr("deploy.api_client.time.sleep", slept.append)
    assert run(config, "revoke", "a1", "--by", "Wu")[0] == "Done."
    assert slept == [3.0, 1.0]
    assert len(Api.seen) == 3
