"""`groundswell changes`: what commands changed over the configuration, and changing it, through the API."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from deploy.api_client import ByOption, ConfigOption, ServerOption, client_of, every, print_table, send
from deploy.refusal import Refusal

changes = typer.Typer(
    help="Stations, sensors, rules, silences, accounts: what was changed.", no_args_is_help=True
)

ObjectArgument = Annotated[
    str, typer.Argument(metavar="KIND/ID", help="station/WUHN, rule/gauge.level/sea_level, silence/... .")
]
_KINDS = {
    "station", "thing", "datastream", "rule", "silence", "account", "privacy",
    "person", "roster", "group", "plan", "network", "sighting", "token", "property", "sensor",
}  # fmt: skip


@changes.command("list")
def list_(config: ConfigOption, server: ServerOption = None) -> None:
    """Print what holds by command, beside what the configuration says."""
    from deploy.registry import Registry
    from deploy.settings_file import load
    from streams.definitions import shown, values_of

    settings = load(config)
    base = Registry.of(settings).base
    configured = {f"{kind}/{name}": shown(kind, values_of(made)) for (kind, name), made in base.items()}
    newest: dict[str, dict[str, Any]] = {}
    with client_of(settings, server) as client:
        for one in every(client, "/changes"):
            newest.setdefault(f"{one['kind']}/{one['id']}", one)
    rows = []
    for target, one in sorted(newest.items()):
        before, after = configured.get(target), one["after"]
        if one["verb"] != "revert" and (after or before):
            rows.append((target, _text(before, after), _text(after, before), one["by"], one["at"]))
    print_table(("object", "configured", "by command", "by", "at"), rows)


@changes.command()
def history(
    config: ConfigOption,
    target: Annotated[str | None, typer.Argument(metavar="[KIND/ID]", help="Of one object only.")] = None,
    server: ServerOption = None,
) -> None:
    """Print every change with who made it and when, the newest first."""
    from deploy.settings_file import load

    asked = {}
    if target is not None:
        kind, identity = _parts(target)
        asked = {"kind": kind, "id": identity}
    with client_of(load(config), server) as client:
        rows = [
            (
                str(one["version"]), f"{one['kind']}/{one['id']}", one["verb"], one["by"], one["at"],
                _text(one["before"], one["after"]), _text(one["after"], one["before"]),
            )
            for one in every(client, "/changes", **asked)
        ]  # fmt: skip
    print_table(("version", "object", "what", "by", "at", "before", "after"), rows)


@changes.command("set")
def set_(
    target: ObjectArgument,
    values: Annotated[
        list[str], typer.Argument(metavar="NAME=VALUE...", help="As JSON, or as plain text: paused=true")
    ],
    config: ConfigOption,
    by: ByOption = None,
    server: ServerOption = None,
    add: Annotated[bool, typer.Option("--add", help="Add it; all that it has is given.")] = False,
) -> None:
    """Change values of an object, or add one."""
    send(config, server, by, "PUT" if add else "PATCH", _path(target), dict(map(_value, values)))


@changes.command()
def delete(
    target: ObjectArgument, config: ConfigOption, by: ByOption = None, server: ServerOption = None
) -> None:
    """Take an object out of use; what is stored of it stays."""
    send(config, server, by, "DELETE", _path(target), None)


@changes.command()
def revert(
    target: ObjectArgument, config: ConfigOption, by: ByOption = None, server: ServerOption = None
) -> None:
    """Let what the configuration says hold again."""
    kind, identity = _parts(target)
    send(config, server, by, "POST", f"/changes/{kind}/{identity}/revert", None)


def _parts(target: str) -> tuple[str, str]:
    kind, _, identity = target.partition("/")
    if kind not in _KINDS or not identity:
        raise Refusal(f"{target!r} is not KIND/ID; the kinds are {', '.join(sorted(_KINDS))}")
    return kind, identity


def _path(target: str) -> str:
    kind, identity = _parts(target)
    return f"/{kind}/{identity}" if kind == "privacy" else f"/{kind}s/{identity}"


def _value(text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    if not sign:
        raise Refusal(f"{text!r} is not NAME=VALUE; write for instance paused=true")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _text(values: dict[str, Any] | None, other: dict[str, Any] | None) -> str:
    """Return what one of two definitions says that the other does not."""
    if values is None:
        return "(none)"
    differing = {n: v for n, v in values.items() if other is None or other.get(n) != v}
    return ", ".join(f"{n}={json.dumps(v, ensure_ascii=False)}" for n, v in differing.items()) or "the same"
