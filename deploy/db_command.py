"""`groundswell db`: brings a PostgreSQL database to this program's schema, and says what it lacks."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.clock import wall_clock_us
from deploy.refusal import Refusal

if TYPE_CHECKING:
    from storage.postgres import Timescale

DATABASE = "postgresql://postgres@127.0.0.1:5432/groundswell"
"""That of `deploy/dev/postgres`."""
BEHIND = 3
"""Exit code of `status` when something has to be done first."""

db = typer.Typer(name="db", help="The PostgreSQL database: its schema.", no_args_is_help=True)

DatabaseOption = Annotated[
    str, typer.Option("--database", metavar="URL", help="postgresql://user@host:port/database")
]


class TimescaleUse(StrEnum):
    """Whether `migrate` makes use of TimescaleDB."""

    AUTO = "auto"
    OFF = "off"
    MOVE = "move"


TimescaleOption = Annotated[
    TimescaleUse,
    typer.Option(
        "--timescaledb",
        help="Where the server has TimescaleDB: auto: large tables that are still empty become hypertables; "
        "move: those with rows, too, which are copied; off: they stay as they are.",
    ),
]


@db.command()
def migrate(database: DatabaseOption = DATABASE, timescaledb: TimescaleOption = TimescaleUse.AUTO) -> None:
    """Run the migrations that the database has not had: all of them or none."""
    from storage import postgres
    from storage.store import StorageError

    try:
        done = postgres.migrate(database)
        found = postgres.status(database)
        said = []
        if timescaledb is not TimescaleUse.OFF:
            move = timescaledb is TimescaleUse.MOVE
            said = postgres.adopt_timescale(database, wall_clock_us(), move=move)
    except StorageError as error:
        raise Refusal(str(error)) from error
    if done:
        print(f"ran {_numbers(done)}: the database has version {found.applied[-1]}")
    else:
        print(f"nothing to do: the database has version {found.applied[-1]}")
    for sentence in said:
        print(sentence)


@db.command()
def status(database: DatabaseOption = DATABASE) -> None:
    """Say which migrations the database has had; the exit code is 0 when it is as this program needs it."""
    from storage import postgres
    from storage.store import StorageError

    try:
        found = postgres.status(database)
        timescale = postgres.timescale_status(database)
    except StorageError as error:
        raise Refusal(str(error)) from error
    version = f"version {found.applied[-1]}" if found.applied else "no tables yet"
    print(f"the database has {version}")
    for sentence in _timescale(timescale):
        print(sentence)
    if found.unknown:
        print(f"a newer program has run {_numbers(found.unknown)}: use that one")
    elif found.pending:
        print(f"{_numbers(found.pending)} to be run: groundswell db migrate")
    else:
        print("it is as this program needs it")
        return
    raise typer.Exit(BEHIND)


def _timescale(found: Timescale) -> list[str]:
    """Return what there is to say of TimescaleDB; nothing where the server has none."""
    if found.version is None:
        return [] if found.offered is None else [f"the server offers TimescaleDB {found.offered}, not in use"]
    compress = "allows" if found.can_compress else "does not allow"
    licence = f"licence mode {found.licence}, which {compress} compression" if found.licence else "too old"
    said = [f"TimescaleDB {found.version} ({licence})"]
    for one in found.hypertables:
        of_them = f", {one.compressed_chunks} compressed" if one.is_compressing else ", not compressing"
        said.append(f"  {one.table}: hypertable, chunks: {one.chunks}{of_them}")
    if found.empty:
        said.append(f"  partitioned, empty: {', '.join(found.empty)}; groundswell db migrate changes them")
    if found.filled:
        said.append(
            f"  partitioned, with rows: {', '.join(found.filled)}; to move them, stop groundswell store and "
            "run groundswell db migrate --timescaledb move (it copies: the largest one needs its room twice)"
        )
    return said


def _numbers(migrations: list[int]) -> str:
    word = "migration" if len(migrations) == 1 else "migrations"
    return f"{word} {', '.join(f'{number:04d}' for number in migrations)}"
