"""What the engine makes of each observation of a file: ranges without steps of the clock, and slips.

The engine keeps a station's last report and its sums, and forgets the epoch. Whoever works on whole arcs
needs its finds for each observation: they are copied here from the scratch that it leaves after each epoch,
so that a file and a stream never differ in what is called a slip.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gnss.epoch_columns import EpochColumns
from gnss.quality.judgements import JUDGEMENT
from gnss.quality.measure import Columns, Scratch, SkyColumns, measure, new_scratch
from gnss.quality.memory import NEVER_US, Memory
from gnss.quality.table import NO_SKY, QualityTable
from gnss.rtcm.signals import N_SIGNALS
from kernels.compiled import njit

UInt8 = NDArray[np.uint8]
Float64 = NDArray[np.float64]


class Cells(NamedTuple):
    """What the engine made of each observation. All arrays have shape (n_observations,)."""

    range_m: Float64
    """Without steps of the clock that only codes have. NaN: not used, as are phases; so it is for a signal
    that came before in the same epoch, and for ranges without whole milliseconds."""
    phase_m: Float64
    hz: Float64
    """Carrier; 0: not known, and not used."""
    slip: UInt8
    """`CONTINUOUS`, `LOCK_SLIP`, `PHASE_SLIP` or `WIDE_SLIP` of `gnss.quality.slips`, before this
    observation. A wide lane tells on the higher carrier that one of the two slipped."""
    half_cycle: UInt8
    high: UInt8
    """Signals of the satellite's highest and lowest carrier in its arc; 0: not both there."""
    low: UInt8


def engine_cells(epochs: EpochColumns, interval_s: float) -> Cells:
    """Return what the engine makes of the observations of one station.

    Parameters
    ----------
    epochs
        Oldest first. One whose time is not after the one before is left out.
    interval_s
        Between epochs; the engine's longest gap within an arc follows from it.

    Raises
    ------
    ValueError
        Epochs of several stations: call once for each.
    """
    if len(epochs) and np.any(epochs.station != epochs.station[0]):
        raise ValueError("epochs of several stations: give those of one station at a time")
    table = QualityTable()
    s = table.add(interval_s)
    o = epochs.observations
    columns = Columns(*(getattr(o, name) for name in Columns._fields))
    n = len(o)
    cells = Cells(
        np.full(n, np.nan), np.full(n, np.nan), np.zeros(n), *(np.zeros(n, np.uint8) for _ in range(4))
    )
    _take(
        table.memory, s, epochs.time_us, epochs.first, epochs.count, columns, NO_SKY, new_scratch(),
        np.zeros(1, JUDGEMENT), cells,
    )  # fmt: skip
    return cells


@njit(cache=True, nogil=True)
def _take(
    memory: Memory,
    s: int,
    time_us: Any,
    first: Any,
    count: Any,
    columns: Columns,
    no_sky: SkyColumns,
    scratch: Scratch,
    judgement: Any,
    out: Cells,
) -> None:
    """Feed epochs to the engine, and write what it left in its scratch after each.

    Cells stand in the order of their observations, so that one walk finds the observation of each.
    """
    station, rows, satellites = memory.station[s], memory.signals[s], memory.satellites[s]
    slot_of = memory.slot_of[s]
    for e in range(len(time_us)):
        t_us = time_us[e]
        is_first = station.epoch_us == NEVER_US
        if not is_first and t_us <= station.epoch_us:
            continue
        begin, end = first[e], first[e] + count[e]
        measure(memory, s, columns, begin, end, t_us, is_first, no_sky, -1, scratch, judgement[0])
        station.epoch_us = t_us
        i, n = 0, judgement[0].observations
        for c in range(begin, end):
            if i == n:
                break
            if np.isnan(columns.range_m[c]) and np.isnan(columns.phase_m[c]):
                continue
            key = int(columns.system[c]) * 64 + int(columns.satellite[c]) - 1
            cell = scratch.cells[i]
            if rows[cell.row].key != key * N_SIGNALS + columns.signal[c]:
                continue
            satellite = satellites[slot_of[key]]
            out.range_m[c], out.phase_m[c] = cell.range_m, cell.phase_m
            out.hz[c] = cell.hz
            out.slip[c], out.half_cycle[c] = cell.slip, cell.half_cycle
            if satellite.high != 0 and satellite.arc_us == t_us:
                out.high[c], out.low[c] = satellite.high, satellite.low
            i += 1
