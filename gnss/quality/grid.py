"""The times at which a station should observe.

The registry says how often a station observes; its first epoch says at which phase. Time is cut into slots
of one interval (of one second where the interval is shorter), and a slot without an epoch is a missed one.
All times are us, all functions kernels.
"""

from __future__ import annotations

from kernels.compiled import njit

SECOND_US = 1_000_000
NO_SLOT = -(2**62)


@njit(cache=True, nogil=True, error_model="numpy")
def interval_us(interval_s: float) -> int:
    """Return the time between epochs, at least a millisecond."""
    return max(round(interval_s * 1e6), 1000)


@njit(cache=True, nogil=True, error_model="numpy")
def slot_of(t_us: int, anchor_us: int, interval: int, step: int) -> int:
    """Return the slot of a time; an epoch may be early by 0.4 intervals."""
    return (t_us - anchor_us + interval * 2 // 5) // step


@njit(cache=True, nogil=True, error_model="numpy")
def epochs_a_slot(interval: int, step: int) -> int:
    """Return how many epochs a slot should hold."""
    return max(int(round(step / interval)), 1)  # noqa: RUF046 - numba's round gives a float


@njit(cache=True, nogil=True, error_model="numpy")
def epochs_by(t_us: int, anchor_us: int, interval: int, step: int) -> int:
    """Return how many epochs the slot of `t_us` should hold by then."""
    begin_us = anchor_us + slot_of(t_us, anchor_us, interval, step) * step
    into_us = t_us + interval * 2 // 5 - begin_us
    return min(into_us // interval + 1, epochs_a_slot(interval, step))


@njit(cache=True, nogil=True, error_model="numpy")
def next_missed(slot: int, last_epoch_slot: int, step: int) -> int:
    """Return the slot after `slot` that is reported in an outage; `NO_SLOT`: none.

    Every slot for ten minutes, then one a minute for six hours, one an hour for a month, then none: the
    verdict stands until an epoch comes. So the reports on a gap are bounded, however it is replayed.
    """
    away_s = (slot + 1 - last_epoch_slot) * step // SECOND_US
    if away_s <= 600:
        stride_s = 1
    elif away_s <= 6 * 3600:
        stride_s = 60
    elif away_s <= 31 * 86_400:
        stride_s = 3600
    else:
        return NO_SLOT
    stride = max(stride_s * SECOND_US // step, 1)
    return last_epoch_slot + -(-(slot + 1 - last_epoch_slot) // stride) * stride
