"""`groundswell report`: of stations, from a run's folder; of the service by months, from the API."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from deploy.api_client import ConfigOption, ServerOption, asked_of, client_of, print_table
from deploy.language import Language
from deploy.refusal import Refusal
from deploy.write_files import write_files

if TYPE_CHECKING:
    import httpx

report = typer.Typer(invoke_without_command=True)

HtmlOption = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write it as a page.")]
JsonOption = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write it as JSON.")]
CsvOption = Annotated[Path | None, typer.Option("--csv", metavar="DIR", help="Write it as tables.")]
LanguageOption = Annotated[Language, typer.Option("--language", help="Of the page.")]
_PATH = "/reports/service"
_LONGEST_S = 300.0
"""That a report is waited for: of thousands of stations it takes seconds, of years of alerts longer."""


@report.callback()
def stations(
    context: typer.Context,
    station: Annotated[
        str | None, typer.Option("--station", metavar="ID", help="One station; else all of them.")
    ] = None,
    begin: Annotated[
        str | None,
        typer.Option("--from", metavar="TIME", help="2026-01-31T12:00, UTC; a day before the end."),
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="UTC; after the newest report.")
    ] = None,
    html: HtmlOption = None,
    json: JsonOption = None,
    csv: CsvOption = None,
    language: LanguageOption = Language.EN,
    data: Annotated[Path | None, typer.Option("--data", metavar="DIR", help="Where data are kept.")] = None,
) -> None:
    """Print the report of a day, a month or any range of hours that an installation has kept."""
    if context.invoked_subcommand is not None:
        return
    from deploy.report import Asked, run_report

    run_report(Asked(data, station, begin, end, html=html, json=json, csv=csv, language=language.value))


@report.command()
def service(
    config: ConfigOption,
    month: Annotated[
        str | None, typer.Option("--month", metavar="YYYY-MM", help="Without it the last one that is over.")
    ] = None,
    beijing: Annotated[bool, typer.Option("--beijing", help="Months and times of Beijing, not UTC.")] = False,
    html: HtmlOption = None,
    json: JsonOption = None,
    csv: CsvOption = None,
    language: LanguageOption = Language.EN,
    server: ServerOption = None,
) -> None:
    """Print a month of the service: users, sessions, availability, sensors, alerts, answers."""
    from deploy.settings_file import load

    asked = {"tz": "beijing" if beijing else "utc", **({"month": month} if month else {})}
    files: list[tuple[Path, bytes]] = []
    with client_of(load(config), server) as client:
        client.timeout = _LONGEST_S
        told = asked_of(client, "GET", _PATH, params=asked)
        asked["month"] = told["month"]
        if json is not None:
            files.append((json, _file(client, asked, "json")))
        if html is not None:
            files.append((html, _file(client, {**asked, "language": language.value}, "html")))
        if csv is not None:
            with zipfile.ZipFile(io.BytesIO(_file(client, asked, "csv"))) as archive:
                files += [(csv / Path(name).name, archive.read(name)) for name in archive.namelist()]
    _print(told)
    write_files(files)


def _file(client: httpx.Client, asked: dict[str, str], form: Literal["json", "html", "csv"]) -> bytes:
    answer = client.get(_PATH, params={**asked, "format": form})
    if answer.status_code != 200:
        raise Refusal(f"the report cannot be had as {form} ({answer.status_code}); try again")
    return answer.content


def _print(told: dict[str, Any]) -> None:
    availability, alerts, sessions = told["availability"], told["alerts"]["total"], told["sessions"]
    print(f"{told['month']} ({told['zone']}), until {told['until']}")
    used = {} if sessions is None else sessions["total"]
    answered: dict[str, Any] = next((one for one in told["calls"]["answers"] if not one["of"]), {})
    rows = (
        ("service available", _share(availability["service_share"])),
        ("outages", str(len(availability["outages"]))),
        ("epochs of stations", _share(availability["epochs_share"])),
        ("samples of sensors", _share(told["sensors"]["completeness"])),
        ("sessions of rovers", _number(used.get("sessions"))),
        ("hours of corrections", _number(used.get("hours"))),
        ("bytes to rovers", _number(used.get("bytes"))),
        ("accounts with sessions", _number(used.get("accounts"))),
        ("alerts, acknowledged", f"{alerts['alerts']}, {alerts['acknowledged']}"),
        ("nine of ten answered within", "-" if answered.get("p90_s") is None else f"{answered['p90_s']:g} s"),
    )
    print_table(("figure", "value"), rows)
    for note in told["notes"]:
        value = "" if note["value"] is None else f" ({note['value']:,.0f})"
        print(f"note: {note['code'].replace('_', ' ')}{value}")


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.3f} %"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"
