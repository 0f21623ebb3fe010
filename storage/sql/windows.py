"""Samples, and sums of them, of many series at once, as columns."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from storage import paging
from storage.columns import FLAGS, Float64, Int64, SampleColumns, SeriesRow, WindowColumns
from storage.rows import Box, QualityWindow
from storage.sql import coverage, report_sums
from storage.sql.boxes import sides
from storage.sql.database import Connection
from storage.sql.levels import ROWS, SAMPLES, STATIONS, Kind
from storage.sql.summing import Summing, longer

MOST_SERIES = 20_000
"""That are asked for at once."""
_ALL = Box(-180.0, -90.0, 180.0, 90.0)


class _Promise(msgspec.Struct, frozen=True):
    period_s: float = 0.0


class _Definition(msgspec.Struct, frozen=True):
    """What is needed of a datastream's definition."""

    name: str
    thing_id: str
    property_id: str
    unit: str
    promise: _Promise | None = None


class _Site(msgspec.Struct, frozen=True):
    """What is needed of a thing's definition."""

    longitude: float
    latitude: float
    height_m: float | None = None
    height_datum: str = "EPSG:5737"


_definition = msgspec.json.Decoder(_Definition).decode
_site = msgspec.json.Decoder(_Site).decode
_counts = msgspec.json.Decoder(dict[int, int]).decode
_NOWHERE = _Site(np.nan, np.nan, None, "")


class WindowQueries(Summing):
    """The part of `storage.store.Store` that answers for many series."""

    @abstractmethod
    def _names_list(self, names: Sequence[str]) -> Any:
        """Return a list of names as a parameter of a query."""

    @abstractmethod
    def _sample_arrays(self, connection: Connection, asked: Mapping[str, Any]) -> list[NDArray[Any]]:
        """Return key, time, value (NaN: none) and flag of samples, in no order."""

    @abstractmethod
    def _bucket_arrays(
        self, connection: Connection, query: str, asked: Mapping[str, Any]
    ) -> tuple[list[NDArray[Any]], list[str]]:
        """Return key, begin, n, total, low, high, last of buckets, in no order, and their flags (JSON)."""

    def series(
        self,
        *,
        ids: Sequence[str] | None = None,
        things: Sequence[str] | None = None,
        properties: Sequence[str] | None = None,
        box: Box | None = None,
        limit: int = MOST_SERIES,
    ) -> list[SeriesRow]:
        """Return registered datastreams by id, of these ids, things, properties and places."""
        paging.check_limit(limit)
        asked = {
            "ids": None if ids is None else self._names_list(ids),
            "things": None if things is None else self._names_list(things),
            "properties": None if properties is None else self._names_list(properties),
            "anywhere": box is None,
            **sides(box or _ALL),
            "limit": limit,
        }
        with self._reading() as connection:
            rows = connection.execute(self._queries["series"], asked).fetchall()
        sites: dict[str | None, _Site] = {None: _NOWHERE}
        return [_series_row(row, sites) for row in rows]

    def sample_columns(self, keys: Sequence[int], start_us: int, end_us: int, *, limit: int) -> SampleColumns:
        """Return samples of some series, by time; at most so many: of more, any.

        Parameters
        ----------
        keys
            The store's numbers of the series.
        """
        asked = {"keys": self._list(keys), "start_us": start_us, "end_us": end_us, "limit": limit}
        with self._reading() as connection:
            key, time_us, value, flag = self._sample_arrays(connection, asked)
        found = SampleColumns(_places(keys, key), time_us, value, flag.astype(np.int16))
        return found.ordered()

    def count_samples(self, keys: Sequence[int], start_us: int, end_us: int, *, limit: int) -> int:
        """Return how many samples there are, at most `limit`."""
        asked = {"keys": self._list(keys), "start_us": start_us, "end_us": end_us, "limit": limit}
        with self._reading() as connection:
            return int(connection.execute(self._queries["count_samples"], asked).fetchone()[0])

    def samples_kept_from_us(self) -> int:
        """Return the time before which samples are no longer kept, though their sums may be."""
        with self._reading() as connection:
            return self._floors(connection, SAMPLES).get(ROWS, 0)

    def window_columns(
        self, keys: Sequence[int], start_us: int, end_us: int, window_s: int, *, only_good: bool = True
    ) -> WindowColumns:
        """Return samples of some series by windows, by time; windows without samples are absent.

        Parameters
        ----------
        keys
            The store's numbers of the series.
        only_good
            Only samples with flag 1 count, else all that have a value.

        Raises
        ------
        ValueError
            The range holds more than 10,000 windows; the message names a window that fits.
        """
        window_us = paging.window_us(start_us, end_us, window_s)
        group = "good" if only_good else "any"
        some: list[WindowColumns] = [_no_windows()]
        with self._reading() as connection:
            for piece in self._pieces(connection, SAMPLES, keys, start_us, end_us, window_us):
                asked = {"keys": self._list(keys), "start_us": piece.start_us, "end_us": piece.end_us}
                if piece.level == ROWS:
                    rows = self._sums(
                        connection, SAMPLES, ROWS, keys, piece.start_us, piece.end_us, window_us
                    )
                    some.append(_of_rows(rows, keys, only_good=only_good))
                    continue
                query = self._rollup_query(f"{group}_buckets", SAMPLES, piece.level)
                arrays, flags = self._bucket_arrays(connection, query, asked)
                key, *rest = arrays
                some.append(_of_arrays(_places(keys, key), *rest, flags=flags).ordered())
        return _summed(WindowColumns.joined(some), window_us)

    def quality_windows(
        self, station_ids: Sequence[str], start_us: int, end_us: int, window_s: int
    ) -> list[tuple[str, QualityWindow]]:
        """Return the quality of stations by windows, by time and id; windows without reports are absent.

        Raises
        ------
        ValueError
            The range holds more than 10,000 windows; the message names a window that fits.
        """
        window_us = paging.window_us(start_us, end_us, window_s)
        rows: list[tuple[Any, ...]] = []
        with self._reading() as connection:
            named = {"ids": self._names_list(station_ids)}
            ids = dict(connection.execute(self._queries["station_keys_named"], named).fetchall())
            keys = sorted(ids)
            for piece in self._pieces(connection, STATIONS, keys, start_us, end_us, window_us):
                rows += self._sums(
                    connection, STATIONS, piece.level, keys, piece.start_us, piece.end_us, window_us
                )
            rows.sort(key=lambda row: (row[0], row[1]))
            sums = longer(STATIONS, rows, window_us)
            names: dict[int, list[str]] = {}
            if codes := report_sums.names_of(sums):
                asked = {"keys": self._list(codes)}
                for key, text in connection.execute(self._queries["reasons_named"], asked):
                    names[key] = msgspec.json.decode(text, type=list[str])
        found = [(ids[row[0]], report_sums.window(row, names)) for row in sums]
        found.sort(key=lambda one: (one[1].start_us, one[0]))
        return found

    def _pieces(
        self,
        connection: Connection,
        kind: Kind,
        keys: Sequence[int],
        start_us: int,
        end_us: int,
        window_us: int,
    ) -> list[coverage.Piece]:
        """Return what to read; a level that is not to be believed of one of them is read of none."""
        asked = {"kind": kind.number, "keys": self._list(keys), "start_us": start_us, "end_us": end_us}
        marks = connection.execute(self._queries["marks_of_keys"], asked).fetchall()
        return coverage.pieces(start_us, end_us, window_us, marks, self._floors(connection, kind))


def _series_row(row: tuple[int, str, str, str | None], sites: dict[str | None, _Site]) -> SeriesRow:
    key, identity, definition, site = row
    known = _definition(definition)
    place = sites.get(site)
    if place is None:
        place = sites[site] = _site(site or "")
    return SeriesRow(
        key=key,
        id=identity,
        name=known.name,
        thing_id=known.thing_id,
        property_id=known.property_id,
        unit=known.unit,
        longitude=None if place is _NOWHERE else place.longitude,
        latitude=None if place is _NOWHERE else place.latitude,
        height_m=place.height_m,
        height_datum=place.height_datum,
        period_s=0.0 if known.promise is None else known.promise.period_s,
    )


def _places(keys: Sequence[int], found: NDArray[Any]) -> NDArray[np.int32]:
    """Return where the found keys stand in the list that was asked for."""
    known = np.asarray(keys, np.int64)
    order = np.argsort(known)
    return order[np.searchsorted(known, found, sorter=order)].astype(np.int32)


def _no_windows() -> WindowColumns:
    none = np.zeros(0)
    return WindowColumns(
        none.astype(np.int32), none.astype(np.int64), none.astype(np.int64), none, none, none, none,
        np.zeros((0, len(FLAGS)), np.int64),
    )  # fmt: skip


def _of_arrays(
    series: NDArray[np.int32],
    begin_us: Int64,
    n: NDArray[Any],
    total: Float64,
    low: Float64,
    high: Float64,
    last: Float64,
    *,
    flags: Sequence[str],
) -> WindowColumns:
    counted = {text: _by_flag(text) for text in set(flags)}
    table = np.array([counted[text] for text in flags], np.int64).reshape(-1, len(FLAGS))
    return WindowColumns(series, begin_us, n.astype(np.int64), total, low, high, last, table)


def _by_flag(text: str) -> tuple[int, ...]:
    counts = _counts(text)
    return tuple(counts.get(flag, 0) for flag in FLAGS)


def _of_rows(rows: Sequence[tuple[Any, ...]], keys: Sequence[int], *, only_good: bool) -> WindowColumns:
    """Return sums as `Summing._sums` gives them."""
    if not rows:
        return _no_windows()
    columns = list(zip(*rows, strict=True))
    n, *values = columns[2:7] if only_good else columns[7:12]
    return _of_arrays(
        _places(keys, np.array(columns[0], np.int64)),
        np.array(columns[1], np.int64),
        np.array(n, np.int64),
        *(np.array(one, np.float64) for one in values),
        flags=columns[12],
    )


def _summed(parts: WindowColumns, window_us: int) -> WindowColumns:
    """Return windows from their parts, each of which lies in one, the older first; by time and series."""
    if not len(parts):
        return parts
    begin_us = parts.time_us // window_us * window_us
    order = np.lexsort((parts.series, begin_us))  # parts of a window stay as they were
    parts, begin_us = parts.taken(order), begin_us[order]
    is_first = np.append(True, (np.diff(begin_us) != 0) | (np.diff(parts.series) != 0))
    first = np.flatnonzero(is_first)
    n = np.add.reduceat(parts.n, first)
    some = parts.n > 0
    last = np.maximum.reduceat(np.where(some, np.arange(len(parts)), -1), first)
    return WindowColumns(
        series=parts.series[first],
        time_us=begin_us[first],
        n=n,
        total=np.where(n > 0, np.add.reduceat(np.where(some, parts.total, 0.0), first), np.nan),
        low=np.fmin.reduceat(parts.low, first),
        high=np.fmax.reduceat(parts.high, first),
        last=np.where(n > 0, parts.last[last], np.nan),
        flags=np.add.reduceat(parts.flags, first, axis=0),
    )
