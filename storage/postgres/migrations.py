"""The schema's version: numbered scripts, each once, and one process at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from storage.named_sql import load_migrations
from storage.postgres.errors import translated, where
from storage.store import StorageError, StoreVersionError

_LOCK = 7_203_116_201
"""Of the advisory lock: any number that nobody else takes."""
_CONNECT_TIMEOUT_S = 10
_VERSION_TABLE = """
CREATE TABLE IF NOT EXISTS schema_version (
    version integer PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """Which migrations a database has had, and which it lacks."""

    applied: list[int]
    pending: list[int]
    unknown: list[int]
    """Applied ones that this program does not know: a newer one made them."""


def migrate(url: str) -> list[int]:
    """Bring a database to this program's schema in one transaction; return the migrations that were run.

    Raises
    ------
    StoreVersionError
        A newer program has made it.
    StorageError
        It cannot be reached, or a script failed; nothing has changed then.
    """
    with connected(url) as connection, connection.transaction():
        connection.execute("SET LOCAL client_min_messages = warning")
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        _expect_postgis(connection, url)
        connection.execute(_VERSION_TABLE)
        found = status_of(connection)
        if found.unknown:
            raise StoreVersionError(mismatch(url, found))
        scripts = load_migrations("postgres")
        for number in found.pending:
            connection.execute(scripts[number].encode())
            connection.execute("INSERT INTO schema_version (version) VALUES (%s)", (number,))
    return found.pending


def status(url: str) -> SchemaStatus:
    """Return which migrations a database has had.

    Raises
    ------
    StorageError
        It cannot be reached.
    """
    with connected(url) as connection:
        return status_of(connection)


def status_of(connection: psycopg.Connection[Any]) -> SchemaStatus:
    """Return which migrations the database of this connection has had."""
    known = load_migrations("postgres")
    applied: list[int] = []
    if connection.execute("SELECT to_regclass('schema_version')").fetchone() != (None,):
        applied = [
            version for (version,) in connection.execute("SELECT version FROM schema_version ORDER BY 1")
        ]
    return SchemaStatus(
        applied=applied,
        pending=[number for number in known if number not in applied],
        unknown=[number for number in applied if number not in known],
    )


def expect_current(connection: psycopg.Connection[Any], url: str) -> None:
    """Raise StoreVersionError when the schema is not the one that this program was written for."""
    found = status_of(connection)
    if found.pending or found.unknown:
        raise StoreVersionError(mismatch(url, found))


def mismatch(url: str, found: SchemaStatus) -> str:
    """Return in a sentence what a schema of another version asks for."""
    newest = len(load_migrations("postgres"))
    if found.unknown:
        return (
            f"the database {where(url)} has version {max(found.unknown)}, this program knows versions up to "
            f"{newest}: start the newer program, whose groundswell db migrate has been run"
        )
    has = f"version {max(found.applied)}" if found.applied else "no tables yet"
    return (
        f"the database {where(url)} has {has}, this program needs version {newest}: "
        "run groundswell db migrate"
    )


def _expect_postgis(connection: psycopg.Connection[Any], url: str) -> None:
    """Make the extension where there is none; only a superuser may."""
    if connection.execute("SELECT 1 FROM pg_extension WHERE extname = 'postgis'").fetchone():
        return
    try:
        connection.execute("CREATE EXTENSION postgis")
    except psycopg.Error as error:
        raise StorageError(
            f"the database {where(url)} has no PostGIS: install it on the server and let a superuser run "
            "CREATE EXTENSION postgis there"
        ) from error


@contextmanager
def connected(url: str) -> Iterator[psycopg.Connection[Any]]:
    """Give a connection that commits each statement."""
    with translated(url):
        options: Mapping[str, Any] = {"connect_timeout": _CONNECT_TIMEOUT_S, "autocommit": True}
        with psycopg.connect(url, **options) as connection:
            yield connection
