"""Reports, figures and hours of stations to the columns of their tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from storage.postgres.copying import Column, int64_of, integer_columns, pieces, row_bytes, scaled_columns
from storage.postgres.order import last_of_each
from storage.sql.levels import Mark
from storage.sql.marks import touched
from storage.sql.packing import (
    CN0_SCALE,
    LENGTH_SCALE,
    OFFSET_SCALE,
    ROTI_SCALE,
    SHARE_SCALE,
    SLIPS_SCALE,
    STATES,
    TIME_SCALE,
    compressed,
    pack,
    pack_report,
)
from streams.records import StationFigures, StationPeriodRecord, StationReport

Int64 = NDArray[np.int64]
Int32 = NDArray[np.int32]
_STATE_NUMBERS = {name: number for number, name in enumerate(STATES)}
_NOWHERE = (None, None, None)
_SYSTEMS = 32


class Reports:
    """Reports of one commit."""

    def __init__(self, reports: Sequence[StationReport]) -> None:
        self.reports = reports
        self.station_ids = [report.station_id for report in reports]
        self.time_us = int64_of([report.epoch_us for report in reports])
        self.codes = {
            i: msgspec.json.encode([r.code for r in report.reasons]).decode()
            for i, report in enumerate(reports)
            if report.reasons
        }
        """The list of codes of each report that has reasons."""

    def sorted(self, key: Int32, names: Mapping[str, int]) -> SortedReports:
        """Return what counts of it; `key` are the numbers of stations, `names` those of lists of codes."""
        codes = np.zeros(len(key), np.int32)
        codes[np.fromiter(self.codes, np.int64, len(self.codes))] = [
            names[one] for one in self.codes.values()
        ]
        order, newest = last_of_each(key, self.time_us)
        reports = self.reports
        if not np.array_equal(order, np.arange(len(reports))):
            reports = [reports[i] for i in order]
        return SortedReports(reports, key[order], self.time_us[order], codes[order], newest)


class SortedReports:
    """Reports in the order of station and time, each key once."""

    def __init__(
        self,
        reports: Sequence[StationReport],
        key: Int32,
        time_us: Int64,
        codes: Int32,
        newest: NDArray[np.bool_],
    ) -> None:
        self.key, self.time_us = key, time_us
        self._reports, self.codes = reports, codes
        self.newest_rows = np.flatnonzero(newest)
        self._silent = np.flatnonzero(codes == 0)
        self._reasoned = np.flatnonzero(codes)
        self._packed = [
            pack([(r.text, r.value, r.threshold, r.check) for r in reports[i].reasons])
            for i in self._reasoned.tolist()
        ]

    @cached_property
    def touched(self) -> list[Mark]:
        """The minutes of these rows."""
        return touched(self.key, self.time_us)

    @property
    def newest(self) -> int:
        """How many are the newest of their station."""
        return len(self.newest_rows)

    def table(self) -> Iterator[bytes]:
        """Return the rows of the table. A piece is made while the server takes the one before."""
        yield from self._pieces(self._silent)
        if self._packed:
            yield self._rows(self._reasoned, self._packed)

    def staged(self) -> Iterator[bytes]:
        """Return all rows without reasons, for the staging table."""
        return self._pieces(np.arange(len(self._reports)))

    def staged_newest(self) -> Iterator[bytes]:
        """Return all rows with their reports as they are, for the staging table of the newest."""
        for piece in pieces(len(self._reports)):
            rows = np.arange(piece.start, piece.stop)
            yield self._rows(rows, [pack_report(self._reports[i]) for i in rows.tolist()])

    def newest_reports(self) -> list[StationReport]:
        """Return the newest report of each station."""
        return [self._reports[i] for i in self.newest_rows.tolist()]

    def reasons(self) -> dict[str, list[Any]]:
        """Return the reasons and whose they are."""
        return {
            "station_key": self.key[self._reasoned].tolist(),
            "epoch_us": self.time_us[self._reasoned].tolist(),
            "reasons": self._packed,
        }

    def _pieces(self, rows: Int64) -> Iterator[bytes]:
        return (self._rows(rows[piece], None) for piece in pieces(len(rows)))

    def _rows(self, rows: Int64, last: Sequence[bytes] | None) -> bytes:
        begin, end = (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, 0)
        if end - begin == len(rows):
            reports = self._reports[begin:end]
        else:
            reports = [self._reports[i] for i in rows.tolist()]
        columns = _report_columns(reports, self.key[rows], self.time_us[rows], self.codes[rows])
        return row_bytes(columns, last or [None] * len(reports))


def newest_of(commits: Sequence[SortedReports]) -> SortedReports:
    """Return the newest report of each station of several commits, in the order in which they came."""
    reports = [report for one in commits for report in one.newest_reports()]
    key = np.concatenate([one.key[one.newest_rows] for one in commits])
    time_us = np.concatenate([one.time_us[one.newest_rows] for one in commits])
    codes = np.concatenate([one.codes[one.newest_rows] for one in commits])
    order, newest = last_of_each(key, time_us)
    rows = order[newest]
    every = np.ones(len(rows), np.bool_)
    return SortedReports([reports[i] for i in rows.tolist()], key[rows], time_us[rows], codes[rows], every)


def _report_columns(some: Sequence[StationReport], key: Int32, time_us: Int64, codes: Int32) -> list[Column]:
    # one list a field: tuples of all fields would set the garbage collector to work
    (received_at_us,) = integer_columns([[r.received_at_us for r in some]], np.int64)
    observations, expected, slips, frames, bad_frames = integer_columns(
        [
            [r.observations for r in some],
            [r.observations_expected for r in some],
            [r.slips for r in some],
            [r.frames for r in some],
            [r.bad_frames for r in some],
        ],
        np.int32,
    )
    latency, jitter, multipath = scaled_columns(
        [[r.latency_s for r in some], [r.jitter_s for r in some], [r.multipath_m for r in some]],
        (TIME_SCALE, TIME_SCALE, LENGTH_SCALE),
        np.int32,
    )
    (cn0,) = scaled_columns([[r.cn0_dbhz for r in some]], (CN0_SCALE,), np.int16)
    small = integer_columns(
        [
            [_STATE_NUMBERS[r.state] for r in some],
            [r.score for r in some],
            [r.epochs for r in some],
            [r.epochs_expected for r in some],
            [r.satellites for r in some],
        ],
        np.int16,
    )
    return [
        Column(time_us), received_at_us, Column(key), Column(codes, codes == 0), observations, expected,
        latency, jitter, slips, multipath, frames, bad_frames, cn0, *small,
    ]  # fmt: skip


class Figures:
    """Figures of one commit."""

    def __init__(self, figures: Sequence[StationFigures]) -> None:
        self.figures = figures
        self.station_ids = [one.station_id for one in figures]
        self.time_us = np.array([one.time_us for one in figures], np.int64)

    def staged(self, key: Int32) -> bytes:
        """Return the rows of the staging table."""
        order, newest = last_of_each(key, self.time_us)
        some = [self.figures[i] for i in order]

        def fields(*names: str) -> list[list[Any]]:
            return [[getattr(one, name) for one in some] for name in names]

        def axes(name: str) -> list[list[Any]]:
            return [[(getattr(one, name) or _NOWHERE)[i] for one in some] for i in range(3)]

        columns = [
            Column(newest.astype(np.int16)),
            Column(self.time_us[order]),
            *integer_columns(fields("clock_step_at_us"), np.int64),
            Column(key[order]),
            *integer_columns(
                fields("horizon_expected", "horizon_have", "mask_expected", "mask_have"), np.int32
            ),
            *scaled_columns(
                fields("slips_a_thousand", "roti_tecu_min", "clock_step_ms"),
                (SLIPS_SCALE, ROTI_SCALE, 1),
                np.int32,
            ),
            *scaled_columns([*axes("offset_m"), *axes("offset_sd_m")], 6 * (OFFSET_SCALE,), np.int32),
            *scaled_columns(
                fields("expected_share", "usable_share", "cn0_loss_db"),
                (SHARE_SCALE, SHARE_SCALE, CN0_SCALE),
                np.int16,
            ),
        ]
        return row_bytes(
            columns, [one.usable_systems[:_SYSTEMS].encode().replace(b"\0", b"") for one in some]
        )


class Periods:
    """Hours of one commit."""

    def __init__(self, periods: Sequence[StationPeriodRecord]) -> None:
        self.periods = periods
        self.station_ids = [one.station_id for one in periods]
        self.time_us = np.array([one.begin_us for one in periods], np.int64)

    def arrays(self, key: Int32) -> dict[str, list[Any]]:
        """Return the columns as lists."""
        order, _ = last_of_each(key, self.time_us)
        some = [self.periods[i] for i in order]
        return {
            "begin_us": [one.begin_us for one in some],
            "end_us": [one.end_us for one in some],
            "station_key": key[order].tolist(),
            "payload": [compressed(one.period) for one in some],
        }
