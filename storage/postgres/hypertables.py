"""Hypertables of TimescaleDB, where they stand in place of partitioned tables: it makes their chunks itself.

What lies far in the past, as a sensor whose clock is wrong may say, shares a few wide chunks, as it shares
the default partition of a partitioned table; else each of its days would be a chunk of its own. What lies
far ahead makes chunks: connectors refuse samples that are more than a day ahead.
"""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

from storage.postgres import partitions
from storage.postgres.partitions import DAY_US, Partitioned

EXTENSION = "timescaledb"
_FIRST_US = 0
SPAN_US = {"day": DAY_US, "month": 30 * DAY_US}
_NO_LIMIT = """
SELECT set_config(name, '0', false)
FROM (SELECT 'timescaledb.max_tuples_decompressed_per_dml_transaction') AS limits (name)
WHERE current_setting(name, true) IS NOT NULL
"""
"""Rows that come late to what is compressed are stored, however many they are."""


def known(connection: psycopg.Connection[Any]) -> set[str]:
    """Return which of the large tables are hypertables."""
    asked = "SELECT to_regclass('timescaledb_information.hypertables')"
    if connection.execute(asked).fetchone() == (None,):
        return set()
    rows = connection.execute(
        "SELECT hypertable_name FROM timescaledb_information.hypertables "
        "WHERE hypertable_schema = current_schema()"
    )
    return {name for (name,) in rows} & partitions.BY_NAME.keys()


def prepare(connection: psycopg.Connection[Any]) -> set[str]:
    """Make a session ready to write into them; return which they are."""
    if found := known(connection):
        connection.execute(_NO_LIMIT)
    return found


def key_of(table: Partitioned) -> str:
    """Return the column that says whose a row is."""
    return "datastream_key" if table.table.startswith("sample") else "station_key"


def functions(connection: psycopg.Connection[Any]) -> sql.Identifier:
    """Return the schema of the extension's functions."""
    asked = "SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = %s"
    (schema,) = connection.execute(asked, (EXTENSION,)).fetchone() or ("public",)
    return sql.Identifier(schema)


def fence(connection: psycopg.Connection[Any], table: Partitioned, before_us: int) -> None:
    """Make the wide chunks of what lies before a time, in the caller's transaction.

    A chunk is as long as is said when its first row comes.
    """
    if before_us <= _FIRST_US:
        return
    words = {
        "schema": functions(connection),
        "table": sql.Identifier(table.table),
        "column": sql.Identifier(table.column),
        "key": sql.Identifier(key_of(table)),
    }
    name = sql.Literal(table.table)
    # one before 1970 for each length back to 1900, which is the earliest time of all
    begins = sql.SQL(", ").join(sql.Literal(us) for us in (0, -1, -before_us - 1))
    asked = (
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 "
        "AND NOT attisdropped AND attnotnull AND NOT atthasdef AND attname <> %s"
    )
    others = [row[0] for row in connection.execute(asked, (table.table, table.column))]
    columns = sql.SQL(", ").join(map(sql.Identifier, others))
    nothing = sql.SQL(", ").join([sql.Literal("0")] * len(others))
    length = sql.SQL("SELECT {schema}.set_chunk_time_interval({name}::regclass, {length}::bigint)")
    wide, usual = (
        length.format(**words, name=name, length=sql.Literal(us)) for us in (before_us, SPAN_US[table.span])
    )
    rows = sql.SQL(
        "INSERT INTO {table} ({column}, {columns}) "
        "SELECT t, {nothing} FROM unnest(ARRAY[{begins}]::bigint[]) AS t"
    )
    none = sql.SQL("DELETE FROM {table} WHERE {column} IN ({begins}) AND {key} = 0")
    connection.execute(wide)
    connection.execute(rows.format(**words, columns=columns, nothing=nothing, begins=begins))
    connection.execute(none.format(**words, begins=begins))
    connection.execute(usual)


def drop_before(connection: psycopg.Connection[Any], table: Partitioned, cut_us: int) -> int:
    """Drop the chunks that end before a time, and what the wide ones have of it; return about how many rows.

    The same with and without policies of TimescaleDB's own, which its licence may not allow, which know
    nothing of sums that are still to be made, and which believe the server's clock.
    """
    words = {"schema": functions(connection), "table": sql.Identifier(table.table)}
    old = sql.SQL("{name}::regclass, older_than => {cut}::bigint, newer_than => 0::bigint").format(
        name=sql.Literal(table.table), cut=sql.Literal(cut_us)
    )
    rows = 0
    try:
        with connection.transaction():
            partitions.be_alone(connection)
            if cut_us > _FIRST_US:
                count = sql.SQL(
                    "SELECT sum({schema}.approximate_row_count(c)) FROM {schema}.show_chunks({old}) c"
                )
                rows = int((connection.execute(count.format(**words, old=old)).fetchone() or (0,))[0] or 0)
                connection.execute(sql.SQL("SELECT {schema}.drop_chunks({old})").format(**words, old=old))
            far_us, earliest_us = _wide(connection, table)
            if far_us is None:
                fence(connection, table, cut_us if earliest_us is None else earliest_us)
    except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
        return 0  # somebody reads it: the next call does it
    gone = connection.execute(
        sql.SQL("DELETE FROM {table} WHERE {column} < {cut}").format(
            **words, column=sql.Identifier(table.column), cut=sql.Literal(min(cut_us, far_us or _FIRST_US))
        )
    )
    return rows + gone.rowcount


def _wide(connection: psycopg.Connection[Any], table: Partitioned) -> tuple[int | None, int | None]:
    """Return where the wide chunk that begins in 1970 ends, and where the first other begins, if they are."""
    found = connection.execute(
        "SELECT max(range_end_integer) FILTER (WHERE range_start_integer <= 0), "
        "min(range_start_integer) FILTER (WHERE range_start_integer > 0) "
        "FROM timescaledb_information.chunks "
        "WHERE hypertable_schema = current_schema() AND hypertable_name = %s AND range_end_integer > 0",
        (table.table,),
    ).fetchone()
    return found or (None, None)
