"""`groundswell roster` and `calls` against a server that answers as the API does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deploy.calls_command import calls
from deploy.refusal import Refusal
from deploy.roster_command import roster
from tests.deploy import test_changes_command
from tests.deploy.test_changes_command import Api

config = test_changes_command.config  # a fixture
BEGIN_US = 1_796_083_200_000_000
PLANS = """
[person.li]
contacts = [{ channel = "sms", to = "+8613812345678" }]

[roster.duty]
shifts = [{ person = "li" }]

[plan.slopes]
property = "crack_width"
levels = { red = { steps = [{ to = ["roster:duty"] }] } }
"""
TOLD: dict[str, Any] = {
    "/rosters/duty/duty": {"at": "2026-12-01T00:00:00Z", "persons": ["li", "wang"]},
    "/rosters/duty": {"after": {"shifts": [], "substitutions": [{"person": "a"}]}},
    "/alerts/a1/calls": {
        "calls": [
            {"at": "T1", "person": "li", "channel": "sms", "to": "...78", "purpose": "call",
             "withdrawn": False, "receipts": [{"state": "accepted", "at": "T2", "detail": ""}]},
            {"at": "T3", "person": "wang", "channel": "sms", "to": "...79", "purpose": "call",
             "withdrawn": True, "receipts": []},
        ],
        "answers": [{"person": "li", "answer": "acknowledged", "level": "red", "called_at": "T1",
                     "seconds": 31.5}],
    },
    "/statistics/answers": {
        "items": [{"of": "li", "called": 4, "answered": 3, "unreachable": 1, "in_time": 2,
                   "in_time_share": 0.5, "median_s": 30.0, "p90_s": None}], "next": None,
    },
}  # fmt: skip


@pytest.fixture(autouse=True)
def _told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let questions about calls be answered."""
    usual = Api._answer

    def answer(self: Api) -> None:
        path = self.path.removeprefix("/api/v1").partition("?")[0]
        if self.command != "GET" or path not in TOLD:
            usual(self)
            return
        self.seen.append((self.command, self.path, None))
        text = json.dumps(TOLD[path]).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    monkeypatch.setattr(Api, "do_GET", answer)


def run(app: Any, config: Path, *arguments: str) -> str:
    done = CliRunner().invoke(app, [*arguments, "--config", str(config)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return " ".join(done.output.split())


def test_a_file_is_put_in_the_order_in_which_its_parts_need_each_other(config: Path, tmp_path: Path) -> None:
    file = tmp_path / "plans.toml"
    file.write_text(PLANS)
    assert run(roster, config, "load", str(file), "--by", "Wu") == "Done. Done. Done."
    assert [(method, path) for method, path, _ in Api.seen] == [
        ("PUT", "/api/v1/persons/li?by=Wu"),
        ("PUT", "/api/v1/rosters/duty?by=Wu"),
        ("PUT", "/api/v1/plans/slopes?by=Wu"),
    ]
    assert Api.seen[0][2] == {"contacts": [{"channel": "sms", "to": "+8613812345678"}]}


@pytest.mark.parametrize("text", ["[people.li]\n", "person = 5\n", "person.li = 5\n", "no toml"])
def test_a_file_that_says_something_else_is_refused(config: Path, tmp_path: Path, text: str) -> None:
    file = tmp_path / "plans.toml"
    file.write_text(text)
    with pytest.raises(Refusal, match=";"):
        run(roster, config, "load", str(file))
    assert Api.seen == []


def test_who_is_on_duty_and_who_takes_over(config: Path) -> None:
    assert run(roster, config, "duty", "duty") == "li wang"
    times = ("--from", "2026-12-01T00:00:00Z", "--until", "2026-12-02T00:00:00Z")
    assert run(roster, config, "substitute", "duty", "li", "chen", *times, "--by", "Wu") == "Done."
    method, path, body = Api.seen[-1]
    assert (method, path) == ("PATCH", "/api/v1/rosters/duty?by=Wu")
    assert body["substitutions"] == [
        {"person": "a"},
        {"person": "li", "instead": "chen", "begin_us": BEGIN_US, "end_us": BEGIN_US + 86_400_000_000},
    ]


def test_the_log_of_an_alert_and_figures(config: Path) -> None:
    told = run(calls, config, "log", "a1")
    for text in ("accepted T2", "withdrawn", "acknowledged", "31.5"):
        assert text in told
    told = run(calls, config, "answers", "--from", "2026-12-01T00:00:00Z", "--of", "person")
    assert "50 %" in told
    assert "30.0" in told
    assert "by=person" in Api.seen[-1][1]


def test_lowering_and_deciding(config: Path) -> None:
    assert run(calls, config, "lower", "a1", "orange", "--comment", "calm", "--by", "Wu") == "Done."
    assert run(calls, config, "decide", "a1", "confirm", "--by", "Wu") == "Done."
    assert Api.seen == [
        ("POST", "/api/v1/alerts/a1/lower", {"level": "orange", "comment": "calm", "by": "Wu"}),
        ("POST", "/api/v1/alerts/a1/decide", {"answer": "confirm", "comment": "", "by": "Wu"}),
    ]
