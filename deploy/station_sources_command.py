"""`groundswell stations sources`: where a station's stream is to be had, in order, and which one goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.api_client import (
    ByOption,
    ConfigOption,
    ServerOption,
    asked_of,
    client_of,
    every,
    print_table,
    send,
)

sources = typer.Typer(
    help="The sources of a station: what each is doing, which one goes on, and changing them.",
    no_args_is_help=True,
)
TOLD = ("stream", "B/s", "messages/s", "latency", "reconnects", "source", "last error")
StationArgument = Annotated[str, typer.Argument(metavar="ID", help="Of the station.")]
NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="Of the source; the station's own has the name main.")
]
PlaceOption = Annotated[
    int | None, typer.Option("--place", metavar="N", help="In the order, from 1; else at the end.")
]


@sources.command("list")
def list_(station: StationArgument, config: ConfigOption, server: ServerOption = None) -> None:
    """Print the sources of a station in their order, and what each is doing."""
    from deploy.settings_file import load

    with client_of(load(config), server) as client:
        rows = asked_of(client, "GET", f"/stations/{_id(station)}/sources")["items"]
    print_table(("name", TOLD[0], "goes on", *TOLD[1:]), [_row(one) for one in rows])


@sources.command()
def history(station: StationArgument, config: ConfigOption, server: ServerOption = None) -> None:
    """Print when which source took over and why, the newest first."""
    from deploy.settings_file import load

    with client_of(load(config), server) as client:
        rows = [
            (one["at"], one["before"], one["after"], one["why"], one["text"])
            for one in every(client, f"/stations/{_id(station)}/source-changes")
        ]
    print_table(("at", "before", "after", "why", "in words"), rows)


@sources.command()
def add(
    station: StationArgument,
    name: NameArgument,
    config: ConfigOption,
    source: Annotated[
        str, typer.Option("--source", metavar="URL", help="ntrip://, tcp://, push: or tcp-listen://.")
    ],
    standby: Annotated[
        str, typer.Option("--standby", metavar="hot|cold", help="cold: connected only when it is needed.")
    ] = "hot",
    place: PlaceOption = None,
    push_password: Annotated[
        str | None, typer.Option("--push-password", metavar="TEXT", help="For push:.")
    ] = None,
    allow: Annotated[
        list[str] | None, typer.Option("--allow", metavar="ADDRESS", help="For tcp-listen:; may be repeated.")
    ] = None,
    by: ByOption = None,
    server: ServerOption = None,
) -> None:
    """Add a source to a station, or put another in its place."""
    given = {
        "source": source, "standby": standby, "place": place, "push_password": push_password, "allow": allow
    }  # fmt: skip
    values = {key: value for key, value in given.items() if value is not None}
    _change(station, name, config, server, by, "PUT", values)


@sources.command()
def move(
    station: StationArgument,
    name: NameArgument,
    place: Annotated[int, typer.Argument(metavar="PLACE", help="In the order, from 1.")],
    config: ConfigOption,
    by: ByOption = None,
    server: ServerOption = None,
) -> None:
    """Give a source another place in the order."""
    _change(station, name, config, server, by, "PATCH", {"place": place})


@sources.command()
def pause(
    station: StationArgument,
    name: NameArgument,
    config: ConfigOption,
    by: ByOption = None,
    server: ServerOption = None,
) -> None:
    """Do not gather from a source until it is resumed; the station's others go on."""
    _change(station, name, config, server, by, "PATCH", {"paused": True})


@sources.command()
def resume(
    station: StationArgument,
    name: NameArgument,
    config: ConfigOption,
    by: ByOption = None,
    server: ServerOption = None,
) -> None:
    """Gather from a source again."""
    _change(station, name, config, server, by, "PATCH", {"paused": False})


@sources.command()
def delete(
    station: StationArgument,
    name: NameArgument,
    config: ConfigOption,
    by: ByOption = None,
    server: ServerOption = None,
) -> None:
    """Take a source away."""
    _change(station, name, config, server, by, "DELETE", None)


def _change(
    station: str,
    name: str,
    config: Path,
    server: str | None,
    by: str | None,
    method: str,
    body: dict[str, Any] | None,
) -> None:
    from deploy.refusal import Refusal
    from streams.station_sources import check_name

    try:
        check_name(name)
    except ValueError as error:
        raise Refusal(str(error)) from error
    send(config, server, by, method, f"/stations/{_id(station)}/sources/{name}", body)


def _id(station: str) -> str:
    """Return an id as a part of a path."""
    from deploy.settings import check_station_id

    check_station_id(station)
    return station


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    goes_on = (one["why"] or "yes") if one["chosen"] else "no"
    phase, *rest = told(one)
    return str(one["name"]), phase, goes_on, *rest


def told(stream: dict[str, Any]) -> list[str]:
    """Return what is shown of a stream (`TOLD`); nothing of one that is not known."""
    if not stream:
        return [""] * len(TOLD)
    latency_s = stream["latency_s"]
    return [
        str(stream["phase"]),
        f"{stream['bytes_per_s']:.0f}",
        f"{stream['messages_per_s']:.1f}",
        "" if latency_s is None else f"{latency_s:.2f} s",
        str(stream["reconnects"]),
        str(stream["source"]),
        str(stream["last_error"]),
    ]
