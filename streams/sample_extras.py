"""What some samples bring besides a value: where they were taken, and waveforms.

A platform that moves tells its position with each sample. A waveform is one sample whose value is an array:
values at a steady pace from its time on; the sample's own value is the one that is farthest from zero. Both
are kept beside the columns, for those rows only that have them, so that others cost nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from sensors.payloads.rows import LONGEST_STEP_US, LONGEST_WAVE

if TYPE_CHECKING:
    from streams.records import FlaggedSamples, SampleBatch

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]


class Places(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Where samples were taken; columns of shape (m,)."""

    rows: Int64
    """Which samples, in ascending order."""
    longitude: Float64
    """Degrees, as the platform says; whether they can be is judged (`sensors.quality.location`)."""
    latitude: Float64
    height_m: Float64
    """NaN: unknown. Below zero under water."""

    def __post_init__(self) -> None:
        """Refuse columns that do not fit."""
        columns = self.rows, self.longitude, self.latitude, self.height_m
        _check(columns, (np.int64, np.float64, np.float64, np.float64), len(self.rows))
        _check_rows(self.rows)

    def picked(self, which: Int64, rows: Int64) -> Self:
        """Return some of them, as those of other rows."""
        return type(self)(
            rows=rows,
            longitude=self.longitude[which],
            latitude=self.latitude[which],
            height_m=self.height_m[which],
        )

    @classmethod
    def joined(cls, parts: Sequence[Self], begins: Sequence[int]) -> Self:
        """Return all of them; `begins` say where the rows of each begin."""
        return cls(
            rows=_moved([part.rows for part in parts], begins),
            longitude=np.concatenate([part.longitude for part in parts]),
            latitude=np.concatenate([part.latitude for part in parts]),
            height_m=np.concatenate([part.height_m for part in parts]),
        )


class Waves(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Waveforms: columns of shape (m,), and their values one behind the other."""

    rows: Int64
    """Which samples, in ascending order."""
    step_us: Float64
    """From one value to the next."""
    ends: Int64
    """Where the values of each end."""
    value: Float64
    """NaN: missing."""

    def __post_init__(self) -> None:
        """Refuse columns that do not fit: who takes them apart would read beyond their ends."""
        _check((self.rows, self.step_us, self.ends), (np.int64, np.float64, np.int64), len(self.rows))
        _check_rows(self.rows)
        _check((self.value,), (np.float64,), len(self.value))
        counts = self.counts
        if counts.sum() != len(self.value) or not ((counts >= 1) & (counts <= LONGEST_WAVE)).all():
            raise ValueError(f"a waveform has 1 to {LONGEST_WAVE} values, and the ends are where these end")
        if not ((self.step_us >= 1) & (self.step_us <= LONGEST_STEP_US)).all():
            raise ValueError("the step of a waveform is from 1 us to an hour")

    @property
    def counts(self) -> Int64:
        """Values of each."""
        return np.diff(self.ends, prepend=np.int64(0))

    def lasts_us(self) -> Float64:
        """Return the time from the first value of each to its last."""
        return (self.counts - 1) * self.step_us

    def picked(self, which: Int64, rows: Int64) -> Self:
        """Return some of them, as those of other rows."""
        counts, begins = self.counts[which], (self.ends - self.counts)[which]
        ends = np.cumsum(counts)
        places = np.arange(int(counts.sum())) + np.repeat(begins - (ends - counts), counts)
        return type(self)(rows=rows, step_us=self.step_us[which], ends=ends, value=self.value[places])

    @classmethod
    def joined(cls, parts: Sequence[Self], begins: Sequence[int]) -> Self:
        """Return all of them; `begins` say where the rows of each begin."""
        values = np.cumsum([0, *(len(part.value) for part in parts)]).tolist()
        return cls(
            rows=_moved([part.rows for part in parts], begins),
            step_us=np.concatenate([part.step_us for part in parts]),
            ends=_moved([part.ends for part in parts], values[:-1]),
            value=np.concatenate([part.value for part in parts]),
        )


Extra = TypeVar("Extra", Places, Waves)


def check_extras(batch: SampleBatch | FlaggedSamples, latest_us: int) -> None:
    """Raise ValueError unless places and waveforms belong to samples of the batch, and end in time."""
    for extra in (batch.places, batch.waves):
        if extra is not None and len(extra.rows) and extra.rows[-1] >= len(batch.series):
            raise ValueError("a place or waveform belongs to no sample of its batch")
    waves = batch.waves
    if waves is not None and (batch.time_us[waves.rows] + waves.lasts_us() > latest_us).any():
        raise ValueError("a waveform ends after 2200")


def of_rows(extra: Extra | None, rows: Int64 | slice, length: int) -> Extra | None:
    """Return what belongs to some rows of a batch of this length, in this order; -1 is no row of it."""
    if extra is None or isinstance(rows, slice):
        return extra
    now_at = np.full(length, -1, np.int64)
    there = np.flatnonzero(rows >= 0)
    now_at[rows[there]] = there
    now = now_at[extra.rows]
    which = np.flatnonzero(now >= 0)
    if not len(which):
        return None
    which = which[np.argsort(now[which])]
    return extra.picked(which, now[which])


def together(extras: Sequence[Extra | None], lengths: Sequence[int]) -> Extra | None:
    """Return what belongs to the rows of several batches, one behind the other."""
    begins = np.cumsum([0, *lengths]).tolist()
    parts = [extra for extra in extras if extra is not None]
    if not parts:
        return None
    of_parts = [begin for extra, begin in zip(extras, begins, strict=False) if extra is not None]
    return type(parts[0]).joined(parts, of_parts)


def extra_bytes(batch: SampleBatch | FlaggedSamples) -> int:
    """Return how much memory places and waveforms take, about."""
    places, waves = batch.places, batch.waves
    return (0 if places is None else 32 * len(places.rows)) + (0 if waves is None else 8 * len(waves.value))


def _check(columns: Sequence[NDArray[np.generic]], kinds: Sequence[type[np.generic]], length: int) -> None:
    for column, kind in zip(columns, kinds, strict=True):
        if column.dtype != kind or column.shape != (length,):
            raise ValueError(f"a column beside samples is {column.dtype} of shape {column.shape}")


def _moved(columns: Sequence[Int64], by: Sequence[int]) -> Int64:
    """Return columns one behind the other, each raised by a number."""
    return np.concatenate([column + number for column, number in zip(columns, by, strict=True)])


def _check_rows(rows: Int64) -> None:
    if len(rows) and (rows[0] < 0 or (np.diff(rows) < 1).any()):
        raise ValueError("rows beside samples are not in ascending order")
