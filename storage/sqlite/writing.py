"""Reports and samples into SQLite, many rows a statement."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import cast

import numpy as np

from storage.sql.database import Connection
from storage.sql.levels import SAMPLES, STATIONS
from storage.sql.marks import touched
from storage.sql.packing import STATES, compressed, figures_row, pack, packed_flags, report_row
from storage.sql.writing import Writing, streamed_position
from storage.sqlite.bulk import put_many
from storage.sqlite.database import QUERIES
from storage.sqlite.rolling import SqliteExpiring
from streams.records import (
    FlaggedSamples,
    Record,
    StationFigures,
    StationPeriodRecord,
    StationPeriods,
    StationReport,
    StationReports,
)


class SqliteWriting(Writing, SqliteExpiring):
    """The writing half of the store."""

    def _put_columns(self, connection: Connection, batches: Sequence[Record], now_us: int) -> None:
        writer = cast("sqlite3.Connection", connection)
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

    def _put_samples(self, connection: sqlite3.Connection, samples: FlaggedSamples, now_us: int) -> None:
        if not len(samples):
            return
        keys = np.array([self._key(connection, "datastream", i) for i in samples.datastream_ids])
        key = keys[samples.series]
        tests_key = self._names_key(connection, samples.tests)
        flags = packed_flags(samples.flags)
        order = np.lexsort((samples.revision, samples.time_us, key))
        columns = (
            key[order].tolist(),
            samples.time_us[order].tolist(),
            samples.value[order].tolist(),
            samples.received_at_us[order].tolist(),
            samples.revision[order].tolist(),
            samples.flag[order].tolist(),
            [tests_key] * len(samples),
            [flags[i] for i in order],
        )
        put_many(connection, self._queries["put_sample"], list(zip(*columns, strict=True)))
        sorted_key = key[order]
        newest = order[np.append(sorted_key[1:] != sorted_key[:-1], True)]
        latest = list(zip(key[newest].tolist(), samples.time_us[newest].tolist(), strict=True))
        put_many(connection, self._queries["put_datastream_latest"], latest)
        self._mark(cast("Connection", connection), SAMPLES, touched(key, samples.time_us), now_us)


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
