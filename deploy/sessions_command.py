"""`groundswell sessions`: who uses which station now and did before, and what is told and kept of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

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
from deploy.refusal import Refusal

sessions = typer.Typer(help="Rovers of the casters: who uses which station.", no_args_is_help=True)

BaseOption = Annotated[str, typer.Option("--station", metavar="ID", help="That get its epochs.")]
MountpointOption = Annotated[str, typer.Option("--mountpoint", help="That was asked for.")]
AccountOption = Annotated[str, typer.Option("--account", help="Of this one only.")]
RegionOption = Annotated[str | None, typer.Option("--region", help="Of its casters only.")]
CasterOption = Annotated[str, typer.Option("--caster", help="Of this one only.")]
BoxOption = Annotated[str, typer.Option("--bbox", metavar="W,S,E,N", help="Degrees: 113,29,116,31.")]
_QUALITIES = {0: "no fix", 1: "alone", 2: "differential", 4: "fixed", 5: "float"}
_PRIVACY = "/privacy/rovers"


@sessions.command("list")
def list_(
    config: ConfigOption,
    station: BaseOption = "",
    account: AccountOption = "",
    mountpoint: MountpointOption = "",
    region: RegionOption = None,
    caster: CasterOption = "",
    bbox: BoxOption = "",
    server: ServerOption = None,
) -> None:
    """Print who gets streams now."""
    print_sessions(config, server, _filter(station, account, mountpoint, region, caster, bbox))


@sessions.command()
def count(
    config: ConfigOption,
    station: BaseOption = "",
    account: AccountOption = "",
    mountpoint: MountpointOption = "",
    region: RegionOption = None,
    caster: CasterOption = "",
    bbox: BoxOption = "",
    server: ServerOption = None,
) -> None:
    """Print how many rovers each station, region and caster has now."""
    from deploy.settings_file import load

    asked = _filter(station, account, mountpoint, region, caster, bbox)
    with client_of(load(config), server) as client:
        found = asked_of(client, "GET", "/sessions/counts", params=asked)
    print(f"{found['rovers']} rovers, {found['with_position']} with a position")
    for head, name in (("station", "by_base"), ("region", "by_region"), ("caster", "by_caster")):
        rows = [
            (one["name"] or "-", str(one["rovers"]), str(one["fixed"]), str(one["floating"]))
            for one in found[name]
        ]
        print_table((head, "rovers", "fixed", "float"), rows)


@sessions.command()
def past(
    config: ConfigOption,
    station: Annotated[str, typer.Option("--station", metavar="ID", help="That had it for a while.")] = "",
    account: AccountOption = "",
    mountpoint: MountpointOption = "",
    start: Annotated[str, typer.Option("--from", metavar="TIME", help="2026-12-01T00:00:00Z")] = "",
    end: Annotated[str, typer.Option("--to", metavar="TIME")] = "",
    server: ServerOption = None,
) -> None:
    """Print the sessions that are kept, the newest first."""
    from deploy.settings_file import load

    asked = _given(base=station, account=account, mountpoint=mountpoint, start=start, end=end)
    with client_of(load(config), server) as client:
        rows = [
            (
                one["account"],
                one["mountpoint"],
                " ".join(leg["base"] or "-" for leg in one["bases"]),
                one["begin"],
                one["end"] or "",
                str(one["bytes_sent"]),
                f"{100 * one['fixed'] / one['positions']:.0f} %" if one["positions"] else "",
            )
            for one in every(client, "/sessions/past", **asked)
        ]
    print_table(("account", "mountpoint", "stations", "begin", "end", "bytes", "fixed"), rows)


@sessions.command()
def privacy(
    config: ConfigOption,
    decimals: Annotated[
        int | None, typer.Option("--decimals", min=0, max=6, help="Of positions: 1 is 11 km, 2 is 1.1 km.")
    ] = None,
    no_positions: Annotated[bool, typer.Option("--no-positions", help="Tell and keep none.")] = False,
    addresses: Annotated[
        Literal["full", "network", "none"] | None, typer.Option("--addresses", help="How much of them.")
    ] = None,
    days: Annotated[
        int | None, typer.Option("--days", min=0, max=3660, help="That sessions are kept; 0: nothing is.")
    ] = None,
    by: ByOption = None,
    server: ServerOption = None,
) -> None:
    """Print what is told and kept of rovers, or change it: at once, everywhere, and for what is kept too."""
    if decimals is not None and no_positions:
        raise Refusal("--decimals and --no-positions exclude each other; give one of them")
    body: dict[str, Any] = {"addresses": addresses, "days": days, "position_decimals": decimals}
    body = {name: value for name, value in body.items() if value is not None}
    if no_positions:
        body["position_decimals"] = None
    if body:
        send(config, server, by, "PATCH", _PRIVACY, body)
        return
    from deploy.settings_file import load

    with client_of(load(config), server) as client:
        held = asked_of(client, "GET", _PRIVACY)
    places = held["position_decimals"]
    print("positions: " + ("nobody is told them" if places is None else f"to {places} decimals of a degree"))
    print(f"addresses: {held['addresses']}")
    print("sessions: " + (f"kept for {held['days']} days" if held["days"] else "not kept"))


def print_sessions(config: Path, server: str | None, asked: dict[str, str]) -> None:
    """Print who gets streams now, as a query asks for."""
    from deploy.settings_file import load

    with client_of(load(config), server) as client:
        rows = [
            (
                one["account"],
                one["mountpoint"],
                one["base"],
                _QUALITIES.get(one["quality"], str(one["quality"] or "")),
                _place(one["longitude"], one["latitude"]),
                one["address"],
                one["since"],
                str(one["bytes_sent"]),
                one["caster"],
            )
            for one in every(client, "/sessions", **asked)
        ]
    heads = ("account", "mountpoint", "station", "fix", "place", "address", "since", "bytes", "caster")
    print_table(heads, rows)


def _place(longitude: float | None, latitude: float | None) -> str:
    return "" if longitude is None else f"{longitude:g} {latitude:g}"


def _filter(
    station: str, account: str, mountpoint: str, region: str | None, caster: str, bbox: str
) -> dict[str, str]:
    asked = _given(base=station, account=account, mountpoint=mountpoint, caster=caster, bbox=bbox)
    return asked if region is None else {**asked, "region": region}


def _given(**asked: str) -> dict[str, str]:
    return {name: value for name, value in asked.items() if value}
