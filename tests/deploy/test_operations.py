"""What operators are given: alerts, units, containers and their manual, held against the program."""

from __future__ import annotations

import ast
import asyncio
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlsplit

import httpx
import msgspec
import pytest
import typer
import yaml

from dashboards.metrics import exposition
from deploy import defaults
from deploy.addresses import Addresses
from deploy.cli import app
from deploy.kafka_figures import gatherer_figures, worker_figures, writer_figures
from deploy.raw_keeper import RawKeeper
from deploy.service import opened
from deploy.settings import Settings, address
from deploy.settings_file import load
from deploy.store_writer import WriterHealth
from storage.raw_archive import RawArchive
from storage.sqlite import SqliteStore
from storage.store import StorageError
from streams.kafka.sink import STOP_S, SinkHealth
from streams.kafka.worker import Worker
from streams.pipeline import Pipeline
from streams.stream_state import StreamState
from tests.postgres import name_of, shared_postgres
from tests.program import groundswell

ROOT = Path(__file__).resolve().parents[2]
PROMETHEUS, SYSTEMD, COMPOSE = (ROOT / "deploy" / name for name in ("prometheus", "systemd", "compose"))
MANUAL = ROOT / "docs" / "operations.md"
UNITS = sorted(SYSTEMD.glob("*.service"))
PROGRAM = "/opt/groundswell/bin/groundswell"
SECRET = "whsec_Z3JvdW5kc3dlbGwtZGVtby1zZWNyZXQtMjAyNg=="


def accepted(arguments: list[str]) -> Any:
    """Parse arguments as the command line does, without running anything; return the parsed options."""
    command: Any = typer.main.get_command(app)
    context = command.make_context("groundswell", list(arguments))
    while hasattr(command, "commands"):
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name, rest, parent=context)
    return context.params


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((PROMETHEUS / "rules.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def unit(path: Path) -> dict[str, list[str]]:
    """Return the values of each key, in their order."""
    found: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        if line and line[0] not in "#[;":
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def started_by(path: Path) -> list[str]:
    """Return what a unit runs, as its instance 11 sees it."""
    values = unit(path)
    (line,) = values["ExecStart"]
    for name, value in (pair.split("=", 1) for pair in values.get("Environment", [])):
        line = line.replace(f"${{{name}}}", value)
    line = line.replace("%i", "11").replace("%H", "host").replace("%S", "/var/lib")
    assert not re.search(r"[%$]", line), line
    return shlex.split(line)


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


# --- Prometheus ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return what all kinds of processes tell at /metrics."""
    return asyncio.run(_told(tmp_path_factory.mktemp("told")))


async def _told(folder: Path) -> str:
    settings = msgspec.convert(
        {"webhook": [{"id": "duty", "url": "http://127.0.0.1:9/", "secret": SECRET, "allow_private": True}]},
        Settings,
    )
    running = opened(settings, folder / "run", Addresses(("127.0.0.1", 0), None))
    async with running as service, httpx.AsyncClient() as client:
        text = (await client.get(f"{service.addresses.page}/metrics")).text
    worker = Worker("127.0.0.1:9", "w", lambda _: Pipeline([]), lambda i: i, lambda: 0)
    store = SqliteStore(folder / "rows.sqlite")
    keeper = RawKeeper(cast(Any, SimpleNamespace()), RawArchive(folder / "raw", store), store, lambda: 0)
    stream = StreamState("A", "ntrip", "")
    for figures in (
        worker_figures(worker),
        writer_figures(WriterHealth()),
        gatherer_figures(SinkHealth(), keeper),
    ):
        text += exposition(figures, [stream]).decode()
    keeper.archive.close()
    store.close()
    return text


def test_every_figure_that_a_rule_asks_for_is_told_with_its_labels(told):
    samples = [line for line in told.splitlines() if not line.startswith("#")]
    asked = 0
    for rule in rules():
        for name, labels in re.findall(r"(groundswell_\w+)(?:\{([^}]*)\})?", rule["expr"]):
            asked += 1
            there = [line for line in samples if re.match(rf"{name}[ {{]", line)]
            assert there, f"{rule['alert']}: nothing tells {name}"
            for label, sign, values in re.findall(r'(\w+)(=~?)"([^"]*)"', labels):
                for value in values.split("|") if sign == "=~" else [values]:
                    assert any(f'{label}="{value}"' in line for line in there), f"{name}: no {label}={value}"
    assert asked > 20


def test_every_alert_is_tried_and_leads_to_a_section_of_the_manual():
    tried = (PROMETHEUS / "rules_test.yml").read_text()
    titles = re.findall(r"^#+ (.*)$", MANUAL.read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}
    for rule in rules():
        assert rule["alert"] in tried, rule["alert"]
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert {"summary", "description", "runbook"} == set(rule["annotations"])
        file, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert ROOT / file == MANUAL
        assert anchor in anchors, anchor


def test_the_scraped_ports_are_those_of_the_units():
    jobs = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["scrape_configs"]
    targets = {job["job_name"]: [t for s in job["static_configs"] for t in s["targets"]] for job in jobs}

    def watched(name: str) -> str:
        return str(accepted(started_by(SYSTEMD / name)[1:])["http"])

    assert targets["groundswell-gather"] == [watched("groundswell-gather@.service")]
    assert watched("groundswell-worker@.service") in targets["groundswell-worker"]
    assert targets["groundswell-store"] == [watched("groundswell-store.service")]
    assert targets["groundswell-serve"] == [defaults.HTTP]
    assert targets["groundswell-run"] == []


@pytest.mark.integration
@pytest.mark.parametrize(
    "words",
    [
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "rules.yml"),
        ("test", "rules", "rules_test.yml"),
    ],
)
def test_prometheus_understands_its_files(words):
    done = subprocess.run(["promtool", *words], cwd=PROMETHEUS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout


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
    def given(instance: str) -> list[Any]:
        name = "groundswell-worker@.service"
        arguments = [word.replace("11", instance) for word in started_by(SYSTEMD / name)[1:]]
        options = accepted(arguments)
        return [options["name"], options["http"]]

    assert given("11")[0] == "host-11"
    assert "%i" in unit(SYSTEMD / "groundswell-worker@.service")["Environment"][0]
    assert unit(SYSTEMD / "groundswell-gather@.service")["StateDirectory"] == ["groundswell/gather-%i"]


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


# --- the manual ---------------------------------------------------------------------------------------


def shell_lines() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", MANUAL.read_text(), re.DOTALL)
    return [line.split(" # ")[0].strip() for block in blocks for line in block.splitlines()]


def test_the_manual_names_commands_that_exist():
    commands = [line for line in shell_lines() if line.startswith("groundswell ")]
    assert len(commands) > 8
    for line in commands:
        assert accepted(shlex.split(line)[1:]), line


def test_the_manual_names_figures_that_are_told(told):
    for name in re.findall(r"`(groundswell_\w+)`", MANUAL.read_text()):
        assert re.search(rf"^{name}[ {{]", told, re.MULTILINE), name


@pytest.mark.integration
def test_a_dump_is_restored_with_the_offsets_of_the_writer(tmp_path):
    from storage.postgres import PostgresStore

    consumed = {"alerts": {0: 17}, "station-reports": {3: 4711, 11: 1}}
    with shared_postgres() as server:
        url = server.database()
        store = PostgresStore(url)
        store.commit((), None, now_us=1_700_000_000_000_000, consumed=consumed)
        dump = tmp_path / "groundswell.dump"
        run(("pg_dump", "--format=custom", f"--file={dump}", url))
        store.commit((), None, now_us=1_700_000_060_000_000, consumed={"alerts": {0: 99}})
        store.close()
        server.drop(url)
        server.sql(f"CREATE DATABASE {name_of(url)}")
        with pytest.raises(StorageError):
            PostgresStore(url)
        run(("pg_restore", f"--dbname={url}", "--exit-on-error", str(dump)))
        assert "as this program needs it" in groundswell("db", "status", "--database", url).stdout
        restored = PostgresStore(url)
        assert restored.consumed() == consumed
        restored.close()
        server.drop(url)


def run(words: tuple[str, ...]) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
