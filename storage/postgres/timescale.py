"""TimescaleDB, where the server has it: large tables become hypertables, compressed if its licence allows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from storage.postgres import partitions
from storage.postgres.database import WRITER_LOCK
from storage.postgres.errors import first_line
from storage.postgres.hypertables import EXTENSION, SPAN_US, fence, functions, key_of
from storage.postgres.migrations import connected
from storage.postgres.partitions import DAY_US, NEAR_US, Partitioned

OLDEST = (2, 0)
"""Before it, functions had other arguments."""
COMPRESSING = (2, 11)
"""Before it, rows of compressed chunks could not be replaced, and those that come late would be refused."""
COMPRESS_AFTER_DAYS = 7
COMPRESSED = (
    partitions.STATION_EPOCHS, partitions.SAMPLES, partitions.STATION_FIGURES, partitions.STATION_MINUTES,
    partitions.SAMPLE_MINUTES,
)  # fmt: skip
"""The others are small, or are compressed already."""
_COMPRESS = (
    "ALTER TABLE {table} SET (timescaledb.compress, timescaledb.compress_segmentby = {key}, "
    "timescaledb.compress_orderby = {order})"
)
_NOW = (
    "CREATE OR REPLACE FUNCTION groundswell_now_us() RETURNS bigint LANGUAGE sql STABLE "
    "AS 'SELECT (extract(epoch FROM now()) * 1000000)::bigint'"
)


@dataclass(frozen=True, slots=True)
class Hypertable:
    """A table that TimescaleDB keeps in chunks."""

    table: str
    chunks: int
    compressed_chunks: int
    is_compressing: bool


@dataclass(frozen=True, slots=True)
class Timescale:
    """What a database has of TimescaleDB."""

    offered: str | None
    """The version that the server would install; None: it has none."""
    version: str | None
    """The one that is installed here."""
    licence: str
    """"apache" or "timescale"; empty where it is not installed."""
    hypertables: list[Hypertable]
    filled: list[str]
    """Tables that are partitioned by PostgreSQL itself and hold rows."""
    empty: list[str]
    """Those that hold none."""

    @property
    def can_compress(self) -> bool:
        """Whether licence and version allow it, also when rows come late."""
        return self.licence == "timescale" and parsed_version(self.version or "") >= COMPRESSING


def status(url: str) -> Timescale:
    """Return what a database with this program's tables has of TimescaleDB.

    Raises
    ------
    StorageError
        It cannot be reached.
    """
    with connected(url) as connection:
        return _look(connection)


def adopt(url: str, now_us: int, *, move: bool = False) -> list[str]:
    """Make hypertables of the large tables that are still empty, where the server has TimescaleDB.

    Each table by itself, all or nothing, so that it can be called again. What cannot be done is said and
    changes nothing: partitioned tables serve as well.

    Parameters
    ----------
    now_us
        What lies far before it needs no chunks of its own.
    move
        Also of those that hold rows, which are copied.

    Returns
    -------
    What was done, and what somebody has to do first: a sentence each.

    Raises
    ------
    StorageError
        The database cannot be reached.
    """
    with connected(url) as connection:
        found = _look(connection)
        wanted = [table for table in partitions.TABLES if table.table in found.empty + found.filled * move]
        if found.version is None and found.offered is not None and wanted:
            if (trouble := _create(connection, found.offered)) is not None:
                return [trouble]
            found = _look(connection)
        if found.version is None:
            return []
        if parsed_version(found.version) < OLDEST:
            return [
                f"TimescaleDB {found.version} is too old to be made use of: update it to "
                f"{_text(COMPRESSING)} or newer and run groundswell db migrate again"
            ]
        said = _make(connection, wanted, now_us, move=move) if wanted else []
        return said + _compress(connection)


def _look(connection: psycopg.Connection[Any]) -> Timescale:
    asked = "SELECT default_version, installed_version FROM pg_available_extensions WHERE name = %s"
    offered, _ = connection.execute(asked, (EXTENSION,)).fetchone() or (None, None)
    # whoever has it need not see it offered: its files may be gone
    asked = "SELECT extversion FROM pg_extension WHERE extname = %s"
    (version,) = connection.execute(asked, (EXTENSION,)).fetchone() or (None,)
    rows = connection.execute(
        "SELECT relname FROM pg_class WHERE oid = ANY(SELECT to_regclass(t) FROM unnest(%s::text[]) AS t) "
        "AND relkind = 'p'",
        ([table.table for table in partitions.TABLES],),
    )
    partitioned = {name for (name,) in rows}
    plain = [table.table for table in partitions.TABLES if table.table in partitioned]
    filled = [name for name in plain if _has_rows(connection, name)]
    empty = [name for name in plain if name not in filled]
    if version is None or parsed_version(version) < OLDEST:
        return Timescale(offered, version, "", [], filled, empty)
    licence = connection.execute("SELECT current_setting('timescaledb.license', true)").fetchone()
    tables = connection.execute(
        "SELECT h.hypertable_name, count(c.chunk_name), count(*) FILTER (WHERE c.is_compressed), "
        "h.compression_enabled FROM timescaledb_information.hypertables AS h "
        "LEFT JOIN timescaledb_information.chunks AS c USING (hypertable_schema, hypertable_name) "
        "WHERE h.hypertable_schema = current_schema() GROUP BY 1, 4 ORDER BY 1"
    )
    hypertables = [Hypertable(*row) for row in tables if row[0] in partitions.BY_NAME]
    return Timescale(offered, version, (licence or ("",))[0] or "unknown", hypertables, filled, empty)


def _has_rows(connection: psycopg.Connection[Any], table: str) -> bool:
    found = connection.execute(sql.SQL("SELECT EXISTS (SELECT FROM {})").format(sql.Identifier(table)))
    return bool((found.fetchone() or (False,))[0])


def _create(connection: psycopg.Connection[Any], offered: str) -> str | None:
    """Make the extension; return what has to be done first, if that cannot be done."""
    # only some may see this setting; the server would cut the connection of who goes on without the library
    found = connection.execute("SELECT setting FROM pg_settings WHERE name = 'shared_preload_libraries'")
    libraries = found.fetchone()
    if libraries is not None and EXTENSION not in libraries[0]:
        return (
            f"the server offers TimescaleDB {offered} and has not loaded it: to make use of it, add "
            f"{EXTENSION} to shared_preload_libraries, start the server anew and run groundswell db migrate"
        )
    try:
        connection.execute(sql.SQL("CREATE EXTENSION {}").format(sql.Identifier(EXTENSION)))
    except psycopg.Error as error:
        return (
            f"the server offers TimescaleDB {offered} and does not let this user install it "
            f"({first_line(error)}): to make use of it, let a superuser run CREATE EXTENSION {EXTENSION} "
            "there and run groundswell db migrate again"
        )
    return None


def _make(
    connection: psycopg.Connection[Any], wanted: Sequence[Partitioned], now_us: int, *, move: bool
) -> list[str]:
    """Make hypertables; return what was done and what was not."""
    if connection.execute("SELECT pg_try_advisory_lock(%s)", (WRITER_LOCK,)).fetchone() != (True,):
        return ["a writer is at work: stop groundswell store and run this again to make hypertables"]
    made, said = [], []
    for table in wanted:
        try:
            with connection.transaction():
                if _convert(connection, table, now_us, move=move):
                    made.append(table.table)
        except psycopg.errors.LockNotAvailable:
            said.append(f"somebody reads {table.table}, which stays as it is: run this again")
        except psycopg.errors.DependentObjectsStillExist:
            said.append(
                f"{table.table} stays as it is, since a view or something else of yours needs it: "
                "drop that, run this again, and make it anew"
            )
        except psycopg.Error as error:
            if connection.closed:
                raise
            said.append(f"{table.table} stays as it is: {first_line(error)}")
    connection.execute("SELECT pg_advisory_unlock(%s)", (WRITER_LOCK,))
    return ([f"made hypertables of {', '.join(made)}"] if made else []) + said


def _convert(connection: psycopg.Connection[Any], table: Partitioned, now_us: int, *, move: bool) -> bool:
    """Put a hypertable in a partitioned table's place; False: it has rows after all."""
    partitions.be_alone(connection)
    name, was = table.table, f"{table.table}_was"
    words = {
        "table": sql.Identifier(name),
        "was": sql.Identifier(was),
        "key": sql.Identifier(f"{name}_pkey"),
        "old_key": sql.Identifier(f"{was}_pkey"),
        "name": sql.Literal(name),
        "column": sql.Literal(table.column),
        "schema": functions(connection),
        "length": sql.Literal(SPAN_US[table.span]),
    }

    def run(*statements: str) -> None:
        for statement in statements:
            connection.execute(sql.SQL(statement).format(**words))

    run("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
    if not move and _has_rows(connection, name):
        return False
    parts = [partitions.parsed(table, part) for part in partitions.existing(connection)]
    far_us = min([now_us - NEAR_US, *(part.begin_us for part in parts if part is not None)])
    run(
        "ALTER TABLE {table} RENAME TO {was}",
        "ALTER INDEX {key} RENAME TO {old_key}",
        "CREATE TABLE {table} (LIKE {was} INCLUDING ALL)",
    )
    for statement in _rights(connection, name, was):
        connection.execute(statement)
    run(
        "SELECT {schema}.create_hypertable({name}::regclass, {column}::name, "
        "chunk_time_interval => {length}::bigint, create_default_indexes => false)"
    )
    fence(connection, table, far_us // DAY_US * DAY_US)
    if move:
        run("INSERT INTO {table} SELECT * FROM {was}")
    run("DROP TABLE {was}")
    return True


def _rights(connection: psycopg.Connection[Any], name: str, was: str) -> list[bytes]:
    """Return the statements that give a table the owner and the readers of another one."""
    rows = connection.execute(
        "SELECT format('ALTER TABLE %%I OWNER TO %%I', %(name)s::text, pg_get_userbyid(relowner)) "
        "FROM pg_class WHERE oid = %(was)s::regclass AND pg_get_userbyid(relowner) <> current_user "
        "UNION ALL SELECT format('GRANT %%s ON %%I TO %%s%%s', privilege_type, %(name)s::text, "
        "CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END, "
        "CASE WHEN is_grantable THEN ' WITH GRANT OPTION' END) "
        "FROM pg_class, aclexplode(relacl) WHERE oid = %(was)s::regclass AND grantee <> relowner",
        {"name": name, "was": was},
    )
    return [statement.encode() for (statement,) in rows]


def _compress(connection: psycopg.Connection[Any]) -> list[str]:
    """Let TimescaleDB compress what is a week old, where that is allowed; return what was done."""
    found = _look(connection)
    if not found.can_compress:
        return []
    waiting = {one.table for one in found.hypertables if not one.is_compressing}
    done = []
    for table in COMPRESSED:
        if table.table not in waiting:
            continue
        words = {
            "table": sql.Identifier(table.table),
            "name": sql.Literal(table.table),
            "key": sql.Literal(key_of(table)),
            "order": sql.Literal(f"{table.column} DESC"),
            "schema": functions(connection),
            "after": sql.Literal(COMPRESS_AFTER_DAYS * DAY_US),
        }
        try:
            with connection.transaction():
                for statement in (
                    _NOW,
                    _COMPRESS,
                    "SELECT {schema}.set_integer_now_func({name}::regclass, 'groundswell_now_us'::regproc, "
                    "replace_if_exists => true)",
                    "SELECT {schema}.add_compression_policy({name}::regclass, "
                    "compress_after => {after}::bigint, if_not_exists => true)",
                ):
                    connection.execute(sql.SQL(statement).format(**words))
        except psycopg.Error as error:
            return [f"{table.table} is not compressed: {first_line(error)}"]
        done.append(table.table)
    if not done:
        return []
    return [f"what is older than {COMPRESS_AFTER_DAYS} days is compressed in {', '.join(done)}"]


def parsed_version(text: str) -> tuple[int, int]:
    """Return the first two numbers of a version."""
    found = re.match(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _text(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
