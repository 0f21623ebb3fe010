"""The command line. Each command is thin: it reads its options and hands over."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from enum import StrEnum
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Annotated

import typer

from deploy import kernel_cache
from deploy.accounts_command import accounts
from deploy.calls_command import calls
from deploy.changes_command import changes
from deploy.db_command import db
from deploy.deadletter_command import deadletter
from deploy.devices_command import devices
from deploy.language import Language
from deploy.refusal import Refusal
from deploy.report_command import report
from deploy.roster_command import roster
from deploy.sessions_command import sessions
from deploy.sightings_command import sightings
from deploy.sourcetable_command import sourcetable
from deploy.stations_command import stations
from deploy.stopping import leave_on_signals
from deploy.tokens_command import tokens
from deploy.topics_command import topics
from deploy.webhooks_command import webhooks

app = typer.Typer(
    name="groundswell",
    help="A streaming real-time backend for GNSS reference stations and Earth sensors.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

HttpOption = Annotated[str | None, typer.Option("--http", metavar="HOST:PORT", help="Page and API.")]
NtripOption = Annotated[str | None, typer.Option("--ntrip", metavar="HOST:PORT", help="The caster.")]
ConfigOption = Annotated[
    Path, typer.Option("--config", metavar="FILE.toml", help="What to gather, judge, keep and serve.")
]
WatchOption = Annotated[
    str | None, typer.Option("--http", metavar="HOST:PORT", help="Serve /metrics and /readyz there.")
]
DataOption = Annotated[Path | None, typer.Option("--data", metavar="DIR", help="Where data are kept.")]
ForOption = Annotated[
    float | None, typer.Option("--for", metavar="SECONDS", min=0.0, help="Stop cleanly after so long.")
]
DateOption = Annotated[
    str | None,
    typer.Option(
        "--date", metavar="YYYY-MM-DD", help="Roughly when the capture was made (RTCM has no week)."
    ),
]
app.add_typer(topics, name="topics")
app.add_typer(deadletter, name="deadletter")
app.add_typer(db, name="db")
app.add_typer(changes, name="changes")
app.add_typer(accounts, name="accounts")
app.add_typer(tokens, name="tokens")
app.add_typer(report, name="report")
app.add_typer(roster, name="roster")
app.add_typer(calls, name="calls")
app.add_typer(sessions, name="sessions")
app.add_typer(sightings, name="sightings")
app.add_typer(devices, name="devices")
app.add_typer(stations, name="stations")
app.add_typer(webhooks, name="webhooks")
app.command()(sourcetable)


class TableFormat(StrEnum):
    """How `decode` prints observations."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


class Span(StrEnum):
    """Of files that `rinex` writes."""

    QUARTER = "15m"
    HOUR = "1h"
    DAY = "1d"

    @property
    def seconds(self) -> int:
        """Length in s."""
        return {"15m": 900, "1h": 3600, "1d": 86_400}[self.value]


@app.command()
def demo(
    http: HttpOption = None,
    ntrip: NtripOption = None,
    data: DataOption = None,
    seconds: ForOption = None,
) -> None:
    """Run 20 simulated stations and 12 sensors through real sockets, with a live page."""
    leave_on_signals()
    from deploy.demo import run_demo

    run_demo(http=http, ntrip=ntrip, data=data, seconds=seconds)


@app.command()
def run(
    config: ConfigOption,
    http: HttpOption = None,
    ntrip: NtripOption = None,
    data: DataOption = None,
    seconds: ForOption = None,
) -> None:
    """Gather, judge, keep and serve what the configuration names."""
    leave_on_signals()
    from deploy.settings_file import load
    from deploy.start import run_service

    run_service(load(config), http=http, ntrip=ntrip, data=data, seconds=seconds)


@app.command()
def gather(
    config: ConfigOption,
    ntrip: NtripOption = None,
    http: WatchOption = None,
    data: DataOption = None,
    seconds: ForOption = None,
) -> None:
    """Gather what the configuration names into Kafka, and serve rovers with it."""
    leave_on_signals()
    from deploy.gather import run_gather
    from deploy.settings_file import load

    run_gather(load(config), ntrip=ntrip, http=http, data=data, seconds=seconds)


@app.command()
def serve(
    config: ConfigOption, http: HttpOption = None, data: DataOption = None, seconds: ForOption = None
) -> None:
    """Serve the API and the page from the database and what comes over Kafka."""
    leave_on_signals()
    from deploy.serve import run_serve
    from deploy.settings_file import load

    run_serve(load(config), http=http, data=data, seconds=seconds)


@app.command()
def caster(
    config: ConfigOption,
    ntrip: NtripOption = None,
    http: WatchOption = None,
    data: DataOption = None,
    seconds: ForOption = None,
) -> None:
    """Serve rovers what gatherers send; any number of casters can."""
    leave_on_signals()
    from deploy.caster_command import run_caster
    from deploy.settings_file import load

    run_caster(load(config), ntrip=ntrip, http=http, data=data, seconds=seconds)


@app.command()
def worker(
    config: ConfigOption,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="Stays over a restart; another one for each worker."),
    ] = None,
    http: WatchOption = None,
    seconds: ForOption = None,
) -> None:
    """Judge what comes over Kafka; any number of workers share it."""
    leave_on_signals()
    from deploy.settings_file import load
    from deploy.worker import run_worker

    run_worker(load(config), name=name, http=http, seconds=seconds)


@app.command()
def store(
    config: ConfigOption, http: WatchOption = None, data: DataOption = None, seconds: ForOption = None
) -> None:
    """Keep what workers say; one runs for each database."""
    leave_on_signals()
    from deploy.settings_file import load
    from deploy.store_command import run_store

    run_store(load(config), http=http, data=data, seconds=seconds)


@app.command()
def archive(
    config: ConfigOption, http: WatchOption = None, data: DataOption = None, seconds: ForOption = None
) -> None:
    """Keep the raw bytes of all stations, and give them to `serve`; one runs for each data folder."""
    leave_on_signals()
    from deploy.archive_command import run_archive
    from deploy.settings_file import load

    run_archive(load(config), http=http, data=data, seconds=seconds)


@app.command()
def notify(config: ConfigOption, http: WatchOption = None, seconds: ForOption = None) -> None:
    """Tell webhooks of alerts; of several, one does it and the others stand by."""
    leave_on_signals()
    from deploy.notify_command import run_notify
    from deploy.settings_file import load

    run_notify(load(config), http=http, seconds=seconds)


@app.command()
def bridge(config: ConfigOption, http: WatchOption = None, seconds: ForOption = None) -> None:
    """Tell the parent region what may be told, and take its commands; one runs in each region."""
    leave_on_signals()
    from deploy.bridge_command import run_bridge
    from deploy.settings_file import load

    run_bridge(load(config), http=http, seconds=seconds)


@app.command()
def replay(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="RTCM 3 captures, in order.")],
    station: Annotated[str, typer.Option("--station", metavar="ID", help="The station they come from.")],
    speed: Annotated[
        str, typer.Option("--speed", metavar="N|max", help="Times real time, or as fast as possible.")
    ] = "1",
    when: DateOption = None,
    http: HttpOption = None,
    ntrip: NtripOption = None,
    data: DataOption = None,
    seconds: ForOption = None,
) -> None:
    """Send captures through the whole program, as if the station were live."""
    leave_on_signals()
    from deploy.replay import run_replay

    run_replay(
        files,
        station_id=station,
        speed=_speed(speed),
        date_us=_date_us(when),
        http=http,
        ntrip=ntrip,
        data=data,
        seconds=seconds,
    )


@app.command("replay-event")
def replay_event(
    config: ConfigOption,
    start: Annotated[str, typer.Option("--start", metavar="TIME", help="2026-01-31T12:00, UTC.")],
    end: Annotated[str, typer.Option("--end", metavar="TIME", help="Not in it.")],
    rules: Annotated[
        Path | None,
        typer.Option("--rules", metavar="FILE.toml", help="Other rules; without it those of today."),
    ] = None,
    warm_up: Annotated[
        float | None,
        typer.Option(
            "--warm-up",
            metavar="HOURS",
            min=0.0,
            help="Read from so long before the start; usually worked out.",
        ),
    ] = None,
    site: Annotated[
        list[str] | None, typer.Option("--site", metavar="ID", help="Only this one; may be repeated.")
    ] = None,
    as_measured: Annotated[
        bool, typer.Option("--as-measured", help="As if each sample had come when it was measured.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Draw it on a page.")] = None,
    data: DataOption = None,
) -> None:
    """Run a stored time through the rules again; show what would have come against what came."""
    from deploy.replay_event import Asked, run_replay_event
    from deploy.settings_file import load

    asked = Asked(start, end, rules, warm_up, site or [], as_measured, data, json, html)
    run_replay_event(load(config), asked)


@app.command()
def decode(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A capture of RTCM 3, UBX or BINEX, or NMEA.")],
    output: Annotated[TableFormat, typer.Option("--format", help="How to print.")] = TableFormat.TABLE,
    summary: Annotated[bool, typer.Option("--summary", help="One JSON object instead of rows.")] = False,
    messages: Annotated[
        bool, typer.Option("--messages", help="All messages that are no observations instead.")
    ] = False,
    when: DateOption = None,
) -> None:
    """Print the observations of a capture, its other messages, or its summary."""
    from deploy.decode import print_messages, print_observations, print_summary

    if summary:
        print_summary(file, _date_us(when))
    elif messages:
        print_messages(file, output.value, _date_us(when))
    else:
        print_observations(file, output.value, _date_us(when))


@app.command()
def score(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A capture (RTCM 3, UBX, BINEX) or RINEX observations.")
    ],
    nav: Annotated[
        list[Path] | None, typer.Option("--nav", metavar="FILE", help="Ephemerides (RINEX); may be repeated.")
    ] = None,
    json: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the report.")] = None,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write it as a page.")] = None,
    csv: Annotated[Path | None, typer.Option("--csv", metavar="DIR", help="Write it as tables.")] = None,
    language: Annotated[Language, typer.Option("--language", help="Of the page.")] = Language.EN,
    when: DateOption = None,
    station: Annotated[
        str | None,
        typer.Option("--station", metavar="ID", help="Hold it against this station of --config."),
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", metavar="FILE.toml")] = None,
) -> None:
    """Judge a file and print the verdict with its reasons."""
    from deploy.score import Outputs, registered_station, run_score

    outputs = Outputs(json=json, html=html, csv=csv, language=language.value)
    registered = registered_station(station, config)
    run_score(file, nav or [], _date_us(when), outputs, registered)


@app.command()
def rinex(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE...]", help="RTCM 3 captures of one station.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the files go.")] = Path(),
    station: Annotated[
        str | None,
        typer.Option(
            "--station", metavar="NAME", help="Nine characters for the names; or an ID of --config."
        ),
    ] = None,
    span: Annotated[Span, typer.Option("--span", help="Length of a file.")] = Span.HOUR,
    interval: Annotated[
        float | None,
        typer.Option("--interval", metavar="S", min=0.01, max=3600.0, help="Write these epochs only."),
    ] = None,
    when: DateOption = None,
    gzip: Annotated[bool, typer.Option("--gzip", help="Pack the files.")] = False,
    nav: Annotated[bool, typer.Option("--nav/--no-nav", help="Write ephemerides too.")] = True,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE.toml", help="Read the archive of this installation."),
    ] = None,
    data: DataOption = None,
    begin: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="2026-01-31T12:00, UTC.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="TIME", help="UTC.")] = None,
) -> None:
    """Write RINEX 3.05 files from captures, or from what an installation has archived."""
    leave_on_signals()
    from deploy.rinex_command import Source, write_rinex
    from deploy.rinex_files import Output

    source = Source(files or [], _date_us(when), station, config, data, begin, end)
    write_rinex(source, Output(out, span.seconds, interval, gzip, nav, force))


@app.command("push-token")
def push_token() -> None:
    """Make a token for a sensor that posts samples, and what the configuration keeps of it."""
    import secrets

    from connectors.http_push import hash_of

    token = secrets.token_urlsafe(32)
    print(f"token, for the sender alone:  {token}")
    print(f'in its [[http_push]]:         token_hash = "{hash_of(token)}"')


@app.command()
def version() -> None:
    """Print the version."""
    print(package_version("groundswell"))


def _date_us(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise Refusal(f"--date {text!r} is not a date; write YYYY-MM-DD, for instance 2019-04-07") from error
    return int(datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp()) * 1_000_000


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise Refusal(f"--speed {text!r} is not a speed; write a number such as 10, or max")
    return value


def main() -> None:
    """Run the command line; a refusal is one sentence and exit code 2."""
    kernel_cache.use()
    try:
        app(prog_name="groundswell")
    except Refusal as refusal:
        print(f"groundswell: {refusal}", file=sys.stderr)
        raise SystemExit(2) from None
