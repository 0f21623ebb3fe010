"""`groundswell tokens`: what lets programs in at the API, made, listed and revoked through the API."""

from __future__ import annotations

import getpass
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

tokens = typer.Typer(help="Tokens: what lets programs in at the API.", no_args_is_help=True)


@tokens.command("list")
def list_(config: ConfigOption, server: ServerOption = None) -> None:
    """Print the tokens that are not revoked."""
    from deploy.settings_file import load

    with client_of(load(config), server) as client:
        rows = [
            (
                one["id"],
                one["name"],
                " ".join(one["scopes"]),
                one["owner"],
                f"{one['expires_at'] or 'never'}{' (expired)' if one['is_expired'] else ''}",
                one["created_by"],
                one["used_at"] or "",
            )
            for one in every(client, "/tokens")
        ]
    print_table(("token", "name", "scopes", "owner", "expires", "by", "used"), rows)


@tokens.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is for.")],
    config: ConfigOption,
    scope: Annotated[
        list[str],
        typer.Option(
            "--scope",
            metavar="SCOPE",
            help="read, sensitive, rovers, answer, change, manage, metrics; may be given several times.",
        ),
    ],
    owner: Annotated[
        str,
        typer.Option("--owner", metavar="ACCOUNT", help="As which it acts: it may no more."),
    ] = "",
    expires: Annotated[
        str | None, typer.Option("--expires", metavar="TIME", help="2027-06-01T00:00:00Z; else in a year.")
    ] = None,
    by: ByOption = None,
    server: ServerOption = None,
) -> None:
    """Make a token and print it: this once."""
    from deploy.settings_file import load

    body: dict[str, Any] = {"name": name, "scopes": scope, "owner": owner}
    if expires is not None:
        body["expires"] = expires
    with client_of(load(config), server) as client:
        made = asked_of(client, "POST", "/tokens", params={"by": by or getpass.getuser()}, json=body)
    typer.echo(f"Token {made['id']} is made. Keep it now, it is not shown again:", err=True)
    typer.echo(made["token"])


@tokens.command()
def revoke(
    token: Annotated[str, typer.Argument(metavar="TOKEN", help="Its id, as `tokens list` shows it.")],
    config: ConfigOption,
    by: ByOption = None,
    server: ServerOption = None,
) -> None:
    """Let nobody in by a token any more."""
    send(config, server, by, "DELETE", f"/tokens/{token}", None)
