"""`groundswell webhooks`: how subscribers of alerts are doing, telling them once more, and keys."""

from __future__ import annotations

from typing import Annotated, Any

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

webhooks = typer.Typer(
    help="Subscribers of alerts: who got what, and telling them again.", no_args_is_help=True
)

WebhookArgument = Annotated[str, typer.Argument(metavar="WEBHOOK", help="Its id in the configuration.")]
_TIME = "2026-01-31T08:00:00+08:00"


@webhooks.command("list")
def list_(config: ConfigOption, server: ServerOption = None) -> None:
    """Print all webhooks: active or disabled, and what waits for them."""
    from deploy.settings_file import load

    with client_of(load(config), server) as client:
        rows = [
            (
                one["id"], one["state"], one["since"] or "-", one["reason"] or "-", str(one["pending"]),
                str(one["delivered"]), str(one["given_up"]), one["last_delivered_at"] or "-",
            )
            for one in every(client, "/webhooks")
        ]  # fmt: skip
    print_table(("webhook", "state", "since", "why", "pending", "delivered", "given up", "last"), rows)


@webhooks.command()
def deliveries(
    webhook: WebhookArgument,
    config: ConfigOption,
    state: Annotated[
        str | None, typer.Option("--state", metavar="STATE", help="pending, delivered or given_up.")
    ] = None,
    server: ServerOption = None,
) -> None:
    """Print the messages to a webhook, the newest first, and why some did not arrive."""
    from deploy.settings_file import load

    asked = {} if state is None else {"state": state}
    with client_of(load(config), server) as client:
        rows = [
            (
                one["id"],
                one["state"],
                str(one["attempts"]),
                one["at"],
                one["next_attempt_at"] or "-",
                one["error"],
            )
            for one in every(client, f"/webhooks/{webhook}/deliveries", **asked)
        ]
    print_table(("message", "state", "attempts", "at", "next attempt", "error"), rows)


@webhooks.command()
def resume(
    webhook: WebhookArgument, config: ConfigOption, by: ByOption = None, server: ServerOption = None
) -> None:
    """Send to a webhook again that was disabled; what waits goes out at once, in order."""
    send(config, server, by, "POST", f"/webhooks/{webhook}/resume", {})


@webhooks.command()
def replay(
    webhook: WebhookArgument,
    config: ConfigOption,
    message: Annotated[
        str | None, typer.Option("--message", metavar="ID", help="A message, or all of an alert.")
    ] = None,
    start: Annotated[str | None, typer.Option("--start", metavar="TIME", help=_TIME)] = None,
    end: Annotated[str | None, typer.Option("--end", metavar="TIME", help="Not in it.")] = None,
    by: ByOption = None,
    server: ServerOption = None,
) -> None:
    """Tell a webhook once more, with the same ids: a message, an alert, or what happened in a time."""
    body: dict[str, Any] = {name: time for name, time in (("start", start), ("end", end)) if time}
    if message:
        alert_id, _, number = message.rpartition(".")
        is_step = bool(alert_id) and number.isdecimal()
        body |= {"alert_id": alert_id, "number": int(number)} if is_step else {"alert_id": message}
    if not body:
        raise Refusal("say what is to be told again: --message ID, or --start TIME and --end TIME")
    send(config, server, by, "POST", f"/webhooks/{webhook}/replay", body)


@webhooks.command("new-key")
def new_key() -> None:
    """Print a new Ed25519 key: the secret for the configuration, the public one for the receiver."""
    from connectors.webhook_signature import new_key, public_key

    secret = new_key()
    print(f"secret {secret}\npublic {public_key(secret)}")


@webhooks.command("public-key")
def public_key(webhook: WebhookArgument, config: ConfigOption) -> None:
    """Print by which public keys a receiver verifies what is sent to it."""
    from connectors.webhook_signature import ASYMMETRIC, listed, public_key
    from deploy.settings_file import load

    found = next((one for one in load(config).webhook if one.id == webhook), None)
    if found is None:
        raise Refusal(f"there is no webhook {webhook!r} in {config}; write its id")
    keys = [public_key(one) for one in listed(found.secret) if one.startswith(ASYMMETRIC)]
    if not keys:
        raise Refusal(
            f"webhook {webhook} has no whsk_ secret; its receiver verifies by the shared whsec_ one"
        )
    print("\n".join(keys))
