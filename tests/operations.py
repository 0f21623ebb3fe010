"""Readers of what operators are given, and the command line that it must agree with."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import typer

from deploy.cli import app

ROOT = Path(__file__).resolve().parents[1]
GRAFANA = ROOT / "dashboards" / "grafana"
PROMETHEUS = GRAFANA / "prometheus"
SYSTEMD, COMPOSE = (ROOT / "deploy" / name for name in ("systemd", "compose"))


def accepted(arguments: list[str]) -> Any:
    """Parse arguments as the command line does, without running anything; return the parsed options."""
    command: Any = typer.main.get_command(app)
    context = command.make_context("groundswell", list(arguments))
    while hasattr(command, "commands"):
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name, rest, parent=context)
    return context.params


def unit(path: Path) -> dict[str, list[str]]:
    """Return the values of each key, in their order."""
    found: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        if line and line[0] not in "#[;":
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def started_by(path: Path, instance: str = "11") -> list[str]:
    """Return what an instance of a unit runs."""
    values = unit(path)
    (line,) = values["ExecStart"]
    for name, value in (pair.split("=", 1) for pair in values.get("Environment", [])):
        line = line.replace(f"${{{name}}}", value)
    line = line.replace("%i", instance).replace("%H", "host").replace("%S", "/var/lib")
    assert not re.search(r"[%$]", line), line
    return shlex.split(line)
