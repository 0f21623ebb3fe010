"""The provider of sign-ins as a configuration has it."""

from __future__ import annotations

import pytest

from deploy.provider import provider_of
from deploy.refusal import Refusal
from deploy.settings_file import load

TOML = """
[server]
public_url = "https://monitor.example/"
[server.oidc]
issuer = "https://id.example/realms/bureau"
client_id = "groundswell"
role_claim = "realm_access.roles"
roles = { gnss = "operator" }
require = { org = ["survey"] }
"""


def settings_of(folder, text):
    (folder / "groundswell.toml").write_text(text)
    return load(folder / "groundswell.toml").server


async def test_it_sends_people_back_to_where_they_reach_this(tmp_path):
    server = settings_of(tmp_path, TOML)
    assert server.rules(server.public_url).has_provider
    async with provider_of(server, server.public_url) as provider:
        assert provider is not None
        assert provider.return_url == "https://monitor.example/api/v1/session/provider/return"
        assert provider.config.roles == {"gnss": "operator"}


async def test_the_secret_may_stand_in_a_file(tmp_path):
    (tmp_path / "secret").write_text("s3cret\n")
    server = settings_of(tmp_path, f'{TOML}client_secret_file = "{tmp_path / "secret"}"\n')
    async with provider_of(server, server.public_url) as provider:
        assert provider is not None
        assert provider.config.client_secret == "s3cret"
    (tmp_path / "secret").unlink()
    with pytest.raises(Refusal, match="client_secret_file"):
        async with provider_of(server, server.public_url):
            pass


async def test_it_needs_an_address_to_send_people_back_to(tmp_path):
    server = settings_of(tmp_path, TOML.replace('public_url = "https://monitor.example/"', ""))
    with pytest.raises(Refusal, match="public_url"):
        async with provider_of(server, server.public_url):
            pass


async def test_without_it_there_is_none(tmp_path):
    server = settings_of(tmp_path, "[server]\n")
    assert not server.rules("").has_provider
    async with provider_of(server, "") as provider:
        assert provider is None


def test_what_cannot_be_meant_is_said_before_anything_starts(tmp_path):
    with pytest.raises(Refusal, match="issuer must begin with https"):
        settings_of(tmp_path, TOML.replace("https://id", "http://id"))
