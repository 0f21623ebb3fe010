"""What is summed up of stations over a period and a minute: columns with one row a station."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gnss.quality.judgements import INDICATORS
from gnss.quality.latency_bins import BINS

NEVER_US = -(2**62)
REMARK_CODES = (
    "no_observations", "warm_up", "latency_unknown", "clock", "multipath_unknown", "clock_step", "storm",
    "hold",
)  # fmt: skip
"""Codes of remarks, as `gnss.quality.verdict` words them."""
CODES = INDICATORS + REMARK_CODES
(
    C_NO_OBSERVATIONS, C_WARM_UP, C_LATENCY_UNKNOWN, C_CLOCK, C_MULTIPATH_UNKNOWN, C_CLOCK_STEP, C_STORM,
    C_HOLD,
) = range(len(INDICATORS), len(CODES))  # fmt: skip
LATENCIES = 64
"""Latencies of a minute that its median rests upon; of more every second, every fourth and so on."""
SYSTEMS, STATES = 7, 4

PERIOD = np.dtype(
    [
        ("newest_us", "<i8"),  # newest judgement
        ("anchor_us", "<i8"),  # first judgement since epochs are counted without a break
        ("due", "<i8"),  # epochs that were due since then
        ("epoch_us", "<i8"),  # newest epoch
        ("missing_us", "<i8"),  # when the next epoch is due, or the first one that is missing was
        ("first_us", "<i8"),  # of this period
        ("last_us", "<i8"),
        ("epochs", "<i8"),
        ("expected", "<i8"),
        ("frames", "<i8"),
        ("bad_frames", "<i8"),
        ("late", "<i8"),
        ("out_of_order", "<i8"),
        ("usable", "<i8", (SYSTEMS,)),
        ("state_s", "<f8", (STATES,)),
        ("score_sum", "<f8"),
        ("score_s", "<f8"),
        ("latency_count", "<i8"),
        ("latency_max_s", "<f8"),
        ("position_slot", "<i8"),
        ("positions", "<i8"),
        ("offset_sum", "<f8", (3,)),
        ("offset_squares", "<f8", (3,)),
        ("offset_variances", "<f8", (3,)),
        ("jump_ms", "<f8"),
        ("code_s", "<f8", (len(CODES),)),
        ("code_first_us", "<i8", (len(CODES),)),
        ("code_last_us", "<i8", (len(CODES),)),
        ("code_points", "<f4", (len(CODES),)),
        ("code_value", "<f8", (len(CODES),)),
        ("code_threshold", "<f8", (len(CODES),)),
        ("code_minute", "<i8", (len(CODES),)),
        ("minutes", "<i4"),  # kept of this period
        ("events", "<i4"),
        ("without_room", "<i4"),  # minutes and events that were left out
    ],
    align=True,
)
"""Sums of a station. Those from `newest_us` to `missing_us` and `jump_ms` go on over the ends of periods."""

MINUTE = np.dtype(
    [
        ("minute", "<i8"),  # -1: none is open
        ("station", "<i4"),
        ("epochs", "<i4"),
        ("expected", "<i4"),
        ("observations", "<i4"),  # of epochs and slots in which something could be expected
        ("observations_expected", "<i4"),
        ("satellites", "<i4"),  # sum over the epochs
        ("slips", "<i4"),
        ("cn0_sum", "<f4"),
        ("cn0_count", "<i4"),
        ("multipath_m", "<f4"),  # the last one, NaN
        ("latency_s", "<f4"),  # median
        ("latency_count", "<i4"),
        ("roti_sum", "<f4"),
        ("roti_count", "<i4"),
        ("score", "<i2"),  # the lowest, -1 none
        ("state", "u1"),  # the worst
    ],
    align=True,
)
"""Sums of a station over a minute."""

EVENT = np.dtype(
    [("station", "<i4"), ("kind", "<i4"), ("time_us", "<i8"), ("value", "<f8"), ("end_us", "<i8")]
)
GAP, CLOCK_STEP = range(2)
"""Kinds of events: epochs missing from `time_us` to `end_us`; a step of the clock by `value` ms."""
TOLD = np.dtype([("row", "<i8"), ("jump_ms", "<f8"), ("registry_s", "<f8")])
"""A judgement whose findings are to be put in words."""


class Memory(NamedTuple):
    """All stations, arrays of shape (n_stations, ...)."""

    period: NDArray[Any]
    """`PERIOD`."""
    minute: NDArray[Any]
    """`MINUTE`: the one that is open."""
    latency_s: NDArray[np.float32]
    """Of the open minute, (n, LATENCIES)."""
    latency_seen: NDArray[np.int32]
    """Latencies of the open minute, and each how-manieth is kept, (n, 2)."""
    latency_bins: NDArray[np.int32]
    """Counts by `gnss.quality.latency_bins`, (n, BINS)."""


_GOES_ON = ("newest_us", "anchor_us", "due", "epoch_us", "missing_us", "position_slot", "jump_ms")
"""What a period hands on to the next one."""


def _first_period() -> Any:
    """Return the row of a station of which nothing is known."""
    (row,) = np.zeros(1, PERIOD)
    for name in ("newest_us", "anchor_us", "epoch_us", "missing_us", "position_slot", "first_us", "last_us"):
        row[name] = NEVER_US
    row["latency_max_s"] = -np.inf
    row["code_minute"] = -1
    row["code_points"] = np.inf
    row["code_value"] = row["code_threshold"] = np.nan
    return row


_FIRST = _first_period()


def new_memory(n: int) -> Memory:
    """Return memory of `n` stations of which nothing is known."""
    memory = Memory(
        np.zeros(n, PERIOD),
        np.zeros(n, MINUTE),
        np.zeros((n, LATENCIES), np.float32),
        np.zeros((n, 2), np.int32),
        np.zeros((n, BINS), np.int32),
    )
    forget(memory, slice(None))
    return memory


def forget(memory: Memory, rows: int | slice) -> None:
    """Make rows those of stations of which nothing is known."""
    memory.period[rows] = _FIRST
    memory.minute[rows] = np.zeros((), MINUTE)
    memory.minute["minute"][rows] = -1
    memory.latency_seen[rows] = 0, 1
    memory.latency_bins[rows] = 0


def begin_period(memory: Memory, s: int) -> None:
    """Set the sums of a period to nothing; an open minute stays."""
    station = memory.period[s]
    kept = [(name, station[name]) for name in _GOES_ON]
    memory.period[s] = _FIRST
    for name, value in kept:
        station[name] = value
    memory.latency_bins[s] = 0


def grown(memory: Memory, n: int) -> Memory:
    """Return memory with room for `n` stations that holds what `memory` holds."""
    more = new_memory(n - len(memory.period))
    columns: list[tuple[NDArray[Any], NDArray[Any]]] = list(zip(memory, more, strict=True))
    return Memory(*(np.concatenate(pair) for pair in columns))


BYTES_A_STATION = sum(array.nbytes for array in new_memory(1))
