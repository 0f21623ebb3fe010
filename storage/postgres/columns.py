"""Batches to columns: what a commit holds of each large table, each key once, the last or highest one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter

import msgspec
import numpy as np
from numpy.typing import NDArray

from storage.postgres.copying import Column, fitted, integer_column, row_bytes, scaled_column
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
)
from streams.records import FlaggedSamples, StationFigures, StationPeriodRecord, StationReport

Int64 = NDArray[np.int64]
Int32 = NDArray[np.int32]
_STATE_NUMBERS = {name: number for number, name in enumerate(STATES)}
_REPORT = attrgetter(
    "station_id", "epoch_us", "received_at_us", "state", "score", "reasons", "epochs", "epochs_expected",
    "observations", "observations_expected", "satellites", "latency_s", "jitter_s", "cn0_dbhz", "slips",
    "multipath_m", "frames", "bad_frames",
)  # fmt: skip
_NOWHERE = (None, None, None)
_PIECE = 1_000


class Reports:
    """Reports of one commit."""

    def __init__(self, reports: Sequence[StationReport]) -> None:
        self.reports = reports
        self.station_ids = [report.station_id for report in reports]
        self.time_us = np.array([report.epoch_us for report in reports], np.int64)
        self.codes = [
            msgspec.json.encode([r.code for r in report.reasons]).decode() if report.reasons else None
            for report in reports
        ]

    def copy(self, key: Int32, codes: Sequence[int | None]) -> tuple[Iterator[bytes], int]:
        """Return the rows of the staging table in pieces, and how many are the newest of their station.

        `key` and `codes` are the numbers of ids and of names. A piece is made while the server takes the one
        before.
        """
        order, newest = last_of_each(key, self.time_us)
        reports = self.reports
        if not np.array_equal(order, np.arange(len(reports))):
            reports = [reports[i] for i in order]
            codes = [codes[i] for i in order]
        times, keys = self.time_us[order], key[order]
        pieces = (slice(k, k + _PIECE) for k in range(0, len(order), _PIECE))
        some = (_report_rows(reports[p], keys[p], times[p], newest[p], codes[p]) for p in pieces)
        return some, int(newest.sum())


def _report_rows(
    reports: Sequence[StationReport],
    key: Int32,
    time_us: Int64,
    newest: NDArray[np.bool_],
    codes: Sequence[int | None],
) -> bytes:
    (
        _, _, received_at_us, state, score, reasons, epochs, epochs_expected, observations,
        observations_expected, satellites, latency_s, jitter_s, cn0_dbhz, slips, multipath_m, frames,
        bad_frames,
    ) = zip(*map(_REPORT, reports), strict=True)  # fmt: skip
    columns = [
        Column(newest.astype(np.int16)),
        Column(time_us),
        integer_column(received_at_us, np.int64),
        Column(key),
        integer_column(codes, np.int32),
        integer_column(observations, np.int32),
        integer_column(observations_expected, np.int32),
        scaled_column(latency_s, TIME_SCALE, np.int32),
        scaled_column(jitter_s, TIME_SCALE, np.int32),
        integer_column(slips, np.int32),
        scaled_column(multipath_m, LENGTH_SCALE, np.int32),
        integer_column(frames, np.int32),
        integer_column(bad_frames, np.int32),
        scaled_column(cn0_dbhz, CN0_SCALE, np.int16),
        integer_column([_STATE_NUMBERS[name] for name in state], np.int16),
        integer_column(score, np.int16),
        integer_column(epochs, np.int16),
        integer_column(epochs_expected, np.int16),
        integer_column(satellites, np.int16),
    ]
    packed = [
        pack([(r.text, r.value, r.threshold, r.check) for r in some]) if some else None for some in reasons
    ]
    return row_bytes(columns, packed)


class Figures:
    """Figures of one commit."""

    def __init__(self, figures: Sequence[StationFigures]) -> None:
        self.figures = figures
        self.station_ids = [one.station_id for one in figures]
        self.time_us = np.array([one.time_us for one in figures], np.int64)

    def copy(self, key: Int32) -> bytes:
        """Return the rows of the staging table."""
        order, newest = last_of_each(key, self.time_us)
        some = [self.figures[i] for i in order]

        def whole(name: str) -> Column:
            return integer_column([getattr(one, name) for one in some], np.int32)

        def scaled(name: str, scale: int, kind: type[np.int16 | np.int32] = np.int32) -> Column:
            return scaled_column([getattr(one, name) for one in some], scale, kind)

        def axis(name: str, i: int) -> Column:
            return scaled_column(
                [(getattr(one, name) or _NOWHERE)[i] for one in some], OFFSET_SCALE, np.int32
            )

        columns = [
            Column(newest.astype(np.int16)),
            Column(self.time_us[order]),
            integer_column([one.clock_step_at_us for one in some], np.int64),
            Column(key[order]),
            *(whole(name) for name in ("horizon_expected", "horizon_have", "mask_expected", "mask_have")),
            scaled("slips_a_thousand", SLIPS_SCALE),
            scaled("roti_tecu_min", ROTI_SCALE),
            scaled("clock_step_ms", 1),
            *(axis("offset_m", i) for i in range(3)),
            *(axis("offset_sd_m", i) for i in range(3)),
            scaled("expected_share", SHARE_SCALE, np.int16),
            scaled("usable_share", SHARE_SCALE, np.int16),
            scaled("cn0_loss_db", CN0_SCALE, np.int16),
        ]
        return row_bytes(columns, [one.usable_systems.encode().replace(b"\0", b"") for one in some])


class Periods:
    """Hours of one commit."""

    def __init__(self, periods: Sequence[StationPeriodRecord]) -> None:
        self.periods = periods
        self.station_ids = [one.station_id for one in periods]
        self.time_us = np.array([one.begin_us for one in periods], np.int64)

    def copy(self, key: Int32) -> bytes:
        """Return the rows of the staging table."""
        order, _ = last_of_each(key, self.time_us)
        some = [self.periods[i] for i in order]
        columns = [
            Column(self.time_us[order]),
            integer_column([one.end_us for one in some], np.int64),
            Column(key[order]),
        ]
        return row_bytes(columns, [compressed(one.period) for one in some])


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples of one commit: several batches, whose tests may differ."""

    batches: Sequence[FlaggedSamples]
    time_us: Int64

    @classmethod
    def of(cls, batches: Sequence[FlaggedSamples]) -> Samples:
        """Take the batches that hold something."""
        some = [batch for batch in batches if len(batch)]
        times = [np.asarray(batch.time_us, np.int64) for batch in some]
        return cls(some, np.concatenate(times) if times else np.zeros(0, np.int64))

    @property
    def datastream_ids(self) -> list[str]:
        """Ids of all batches, each once."""
        return list(dict.fromkeys(one for batch in self.batches for one in batch.datastream_ids))

    def tests(self) -> list[str]:
        """Return the lists of tests as they are kept, one a batch."""
        return [msgspec.json.encode(batch.tests).decode() for batch in self.batches]

    def copy(self, keys: dict[str, int], tests: dict[str, int]) -> tuple[list[bytes], int, bool]:
        """Return the rows of the staging table, the number of the newest, and whether some are revisions."""
        key = np.concatenate(
            [
                np.array([keys[one] for one in batch.datastream_ids], np.int32)[batch.series]
                for batch in self.batches
            ]
        )
        revision = np.concatenate([batch.revision for batch in self.batches])
        order, newest = last_of_each(key, self.time_us, revision)
        lengths = [len(batch) for batch in self.batches]
        names = np.repeat(np.array([tests[one] for one in self.tests()], np.int32), lengths)
        value = np.concatenate([batch.value for batch in self.batches]).astype(np.float64)
        received = np.concatenate([batch.received_at_us for batch in self.batches]).astype(np.int64)
        flag = np.concatenate([batch.flag for batch in self.batches]).astype(np.int16)
        packed = [nibbles(batch.flags) for batch in self.batches]
        widths = np.repeat([some.shape[1] for some in packed], lengths)
        copies = []
        for width in np.unique(widths):
            mask = widths[order] == width
            rows = order[mask]
            flags = np.zeros((len(self.time_us), width), np.uint8)
            flags[widths == width] = np.concatenate([some for some in packed if some.shape[1] == width])
            nulls = np.isnan(value[rows])
            columns = [
                Column(newest[mask].astype(np.int16)),
                Column(self.time_us[rows]),
                Column(received[rows]),
                Column(value[rows], nulls if nulls.any() else None),
                Column(key[rows]),
                Column(names[rows]),
                Column(fitted(revision[rows], np.int16)),
                Column(flag[rows]),
                Column(flags[rows]),
            ]
            copies.append(row_bytes(columns))
        return copies, int(newest.sum()), bool((revision > 0).any())


def last_of_each(
    key: Int32, time_us: Int64, rank: NDArray[np.int32] | None = None
) -> tuple[Int64, NDArray[np.bool_]]:
    """Return which rows count, in the order of key and time, and which of those are the newest of their key.

    Of rows with the same key and time the one of the highest rank counts, of those the last.
    """
    order = np.lexsort((time_us, key) if rank is None else (rank, time_us, key))
    sorted_key, sorted_time = key[order], time_us[order]
    other_key = sorted_key[1:] != sorted_key[:-1]
    ends = np.append(other_key | (sorted_time[1:] != sorted_time[:-1]), True)
    newest = np.append(other_key, True)
    return order[ends], newest[ends]


def nibbles(flags: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return flags of shape (n, tests) with 4 bits each, the first of two in the lower half."""
    packed: NDArray[np.uint8] = flags[:, ::2] & np.uint8(0xF)
    high = flags[:, 1::2]
    packed[:, : high.shape[1]] |= high << np.uint8(4)
    return packed


def unpacked_nibbles(packed: bytes, tests: list[str]) -> dict[str, int]:
    """Return the flag of each test."""
    return {test: packed[i >> 1] >> 4 * (i & 1) & 0xF for i, test in enumerate(tests)}
