"""What a person can get wrong about casters of their own, and what the program says."""

from __future__ import annotations

import asyncio

import pytest

from connectors.caster.relay import Relay
from deploy.caster_command import next_port
from deploy.casting import casting, client_tls, feeding, gatherers, server_tls
from deploy.refusal import Refusal
from deploy.settings import CasterSettings, RelaySettings, Settings
from sensors.model import Station
from tests.program import free_port, groundswell

SECRET = "0123456789abcdef"


def test_gatherers_are_named_by_their_address():
    found = gatherers(RelaySettings(secret=SECRET, follow=["gather-1:2110", "[::1]:2111"]))
    assert [(one.host, one.port) for one in found.values()] == [("gather-1", 2110), ("::1", 2111)]
    assert found["[::1]:2111"].source == "relay://[::1]:2111"
    assert found["gather-1:2110"].tls is None


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (RelaySettings(secret=SECRET), "no gatherer is named"),
        (RelaySettings(secret=SECRET[1:], follow=["a:1"]), "fewer than 16 characters"),
        (RelaySettings(secret=SECRET, follow=["a"]), "is not HOST:PORT"),
        (RelaySettings(secret=SECRET, follow=["a:1"], ca_file="/nowhere.pem"), "ca_file .* name a readable"),
    ],
)
def test_what_a_caster_cannot_use_is_refused(settings, told):
    with pytest.raises(Refusal, match=told):
        gatherers(settings)


def test_certificates_that_are_none_are_refused(tmp_path):
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("no certificate")
    for settings in (RelaySettings(certificate=str(nonsense)), RelaySettings(key=str(nonsense))):
        with pytest.raises(Refusal, match="PEM files that belong together"):
            server_tls(settings)
    with pytest.raises(Refusal, match="name a readable PEM file"):
        client_tls(RelaySettings(ca_file=str(nonsense)))
    assert server_tls(RelaySettings()) is None
    assert client_tls(RelaySettings()) is None


async def test_a_gatherer_feeds_casters_only_where_it_is_told_to():
    relay = Relay(asyncio.get_running_loop().time)
    async with feeding(relay, list, RelaySettings()) as outlet:
        assert outlet is None
        assert not relay.listeners
    with pytest.raises(Refusal, match="fewer than 16 characters"):
        async with feeding(relay, list, RelaySettings(listen="127.0.0.1:0")):
            pass
    async with feeding(relay, list, RelaySettings(listen="127.0.0.1:0", secret=SECRET)) as outlet:
        assert outlet is not None
        assert relay.listeners == [outlet.publish]
        with pytest.raises(Refusal, match="is taken"):
            async with feeding(relay, list, RelaySettings(listen=f"127.0.0.1:{outlet.port}", secret=SECRET)):
                pass
    assert not relay.listeners


def test_a_caster_refuses_in_one_sentence(tmp_path):
    config = tmp_path / "caster.toml"
    config.write_text('[relay]\nsecret = "short"\nfollow = ["127.0.0.1:1"]\n')
    done = groundswell("caster", "--config", config, "--ntrip", f"127.0.0.1:{free_port()}", check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("groundswell: secret of [relay]")
    assert "Traceback" not in done.stderr


def test_each_process_of_a_caster_has_its_own_figures():
    assert next_port(None, 1) is None
    assert next_port("127.0.0.1:9105", 0) == "127.0.0.1:9105"
    assert next_port("[::1]:9105", 2) == "[::1]:9107"
    assert next_port("127.0.0.1:0", 2) == "127.0.0.1:0"
    with pytest.raises(Refusal, match="is not HOST:PORT"):
        next_port("9105", 1)


async def test_what_a_caster_grants_is_configured(monkeypatch, tmp_path):
    monkeypatch.setattr("deploy.open_files.bounded", lambda connections, *, reserved: connections - reserved)
    relay = Relay(asyncio.get_running_loop().time)
    asked = Settings(caster=CasterSettings(connections=70, connections_per_address=7, proxies=["192.0.2.1"]))
    stations = [Station(id=name, name=name) for name in "AB"]
    async with casting(relay, lambda: stations, asked, ("127.0.0.1", 0), folder=tmp_path) as caster:
        assert (caster.limits.connections, caster.limits.connections_per_address) == (68, 7)
        assert caster.is_proxy("192.0.2.1")
        assert not caster.is_proxy("127.0.0.1")
