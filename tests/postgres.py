"""A real PostgreSQL with PostGIS for tests: one server, a fresh database for each that asks."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from storage.postgres import PostgresStore
from tests.program import free_port

SCRIPT = Path(__file__).parents[1] / "deploy" / "dev" / "postgres"
TEMPLATE_US = 1_000_000
"""The template has partitions for the first days of 1970, where most tests play."""


@dataclass
class Server:
    """A server, and databases on it that look like new ones."""

    url: str
    """Of a database that exists."""
    environment: dict[str, str] | None = None
    """For the script; None when somebody else runs it."""
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _template: str = ""
    _template_parts: set[str] = field(default_factory=set)

    def do(self, verb: str) -> None:
        """Run the script."""
        done = subprocess.run(
            [SCRIPT, verb], env=self.environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def sql(self, statement: str, url: str | None = None) -> list[tuple[object, ...]]:
        """Run a statement outside a transaction; return its rows."""
        with psycopg.connect(url or self.url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def empty(self) -> str:
        """Return the URL of a database without tables."""
        return self._create("template1")

    def database(self) -> str:
        """Return the URL of a new database with the schema."""
        if not self._template:
            url = self.empty()
            store = PostgresStore(url, migrate=True)
            store.commit((), None, now_us=TEMPLATE_US)
            store.close()
            self._template_parts = set(store._partitions)
            self._template = name_of(url)
        return self._create(self._template)

    def copy(self, url: str) -> str:
        """Return the URL of a copy of a database that nobody uses."""
        return self._create(name_of(url))

    def forget(self, url: str) -> None:
        """Make a database that `database` gave like a new one: quicker than a new one."""
        rows = self.sql(
            "SELECT c.relname, i.inhrelid IS NOT NULL FROM pg_class AS c "
            "LEFT JOIN pg_inherits AS i ON i.inhrelid = c.oid "
            "WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')",
            url,
        )
        kept = {"spatial_ref_sys", "schema_version"}
        names = [str(name) for name, is_part in rows if not is_part and name not in kept]
        ask = " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT FROM {name})" for name in names)
        tables = [str(name) for (name,) in self.sql(ask, url)]
        parts = {str(name) for name, is_part in rows if is_part and not str(name).endswith("_other")}
        statements = [f"DROP TABLE {name}" for name in sorted(parts - self._template_parts)]
        if tables:
            statements.append(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY CASCADE")
        self.sql("SET lock_timeout = '10s'; " + "; ".join(statements), url)

    def drop(self, url: str) -> None:
        """Remove a database; whoever is connected is thrown out."""
        self.sql(f"DROP DATABASE IF EXISTS {name_of(url)} WITH (FORCE)")

    def _create(self, template: str) -> str:
        name = f"test_{os.getpid()}_{next(self._numbers)}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        return make_conninfo(self.url, dbname=name)


def name_of(url: str) -> str:
    """Return the database's name."""
    return str(psycopg.conninfo.conninfo_to_dict(url)["dbname"])


@contextlib.contextmanager
def postgres() -> Iterator[Server]:
    """Run a server of its own on a free port, in a folder that goes away with it."""
    folder = Path(tempfile.mkdtemp(prefix="groundswell-pg-"))
    folder.chmod(0o755)  # the server's user has to pass
    port = free_port()
    environment = {**os.environ, "GROUNDSWELL_DEV": str(folder), "POSTGRES_PORT": str(port)}
    server = Server(f"postgresql://postgres@127.0.0.1:{port}/groundswell", environment)
    try:
        server.do("start")
        yield server
    finally:
        server.do("wipe")
        shutil.rmtree(folder)


@contextlib.contextmanager
def shared_postgres() -> Iterator[Server]:
    """Give the server that GROUNDSWELL_TEST_POSTGRES names, else one of our own that forgets quickly."""
    if url := os.environ.get("GROUNDSWELL_TEST_POSTGRES"):
        server = Server(url)
        yield server
        if server._template:
            server.drop(make_conninfo(url, dbname=server._template))
        return
    with postgres() as server:
        for setting in ("fsync = off", "full_page_writes = off", "synchronous_commit = off"):
            server.sql(f"ALTER SYSTEM SET {setting}")
        server.sql("SELECT pg_reload_conf()")
        yield server
