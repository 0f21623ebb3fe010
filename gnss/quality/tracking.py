"""Which signals a station tracks: a row of memory for each, bounded, found without hashing.

The first step of an epoch: its observations that hold a value are copied to a scratch of cells, in their
order, each with its row, and chained by satellite.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gnss.observations import PARTIAL
from gnss.quality import bands
from gnss.quality.memory import CELLS, KINDS, NEVER_US, NO_ROW, TRACKED, Memory
from gnss.systems import UNKNOWN_CHANNEL
from kernels.compiled import njit

STALE_US = 60_000_000
"""A row that was not seen for so long (or for the longest gap of an arc) may be given to another signal, and
begins anew for its own."""

_GLONASS = 1
_BAND, _FREQUENCY_HZ, _CHANNEL_STEP_HZ = bands.BAND, bands.FREQUENCY_HZ, bands.CHANNEL_STEP_HZ


@njit(cache=True, nogil=True, error_model="numpy")
def frequency_hz(system: int, signal: int, channel: int) -> float:
    """Return the carrier of a signal; 0 when it, or the GLONASS channel, is not known."""
    if system == _GLONASS and not -7 <= channel <= 13:
        return 0.0
    return float(_FREQUENCY_HZ[system, signal] + _CHANNEL_STEP_HZ[system, signal] * channel)


@njit(cache=True, nogil=True, error_model="numpy")
def _free_row(rows: Any, cursor: int, old_us: int, row_of: Any, satellites: Any, slot_of: Any) -> int:
    """Return the first row from `cursor` on that may be given away, or the length of `rows`."""
    while cursor < len(rows):
        row = rows[cursor]
        if row.key < 0:
            return cursor
        if row.last_us < old_us:
            k = slot_of[row.key // 33]
            if k < len(satellites) and row_of[k, row.key % 33] == cursor:
                row_of[k, row.key % 33] = NO_ROW
            return cursor
        cursor += 1
    return cursor


@njit(cache=True, nogil=True, error_model="numpy")
def _free_slot(satellites: Any, old_us: int, row_of: Any, slot_of: Any, rows: Any) -> int:
    """Return a row of the satellites' memory that may be given away, made empty; -1: none."""
    for k in range(len(satellites)):
        satellite = satellites[k]
        if satellite.key >= 0 and satellite.last_us >= old_us:
            continue
        if satellite.key >= 0:
            slot_of[satellite.key] = 255
            for g in range(33):
                if row_of[k, g] >= 0:
                    rows[row_of[k, g]].key = -1
        for g in range(33):
            row_of[k, g] = NO_ROW
        return k
    return -1


@njit(cache=True, nogil=True, error_model="numpy")
def _begin_satellite(satellite: Any, key: int) -> None:
    satellite.key = key
    satellite.high = 0
    satellite.low = 0
    satellite.arc += 1
    satellite.arc_us = NEVER_US
    satellite.slip_us = NEVER_US
    satellite.wide_us = NEVER_US
    satellite.wide_count = 0
    satellite.wide_arc = -1
    satellite.wide_doubt = 0
    satellite.reference = 0
    satellite.free_us = NEVER_US
    satellite.rot_count = 0
    satellite.roti = np.nan
    satellite.phase_rate_m_s = np.nan


@njit(cache=True, nogil=True, error_model="numpy")
def _begin_signal(row: Any, key: int) -> None:
    row.key = key
    row.last_us = NEVER_US
    row.lock_low_ms = -1
    row.phase_m = np.nan
    row.cn0_level_dbhz = np.nan
    row.cn0_age_s = 0.0
    row.tracked_s = 0.0
    row.mp_arc = -1
    row.mp_count = 0
    row.half_cycle = 0


@njit(cache=True, nogil=True, error_model="numpy")
def gather(
    memory: Memory,
    s: int,
    system: Any,
    satellite: Any,
    signal: Any,
    range_m: Any,
    phase_m: Any,
    flags: Any,
    begin: int,
    end: int,
    t_us: int,
    max_gap_us: int,
    cells: Any,
    seen: Any,
) -> tuple[int, int, int]:
    """Find the observations of an epoch that hold a value, each with its row of memory; `fill` does the rest.

    Impossible satellites are left out. A signal that comes twice counts once, with what came last and whole.

    Parameters
    ----------
    memory, s
        Memory and row of the station.
    system, satellite, signal, range_m, phase_m, flags
        Columns of `Observations`; the epoch is in rows `begin` to `end`.
    t_us, max_gap_us
        Time of the epoch; longest gap within an arc.
    cells, seen
        Out: shape (CELLS,) of `CELL`; shape (TRACKED,) of `SEEN`.

    Returns
    -------
    Cells; satellites; observations for which there was no room.
    """
    rows, satellites, slot_of, row_of = (
        memory.signals[s],
        memory.satellites[s],
        memory.slot_of[s],
        memory.row_of[s],
    )
    kind_of, station = memory.kind_of[s], memory.station[s]
    n = n_seen = no_room = 0
    cursor: Any = np.int64(0)
    old_us = t_us - max(STALE_US, max_gap_us)
    last_key, k, place = -1, -1, -1
    for c in range(begin, end):
        if np.isnan(range_m[c]) and np.isnan(phase_m[c]):
            continue
        if system[c] > 6 or satellite[c] < 1 or satellite[c] > 64 or signal[c] < 1 or signal[c] > 32:
            continue
        key = int(system[c]) * 64 + satellite[c] - 1
        if key != last_key:
            last_key, place = key, -1
            k = int(slot_of[key])
            if k == 255:
                k = _free_slot(satellites, old_us, row_of, slot_of, rows)
                if k >= 0:
                    slot_of[key] = k
                    _begin_satellite(satellites[k], key)
                    satellites[k].last_us = t_us
            if k >= 0:
                # a satellite may come in two messages of an epoch
                if satellites[k].last_us == t_us:
                    for j in range(n_seen):
                        if seen[j].slot == k:
                            place = j
                            break
                if place < 0 and n_seen < TRACKED:
                    place = n_seen
                    n_seen += 1
                    one = seen[place]
                    one.head = -1
                    one.slot = k
                    one.key = key
                    one.signals = 0
                    one.sine = np.nan
                    one.place = -1
                satellites[k].last_us = t_us
        if k < 0 or place < 0 or n == CELLS:
            no_room += 1
            continue
        one = seen[place]
        bit = np.uint32(1) << np.uint32(signal[c] - 1)
        if one.signals & bit:
            # legacy messages beside MSM tell the same, more coarsely, and come first
            i = one.head
            while cells[i].signal != signal[c]:
                i = cells[i].following
            if not flags[c] & PARTIAL and not np.isnan(range_m[c]) and not np.isnan(phase_m[c]):
                cells[i].source = c
            continue
        r = int(row_of[k, signal[c]])
        fresh = r < 0 or rows[r].last_us < old_us
        if r < 0:
            cursor = r = _free_row(rows, cursor, old_us, row_of, satellites, slot_of)
            if r == len(rows):
                no_room += 1
                continue
            cursor += 1
            station.rows = max(station.rows, cursor)
            row_of[k, signal[c]] = r
        if fresh:
            _begin_signal(rows[r], key * 33 + signal[c])
            rows[r].last_us = t_us  # so that it is not given away again in this epoch
        one.signals |= bit
        cell = cells[n]
        cell.source = c
        cell.row = r
        cell.fresh = fresh
        cell.following = one.head
        one.head = n
        cell.system = system[c]
        cell.signal = signal[c]
        kind = int(kind_of[system[c] * 33 + signal[c]])
        if kind == 255:
            # the last one is shared by what has no room
            kind = min(int(station.kinds), KINDS - 1)
            station.kinds = kind + 1
            kind_of[system[c] * 33 + signal[c]] = kind
        cell.kind = kind
        n += 1
    for i in range(n):
        if cells[i].fresh:
            rows[cells[i].row].last_us = NEVER_US
    return n, n_seen, no_room


@njit(cache=True, nogil=True, error_model="numpy")
def fill(
    cells: Any,
    n: int,
    satellite: Any,
    channel: Any,
    range_m: Any,
    phase_m: Any,
    rate_m_s: Any,
    cn0_dbhz: Any,
    lock_ms: Any,
    lock_indicator: Any,
    half_cycle: Any,
    flags: Any,
    sky_channel: Any,
    at: int,
) -> None:
    """Copy to the cells what was observed: a loop of its own, since one with everything is twice as slow.

    Parameters
    ----------
    cells, n
        As `gather` leaves them.
    satellite, channel, range_m, phase_m, rate_m_s, cn0_dbhz, lock_ms, lock_indicator, half_cycle, flags
        Columns of `Observations`.
    sky_channel, at
        GLONASS channels by ephemeris, shape (times, 448), for messages that do not tell them; the row of the
        epoch, -1 none.
    """
    for i in range(n):
        cell = cells[i]
        c = cell.source
        # without its whole milliseconds a value cannot be compared with those of other epochs
        partial = flags[c] & PARTIAL
        cell.range_m = np.nan if partial else range_m[c]
        cell.phase_m = np.nan if partial else phase_m[c]
        cell.rate_m_s = rate_m_s[c]
        cell.cn0_dbhz = cn0_dbhz[c]
        cell.lock_ms = lock_ms[c]
        cell.lock_indicator = lock_indicator[c]
        cell.half_cycle = half_cycle[c]
        cell.flags = flags[c]
        cell.slip = 0
        cell.band = _BAND[cell.system, cell.signal]
        known = channel[c]
        if cell.system == _GLONASS and known == UNKNOWN_CHANNEL and at >= 0:
            known = sky_channel[at, _GLONASS * 64 + satellite[c] - 1]
        cell.hz = frequency_hz(cell.system, cell.signal, known)


@njit(cache=True, nogil=True, error_model="numpy")
def commit(rows: Any, cells: Any, n: int, t_us: int, max_gap_us: int) -> None:
    """Make this epoch the last report of its signals."""
    for i in range(n):
        cell = cells[i]
        row = rows[cell.row]
        gap_us = t_us - row.last_us
        row.tracked_s = row.tracked_s + gap_us * 1e-6 if gap_us <= max_gap_us else 0.0
        row.last_us = t_us
        row.phase_m = cell.phase_m
        row.lock_low_ms = cell.lock_ms
        row.half_cycle = cell.half_cycle
