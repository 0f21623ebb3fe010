"""Reports and samples into PostgreSQL: binary COPY into staging tables, then an upsert."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Any, cast

import numpy as np
import psycopg
from numpy.typing import NDArray

from storage.postgres import partitions
from storage.postgres.bounds import Bounds
from storage.postgres.copying import Column, row_bytes
from storage.postgres.database import Session, send
from storage.postgres.errors import (
    BeginAnewError,
    CollisionError,
    DatabaseAwayError,
    PartitionGoneError,
    RowsExistError,
)
from storage.postgres.latest import PostgresLatest
from storage.postgres.rolling import PostgresExpiring
from storage.postgres.sample_columns import Samples, SortedSamples
from storage.postgres.station_columns import Figures, Periods, Reports, SortedReports
from storage.rows import RawSegment
from storage.sql.database import Connection, Parameters
from storage.sql.levels import SAMPLES, STATIONS
from storage.sql.writing import Writing, streamed_position
from storage.store import StorageError
from streams.records import FlaggedSamples, Record, StationPeriods, StationReport, StationReports

_CAREFUL_COMMITS = 30
"""So many look for rows that exist, after one has found some: what comes again comes in a row."""
_ATTEMPTS = 3
_RETRY_US = 60_000_000
"""After how long a partition that had to wait is tried again."""


class PostgresWriting(Writing, PostgresExpiring, PostgresLatest):
    """The writing half of the store."""

    def __init__(self, url: str, *, migrate: bool = False) -> None:
        super().__init__(url, migrate=migrate)
        self.rows_apart: Counter[str] = Counter()
        """Rows by table that went to the default partition, since they lie far from the commit's time."""
        self._careful: Counter[str] = Counter()
        self._detached: set[str] = set()
        """Names of partitions that have become tables of their own."""
        self._straight: set[str] = set()
        """Names of those into which the transaction that runs writes without asking the table."""
        self._waiting_since_us: int | None = None
        self._unbrought: list[SortedReports] = []
        self._bounds = Bounds()
        self._bounded: list[tuple[NDArray[np.int32], NDArray[np.int64]]] = []
        """What the commit that runs writes of the bounds."""
        self._doubt: tuple[str, tuple[bytes, ...]] | None = None
        """Transaction and journal of a commit whose answer did not come."""
        self._journal: tuple[str, tuple[bytes, ...]] | None = None

    def commit(
        self,
        batches: Sequence[Record],
        snapshots: Mapping[str, Sequence[bytes]] | None,
        *,
        now_us: int,
        webhook_ids: Sequence[str] = (),
        journal: Sequence[bytes] = (),
        raw_segments: Sequence[RawSegment] = (),
        consumed: Mapping[str, Mapping[int, int]] | None = None,
    ) -> None:
        """Keep all this in one transaction (see `Store.commit`).

        Raises
        ------
        StorageFullError
            The server has no space; nothing of it was kept.
        StorageError
            The server is away or refused it. Whether it was kept is known at the next call only; to call
            again with the same is always right.
        """
        columns = _Columns(batches)
        with self._lock:
            apart = self._prepare_partitions(columns, now_us)
            self._columns = columns
            self._journal = None
            self._unbrought.clear()
            self._bounded.clear()
            once = partial(
                self._once, batches, snapshots, now_us=now_us, webhook_ids=webhook_ids, journal=journal,
                raw_segments=raw_segments, consumed=consumed,
            )  # fmt: skip
            try:
                _repeated(once)
            except DatabaseAwayError:
                self._doubt = self._journal or self._doubt
                raise
            finally:
                del self._columns
            self._doubt = None
            self.rows_apart.update(apart)
            for written in self._bounded:
                self._bounds.written(*written)
            for rows in self._unbrought:
                self._newest_wait(rows)

    def _once(self, *what: Any, **more: Any) -> None:
        self._straight.clear()
        try:
            super().commit(*what, **more)
        except PartitionGoneError:
            with self._outside() as connection:
                for name in self._straight:
                    found = connection.execute(
                        self._queries["is_partition"].encode(), {"name": name}
                    ).fetchone()
                    if found is None:
                        self._partitions.discard(name)
                    elif not found[0]:
                        self._detached.add(name)
            raise

    def _prepare_partitions(self, columns: _Columns, now_us: int) -> Counter[str]:
        """Make what is missing; return how many rows of which tables lie outside all partitions."""
        apart: Counter[str] = Counter()
        wanted = {}
        for table, times_us in columns.times().items():
            wanted[table], outside = partitions.needed(table, times_us, now_us)
            if outside:
                apart[table.table] = outside
        since_us = self._waiting_since_us
        if since_us is None or not since_us <= now_us < since_us + _RETRY_US:
            self._waiting_since_us = now_us if self._make_partitions(wanted) else None
        return apart

    def _put_columns(
        self,
        connection: Connection,
        batches: Sequence[Record],  # noqa: ARG002 - they are columns already
        now_us: int,
    ) -> None:
        session = cast("Session", connection)
        columns = self._columns
        samples = self._samples_of(session, columns.samples)
        if columns.reports.reports:
            self._put_reports(session, columns.reports, now_us, samples)
        if columns.figures.figures:
            key = self._station_keys(session, columns.figures.station_ids)
            send(session, self._queries["stage_figures"], [columns.figures.staged(key)])
            session.execute(self._queries["take_figures"])
            session.execute(self._queries["take_latest_figures"])
        if columns.periods.periods:
            key = self._station_keys(session, columns.periods.station_ids)
            session.execute(self._queries["take_periods"], columns.periods.arrays(key))
        if (rows := samples()) is not None:
            self._put_samples(session, rows, now_us)

    def _samples_of(self, session: Session, some: Samples) -> Callable[[], SortedSamples | None]:
        """Return what sorts them at its first call; no question to the server is left for it."""
        if not some.batches:
            return lambda: None
        keys = self._numbers(session, "datastream", some.datastream_ids)
        tests = self._numbers(session, "name", some.tests())
        return cache(lambda: some.sorted(keys, tests))

    def _datastream_keys(self, connection: Connection, ids: Sequence[str]) -> list[int]:
        numbers = self._numbers(connection, "datastream", ids)
        return [numbers[one] for one in ids]

    def _put_reports(
        self, session: Session, some: Reports, now_us: int, samples: Callable[[], object]
    ) -> None:
        """Write reports; `samples` is work for the time in which the server writes them."""
        key = self._station_keys(session, some.station_ids)
        names = self._numbers(session, "name", some.codes.values())
        rows = some.sorted(key, names)
        places = cache(lambda: _newest_places(some.reports, key))
        pieces = _meanwhile(rows.table(), samples, lambda: rows.touched, places)
        if not self._are_new(session, partitions.STATION_EPOCHS, some.time_us, pieces):
            send(session, self._queries["stage_reports"], rows.staged())
            session.execute(self._queries["take_reports"], rows.reasons())
        self._unbrought[:] = [rows]
        if given := places():
            session.execute(self._queries["put_streamed_positions"], given)
        self._mark(session, STATIONS, rows.touched, now_us)

    def _put_samples(self, session: Session, rows: SortedSamples, now_us: int) -> None:
        staged = rows.revised()
        if not staged.all():
            pieces = _meanwhile(rows.table(~staged), lambda: rows.touched)
            if not self._are_new(session, partitions.SAMPLES, rows.time_us[~staged], pieces):
                staged[:] = True
        if staged.any():
            send(session, self._queries["stage_samples"], rows.staged(staged))
            session.execute(self._queries["take_samples"])
        self._put_bounds(session, *rows.newest_times())
        self._mark(session, SAMPLES, rows.touched, now_us)

    def _put_bounds(self, session: Session, key: NDArray[np.int32], time_us: NDArray[np.int64]) -> None:
        """Write from when on the newest samples are to be looked for, where that is due."""
        due = self._bounds.are_due(key, time_us)
        if not due.any():
            return
        key, time_us = key[due], time_us[due]
        send(session, self._queries["stage_newest_samples"], [row_bytes([Column(time_us), Column(key)])])
        if session.execute(self._queries["renew_latest_samples"]).rowcount < len(key):
            session.execute(self._queries["take_latest_samples"])
        self._bounded[:] = [(key, time_us)]

    def _station_keys(self, session: Session, station_ids: Sequence[str]) -> NDArray[np.int32]:
        try:
            return _column(self._keys["station"], station_ids)
        except KeyError:
            return _column(self._numbers(session, "station", station_ids), station_ids)

    def _are_new(
        self,
        session: Session,
        table: partitions.Partitioned,
        times_us: NDArray[np.int64],
        pieces: Iterable[bytes],
    ) -> bool:
        """Send rows straight into their table; False, and nothing is sent, when some may be there already.

        Rows of one partition go into it, so that the server need not look for the place of each.

        Raises
        ------
        BeginAnewError
            One is, or the partition is gone: the transaction has to begin anew.
        """
        if self._careful[table.table] > 0:
            self._careful[table.table] -= 1
            return False
        copy = self._queries[f"copy_{table.table}"]
        partition = None if table.table in self._hypertables else partitions.of_all(table, times_us)
        direct = partition.name if partition is not None else ""
        if direct not in self._partitions or direct in self._detached:
            direct = ""
        if direct:
            copy = copy.replace(table.table, direct, 1)
            self._straight.add(direct)
        try:
            send(session, copy, pieces)
        except psycopg.errors.UniqueViolation as error:
            self._careful[table.table] = _CAREFUL_COMMITS + 1  # the next one is this commit again
            raise RowsExistError(f"{table.table} has rows of this commit already") from error
        except psycopg.errors.UndefinedTable as error:
            if not direct:
                raise
            raise PartitionGoneError(f"{direct} was there and is not any more") from error
        if direct:  # from here on our lock keeps it as it is
            session.in_the_end(self._queries["expect_partition"], {"name": direct})
        return True

    def _put_mark(self, connection: Connection, row: Parameters) -> None:
        cast("Session", connection).in_the_end(self._queries[self._note], row)

    def _add_journal(self, connection: Connection, journal: Sequence[bytes]) -> None:
        """Append messages, unless the commit before did so and its answer was lost."""
        messages = tuple(journal)
        if self._doubt is not None and self._doubt[1] == messages:
            asked = {"id": self._doubt[0]}
            (status,) = connection.execute(self._queries["transaction_status"], asked).fetchone()
            if status == "in progress":
                raise StorageError("the commit before has not ended yet: storing goes on by itself")
            if status == "committed":
                return
        (number,) = connection.execute(self._queries["transaction_id"]).fetchone()
        self._journal = (number, messages)
        super()._add_journal(connection, journal)


def _meanwhile(pieces: Iterable[bytes], *work: Callable[[], object]) -> Iterator[bytes]:
    """Yield the pieces of a COPY, then do what does not need the server while it writes the last of them."""
    yield from pieces
    for one in work:
        one()


def _column(keys: Mapping[str, int], names: Sequence[str]) -> NDArray[np.int32]:
    return np.fromiter(map(keys.__getitem__, names), np.int32, len(names))


def _newest_places(reports: Sequence[StationReport], key: NDArray[np.int32]) -> dict[str, list[float]]:
    """Return where stations are by the newest reports that tell it, as columns; none: empty."""
    newest: dict[int, tuple[int, float, float, float]] = {}
    for i, report in enumerate(reports):
        if report.ecef_m is not None and (place := streamed_position(report)) is not None:
            station = int(key[i])
            if station not in newest or report.epoch_us >= newest[station][0]:
                newest[station] = (report.epoch_us, *place)
    rows = sorted((station, *rest) for station, rest in newest.items())
    names = ("key", "at_us", "longitude", "latitude", "height_m")
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=False)) if rows else {}


def _repeated(once: Callable[[], None]) -> None:
    """Do it again with what was found out, and some times when another writer wanted the same rows."""
    collisions = 0
    while True:
        try:
            return once()
        except BeginAnewError:
            continue  # once for each table and partition: it is known from now on
        except CollisionError:
            collisions += 1
            if collisions == _ATTEMPTS:
                raise


class _Columns:
    """What a commit holds of the large tables."""

    def __init__(self, batches: Sequence[Record]) -> None:
        groups = [one for one in batches if isinstance(one, StationReports)]
        hours = [one for one in batches if isinstance(one, StationPeriods)]
        self.reports = Reports(
            groups[0].reports if len(groups) == 1 else [report for one in groups for report in one.reports]
        )
        self.figures = Figures([figures for one in groups for figures in one.figures])
        self.periods = Periods([period for one in hours for period in one.periods])
        self.samples = Samples.of([one for one in batches if isinstance(one, FlaggedSamples)])

    def times(self) -> dict[partitions.Partitioned, np.ndarray[tuple[int, ...], np.dtype[np.int64]]]:
        """Return the times of all rows by table."""
        return {
            partitions.STATION_EPOCHS: self.reports.time_us,
            partitions.STATION_FIGURES: self.figures.time_us,
            partitions.STATION_PERIODS: self.periods.time_us,
            partitions.SAMPLES: self.samples.time_us,
        }
