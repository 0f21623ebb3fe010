"""Which samples go where: kernels that sort out what comes in order, and hand it to many slots."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from kernels.compiled import njit
from sensors.qartod_kernel import clock_was_ahead

NEVER: Final = np.iinfo(np.int64).min
"""The newest time of a source of which nothing came."""
NOWHERE, IN_ORDER, LATE = 0, 1, 2


@njit(cache=True, nogil=True)
def sort_out(
    source: Any, time_us: Any, received_at_us: Any, revision: Any, lateness_us: int, newest_us: Any, way: Any
) -> tuple[int, int]:
    """Tell samples in order from those that come late, each source for itself.

    Parameters
    ----------
    source
        Shape (n,): a row of `newest_us`, or -1 for samples that nobody wants.
    time_us, received_at_us, revision
        Shape (n,), in the order they came; a revision above 0 repeats a sample and goes nowhere.
    lateness_us
        One that is older than the newest by more is `LATE`, when it is newer than all late ones before.
    newest_us
        Shape (sources, 2): of those in order, of the late ones; is moved on.
    way
        Shape (n,); becomes `NOWHERE`, `IN_ORDER` or `LATE`.

    Returns
    -------
    How many are late, and how many are left out since they are neither.
    """
    late, left_out = 0, 0
    for i in range(len(source)):
        way[i] = NOWHERE
        row = source[i]
        if row < 0 or revision[i] > 0:
            continue
        newest = newest_us[row, 0]
        if time_us[i] > newest or clock_was_ahead(newest, time_us[i], received_at_us[i]):
            newest_us[row, 0] = time_us[i]
            way[i] = IN_ORDER
        elif time_us[i] < newest - lateness_us and time_us[i] > newest_us[row, 1]:
            newest_us[row, 1] = time_us[i]
            way[i] = LATE
            late += 1
        else:
            left_out += 1
    return late, left_out


@njit(cache=True, nogil=True)
def spread(way: Any, wanted: int, source: Any, begins: Any, slots: Any, roles: Any, columns: Any) -> Any:
    """Hand samples to all slots that their sources feed.

    Parameters
    ----------
    way, wanted, source
        As `sort_out` has them, shape (n,); those whose way is `wanted` are handed on.
    begins
        Shape (sources + 1,): where the feeds of each source begin in `slots` and `roles`.
    slots, roles
        Shape (feeds,).
    columns
        Time in µs, value, whether it is usable, and time of receipt in µs, each of shape (n,).

    Returns
    -------
    Columns of shape (m,), in the order in which the samples came: the sample's place, then those of
    `sensors.detectors.bank.Rows`.
    """
    time_us, value, usable, received_at_us = columns
    n = 0
    for i in range(len(way)):
        if way[i] == wanted:
            n += begins[source[i] + 1] - begins[source[i]]
    place, slot, role = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64)
    times, received = np.empty(n, np.int64), np.empty(n, np.int64)
    values, good = np.empty(n, np.float64), np.empty(n, np.bool_)
    n = 0
    for i in range(len(way)):
        if way[i] != wanted:
            continue
        for feed in range(begins[source[i]], begins[source[i] + 1]):
            place[n], slot[n], role[n] = i, slots[feed], roles[feed]
            times[n], values[n], good[n], received[n] = time_us[i], value[i], usable[i], received_at_us[i]
            n += 1
    return place, slot, role, times, values, good, received


def prepare() -> None:
    """Compile."""
    none, way = np.zeros(0, np.int64), np.zeros(0, np.int8)
    sort_out(none, none, none, np.zeros(0, np.int32), 0, np.zeros((0, 2), np.int64), way)
    columns = (none, np.zeros(0), np.zeros(0, np.bool_), none)
    spread(way, IN_ORDER, none, np.zeros(1, np.int64), none, none, columns)
