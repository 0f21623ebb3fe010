"""What is remembered of stations: columns with one row a station, and the scratch of one epoch.

An epoch touches its station's rows only, so that the cost of an epoch does not depend on how many stations
there are. Times are us of UTC; `NEVER_US` stands for none.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gnss.quality.bands import BANDS, N_SIGNALS
from gnss.systems import System
from kernels.compiled import njit

N_SYSTEMS = len(System)
SATELLITES = N_SYSTEMS * 64
"""Rows of a table by satellite: system * 64 + satellite - 1."""
ROWS = 288
"""Signals remembered at once. A receiver of all systems and bands tracks fewer than 280."""
TRACKED = 76
"""Satellites remembered at once. Of all systems fewer than 70 are up."""
CELLS = 512
"""Observations of one epoch that are looked at."""
KINDS = 40
"""Signals by system and code that are summed up for reports."""
ELEVATION_BINS = 9
HISTORY = 4
"""Figures that are compared with the station's own past."""
MESSAGES = 24
"""Message numbers of a station that are timed."""
WINDOW_SLOTS = 60
LATENCIES = 60
NEVER_US = -(2**62)
NO_ROW = -1

SIGNAL = np.dtype(
    [
        ("key", "<i2"),  # (system * 64 + satellite - 1) * 33 + signal, -1 free
        ("mp_count", "<i2"),  # points of the arc, at most 32,767
        ("mp_arc", "<i4"),
        ("last_us", "<i8"),  # last report of this signal
        ("phase_m", "<f8"),
        ("mp_mean_m", "<f8"),
        ("mp_last_us", "<i8"),
        ("mp_age_s", "<f4"),
        ("lock_low_ms", "<i4"),  # -1 not told
        ("cn0_level_dbhz", "<f4"),
        ("cn0_age_s", "<f4"),
        ("tracked_s", "<f4"),
        ("half_cycle", "u1"),
        ("slips", "u1"),
    ],
    align=True,
)
SATELLITE = np.dtype(
    [
        ("key", "<i2"),  # system * 64 + satellite - 1, -1 free
        ("high", "u1"),  # signals whose phases make the combinations, 0 none
        ("low", "u1"),
        ("arc", "<i4"),
        ("arc_us", "<i8"),  # last epoch that had both
        ("slip_us", "<i8"),
        ("last_us", "<i8"),
        ("wide_mean", "<f8"),  # Melbourne-Wuebbena, cycles
        ("wide_square", "<f8"),
        ("wide_us", "<i8"),
        ("wide_count", "<i4"),
        ("wide_arc", "<i4"),
        ("reference", "u1"),  # signal that tells of the receiver's clock
        ("wide_doubt", "u1"),
        ("rot_count", "u1"),
        ("wide_pair", "u1"),
        ("range_m", "<f8"),
        ("phase_m", "<f8"),
        ("phase_rate_m_s", "<f4"),
        ("roti", "<f4"),
        ("free_m", "<f8"),  # geometry-free phase at free_us
        ("free_us", "<i8"),
        ("free_arc", "<i4"),
        ("rot", "<f4", (10,)),
    ],
    align=True,
)
CELL = np.dtype(
    [
        ("range_m", "<f8"),
        ("phase_m", "<f8"),
        ("hz", "<f8"),  # 0: not known
        ("cn0_dbhz", "<f8"),
        ("rate_m_s", "<f8"),
        ("source", "<i4"),  # row of the observation
        ("row", "<u2"),
        ("following", "<i2"),  # next cell of the same satellite, -1 none
        ("lock_indicator", "<i2"),
        ("lock_ms", "<i4"),
        ("system", "u1"),
        ("signal", "u1"),
        ("half_cycle", "u1"),
        ("flags", "u1"),
        ("slip", "u1"),
        ("band", "i1"),
        ("fresh", "u1"),  # begins an arc of tracking
        ("kind", "u1"),  # row of the sums of its system's signal
    ],
    align=True,
)
"""One observation that holds a value, in the order of the epoch. Rows have no sign: a kernel need not ask
whether they count from the end, which is a twentieth of its time."""
SEEN = np.dtype(
    [
        ("head", "<i2"),  # first cell
        ("slot", "<u2"),  # row of SATELLITE
        ("key", "<i2"),
        ("place", "<i2"),  # bin of the elevation, -1 unknown
        ("signals", "<u4"),  # bit signal - 1
        ("sine", "<f8"),  # of the elevation, NaN unknown
    ],
    align=True,
)
"""One satellite of the epoch."""

STATION = np.dtype(
    [
        ("interval_us", "<i8"),
        ("step_us", "<i8"),
        ("anchor_us", "<i8"),
        ("first_us", "<i8"),
        ("epoch_us", "<i8"),
        ("epoch_slot", "<i8"),
        ("last_slot", "<i8"),
        ("due_us", "<i8"),
        ("bad_us", "<i8"),
        ("degraded_us", "<i8"),
        ("frames", "<i8"),
        ("bad_frames", "<i8"),
        ("claimed_frames", "<i8"),
        ("claimed_bad", "<i8"),
        ("told_frames", "<i8"),  # that epochs held, ever
        ("told_bad", "<i8"),
        ("repeated_epochs", "<i8"),
        ("empty_epochs", "<i8"),
        ("restarts", "<i8"),
        ("without_room", "<i8"),
        ("surplus_epochs", "<i8"),
        ("judged_at_us", "<i8"),
        ("judged_lately", "<f8"),
        ("code_jump_m", "<f8"),  # steps of the clock that codes have and phases have not, summed up
        ("clock_m", "<f8"),  # of the receiver, as ranges without whole milliseconds are restored with it
        ("partial", "<i8"),  # observations that stayed without
        ("jump_us", "<i8"),
        ("jump_ms", "<f8"),
        ("ecef_m", "<f8", (3,)),  # where it is taken to be
        ("up", "<f8", (3,)),
        ("told_us", "<i8"),  # after this epoch it is taken to be at told_m
        ("told_m", "<f8", (3,)),
        ("told_up", "<f8", (3,)),
        ("position_us", "<i8"),  # last single-point position
        ("position", "<f8", (8,)),  # state of gnss.quality.offsets
        ("capability_from", "<i8"),
        ("learned_us", "<i8"),
        ("common", "<u4", (8,)),  # signals that all satellites of a system have
        ("history_hour", "<i8"),
        ("latency_count", "<i8"),
        # from when on next_points are the extra_points: those of registry and messages, and the next changes
        ("extra_from_us", "<i8", (2, 4)),
        ("next_points", "<f4", (2, 4)),
        ("extra_points", "<f4", (2,)),
        ("kinds", "<i4"),
        ("rows", "<i4"),  # rows of signals that were ever used
        ("live", "u1"),
        ("placed", "u1"),  # 0: position unknown, 1 own mean, 2 told, 3 registered
        ("used", "u1"),
    ],
    align=True,
)
"""Scalars of a station. Slots as in `gnss.quality.grid`."""

SUMS = (
    "epochs", "observations", "expected", "compared", "slips", "mp_squares", "mp_count", "cn0_sum",
    "cn0_count", "frames", "bad_frames", "sky_expected", "sky_have", "mask_expected", "mask_have", "usable",
    "template_sum", "template_count", "dual",
)  # fmt: skip
"""Columns of the window, see `gnss.quality.window`."""
(
    W_EPOCHS, W_OBSERVATIONS, W_EXPECTED, W_COMPARED, W_SLIPS, W_MP_SQUARES, W_MP_COUNT, W_CN0_SUM,
    W_CN0_COUNT, W_FRAMES, W_BAD_FRAMES, W_SKY_EXPECTED, W_SKY_HAVE, W_MASK_EXPECTED, W_MASK_HAVE, W_USABLE,
    W_TEMPLATE_SUM, W_TEMPLATE_COUNT, W_DUAL,
) = range(len(SUMS))  # fmt: skip

KIND_SUMS = (
    "observations", "expected", "have", "expected_mask", "have_mask", "lock_slips", "phase_slips",
    "interruptions", "multipath_squares", "multipath_count", "cn0_sum", "cn0_squares", "cn0_count",
)  # fmt: skip
"""Columns of `Memory.kinds`, as `gnss.quality.period.SignalFigures` names them."""
(
    K_OBSERVATIONS, K_EXPECTED, K_HAVE, K_EXPECTED_MASK, K_HAVE_MASK, K_LOCK_SLIPS, K_PHASE_SLIPS,
    K_INTERRUPTIONS, K_MP_SQUARES, K_MP_COUNT, K_CN0_SUM, K_CN0_SQUARES, K_CN0_COUNT,
) = range(len(KIND_SUMS))  # fmt: skip


class Memory(NamedTuple):
    """All stations, arrays of shape (n_stations, ...)."""

    station: NDArray[Any]
    """`STATION`."""
    signals: NDArray[Any]
    """`SIGNAL`, (n, ROWS)."""
    satellites: NDArray[Any]
    """`SATELLITE`, (n, TRACKED)."""
    row_of: NDArray[np.int16]
    """Row of a tracked satellite's signal, (n, TRACKED, 33)."""
    slot_of: NDArray[np.uint8]
    """Row of a satellite among the tracked ones, 255 none, (n, 448)."""
    window: NDArray[np.float32]
    """`SUMS` of each slot, (n, 60, 19)."""
    window_slot: NDArray[np.int32]
    """(n, 60)."""
    window_total: NDArray[np.float64]
    """(n, 19)."""
    latency_s: NDArray[np.float32]
    """A ring, (n, 60)."""
    down_since_us: NDArray[np.int64]
    """When each band went down, (n, 5)."""
    template: NDArray[np.float32]
    """C/N0 by system, band and elevation: mean and days of weight, (n, 7, 5, 9, 2)."""
    capability: NDArray[np.uint32]
    """Signals that each satellite was seen with: this fortnight and the one before, (n, 448, 2)."""
    history: NDArray[np.float64]
    """Own past: running mean, square, hours, sum and count of this hour, (n, HISTORY, 5)."""
    kind_of: NDArray[np.uint8]
    """Row in `kinds` of a system's signal, 255 none, (n, 231)."""
    kinds: NDArray[np.float64]
    """`KIND_SUMS` of each kind since the last report, (n, KINDS, 13)."""
    elevation: NDArray[np.float32]
    """C/N0 sum, count, multipath squares, count since the last report, (n, 7, 5, 9, 4)."""


_SHAPES: dict[str, tuple[tuple[int, ...], Any]] = {
    "station": ((), STATION),
    "signals": ((ROWS,), SIGNAL),
    "satellites": ((TRACKED,), SATELLITE),
    "row_of": ((TRACKED, N_SIGNALS), np.int16),
    "slot_of": ((SATELLITES,), np.uint8),
    "window": ((WINDOW_SLOTS, len(SUMS)), np.float32),
    "window_slot": ((WINDOW_SLOTS,), np.int32),
    "window_total": ((len(SUMS),), np.float64),
    "latency_s": ((LATENCIES,), np.float32),
    "down_since_us": ((len(BANDS),), np.int64),
    "template": ((N_SYSTEMS, len(BANDS), ELEVATION_BINS, 2), np.float32),
    "capability": ((SATELLITES, 2), np.uint32),
    "history": ((HISTORY, 5), np.float64),
    "kind_of": ((N_SYSTEMS * N_SIGNALS,), np.uint8),
    "kinds": ((KINDS, len(KIND_SUMS)), np.float64),
    "elevation": ((N_SYSTEMS, len(BANDS), ELEVATION_BINS, 4), np.float32),
}
BYTES_A_STATION = sum(int(np.prod(shape)) * np.dtype(kind).itemsize for shape, kind in _SHAPES.values())


def new_memory(n: int) -> Memory:
    """Return memory of `n` stations of which nothing is known."""
    memory = _room(n)
    for s in range(n):
        forget(memory, s)
    return memory


def grown(memory: Memory, n: int) -> Memory:
    """Return memory with room for `n` stations that holds what `memory` holds.

    New rows belong to nobody before `forget` has begun them: memory that nobody has touched costs nothing.
    """
    more, begin = _room(n), len(memory.station)
    columns: list[tuple[NDArray[Any], NDArray[Any]]] = list(zip(more, memory, strict=True))
    for mine, theirs in columns:
        mine[:begin].view(np.uint8)[...] = theirs.view(np.uint8)  # field by field it takes five times as long
    more.station[begin:] = new_memory(1).station
    return more


def _room(n: int) -> Memory:
    return Memory(**{name: np.zeros((n, *shape), kind) for name, (shape, kind) in _SHAPES.items()})


@njit(cache=True, nogil=True, error_model="numpy")
def forget_signals(memory: Memory, s: int) -> None:
    """Forget what station `s` tracked, but not what it has learnt over days (templates, capabilities)."""
    rows, satellites = memory.signals[s], memory.satellites[s]
    for r in range(len(rows)):
        rows[r].key = -1
        rows[r].last_us = NEVER_US
        rows[r].mp_last_us = NEVER_US
    for k in range(len(satellites)):
        satellite = satellites[k]
        satellite.key = -1
        satellite.arc = 0
        satellite.arc_us = NEVER_US
        satellite.slip_us = NEVER_US
        satellite.last_us = NEVER_US
        satellite.wide_us = NEVER_US
        satellite.free_us = NEVER_US
    memory.row_of[s] = -1
    memory.slot_of[s] = 255
    memory.window[s] = 0.0
    memory.window_slot[s] = -1
    memory.window_total[s] = 0.0
    memory.latency_s[s] = 0.0
    memory.down_since_us[s] = -1
    station = memory.station[s]
    for_the_first_time(station)


@njit(cache=True, nogil=True, error_model="numpy")
def for_the_first_time(station: Any) -> None:
    """Set the scalars that begin anew with a recording."""
    station.anchor_us = NEVER_US
    station.first_us = NEVER_US
    station.epoch_us = NEVER_US
    station.epoch_slot = 0
    station.last_slot = 0
    station.due_us = NEVER_US
    station.bad_us = NEVER_US
    station.degraded_us = NEVER_US
    station.code_jump_m = 0.0
    station.clock_m = 0.0
    station.jump_us = NEVER_US
    station.jump_ms = 0.0
    station.latency_count = 0
    station.position_us = NEVER_US
    station.rows = 0


@njit(cache=True, nogil=True, error_model="numpy")
def forget(memory: Memory, s: int) -> None:
    """Make row `s` that of a station of which nothing is known."""
    station = memory.station[s]
    station.interval_us = 1_000_000
    station.step_us = 1_000_000
    station.frames = 0
    station.bad_frames = 0
    station.claimed_frames = 0
    station.claimed_bad = 0
    station.told_frames = 0
    station.told_bad = 0
    station.repeated_epochs = 0
    station.empty_epochs = 0
    station.restarts = 0
    station.without_room = 0
    station.surplus_epochs = 0
    station.partial = 0
    station.judged_at_us = 0
    station.judged_lately = 0.0
    station.capability_from = 0
    station.learned_us = NEVER_US
    station.common[:] = 0
    station.history_hour = -1
    for lane in range(2):
        station.extra_points[lane] = 100.0
        for i in range(4):
            station.extra_from_us[lane, i] = NEVER_US
    station.told_us = NEVER_US
    station.kinds = 0
    station.live = 0
    station.placed = 0
    station.used = 0
    for i in range(3):
        station.ecef_m[i] = 0.0
        station.up[i] = 0.0
        station.told_m[i] = 0.0
        station.told_up[i] = 0.0
    for i in range(8):
        station.position[i] = 0.0
    memory.template[s] = 0.0
    memory.capability[s] = 0
    memory.history[s] = 0.0
    memory.kind_of[s] = 255
    memory.kinds[s] = 0.0
    memory.elevation[s] = 0.0
    forget_signals(memory, s)
