"""Judgements to sums over minutes and periods: the kernel.

A judgement tells of the time since the station's judgement before it: so all seconds of an outage count once,
though only some of its slots are judged, and so does the second whose epoch came after it had been judged as
missed. An epoch that is older than the newest one by more than `BACK_US` begins another recording, as does a
judgement more than `AHEAD_US` ahead.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gnss.quality.judgements import I_REGISTRY
from gnss.quality.latency_bins import bin_of
from gnss.quality.measure import POSITION_US
from gnss.quality.medians import median
from gnss.quality.period_memory import CLOCK_STEP, CODES, GAP, LATENCIES, NEVER_US, Memory
from gnss.quality.reason_counts import count_reasons
from kernels.compiled import njit

MINUTE_US = 60_000_000
BACK_US = 60_000_000
AHEAD_US = 8 * 86_400_000_000
_CODES = len(CODES)


@njit(cache=True, nogil=True)
def _begin_minute(memory: Memory, s: int, minute: int) -> None:
    one = memory.minute[s]
    one.minute, one.station = minute, s
    one.epochs = 0
    one.expected = 0
    one.observations = 0
    one.observations_expected = 0
    one.satellites = 0
    one.slips = 0
    one.cn0_sum = 0.0
    one.cn0_count = 0
    one.multipath_m = np.nan
    one.latency_s = np.nan
    one.latency_count = 0
    one.roti_sum = 0.0
    one.roti_count = 0
    one.score = -1
    one.state = 0
    memory.latency_seen[s, 0] = 0
    memory.latency_seen[s, 1] = 1


@njit(cache=True, nogil=True)
def close_minute(memory: Memory, s: int, most: int, out: Any, written: int) -> int:
    """Write the open minute of a station, if one is open, to `out[written]`; return how many are written.

    Parameters
    ----------
    most
        Minutes that are kept of a station and period.
    out
        Shape (m,) of `MINUTE`.
    """
    one = memory.minute[s]
    if one.minute < 0:
        return written
    period = memory.period[s]
    if period.minutes >= most:
        period.without_room += 1
    else:
        seen, stride = memory.latency_seen[s, 0], memory.latency_seen[s, 1]
        if seen:
            one.latency_count = seen
            one.latency_s = median(memory.latency_s[s], (seen + stride - 1) // stride)
        out[written] = one
        period.minutes += 1
        written += 1
    one.minute = -1
    return written


@njit(cache=True, nogil=True)
def _take_latency(memory: Memory, s: int, latency_s: float) -> None:
    period = memory.period[s]
    period.latency_count += 1
    period.latency_max_s = max(period.latency_max_s, latency_s)
    memory.latency_bins[s, bin_of(latency_s)] += 1
    seen, stride = memory.latency_seen[s, 0], memory.latency_seen[s, 1]
    ring = memory.latency_s[s]
    if seen % stride == 0:
        place = seen // stride
        if place == LATENCIES:
            for i in range(LATENCIES // 2):
                ring[i] = ring[2 * i]
            stride *= 2
            memory.latency_seen[s, 1] = stride
            place = seen // stride
        ring[place] = latency_s
    memory.latency_seen[s, 0] = seen + 1


@njit(cache=True, nogil=True)
def _advance(period: Any, t_us: int, is_epoch: bool, interval_us: int) -> tuple[float, int]:
    """Let the station's time reach `t_us`; return the seconds and the epochs due that it tells of."""
    newest_us = period.newest_us
    epoch_us = period.epoch_us if period.epoch_us != NEVER_US else period.anchor_us
    is_back = is_epoch and t_us < epoch_us - BACK_US
    if newest_us == NEVER_US or is_back or t_us > newest_us + AHEAD_US:
        period.newest_us = t_us
        period.anchor_us = t_us
        period.due = 1
        period.missing_us = NEVER_US
        for code in range(_CODES):
            period.code_minute[code] = -1
        return interval_us * 1e-6, 1
    if t_us <= newest_us:
        return 0.0, 0
    period.newest_us = t_us
    due = max((t_us - period.anchor_us + interval_us // 2) // interval_us + 1, period.due)
    new = due - period.due
    period.due = due
    return (t_us - newest_us) * 1e-6, new


@njit(cache=True, nogil=True)
def _take_epoch(period: Any, s: int, t_us: int, judged_us: int, interval_us: int, events: Any, n: int) -> int:
    """Count an epoch, and the gap before it; return how many events are written."""
    period.epochs += 1
    if period.epoch_us != NEVER_US and t_us <= period.epoch_us:
        period.out_of_order += 1
        if period.newest_us != t_us:
            return n
    elif judged_us != NEVER_US and t_us <= judged_us:
        period.late += 1
    missing_us = period.missing_us
    if missing_us != NEVER_US and t_us - missing_us > interval_us * 3 // 2:
        events[n].station, events[n].kind = s, GAP
        events[n].time_us, events[n].end_us, events[n].value = missing_us, t_us, 0.0
        n += 1
    period.epoch_us = t_us
    period.missing_us = t_us + interval_us
    return n


@njit(cache=True, nogil=True)
def _take_offset(period: Any, row: Any) -> None:
    slot = row.time_us // POSITION_US
    if slot == period.position_slot or np.isnan(row.offset_m[0]):
        return
    period.position_slot = slot
    period.positions += 1
    for i in range(3):
        period.offset_sum[i] += row.offset_m[i]
        period.offset_squares[i] += row.offset_m[i] ** 2
        period.offset_variances[i] += row.offset_sd_m[i] ** 2


@njit(cache=True, nogil=True)
def _take_figures(one: Any, row: Any, new: int) -> None:
    """Add a judgement to its minute."""
    one.epochs += row.epochs
    one.expected += new
    if row.observations_expected >= 0:
        one.observations += row.observations
        one.observations_expected += row.observations_expected
    one.satellites += row.satellites
    one.slips += row.slips
    if not np.isnan(row.cn0_dbhz):
        one.cn0_sum += row.cn0_dbhz
        one.cn0_count += 1
    if not np.isnan(row.multipath_m):
        one.multipath_m = row.multipath_m
    if not np.isnan(row.roti_tecu_min):
        one.roti_sum += row.roti_tecu_min
        one.roti_count += 1
    if row.score >= 0 and (one.score < 0 or row.score < one.score):
        one.score = row.score
    one.state = max(one.state, row.state)


@njit(cache=True, nogil=True)
def add(
    rows: Any, intervals_us: Any, memory: Memory, most_minutes: int, most_events: int, minutes: Any,
    events: Any, told: Any,
) -> tuple[int, int, int]:  # fmt: skip
    """Add judgements to the sums.

    Parameters
    ----------
    rows
        Shape (n,) of `JUDGEMENT`.
    intervals_us
        Between the epochs of each station, shape (at least all stations,).
    most_minutes, most_events
        That are kept of a station and period.
    minutes, events, told
        Out: shape (n,) of `MINUTE`, (2n,) of `EVENT`, (n,) of `TOLD`: minutes that are over, what happened,
        and the judgements whose findings are to be put in words.

    Returns
    -------
    How many rows of `minutes`, `events` and `told` are written.
    """
    n_minutes, n_events, n_told = 0, 0, 0
    codes = np.empty(_CODES, np.int64)
    for k in range(len(rows)):
        row = rows[k]
        s, t_us = row.station, row.time_us
        interval_us = intervals_us[s]
        period = memory.period[s]
        judged_us = period.newest_us
        weight_s, new = _advance(period, t_us, row.epochs > 0, interval_us)
        if period.first_us == NEVER_US or t_us < period.first_us:
            period.first_us = t_us
        period.last_us = max(period.last_us, t_us)
        period.expected += new
        period.frames += row.frames
        period.bad_frames += row.bad_frames
        period.state_s[row.state] += weight_s
        if row.score >= 0:
            period.score_sum += row.score * weight_s
            period.score_s += weight_s
        before = n_events
        if row.epochs:
            n_events = _take_epoch(period, s, t_us, judged_us, interval_us, events, n_events)
            for system in range(len(period.usable)):
                period.usable[system] += row.usable_systems >> system & 1
            _take_offset(period, row)
        elif period.missing_us == NEVER_US:
            period.missing_us = t_us
        if row.clock_step_ms != 0.0:
            period.jump_ms = row.clock_step_ms
            events[n_events].station, events[n_events].kind = s, CLOCK_STEP
            events[n_events].time_us, events[n_events].end_us = t_us, t_us
            events[n_events].value = row.clock_step_ms
            n_events += 1
        if period.events + n_events - before > most_events:
            period.without_room += n_events - before
            n_events = before
        period.events += n_events - before
        minute = t_us // MINUTE_US
        if memory.minute[s].minute != minute:
            n_minutes = close_minute(memory, s, most_minutes, minutes, n_minutes)
            _begin_minute(memory, s, minute)
        _take_figures(memory.minute[s], row, new)
        if not np.isnan(row.latency_s):
            _take_latency(memory, s, row.latency_s)
        registry_s = period.code_s[I_REGISTRY]
        if count_reasons(period, row, weight_s, minute, codes):
            told[n_told].row, told[n_told].jump_ms = k, period.jump_ms
            told[n_told].registry_s = registry_s
            n_told += 1
    return n_minutes, n_events, n_told
