"""`groundswell accounts`: who gets streams from the casters, who gets some now, and who may do what."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from deploy.api_client import (
    ByOption,
    ConfigOption,
    ServerOption,
    client_of,
    every,
    print_table,
    send,
)
from deploy.refusal import Refusal
from deploy.sessions_command import print_sessions

accounts = typer.Typer(
    help="Accounts: who may have which streams of the casters, and do what at the API.", no_args_is_help=True
)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Of the account.")]
PasswordOption = Annotated[
    bool,
    typer.Option("--password-stdin", help="Read the password from there; else it is asked for."),
]
MountpointOption = Annotated[
    list[str] | None,
    typer.Option("--mountpoint", metavar="PATTERN", help="WUHN, HB*, NEAREST; may be given several times."),
]
AreaOption = Annotated[
    Path | None, typer.Option("--area", metavar="FILE.geojson", help="Polygons in which rovers may be.")
]
FromOption = Annotated[str | None, typer.Option("--valid-from", metavar="TIME", help="2026-12-01T00:00:00Z")]
UntilOption = Annotated[str | None, typer.Option("--valid-until", metavar="TIME", help="None: for ever.")]
SessionsOption = Annotated[int | None, typer.Option("--sessions", min=0, help="At once; 0: any number.")]
FullOption = Annotated[
    Literal["newest", "refuse"] | None,
    typer.Option("--when-full", help="Whose place it is: the newest session's, or refuse it."),
]
RateOption = Annotated[float | None, typer.Option("--rate", min=0, help="Bytes/s of a session; 0: any.")]
DayOption = Annotated[int | None, typer.Option("--day-bytes", min=0, help="In a day of UTC; 0: any.")]
RegionOption = Annotated[
    list[str] | None,
    typer.Option(
        "--region",
        metavar="NAME",
        help="Below, where it holds, too; may be given several times. `all`: in all, `none`: here alone.",
    ),
]
RoleOption = Annotated[
    list[str] | None,
    typer.Option(
        "--role",
        metavar="ROLE",
        help="At the API and the page: viewer, operator, duty_officer, administrator; may be given several "
        "times. `none`: for rovers alone.",
    ),
]
MonthOption = Annotated[int | None, typer.Option("--month-bytes", min=0, help="In a month of UTC; 0: any.")]


@accounts.command("list")
def list_(config: ConfigOption, server: ServerOption = None) -> None:
    """Print the accounts that commands made or changed."""
    from deploy.settings_file import load

    with client_of(load(config), server) as client:
        found = list(every(client, "/accounts"))
    rows = []
    for one in sorted(found, key=lambda one: str(one["id"])):
        if (after := one["after"]) is None:
            continue
        kept = dict(after)
        state = "open" if kept.pop("enabled", True) else "closed"
        names = " ".join(kept.pop("mountpoints", [])) or "all"
        roles = " ".join(kept.pop("roles", []))
        limits = ", ".join(f"{name}={_short(value)}" for name, value in kept.items())
        rows.append((one["id"], state, roles, names, limits, one["by"], one["at"]))
    print_table(("account", "state", "roles", "mountpoints", "limits", "by", "at"), rows)


@accounts.command()
def add(
    name: NameArgument,
    config: ConfigOption,
    password_stdin: PasswordOption = False,
    mountpoint: MountpointOption = None,
    area: AreaOption = None,
    valid_from: FromOption = None,
    valid_until: UntilOption = None,
    sessions: SessionsOption = None,
    when_full: FullOption = None,
    rate: RateOption = None,
    day_bytes: DayOption = None,
    month_bytes: MonthOption = None,
    region: RegionOption = None,
    role: RoleOption = None,
    by: ByOption = None,
    server: ServerOption = None,
) -> None:
    """Register an account, or put another in its place."""
    limits = _limits(
        mountpoint, area, valid_from, valid_until, sessions, when_full, rate, day_bytes, month_bytes
    )
    body = limits | _regions(region) | _roles(role)
    send(config, server, by, "PUT", f"/accounts/{name}", {"password": _password(password_stdin), **body})


@accounts.command("set")
def set_(
    name: NameArgument,
    config: ConfigOption,
    mountpoint: MountpointOption = None,
    area: AreaOption = None,
    valid_from: FromOption = None,
    valid_until: UntilOption = None,
    sessions: SessionsOption = None,
    when_full: FullOption = None,
    rate: RateOption = None,
    day_bytes: DayOption = None,
    month_bytes: MonthOption = None,
    region: RegionOption = None,
    role: RoleOption = None,
    by: ByOption = None,
    server: ServerOption = None,
) -> None:
    """Change what is given; all else stays."""
    limits = _limits(
        mountpoint, area, valid_from, valid_until, sessions, when_full, rate, day_bytes, month_bytes
    )
    body = limits | _regions(region) | _roles(role)
    if not body:
        raise Refusal("nothing is to be changed; give for instance --sessions 2")
    send(config, server, by, "PATCH", f"/accounts/{name}", body)


@accounts.command()
def password(
    name: NameArgument,
    config: ConfigOption,
    password_stdin: PasswordOption = False,
    by: ByOption = None,
    server: ServerOption = None,
) -> None:
    """Set a new password; who is there with the old one is cut."""
    send(config, server, by, "PATCH", f"/accounts/{name}", {"password": _password(password_stdin)})


@accounts.command()
def disable(
    name: NameArgument, config: ConfigOption, by: ByOption = None, server: ServerOption = None
) -> None:
    """Close an account: its rovers are cut in all casters."""
    send(config, server, by, "PATCH", f"/accounts/{name}", {"enabled": False})


@accounts.command()
def enable(
    name: NameArgument, config: ConfigOption, by: ByOption = None, server: ServerOption = None
) -> None:
    """Open an account again."""
    send(config, server, by, "PATCH", f"/accounts/{name}", {"enabled": True})


@accounts.command()
def delete(
    name: NameArgument, config: ConfigOption, by: ByOption = None, server: ServerOption = None
) -> None:
    """Take an account away."""
    send(config, server, by, "DELETE", f"/accounts/{name}", None)


@accounts.command()
def sessions(
    config: ConfigOption,
    mountpoint: Annotated[str, typer.Option("--mountpoint", help="Of this one only.")] = "",
    account: Annotated[str, typer.Option("--account", help="Of this one only.")] = "",
    server: ServerOption = None,
) -> None:
    """Print who gets streams now."""
    asked = {name: value for name, value in (("mountpoint", mountpoint), ("account", account)) if value}
    print_sessions(config, server, asked)


def _password(from_stdin: bool) -> str:
    if from_stdin:
        found = sys.stdin.readline().rstrip("\r\n")
    else:
        found = str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    if not found:
        raise Refusal("the password is empty; write one")
    return found


def _limits(
    mountpoints: list[str] | None,
    area: Path | None,
    valid_from: str | None,
    valid_until: str | None,
    sessions: int | None,
    when_full: str | None,
    rate: float | None,
    day_bytes: int | None,
    month_bytes: int | None,
) -> dict[str, Any]:
    values = {
        "mountpoints": mountpoints or None,
        "areas": None if area is None else _rings(area),
        "valid_from": valid_from,
        "valid_until": valid_until,
        "most_sessions": sessions,
        "when_full": when_full,
        "rate_bytes_s": rate,
        "day_bytes": day_bytes,
        "month_bytes": month_bytes,
    }
    return {name: value for name, value in values.items() if value is not None}


def _regions(names: list[str] | None) -> dict[str, Any]:
    if not names:
        return {}
    if len(names) == 1 and names[0] in {"all", "none"}:
        return {"regions": None if names[0] == "all" else []}
    return {"regions": names}


def _roles(names: list[str] | None) -> dict[str, Any]:
    if not names:
        return {}
    return {"roles": [] if names == ["none"] else names}


def _rings(file: Path) -> list[Any]:
    """Return the outer rings of all polygons of a GeoJSON file.

    Raises
    ------
    Refusal
        It cannot be read, has no polygon, or one with a hole.
    """
    try:
        found = _polygons(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise Refusal(
            f"{file} is no GeoJSON that can be read ({error}); name a file with polygons"
        ) from error
    if not found:
        raise Refusal(f"{file} has no polygon; draw one")
    if any(len(polygon) > 1 for polygon in found):
        raise Refusal(f"{file} has a polygon with a hole; divide it into polygons without")
    return [[corner[:2] for corner in polygon[0]] for polygon in found]


def _polygons(shape: dict[str, Any]) -> list[Any]:
    kind = shape["type"]
    if kind == "FeatureCollection":
        return [one for feature in shape["features"] for one in _polygons(feature)]
    if kind == "Feature":
        return _polygons(shape["geometry"])
    if kind == "MultiPolygon":
        return list(shape["coordinates"])
    return [shape["coordinates"]] if kind == "Polygon" else []


def _short(value: Any) -> str:
    return str(len(value) if isinstance(value, list) else value)
