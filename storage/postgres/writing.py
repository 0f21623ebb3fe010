"""Reports and samples into PostgreSQL: binary COPY into staging tables, then an upsert."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np

from storage.postgres import partitions
from storage.postgres.columns import Figures, Periods, Reports, Samples
from storage.postgres.database import PostgresDatabase, Session
from storage.postgres.errors import DatabaseAwayError
from storage.rows import RawSegment
from storage.sql.database import Connection
from storage.sql.writing import Writing, streamed_position
from storage.store import StorageError
from streams.records import FlaggedSamples, Record, StationPeriods, StationReport, StationReports

_RETRY_US = 60_000_000
"""After how long a partition that had to wait is tried again."""


class PostgresWriting(Writing, PostgresDatabase):
    """The writing half of the store."""

    def __init__(self, url: str, *, migrate: bool = False) -> None:
        super().__init__(url, migrate=migrate)
        self.rows_apart: Counter[str] = Counter()
        """Rows by table that went to the default partition, since they lie far from the commit's time."""
        self._waiting_since_us: int | None = None
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
            try:
                super().commit(
                    batches,
                    snapshots,
                    now_us=now_us,
                    webhook_ids=webhook_ids,
                    journal=journal,
                    raw_segments=raw_segments,
                    consumed=consumed,
                )
            except DatabaseAwayError:
                self._doubt = self._journal or self._doubt
                raise
            finally:
                del self._columns
            self._doubt = None
            self.rows_apart.update(apart)

    def drop_expired(self, now_us: int, retention_s: Mapping[str, int]) -> list[str]:
        """Drop partitions that hold nothing younger than their table's retention; return their names.

        One that somebody reads is left to the next call.

        Parameters
        ----------
        retention_s
            By table: station_epochs, station_figures, station_periods, samples. Others are kept for ever.

        Raises
        ------
        ValueError
            No such table, or not a positive number.
        """
        dropped: list[str] = []
        for table, cut_us in partitions.cuts(now_us, retention_s):
            with self._outside() as connection:
                dropped += partitions.drop_before(connection, table, cut_us)
        self._partitions.difference_update(dropped)
        return dropped

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

    def _put_columns(self, connection: Connection, batches: Sequence[Record]) -> None:  # noqa: ARG002
        session = cast("Session", connection)
        columns = self._columns
        if columns.reports.reports:
            self._put_reports(session, columns.reports)
        if columns.figures.figures:
            keys = self._numbers(session, "station", columns.figures.station_ids)
            key = np.array([keys[one] for one in columns.figures.station_ids], np.int32)
            self._take(session, "figures", [columns.figures.copy(key)], latest=True)
        if columns.periods.periods:
            keys = self._numbers(session, "station", columns.periods.station_ids)
            key = np.array([keys[one] for one in columns.periods.station_ids], np.int32)
            self._take(session, "periods", [columns.periods.copy(key)], latest=False)
        if columns.samples.batches:
            series = self._numbers(session, "datastream", columns.samples.datastream_ids)
            tests = self._numbers(session, "name", columns.samples.tests())
            self._take(session, "samples", columns.samples.copies(series, tests), latest=True)

    def _put_reports(self, session: Session, some: Reports) -> None:
        keys = self._numbers(session, "station", some.station_ids)
        names = self._numbers(session, "name", [one for one in some.codes if one is not None])
        key = np.array([keys[one] for one in some.station_ids], np.int32)
        codes = [None if one is None else names[one] for one in some.codes]
        self._take(session, "reports", [some.copy(key, codes)], latest=True)
        self._put_positions(session, some.reports, keys)

    def _put_positions(
        self, session: Session, reports: Sequence[StationReport], keys: Mapping[str, int]
    ) -> None:
        newest: dict[int, tuple[int, float, float, float]] = {}
        for report in reports:
            if report.ecef_m is not None and (place := streamed_position(report)) is not None:
                key = keys[report.station_id]
                if key not in newest or report.epoch_us >= newest[key][0]:
                    newest[key] = (report.epoch_us, *place)
        if newest:
            rows = sorted((key, *rest) for key, rest in newest.items())
            names = ("key", "at_us", "longitude", "latitude", "height_m")
            lists = {name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
            session.execute(self._queries["put_streamed_positions"], lists)

    def _take(self, session: Session, what: str, copies: Sequence[bytes], *, latest: bool) -> None:
        """Send bytes to a staging table and take them from there."""
        for data in copies:
            with (
                session.plain.cursor() as cursor,
                cursor.copy(self._queries[f"copy_{what}"].encode()) as copy,
            ):
                copy.write(data)
        session.execute(self._queries[f"take_{what}"])
        if latest:
            session.execute(self._queries[f"take_latest_{what}"])

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


class _Columns:
    """What a commit holds of the large tables."""

    def __init__(self, batches: Sequence[Record]) -> None:
        groups = [one for one in batches if isinstance(one, StationReports)]
        hours = [one for one in batches if isinstance(one, StationPeriods)]
        self.reports = Reports([report for one in groups for report in one.reports])
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
