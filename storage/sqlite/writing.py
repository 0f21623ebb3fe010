"""Reports and samples into SQLite, many rows a statement."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from storage.rows import RawSegment
from storage.sql.database import Connection
from storage.sql.levels import SAMPLES, STATIONS
from storage.sql.marks import touched
from storage.sql.packing import STATES, compressed, figures_row, pack_report, packed_flags, report_rows
from storage.sql.writing import Writing, streamed_position
from storage.sqlite.bringing import Row, SqliteBringing
from storage.sqlite.bulk import put_many
from storage.sqlite.database import QUERIES
from storage.sqlite.rolling import SqliteExpiring
from storage.sqlite.tables import EPOCHS, FIGURES, TABLES, Table
from storage.sqlite.tables import SAMPLES as SAMPLES_TABLE
from streams.codec import decode
from streams.records import (
    FlaggedSamples,
    Record,
    StationFigures,
    StationPeriodRecord,
    StationPeriods,
    StationReport,
    StationReports,
)

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


class SqliteWriting(Writing, SqliteExpiring, SqliteBringing):
    """The writing half of the store."""

    def __init__(self, path: Path | str, *, behind: bool = False) -> None:
        super().__init__(path, behind=behind)
        self._recall_pending()

    def commit(
        self, batches: Sequence[Record], snapshots: Mapping[str, Sequence[bytes]] | None, **more: Any
    ) -> None:
        """Keep all this in one transaction (see `Store.commit`)."""
        with self._rows_of_a_commit(rows_of(batches)):
            super().commit(batches, snapshots, **more)

    def _drop_rows(self, table: str, before_us: int) -> int:
        if table in TABLES:
            self._bring_all()
        return super()._drop_rows(table, before_us)

    def _recall_pending(self) -> None:
        """Bring what a program before version 15 of the file wrote down and did not bring."""
        while True:
            with self._reading() as connection:
                found = connection.execute(QUERIES["pending"]).fetchall()
            if not found:
                break
            with self._rows_of_a_commit(0), self._transaction() as writer:
                batches = [decode(batch) for _, batch in found]
                now_us = max((int(received_us(one).max(initial=0)) for one in batches), default=0)
                self._put_columns(cast("Connection", writer), batches, now_us)
                writer.execute(QUERIES["drop_pending"], (found[-1][0],))

    def _put_columns(self, connection: Connection, batches: Sequence[Record], now_us: int) -> None:
        writer = cast("sqlite3.Connection", connection)
        reports = [one for one in batches if isinstance(one, StationReports)]
        self._put_reports(writer, [report for one in reports for report in one.reports], now_us)
        self._put_figures(writer, [figures for one in reports for figures in one.figures])
        for batch in batches:
            if isinstance(batch, StationPeriods):
                self._put_periods(writer, batch.periods)
        samples = [one for one in batches if isinstance(one, FlaggedSamples) and len(one)]
        if samples:
            self._put_samples(writer, samples, now_us)
        self._note_arrival(writer)

    def _put_reports(
        self, connection: sqlite3.Connection, reports: Sequence[StationReport], now_us: int
    ) -> None:
        if not reports:
            return
        newest: dict[int, StationReport] = {}
        named = self._keys_of(connection, "station", [report.station_id for report in reports])
        codes: list[int | None] = [None] * len(reports)
        for i, (key, report) in enumerate(zip(named, reports, strict=True)):
            if report.reasons:
                codes[i] = self._names_key(connection, [r.code for r in report.reasons])
            if key not in newest or report.epoch_us >= newest[key].epoch_us:
                newest[key] = report
            if report.ecef_m is not None and (position := streamed_position(report)) is not None:
                _put_position(connection, key, report.epoch_us, position)
        rows = report_rows(reports, named, codes)
        self._put_in_order(connection, EPOCHS, rows)
        latest = [
            (key, r.epoch_us, STATES.index(r.state), pack_report(r), r.received_at_us)
            for key, r in newest.items()
        ]
        put_many(connection, self._queries["put_station_latest"], latest, may_repeat=True)
        keys = np.array(named, np.int32)
        times = np.array([report.epoch_us for report in reports], np.int64)
        self._mark(cast("Connection", connection), STATIONS, touched(keys, times), now_us)

    def _put_figures(self, connection: sqlite3.Connection, figures: Sequence[StationFigures]) -> None:
        rows = [figures_row(one, self._key(connection, "station", one.station_id)) for one in figures]
        self._put_in_order(connection, FIGURES, rows)
        put_many(connection, FIGURES.put_latest, rows, may_repeat=True)

    def _put_in_order(self, connection: sqlite3.Connection, table: Table, rows: Sequence[Row]) -> None:
        """Write rows that begin with their key and their time; of several with the same, the last."""
        if rows:
            keys, times_us = (np.array([row[i] for row in rows], np.int64) for i in (0, 1))
            order = last_of_each(np.lexsort((times_us, keys)), keys, times_us)

            def some(places: NDArray[np.intp], numbers: NDArray[np.int64] | None) -> list[Row]:
                chosen = [rows[i] for i in order[places].tolist()]
                if numbers is None:
                    return chosen
                return [(number, *row) for number, row in zip(numbers.tolist(), chosen, strict=True)]

            self._put_rows(connection, table, keys[order], times_us[order], some)

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
        grown = [(s.path, s.offset + s.length) for s in segments]
        put_many(writer, self._queries["grow_object"], grown, may_repeat=True)
        put_many(writer, self._queries["put_segment"], list(map(_SEGMENT, segments)), may_repeat=True)

    def _datastream_keys(self, connection: Connection, ids: Sequence[str]) -> list[int]:
        writer = cast("sqlite3.Connection", connection)
        return self._keys_of(writer, "datastream", ids)

    def _put_samples(
        self, connection: sqlite3.Connection, batches: Sequence[FlaggedSamples], now_us: int
    ) -> None:
        each = [self._sample_columns(connection, one) for one in batches]
        columns = SampleColumns(*(np.concatenate(column) for column in zip(*each, strict=True)))
        order = np.lexsort((columns.revision, columns.time_us, columns.key))
        order = last_of_each(order, columns.key, columns.time_us)
        chosen = SampleColumns(*(column[order] for column in columns))

        def some(places: NDArray[np.intp], numbers: NDArray[np.int64] | None) -> list[Row]:
            first = [] if numbers is None else [numbers.tolist()]
            return list(zip(*first, *(column[places].tolist() for column in chosen), strict=True))

        waits = self._put_rows(connection, SAMPLES_TABLE, chosen.key, chosen.time_us, some)
        if self._number is not None:
            connection.execute(self._queries["put_arrived_latest"], {"number": self._number})
        key, time_us = chosen.key[~waits], chosen.time_us[~waits]
        newest = np.append(key[1:] != key[:-1], True)[: len(key)]
        latest = list(zip(key[newest].tolist(), time_us[newest].tolist(), strict=True))
        put_many(connection, self._queries["put_datastream_latest"], latest, may_repeat=True)
        marks = touched(columns.key.astype(np.int32), columns.time_us)
        self._mark(cast("Connection", connection), SAMPLES, marks, now_us)

    def _sample_columns(self, connection: sqlite3.Connection, samples: FlaggedSamples) -> SampleColumns:
        keys = self._datastream_keys(cast("Connection", connection), samples.datastream_ids)
        return SampleColumns(
            np.array(keys, np.int64)[samples.series],
            samples.time_us,
            samples.value,
            samples.received_at_us,
            samples.revision,
            samples.flag,
            np.full(len(samples), self._names_key(connection, samples.tests)),
            packed_flags(samples.flags),
        )


def rows_of(batches: Iterable[Record]) -> int:
    """Return how many reports and samples there are."""
    return sum(
        len(one.reports) if isinstance(one, StationReports) else len(one)
        for one in batches
        if isinstance(one, StationReports | FlaggedSamples)
    )


def received_us(batch: Record) -> NDArray[np.int64]:
    """Return when reports or samples were received; nothing of other records."""
    if isinstance(batch, FlaggedSamples):
        return batch.received_at_us
    reports = batch.reports if isinstance(batch, StationReports) else []
    return np.array([report.received_at_us or report.epoch_us for report in reports], np.int64)


def last_of_each(
    order: NDArray[np.int64], keys: NDArray[np.int64], times_us: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return an order by key and time with the last of those that are equal only."""
    keys, times_us = keys[order], times_us[order]
    is_last = np.append((keys[1:] != keys[:-1]) | (times_us[1:] != times_us[:-1]), True)[: len(order)]
    chosen: NDArray[np.int64] = order[is_last]
    return chosen


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
