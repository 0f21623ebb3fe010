"""`groundswell db`: brings a PostgreSQL database to this program's schema, and says what it lacks."""

from __future__ import annotations

from typing import Annotated

import typer

from deploy.refusal import Refusal

DATABASE = "postgresql://postgres@127.0.0.1:5432/groundswell"
"""That of `deploy/dev/postgres`."""
BEHIND = 3
"""Exit code of `status` when something has to be done first."""

db = typer.Typer(name="db", help="The PostgreSQL database: its schema.", no_args_is_help=True)

DatabaseOption = Annotated[
    str, typer.Option("--database", metavar="URL", help="postgresql://user@host:port/database")
]


@db.command()
def migrate(database: DatabaseOption = DATABASE) -> None:
    """Run the migrations that the database has not had: all of them or none."""
    from storage import postgres
    from storage.store import StorageError

    try:
        done = postgres.migrate(database)
        found = postgres.status(database)
    except StorageError as error:
        raise Refusal(str(error)) from error
    if done:
        print(f"ran {_numbers(done)}: the database has version {found.applied[-1]}")
    else:
        print(f"nothing to do: the database has version {found.applied[-1]}")


@db.command()
def status(database: DatabaseOption = DATABASE) -> None:
    """Say which migrations the database has had; the exit code is 0 when it is as this program needs it."""
    from storage import postgres
    from storage.store import StorageError

    try:
        found = postgres.status(database)
    except StorageError as error:
        raise Refusal(str(error)) from error
    version = f"version {found.applied[-1]}" if found.applied else "no tables yet"
    print(f"the database has {version}")
    if found.unknown:
        print(f"a newer program has run {_numbers(found.unknown)}: use that one")
    elif found.pending:
        print(f"{_numbers(found.pending)} to be run: groundswell db migrate")
    else:
        print("it is as this program needs it")
        return
    raise typer.Exit(BEHIND)


def _numbers(migrations: list[int]) -> str:
    word = "migration" if len(migrations) == 1 else "migrations"
    return f"{word} {', '.join(f'{number:04d}' for number in migrations)}"
