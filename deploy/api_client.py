"""What commands ask of the API of a running program, and how they show it."""

from __future__ import annotations

import getpass
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.refusal import Refusal
from deploy.topics_command import WIDTH_IN_FILES

if TYPE_CHECKING:
    import httpx

    from deploy.settings import Settings

ConfigOption = Annotated[
    Path, typer.Option("--config", metavar="FILE.toml", help="Whose [server] is asked, with its write_token.")
]
ServerOption = Annotated[
    str | None, typer.Option("--server", metavar="URL", help="Where the API is; else http of [server].")
]
ByOption = Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who makes the change.")]
_PAGE = 1000
_TIMEOUT_S = 30.0
_ABOUT_ONE = {409, 422, 503}
_TOO_OFTEN = 429


class NotDoneError(Refusal):
    """The API refuses one thing; it may well do the next."""


def send(
    config: Path, server: str | None, by: str | None, method: str, path: str, body: dict[str, Any] | None
) -> None:
    """Ask for a change and print what became of it."""
    from deploy.settings_file import load

    with client_of(load(config), server) as client:
        print(changed(client, by, method, path, body))


def changed(client: httpx.Client, by: str | None, method: str, path: str, body: dict[str, Any] | None) -> str:
    """Ask for a change; return what became of it."""
    answer = asked_of(client, method, path, params={"by": by or getpass.getuser()}, json=body)
    return str(answer["message"])


def client_of(settings: Settings, server: str | None) -> httpx.Client:
    """Return a client of the API that a configuration names."""
    import httpx

    token = settings.server.write_token
    headers = {"authorization": f"Bearer {token}"} if token else {}
    base = (server or f"http://{settings.server.http}").rstrip("/") + "/api/v1"
    return httpx.Client(base_url=base, headers=headers, timeout=_TIMEOUT_S)


def every(client: httpx.Client, path: str, **asked: str) -> Iterator[dict[str, Any]]:
    """Yield the items of a list, page by page."""
    after = None
    while True:
        params = {**asked, "limit": _PAGE, **({"after": after} if after else {})}
        page = asked_of(client, "GET", path, params=params)
        yield from page["items"]
        if (after := page["next"]) is None:
            return


def asked_of(client: httpx.Client, method: str, path: str, **request: Any) -> Any:
    """Return an answer.

    Raises
    ------
    Refusal
        Nobody answers, or says no; the sentence says why. `NotDoneError`: to this one thing.
    """
    import httpx

    try:
        answer = client.request(method, path, **request)
        while answer.status_code == _TOO_OFTEN:
            time.sleep(float(answer.headers["retry-after"]))
            answer = client.request(method, path, **request)
        told = answer.json()
    except httpx.TransportError as error:
        raise Refusal(
            f"cannot reach {client.base_url} ({error}); start the program, or correct --server"
        ) from error
    except ValueError as error:
        raise Refusal(f"{client.base_url} is not the API of this program; correct --server") from error
    if answer.status_code != 200:
        text = str(told.get("detail", told))
        raise NotDoneError(text) if answer.status_code in _ABOUT_ONE else Refusal(text)
    return told


def print_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows below their heads."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*head)
    for row in rows:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else WIDTH_IN_FILES).print(table)
