"""`groundswell stations`: what is kept of them, what runs, and changing it, one by one or from a list."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.api_client import (
    ByOption,
    ConfigOption,
    NotDoneError,
    ServerOption,
    asked_of,
    changed,
    client_of,
    every,
)
from deploy.refusal import Refusal
from deploy.sourcetable_command import print_table
from deploy.station_sources_command import TOLD, sources, told
from deploy.stations_import_command import import_stations

stations = typer.Typer(invoke_without_command=True)
stations.command("import")(import_stations)
stations.add_typer(sources, name="sources")
IdsArgument = Annotated[list[str], typer.Argument(metavar="ID...", help="One or several.")]


@stations.callback()
def kept(
    context: typer.Context,
    data: Annotated[Path | None, typer.Option("--data", metavar="DIR", help="Where data are kept.")] = None,
) -> None:
    """List the stations that are kept, with their latest verdict; the commands are for a running program."""
    if context.invoked_subcommand is None:
        from deploy.inspect import print_stations

        print_stations(data)


@stations.command("list")
def list_(config: ConfigOption, server: ServerOption = None) -> None:
    """List the stations of a running program: verdict, and what the source that goes on is doing."""
    from deploy.settings_file import load

    with client_of(load(config), server) as client:
        rows = list(every(client, "/stations"))
        streams: dict[str, Any] = {}
        with contextlib.suppress(Refusal):  # not every process has streams
            for one in asked_of(client, "GET", "/streams")["items"]:
                if one["chosen"] or one["station"] not in streams:
                    streams[one["station"]] = one
    table = []
    for row in rows:
        stream = streams.get(row["id"], {})
        state = "paused" if row["paused"] else str(row["state"])
        score = "" if row.get("score") is None else str(row["score"])
        table.append([str(row["id"]), str(row["name"]), state, score, *told(stream)])
    print_table(("station", "name", "state", "score", *TOLD), table)


@stations.command()
def add(
    identity: Annotated[str, typer.Argument(metavar="ID", help="Its mountpoint at our caster.")],
    config: ConfigOption,
    source: Annotated[
        str, typer.Option("--source", metavar="URL", help="ntrip://, tcp://, push: or tcp-listen://.")
    ],
    name: Annotated[str | None, typer.Option("--name", metavar="TEXT")] = None,
    latitude: Annotated[float | None, typer.Option("--latitude", metavar="DEG")] = None,
    longitude: Annotated[float | None, typer.Option("--longitude", metavar="DEG")] = None,
    height_m: Annotated[float | None, typer.Option("--height-m", metavar="M", help="Ellipsoidal.")] = None,
    push_password: Annotated[
        str | None, typer.Option("--push-password", metavar="TEXT", help="For push:.")
    ] = None,
    allow: Annotated[
        list[str] | None, typer.Option("--allow", metavar="ADDRESS", help="For tcp-listen:; may be repeated.")
    ] = None,
    gatherer: Annotated[
        str | None, typer.Option("--gatherer", metavar="NAME", help="Where several gather.")
    ] = None,
    by: ByOption = None,
    server: ServerOption = None,
) -> None:
    """Add a station to a running program (`changes set` has all its values)."""
    from deploy.settings_file import load

    given = {
        "source": source, "name": name, "latitude": latitude, "longitude": longitude, "height_m": height_m,
        "push_password": push_password, "allow": allow, "gatherer": gatherer,
    }  # fmt: skip
    values = {key: value for key, value in given.items() if value is not None}
    with client_of(load(config), server) as client:
        try:
            asked_of(client, "GET", f"/stations/{_part(identity)}")
        except Refusal:  # there is none, or the next question says what is wrong
            print(changed(client, by, "PUT", f"/stations/{_part(identity)}", values))
        else:
            raise Refusal(f"there is a station {identity} already; change it by `groundswell changes set`")


@stations.command()
def pause(ids: IdsArgument, config: ConfigOption, by: ByOption = None, server: ServerOption = None) -> None:
    """Neither gather nor judge nor miss stations, until they are resumed."""
    _each(ids, config, by, server, "PATCH", {"paused": True})


@stations.command()
def resume(ids: IdsArgument, config: ConfigOption, by: ByOption = None, server: ServerOption = None) -> None:
    """Gather stations again."""
    _each(ids, config, by, server, "PATCH", {"paused": False})


@stations.command()
def delete(ids: IdsArgument, config: ConfigOption, by: ByOption = None, server: ServerOption = None) -> None:
    """Take stations out of use; what is stored of them stays."""
    _each(ids, config, by, server, "DELETE", None)


def _each(
    ids: Sequence[str],
    config: Path,
    by: str | None,
    server: str | None,
    method: str,
    body: dict[str, Any] | None,
) -> None:
    from deploy.settings_file import load

    is_refused = False
    with client_of(load(config), server) as client:
        for identity in ids:
            try:
                print(changed(client, by, method, f"/stations/{_part(identity)}", body))
            except NotDoneError as error:
                is_refused = True
                print(f"groundswell: {error}", file=sys.stderr)
    if is_refused:
        raise typer.Exit(1)


def _part(identity: str) -> str:
    """Return an id as a part of a path."""
    from deploy.settings import check_station_id

    check_station_id(identity)
    return identity
