"""Columns of the store as batches of a table: what its columns are called, and of which kind they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from dashboards.export import aggregates, places
from dashboards.export.aggregates import Aggregates, Windows
from dashboards.export.text import FLAG_COLUMNS
from storage.columns import Float64, SampleColumns, SeriesRow
from storage.rows import QualityWindow, StationRow
from streams.records import StationStateName

_DEGREES = ("longitude", "latitude", "height_m")
_METRES = ("x_m", "y_m", "z_m")


class Subjects:
    """What the rows are about: a column of ids, and columns of what is known of each.

    Parameters
    ----------
    texts
        Columns of texts, one a subject; the first are the ids.
    place
        Longitude, latitude and height of each; NaN: not known.
    datum
        Of the heights.
    crs
        EPSG code of the places.
    details
        Whether more than the ids is wanted.
    """

    def __init__(
        self,
        texts: dict[str, Sequence[str]],
        place: Sequence[Float64],
        datum: Sequence[str],
        *,
        crs: int,
        details: bool,
    ) -> None:
        longitude, latitude, height_m = place
        columns: dict[str, pa.Array] = {name: pa.array(some, pa.string()) for name, some in texts.items()}
        if details:
            names = _DEGREES
            figures = place
            if crs == places.GEOCENTRIC:
                names = _METRES
                is_ellipsoidal = np.array([one == "ellipsoidal" for one in datum], np.bool_)
                figures = places.geocentric(longitude, latitude, np.where(is_ellipsoidal, height_m, np.nan))
            columns |= {name: _with_nulls(some) for name, some in zip(names, figures, strict=True)}
            if crs != places.GEOCENTRIC:
                known = np.isfinite(height_m)
                columns["height_datum"] = pa.array(
                    [one if there else None for one, there in zip(datum, known, strict=True)], pa.string()
                )
        else:
            columns = dict(list(columns.items())[:1])
        self._columns = {
            name: some.dictionary_encode() if pa.types.is_string(some.type) else some
            for name, some in columns.items()
        }
        self.count = len(longitude)

    def fields(self) -> list[tuple[str, pa.DataType]]:
        """Return names and kinds of the columns."""
        return [(name, some.type) for name, some in self._columns.items()]

    def columns(self, which: Any) -> list[pa.Array]:
        """Return the columns of rows, each about the subject at a place of the list."""
        index = pa.array(which, pa.int32())
        return [
            pa.DictionaryArray.from_arrays(some.indices.take(index), some.dictionary)
            if pa.types.is_dictionary(some.type)
            else some.take(index)
            for some in self._columns.values()
        ]


def subjects_of_series(rows: Sequence[SeriesRow], *, crs: int, details: bool) -> Subjects:
    """Return datastreams as subjects."""
    return Subjects(
        {
            "datastream_id": [row.id for row in rows],
            "thing_id": [row.thing_id for row in rows],
            "property_id": [row.property_id for row in rows],
            "unit": [row.unit for row in rows],
        },
        [floats([getattr(row, name) for row in rows]) for name in _DEGREES],
        [row.height_datum for row in rows],
        crs=crs,
        details=details,
    )


def subjects_of_stations(rows: Sequence[StationRow], *, crs: int, details: bool) -> Subjects:
    """Return stations as subjects."""
    return Subjects(
        {"station_id": [row.id for row in rows], "name": [row.name for row in rows]},
        [floats([getattr(row, name) for row in rows]) for name in _DEGREES],
        ["ellipsoidal"] * len(rows),
        crs=crs,
        details=details,
    )


@dataclass(frozen=True, slots=True)
class SampleTable:
    """Samples, one a row."""

    subjects: Subjects
    zone: str
    """`UTC` or `Asia/Shanghai`."""

    @property
    def schema(self) -> pa.Schema:
        """Return what the columns are."""
        head = [("phenomenon_time", _time(self.zone)), *self.subjects.fields()]
        return pa.schema([*head, ("value", pa.float64()), ("flag", pa.int16())])

    def batch(self, samples: SampleColumns) -> pa.RecordBatch:
        """Return rows."""
        columns = [_times(samples.time_us, self.zone), *self.subjects.columns(samples.series)]
        columns += [_with_nulls(samples.value), pa.array(samples.flag, pa.int16())]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)


@dataclass(frozen=True, slots=True)
class WindowTable:
    """Windows of samples, one a row."""

    subjects: Subjects
    zone: str
    wanted: Aggregates
    period_s: Float64
    """Between the samples of each series; 0: not known."""
    window_us: int

    @property
    def schema(self) -> pa.Schema:
        """Return what the columns are."""
        figures = [(name, pa.int64() if name == "count" else pa.float64()) for name in self.wanted.names]
        flags = [(name, pa.int64()) for name in FLAG_COLUMNS]
        head = [("start", _time(self.zone)), *self.subjects.fields()]
        return pa.schema([*head, *figures, ("coverage", pa.float64()), *flags])

    def batch(self, windows: Windows, start_us: int, end_us: int) -> pa.RecordBatch:
        """Return rows; the range is what they are of."""
        sums = windows.sums
        columns = [_times(sums.time_us, self.zone), *self.subjects.columns(sums.series)]
        for name, some in windows.figures(self.wanted).items():
            columns.append(pa.array(sums.n, pa.int64()) if name == "count" else _with_nulls(some))
        share = aggregates.coverage(sums, self.period_s, start_us, end_us, self.window_us)
        columns.append(_with_nulls(share))
        columns += [pa.array(sums.flags[:, place], pa.int64()) for place in range(len(FLAG_COLUMNS))]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)


_KINDS = {
    "score_mean": pa.float64(),
    "score_min": pa.int64(),
    "reports": pa.int64(),
    "epochs": pa.int64(),
    "epochs_expected": pa.int64(),
    "completeness": pa.float64(),
    "observations": pa.int64(),
    "observations_expected": pa.int64(),
    "latency_mean_s": pa.float64(),
    "latency_median_s": pa.float64(),
    "latency_p95_s": pa.float64(),
    "latency_max_s": pa.float64(),
    "jitter_s": pa.float64(),
    "cn0_dbhz": pa.float64(),
    "slips": pa.int64(),
    "multipath_m": pa.float64(),
    "frames": pa.int64(),
    "bad_frames": pa.int64(),
}
"""Of `QualityWindow`."""
_STATES: tuple[StationStateName, ...] = ("good", "degraded", "bad", "unknown")


@dataclass(frozen=True, slots=True)
class QualityTable:
    """The quality of stations by windows, one a row."""

    subjects: Subjects
    zone: str
    interval_s: Float64
    """Between the epochs that each station promises."""
    window_us: int

    @property
    def schema(self) -> pa.Schema:
        """Return what the columns are."""
        head = [("start", _time(self.zone)), *self.subjects.fields(), ("state", pa.string())]
        seconds = [(f"{state}_s", pa.int64()) for state in _STATES]
        return pa.schema([*head, *_KINDS.items(), *seconds, ("coverage", pa.float64())])

    def batch(
        self, rows: Sequence[tuple[int, int, QualityWindow | None]], start_us: int, end_us: int
    ) -> pa.RecordBatch:
        """Return rows.

        Parameters
        ----------
        rows
            Begin, place in the list of stations, and the window; None: nothing was reported in it.
        """
        begin_us = np.array([row[0] for row in rows], np.int64)
        which = np.array([row[1] for row in rows], np.int32)
        found = [row[2] for row in rows]
        columns = [_times(begin_us, self.zone), *self.subjects.columns(which)]
        columns.append(pa.array([None if one is None else one.state for one in found], pa.string()))
        zero = {"reports", "epochs"}
        for name, kind in _KINDS.items():
            missing = 0 if name in zero else None
            columns.append(pa.array([missing if one is None else getattr(one, name) for one in found], kind))
        for state in _STATES:
            seconds = [0 if one is None else one.seconds_by_state.get(state, 0) for one in found]
            columns.append(pa.array(seconds, pa.int64()))
        length_s = (np.minimum(begin_us + self.window_us, end_us) - np.maximum(begin_us, start_us)) / 1e6
        epochs = np.array([0 if one is None else one.epochs for one in found])
        share = np.minimum(epochs / np.maximum(length_s / self.interval_s[which], 1.0), 1.0)
        columns.append(pa.array(share, pa.float64()))
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)


def floats(values: Sequence[float | None]) -> Float64:
    """Return numbers; None becomes NaN."""
    return np.array(values, np.float64)


def _time(zone: str) -> pa.DataType:
    return pa.timestamp("us", zone)


def _times(time_us: Any, zone: str) -> pa.Array:
    return pa.array(time_us, pa.int64()).cast(_time(zone))


def _with_nulls(values: Float64) -> pa.Array:
    """Return numbers; NaN becomes null."""
    return pa.array(values, pa.float64(), from_pandas=True)
