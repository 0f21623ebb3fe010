"""`groundswell accounts` against a server that answers as the API does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deploy.accounts_command import accounts
from deploy.refusal import Refusal
from tests.deploy import test_changes_command
from tests.deploy.test_changes_command import Api, change

config = test_changes_command.config  # a fixture
RING = [[114.0, 30.2], [114.8, 30.2], [114.8, 30.9], [114.0, 30.2]]

HOLE = json.dumps({"type": "Polygon", "coordinates": [RING, RING]})


def run(config: Path, *arguments: str, typed: str = "") -> str:
    done = CliRunner().invoke(
        accounts, [*arguments, "--config", str(config)], catch_exceptions=False, input=typed
    )
    assert done.exit_code == 0, done.output
    return " ".join(done.output.split())


@pytest.mark.parametrize(
    ("arguments", "method", "body"),
    [
        (("disable", "li"), "PATCH", {"enabled": False}),
        (("enable", "li"), "PATCH", {"enabled": True}),
        (("delete", "li"), "DELETE", None),
        (("set", "li", "--sessions", "2", "--when-full", "refuse"), "PATCH",
         {"most_sessions": 2, "when_full": "refuse"}),
        (("set", "li", "--rate", "0", "--day-bytes", "0"), "PATCH", {"rate_bytes_s": 0.0, "day_bytes": 0}),
        (("set", "li", "--region", "hubei", "--region", "zhejiang:hangzhou"), "PATCH",
         {"regions": ["hubei", "zhejiang:hangzhou"]}),
        (("set", "li", "--region", "all"), "PATCH", {"regions": None}),
        (("set", "li", "--region", "none"), "PATCH", {"regions": []}),
        (("set", "li", "--role", "viewer", "--role", "operator"), "PATCH", {"roles": ["viewer", "operator"]}),
        (("set", "li", "--role", "none"), "PATCH", {"roles": []}),
    ],
)  # fmt: skip
def test_a_change_is_asked_for(config: Path, arguments: tuple[str, ...], method: str, body: object) -> None:
    assert run(config, *arguments, "--by", "Wu") == "Done."
    assert Api.seen == [(method, "/api/v1/accounts/li?by=Wu", body)]


def test_an_account_is_added_and_its_password_is_no_argument(config: Path, tmp_path: Path) -> None:
    shape = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [[[*c, 5] for c in RING]]}}
    area = tmp_path / "area.geojson"
    area.write_text(json.dumps({"type": "FeatureCollection", "features": [shape]}))
    told = run(
        config, "add", "li", "--mountpoint", "HB*", "--mountpoint", "NEAREST", "--area", str(area),
        "--valid-until", "2027-01-01T00:00:00Z", "--month-bytes", "1000", "--by", "Wu",
        typed="geheim\ngeheim\n",
    )  # fmt: skip
    assert "geheim" not in told
    assert Api.seen[0][2] == {
        "password": "geheim", "mountpoints": ["HB*", "NEAREST"], "areas": [RING],
        "valid_until": "2027-01-01T00:00:00Z", "month_bytes": 1000,
    }  # fmt: skip
    run(config, "password", "li", "--password-stdin", typed="new\n")
    assert Api.seen[1][2] == {"password": "new"}


def test_accounts_and_sessions_are_listed(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    after: dict[str, Any] = {"mountpoints": ["HB*"], "enabled": False, "areas": [RING], "most_sessions": 2}
    items = [change(2, "account", "li", after), change(3, "account", "gone", None, "delete")]
    monkeypatch.setattr(test_changes_command, "HISTORY", items)
    told = run(config, "list")
    assert "li │ closed │ │ HB* │ areas=1, most_sessions=2 │ Li" in told
    assert "gone" not in told
    session = {"account": "li", "mountpoint": "WUHN", "address": "203.0.113.0/24", "since": "2026",
               "bytes_sent": 5, "caster": "wuhan",
               "base": "WUHN", "quality": 4, "longitude": 114.4, "latitude": 30.5}  # fmt: skip
    monkeypatch.setattr(test_changes_command, "HISTORY", [session, session])
    told = run(config, "sessions", "--account", "li")
    assert told.count("li │ WUHN │ WUHN │ fixed │ 114.4 30.5 │ 203.0.113.0/24 │ 2026 │ 5 │ wuhan") == 2
    assert Api.seen[-2][1] == "/api/v1/sessions?account=li&limit=1000"


@pytest.mark.parametrize(
    ("arguments", "shape", "words"),
    [
        (("set", "li"), None, "give for instance --sessions 2"),
        (("add", "li", "--password-stdin"), None, "the password is empty"),
        (("set", "li", "--area", "{file}"), "nonsense", "is no GeoJSON that can be read"),
        (("set", "li", "--area", "{file}"), "[]", "is no GeoJSON that can be read"),
        (("set", "li", "--area", "{file}"), '{"type": "Point", "coordinates": [1, 2]}', "has no polygon"),
        (("set", "li", "--area", "{file}"), HOLE, "hole"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_for_is_said(
    config: Path, tmp_path: Path, arguments: tuple[str, ...], shape: str | None, words: str
) -> None:
    file = tmp_path / "area.geojson"
    if shape is not None:
        file.write_text(shape)
    with pytest.raises(Refusal, match=words):
        run(config, *(one.format(file=file) for one in arguments), typed="\n")
    assert Api.seen == []
