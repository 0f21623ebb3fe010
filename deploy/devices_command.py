"""`groundswell devices`: commands to devices of sites, through the API."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from deploy.api_client import ByOption, ConfigOption, ServerOption, send
from deploy.refusal import Refusal

devices = typer.Typer(help="Devices of sites: tell them what to do.", no_args_is_help=True)


@devices.callback()
def _group() -> None:
    """Devices of sites: tell them what to do."""


@devices.command("send")
def send_(
    config: ConfigOption,
    site: Annotated[str, typer.Argument(metavar="SITE", help="Id of the thing that has the devices.")],
    command: Annotated[str, typer.Argument(metavar="COMMAND", help="As the devices know it.")],
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME=VALUE]...", help="Of the command.")
    ] = None,
    device: Annotated[str, typer.Option("--device", help="One of them; else all.")] = "",
    server: ServerOption = None,
    by: ByOption = None,
) -> None:
    """Publish a command; whether it is done only the device can tell."""
    given = dict(_argument(text) for text in arguments or [])
    body = {"command": command, "device": device, "arguments": given}
    send(config, server, by, "POST", f"/things/{site}/commands", body)


def _argument(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise Refusal(f"{text!r} is no argument; write NAME=VALUE")
    try:
        found = json.loads(value)
    except ValueError:
        return name, value
    return name, found if isinstance(found, str | int | float | bool) else value
