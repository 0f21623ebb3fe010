"""People and tokens at the running one-process program, over a restart; keys and settings."""

from __future__ import annotations

import contextlib
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.access import KEY_FILE, AccessSettings, kept_key
from deploy.addresses import Addresses
from deploy.refusal import Refusal
from deploy.service import opened
from deploy.settings import ServerSettings, Settings

CSRF = {"x-groundswell": "test"}
ROOT = {"name": "root", "password": "correct horse"}


@contextlib.asynccontextmanager
async def running(folder: Path, **server: Any) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(server=ServerSettings(**server))
    async with (
        opened(settings, folder, Addresses(("127.0.0.1", 0), None)) as service,
        httpx.AsyncClient(base_url=f"{service.addresses.page}/api/v1", headers=CSRF, timeout=30) as client,
    ):
        yield client


async def how(client: httpx.AsyncClient) -> str:
    told: str = (await client.get("/session")).json()["how"]
    return told


async def test_people_and_tokens_over_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path) as client:
        assert await how(client) == "here"
        body = {"password": ROOT["password"], "roles": ["administrator"]}
        assert (await client.put("/accounts/root?by=me", json=body)).status_code == 200
        assert await how(client) == "nobody"
        assert (await client.put("/accounts/root?by=me", json=body)).status_code == 401
        assert (await client.post("/session", json=ROOT)).status_code == 200
        wrong = {"name": "backup", "scopes": ["read"], "owner": "nobody"}
        assert (await client.post("/tokens", json=wrong)).status_code == 409
        made = (await client.post("/tokens", json={**wrong, "owner": "root", "scopes": ["manage"]})).json()
        cookies = dict(client.cookies)
    bearer = {"authorization": f"Bearer {made['token']}"}
    async with running(tmp_path) as client:
        client.cookies.update(cookies)
        assert await how(client) == "session"
        (listed,) = (await client.get("/tokens", headers=bearer)).json()["items"]
        assert (listed["id"], listed["name"], listed["created_by"]) == (made["id"], "backup", "root")
        told = (await client.get("/changes")).text
        assert '"kind":"token"' in told
        assert "hash" not in told
        assert (await client.patch("/accounts/root", json={"enabled": False})).status_code == 200
        assert await how(client) == "nobody"
        assert (await client.get("/tokens", headers=bearer)).status_code == 401
        audit = (await client.get("/changes?kind=account")).status_code
        assert audit == 401
    async with running(tmp_path, write_token="the write token") as client:
        client.headers["authorization"] = "Bearer the write token"
        assert (await client.delete(f"/tokens/{made['id']}?by=me")).status_code == 200
        assert (await client.get("/tokens")).json()["items"] == []
        by = [one["by"] for one in (await client.get("/changes")).json()["items"]]
        assert by == ["me", "root", "root", "me"]


@pytest.mark.parametrize("is_configured", [True, False])
async def test_a_proxy_is_believed_only_where_it_is_configured(tmp_path: Path, is_configured: bool) -> None:
    proxies = ["127.0.0.0/8"] if is_configured else []
    async with running(tmp_path, reads_s=0.2, proxies=proxies) as client:

        async def ask(address: str) -> int:
            return (await client.get("/stations", headers={"x-forwarded-for": address})).status_code

        asked = [await ask("203.0.113.9, 192.0.2.1") for _ in range(4)]
        assert asked == ([200, 200, 429, 429] if is_configured else [200] * 4)
        assert await ask("192.0.2.1, 192.0.2.2") == 200
        told = {"x-forwarded-for": "192.0.2.3"}
        assert (await client.put("/accounts/li", json={"password": "x"}, headers=told)).status_code == 200
        (change,) = (await client.get("/changes")).json()["items"]
        assert change["by"] == f"unnamed, from {'192.0.2.3' if is_configured else '127.0.0.1'}"


def test_a_key_is_drawn_once_and_for_this_user_alone(tmp_path: Path) -> None:
    file = tmp_path / "new" / KEY_FILE
    key = kept_key(file)
    assert len(key) == 32
    assert kept_key(file) == key
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [one.name for one in file.parent.iterdir()] == [KEY_FILE]
    file.write_bytes(b"short")
    assert kept_key(file) not in {key, b"short"}


def test_where_no_key_can_be_kept_one_of_the_process_serves(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert len(kept_key(tmp_path / "file" / KEY_FILE)) == 32


def test_settings_that_do_not_serve_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="fewer than 32 characters"):
        AccessSettings(session_key="short").key(tmp_path)
    with pytest.raises(ValueError, match="everywhere"):
        AccessSettings(proxies=["everywhere"])
    assert AccessSettings(session_key="k" * 32).key(tmp_path) == b"k" * 32
    assert list(tmp_path.iterdir()) == []
