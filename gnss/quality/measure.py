"""All indicators of one epoch, over the memory of its station: the kernel that calls each indicator's own."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gnss.observations import PARTIAL
from gnss.quality import (
    clock,
    completeness,
    ionosphere,
    multipath,
    offsets,
    partial_ranges,
    position,
    signal_strength,
    slips,
    tracking,
)
from gnss.quality.bands import BANDS
from gnss.quality.judgements import CLOCK_STEP, NOT_KNOWN
from gnss.quality.memory import (
    CELL,
    CELLS,
    K_CN0_COUNT,
    K_CN0_SQUARES,
    K_CN0_SUM,
    K_INTERRUPTIONS,
    K_LOCK_SLIPS,
    K_MP_COUNT,
    K_MP_SQUARES,
    K_OBSERVATIONS,
    K_PHASE_SLIPS,
    NEVER_US,
    SATELLITES,
    SEEN,
    SUMS,
    TRACKED,
    W_CN0_COUNT,
    W_CN0_SUM,
    W_COMPARED,
    W_DUAL,
    W_EPOCHS,
    W_EXPECTED,
    W_MASK_EXPECTED,
    W_MASK_HAVE,
    W_MP_COUNT,
    W_MP_SQUARES,
    W_OBSERVATIONS,
    W_SKY_EXPECTED,
    W_SKY_HAVE,
    W_SLIPS,
    W_TEMPLATE_COUNT,
    W_TEMPLATE_SUM,
    W_USABLE,
    WINDOW_SLOTS,
    Memory,
)
from kernels.compiled import njit

POSITION_US = 30_000_000
"""A position each half minute is enough: codes of neighbouring epochs have the same multipath."""
STRENGTH_US = 5_000_000
"""C/N0 by elevation each five seconds: it follows the satellite's way, not the second."""
POSITION_WINDOW_S = 900.0
"""As in Anubis's repeatability."""
POSITION_SATELLITES = 6
POSITION_PDOP = 6.0
TOLD, REGISTERED = 2, 3
"""How well a station's place is known (`STATION.placed`)."""
MAX_GAP_S = 10.0
"""An arc ends when its signal is away for longer; ten intervals where they are longer than a second."""
_MAX_GAP_US = 10_000_000
_EXPECTED_US = round(completeness.EXPECTED_S * 1e6)
_MASK_SINE = completeness.MASK_SINE
_SET_DBHZ = completeness.SET_DBHZ


class Columns(NamedTuple):
    """The columns of `gnss.observations.Observations` that are judged, shape (n,)."""

    system: NDArray[np.uint8]
    satellite: NDArray[np.uint8]
    signal: NDArray[np.uint8]
    channel: NDArray[np.int8]
    range_m: NDArray[np.float64]
    phase_m: NDArray[np.float64]
    rate_m_s: NDArray[np.float64]
    cn0_dbhz: NDArray[np.float64]
    lock_ms: NDArray[np.int32]
    lock_indicator: NDArray[np.int16]
    half_cycle: NDArray[np.uint8]
    flags: NDArray[np.uint8]


class SkyColumns(NamedTuple):
    """The network's sky at several times: shape (times, 448, ...), see `gnss.sky`."""

    usable: NDArray[np.uint8]
    """1: healthy, and its place is known."""
    position_m: NDArray[np.float64]
    velocity_m_s: NDArray[np.float64]
    acceleration_m_s2: NDArray[np.float64]
    clock_s: NDArray[np.float64]
    clock_rate: NDArray[np.float64]
    group_delay_s: NDArray[np.float64]
    channel: NDArray[np.int8]
    listed: NDArray[np.int16]
    """The usable satellites, shape (times, 448), and how many they are, shape (times,)."""
    n_listed: NDArray[np.int64]
    lines_m: NDArray[np.float32]
    """Their positions one axis after the other, as an elevation's loop wants them; shape (times, 3, 448).
    Precise to 1e-7 of a sine."""


class Scratch(NamedTuple):
    """Room for the work on one epoch."""

    cells: NDArray[Any]
    seen: NDArray[Any]
    sums: NDArray[np.float32]
    drop_db: NDArray[np.float64]
    sines: NDArray[np.float64]
    listed_sines: NDArray[np.float32]
    up: NDArray[np.int16]
    drops: NDArray[np.float64]
    tally: NDArray[np.uint64]
    counts: NDArray[np.int64]
    now: NDArray[np.uint32]
    pairs: NDArray[np.float64]
    figures: NDArray[np.float64]
    solution: NDArray[np.float64]
    predicted_m: NDArray[np.float64]
    asked: NDArray[np.uint8]


@njit(cache=True, nogil=True, error_model="numpy")
def list_usable(usable: Any, position_m: Any) -> tuple[Any, Any, Any]:
    """Return `listed`, `n_listed` and `lines_m` of `SkyColumns`."""
    listed = np.zeros(usable.shape, np.int16)
    n_listed = np.zeros(len(usable), np.int64)
    lines_m = np.zeros((len(usable), 3, usable.shape[1]), np.float32)
    for at in range(len(usable)):
        n = 0
        for j in range(usable.shape[1]):
            if usable[at, j]:
                listed[at, n] = j
                for axis in range(3):
                    lines_m[at, axis, n] = position_m[at, j, axis]
                n += 1
        n_listed[at] = n
    return listed, n_listed, lines_m


def new_scratch() -> Scratch:
    """Return room for the work on one epoch."""
    return Scratch(
        cells=np.zeros(CELLS, CELL),
        seen=np.zeros(TRACKED, SEEN),
        sums=np.zeros(len(SUMS), np.float32),
        drop_db=np.full(len(BANDS), np.nan),
        sines=np.full(SATELLITES, np.nan),
        listed_sines=np.zeros(SATELLITES, np.float32),
        up=np.zeros(SATELLITES, np.int16),
        drops=np.zeros((len(BANDS), TRACKED)),
        tally=np.zeros(256, np.uint64),
        counts=np.zeros(4, np.int64),
        now=np.zeros(SATELLITES, np.uint32),
        pairs=np.zeros((2, TRACKED)),
        figures=np.zeros(4),
        solution=np.zeros(8),
        predicted_m=np.zeros(CELLS),
        asked=np.zeros(partial_ranges.ASKED_SHAPE, np.uint8),
    )


@njit(cache=True, nogil=True, error_model="numpy")
def max_gap_us(station: Any) -> int:
    """Return the longest gap within an arc of a station."""
    return int(max(_MAX_GAP_US, 10 * station.interval_us))


@njit(cache=True, nogil=True, error_model="numpy")
def tracked_before(memory: Memory, s: int, t_us: int) -> int:
    """Return how many signals were tracked before and are missing at `t_us`."""
    station = memory.station[s]
    window_us = max(_EXPECTED_US, 3 * station.interval_us)
    return int(
        completeness.expected_observations(memory.signals[s, : station.rows], t_us, window_us, _SET_DBHZ)
    )


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _elevations(station: Any, sky: SkyColumns, at: int, scratch: Scratch) -> int:
    """Write the sine of each elevation, and which satellites are up; return how many they are, -1 unknown."""
    if at < 0 or station.placed == 0 or sky.n_listed[at] == 0:
        return -1
    n, sines, known, up = sky.n_listed[at], scratch.sines, scratch.listed_sines, scratch.up
    x, y, z = np.float32(station.ecef_m[0]), np.float32(station.ecef_m[1]), np.float32(station.ecef_m[2])
    up_x, up_y, up_z = np.float32(station.up[0]), np.float32(station.up[1]), np.float32(station.up[2])
    xs_m, ys_m, zs_m = sky.lines_m[at, 0], sky.lines_m[at, 1], sky.lines_m[at, 2]
    for i in range(n):  # without a branch, so that several are found at once
        dx, dy, dz = xs_m[i] - x, ys_m[i] - y, zs_m[i] - z
        known[i] = (dx * up_x + dy * up_y + dz * up_z) / np.sqrt(dx * dx + dy * dy + dz * dz)
    sines[:] = np.nan
    n_up = 0
    for i in range(n):
        j = sky.listed[at, i]
        sines[j] = known[i]
        up[n_up] = j
        n_up += known[i] >= 0.0
    return n_up


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _arcs(memory: Memory, s: int, n_seen: int, t_us: int, gap_us: int, scratch: Scratch) -> int:
    """Follow the arcs of each satellite's carriers in all combinations; return the wide-lane slips."""
    cells, seen, sums = scratch.cells, scratch.seen, scratch.sums
    rows, satellites = memory.signals[s], memory.satellites[s]
    kinds, elevation = memory.kinds[s], memory.elevation[s]
    wide_slips = 0
    for k in range(n_seen):
        one = seen[k]
        satellite = satellites[one.slot]
        high, low = multipath.carriers(cells, one.head, satellite, rows, t_us, gap_us)
        if high < 0:
            continue
        clean = cells[high].half_cycle == 0 and cells[low].half_cycle == 0
        both = clean and not np.isnan(cells[high].range_m) and not np.isnan(cells[low].range_m)
        if both and slips.by_wide_lane(satellite, cells[high], cells[low], t_us, gap_us):
            satellite.arc += 1
            cells[high].slip = slips.WIDE_SLIP
            wide_slips += 1
        ionosphere.update(satellite, cells[high], cells[low], t_us)
        place = int(one.place)
        split_m = multipath.scaled_split_m(
            cells[high].phase_m, cells[low].phase_m, cells[high].hz, cells[low].hz
        )
        i = one.head
        while i >= 0:
            cell = cells[i]
            residual_m = multipath.update(rows[cell.row], satellite.arc, cell, cells[high], split_m, t_us)
            if not np.isnan(residual_m):
                square = residual_m * residual_m
                sums[W_MP_SQUARES] += square
                sums[W_MP_COUNT] += 1
                kinds[cell.kind, K_MP_SQUARES] += square
                kinds[cell.kind, K_MP_COUNT] += 1
                if place >= 0 and cell.band >= 0:
                    elevation[cell.system, cell.band, place, 2] += np.float32(square)
                    elevation[cell.system, cell.band, place, 3] += np.float32(1.0)
            i = cell.following
    return wide_slips


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _strengths(memory: Memory, s: int, n_seen: int, dt_s: float, scratch: Scratch) -> None:
    """Compare each C/N0 with the template of its elevation, and sum up by elevation."""
    cells, seen, sums = scratch.cells, scratch.seen, scratch.sums
    elevation, template = memory.elevation[s], memory.template[s]
    for k in range(n_seen):
        place = int(seen[k].place)
        if place < 0:
            continue
        i = seen[k].head
        while i >= 0:
            cell = cells[i]
            if cell.cn0_dbhz > 0.0 and cell.band >= 0:
                elevation[cell.system, cell.band, place, 0] += np.float32(cell.cn0_dbhz)
                elevation[cell.system, cell.band, place, 1] += np.float32(1.0)
                loss_db = signal_strength.compare_template(
                    template, cell.system, cell.band, place, cell.cn0_dbhz, dt_s
                )
                if not np.isnan(loss_db):
                    sums[W_TEMPLATE_SUM] += loss_db
                    sums[W_TEMPLATE_COUNT] += 1
            i = cell.following


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _sum_kinds(memory: Memory, s: int, n: int, t_us: int, gap_us: int, scratch: Scratch) -> int:
    """Sum up the epoch by system and signal, before it is committed; return interruptions."""
    cells, rows, kinds = scratch.cells, memory.signals[s], memory.kinds[s]
    interruptions = 0
    for i in range(n):
        cell = cells[i]
        row = rows[cell.row]
        kind = cell.kind
        kinds[kind, K_OBSERVATIONS] += 1
        if cell.cn0_dbhz > 0.0:
            kinds[kind, K_CN0_SUM] += cell.cn0_dbhz
            kinds[kind, K_CN0_SQUARES] += cell.cn0_dbhz * cell.cn0_dbhz
            kinds[kind, K_CN0_COUNT] += 1
        if cell.slip == slips.LOCK_SLIP:
            kinds[kind, K_LOCK_SLIPS] += 1
        elif cell.slip:
            kinds[kind, K_PHASE_SLIPS] += 1
        elif row.last_us != NEVER_US and t_us - row.last_us > gap_us:
            kinds[kind, K_INTERRUPTIONS] += 1
            interruptions += 1
    return interruptions


@njit(cache=True, nogil=True, error_model="numpy")
def _locate(
    station: Any, columns: Columns, begin: int, end: int, t_us: int, sky: SkyColumns, at: int, solution: Any
) -> None:
    """Find the station's place from this epoch's codes, once in `POSITION_US`, and compare it."""
    if at < 0 or station.placed == 0 or t_us // POSITION_US == station.position_us // POSITION_US:
        return
    for c in range(begin, end):
        if columns.flags[c] & PARTIAL:
            return
    used = position.solve(
        columns.system[begin:end], columns.satellite[begin:end], columns.signal[begin:end],
        columns.range_m[begin:end], columns.cn0_dbhz[begin:end], sky.usable[at], sky.position_m[at],
        sky.velocity_m_s[at], sky.acceleration_m_s2[at], sky.clock_s[at], sky.clock_rate[at],
        sky.group_delay_s[at], station.ecef_m, solution,
    )  # fmt: skip
    if used < POSITION_SATELLITES or solution[6] > POSITION_PDOP:
        return
    dt_s = (t_us - station.position_us) * 1e-6 if station.position_us != NEVER_US else 0.0
    east_m, north_m, up_m = offsets.east_north_up(solution, station.ecef_m)
    offsets.update_offsets(station.position, east_m, north_m, up_m, dt_s, POSITION_WINDOW_S)
    station.position_us = t_us


@njit(cache=True, nogil=True, error_model="numpy")
def _settle(station: Any, t_us: int) -> None:
    """Take the station to be where it told before this epoch, unless the registry knows better."""
    if station.told_us == NEVER_US or t_us <= station.told_us:
        return
    station.told_us = NEVER_US
    if station.placed > TOLD:
        return
    station.placed = TOLD
    station.position[offsets.WEIGHT] = 0.0
    for i in range(3):
        station.ecef_m[i] = station.told_m[i]
        station.up[i] = station.told_up[i]


@njit(cache=True, nogil=True, error_model="numpy")
def measure(
    memory: Memory,
    s: int,
    columns: Columns,
    begin: int,
    end: int,
    t_us: int,
    first: bool,
    sky: SkyColumns,
    at: int,
    scratch: Scratch,
    out: Any,
) -> None:
    """Take an epoch into the memory of station `s`; write its figures to `out`, its sums to the scratch.

    Parameters
    ----------
    columns, begin, end
        Observations; the epoch is in rows `begin` to `end`. Ranges without whole milliseconds are restored
        in place.
    first
        Nothing came before: what was to be expected cannot be known.
    sky, at
        Row `at` of the sky is that of this epoch's time; -1: none.
    out
        A `JUDGEMENT`.
    """
    station, rows, satellites = memory.station[s], memory.signals[s], memory.satellites[s]
    cells, seen, sums = scratch.cells, scratch.seen, scratch.sums
    sums[:] = np.float32(0.0)
    gap_us = max_gap_us(station)
    _settle(station, t_us)
    partial_ranges.restore(station, columns, begin, end, sky, at, scratch.predicted_m, scratch.asked)
    n, n_seen, no_room = tracking.gather(
        memory, s, columns.system, columns.satellite, columns.signal, columns.range_m, columns.phase_m,
        columns.flags, begin, end, t_us, gap_us, cells, seen,
    )  # fmt: skip
    tracking.fill(
        cells, n, columns.satellite, columns.channel, columns.range_m, columns.phase_m, columns.rate_m_s,
        columns.cn0_dbhz, columns.lock_ms, columns.lock_indicator, columns.half_cycle, columns.flags,
        sky.channel, at,
    )  # fmt: skip
    station.without_room += no_room
    before_us = station.epoch_us

    _locate(station, columns, begin, end, t_us, sky, at, scratch.solution)
    n_up = _elevations(station, sky, at, scratch)
    if n_up >= 0:
        completeness.turn_fortnight(station, memory.capability[s], t_us)
        for k in range(n_seen):
            seen[k].sine = scratch.sines[seen[k].key]
            seen[k].place = signal_strength.elevation_bin(seen[k].sine)
        completeness.by_ephemeris(
            seen, n_seen, cells, memory.capability[s], scratch.up, n_up, scratch.sines, memory.kind_of[s],
            memory.kinds[s], station.common, scratch.now, scratch.tally, scratch.counts,
        )  # fmt: skip
        out.sky_expected, out.sky_have = scratch.counts[0], scratch.counts[1]
        out.mask_expected, out.mask_have = scratch.counts[2], scratch.counts[3]
        sums[W_SKY_EXPECTED], sums[W_SKY_HAVE] = scratch.counts[0], scratch.counts[1]
        sums[W_MASK_EXPECTED], sums[W_MASK_HAVE] = scratch.counts[2], scratch.counts[3]
    else:
        out.sky_expected = out.mask_expected = NOT_KNOWN
        out.sky_have = out.mask_have = 0

    if station.code_jump_m != 0.0:
        for i in range(n):
            cells[i].range_m -= station.code_jump_m
    both_ms, code_ms = clock.detect(cells, seen, n_seen, satellites, t_us, before_us, gap_us, scratch.pairs)
    if code_ms != 0.0:
        station.code_jump_m += code_ms * clock.MS_M
        for i in range(n):
            cells[i].range_m -= code_ms * clock.MS_M
    step_ms = both_ms if both_ms != 0.0 else code_ms
    out.clock_step_ms = step_ms
    if step_ms != 0.0:
        station.jump_us, station.jump_ms = t_us, step_ms
    if station.jump_us != NEVER_US and t_us - station.jump_us < WINDOW_SLOTS * station.step_us:
        out.remarks |= CLOCK_STEP

    slipped = slips.detect(cells, n, seen, n_seen, rows, t_us, gap_us)
    slipped += _arcs(memory, s, n_seen, t_us, gap_us, scratch)
    out.slips = slipped
    if slipped:
        slips.mark_satellites(cells, seen, n_seen, rows, satellites, _MASK_SINE, t_us)
    slipped_satellites = slips.slipped_satellites(
        seen, n_seen, satellites, t_us, WINDOW_SLOTS * station.step_us
    )
    out.interruptions = _sum_kinds(memory, s, n, t_us, gap_us, scratch)
    clock.remember(cells, seen, n_seen, satellites, t_us, before_us, gap_us, both_ms * clock.MS_M)
    cn0_sum, cn0_count = signal_strength.update(
        cells, n, seen, n_seen, rows, t_us, memory.down_since_us[s], scratch.drops, scratch.drop_db
    )
    if before_us == NEVER_US or t_us // STRENGTH_US != before_us // STRENGTH_US:
        _strengths(memory, s, n_seen, min(max(station.interval_us, STRENGTH_US) * 1e-6, 60.0), scratch)
    tracking.commit(rows, cells, n, t_us, gap_us)
    completeness.learn(station, memory.capability[s], cells, n, rows, t_us)
    out.usable_systems, dual = completeness.usable_systems(seen, n_seen, cells)
    expected = n + tracked_before(memory, s, t_us)

    out.observations, out.satellites = n, n_seen
    out.observations_expected = NOT_KNOWN if first else expected
    out.cn0_dbhz = cn0_sum / cn0_count if cn0_count else np.nan
    out.roti_tecu_min = ionosphere.of_station(seen, n_seen, satellites, _MASK_SINE, scratch.pairs[0])
    sums[W_EPOCHS] = 1
    sums[W_OBSERVATIONS] = n
    if not first:
        sums[W_EXPECTED] = expected
        sums[W_COMPARED] = n
    sums[W_SLIPS] = slipped
    sums[W_CN0_SUM] = cn0_sum
    sums[W_CN0_COUNT] = cn0_count
    sums[W_USABLE] = 1 if out.usable_systems else 0
    sums[W_DUAL] = dual
    out.slipped_share = slipped_satellites / max(n_seen, 1)
