"""Frames with their times to epochs: which frame belongs where, and when an epoch is closed.

Where another time begins although an epoch is open, or far from the epoch before, the frame is held until the
next ones agree; one that stays alone with its time is left out and counted.

All frames of a pending epoch have one time, so that it needs no list of them, but a chain of rows within a
call. The kernels take a station's record, its two pending ones (shape (2,)) and a `Desk`; times are us UTC.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gnss.assembly.records import (
    DISTRUST_EPOCHS,
    HELD,
    LATE_US,
    MAX_EPOCH_BYTES,
    MAX_STEP_US,
    NO_ROW,
    OPEN,
    TIMEOUT_US,
    Record,
    Records,
)
from gnss.epoch_columns import CLOSED_BY, NO_TIME_US
from gnss.rtcm.bits import Integer
from gnss.time import DAY_US
from kernels.compiled import njit

_HOW: Any = np.arange(len(CLOSED_BY))  # numba compiles a kernel anew for each of Python's integers
_COMPLETE, _NEXT, _TIMEOUT, _END, _SIZE = _HOW


class Desk(NamedTuple):
    """What the sorter reads and writes beside a station's records."""

    cells: NDArray[np.int32]
    """Observations of each observation frame, shape (n_rows,)."""
    behind: NDArray[np.int32]
    """Row behind each row in the same epoch, or `NO_ROW`; shape (n_rows,)."""
    epochs: Records
    """`CLOSED`: the epochs that were closed, shape (n_rows,) at least."""
    picked: NDArray[np.int32]
    """Rows of the frames of the closed epochs, in their order, shape (n_rows,)."""
    used: Records
    """`USED`: how much of each output is filled, shape (1,)."""


class Frame(NamedTuple):
    """An observation frame that is to be placed."""

    row: Integer
    size: Integer
    time_us: Integer
    of_day: bool
    """It told the time of the day only."""
    ends: bool
    """The multi-message bit is 0: no more messages of this epoch follow."""
    begin: Integer
    """Offset in the stream."""
    first_received_us: Integer
    last_received_us: Integer


@njit(cache=True, nogil=True)
def _clear(pending: Record) -> None:
    pending["time_us"] = pending["first_received_us"] = pending["last_received_us"] = NO_TIME_US
    pending["begin"] = pending["count"] = pending["size"] = pending["frames"] = pending["bad"] = 0
    pending["ends"] = pending["ended_before"] = 0
    pending["head"] = pending["tail"] = NO_ROW


@njit(cache=True, nogil=True, inline="always")
def chain(pending: Record, row: Integer, behind: NDArray[np.int32]) -> None:
    """Put a row behind those of a pending epoch."""
    if pending["head"] == NO_ROW:
        pending["head"] = row
    else:
        behind[pending["tail"]] = row
    behind[row] = NO_ROW
    pending["tail"] = row


@njit(cache=True, nogil=True, inline="always")
def add_to(pending: Record, frame: Frame, behind: NDArray[np.int32]) -> None:
    """Add a frame of its time to a pending epoch."""
    if pending["count"] == 0:
        pending["time_us"] = frame.time_us
        pending["first_received_us"] = frame.first_received_us
        pending["begin"] = frame.begin
    pending["ended_before"] |= pending["ends"]
    pending["ends"] = 1 if frame.ends else 0
    pending["last_received_us"] = frame.last_received_us
    pending["count"] += 1
    pending["size"] += frame.size
    pending["frames"] += 1
    chain(pending, frame.row, behind)


@njit(cache=True, nogil=True)
def current(pending: Records) -> Integer:
    """Return which pending epoch counts what comes now."""
    return HELD if pending[HELD]["count"] > 0 else OPEN


@njit(cache=True, nogil=True)
def leave_out(station: Record, pending: Records) -> None:
    """Count a frame whose time cannot be known."""
    station["unusable_times"] += 1
    pending[current(pending)]["frames"] += 1


@njit(cache=True, nogil=True)
def _follows(station: Record, pending: Records) -> bool:
    """Return whether the held frames could be of the epoch behind the latest."""
    latest_us = station["latest_us"]
    return bool(latest_us == NO_TIME_US or 0 < pending[HELD]["time_us"] - latest_us <= MAX_STEP_US)


@njit(cache=True, nogil=True)
def _open_held(station: Record, pending: Records) -> None:
    pending[OPEN] = pending[HELD]
    _clear(pending[HELD])
    station["latest_us"] = pending[OPEN]["time_us"]


@njit(cache=True, nogil=True)
def _tell(epoch: Record, closed_by: Integer, desk: Desk) -> None:
    """Write a pending epoch to the closed ones."""
    used, behind, picked = desk.used[0], desk.behind, desk.picked
    row, at = epoch["head"], used["picked"]
    cells = np.int64(0)
    while row != NO_ROW:
        picked[at] = row
        at += 1
        cells += desk.cells[row]
        row = behind[row]
    told = desk.epochs[used["epochs"]]
    told["slot"] = used["slot"]
    told["time_us"] = epoch["time_us"]
    told["received_at_us"] = epoch["last_received_us"]
    told["closed_by"] = closed_by
    told["first"] = used["cells"]
    told["count"] = cells
    told["frames"] = epoch["frames"]
    told["bad_frames"] = epoch["bad"]
    told["begin"] = epoch["begin"]
    told["messages"] = at - used["picked"]
    used["epochs"] += 1
    used["picked"] = at
    used["cells"] += cells


@njit(cache=True, nogil=True)
def _close(station: Record, pending: Records, closed_by: Integer, desk: Desk) -> None:
    epoch = pending[OPEN]
    if station["distrust"]:
        agree = epoch["ends"] and not epoch["ended_before"]
        station["distrust"] = station["distrust"] - 1 if agree else DISTRUST_EPOCHS
    _tell(epoch, closed_by, desk)
    station["closed_by"] = closed_by
    _clear(epoch)
    if pending[HELD]["count"] > 0 and _follows(station, pending):
        _open_held(station, pending)


@njit(cache=True, nogil=True)
def close_if_ended(station: Record, pending: Records, desk: Desk) -> None:
    """Close the open epoch if its last frame says that it is the last one."""
    if pending[OPEN]["count"] > 0 and pending[OPEN]["ends"] and not station["distrust"]:
        _close(station, pending, _COMPLETE, desk)


@njit(cache=True, nogil=True)
def _promote(station: Record, pending: Records, desk: Desk) -> None:
    """Close the open epoch; the held one is open now."""
    if pending[OPEN]["count"] > 0:
        _close(station, pending, _NEXT, desk)
    if pending[HELD]["count"] > 0:
        pending[HELD]["frames"] += pending[OPEN]["frames"]
        pending[HELD]["bad"] += pending[OPEN]["bad"]
        _open_held(station, pending)
    close_if_ended(station, pending, desk)


@njit(cache=True, nogil=True)
def _refute(station: Record, pending: Records) -> None:
    """Leave out the held frames."""
    held = pending[HELD]
    station["unusable_times"] += held["count"]
    pending[OPEN]["frames"] += held["frames"]
    pending[OPEN]["bad"] += held["bad"]
    _clear(held)


@njit(cache=True, nogil=True)
def _add(station: Record, pending: Records, frame: Frame, desk: Desk) -> None:
    if pending[OPEN]["size"] + frame.size > MAX_EPOCH_BYTES:
        station["oversized_epochs"] += 1
        _close(station, pending, _SIZE, desk)
        station["late_frames"] += 1
        pending[OPEN]["frames"] += 1
        return
    add_to(pending[OPEN], frame, desk.behind)
    close_if_ended(station, pending, desk)


@njit(cache=True, nogil=True)
def _begin(station: Record, pending: Records, frame: Frame, desk: Desk) -> None:
    station["latest_us"] = frame.time_us
    _add(station, pending, frame, desk)


@njit(cache=True, nogil=True)
def _hold(station: Record, pending: Records, frame: Frame, desk: Desk) -> None:
    if pending[HELD]["size"] + frame.size > MAX_EPOCH_BYTES:
        leave_out(station, pending)
    else:
        add_to(pending[HELD], frame, desk.behind)


@njit(cache=True, nogil=True)
def _join_held(station: Record, pending: Records, frame: Frame, desk: Desk) -> bool:
    """Let a frame confirm or refute the held ones; return whether it has found its place by that."""
    step_us = frame.time_us - pending[HELD]["time_us"]
    follows = _follows(station, pending)
    if step_us == 0:
        _hold(station, pending, frame, desk)
        if follows:
            _promote(station, pending, desk)
        return True
    as_before = -LATE_US <= frame.time_us - station["latest_us"] <= MAX_STEP_US
    if 0 < step_us <= MAX_STEP_US and (follows or not as_before):
        _promote(station, pending, desk)
    else:
        _refute(station, pending)
    return False


@njit(cache=True, nogil=True)
def _placed_first(station: Record, pending: Records, frame: Frame, desk: Desk) -> bool:
    """Place a frame before there was an epoch; return False when there is one now, which it is to join.

    A reference may be days away, so that a time of the day waits for the first time of a week.
    """
    held = pending[HELD]
    if held["count"] > 0 and (not frame.of_day or held["time_us"] != frame.time_us):
        if not frame.of_day:
            held["time_us"] += np.int64(np.rint((frame.time_us - held["time_us"]) / DAY_US)) * DAY_US
        _promote(station, pending, desk)
        return False
    if frame.of_day and frame.last_received_us == NO_TIME_US:
        _hold(station, pending, frame, desk)
    else:
        _begin(station, pending, frame, desk)
    return True


@njit(cache=True, nogil=True, inline="always")
def is_ordinary(station: Record, open_: Record, held: Record, size: Integer, time_us: Integer) -> bool:
    """Return whether a frame just belongs to the open epoch, or begins one behind the latest.

    `place` would do no more with it than `add_to`, which costs much less.
    """
    latest_us = station["latest_us"]
    if latest_us == NO_TIME_US or held["count"] > 0:
        return False
    if open_["count"] > 0:
        return bool(time_us == latest_us and open_["size"] + size <= MAX_EPOCH_BYTES)
    return bool(0 < time_us - latest_us <= MAX_STEP_US)


@njit(cache=True, nogil=True)
def place(station: Record, pending: Records, frame: Frame, desk: Desk) -> None:
    """Put a frame into the open epoch, open one, hold the frame, or leave it out."""
    if station["latest_us"] == NO_TIME_US and _placed_first(station, pending, frame, desk):
        return
    if pending[HELD]["count"] > 0 and _join_held(station, pending, frame, desk):
        return
    step_us = frame.time_us - station["latest_us"]
    is_open = pending[OPEN]["count"] > 0
    if step_us == 0 and is_open:
        _add(station, pending, frame, desk)
    elif -LATE_US <= step_us <= 0:
        station["late_frames"] += 1
        pending[OPEN]["frames"] += 1
        if step_us == 0 and station["closed_by"] == _COMPLETE:
            station["distrust"] = DISTRUST_EPOCHS
    elif is_open or not 0 < step_us <= MAX_STEP_US:
        _hold(station, pending, frame, desk)
    else:
        _begin(station, pending, frame, desk)


@njit(cache=True, nogil=True)
def expire(station: Record, pending: Records, now_us: Integer, desk: Desk) -> None:
    """Close the epochs whose first byte was read more than 200 ms ago."""
    while pending[OPEN]["count"] > 0:
        first_us = pending[OPEN]["first_received_us"]
        if first_us == NO_TIME_US or now_us - first_us <= TIMEOUT_US:
            return
        _close(station, pending, _TIMEOUT, desk)


@njit(cache=True, nogil=True)
def finish(station: Record, pending: Records, desk: Desk) -> None:
    """Close what is open."""
    if pending[HELD]["count"] > 0 and _follows(station, pending):
        _promote(station, pending, desk)
    if pending[OPEN]["count"] > 0:
        _close(station, pending, _END, desk)
    if pending[HELD]["count"] > 0:
        _refute(station, pending)
