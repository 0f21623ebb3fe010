"""Which signals a station tracks: one row of memory for each, bounded, found without hashing.

The indicators keep what they remember of a signal in its row, so that an epoch is a few passes of
compiled code over columns.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from gnss.observations import Observations
from gnss.quality.bands import N_SIGNALS
from gnss.systems import System

ROWS = 512
"""Signals remembered at once. A receiver of all systems and bands tracks fewer than 400."""
SATELLITES = 64
STALE_US = 60_000_000
"""A row that was not seen for so long may be given to another signal."""
NEVER_US = -(2**62)

ROW = np.dtype(
    [
        ("key", "<i4"),  # (system * 64 + satellite - 1) * 33 + signal, -1 free
        ("mp_count", "<i4"),
        ("mark_us", "<i8"),  # epoch that the row was last found in, before it is committed
        ("last_us", "<i8"),  # last report of this signal
        ("lock_low_ms", "<f8"),
        ("phase_m", "<f8"),
        ("cn0_level_dbhz", "<f8"),
        ("cn0_since_us", "<i8"),
        ("mp_mean_m", "<f8"),
        ("mp_since_us", "<i8"),
        ("mp_last_us", "<i8"),
        ("mp_arc", "<i4"),
        ("half_cycle", "<i4"),
    ]
)
SATELLITE = np.dtype(
    [
        ("high", "<i2"),  # signals whose phases make the multipath combination, 0 none
        ("low", "<i2"),
        ("arc", "<i4"),
        ("arc_us", "<i8"),  # last epoch that had both
        ("slip_us", "<i8"),
    ]
)


@njit(cache=True, nogil=True)
def assign(
    rows: Any,
    row_of: Any,
    system: Any,
    satellite: Any,
    signal: Any,
    range_m: Any,
    phase_m: Any,
    t_us: int,
    cell_row: Any,
    head: Any,
    following: Any,
) -> tuple[int, int, int]:
    """Find the row of each cell and chain the cells of each satellite.

    Parameters
    ----------
    rows, row_of
        Memory: shape (ROWS,) of `ROW`; shape (7 * 64 * 33,), int16, -1 none.
    system, satellite, signal, range_m, phase_m
        Columns of `Observations`, shape (n,).
    t_us
        Time of the epoch.
    cell_row, head, following
        Out: row of each cell, shape (n,), int64, -1 for a cell without a value, a repeated or an
        impossible one; first cell of each satellite, shape (7 * 64,), int64; next cell of the same
        satellite, shape (n,), int64.

    Returns
    -------
    Cells that hold a value; satellites among them; cells for which there was no room.
    """
    head[:] = -1
    observed = 0
    no_room = 0
    cursor = 0
    for c in range(len(system)):
        cell_row[c] = -1
        following[c] = -1
        if np.isnan(range_m[c]) and np.isnan(phase_m[c]):
            continue
        if system[c] > 6 or satellite[c] < 1 or satellite[c] > 64 or signal[c] < 1 or signal[c] > 32:
            continue
        key = (np.int64(system[c]) * 64 + satellite[c] - 1) * 33 + signal[c]
        r = row_of[key]
        if r < 0:
            while cursor < len(rows):
                row = rows[cursor]
                if row.key < 0 or (row.mark_us != t_us and t_us - row.last_us > STALE_US):
                    break
                cursor += 1
            if cursor == len(rows):
                no_room += 1
                continue
            r = cursor
            row = rows[r]
            if row.key >= 0:
                row_of[row.key] = -1
            row.key = key
            row.mark_us = NEVER_US
            row.last_us = NEVER_US
            row.lock_low_ms = np.nan
            row.phase_m = np.nan
            row.cn0_level_dbhz = np.nan
            row.cn0_since_us = t_us
            row.mp_arc = -1
            row.half_cycle = 0
            row_of[key] = r
        row = rows[r]
        if row.mark_us == t_us:
            continue
        row.mark_us = t_us
        cell_row[c] = r
        observed += 1
    satellites = 0
    for c in range(len(system) - 1, -1, -1):
        if cell_row[c] >= 0:
            s = np.int64(system[c]) * 64 + satellite[c] - 1
            satellites += head[s] < 0
            following[c] = head[s]
            head[s] = c
    return observed, satellites, no_room


@njit(cache=True, nogil=True)
def commit(rows: Any, cell_row: Any, phase_m: Any, lock_ms: Any, half_cycle: Any, t_us: int) -> None:
    """Make this epoch the last report of its signals."""
    for c in range(len(cell_row)):
        if cell_row[c] < 0:
            continue
        row = rows[cell_row[c]]
        row.last_us = t_us
        row.phase_m = phase_m[c]
        row.lock_low_ms = lock_ms[c] if lock_ms[c] >= 0 else np.nan
        row.half_cycle = half_cycle[c]


def _free_rows() -> NDArray[Any]:
    rows = np.zeros(ROWS, ROW)
    rows["key"] = -1
    rows["last_us"] = rows["mark_us"] = NEVER_US
    return rows


def _free_satellites() -> NDArray[Any]:
    satellites = np.zeros(len(System) * SATELLITES, SATELLITE)
    satellites["arc_us"] = satellites["slip_us"] = NEVER_US
    return satellites


@dataclass(slots=True)
class Tracking:
    """Memory of one station's signals, and the last epoch's cells in it."""

    rows: NDArray[Any] = field(default_factory=_free_rows)
    satellites: NDArray[Any] = field(default_factory=_free_satellites)
    row_of: NDArray[np.int16] = field(
        default_factory=lambda: np.full(len(System) * SATELLITES * N_SIGNALS, -1, np.int16)
    )
    head: NDArray[np.int64] = field(default_factory=lambda: np.full(len(System) * SATELLITES, -1, np.int64))
    no_room: int = 0
    """Cells that found no row, since the beginning."""

    def find(self, o: Observations, t_us: int) -> tuple[NDArray[np.int64], NDArray[np.int64], int, int]:
        """Return row and next cell of each cell, the count of valid cells and of satellites."""
        cell_row = np.empty(len(o), np.int64)
        following = np.empty(len(o), np.int64)
        observed, satellites, no_room = assign(
            self.rows, self.row_of, o.system, o.satellite, o.signal, o.range_m, o.phase_m, t_us,
            cell_row, self.head, following,
        )  # fmt: skip
        self.no_room += no_room
        return cell_row, following, observed, satellites

    def snapshot(self) -> tuple[bytes, bytes, int]:
        """Return the memory without its unused tail."""
        used = np.flatnonzero(self.rows["key"] >= 0)
        end = int(used[-1]) + 1 if len(used) else 0
        return self.rows[:end].tobytes(), self.satellites.tobytes(), self.no_room

    def restore(self, state: tuple[bytes, bytes, int]) -> None:
        """Take back what `snapshot` gave."""
        rows, satellites, self.no_room = state
        self.rows, self.satellites = _free_rows(), np.frombuffer(satellites, SATELLITE).copy()
        saved = np.frombuffer(rows, ROW)
        self.rows[: len(saved)] = saved
        self.row_of[:] = -1
        used = np.flatnonzero(self.rows["key"] >= 0)
        self.row_of[self.rows["key"][used]] = used
