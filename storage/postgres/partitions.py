"""The partitions of the large tables: made before they are needed, dropped when they are too old.

A day (or month) has a partition when it is within some months of the commit's time. What lies further away,
as a sensor whose clock is wrong may say, goes to the table's default partition: it is kept and found all the
same, and makes no thousands of partitions. Whenever a partition cannot be made at once, since somebody reads
for long, the rows go to the default one as well, and move when it can be made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from storage.sql.marks import distinct

DAY_US = 86_400_000_000
NEAR_US = 92 * DAY_US
AHEAD_US = DAY_US
"""How long before its begin the next partition is made."""
PATIENCE_MS = 2000
"""For readers that hold a table; everybody else waits behind."""
_LOCK = 7_203_116_202
_FIRST_US, _END_US = 0, 7_258_118_400_000_000
"""From 1970 to 2200: beyond it a date is a mistake."""


@dataclass(frozen=True, slots=True)
class Partitioned:
    """A table and how it is cut."""

    table: str
    column: str
    span: Literal["day", "month"]


STATION_EPOCHS = Partitioned("station_epochs", "epoch_us", "day")
SAMPLES = Partitioned("samples", "time_us", "day")
STATION_FIGURES = Partitioned("station_figures", "time_us", "month")
STATION_PERIODS = Partitioned("station_periods", "begin_us", "month")
STATION_MINUTES = Partitioned("station_minutes", "begin_us", "day")
STATION_HOURS = Partitioned("station_hours", "begin_us", "month")
STATION_DAYS = Partitioned("station_days", "begin_us", "month")
SAMPLE_MINUTES = Partitioned("sample_minutes", "begin_us", "day")
SAMPLE_HOURS = Partitioned("sample_hours", "begin_us", "month")
SAMPLE_DAYS = Partitioned("sample_days", "begin_us", "month")
TABLES = (
    STATION_EPOCHS, SAMPLES, STATION_FIGURES, STATION_PERIODS, STATION_MINUTES, STATION_HOURS, STATION_DAYS,
    SAMPLE_MINUTES, SAMPLE_HOURS, SAMPLE_DAYS,
)  # fmt: skip
BY_NAME = {table.table: table for table in TABLES}


@dataclass(frozen=True, slots=True, order=True)
class Partition:
    """A partition: what it is called and what it holds, from `begin_us` to before `end_us`."""

    name: str
    begin_us: int
    end_us: int


def partition_of(table: Partitioned, time_us: int) -> Partition:
    """Return the partition of a time between 1970 and 2200."""
    return _partition_of_day(table, time_us // DAY_US)


@lru_cache(4096)
def _partition_of_day(table: Partitioned, day: int) -> Partition:
    begin = datetime.fromtimestamp(day * 86_400, UTC)
    if table.span == "day":
        begin_us = day * DAY_US
        return Partition(f"{table.table}_{begin:%Y%m%d}", begin_us, begin_us + DAY_US)
    begin = begin.replace(day=1)
    after = begin.replace(year=begin.year + begin.month // 12, month=begin.month % 12 + 1)
    return Partition(f"{table.table}_{begin:%Y%m}", _us(begin), _us(after))


def needed(table: Partitioned, times_us: NDArray[np.int64], now_us: int) -> tuple[set[Partition], int]:
    """Return the partitions that these rows and the near future need, and how many rows get none."""
    near = _near(times_us, now_us)
    days = _days(times_us if near.all() else times_us[near])
    soon = [t // DAY_US for t in (now_us, now_us + AHEAD_US) if _FIRST_US <= t < _END_US]
    found = {partition_of(table, day * DAY_US) for day in {*days, *soon}}
    return found, len(times_us) - int(near.sum())


def of_all(table: Partitioned, times_us: NDArray[np.int64]) -> Partition | None:
    """Return the partition of all these times; None: they have several, or are no dates."""
    first_us, last_us = int(times_us.min()), int(times_us.max())
    if not _FIRST_US <= first_us <= last_us < _END_US:
        return None
    found = partition_of(table, first_us)
    return found if last_us < found.end_us else None


def _days(times_us: NDArray[np.int64]) -> list[int]:
    """Return the numbers of the days of these times, each once."""
    if not len(times_us):
        return []
    first, last = int(times_us.min()) // DAY_US, int(times_us.max()) // DAY_US
    return [first] if first == last else distinct(times_us // DAY_US).tolist()


def near(table: Partitioned, times_us: Sequence[int], now_us: int) -> set[Partition]:
    """Return the partitions of those of these times that are near now."""
    times = np.array(times_us, np.int64)
    return {partition_of(table, one) for one in times[_near(times, now_us)].tolist()}


def _near(times_us: NDArray[np.int64], now_us: int) -> NDArray[np.bool_]:
    low, high = max(_FIRST_US, now_us - NEAR_US), min(_END_US, now_us + NEAR_US)
    return (times_us >= low) & (times_us < high)


def existing(connection: psycopg.Connection[Any]) -> set[str]:
    """Return the names of all partitions."""
    rows = connection.execute(
        "SELECT c.relname FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid "
        "WHERE i.inhparent = ANY(%s::regclass[]) AND c.relkind = 'r' AND c.relispartition",
        ([table.table for table in TABLES],),
    )
    return {name for (name,) in rows}


def make(connection: psycopg.Connection[Any], table: Partitioned, partition: Partition) -> bool:
    """Make a partition and move what the default one has of it; False: that has to wait.

    Somebody holds the table, or has detached a partition whose table still has the name.
    """
    name, parent, other = _names(partition.name, table.table, f"{table.table}_other")
    column = sql.Identifier(table.column)
    begin, end = sql.Literal(partition.begin_us), sql.Literal(partition.end_us)
    try:
        with connection.transaction():
            be_alone(connection)
            if partition.name in existing(connection):
                return True
            for statement in (
                sql.SQL("LOCK TABLE {other} IN ACCESS EXCLUSIVE MODE"),
                sql.SQL("CREATE TABLE {name} (LIKE {parent} INCLUDING STORAGE)"),
                sql.SQL(
                    "WITH moved AS (DELETE FROM {other} WHERE {column} >= {begin} AND {column} < {end} "
                    "RETURNING *) INSERT INTO {name} SELECT * FROM moved"
                ),
                sql.SQL("ALTER TABLE {parent} ATTACH PARTITION {name} FOR VALUES FROM ({begin}) TO ({end})"),
            ):
                words = {"name": name, "parent": parent, "other": other, "column": column}
                connection.execute(statement.format(**words, begin=begin, end=end))
    except (
        psycopg.errors.LockNotAvailable,
        psycopg.errors.DeadlockDetected,
        psycopg.errors.DuplicateTable,
    ):
        return False
    return True


def drop_before(
    connection: psycopg.Connection[Any], table: Partitioned, cut_us: int
) -> tuple[list[str], int]:
    """Drop the partitions that end before a time, and what the default one has of it.

    Returns
    -------
    dropped, rows
        Names, and about how many rows they and the default one had.
    """
    dropped, rows = [], 0
    for name in sorted(existing(connection)):
        if (partition := parsed(table, name)) is not None and partition.end_us <= cut_us:
            asked = "SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = %s::regclass"
            try:
                with connection.transaction():
                    be_alone(connection)
                    about = connection.execute(asked, (name,)).fetchone() or (0,)
                    connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))
            except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
                continue  # somebody reads it: the next call does it
            dropped.append(name)
            rows += about[0]
    done = connection.execute(
        sql.SQL("DELETE FROM {} WHERE {} < {}").format(
            sql.Identifier(f"{table.table}_other"), sql.Identifier(table.column), sql.Literal(cut_us)
        )
    )
    return dropped, rows + done.rowcount


def be_alone(connection: psycopg.Connection[Any]) -> None:
    """Wait for the others who make or drop partitions, and not for ever for those who read."""
    connection.execute(f"SET LOCAL lock_timeout = {PATIENCE_MS}".encode())
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))


def parsed(table: Partitioned, name: str) -> Partition | None:
    """Return the partition that is called so; None: it is none of this table with a time."""
    date = name.removeprefix(f"{table.table}_")
    if date == name or not date.isdecimal():
        return None
    begin = datetime(int(date[:4]), int(date[4:6]), int(date[6:] or "1"), tzinfo=UTC)
    return partition_of(table, _us(begin))


def _names(*names: str) -> tuple[sql.Identifier, ...]:
    return tuple(sql.Identifier(name) for name in names)


def _us(moment: datetime) -> int:
    return round(moment.timestamp()) * 1_000_000
