"""The two passes over a batch of many stations' bytes: find the frames, then put them into epochs.

A batch is a buffer with a stretch for each visit of a station: what was kept of it (the frames of its open
epoch, those of its held one, its tail), then the new bytes of its steps.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gnss.assembly.records import HELD, NO_NUMBER, NO_ROW, OPEN, Record, Records
from gnss.assembly.sorter import (
    Desk,
    Frame,
    add_to,
    chain,
    close_if_ended,
    current,
    expire,
    finish,
    is_ordinary,
    leave_out,
    place,
)
from gnss.assembly.times import resolve_day_kernel, resolve_week_kernel
from gnss.epoch_columns import NO_TIME_US
from gnss.rtcm.bits import Integer, copy_bytes
from gnss.rtcm.framing import HEADER_BYTES, OVERHEAD_BYTES, scan_frames
from gnss.systems import System
from kernels.compiled import njit

FEED, TICK, FINISH = range(3)
"""What a step does: take bytes, let time pass, end the stream."""
_GLONASS = int(System.GLONASS)

UInt8 = NDArray[np.uint8]
Int16 = NDArray[np.int16]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]


class Visits(NamedTuple):
    """The stations of a batch, each of them once, and the steps of each."""

    slot: Int64
    """Shape (n_visits,)."""
    begin: Int64
    """Offset of what was kept, shape (n_visits,)."""
    steps: Int64
    """First step of each visit and the number of all, shape (n_visits + 1,)."""
    payload: Int64
    """Offset of the new bytes of each step, shape (n_steps,)."""
    end: Int64
    """Offset behind them, shape (n_steps,)."""
    received_us: Int64
    """When they were read (of a tick: the time), or `NO_TIME_US`; shape (n_steps,)."""
    reference_us: Int64
    """Shape (n_steps,)."""


class Scan(NamedTuple):
    """Where the frames of a batch are."""

    start: Int64
    """As in `FrameIndex`, shape (as many as could be,); those of a visit that were kept come first."""
    length: Int32
    message: Int16
    bad_before: Int32
    """Failed candidates between the frame before of the same step and each frame."""
    first: Int64
    """First frame of each visit that is not kept, shape (n_visits,)."""
    behind: Int64
    """Frame behind the last of each step, shape (n_steps,)."""
    bad: Int32
    """Failed candidates of each step, shape (n_steps,)."""
    skipped: Int64
    """Bytes of each step that belong to no valid frame, shape (n_steps,)."""
    consumed: Int64
    """Offset of the first byte that waits for more after each step, shape (n_steps,)."""


class Headers(NamedTuple):
    """Columns of `MsmFrames` of all frames, shape (n_rows,)."""

    frame: Int32
    system: UInt8
    time_ms: Int64
    more_follow: UInt8


class Tallies(NamedTuple):
    """What is counted and told besides epochs."""

    number: Int16
    """Message numbers of each station, shape (n_slots, NUMBERS); `NO_NUMBER` behind the last."""
    frames: Int64
    """Their frames, of the same shape."""
    spilled: Int32
    """Slot and message number of frames of a number that found no room there, shape (n_frames, 2)."""
    observes: NDArray[np.bool_]
    """Whether a message number is of observations, shape (4097,), by the number plus 1."""
    wanted: NDArray[np.bool_]
    """Whether somebody wants the other frames of a number, of the same shape."""
    others: Records
    """`OTHER`, shape (n_frames,)."""


@njit(cache=True, nogil=True)
def _payload_bytes(buffer: UInt8, at: Integer) -> Integer:
    return (np.int64(buffer[at + 1] & 3) << 8) | np.int64(buffer[at + 2])


@njit(cache=True, nogil=True)
def scan_batch(buffer: UInt8, kind: int, pending: Records, visits: Visits, scan: Scan) -> int:
    """Fill `scan` from a buffer of shape (n,); return how many frames there are. Pending: (n_slots, 2)."""
    found = 0
    for v in range(visits.slot.size):
        at = visits.begin[v]
        waiting = pending[visits.slot[v]]
        for _ in range(waiting[OPEN]["count"] + waiting[HELD]["count"]):
            payload = _payload_bytes(buffer, at)
            first_byte = at + HEADER_BYTES
            scan.start[found] = at
            scan.length[found] = payload
            scan.message[found] = (np.int64(buffer[first_byte]) << 4) | (
                np.int64(buffer[first_byte + 1]) >> 4
            )
            scan.bad_before[found] = 0
            found += 1
            at += payload + OVERHEAD_BYTES
        scan.first[v] = found
        for step in range(visits.steps[v], visits.steps[v + 1]):
            scan.bad[step] = scan.skipped[step] = 0
            if kind != TICK:
                new, bad, skipped, consumed = scan_frames(
                    buffer[at : visits.end[step]],
                    kind == FINISH,
                    scan.start[found:],
                    scan.length[found:],
                    scan.message[found:],
                    scan.bad_before[found:],
                )
                for frame in range(found, found + new):
                    scan.start[frame] += at
                scan.bad[step], scan.skipped[step] = bad, skipped
                found += new
                at += consumed
            scan.behind[step] = found
            scan.consumed[step] = at
    return found


@njit(cache=True, nogil=True, inline="always")
def _has_counted(number: Int16, count: Int64, message: Integer) -> bool:
    """Count a frame of a message number among those of its station; return False if there is no room."""
    for i in range(number.size):
        if number[i] == NO_NUMBER:
            number[i] = message
        if number[i] == message:
            count[i] += 1
            return True
    return False


@njit(cache=True, nogil=True)
def _spill(spilled: Int32, message: Integer, used: Record) -> None:
    spilled[used["spilled"], 0] = used["slot"]
    spilled[used["spilled"], 1] = message
    used["spilled"] += 1


@njit(cache=True, nogil=True)
def _tell_other(others: Records, station: Record, frame: Integer, received_us: Integer, used: Record) -> None:
    """Tell a frame without observations to those who want it."""
    told = others[used["others"]]
    told["slot"] = used["slot"]
    told["frame"] = frame
    told["epoch_us"] = station["latest_us"]
    told["received_at_us"] = received_us
    told["ordinal"] = station["frames"] - 1
    used["others"] += 1


@njit(cache=True, nogil=True, inline="always")
def _resolve(time_ms: Integer, of_day: bool, near_us: Integer) -> Integer:
    if near_us == NO_TIME_US or time_ms < 0:
        return NO_TIME_US
    if of_day:
        return resolve_day_kernel(time_ms, near_us)
    return resolve_week_kernel(time_ms, near_us)


@njit(cache=True, nogil=True)
def _chain_kept(pending: Records, row: Integer, desk: Desk) -> Integer:
    """Chain the frames that were kept, whose first has that row; return the row behind them."""
    for which in (OPEN, HELD):
        for _ in range(pending[which]["count"]):
            chain(pending[which], row, desk.behind)
            row += 1
    return row


@njit(cache=True, nogil=True)
def _copy(buffer: UInt8, begin: Integer, size: Integer, kept: UInt8, used: Record) -> None:
    at = used["kept"]
    copy_bytes(buffer, begin, size, kept, at)
    used["kept"] = at + size


@njit(cache=True, nogil=True)
def _keep(buffer: UInt8, pending: Records, scan: Scan, frame: Int32, kept: UInt8, desk: Desk) -> None:
    """Copy the frames that go on waiting; their rows mean nothing after this call."""
    for which in (OPEN, HELD):
        row = pending[which]["head"]
        while row != NO_ROW:
            i = frame[row]
            _copy(buffer, scan.start[i], scan.length[i] + OVERHEAD_BYTES, kept, desk.used[0])
            row = desk.behind[row]
        pending[which]["head"] = pending[which]["tail"] = NO_ROW


@njit(cache=True, nogil=True)
def sort_batch(
    buffer: UInt8,
    kind: int,
    stations: Records,
    pending: Records,
    visits: Visits,
    scan: Scan,
    headers: Headers,
    tallies: Tallies,
    desk: Desk,
    kept: UInt8,
) -> None:
    """Go through the steps of a batch after `scan_batch` and `read_headers`.

    Changes the records of the stations (shapes (n_slots,) and (n_slots, 2)), fills the outputs of `desk` and
    `tallies`, and writes what waits for the next call to `kept` (as long as the buffer), visit by visit.
    """
    row: Integer = np.int64(0)
    rows = headers.frame.size
    used, behind = desk.used[0], desk.behind
    start, length, message, bad_before = scan.start, scan.length, scan.message, scan.bad_before
    observed, system, time_ms, more_follow = headers
    observes, wanted, spilled, others = tallies.observes, tallies.wanted, tallies.spilled, tallies.others
    for v in range(visits.slot.size):
        slot = visits.slot[v]
        used["slot"] = slot
        station, waiting = stations[slot], pending[slot]
        open_, held = waiting[OPEN], waiting[HELD]
        number, count = tallies.number[slot], tallies.frames[slot]
        row = int(_chain_kept(waiting, row, desk))
        origin = visits.begin[v] + open_["size"] + held["size"] - station["offset"]
        i = scan.first[v]
        at = visits.begin[v]
        for step in range(visits.steps[v], visits.steps[v + 1]):
            received_us, payload = visits.received_us[step], visits.payload[step]
            if kind == FINISH:
                received_us = station["tail_received_us"]
            elif received_us != NO_TIME_US:
                expire(station, waiting, received_us, desk)
            elif visits.reference_us[step] not in (NO_TIME_US, station["reference_us"]):
                station["reference_us"] = station["running_us"] = visits.reference_us[step]
            bad_left = scan.bad[step]
            while i < scan.behind[step]:
                if bad_before[i]:
                    waiting[current(waiting)]["bad"] += bad_before[i]
                    bad_left -= bad_before[i]
                station["frames"] += 1
                if not _has_counted(number, count, message[i]):
                    _spill(spilled, message[i], used)
                if row == rows or observed[row] != i:
                    waiting[current(waiting)]["frames"] += 1
                    if observes[message[i] + 1]:
                        station["damaged_messages"] += 1
                    if wanted[message[i] + 1]:
                        _tell_other(others, station, i, received_us, used)
                    i += 1
                    continue
                of_day = system[row] == _GLONASS
                near_us = station["running_us"] if received_us == NO_TIME_US else received_us
                time_us = _resolve(time_ms[row], of_day, near_us)
                if time_us == NO_TIME_US:
                    leave_out(station, waiting)
                else:
                    size = length[i] + OVERHEAD_BYTES
                    first_us = station["tail_received_us"] if start[i] < payload else received_us
                    ends = more_follow[row] == 0
                    frame = Frame(row, size, time_us, of_day, ends, start[i] - origin, first_us, received_us)
                    before_us = station["latest_us"]
                    if is_ordinary(station, open_, held, size, time_us):
                        station["latest_us"] = time_us
                        add_to(open_, frame, behind)
                        if ends:
                            close_if_ended(station, waiting, desk)
                    else:
                        place(station, waiting, frame, desk)
                    if station["latest_us"] != before_us:
                        station["running_us"] = station["latest_us"]
                row += 1
                i += 1
            if bad_left:
                waiting[current(waiting)]["bad"] += bad_left
            station["bad_frames"] += scan.bad[step]
            station["skipped_bytes"] += scan.skipped[step]
            at = scan.consumed[step]
            if kind != TICK and at >= payload:
                station["tail_received_us"] = received_us
            if kind == FINISH:
                finish(station, waiting, desk)
        station["offset"] = at - origin
        station["tail"] = visits.end[visits.steps[v + 1] - 1] - at
        if open_["count"] + held["count"] > 0:
            _keep(buffer, waiting, scan, observed, kept, desk)
        _copy(buffer, at, station["tail"], kept, used)
