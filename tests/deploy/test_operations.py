"""Alerts and the manual, held against the program: its figures, its commands, its database."""

from __future__ import annotations

import asyncio
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from deploy import defaults
from storage.store import StorageError
from tests.figures import every_process
from tests.operations import PROMETHEUS, ROOT, SYSTEMD, accepted, started_by
from tests.postgres import name_of
from tests.program import groundswell

MANUAL = ROOT / "docs" / "operations.md"


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((PROMETHEUS / "rules.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


# --- Prometheus ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return what all kinds of processes tell at /metrics."""
    return asyncio.run(_told(tmp_path_factory.mktemp("told")))


async def _told(folder: Path) -> str:
    async with every_process(folder) as (page, texts), httpx.AsyncClient() as client:
        text = (await client.get(f"{page}/metrics")).text
    return text + b"".join(texts.values()).decode()


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
    assert targets["groundswell-notify"] == [watched("groundswell-notify.service")]
    assert targets["groundswell-serve"] == [defaults.HTTP]
    assert targets["groundswell-run"] == []
    assert targets["groundswell-bridge"] == []
    assert targets["groundswell-archive"] == []
    assert watched("groundswell-archive.service") == "127.0.0.1:9109"
    assert watched("groundswell-bridge.service") == "127.0.0.1:9104"


@pytest.mark.integration
@pytest.mark.parametrize(
    "words",
    [
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "rules.yml"),
        ("check", "rules", "records.yml"),
        ("test", "rules", "rules_test.yml"),
    ],
)
def test_prometheus_understands_its_files(words):
    done = subprocess.run(["promtool", *words], cwd=PROMETHEUS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout


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
def test_a_dump_is_restored_with_the_offsets_of_the_writer(tmp_path, postgres_server):
    from storage.postgres import PostgresStore

    consumed = {"alerts": {0: 17}, "station-reports": {3: 4711, 11: 1}}
    url = postgres_server.database()
    store = PostgresStore(url)
    store.commit((), None, now_us=1_700_000_000_000_000, consumed=consumed)
    dump = tmp_path / "groundswell.dump"
    run(("pg_dump", "--format=custom", f"--file={dump}", url))
    store.commit((), None, now_us=1_700_000_060_000_000, consumed={"alerts": {0: 99}})
    store.close()
    postgres_server.drop(url)
    postgres_server.sql(f"CREATE DATABASE {name_of(url)}")
    with pytest.raises(StorageError):
        PostgresStore(url)
    run(("pg_restore", f"--dbname={url}", "--exit-on-error", str(dump)))
    assert "as this program needs it" in groundswell("db", "status", "--database", url).stdout
    restored = PostgresStore(url)
    assert restored.consumed() == consumed
    restored.close()
    postgres_server.drop(url)


def run(words: tuple[str, ...]) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
