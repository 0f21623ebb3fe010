"""The Helm chart, held against the command line and the configuration of the program."""

from __future__ import annotations

import json
import re
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import msgspec
import pytest
import yaml

from deploy.casting import checked_secret, gatherers
from deploy.settings import Settings, address
from sensors.payloads import configured
from tests.operations import ROOT, accepted

CHART = ROOT / "deploy" / "helm" / "groundswell"
TEMPLATES = sorted((CHART / "templates").glob("*.yaml"))
TEXTS = {path.name: path.read_text() for path in [*TEMPLATES, CHART / "templates" / "_helpers.tpl"]}
PROCESSES = ("gather", "worker", "store", "notify", "serve", "caster", "bridge", "archive")
SECRETS = {"DATABASE_URL", "WRITE_TOKEN", "RELAY_SECRET"}


def values() -> dict[str, Any]:
    return cast(dict[str, Any], yaml.safe_load((CHART / "values.yaml").read_text()))


def arguments(template: str) -> list[list[str]]:
    """Return what the containers of a template run, with a number for whatever stands there later."""
    lines = re.findall(r"^ +args: (\[.*\])$", TEXTS[template], re.MULTILINE)
    return [json.loads(re.sub(r'"?\{\{.*?\}\}"?', '"1"', line)) for line in lines]


def defined(name: str) -> str:
    """Return a named template whose values are examples, and whose conditions all hold."""
    text = TEXTS["_helpers.tpl"].split(f'{{{{- define "{name}" -}}}}\n')[1]
    text = re.split(r"\{\{/\*|\{\{- define", text)[0]
    text = re.sub(r"\{\{-? *(range|if|end|with)[^}]*\}\}", "", text)
    lines = r"things|stations|brokers|(root\.)?Values\.(things|regions|kafka\.security)"
    text = re.sub(rf"\{{\{{ *\.({lines})[^}}]*\}}\}}", "", text)
    text = re.sub(r"\{\{ *\.gatherer\.[^}]*\}\}", "", text)
    text = re.sub(r'"\{\{[^\n]*\}\}:2110"|"\{\{[^\n]*\}\}-gather-\{\{[^\n]*\}\}:2110"', '"host:2110"', text)
    text = re.sub(r'"http://\{\{[^\n]*\}\}-archive', '"http://archive', text)
    text = re.sub(r"\{\{[^}]*(spoolGb|archive\.days|archiveDays)[^}]*\}\}", "4", text)
    return re.sub(r"\{\{[^}]*\}\}", '"example"', text)


def test_the_version_is_that_of_the_program():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == chart["version"] == version("groundswell")


def test_templates_and_values_name_the_same_keys():
    def leaves(table: dict[str, Any], path: str = "") -> set[str]:
        found = set()
        for key, value in table.items():
            inner = leaves(value, f"{path}{key}.") if isinstance(value, dict) and value else {path + key}
            found |= inner
        return found

    known = leaves(values())
    used = {
        name.rstrip(".")
        for text in [*TEXTS.values(), (CHART / "templates" / "NOTES.txt").read_text()]
        for name in re.findall(r"\.Values\.([\w.]+)", text)
    }
    for name in used:
        of_table = any(one.startswith(f"{name}.") for one in known)
        assert name in known or of_table or name.rpartition(".")[0] == "secrets.values", name
    for name in known:
        assert any(name == one or name.startswith(f"{one}.") for one in used), f"nothing uses {name}"


@pytest.mark.parametrize("process", PROCESSES)
def test_a_process_is_started_watched_and_confined(process):
    text = TEXTS[f"{process}.yaml"]
    ((command, *options),) = arguments(f"{process}.yaml")
    assert command == process
    parsed = accepted([command, *options])
    host, port = address(parsed["http"], "--http")
    assert host == "0.0.0.0"
    assert f"{{name: watch, containerPort: {port}}}" in text
    assert f'prometheus.io/port: "{port}"' in text
    for part in ("probes", "container", "pod"):
        assert f'include "groundswell.{part}"' in text
    assert ('include "groundswell.readiness"' in text) == (process != "serve")
    assert "resources: {{ toYaml" in text
    assert f"mountPath: {Path(parsed['config'])}, subPath" in text
    assert "checksum/config" in text
    mounted = set(re.findall(r"\{name: ([\w-]+), mountPath", text))
    volumes = set(
        re.findall(r"- (?:\{)?name: ([\w-]+)(?:, emptyDir|\n +(?:configMap|secret|emptyDir))", text)
    )
    claims = {"data"} if "volumeClaimTemplates" in text else set()
    assert mounted == volumes | claims


def test_there_is_one_writer_and_one_of_each_gatherer():
    for process in ("store", "bridge"):
        assert re.search(r"replicas: 1\n  strategy: \{type: Recreate\}", TEXTS[f"{process}.yaml"])
    for process in ("gather", "archive"):
        assert re.search(r"kind: StatefulSet.*replicas: 1\n", TEXTS[f"{process}.yaml"], re.DOTALL)
    for process in ("worker", "serve", "caster"):
        assert "kind: PodDisruptionBudget" in TEXTS[f"{process}.yaml"]
    most = values()["worker"]["autoscaling"]["maxReplicas"]
    assert most == 12  # partitions


def test_the_job_makes_topics_and_tables():
    topics, tables = arguments("setup.yaml")
    assert str(accepted(topics)["config"]) == "/etc/groundswell/groundswell.toml"
    assert accepted(topics)["replication"] == 1  # the number that stands for what comes later
    assert accepted(tables)["database"] == "$(DATABASE_URL)"
    assert topics[:2] + tables[:2] == ["topics", "apply", "db", "migrate"]


@pytest.mark.parametrize("name", ["groundswell.shared", "groundswell.gatherer"])
def test_the_configuration_is_one_that_the_program_takes(name):
    raw = tomllib.loads(defined(name))
    named = set(re.findall(r'"env:(\w+)"', defined(name)))
    assert named <= SECRETS | {"SESSION_KEY"}  # the last one where `serve.sessionKey` asks for it
    settings = msgspec.convert(raw, Settings, dec_hook=configured)
    address(settings.server.ntrip, "ntrip")
    if settings.archive.url:
        port = urlsplit(settings.archive.checked_url()).port
        assert f"{{name: watch, containerPort: {port}}}" in TEXTS["archive.yaml"]
        assert f"port: {port}, targetPort: watch" in TEXTS["archive.yaml"]
    if settings.relay.listen:
        relay = f"containerPort: {address(settings.relay.listen, 'listen')[1]}"
        assert f"{{name: relay, {relay}}}" in TEXTS["gather.yaml"]
        assert settings.relay.certificate
        assert settings.relay.key
    else:
        assert f"containerPort: {address(settings.server.ntrip, 'ntrip')[1]}" in TEXTS["caster.yaml"]
        assert settings.relay.ca_file
        plain = msgspec.structs.replace(settings.relay, ca_file="", secret="0123456789abcdef")
        assert checked_secret(plain)
        assert gatherers(plain)["host:2110"].source == "relay://host:2110"


def test_all_that_speaks_to_kafka_has_the_files_of_its_certificates():
    for name, text in TEXTS.items():
        if "groundswell.toml, subPath" in text and name != "_helpers.tpl":
            assert text.count('include "groundswell.kafkaMount"') == 1, name
            assert text.count('include "groundswell.kafkaVolume"') == 1, name
    where = re.search(r"name: kafka, mountPath: ([\w/]+),", TEXTS["_helpers.tpl"])
    assert where
    assert where[1] in (CHART / "values.yaml").read_text()


def test_a_bridge_runs_where_it_is_asked_for():
    assert values()["bridge"]["enabled"] is False
    text = TEXTS["bridge.yaml"]
    assert text.startswith("{{- if .Values.bridge.enabled }}\n")
    assert text.endswith("{{- end }}\n")


def test_the_secret_has_what_the_configuration_names():
    text = TEXTS["config.yaml"]
    for name in SECRETS:
        assert f"  {name}: {{{{ required" in text
