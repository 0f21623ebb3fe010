"""Kernels that read the values of satellites: one row for each signal that has a value."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gnss.rinex.epoch_lines import FIELD, INDICATOR, NO_TYPES, Findings, Satellites, find
from gnss.rinex.fields import BAD, READ, Bytes, line_length, value_field
from gnss.rtcm.bits import Integer
from kernels.compiled import njit

RANGE, PHASE, DOPPLER, STRENGTH = range(4)
KINDS = "CLDS"
"""Letters of the kinds in RINEX 3; "P" is a range too, in RINEX 2."""
MAX_SLOTS = 32
OPAQUE = -1
FIELD_WIDTH = 16
"""F14.3, loss of lock indicator, signal strength."""

_SPACE, _ZERO = 32, 48


class Layout(NamedTuple):
    """What stands in which field, for each revision r of the types and each system s."""

    types: NDArray[np.int16]
    """Shape (r, s): how many types there are."""
    target: NDArray[np.int16]
    """Shape (r, s, most types): 4 * slot + kind, or `OPAQUE`."""
    scale: NDArray[np.float64]
    """Shape (r, s, most types): what the written value is divided by."""
    signal: NDArray[np.uint8]
    """Shape (r, s, MAX_SLOTS): signal id of a slot, 0: none."""
    twin: NDArray[np.int16]
    """Shape (r, s, MAX_SLOTS): the slot to which phase, Doppler and strength of this one belong where only
    that one has a range; -1: none. RINEX 2 has one L2 for P2 and C2."""


class Cells(NamedTuple):
    """Values as the file has them; arrays of the shape (n,)."""

    satellite: NDArray[np.int32]
    """Row in `Satellites`."""
    signal: NDArray[np.uint8]
    value: NDArray[np.float64]
    """Shape (n, 4): range in m, phase in cycles, Doppler in Hz, strength in dB-Hz; NaN: missing."""
    indicator: NDArray[np.uint8]
    """Loss of lock indicator of the phase, 0 to 7."""

    def first(self, n: int) -> Cells:
        """Return the first rows."""
        return Cells(self.satellite[:n], self.signal[:n], self.value[:n], self.indicator[:n])


def no_cells(n: int) -> Cells:
    """Return room for n rows."""
    return Cells(np.empty(n, np.int32), np.empty(n, np.uint8), np.full((n, 4), np.nan), np.zeros(n, np.uint8))


@njit(cache=True, nogil=True)
def most_cells(
    text: Bytes,
    begin: NDArray[np.int64],
    satellites: Satellites,
    n: Integer,
    layout: Layout,
    lines_each: NDArray[np.int64],
) -> Integer:
    """Return the most rows that `read_cells` can need: what fits in the lines, and has a signal id."""
    most = np.int64(0)
    for i in range(n):
        revision = satellites.revision[i]
        fields = np.int64(0)
        for j in range(lines_each[revision]):
            fields += line_length(text, begin, satellites.line[i] + j) // FIELD_WIDTH + 1
        slots = np.count_nonzero(layout.signal[revision, satellites.system[i]])
        most += min(fields, slots)
    return most


@njit(cache=True, nogil=True)
def read_cells(
    text: Bytes,
    begin: NDArray[np.int64],
    satellites: Satellites,
    n: Integer,
    layout: Layout,
    lines_each: NDArray[np.int64],
    fields_a_line: Integer,
    first_column: Integer,
    cells: Cells,
    opaque: NDArray[np.int64],
    findings: Findings,
) -> Integer:
    """Read the values of the first n satellites.

    Parameters
    ----------
    text, begin
        As `index_lines` has them.
    satellites, layout
        Where, and what.
    lines_each
        Shape (r,): lines of values that a satellite has.
    fields_a_line, first_column
        5 and 0 in RINEX 2; all and 3 in RINEX 3.
    cells
        Filled; `most_cells` says how many rows it needs.
    opaque
        Shape of `Layout.target`, counted up: values of a type that has no signal id.
    findings
        Filled.

    Returns
    -------
    Rows that are filled.
    """
    rows: Integer = np.int64(0)
    row_of: Any = np.empty(MAX_SLOTS, np.int64)
    for i in range(n):
        revision, system, line = satellites.revision[i], satellites.system[i], np.int64(satellites.line[i])
        types = np.int64(layout.types[revision, system])
        if types == 0:
            find(findings, line, NO_TYPES, system, satellites.satellite[i])
            continue
        row_of[:] = -1
        first = rows
        for k in range(types):
            on = line + k // fields_a_line
            if on >= line + lines_each[revision]:
                break
            length = line_length(text, begin, on)
            field_at = first_column + FIELD_WIDTH * (k % fields_a_line)
            if field_at >= length:
                continue
            at = np.int64(begin[on]) + field_at
            end = np.int64(begin[on]) + length
            state, value = value_field(text, at, end)
            lock = np.int64(0)
            if at + 14 < end and text[at + 14] != _SPACE:
                lock = np.int64(text[at + 14]) - _ZERO
                if not 0 <= lock <= 7:
                    find(findings, on, INDICATOR, k, system * 256 + satellites.satellite[i])
                    lock = np.int64(0)
            if state == BAD:
                find(findings, on, FIELD, k, system * 256 + satellites.satellite[i])
            if state != READ or value == 0.0:
                continue
            target = layout.target[revision, system, k]
            if target == OPAQUE:
                opaque[revision, system, k] += 1
                continue
            slot, kind = target >> 2, target & 3
            row = row_of[slot]
            if row < 0:
                row = row_of[slot] = rows
                rows += 1
                cells.satellite[row] = i
                cells.signal[row] = layout.signal[revision, system, slot]
            cells.value[row, kind] = value / layout.scale[revision, system, k]
            if kind == PHASE:
                cells.indicator[row] = lock
        rows = _give_to_twins(cells, layout.twin[revision, system], row_of, rows)
        _sort_by_signal(cells, first, rows)
    return rows


@njit(cache=True, nogil=True)
def _give_to_twins(cells: Cells, twin: Any, row_of: Any, rows: Integer) -> Integer:
    """Move the values of a slot without a range to its twin's row; return the rows that are left."""
    for slot in range(len(twin)):
        if twin[slot] < 0 or row_of[slot] < 0 or row_of[twin[slot]] < 0:
            continue
        row, other = row_of[slot], row_of[twin[slot]]
        if not np.isnan(cells.value[row, RANGE]) or np.isnan(cells.value[other, RANGE]):
            continue
        cells.value[other, 1:] = cells.value[row, 1:]
        cells.indicator[other] = cells.indicator[row]
        # the last row takes the place of the one that is empty now
        rows -= 1
        cells.signal[row] = cells.signal[rows]
        cells.value[row] = cells.value[rows]
        cells.indicator[row] = cells.indicator[rows]
        cells.value[rows] = np.nan
        cells.indicator[rows] = 0
        for moved in range(len(row_of)):
            if row_of[moved] == rows:
                row_of[moved] = row
        row_of[slot] = -1
    return rows


@njit(cache=True, nogil=True)
def _sort_by_signal(cells: Cells, first: Integer, behind: Integer) -> None:
    """Order the few rows of a satellite by signal id."""
    for i in range(first + 1, behind):
        j: Any = i
        while j > first and cells.signal[j - 1] > cells.signal[j]:
            cells.signal[j - 1], cells.signal[j] = cells.signal[j], cells.signal[j - 1]
            cells.indicator[j - 1], cells.indicator[j] = cells.indicator[j], cells.indicator[j - 1]
            for kind in range(4):
                swapped = cells.value[j - 1, kind]
                cells.value[j - 1, kind] = cells.value[j, kind]
                cells.value[j, kind] = swapped
            j -= 1
