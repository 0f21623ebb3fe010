"""Answers as columns, for many series at once. Times are microseconds of UTC since 1970."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray

FLAGS = (1, 2, 3, 4, 9)
"""QARTOD: pass, not evaluated, suspect, fail, missing."""
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]


class SeriesRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A registered datastream and where its thing is."""

    key: int
    """The store's number for it."""
    id: str
    name: str
    thing_id: str
    property_id: str
    unit: str
    longitude: float | None
    latitude: float | None
    """Degrees, CGCS2000 (EPSG:4490); None: the thing is not known."""
    height_m: float | None
    height_datum: str
    period_s: float
    """Between its samples, as it promises; 0: that of its property."""


@dataclass(frozen=True, slots=True)
class _Columns:
    """Arrays of shape (n,) unless their own words say otherwise."""

    series: Int32
    """Places in the list of series that was asked for."""
    time_us: Int64

    def __len__(self) -> int:
        return len(self.series)

    def taken(self, which: NDArray[np.int64] | NDArray[np.bool_]) -> Self:
        """Return some of the rows, or all in another order."""
        return type(self)(**{one.name: getattr(self, one.name)[which] for one in fields(self)})

    def ordered(self) -> Self:
        """Return the rows by time, and by series within a time."""
        return self.taken(np.lexsort((self.series, self.time_us)))

    @classmethod
    def joined(cls, some: Sequence[Self]) -> Self:
        """Return the rows of several, of which there must be one."""
        return cls(**{one.name: np.concatenate([getattr(s, one.name) for s in some]) for one in fields(cls)})


@dataclass(frozen=True, slots=True)
class SampleColumns(_Columns):
    """Samples."""

    value: Float64
    """NaN: none."""
    flag: NDArray[np.int16]
    """One of `FLAGS`."""


@dataclass(frozen=True, slots=True)
class WindowColumns(_Columns):
    """Sums of samples; `time_us` is the begin of the window."""

    n: Int64
    """Samples that count."""
    total: Float64
    """NaN where none counts, and so are the next three."""
    low: Float64
    high: Float64
    last: Float64
    flags: Int64
    """Samples by flag, all of them: shape (n, 5), in the order of `FLAGS`."""
