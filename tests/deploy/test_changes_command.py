"""`groundswell changes` against a server that answers as the API does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deploy.changes_command import changes
from deploy.refusal import Refusal
from streams.definitions import StationDefinition, shown, values_of

CONFIG = """
[server]
http = "127.0.0.1:{port}"
write_token = "{token}"

[[station]]
id = "A"
source = "ntrip://user:secret@host:2101/A"
"""
TOKEN = "t" * 20


def change(
    version: int, kind: str, name: str, after: dict[str, Any] | None, verb: str = "patch"
) -> dict[str, Any]:
    return {
        "kind": kind, "id": name, "version": version, "verb": verb, "by": "Li", "at": "2026-01-01T00:00:00Z",
        "before": {"paused": False, "source": "ntrip://user:***@host:2101/A"}, "after": after,
        "command_id": str(version),
    }  # fmt: skip


DEFINED = StationDefinition(source="ntrip://user:secret@host:2101/A", paused=True)
PAUSED = shown("station", values_of(DEFINED))
HISTORY = [
    change(4, "silence", "s1", None, "delete"),
    change(3, "station", "A", PAUSED),
    change(2, "account", "rover", {"enabled": False}),
    change(1, "station", "A", {**PAUSED, "paused": False}),
]


class Api(BaseHTTPRequestHandler):
    seen: list[tuple[str, str, Any]] = []  # noqa: RUF012 - the server makes a handler for each request
    told: dict[str, str] = {"message": "Done.", "id": "", "command_id": ""}  # noqa: RUF012
    refusals: list[str] = []  # noqa: RUF012
    """After how many seconds who asks may come again, each time."""

    def _answer(self) -> None:
        size = int(self.headers.get("content-length") or 0)
        body = json.loads(self.rfile.read(size)) if size else None
        self.seen.append((self.command, self.path, body))
        status, told = 200, self.told
        wait = self.refusals.pop(0) if self.refusals else ""
        if wait:
            status, told = 429, {"detail": "You ask too often."}
        elif self.headers.get("authorization") != f"Bearer {TOKEN}":
            status, told = 401, {"detail": "Changing something needs the write token."}
        elif self.command == "GET":
            first = "after" not in self.path
            told = {"items": HISTORY[:2] if first else HISTORY[2:], "next": "more" if first else None}  # type: ignore[dict-item]
        elif "NONE" in self.path:
            status, told = 409, {"detail": "Station NONE cannot be changed so: there is no such station."}
        text = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(text)))
        if wait:
            self.send_header("retry-after", wait)
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PUT = do_PATCH = do_DELETE = do_POST = _answer

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Path]:
    Api.seen.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Api) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        file = tmp_path / "groundswell.toml"
        file.write_text(CONFIG.format(port=server.server_port, token=TOKEN))
        yield file
        server.shutdown()
        thread.join()


def run(config: Path, *arguments: str) -> str:
    done = CliRunner().invoke(changes, [*arguments, "--config", str(config)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return " ".join(done.output.split())


def refused(config: Path, *arguments: str) -> str:
    with pytest.raises(Refusal) as refusal:
        run(config, *arguments)
    return str(refusal.value)


def test_what_holds_by_command_stands_beside_what_is_configured(config: Path) -> None:
    told = run(config, "list")
    assert "paused=false │ paused=true" in told
    assert "account/rover │ (none) │ enabled=false" in told
    assert "silence" not in told
    assert "secret" not in told
    assert [path for _, path, _ in Api.seen] == [
        "/api/v1/changes?limit=1000",
        "/api/v1/changes?limit=1000&after=more",
    ]


def test_the_history_tells_each_change_and_can_be_of_one_object(config: Path) -> None:
    assert run(config, "history").count("station/A") == 2
    run(config, "history", "station/A")
    assert Api.seen[-1][1] == "/api/v1/changes?kind=station&id=A&limit=1000&after=more"


@pytest.mark.parametrize(
    ("arguments", "method", "path", "body"),
    [
        (("set", "station/A", "paused=true"), "PATCH", "/stations/A", {"paused": True}),
        (("set", "station/A", "name=Alpha"), "PATCH", "/stations/A", {"name": "Alpha"}),
        (("set", "--add", "station/B", "source=tcp://h:1"), "PUT", "/stations/B", {"source": "tcp://h:1"}),
        (
            ("set", "--add", "rule/g.level/sea_level", 'parameters={"floor_m": 0.1}'),
            "PUT", "/rules/g.level/sea_level", {"parameters": {"floor_m": 0.1}},
        ),
        (("delete", "account/rover"), "DELETE", "/accounts/rover", None),
        (("revert", "rule/g.level/sea_level"), "POST", "/changes/rule/g.level/sea_level/revert", None),
    ],
)  # fmt: skip
def test_a_change_is_asked_for(
    config: Path, arguments: tuple[str, ...], method: str, path: str, body: object
) -> None:
    assert run(config, *arguments, "--by", "Li") == "Done."
    assert Api.seen == [(method, f"/api/v1{path}?by=Li", body)]


def test_what_cannot_be_is_told_in_one_sentence(config: Path) -> None:
    assert "there is no such station" in refused(config, "set", "station/NONE", "paused=true")
    assert "is not KIND/ID" in refused(config, "delete", "planet/x")
    assert "is not NAME=VALUE" in refused(config, "set", "station/A", "paused")
    assert "cannot reach" in refused(config, "list", "--server", "http://127.0.0.1:9")
    config.write_text(config.read_text().replace(TOKEN, "x" * 20))
    assert "needs the write token" in refused(config, "delete", "station/A")
