"""Databases that look as if their server had TimescaleDB."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.postgres import migrate
from tests.postgres import Server, name_of

STAND_IN = (Path(__file__).parent / "timescaledb_stand_in.sql").read_text()

ALL_STORES = pytest.mark.parametrize(
    "open_store",
    [
        "sqlite",
        "waiting",
        *(pytest.param(name, marks=pytest.mark.integration) for name in ("postgres", "hypertable")),
    ],
    indirect=True,
)
"""For modules whose tests all ask for a store: also those whose rows wait, or that TimescaleDB keeps."""


def with_timescaledb(server: Server) -> str:
    """Return the URL of a database with the schema, in which nothing has been done with TimescaleDB yet."""
    url = server.empty()
    server.sql(STAND_IN, url)
    migrate(url)
    licensed(server, url)
    return url


def licensed(server: Server, url: str, licence: str = "apache", version: str = "2.11.0") -> None:
    """Let a database have TimescaleDB with a licence mode and of a version."""
    server.sql(f"UPDATE pg_extension SET extversion = '{version}' WHERE extname = 'timescaledb'", url)
    for name, value in (
        ("timescaledb.license", licence),
        ("timescaledb.max_tuples_decompressed_per_dml_transaction", "100000"),
    ):
        server.sql(f"ALTER DATABASE {name_of(url)} SET {name} = '{value}'")
