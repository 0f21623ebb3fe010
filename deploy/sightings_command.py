"""`groundswell sightings`: what people saw at sites, as evidence beside the sensors', through the API."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Annotated

import typer

from deploy.api_client import ByOption, ConfigOption, ServerOption, client_of, every, print_table, send

sightings = typer.Typer(help="What people saw at sites, or confirm of them.", no_args_is_help=True)

_HOUR_US = 3_600_000_000


@sightings.command("list")
def list_(config: ConfigOption, server: ServerOption = None) -> None:
    """Print what was reported, and until when it counts."""
    from deploy.settings_file import load

    with client_of(load(config), server) as client:
        rows = [
            (
                str(one["id"]),
                str(one["after"]["site"]),
                str(one["after"]["level"]),
                _text(int(one["after"]["end_us"])),
                str(one["by"]),
                str(one["after"]["text"]),
            )
            for one in every(client, "/sightings")
            if one["after"] is not None
        ]
    print_table(("id", "site", "level", "until", "by", "text"), rows)


@sightings.command()
def add(
    site: Annotated[str, typer.Argument(metavar="SITE", help="A thing that puts its evidence together.")],
    level: Annotated[str, typer.Option("--level", metavar="LEVEL", help="blue, yellow, orange or red.")],
    text: Annotated[str, typer.Option("--text", metavar="TEXT", help="What was seen.")],
    config: ConfigOption,
    hours: Annotated[
        float, typer.Option("--hours", min=0.1, max=720.0, help="For so long it counts.")
    ] = 12.0,
    by: ByOption = None,
    server: ServerOption = None,
) -> None:
    """Report what a person saw, or confirms: red holds by it alone."""
    from deploy.clock import wall_clock_us

    end_us = wall_clock_us() + round(hours * _HOUR_US)
    body = {"site": site, "level": level, "text": text, "end_us": end_us}
    send(config, server, by, "PUT", f"/sightings/{uuid.uuid4().hex[:12]}", body)


@sightings.command()
def end(
    sighting: Annotated[str, typer.Argument(metavar="ID", help="As `list` has it.")],
    config: ConfigOption,
    by: ByOption = None,
    server: ServerOption = None,
) -> None:
    """Take a report back: it counts no longer."""
    send(config, server, by, "DELETE", f"/sightings/{sighting}", None)


def _text(time_us: int) -> str:
    return datetime.fromtimestamp(time_us * 1e-6, UTC).isoformat(timespec="minutes")
