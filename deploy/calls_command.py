"""`groundswell calls`: whom calling about alerts reached, and how quickly they answered, through the API."""

from __future__ import annotations

import getpass
from typing import Annotated, Literal

import typer

from deploy.api_client import ByOption, ConfigOption, ServerOption, asked_of, client_of, print_table

calls = typer.Typer(help="Calls about alerts and their answers.", no_args_is_help=True)

AlertArgument = Annotated[str, typer.Argument(metavar="ALERT", help="Its id.")]
CommentOption = Annotated[str, typer.Option("--comment", help="For the record.")]


@calls.command()
def log(alert: AlertArgument, config: ConfigOption, server: ServerOption = None) -> None:
    """Print every attempt to reach somebody about an alert, and how it ended with each person."""
    from deploy.settings_file import load

    with client_of(load(config), server) as client:
        found = asked_of(client, "GET", f"/alerts/{alert}/calls")
    rows = []
    for one in found["calls"]:
        said = ", ".join(f"{r['state']} {r['at']}" for r in one["receipts"])
        state = said or ("withdrawn" if one["withdrawn"] else "waits")
        rows.append((one["at"], one["person"], one["channel"], one["to"], one["purpose"], state))
    print_table(("at", "person", "channel", "to", "what", "said"), rows)
    print_table(
        ("person", "answer", "level", "called", "seconds"),
        [
            (o["person"], o["answer"], o["level"], o["called_at"], f"{o['seconds']:g}")
            for o in found["answers"]
        ],
    )


@calls.command()
def answers(
    config: ConfigOption,
    start: Annotated[str, typer.Option("--from", metavar="TIME", help="2026-12-01T00:00:00Z")],
    end: Annotated[str | None, typer.Option("--until", metavar="TIME", help="Without it now.")] = None,
    by: Annotated[
        Literal["all", "level", "person", "site"], typer.Option("--of", help="How it is divided.")
    ] = "all",
    server: ServerOption = None,
) -> None:
    """Print how quickly people answer, and how many did in time."""
    from deploy.settings_file import load

    asked = {"start": start, "by": by, **({"end": end} if end else {})}
    with client_of(load(config), server) as client:
        found = asked_of(client, "GET", "/statistics/answers", params=asked)["items"]
    rows = [
        (
            one["of"] or "all", str(one["called"]), str(one["answered"]), str(one["unreachable"]),
            f"{100 * one['in_time_share']:.0f} %", _seconds(one["median_s"]), _seconds(one["p90_s"]),
        )
        for one in found
    ]  # fmt: skip
    head = ("of", "called", "answered", "unreachable", "in time", "median s", "p90 s")
    print_table(head, rows)


@calls.command()
def lower(
    alert: AlertArgument,
    level: Annotated[str, typer.Argument(metavar="LEVEL", help="blue, yellow or orange.")],
    config: ConfigOption,
    comment: CommentOption = "",
    by: ByOption = None,
    server: ServerOption = None,
) -> None:
    """Lower the level of an alert: red falls in no other way."""
    _ask(config, server, f"/alerts/{alert}/lower", {"level": level, "comment": comment}, by)


@calls.command()
def decide(
    alert: AlertArgument,
    answer: Annotated[str, typer.Argument(metavar="confirm|decline")],
    config: ConfigOption,
    comment: CommentOption = "",
    by: ByOption = None,
    server: ServerOption = None,
) -> None:
    """Confirm or decline a level that people are asked about."""
    _ask(config, server, f"/alerts/{alert}/decide", {"answer": answer, "comment": comment}, by)


def _ask(
    config: ConfigOption, server: ServerOption, path: str, values: dict[str, str], by: str | None
) -> None:
    from deploy.settings_file import load

    with client_of(load(config), server) as client:
        told = asked_of(client, "POST", path, json={**values, "by": by or getpass.getuser()})
    print(told["message"])


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
