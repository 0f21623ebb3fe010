"""`groundswell sourcetable`: what another caster has, as a table or as JSON, in whole or in part."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated
from urllib.parse import unquote, urlsplit

import typer

from deploy.refusal import Refusal

if TYPE_CHECKING:
    from connectors.sourcetable import SourcetableConfig
    from gnss.ntrip import Sourcetable
    from gnss.ntrip.selection import Selection

WIDTH_IN_FILES = 240
_PORTS = {"ntrip": 2101, "ntrips": 2101, "http": 80, "https": 443}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

SystemOption = Annotated[
    str | None, typer.Option("--system", metavar="GPS+BDS", help="Streams with all of these systems.")
]
FormatOption = Annotated[
    str | None, typer.Option("--format", metavar="TEXT", help="Whose format begins so: RTCM3.")
]
CountryOption = Annotated[
    str | None, typer.Option("--country", metavar="CHN,MNG", help="In these countries (ISO 3166).")
]
BoxOption = Annotated[
    str | None, typer.Option("--bbox", metavar="W,S,E,N", help="In this box, degrees; W > E: over 180.")
]
NearOption = Annotated[
    str | None, typer.Option("--near", metavar="LAT,LON", help="The nearest first, with distances.")
]
RadiusOption = Annotated[
    float | None, typer.Option("--radius-km", metavar="KM", min=0.0, help="Around --near.")
]
MatchOption = Annotated[
    str | None,
    typer.Option("--match", metavar="TEXT", help="In mountpoint, identifier or network; or with * and ?."),
]
UserOption = Annotated[str | None, typer.Option("--user", metavar="NAME", help="At the caster.")]
PasswordOption = Annotated[
    str | None, typer.Option("--password", metavar="TEXT", help="Asked for where only --user is given.")
]
TimeoutOption = Annotated[
    float, typer.Option("--timeout", metavar="SECONDS", min=0.1, max=3600.0, help="For the whole table.")
]


class Part(StrEnum):
    """Of a sourcetable."""

    STREAMS = "streams"
    CASTERS = "casters"
    NETWORKS = "networks"
    ALL = "all"


def sourcetable(
    url: Annotated[str, typer.Argument(metavar="URL", help="ntrip://caster:2101, ntrips://, http://.")],
    user: UserOption = None,
    password: PasswordOption = None,
    system: SystemOption = None,
    format_: FormatOption = None,
    country: CountryOption = None,
    bbox: BoxOption = None,
    near: NearOption = None,
    radius_km: RadiusOption = None,
    match: MatchOption = None,
    show: Annotated[Part, typer.Option("--show", help="Which entries.")] = Part.STREAMS,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    timeout_s: TimeoutOption = 30.0,
) -> None:
    """List what another caster has: streams (STR), casters (CAS), networks (NET)."""
    wanted = selection(system, format_, country, bbox, near, radius_km, match)
    table = fetched(caster_of(url, user, password, timeout_s))
    if as_json:
        _print_json(table, wanted, show)
    else:
        _print_tables(table, wanted, show)
    for text in warnings(table):
        print(f"groundswell: {text}", file=sys.stderr)


def caster_of(
    url: str, user: str | None = None, password: str | None = None, timeout_s: float = 30.0
) -> SourcetableConfig:
    """Return where a URL points to.

    Raises
    ------
    Refusal
        It is no URL of a caster.
    """
    from connectors.sourcetable import SourcetableConfig
    from streams.station_sources import without_password

    try:
        parts = urlsplit(url if "://" in url else f"ntrip://{url}")
        port = parts.port or _PORTS.get(parts.scheme)
        if port is None or not parts.hostname:
            raise ValueError("it has no host, or another scheme")
        name = unquote(parts.username or "") if user is None else user
        secret = unquote(parts.password or "") if password is None else password
        if user is not None and password is None and sys.stdin.isatty():
            secret = typer.prompt("Password", hide_input=True)
        return SourcetableConfig(
            host=parts.hostname,
            port=port,
            username=name,
            password=secret,
            tls=parts.scheme in {"ntrips", "https"},
            timeout_s=timeout_s,
        )
    except ValueError as error:
        raise Refusal(
            f"{without_password(url)!r} is no URL of a caster ({error}); "
            "write for instance ntrip://caster.example:2101"
        ) from error


def fetched(config: SourcetableConfig) -> Sourcetable:
    """Return a caster's table.

    Raises
    ------
    Refusal
        There is none to be had.
    """
    from connectors.reconnect import StreamError
    from connectors.sourcetable import fetch

    try:
        return asyncio.run(fetch(config))
    except StreamError as error:
        raise Refusal(f"{config.source}: {error}") from error


def selection(
    system: str | None,
    format_: str | None,
    country: str | None,
    bbox: str | None,
    near: str | None,
    radius_km: float | None,
    match: str | None,
) -> Selection:
    """Return what options ask for.

    Raises
    ------
    Refusal
        One of them makes no sense.
    """
    from gnss.ntrip.selection import Selection, systems_of, unknown_systems

    if system and (unknown := unknown_systems(system)):
        raise Refusal(
            f"--system {unknown[0]!r} is no satellite system; write some of GPS+GLO+GAL+BDS+QZS+IRN+SBAS"
        )
    if radius_km is not None and near is None:
        raise Refusal("--radius-km needs a place; give --near LAT,LON")
    box = None if bbox is None else _numbers(bbox, "--bbox", "W,S,E,N", (360, 90, 360, 90))
    if box is not None and box[1] > box[3]:
        raise Refusal("--bbox: its south lies north of its north; write W,S,E,N")
    at = None if near is None else _numbers(near, "--near", "LAT,LON", (90, 360))
    return Selection(
        systems=systems_of(system or ""),
        format=format_ or "",
        countries=frozenset(word.upper() for word in re.split(r"[,;\s]+", country or "") if word),
        box=None if box is None else (_turned(box[0]), box[1], _turned(box[2]), box[3]),
        near=None if at is None else (at[0], _turned(at[1])),
        radius_km=float("inf") if radius_km is None else radius_km,
        pattern=match or "",
    )


def warnings(table: Sourcetable) -> list[str]:
    """Return what is not as it should be, in sentences."""
    found = []
    if not table.complete:
        found.append("the table has no end line: it may have been cut off")
    if table.odd_lines:
        found.append(f"{table.odd_lines} lines of the table are not understood and were left out")
    return found


def clean(text: str) -> str:
    """Return a stranger's text as it may go to a terminal."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def _numbers(text: str, option: str, form: str, limits: tuple[float, ...]) -> tuple[float, ...]:
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        found = ()
    fits = len(found) == len(limits) and all(
        abs(value) <= most for value, most in zip(found, limits, strict=False)
    )
    if not fits:  # nor is NaN
        raise Refusal(f"{option} {text!r} is not {form} in degrees; write numbers with commas between")
    return found


def _turned(longitude: float) -> float:
    return (longitude + 180) % 360 - 180 if abs(longitude) > 180 else longitude


def _print_json(table: Sourcetable, wanted: Selection, show: Part) -> None:
    from dataclasses import asdict

    told: dict[str, object] = {"complete": table.complete, "odd_lines": table.odd_lines}
    if show in {Part.STREAMS, Part.ALL}:
        streams = []
        for one in wanted.select(table.streams):
            distance_km = wanted.distance_km(one)
            more = {} if distance_km is None else {"distance_km": round(distance_km, 1)}
            streams.append(asdict(one) | more)
        told["streams"] = streams
    if show in {Part.CASTERS, Part.ALL}:
        told["casters"] = [asdict(one) for one in table.casters]
    if show in {Part.NETWORKS, Part.ALL}:
        told["networks"] = [asdict(one) for one in table.networks]
    print(json.dumps(told, indent=2))


def _print_tables(table: Sourcetable, wanted: Selection, show: Part) -> None:
    if show in {Part.STREAMS, Part.ALL}:
        streams = wanted.select(table.streams)
        head = [
            "mountpoint", "identifier", "format", "systems", "messages", "country", "lat", "lon", "network",
            "auth", "fee", "nmea", "bit/s",
        ]  # fmt: skip
        rows = [
            [
                one.mountpoint, one.identifier, one.format, one.nav_system, one.format_details, one.country,
                _degrees(one.latitude), _degrees(one.longitude), one.network, one.authentication,
                "yes" if one.fee else "", "yes" if one.nmea else "", _whole(one.bitrate),
            ]
            for one in streams
        ]  # fmt: skip
        if wanted.near is not None:
            head.insert(1, "km")
            for row, one in zip(rows, streams, strict=True):
                distance_km = wanted.distance_km(one)
                row.insert(1, "" if distance_km is None else f"{distance_km:.1f}")
        print_table(head, rows)
        print(f"{len(streams)} of {len(table.streams)} streams")
    if show in {Part.CASTERS, Part.ALL}:
        print_table(
            ["host", "port", "identifier", "operator", "country", "fallback"],
            [
                [c.host, _whole(c.port), c.identifier, c.operator, c.country, c.fallback_host]
                for c in table.casters
            ],
        )
    if show in {Part.NETWORKS, Part.ALL}:
        print_table(
            ["network", "operator", "auth", "fee", "web", "registration"],
            [
                (
                    n.identifier, n.operator, n.authentication, "yes" if n.fee else "", n.web_network,
                    n.web_registration,
                )
                for n in table.networks
            ],
        )  # fmt: skip


def print_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print strangers' texts in columns."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    shown = Table(*head, box=SIMPLE_HEAD)
    for row in rows:
        shown.add_row(*(escape(clean(text)) for text in row))
    Console(width=None if sys.stdout.isatty() else WIDTH_IN_FILES).print(shown)


def _degrees(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _whole(value: int | None) -> str:
    return "" if value is None else str(value)
