"""Reports and samples into SQLite, many rows a statement."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import structlog
from numpy.typing import NDArray

from storage.rows import RawSegment
from storage.sql.database import Connection
from storage.sql.levels import SAMPLES, STATIONS
from storage.sql.marks import touched
from storage.sql.packing import STATES, compressed, figures_row, pack, packed_flags, report_row
from storage.sql.writing import Writing, streamed_position
from storage.sqlite.behind import MOST_ROWS, Behind, Columns, by_station, steps, without_extras
from storage.sqlite.bulk import put_many
from storage.sqlite.database import QUERIES
from storage.sqlite.rolling import SqliteExpiring
from storage.store import StorageError
from streams.codec import decode, encode
from streams.records import (
    FlaggedSamples,
    Record,
    StationFigures,
    StationPeriodRecord,
    StationPeriods,
    StationReport,
    StationReports,
)

log = structlog.get_logger()

BREATH_S = 0.002
_SEGMENT = attrgetter(*RawSegment.__dataclass_fields__)


class SampleColumns(NamedTuple):
    """Samples as they are stored; columns of shape (n,)."""

    key: NDArray[Any]
    time_us: NDArray[Any]
    value: NDArray[Any]
    received_at_us: NDArray[Any]
    revision: NDArray[Any]
    flag: NDArray[Any]
    tests: NDArray[Any]
    flags: NDArray[Any]


class SqliteWriting(Writing, SqliteExpiring):
    """The writing half of the store.

    Parameters
    ----------
    behind
        Whether reports and samples of large commits may come into their tables some seconds later: by
        `tidy`, which somebody calls about once a second.
    """

    def __init__(self, path: Path | str, *, behind: bool = False) -> None:
        super().__init__(path)
        self._behind = Behind()
        self._written_down: Callable[[sqlite3.Connection], None] | None = None
        """Within a commit whose rows come into their tables later."""
        self._may_wait = behind
        self._bringing = threading.Lock()
        self._asked = 0
        """Questions about samples that wait, since they were brought last."""
        self._recall_pending()

    def commit(
        self, batches: Sequence[Record], snapshots: Mapping[str, Sequence[bytes]] | None, **more: Any
    ) -> None:
        """Keep all this in one transaction (see `Store.commit`)."""
        if self._behind.rows > MOST_ROWS:
            self._bring()
        with self._lock:
            columns = [without_extras(batch) for batch in batches if isinstance(batch, Columns)]
            if not (self._may_wait and self._behind.takes(columns)):
                super().commit(batches, snapshots, **more)
                return
            number = 0

            def write_down(writer: sqlite3.Connection) -> None:
                nonlocal number
                for batch in columns:
                    number = writer.execute(QUERIES["add_pending"], (encode(batch),)).lastrowid or 0

            self._written_down = write_down
            try:
                super().commit(batches, snapshots, **more)
            finally:
                self._written_down = None
            self._behind.add(columns, number)

    def tidy(self) -> None:
        """Bring rows into their tables when it is time, and pages of the log into the file."""
        if self._behind.is_due:
            self._bring()
        super().tidy()

    def close(self) -> None:
        """Bring what waits, and close all connections."""
        try:
            self._bring()
        except (sqlite3.Error, StorageError):  # it stands in `pending_rows`
            log.warning("rows are brought into their tables at the next start")
        super().close()

    def _recall_pending(self) -> None:
        while True:
            with self._reading() as connection:
                found = connection.execute(QUERIES["pending"], (self._behind.number,)).fetchall()
            if not found:
                break
            batches = [decode(batch) for _, batch in found]
            self._behind.add([one for one in batches if isinstance(one, Columns)], found[-1][0])
            if self._behind.rows > MOST_ROWS:
                self._bring()
        self._bring()

    def _bring(self) -> None:
        """Bring what waits into the tables, in short transactions."""
        with self._bringing:
            with self._lock:
                batches, number = self._behind.standing(), self._behind.number
            if not batches:
                return
            for transaction in self._transactions(batches):
                with self._transaction(synced=False) as writer:
                    transaction(writer)
                time.sleep(BREATH_S)  # a commit that waits comes first
            with self._transaction() as writer:
                writer.execute(QUERIES["drop_pending"], (number,))
            with self._lock:
                self._behind.brought(len(batches))
                self._asked = 0

    def _transactions(self, batches: Sequence[Columns]) -> Iterator[Callable[[sqlite3.Connection], None]]:
        now_us = max((int(times.max()) for one in batches if len(times := _received_us(one))), default=0)
        for reports in steps(by_station(batches)):
            yield partial(self._put_reports, reports=reports, now_us=now_us)
        for batch in batches:
            if isinstance(batch, StationReports):
                for figures in steps(batch.figures):
                    yield partial(self._put_figures, figures=figures)
        samples = [one for one in batches if isinstance(one, FlaggedSamples) and len(one)]
        if not samples:
            return
        with self._transaction() as writer:
            each = [self._sample_columns(writer, one) for one in samples]
        columns = SampleColumns(*(np.concatenate(column) for column in zip(*each, strict=True)))
        for rows in steps(np.lexsort((columns.revision, columns.time_us, columns.key)).tolist()):
            yield partial(self._write_samples, columns=columns, order=np.array(rows), now_us=now_us)

    def _put_columns(self, connection: Connection, batches: Sequence[Record], now_us: int) -> None:
        writer = cast("sqlite3.Connection", connection)
        if self._written_down is not None:
            self._written_down(writer)
            batches = [batch for batch in batches if not isinstance(batch, Columns)]
        for batch in batches:
            if isinstance(batch, StationReports):
                self._put_reports(writer, batch.reports, now_us)
                self._put_figures(writer, batch.figures)
            elif isinstance(batch, StationPeriods):
                self._put_periods(writer, batch.periods)
            elif isinstance(batch, FlaggedSamples):
                self._put_samples(writer, batch, now_us)

    def _put_reports(
        self, connection: sqlite3.Connection, reports: Sequence[StationReport], now_us: int
    ) -> None:
        rows = []
        newest: dict[int, StationReport] = {}
        for report in reports:
            key = self._key(connection, "station", report.station_id)
            codes = self._names_key(connection, [r.code for r in report.reasons]) if report.reasons else None
            rows.append(report_row(report, key, codes))
            if key not in newest or report.epoch_us >= newest[key].epoch_us:
                newest[key] = report
            if (position := streamed_position(report)) is not None:
                _put_position(connection, key, report.epoch_us, position)
        put_many(connection, self._queries["put_station_epoch"], rows)
        put_many(
            connection,
            self._queries["put_station_latest"],
            [(key, r.epoch_us, STATES.index(r.state), pack(r)) for key, r in newest.items()],
        )
        keys = np.array([row[0] for row in rows], np.int32)
        times = np.array([report.epoch_us for report in reports], np.int64)
        self._mark(cast("Connection", connection), STATIONS, touched(keys, times), now_us)

    def _put_figures(self, connection: sqlite3.Connection, figures: Sequence[StationFigures]) -> None:
        rows = [figures_row(one, self._key(connection, "station", one.station_id)) for one in figures]
        put_many(connection, self._queries["put_station_figures"], rows)

    def _put_periods(self, connection: sqlite3.Connection, periods: Sequence[StationPeriodRecord]) -> None:
        connection.executemany(
            self._queries["put_station_period"],
            [
                (
                    self._key(connection, "station", one.station_id),
                    one.begin_us,
                    one.end_us,
                    compressed(one.period),
                )
                for one in periods
            ],
        )

    def _put_segments(self, connection: Connection, segments: Sequence[RawSegment]) -> None:
        writer = cast("sqlite3.Connection", connection)
        put_many(writer, self._queries["grow_object"], [(s.path, s.offset + s.length) for s in segments])
        put_many(writer, self._queries["put_segment"], list(map(_SEGMENT, segments)))

    def _datastream_keys(self, connection: Connection, ids: Sequence[str]) -> list[int]:
        writer = cast("sqlite3.Connection", connection)
        return [self._key(writer, "datastream", one) for one in ids]

    def _put_samples(self, connection: sqlite3.Connection, samples: FlaggedSamples, now_us: int) -> None:
        if len(samples):
            columns = self._sample_columns(connection, samples)
            order = np.lexsort((columns.revision, columns.time_us, columns.key))
            self._write_samples(connection, columns, order, now_us)

    def _sample_columns(self, connection: sqlite3.Connection, samples: FlaggedSamples) -> SampleColumns:
        keys = np.array(self._datastream_keys(cast("Connection", connection), samples.datastream_ids))
        flags = np.empty(len(samples), object)
        flags[:] = packed_flags(samples.flags)
        return SampleColumns(
            keys[samples.series],
            samples.time_us,
            samples.value,
            samples.received_at_us,
            samples.revision,
            samples.flag,
            np.full(len(samples), self._names_key(connection, samples.tests)),
            flags,
        )

    def _write_samples(
        self, connection: sqlite3.Connection, columns: SampleColumns, order: NDArray[np.int64], now_us: int
    ) -> None:
        """Write some samples; `order` brings those of a datastream together, and the oldest first."""
        rows = [column[order] for column in columns]
        put_many(
            connection,
            self._queries["put_sample"],
            list(zip(*(row.tolist() for row in rows), strict=True)),
        )
        key, time_us = rows[0], rows[1]
        newest = np.append(key[1:] != key[:-1], True)
        latest = list(zip(key[newest].tolist(), time_us[newest].tolist(), strict=True))
        put_many(connection, self._queries["put_datastream_latest"], latest)
        self._mark(cast("Connection", connection), SAMPLES, touched(key, time_us), now_us)


def _received_us(batch: Columns) -> NDArray[np.int64]:
    if isinstance(batch, FlaggedSamples):
        return batch.received_at_us
    return np.array([report.received_at_us or report.epoch_us for report in batch.reports[-1:]], np.int64)


def _put_position(
    connection: sqlite3.Connection, station_key: int, at_us: int, position: tuple[float, float, float]
) -> None:
    longitude, latitude, height_m = position
    connection.execute(
        QUERIES["put_streamed_position"],
        {
            "key": station_key,
            "at_us": at_us,
            "longitude": longitude,
            "latitude": latitude,
            "height_m": height_m,
        },
    )
