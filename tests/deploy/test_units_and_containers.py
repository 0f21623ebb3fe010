"""Units of systemd and containers, held against the command line and the configuration that they name."""

from __future__ import annotations

import ast
import re
import shlex
import shutil
import subprocess
from typing import Any, cast
from urllib.parse import urlsplit

import pytest
import yaml

from deploy.casting import gatherers
from deploy.settings import address
from deploy.settings_file import load
from streams.kafka.sink import STOP_S
from tests.operations import COMPOSE, ROOT, SYSTEMD, accepted, started_by, unit

UNITS = sorted(SYSTEMD.glob("*.service"))
PROGRAM = "/opt/groundswell/bin/groundswell"


def compose() -> dict[str, Any]:
    return cast(dict[str, Any], yaml.safe_load((COMPOSE / "compose.yml").read_text()))


def ours() -> dict[str, dict[str, Any]]:
    """Return the services that run this program."""
    return {n: s for n, s in compose()["services"].items() if s["image"].startswith("groundswell:")}


def arguments_of(service: dict[str, Any]) -> list[str]:
    if service.get("entrypoint") == ["sh", "-c"]:
        (line,) = service["command"]
        return shlex.split(line.removeprefix("exec groundswell "))
    return list(service["command"])


# --- systemd ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_runs_a_command_with_options_that_exist(path):
    program, *arguments = started_by(path)
    assert program == PROGRAM
    options = accepted(arguments)
    assert str(options["config"]).startswith("/etc/groundswell/")
    if options.get("http"):
        address(options["http"], "--http")


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_is_confined_comes_back_and_has_time_to_end(path):
    values = {key: found[-1] for key, found in unit(path).items()}
    assert values["Restart"] == "always"
    assert values["StartLimitIntervalSec"] == "0"
    assert int(values["RestartSec"]) >= 1
    assert int(values["TimeoutStopSec"]) > STOP_S + 10
    assert values["User"] in (SYSTEMD / "groundswell.sysusers.conf").read_text()
    assert (values["NoNewPrivileges"], values["ProtectSystem"]) == ("yes", "strict")
    assert values["CapabilityBoundingSet"] == ""
    assert "MemoryDenyWriteExecute" not in values  # kernels are compiled in memory
    assert "-/etc/groundswell/secrets.env" in unit(path)["EnvironmentFile"]
    data = accepted(started_by(path)[1:]).get("data")
    if data is not None:
        assert f"/var/lib/{values['StateDirectory'].replace('%i', '11')}" == str(data)
    if (written := values.get("ReadWritePaths")) is not None:
        assert f"d {written} " in (SYSTEMD / "groundswell.tmpfiles.conf").read_text()


def test_two_instances_share_no_name_no_port_and_no_folder():
    first, second = (
        accepted(started_by(SYSTEMD / "groundswell-worker@.service", i)[1:]) for i in ("11", "12")
    )
    assert (first["name"], second["name"]) == ("host-11", "host-12")
    assert (first["http"], second["http"]) == ("127.0.0.1:9111", "127.0.0.1:9112")
    first, second = (accepted(started_by(SYSTEMD / "groundswell-gather@.service", i)[1:]) for i in ("a", "b"))
    assert first["data"] != second["data"]
    assert first["config"] != second["config"]


@pytest.mark.integration
def test_systemd_understands_the_units(tmp_path):
    for path in [*UNITS, SYSTEMD / "groundswell.target"]:
        text = path.read_text().replace(PROGRAM, shutil.which("true") or "")
        (tmp_path / path.name.replace("@.", "@11.")).write_text(text)
        (tmp_path / path.name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *sorted(tmp_path.iterdir())],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


# --- containers ---------------------------------------------------------------------------------------


@pytest.fixture
def configuration(monkeypatch):
    """Return the configuration that the containers mount."""
    monkeypatch.setenv("WRITE_TOKEN", "token")
    monkeypatch.setenv("ROVER_PASSWORD", "password")
    monkeypatch.setenv("RELAY_SECRET", "0123456789abcdef")
    monkeypatch.setenv("DATABASE_URL", "postgresql://groundswell:p@postgres:5432/groundswell")
    return load(COMPOSE / "groundswell.toml")


@pytest.mark.parametrize("name", sorted(ours()))
def test_a_container_runs_a_command_with_options_that_exist(name):
    assert accepted(arguments_of(ours()[name]))


def test_containers_name_nothing_that_is_not_there(configuration):
    everything = compose()
    services, volumes = everything["services"], everything["volumes"]
    for name, service in services.items():
        for other, wait in service.get("depends_on", {}).items():
            if wait["condition"] == "service_completed_successfully":
                assert services[other]["restart"] == "on-failure", other
            else:
                assert "healthcheck" in services[other], other
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (COMPOSE / source).is_file() if source.startswith("./") else source in volumes, (
                name,
                source,
            )
    used = {v.split(":")[0] for s in services.values() for v in s.get("volumes", [])}
    assert set(volumes) <= used
    assert configuration.kafka.servers == "kafka:9092"
    assert services["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"] == "PLAINTEXT://kafka:9092"
    assert urlsplit(configuration.database.url).hostname in services
    assert {broker.host for broker in configuration.mqtt} <= set(services)
    archive = urlsplit(configuration.archive.checked_url())
    assert archive.hostname in services
    assert services[archive.hostname]["command"][-1].endswith(f":{archive.port}")
    assert configuration.archive.checked_secret()
    assert {gatherer.host for gatherer in gatherers(configuration.relay).values()} == {"gather"}


def test_containers_get_the_environment_and_the_file_that_they_read():
    example = (COMPOSE / "env.example").read_text()
    wanted = set(re.findall(r'"env:(\w+)"', (COMPOSE / "groundswell.toml").read_text()))
    for name, service in ours().items():
        assert wanted <= set(service["environment"]), name
        config = accepted(arguments_of(service)).get("config")
        assert config is None or f"./groundswell.toml:{config}:ro" in service["volumes"]
    for secret in re.findall(r"\$\{(\w+)", (COMPOSE / "compose.yml").read_text()):
        assert f"{secret}=" in example


def test_ports_and_health_checks_are_those_that_processes_listen_on(configuration):
    named = set()
    for name, service in ours().items():
        options = accepted(arguments_of(service))
        if "seconds" not in options:
            continue  # it ends by itself
        where = options["http"] or configuration.server.http
        host, port = address(where, "--http")
        assert host == "0.0.0.0"
        code = service["healthcheck"]["test"][-1]
        ast.parse(code)
        assert f"http://127.0.0.1:{port}/readyz" in code
        listening = {port, address(configuration.server.ntrip, "ntrip")[1]}
        for published in service.get("ports", []):
            assert int(published.split(":")[-1]) in listening, name
        if options.get("name"):
            assert options["name"] not in named
            named.add(options["name"])
    assert len(named) == 2


def test_a_bridge_runs_where_it_is_asked_for(configuration, tmp_path, monkeypatch):
    assert {name for name, service in ours().items() if "profiles" in service} == {"bridge"}
    assert configuration.regions is None
    text = (COMPOSE / "groundswell.toml").read_text()
    begin, end = text.index("# [regions]"), text.index("[database]")
    path = tmp_path / "groundswell.toml"
    path.write_text(text[:begin] + re.sub("^# ?", "", text[begin:end], flags=re.MULTILINE) + text[end:])
    monkeypatch.setenv("PARENT_PASSWORD", "secret")
    regions = load(path).regions
    assert regions is not None
    assert regions.parent is not None
    assert (regions.parent.security.tls, regions.parent.security.password) == (True, "secret")


def test_kafka_is_the_version_that_is_tested():
    pom = (ROOT / "deploy" / "dev" / "kafka-pom.xml").read_text()
    tested = re.search(r"<artifactId>kafka_2.13</artifactId>\s*<version>([\d.]+)<", pom)
    assert tested
    assert compose()["services"]["kafka"]["image"] == f"apache/kafka:{tested[1]}"


def test_the_image_copies_every_room():
    lines = (COMPOSE / "Dockerfile").read_text().splitlines()
    sent = (COMPOSE / "Dockerfile.dockerignore").read_text().splitlines()
    copied = {line.split()[1] for line in lines if line.startswith("COPY") and "--from" not in line}
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert rooms <= copied
    assert all(f"!{name}" in sent for name in rooms)
    assert any(line.startswith("USER ") and "root" not in line for line in lines)
    assert any("--require-hashes" in line for line in lines)
