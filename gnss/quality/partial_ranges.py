"""Whole milliseconds of ranges and phases that were sent without them (MSM1 to MSM3, 1001, 1009 and so on).

Where the station and its satellites are is known, so that each range can be told to some hundred metres, but
for the receiver's clock: that goes on from the epoch before, and may hence drift over any millisecond. What
cannot be restored stays `PARTIAL`, is counted, and tells nothing to indicators that need ranges or phases.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gnss.observations import PARTIAL
from gnss.quality.memory import CELLS, N_SYSTEMS, SATELLITES
from gnss.rtcm.signals import SPEED_OF_LIGHT_M_S
from gnss.rtcm.whole_ms import MILLISECOND_M, SATELLITE_NUMBERS, restore_epoch
from kernels.compiled import njit

ASKED_SHAPE = (N_SYSTEMS, SATELLITE_NUMBERS)


@njit(cache=True, nogil=True, error_model="numpy")
def _count(flags: Any) -> int:
    count = 0
    for c in range(len(flags)):
        count += (flags[c] & PARTIAL) != 0
    return count


@njit(cache=True, nogil=True, error_model="numpy")
def restore(
    station: Any, columns: Any, begin: int, end: int, sky: Any, at: int, predicted_m: Any, asked: Any
) -> None:
    """Restore an epoch's observations in place where that can be done.

    Parameters
    ----------
    station
        Memory, a `STATION`: its place and its clock; `partial` counts what stays as it was.
    columns, begin, end
        `gnss.quality.measure.Columns`, rows of the epoch.
    sky, at
        `gnss.quality.measure.SkyColumns` and the row of the epoch, -1 none.
    predicted_m, asked
        Scratch, shape (CELLS,), and (7, 256) of noughts.
    """
    if _count(columns.flags[begin:end]) == 0:
        return
    if at >= 0 and station.placed and end - begin <= CELLS:
        x, y, z = station.ecef_m[0], station.ecef_m[1], station.ecef_m[2]
        for c in range(begin, end):
            predicted_m[c - begin] = np.nan
            j = int(columns.system[c]) * 64 + columns.satellite[c] - 1
            if columns.satellite[c] < 1 or columns.satellite[c] > 64 or j >= SATELLITES:
                continue
            if sky.usable[at, j]:
                place = sky.position_m[at, j]
                dx, dy, dz = place[0] - x, place[1] - y, place[2] - z
                range_m = np.sqrt(dx * dx + dy * dy + dz * dz)
                predicted_m[c - begin] = range_m - sky.clock_s[at, j] * SPEED_OF_LIGHT_M_S + station.clock_m
        clock_ms = restore_epoch(
            columns.system[begin:end], columns.satellite[begin:end], predicted_m[: end - begin],
            columns.range_m[begin:end], columns.phase_m[begin:end], columns.flags[begin:end], asked,
        )  # fmt: skip
        if not np.isnan(clock_ms):
            station.clock_m += clock_ms * MILLISECOND_M
    station.partial += _count(columns.flags[begin:end])
