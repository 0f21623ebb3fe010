"""Columns of observations in memory that is used again.

A second of 4,000 stations is 30 MB. Fresh pages for that cost the system as much time as decoding does, so a
block goes back when the last array that looks into it is gone.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any, get_args, get_type_hints
from weakref import ref

import numpy as np
from numpy.typing import NDArray

from gnss.observations import Observations

SMALL_BYTES, LARGE_BYTES = 262_144, 134_217_728
"""Blocks below and above are not kept."""
MOST_BLOCKS = 3
SPARE = 1.25
MOST_WASTE = 4
"""A block so many times as large as needed waits for a larger need."""


def _dtype(hint: Any) -> np.dtype[Any]:
    """Return the dtype of an `NDArray[...]`."""
    dtype: np.dtype[Any] = np.dtype(get_args(get_args(hint)[1])[0])
    return dtype


_HINTS = get_type_hints(Observations)
_DTYPES = {field.name: _dtype(_HINTS[field.name]) for field in fields(Observations)}
_BY_SIZE = sorted(_DTYPES, key=lambda name: -_DTYPES[name].itemsize)
"""The widest first, so that all are aligned."""
CELL_BYTES = sum(dtype.itemsize for dtype in _DTYPES.values())


class _Lease:
    """Lends a block: lives as long as an array that looks into it."""

    __slots__ = ("__array_interface__", "__weakref__", "_memory")

    def __init__(self, memory: NDArray[np.uint8]) -> None:
        self._memory = memory
        self.__array_interface__ = memory.__array_interface__


class Blocks:
    """Up to three blocks of memory that are used again."""

    def __init__(self) -> None:
        self._blocks: list[tuple[NDArray[np.uint8], ref[_Lease]]] = []

    def columns(self, n: int) -> Observations:
        """Return columns of n observations or more, not filled."""
        block = self._take(n * CELL_BYTES)
        rows = block.size // CELL_BYTES
        columns, at = {}, 0
        for name in _BY_SIZE:
            end = at + rows * _DTYPES[name].itemsize
            columns[name] = block[at:end].view(_DTYPES[name])
            at = end
        return Observations(**columns)

    def _take(self, size: int) -> NDArray[np.uint8]:
        if not SMALL_BYTES <= size <= LARGE_BYTES:
            return np.empty(size, np.uint8)
        for i, (memory, lease) in enumerate(self._blocks):
            if lease() is None and size <= memory.size <= size * MOST_WASTE:
                del self._blocks[i]
                return self._lend(memory)
        step = 8 * CELL_BYTES  # columns begin at multiples of 8
        return self._lend(np.empty(int(size * SPARE) // step * step, np.uint8))

    def _lend(self, memory: NDArray[np.uint8]) -> NDArray[np.uint8]:
        lease = _Lease(memory)
        self._blocks = [*self._blocks[1 - MOST_BLOCKS :], (memory, ref(lease))]
        return np.asarray(lease)


def rows_of(columns: Observations, begin: int, end: int) -> Observations:
    """Return some rows, without a copy."""
    if begin == 0 and end == len(columns):
        return columns
    return Observations(**{name: getattr(columns, name)[begin:end] for name in _DTYPES})


def copy_rows(source: Observations, target: Observations, n: int) -> None:
    """Copy the first n rows."""
    for name in _DTYPES:
        getattr(target, name)[:n] = getattr(source, name)[:n]
