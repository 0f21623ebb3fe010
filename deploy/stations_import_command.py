"""`groundswell stations import`: stations of a list into a configuration file or a running program."""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

from deploy.api_client import client_of
from deploy.refusal import Refusal
from deploy.sourcetable_command import (
    BoxOption,
    CountryOption,
    FormatOption,
    MatchOption,
    NearOption,
    PasswordOption,
    RadiusOption,
    SystemOption,
    TimeoutOption,
    UserOption,
    caster_of,
    clean,
    fetched,
    print_table,
    selection,
    warnings,
)

if TYPE_CHECKING:
    from connectors.sourcetable import SourcetableConfig
    from deploy.station_changes import Step, Target
    from deploy.station_lists import Listing

MOST_BYTES = 64_000_000


def import_stations(
    where: Annotated[
        str, typer.Argument(metavar="FILE-OR-URL", help="A sourcetable, CSV or GeoJSON; or a caster's URL.")
    ],
    toml: Annotated[
        Path | None, typer.Option("--toml", metavar="FILE", help="Into this configuration file.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE.toml", help="Into the running program of this one."),
    ] = None,
    server: Annotated[
        str | None, typer.Option("--server", metavar="URL", help="Where the API is, if elsewhere.")
    ] = None,
    by: Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who makes the change.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and stop.")] = False,
    caster: Annotated[
        str | None,
        typer.Option("--caster", metavar="URL", help="Before the id of stations that have no source."),
    ] = None,
    promises: Annotated[
        bool, typer.Option("--promises", help="Hold streams against the messages of the sourcetable.")
    ] = False,
    gatherer: Annotated[
        str | None, typer.Option("--gatherer", metavar="NAME", help="Of all these stations.")
    ] = None,
    user: UserOption = None,
    password: PasswordOption = None,
    system: SystemOption = None,
    format_: FormatOption = None,
    country: CountryOption = None,
    bbox: BoxOption = None,
    near: NearOption = None,
    radius_km: RadiusOption = None,
    match: MatchOption = None,
    timeout_s: TimeoutOption = 30.0,
) -> None:
    """Take stations from a list, in the file or in the running program; done again, it changes nothing.

    A CSV file has a header with some of: id, source, name, latitude, longitude, height_m, antenna, receiver,
    messages, interval_s, stall_s, version, paused, gatherer, push_password, allow. A GeoJSON file has points
    with these properties.
    """
    from deploy.station_lists import from_streams, read_list

    if (toml is None) == (config is None):
        raise Refusal("say where the stations go: --toml FILE or --config FILE.toml")
    wanted = selection(system, format_, country, bbox, near, radius_km, match)
    scheme, sign, rest = where.partition("://")
    if sign and (scheme in {"ntrip", "ntrips"} or "/" not in rest.rstrip("/")):
        at = caster_of(where, user, password, timeout_s)
        table = fetched(at)
        found = from_streams(wanted.select(table.streams), caster or _with_credentials(at), promises=promises)
        found.notes += warnings(table)
    else:
        content = _downloaded(where, timeout_s) if sign else _read(Path(where))
        base = _with_credentials(caster_of(caster, user, password)) if caster else ""
        found = read_list(content, base, wanted, promises=promises)
    if gatherer:
        for one in found.stations:
            one.values["gatherer"] = gatherer
    with _target(toml, config, server, by) as target:
        is_whole = _apply(found, target, is_dry=dry_run)
    if not is_whole:
        raise typer.Exit(1)


@contextlib.contextmanager
def _target(toml: Path | None, config: Path | None, server: str | None, by: str | None) -> Iterator[Target]:
    from deploy.registry import Registry
    from deploy.settings_file import load
    from deploy.station_changes import ApiTarget, FileTarget
    from deploy.station_toml import StationFile

    if toml is not None:
        file = StationFile(toml)
        yield FileTarget(file)
        file.write()
        return
    assert config is not None
    settings = load(config)
    with client_of(settings, server) as client:
        yield ApiTarget.of(client, Registry.of(settings).base, by)


def _apply(found: Listing, target: Target, *, is_dry: bool) -> bool:
    """Take all stations and say what became of them; return whether none was left out."""
    steps: list[Step] = [target.step(one, is_dry=is_dry) for one in found.stations]
    counts = Counter(step.what for step in steps)
    rows = [(step.id, step.what, step.text) for step in steps if step.what in {"added", "changed"}]
    if rows:
        print_table(("station", "would be" if is_dry else "was", "values"), rows)
    refused = [f"station {step.id}: {step.text}" for step in steps if step.what == "refused"]
    for text in (*found.notes, *found.errors, *refused):
        print(f"groundswell: {clean(text)}", file=sys.stderr)
    would = "would be " if is_dry else ""
    print(
        f"{counts['added']} {would}added, {counts['changed']} {would}changed, {counts['same']} as they were, "
        f"{len(found.errors) + len(refused)} not taken"
    )
    return not (found.errors or refused)


def _with_credentials(at: SourcetableConfig) -> str:
    scheme, _, rest = at.source.partition("://")
    if not at.username:
        return f"{scheme}://{rest}"
    return f"{scheme}://{quote(at.username, safe='')}:{quote(at.password, safe='')}@{rest}"


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Refusal(f"cannot read {path} ({reason}); name a list of stations, or a URL") from error


def _downloaded(url: str, timeout_s: float) -> bytes:
    import httpx

    content = bytearray()
    try:
        with httpx.stream("GET", url, timeout=timeout_s, follow_redirects=True) as answer:
            answer.raise_for_status()
            for piece in answer.iter_bytes():
                content += piece
                if len(content) > MOST_BYTES:
                    break
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise Refusal(f"the list does not come ({error}); check its URL") from error
    return bytes(content)
