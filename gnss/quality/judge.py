"""Many stations' epochs to judgements: the kernels that keep slots, windows and holds of each station.

What comes out for a station depends on its epochs, their times and the network's state alone, never on how
they were cut into calls, nor on other stations' epochs in the same call.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gnss.epoch_columns import NO_TIME_US
from gnss.quality import grid, history, latency, offsets, window
from gnss.quality.bands import N_SIGNALS
from gnss.quality.judgements import (
    BAD,
    CLOCK_BEHIND,
    DEGRADED,
    DEGRADED_POINTS,
    GOOD,
    GOOD_POINTS,
    HELD_BAD,
    HELD_DEGRADED,
    I_CN0,
    I_EPOCHS,
    I_EXPECTED,
    I_FRAME_ERRORS,
    I_INTERFERENCE,
    I_IONOSPHERE,
    I_JITTER,
    I_LATENCY,
    I_MULTIPATH,
    I_OBSERVATIONS,
    I_OUTAGE,
    I_POSITION,
    I_REGISTRY,
    I_SLIPS,
    I_TEMPLATE,
    I_UNUSUAL,
    I_USABLE,
    NO_MULTIPATH,
    NO_SCORE,
    NOT_KNOWN,
    NOT_LIVE,
    NOT_WARM,
    NOTHING_CAME,
    STORM,
    UNKNOWN,
    points_of,
    state_of,
)
from gnss.quality.measure import Columns, Scratch, SkyColumns, measure, tracked_before
from gnss.quality.memory import (
    LATENCIES,
    NEVER_US,
    SATELLITE,
    SIGNAL,
    STATION,
    W_BAD_FRAMES,
    W_CN0_COUNT,
    W_CN0_SUM,
    W_COMPARED,
    W_EPOCHS,
    W_EXPECTED,
    W_FRAMES,
    W_MASK_EXPECTED,
    W_MASK_HAVE,
    W_MP_COUNT,
    W_MP_SQUARES,
    W_OBSERVATIONS,
    W_SLIPS,
    W_TEMPLATE_COUNT,
    W_TEMPLATE_SUM,
    W_USABLE,
    WINDOW_SLOTS,
    Memory,
    forget_signals,
)
from kernels.compiled import njit
from kernels.prefetch import prefetch
from kernels.unowned import unowned

_NEXT_SIGNALS, _NEXT_SATELLITES = 200, 45
"""Rows that a station of all systems uses."""
_STATION_BYTES, _SIGNALS_BYTES = STATION.itemsize, _NEXT_SIGNALS * SIGNAL.itemsize
_SATELLITES_BYTES, _ROW_OF_BYTES = _NEXT_SATELLITES * SATELLITE.itemsize, _NEXT_SATELLITES * N_SIGNALS * 2
RESTART_US = 7 * 86_400_000_000
"""A step of the epochs' time by more, or back, is another recording: the station starts anew."""
YOUNG_RESTART_US = 60_000_000
"""The same before the first verdict, so that a sender of senseless times cannot cause floods of reports."""
GRACE_US = 1_500_000
MOST_LATENCY_S = 10.0
CLOCK_AHEAD_S = -0.5
"""An epoch that comes earlier than this tells of our own clock."""
MOST_EPOCHS_PER_S = 25.0
"""Epochs of a live station that are judged for ever, besides twice those that it promises; how many at once
stands in `gnss.quality.score.Thresholds`. A flood of epochs would take the time of all other stations."""
STORM_TECU_MIN = 0.5
"""ROTI of the network from which on the ionosphere is irregular (moderate scintillation is common above)."""
NETWORK_ROTI, NETWORK_SLIPPED, OWN_ROTI = range(3)
"""Columns of `networks`."""
HOLD_S, WARM_UP_S, AT_ONCE = range(3)
"""Columns of `times`."""


@njit(cache=True, nogil=True, error_model="numpy")
def begin(memory: Memory, s: int, now_us: int) -> None:
    """Say that a station is connected live: from now on its slots are due at `due_us`."""
    station = memory.station[s]
    station.live = 1
    if station.anchor_us == NEVER_US:
        station.anchor_us = now_us // 1_000_000 * 1_000_000
        station.last_slot = -1
        set_due(memory, s)


@njit(cache=True, nogil=True, error_model="numpy")
def _next_missed(station: Any) -> int:
    if station.anchor_us == NEVER_US:
        return grid.NO_SLOT
    since = station.epoch_slot if station.epoch_us != NEVER_US else -1
    return int(grid.next_missed(station.last_slot, since, station.step_us))


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def set_due(memory: Memory, s: int) -> None:
    """Write when the next slot of a live station counts as missed if nothing comes."""
    station = memory.station[s]
    slot = _next_missed(station)
    if not station.live or slot == grid.NO_SLOT:
        station.due_us = NEVER_US
        return
    _, largest_s = latency.extremes_s(memory.latency_s[s], station.latency_count)
    wait_us = GRACE_US + int(min(max(largest_s, 0.0), MOST_LATENCY_S) * 1e6)
    station.due_us = station.anchor_us + slot * station.step_us + wait_us


@njit(cache=True, nogil=True, error_model="numpy")
def _reach(memory: Memory, s: int, slot: int) -> None:
    """Let a slot be the last one of a station, unless a later one came."""
    station = memory.station[s]
    if slot > station.last_slot:
        window.turn(memory.window_slot[s], memory.window[s], memory.window_total[s], station.last_slot, slot)
        station.last_slot = slot


@njit(cache=True, nogil=True, error_model="numpy")
def _blank(out: Any, s: int, t_us: int) -> None:
    out.station = s
    out.time_us = t_us
    out.received_at_us = NO_TIME_US
    out.observations = 0
    out.epochs = 0
    out.usable_systems = 0
    out.band = -1
    out.satellites = 0
    out.observations_expected = NOT_KNOWN
    out.sky_expected = NOT_KNOWN
    out.sky_have = 0
    out.mask_expected = NOT_KNOWN
    out.mask_have = 0
    out.slips = 0
    out.interruptions = 0
    out.remarks = 0
    out.latency_s = np.nan
    out.jitter_s = np.nan
    out.cn0_dbhz = np.nan
    out.multipath_m = np.nan
    out.roti_tecu_min = np.nan
    out.clock_step_ms = 0.0
    out.slipped_share = np.nan
    for i in range(3):
        out.offset_m[i] = np.nan
        out.offset_sd_m[i] = np.nan
    out.held_s = np.nan
    out.unusual = -1
    for i in range(len(out.values)):
        out.values[i] = np.nan
        out.points[i] = np.nan
        out.thresholds[i] = np.nan


@njit(cache=True, nogil=True, error_model="numpy")
def _points(out: Any, i: int, value: float, limits: Any) -> None:
    """Judge one figure; NaN: it could not be judged."""
    out.values[i] = value
    if np.isnan(value):
        out.points[i] = np.nan
        return
    points = points_of(value, limits[i, 0], limits[i, 1], limits[i, 2])
    out.points[i] = points
    out.thresholds[i] = limits[i, 2] if points < DEGRADED_POINTS else limits[i, 1]


@njit(cache=True, nogil=True, error_model="numpy")
def _share(received: float, expected: float) -> float:
    return min(received / expected, 1.0) if expected > 0.0 else np.nan


@njit(cache=True, nogil=True, error_model="numpy")
def _fill(memory: Memory, s: int, slot: int, limits: Any, network: Any, scratch: Scratch, out: Any) -> None:
    """Judge all figures of this moment."""
    station, total, missed = memory.station[s], memory.window_total[s], out.epochs == 0
    last = station.last_slot
    interval, step = station.interval_us, station.step_us
    per_slot = grid.epochs_a_slot(interval, step)
    now = per_slot
    if slot == last and not missed:
        now = grid.epochs_by(out.time_us, station.anchor_us, interval, step)
    expected = min(last, WINDOW_SLOTS - 1) * per_slot + now
    out.window_epochs, out.window_expected = total[W_EPOCHS], expected
    out.window_bad_frames = total[W_BAD_FRAMES]
    out.window_observations, out.window_slips = total[W_OBSERVATIONS], total[W_SLIPS]
    interval_s = interval * 1e-6

    if station.epoch_us != NEVER_US:
        gap_s = (out.time_us - station.epoch_us) * 1e-6
        gap_s = gap_s if gap_s > interval_s else 0.0  # one that is due but not missed yet is no gap
        degraded = max(limits[I_OUTAGE, 1], 2 * interval_s)
        bad = max(limits[I_OUTAGE, 2], 3 * interval_s)
        out.values[I_OUTAGE] = gap_s
        out.points[I_OUTAGE] = points_of(gap_s, limits[I_OUTAGE, 0], degraded, bad)
        out.thresholds[I_OUTAGE] = bad if out.points[I_OUTAGE] < DEGRADED_POINTS else degraded
    _points(out, I_EPOCHS, _share(total[W_EPOCHS], expected), limits)
    _points(out, I_OBSERVATIONS, _share(total[W_COMPARED], total[W_EXPECTED]), limits)
    _points(out, I_EXPECTED, _share(total[W_MASK_HAVE], total[W_MASK_EXPECTED]), limits)
    _points(out, I_USABLE, _share(total[W_USABLE], total[W_EPOCHS]), limits)
    if station.live and not missed and station.latency_count:
        out.values[I_LATENCY] = latency.recent_s(memory.latency_s[s], station.latency_count)
        if out.values[I_LATENCY] >= CLOCK_AHEAD_S:
            _points(out, I_LATENCY, out.values[I_LATENCY], limits)
        out.jitter_s = latency.jitter_s(memory.latency_s[s], station.latency_count)
        _points(out, I_JITTER, out.jitter_s, limits)
    _points(out, I_CN0, total[W_CN0_SUM] / total[W_CN0_COUNT] if total[W_CN0_COUNT] else np.nan, limits)
    if total[W_TEMPLATE_COUNT] > 0:
        _points(out, I_TEMPLATE, total[W_TEMPLATE_SUM] / total[W_TEMPLATE_COUNT], limits)
    squares = max(total[W_MP_SQUARES], 0.0)  # not less by rounding
    out.multipath_m = np.sqrt(squares / total[W_MP_COUNT]) if total[W_MP_COUNT] else np.nan
    _points(out, I_MULTIPATH, out.multipath_m, limits)
    candidates = total[W_FRAMES] + total[W_BAD_FRAMES]
    _points(out, I_FRAME_ERRORS, total[W_BAD_FRAMES] / candidates if candidates else np.nan, limits)
    if not missed:
        worst = -np.inf
        for b in range(len(scratch.drop_db)):
            if scratch.drop_db[b] > worst:
                worst, out.band = scratch.drop_db[b], b
        if out.band >= 0:
            _points(out, I_INTERFERENCE, worst, limits)
        slipped = out.slipped_share
        if network[NETWORK_ROTI] >= STORM_TECU_MIN:
            out.remarks |= STORM
            slipped = max(slipped - network[NETWORK_SLIPPED], 0.0)
        _points(out, I_SLIPS, slipped, limits)
        if not np.isnan(network[OWN_ROTI]) and not np.isnan(network[NETWORK_ROTI]):
            _points(out, I_IONOSPHERE, max(network[OWN_ROTI] - network[NETWORK_ROTI], 0.0), limits)
        figures = scratch.figures
        figures[0], figures[1] = out.multipath_m, out.cn0_dbhz
        figures[2], figures[3] = slipped, out.values[I_EXPECTED]
        out.unusual, deviations = history.update(memory.history[s], station, out.time_us, figures)
        if out.unusual >= 0:
            _points(out, I_UNUSUAL, deviations, limits)
    state = station.position
    if state[offsets.WEIGHT] >= offsets.MATURE:
        total_m = 0.0
        for i in range(3):
            out.offset_m[i] = state[offsets.EAST + i]
            out.offset_sd_m[i] = np.sqrt(state[offsets.EAST_M2 + i])
            total_m += out.offset_m[i] ** 2
        _points(out, I_POSITION, np.sqrt(total_m), limits)
    extra_points = _extra_points(station, out.time_us)
    if extra_points < 100.0:
        out.values[I_REGISTRY] = 1.0
        out.points[I_REGISTRY] = extra_points


@njit(cache=True, nogil=True, error_model="numpy")
def _extra_points(station: Any, t_us: int) -> float:
    """Return what registry and messages let a verdict have at most."""
    from_us, points = station.extra_from_us, station.next_points
    for lane in range(len(from_us)):
        while from_us[lane, 0] != NEVER_US and t_us >= from_us[lane, 0]:
            station.extra_points[lane] = points[lane, 0]
            for i in range(1, len(from_us[lane])):
                from_us[lane, i - 1] = from_us[lane, i]
                points[lane, i - 1] = points[lane, i]
            from_us[lane, -1] = NEVER_US
    return float(min(station.extra_points[0], station.extra_points[1]))


@njit(cache=True, nogil=True, error_model="numpy")
def _verdict(memory: Memory, s: int, times: Any, out: Any) -> None:
    """Turn the points into state and score, with warm-up and hold."""
    station = memory.station[s]
    out.state, out.score = UNKNOWN, NO_SCORE
    if not station.live:
        out.remarks |= NOT_LIVE
    elif out.values[I_LATENCY] < CLOCK_AHEAD_S:
        out.remarks |= CLOCK_BEHIND
    if station.first_us == NEVER_US:
        out.remarks |= NOTHING_CAME
        out.age_s = np.nan
        return
    out.age_s = (out.time_us - station.first_us) * 1e-6
    warm_up_s = max(times[WARM_UP_S], 3 * station.interval_us * 1e-6)
    if out.age_s < warm_up_s and not out.points[I_OUTAGE] < DEGRADED_POINTS:
        out.remarks |= NOT_WARM
        return
    if out.window_epochs and np.isnan(out.multipath_m):
        out.remarks |= NO_MULTIPATH
    least = np.inf
    for i in range(len(out.points)):
        least = min(least, out.points[i])
    if least == np.inf:
        return
    out.score = int(least)
    out.state = state_of(out.score)
    at_us = max(out.time_us, station.anchor_us + station.last_slot * station.step_us)
    if out.state == BAD:
        station.bad_us = at_us
    elif out.state == DEGRADED:
        station.degraded_us = at_us
    hold_us = times[HOLD_S] * 1e6
    if out.state != BAD and station.bad_us != NEVER_US and at_us - station.bad_us < hold_us:
        out.remarks |= HELD_BAD
        out.held_s = (at_us - station.bad_us) * 1e-6
        out.state = BAD
        out.score = min(out.score, int(DEGRADED_POINTS) - 1)
    elif out.state == GOOD and station.degraded_us != NEVER_US and at_us - station.degraded_us < hold_us:
        out.remarks |= HELD_DEGRADED
        out.held_s = (at_us - station.degraded_us) * 1e-6
        out.state = DEGRADED
        out.score = min(out.score, int(GOOD_POINTS) - 1)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _finish(
    memory: Memory,
    s: int,
    slot: int,
    limits: Any,
    times: Any,
    network: Any,
    scratch: Scratch,
    out: Any,
) -> None:
    """Add the sums of this moment to the window and judge."""
    station, sums = memory.station[s], scratch.sums
    out.frames, out.bad_frames = station.frames, station.bad_frames
    sums[W_FRAMES], sums[W_BAD_FRAMES] = station.frames, station.bad_frames
    station.frames = 0
    station.bad_frames = 0
    window.add(memory.window_slot[s], memory.window[s], memory.window_total[s], station.last_slot, slot, sums)
    _fill(memory, s, slot, limits, network, scratch, out)
    _verdict(memory, s, times, out)


@njit(cache=True, nogil=True, error_model="numpy")
def miss(memory: Memory, s: int, limits: Any, times: Any, network: Any, scratch: Scratch, out: Any) -> None:
    """Judge the next slot of a station as missed.

    Parameters
    ----------
    limits, times, network
        See `judge`.
    out
        A `JUDGEMENT`.
    """
    station = memory.station[s]
    slot = _next_missed(station)
    _reach(memory, s, slot)
    t_us = station.anchor_us + slot * station.step_us
    _blank(out, s, t_us)
    out.epochs_expected = grid.epochs_a_slot(station.interval_us, station.step_us)
    expected = tracked_before(memory, s, t_us)
    out.observations_expected = expected or NOT_KNOWN
    scratch.sums[:] = np.float32(0.0)
    _finish(memory, s, slot, limits, times, network, scratch, out)


@njit(cache=True, nogil=True, error_model="numpy")
def miss_all(
    memory: Memory, stations: Any, frames: Any, bad_frames: Any, limits: Any, times: Any, network: Any,
    scratch: Scratch, out: Any,
) -> None:  # fmt: skip
    """Judge the next slot of each station as missed.

    Parameters
    ----------
    stations, frames, bad_frames
        Shape (n,): stations that have a slot that is due; good and bad frames that ever came.
    out
        Shape (n,) of `JUDGEMENT`.
    """
    for k in range(len(stations)):
        station = memory.station[stations[k]]
        new = frames[k] - station.told_frames - station.claimed_frames
        new_bad = bad_frames[k] - station.told_bad - station.claimed_bad
        station.frames += new
        station.bad_frames += new_bad
        station.claimed_frames += new
        station.claimed_bad += new_bad
        miss(memory, stations[k], limits, times, network, scratch, out[k])
        set_due(memory, stations[k])


@njit(cache=True, nogil=True, error_model="numpy")
def _has_time(station: Any, now_us: int, at_once: float) -> bool:
    passed_s = max(now_us - station.judged_at_us, 0) * 1e-6
    per_s = MOST_EPOCHS_PER_S + 2e6 / station.interval_us
    lately = max(station.judged_lately - passed_s * per_s, 0.0)
    station.judged_at_us = max(now_us, station.judged_at_us)
    enough = lately >= at_once
    station.judged_lately = lately if enough else lately + 1.0
    return bool(not enough)


@njit(cache=True, nogil=True, error_model="numpy")
def _is_past(memory: Memory, s: int, slot: int, received_us: int) -> bool:
    """Whether the slot's epoch would have come by now.

    A sender whose time runs ahead has missed nothing of the future: it could cause floods of reports.
    """
    if received_us == NO_TIME_US:
        return True
    station = memory.station[s]
    smallest_s, _ = latency.extremes_s(memory.latency_s[s], station.latency_count)
    due_us = station.anchor_us + slot * station.step_us + min(smallest_s, 0.0) * 1e6
    return bool(due_us <= received_us)


@njit(cache=True, nogil=True, error_model="numpy")
def _longest_step_us(station: Any, warm_up_s: float) -> int:
    age_us = station.epoch_us - station.first_us
    if age_us < warm_up_s * 1e6:
        return int(max(YOUNG_RESTART_US, 10 * station.interval_us))
    return RESTART_US


@njit(cache=True, nogil=True, error_model="numpy")
def _admit(
    memory: Memory,
    s: int,
    columns: Columns,
    begin_row: int,
    end_row: int,
    t_us: int,
    received_us: int,
    warm_up_s: float,
) -> bool:
    """Decide whether an epoch is judged, and begin a station or a recording anew."""
    station = memory.station[s]
    empty = True
    for c in range(begin_row, end_row):
        if not np.isnan(columns.range_m[c]) or not np.isnan(columns.phase_m[c]):
            empty = False
            break
    if empty or t_us == station.epoch_us:
        if empty:
            station.empty_epochs += 1
        else:
            station.repeated_epochs += 1
        return False
    if station.epoch_us != NEVER_US and not 0 < t_us - station.epoch_us <= _longest_step_us(
        station, warm_up_s
    ):
        station.restarts += 1
        forget_signals(memory, s)
    if station.epoch_us == NEVER_US:
        # slots are counted anew
        window.clear(memory.window_slot[s], memory.window[s], memory.window_total[s])
        station.anchor_us = t_us
        station.first_us = t_us
        station.last_slot = -1
        if received_us != NO_TIME_US:
            # Slots whose epochs could not come any more: nobody waits for them. Of a sender whose time is
            # days behind that would be a thousand slots at once, again and again.
            gone_us = received_us - GRACE_US - int(MOST_LATENCY_S * 1e6)
            station.last_slot = max(-1, grid.slot_of(gone_us, t_us, station.interval_us, station.step_us))
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def _prefetch(memory: Memory, s: int) -> None:
    """Ask for what the epoch of station `s` will touch."""
    prefetch(memory.station[s : s + 1], _STATION_BYTES)
    prefetch(memory.slot_of[s], memory.slot_of[s].nbytes)
    prefetch(memory.signals[s], _SIGNALS_BYTES)
    prefetch(memory.satellites[s], _SATELLITES_BYTES)
    prefetch(memory.row_of[s], _ROW_OF_BYTES)
    prefetch(memory.kinds[s], memory.kinds[s].nbytes)
    prefetch(memory.elevation[s], memory.elevation[s].nbytes)
    prefetch(memory.template[s], memory.template[s].nbytes)
    prefetch(memory.capability[s], memory.capability[s].nbytes)
    # of the window only two slots and the total are touched
    prefetch(memory.window_total[s], memory.window_total[s].nbytes)
    prefetch(memory.window_slot[s], memory.window_slot[s].nbytes)


@njit(cache=True, nogil=True, error_model="numpy")
def judge(
    memory: Memory,
    e_station: Any,
    e_time_us: Any,
    e_received_us: Any,
    e_first: Any,
    e_count: Any,
    e_frames: Any,
    e_bad: Any,
    e_sky: Any,
    columns: Columns,
    sky: SkyColumns,
    limits: Any,
    times: Any,
    networks: Any,
    scratch: Scratch,
    out: Any,
    begin_epoch: int,
    resumed: bool,
) -> tuple[int, int]:
    """Judge epochs, oldest first for each station, and the slots that were missed before each.

    Parameters
    ----------
    e_station, e_time_us, e_received_us, e_first, e_count, e_frames, e_bad
        `gnss.epoch_columns.EpochColumns`, shape (n,).
    e_sky
        Row of `sky` for each epoch, -1 none; shape (n,).
    limits
        Perfect, degraded, bad of each of `INDICATORS`, shape (17, 3).
    times
        Hold and warm-up in s, epochs that are judged at once; shape (3,).
    networks
        Median ROTI and median share of slipped satellites of the network two minutes before each epoch, and
        the station's own ROTI then; shape (n, 3); NaN: not known.
    out
        Shape (m,) of `JUDGEMENT`, to be written.
    begin_epoch, resumed
        0 and False; or what the call before returned, and True, when `out` was full.

    Returns
    -------
    The first epoch that is not judged yet (n: all are), and how many rows of `out` are written.
    """
    memory, columns, sky, scratch = unowned(memory), unowned(columns), unowned(sky), unowned(scratch)
    written = 0
    for e in range(begin_epoch, len(e_station)):
        s: Any = np.int64(e_station[e])
        t_us, received_us = e_time_us[e], e_received_us[e]
        if e + 1 < len(e_station):
            following: Any = np.int64(e_station[e + 1])
            _prefetch(memory, following)
        station = memory.station[s]
        first_row = e_first[e]
        last_row = first_row + e_count[e]
        if not (resumed and e == begin_epoch):
            if received_us != NO_TIME_US and not _has_time(station, received_us, times[AT_ONCE]):
                station.surplus_epochs += 1
                continue
            station.told_frames += e_frames[e]
            station.told_bad += e_bad[e]
            # what missed slots have told is not told again
            frames = max(e_frames[e] - station.claimed_frames, 0)
            bad_frames = max(e_bad[e] - station.claimed_bad, 0)
            station.claimed_frames = 0
            station.claimed_bad = 0
            admitted = _admit(memory, s, columns, first_row, last_row, t_us, received_us, times[WARM_UP_S])
            if not admitted:
                station.frames += frames
                station.bad_frames += bad_frames
                continue
            station.claimed_frames = -frames - 1  # kept over a resumption
            station.claimed_bad = -bad_frames - 1
        slot = grid.slot_of(t_us, station.anchor_us, station.interval_us, station.step_us)
        while station.epoch_us != NEVER_US:
            due = _next_missed(station)
            if due == grid.NO_SLOT or due >= slot or not _is_past(memory, s, due, received_us):
                break
            if written == len(out):
                return e, written
            miss(memory, s, limits, times, networks[e], scratch, out[written])
            written += 1
        if written == len(out):
            return e, written
        station.frames += -station.claimed_frames - 1
        station.bad_frames += -station.claimed_bad - 1
        station.claimed_frames = 0
        station.claimed_bad = 0
        row = out[written]
        written += 1
        _blank(row, s, t_us)
        row.epochs = 1
        row.epochs_expected = 1
        row.received_at_us = received_us
        first = station.epoch_us == NEVER_US
        measure(memory, s, columns, first_row, last_row, t_us, first, sky, e_sky[e], scratch, row)
        if received_us != NO_TIME_US:
            row.latency_s = (received_us - t_us) * 1e-6
            memory.latency_s[s, station.latency_count % LATENCIES] = row.latency_s
            station.latency_count += 1
        station.epoch_us, station.epoch_slot = t_us, slot
        _reach(memory, s, slot)
        _finish(memory, s, slot, limits, times, networks[e], scratch, row)
        set_due(memory, s)
    return len(e_station), written
