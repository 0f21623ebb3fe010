"""All sockets that have something are read, and what is held too long goes on: two calls a tick."""

from __future__ import annotations

import errno

import numpy as np
from numba import types
from numpy.typing import NDArray

from connectors.gathering.columns import REGION_BYTES, Column, Ending, Int64, Place, UInt8
from connectors.gathering.epochs_kernel import Scratch, arrive, put_out
from connectors.gathering.libc import EPOLL_EVENT_BYTES, carray, epoll_wait, errno_address, recv
from gnss.rtcm.bits import Integer
from kernels.compiled import njit

MOST_BYTES_PER_S = 256_000
BURST_BYTES = 1_000_000
"""What one sender may bring for ever and at once: a receiver with 50 epochs a second, and the backlog
of five minutes of one with one. Who sends more is read no faster, or it would take the time of all others."""
BACKLOG_US = 10_000_000
"""What is read so long behind a backlog is still its end."""
HOLD_US = 30_000
"""That the begin of an epoch waits for its end: with the next tick less than 50 ms."""
HOLD_IN_BACKLOG_US = 1_000_000
"""The rest of an epoch comes when all the others have been read."""

_IN_USE, _FILLED, _SCANNED, _CUT = (
    int(Column.IN_USE),
    int(Column.FILLED),
    int(Column.SCANNED),
    int(Column.CUT),
)
_IS_OPEN, _SINCE_US, _BACKLOG_UNTIL_US = (
    int(Column.IS_OPEN),
    int(Column.HELD_SINCE_US),
    int(Column.BACKLOG_UNTIL_US),
)
_LAST_US, _STALL_US, _IS_PAUSED = int(Column.LAST_US), int(Column.STALL_US), int(Column.IS_PAUSED)
_BUDGET, _BUDGET_AT_US, _PLACE = (
    int(Column.BUDGET_BYTES),
    int(Column.BUDGET_AT_US),
    int(Column.CHUNK_PLACE),
)
_END, _BROKEN = int(Place.END), int(Place.BROKEN)
_CLOSED, _OVER_BUDGET = int(Ending.CLOSED), int(Ending.OVER_BUDGET)
_BODY_ENDED, _BODY_BROKEN = int(Ending.BODY_ENDED), int(Ending.BODY_BROKEN)
_STALLED = int(Ending.STALLED)
_AGAIN, _INTERRUPTED = errno.EAGAIN, errno.EINTR


@njit(cache=True, nogil=True)
def read_sockets(
    epoll: Integer,
    events: UInt8,
    slot_of: NDArray[np.int32],
    states: Int64,
    regions: UInt8,
    out: UInt8,
    rows: Int64,
    endings: Int64,
    mono_us: Integer,
    received_at_us: Integer,
    found_at: Scratch,
) -> tuple[int, int, int]:
    """Read each socket that is ready once; return how many were, how many pieces go on, how many endings.

    Sockets whose turn does not come since `out` is full stay ready.

    Parameters
    ----------
    epoll
        The descriptor whose events tell a socket's descriptor.
    events
        Room for them.
    slot_of
        The stream of each descriptor.
    states, regions
        All streams.
    out, rows
        Get the pieces and, shape (as many as events, rows), what they are.
    endings
        Gets pairs of a stream and an `Ending`, shape (as many as events, 2).
    mono_us, received_at_us
        Now, by a monotonic clock and by the wall clock.
    found_at
        Scratch room.
    """
    ready = epoll_wait(
        np.int32(epoll),
        types.uintp(events.ctypes.data),
        np.int32(events.size // EPOLL_EVENT_BYTES),
        np.int32(0),
    )
    n_rows = n_endings = 0
    at: Integer = 0
    for i in range(ready):
        if out.size - at < 2 * REGION_BYTES:
            break
        fd = np.int64(0)
        for k in range(4):
            fd |= np.int64(events[EPOLL_EVENT_BYTES * (i + 1) - 8 + k]) << (8 * k)
        slot = slot_of[fd]
        state, region = states[slot], regions[slot]
        filled = state[_FILLED]
        room = REGION_BYTES - filled
        count = recv(
            np.int32(fd),
            types.uintp(regions.ctypes.data) + types.uintp(slot * REGION_BYTES + filled),
            types.uintp(room),
            np.int32(0),
        )
        ending: Integer = np.int64(1)
        if count > 0:
            passed_us = min(mono_us - state[_BUDGET_AT_US], 60_000_000)
            budget = min(state[_BUDGET] + passed_us * MOST_BYTES_PER_S // 1_000_000, BURST_BYTES) - count
            state[_BUDGET], state[_BUDGET_AT_US] = budget, mono_us
            if count == room:
                state[_BACKLOG_UNTIL_US] = mono_us + BACKLOG_US
            arrive(state, region, count, mono_us, received_at_us, found_at)
            if state[_CUT]:
                at = put_out(slot, state, region, mono_us, out, at, rows[n_rows], found_at)
                n_rows += 1
            is_told = True
            if state[_PLACE] == _END:
                ending = _BODY_ENDED
            elif state[_PLACE] == _BROKEN:
                ending = _BODY_BROKEN
            elif budget < 0:
                ending = _OVER_BUDGET
            else:
                is_told = False
        elif count == 0:
            ending, is_told = _CLOSED, True
        else:
            ending = np.int64(carray(errno_address(), 1)[0])
            is_told = ending not in (_AGAIN, _INTERRUPTED)
        if is_told:
            endings[n_endings, 0], endings[n_endings, 1] = slot, ending
            n_endings += 1
    return ready, n_rows, n_endings


@njit(cache=True, nogil=True)
def let_go(
    states: Int64,
    regions: UInt8,
    out: UInt8,
    rows: Int64,
    endings: Int64,
    mono_us: Integer,
    found_at: Scratch,
) -> tuple[int, int]:
    """Let go on what is held for so long that its rest does not come, and find streams that are silent.

    Returns
    -------
    tuple
        How many pieces go on (`rows`), and how many streams have stalled (`endings`): as many as there is
        room for, the others with the next call.
    """
    n_rows = n_endings = 0
    at: Integer = 0
    for slot in range(len(states)):
        state = states[slot]
        if not state[_IN_USE] or state[_IS_PAUSED]:
            continue
        if mono_us - state[_LAST_US] > state[_STALL_US] and n_endings < len(endings):
            endings[n_endings, 0], endings[n_endings, 1] = slot, _STALLED
            n_endings += 1
        hold_us = HOLD_IN_BACKLOG_US if mono_us < state[_BACKLOG_UNTIL_US] else HOLD_US
        if state[_SCANNED] == 0 or mono_us - state[_SINCE_US] < hold_us:
            continue
        if out.size - at >= 2 * REGION_BYTES and n_rows < len(rows):
            state[_CUT], state[_IS_OPEN] = state[_SCANNED], 0
            at = put_out(slot, state, regions[slot], mono_us, out, at, rows[n_rows], found_at)
            n_rows += 1
    return n_rows, n_endings
