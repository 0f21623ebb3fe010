"""`groundswell roster`: who is called about alerts: persons, rosters, groups and plans, through the API."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.api_client import (
    ByOption,
    ConfigOption,
    ServerOption,
    asked_of,
    changed,
    client_of,
    every,
    print_table,
)
from deploy.refusal import Refusal
from deploy.times import time_us

roster = typer.Typer(help="Who is called about alerts, and when.", no_args_is_help=True)

RosterArgument = Annotated[str, typer.Argument(metavar="ROSTER", help="Its id.")]
_PATHS = {"person": "/persons", "group": "/groups", "roster": "/rosters", "plan": "/plans"}
"""In the order in which they need each other."""


@roster.command("list")
def list_(config: ConfigOption, server: ServerOption = None) -> None:
    """Print all persons, groups, rosters and plans; addresses too, with the write token."""
    from deploy.settings_file import load

    with client_of(load(config), server) as client:
        rows = [
            (kind, str(one["id"]), _brief(kind, one["after"]), str(one["by"]), str(one["at"]))
            for kind, path in _PATHS.items()
            for one in every(client, path)
            if one["after"] is not None
        ]
    print_table(("kind", "id", "what", "by", "at"), rows)


@roster.command()
def duty(
    name: RosterArgument,
    config: ConfigOption,
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help="2026-12-01T08:00:00+08:00; without it now.")
    ] = None,
    server: ServerOption = None,
) -> None:
    """Print who is on duty, in the order in which they are called."""
    from deploy.settings_file import load

    with client_of(load(config), server) as client:
        found = asked_of(client, "GET", f"/rosters/{name}/duty", params={"at": at} if at else {})
    print("\n".join(found["persons"]) or "nobody")


@roster.command()
def load(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.toml", help="[person.ID], [group.ID], [roster.ID], [plan.ID].")
    ],
    config: ConfigOption,
    by: ByOption = None,
    server: ServerOption = None,
) -> None:
    """Put all that a file says of persons, groups, rosters and plans; what it does not name stays."""
    from deploy.settings_file import load as settings_of

    made = _read(file)
    with client_of(settings_of(config), server) as client:
        for kind, path in _PATHS.items():
            for identity, values in made.get(kind, {}).items():
                print(changed(client, by, "PUT", f"{path}/{identity}", values))


@roster.command()
def substitute(
    name: RosterArgument,
    person: Annotated[str, typer.Argument(metavar="PERSON", help="Who is away.")],
    instead: Annotated[str, typer.Argument(metavar="INSTEAD", help="Who has the duties meanwhile.")],
    begin: Annotated[str, typer.Option("--from", metavar="TIME", help="2026-12-01T08:00:00+08:00")],
    end: Annotated[str, typer.Option("--until", metavar="TIME", help="Not in it.")],
    config: ConfigOption,
    by: ByOption = None,
    server: ServerOption = None,
) -> None:
    """Let somebody take the duties of another for a while."""
    from deploy.settings_file import load as settings_of

    times = {"begin_us": time_us("--from", begin), "end_us": time_us("--until", end)}
    one = {"person": person, "instead": instead, **times}
    with client_of(settings_of(config), server) as client:
        after = asked_of(client, "GET", f"/rosters/{name}")["after"] or {}
        known = [*after.get("substitutions", []), one]
        print(changed(client, by, "PATCH", f"/rosters/{name}", {"substitutions": known}))


def _read(file: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """Return what a file says, by kind and id.

    Raises
    ------
    Refusal
        It cannot be read, or says something else.
    """
    import tomllib

    try:
        made = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Refusal(f"{file} cannot be read ({error}); name a TOML file") from error
    unknown = sorted(made.keys() - _PATHS.keys())
    parts = [part.values() if isinstance(part, dict) else [None] for part in made.values()]
    if unknown or not all(isinstance(one, dict) for part in parts for one in part):
        what = f"has {unknown[0]!r}" if unknown else "is not made of tables"
        raise Refusal(f"{file} {what}; write [person.ID], [group.ID], [roster.ID] and [plan.ID]")
    return made


def _brief(kind: str, made: dict[str, Any]) -> str:
    if kind == "person":
        return " ".join(f"{one['channel']}:{one['to']}" for one in made.get("contacts", []))
    if kind == "group":
        return f"{made.get('site') or 'no site'}: {' '.join(made.get('members', []))}"
    if kind == "roster":
        persons = dict.fromkeys(one["person"] for one in made.get("shifts", []))
        return f"{made.get('time_zone', '')}: {' '.join(persons)}"
    named = [f"{name}={made[name]}" for name in ("site", "datastream", "property", "rule") if made.get(name)]
    return f"{' '.join(named) or 'everything'}: {' '.join(made.get('levels', {}))}"
